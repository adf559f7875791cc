//! A log that fails where a test tells it to.

use std::collections::{BTreeMap, BTreeSet};

use huntcore_model::{Epoch, Nonce, Sequence, ShardId, TimeMicros};

use crate::{
    AcquireError, Acquired, BatchReader, CommitResult, CompletionSink, Log, LogUsage, MemoryLog,
    MemoryOptions, ReadError, StreamTail, TrimError,
};

/// What goes wrong with a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `Unknown`, and the batch is stored.
    UnknownStored,
    /// `Unknown`, and the batch is not stored.
    UnknownNotStored,
    /// `Unknown`, not stored, and so is everything after it in all streams, as after a
    /// failed sync, until [`FaultLog::crash`].
    Poison,
    /// Somebody else takes the stream for the next term.
    Fenced,
    /// No space for this one.
    Full,
}

impl Fault {
    pub(crate) const fn stores(self) -> bool {
        matches!(self, Self::UnknownStored)
    }

    pub(crate) const fn takes_over(self) -> bool {
        matches!(self, Self::Fenced)
    }

    pub(crate) const fn poisons(self) -> bool {
        matches!(self, Self::Poison)
    }

    pub(crate) fn result(self, epoch: Epoch) -> CommitResult {
        match self {
            Self::UnknownStored | Self::UnknownNotStored => CommitResult::Unknown {
                reason: "injected fault: the answer was lost".into(),
            },
            Self::Poison => CommitResult::Unknown {
                reason: "injected fault: sync failed".into(),
            },
            Self::Fenced => CommitResult::Fenced { epoch },
            Self::Full => CommitResult::Full {
                reason: "injected fault: no space".into(),
            },
        }
    }
}

/// A memory log with a script of faults. A fault strikes once.
pub struct FaultLog {
    memory: MemoryLog,
}

impl FaultLog {
    /// An empty log without faults. Choose [`crate::Delivery::Manual`] to delay
    /// completions and to have something for a crash to lose.
    #[must_use]
    pub fn new(options: MemoryOptions) -> Self {
        Self {
            memory: MemoryLog::new(options),
        }
    }

    /// Lets the submission to `shard` fail that comes after `skipped` others from now on.
    pub fn fail(&self, shard: ShardId, skipped: u64, fault: Fault) {
        self.memory.with_faults(|faults| {
            let script = faults.scripts.entry(shard).or_default();
            let place = script.submitted + skipped;
            script.faults.insert(place, fault);
        });
    }

    /// Lets every `tail` and `read` of `shard` fail, or work again.
    pub fn fail_reads(&self, shard: ShardId, failing: bool) {
        self.memory.with_faults(|faults| {
            if failing {
                faults.unreadable.insert(shard);
            } else {
                faults.unreadable.remove(&shard);
            }
        });
    }

    /// Holds back everything submitted from now on until it is pumped, or lets it go on.
    pub fn hold(&self, held: bool) {
        self.memory.with_faults(|faults| faults.held = held);
        if !held {
            self.memory.deliver();
        }
    }

    /// Takes away all space, or gives it back.
    pub fn fill(&self, full: bool) {
        self.memory.set_full(full);
    }

    /// See [`MemoryLog::pump`].
    pub fn pump(&self, batches_max: usize) -> usize {
        self.memory.pump(batches_max)
    }

    /// See [`MemoryLog::pump_stream`].
    pub fn pump_stream(&self, shard: ShardId, batches_max: usize) -> usize {
        self.memory.pump_stream(shard, batches_max)
    }

    /// See [`MemoryLog::waiting`].
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.memory.waiting()
    }

    /// See [`MemoryLog::crash`]; it also ends a [`Fault::Poison`].
    pub fn crash(&self, kept: usize) {
        self.memory.crash(kept);
    }
}

impl Log for FaultLog {
    fn acquire(
        &self,
        shard: ShardId,
        epoch: Epoch,
        nonce: Nonce,
        completions: CompletionSink,
    ) -> Result<Acquired, AcquireError> {
        self.memory.acquire(shard, epoch, nonce, completions)
    }

    fn tail(&self, shard: ShardId) -> Result<StreamTail, ReadError> {
        self.memory.tail(shard)
    }

    fn read(&self, shard: ShardId, from: Sequence) -> Result<BatchReader, ReadError> {
        self.memory.read(shard, from)
    }

    fn trim(&self, shard: ShardId, before: Sequence) -> Result<(), TrimError> {
        self.memory.trim(shard, before)
    }

    fn oldest_since(&self, shard: ShardId, time: TimeMicros) -> Result<Sequence, ReadError> {
        self.memory.oldest_since(shard, time)
    }

    fn usage(&self) -> Result<LogUsage, ReadError> {
        self.memory.usage()
    }
}

/// What is to go wrong; empty in a plain memory log.
#[derive(Default)]
pub(crate) struct Faults {
    scripts: BTreeMap<ShardId, Script>,
    unreadable: BTreeSet<ShardId>,
    pub(crate) held: bool,
}

#[derive(Default)]
struct Script {
    submitted: u64,
    /// By the submission's place in its stream since the log was made.
    faults: BTreeMap<u64, Fault>,
}

impl Faults {
    /// Counts a submission and says what is to go wrong with it.
    pub(crate) fn next(&mut self, shard: ShardId) -> Option<Fault> {
        let script = self.scripts.entry(shard).or_default();
        let fault = script.faults.remove(&script.submitted);
        script.submitted += 1;
        fault
    }

    pub(crate) fn check_read(&self, shard: ShardId) -> Result<(), ReadError> {
        if self.unreadable.contains(&shard) {
            return Err(ReadError::Home {
                shard,
                source: "injected fault: reading fails".into(),
            });
        }
        Ok(())
    }
}
