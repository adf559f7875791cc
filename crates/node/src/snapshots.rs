//! A snapshot's way from the thread that owns the state to the one that writes it down.
//!
//! The owner takes it between two decisions and holds it until the log is durable up to where
//! it stands: nothing in a checkpoint may be something that a crash takes back (I2).

use std::collections::VecDeque;

use crossbeam_channel::Sender;
use huntcore_model::Sequence;

/// Snapshots that wait for the log.
pub(crate) struct Held<S> {
    // In the order in which they were taken; rarely more than one.
    waiting: VecDeque<(Sequence, S, Sender<S>)>,
}

impl<S> Held<S> {
    pub(crate) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
        }
    }

    /// Takes a snapshot of the state whose last batch ends at `stands_at`.
    pub(crate) fn hold(&mut self, stands_at: Sequence, snapshot: S, reply: Sender<S>) {
        self.waiting.push_back((stands_at, snapshot, reply));
    }

    /// Hands over what the log holds.
    pub(crate) fn release(&mut self, durable: Sequence) {
        while let Some((_, snapshot, reply)) = self
            .waiting
            .pop_front_if(|(stands_at, ..)| *stands_at <= durable)
        {
            // Whoever asked may have gone.
            drop(reply.try_send(snapshot));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_handed_over_when_the_log_is_durable_up_to_it() {
        let mut held = Held::new();
        let (reply, received) = crossbeam_channel::bounded(2);
        for stands_at in [5, 8] {
            held.hold(Sequence::new(stands_at), stands_at, reply.clone());
        }
        held.release(Sequence::new(4));
        assert!(received.try_recv().is_err());
        held.release(Sequence::new(7));
        assert_eq!(received.try_recv(), Ok(5));
        assert!(received.try_recv().is_err());
        drop(received);
        held.release(Sequence::new(8));
    }
}
