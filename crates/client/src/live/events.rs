//! What a live connection tells its owner.

use std::time::Duration;

use huntcore_wire::{ServerMessage, SubscribedMessage};
use tokio::sync::mpsc;

/// Something that happened on a live connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveEvent {
    /// Connected, for the first time or again. Unless `resumed`, a snapshot follows.
    Subscribed(SubscribedMessage),
    /// A `round`, `delta`, `snapshot`, `board` or `error`; already in the state.
    Message(ServerMessage),
    /// The connection is lost; another one will be tried.
    Disconnected {
        /// Why.
        reason: String,
        /// After this long.
        retry_in: Duration,
    },
    /// Events were dropped because they were not read in time; the state has them all.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// The end: the server will not have this client, or too many tries have failed.
    Closed {
        /// The close frame's code, if one came.
        code: Option<u16>,
        /// Why.
        reason: String,
    },
}

/// The bounded way to the owner.
pub(super) struct EventQueue {
    sender: mpsc::Sender<LiveEvent>,
    missed: u64,
}

impl EventQueue {
    pub(super) const fn new(sender: mpsc::Sender<LiveEvent>) -> Self {
        Self { sender, missed: 0 }
    }

    /// Hands an event over, or counts it as missed; never waits.
    pub(super) fn push(&mut self, event: LiveEvent) {
        let missed = LiveEvent::Lagged {
            missed: self.missed,
        };
        if self.missed > 0 && self.sender.try_send(missed).is_ok() {
            self.missed = 0;
        }
        if self.missed > 0 || self.sender.try_send(event).is_err() {
            self.missed += 1;
        }
    }

    /// Hands the last event over, however long the owner takes to make room.
    pub(super) async fn finish(mut self, event: LiveEvent) {
        let lagged = LiveEvent::Lagged {
            missed: std::mem::take(&mut self.missed),
        };
        if lagged != (LiveEvent::Lagged { missed: 0 }) {
            // An owner who is gone needs no last word.
            let _ = self.sender.send(lagged).await;
        }
        let _ = self.sender.send(event).await;
    }

    /// Returns when the owner is gone.
    pub(super) async fn abandoned(&self) {
        self.sender.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disconnected(reason: &str) -> LiveEvent {
        LiveEvent::Disconnected {
            reason: reason.to_owned(),
            retry_in: Duration::ZERO,
        }
    }

    #[tokio::test]
    async fn missed_events_are_counted_where_they_are_missing() {
        let (sender, mut receiver) = mpsc::channel(2);
        let mut queue = EventQueue::new(sender);
        for reason in ["1", "2", "3", "4"] {
            queue.push(disconnected(reason));
        }
        assert_eq!(receiver.recv().await, Some(disconnected("1")));
        assert_eq!(receiver.recv().await, Some(disconnected("2")));
        queue.push(disconnected("5"));
        assert_eq!(receiver.recv().await, Some(LiveEvent::Lagged { missed: 2 }));
        assert_eq!(receiver.recv().await, Some(disconnected("5")));
    }
}
