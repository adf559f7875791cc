//! What a part of the program has done.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was done, in messages, bytes and time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// How many messages were dealt with; what a message is depends on the part.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long it took by the wall clock. A thread that does the work of two parts has its
    /// CPU time divided between them by this.
    pub busy_nanos: u64,
}

/// Adds up [`Work`] from several threads without a lock.
///
/// To be added to once for a batch or a turn, never for each message.
#[derive(Debug, Default)]
pub struct WorkMeter {
    messages: AtomicU64,
    bytes: AtomicU64,
    busy_nanos: AtomicU64,
}

impl WorkMeter {
    /// Takes note of some work.
    pub fn add(&self, work: Work) {
        self.messages.fetch_add(work.messages, Ordering::Relaxed);
        self.bytes.fetch_add(work.bytes, Ordering::Relaxed);
        self.busy_nanos
            .fetch_add(work.busy_nanos, Ordering::Relaxed);
    }

    /// All of it so far.
    #[must_use]
    pub fn total(&self) -> Work {
        Work {
            messages: self.messages.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            busy_nanos: self.busy_nanos.load(Ordering::Relaxed),
        }
    }
}
