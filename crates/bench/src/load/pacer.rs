//! When attempts are due, and how a generator waits for that or for answers.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// An open loop: attempts are due at a steady rate, whatever became of earlier ones.
///
/// Latency counts from the moment an attempt was due, so a stall is felt by every attempt
/// that should have been sent meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pacer {
    start: Instant,
    per_second: u64,
}

impl Pacer {
    pub(crate) const fn new(start: Instant, per_second: u64) -> Self {
        Self { start, per_second }
    }

    /// How many are due at `now`, of all since the start.
    pub(crate) fn due(&self, now: Instant) -> u64 {
        let nanos = now.saturating_duration_since(self.start).as_nanos();
        let due = nanos * u128::from(self.per_second) / 1_000_000_000;
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    /// When the attempt of that index is due.
    pub(crate) fn due_at(&self, index: u64) -> Instant {
        let nanos = u128::from(index) * 1_000_000_000 / u128::from(self.per_second.max(1));
        self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Lets this thread sleep until it is woken or a time has come: finer than a runtime's timer.
#[derive(Debug)]
pub(crate) struct Sleeper {
    waker: Waker,
}

struct Unparks(Thread);

impl Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

impl Sleeper {
    /// For the calling thread.
    pub(crate) fn new() -> Self {
        let waker = Waker::from(Arc::new(Unparks(std::thread::current())));
        Self { waker }
    }

    /// Wakes the thread.
    pub(crate) const fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Sleeps until woken or until `deadline`. May return early.
    pub(crate) fn sleep_until(&self, deadline: Instant) {
        std::thread::park_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_at_an_instant_is_what_was_due_before_it() {
        let start = Instant::now();
        for per_second in [1, 3, 1_000, 2_000_000] {
            let pacer = Pacer::new(start, per_second);
            assert_eq!(pacer.due(start), 0);
            assert_eq!(pacer.due(start + Duration::from_secs(7)), 7 * per_second);
            for index in [0, 1, 999, 12_345] {
                let at = pacer.due_at(index);
                assert!(pacer.due(at + Duration::from_nanos(1)) >= index);
                assert!(pacer.due(at) <= index);
            }
        }
    }
}
