//! What homes share in keeping the contract: when a writer has ended, and how much may be
//! in flight.

use std::sync::Mutex;
use std::sync::PoisonError;

use huntcore_model::{Batch, Epoch, Hash32, ShardId, Tail};

use crate::{CommitResult, Refusal, stream_name};

/// Whether a writer still appends, after what became of its batches so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// It does.
    #[default]
    Open,
    /// Only the batch with this chain may be repeated.
    InDoubt {
        /// The chain after the batch in doubt; as good as its bytes.
        chain: Hash32,
        /// The outcome that all others get.
        outcome: CommitResult,
    },
    /// It has ended, with this outcome for all that is still to come.
    Ended(CommitResult),
}

impl Gate {
    /// Whether `batch` may be tried, or else its outcome. Ask when its turn comes.
    pub fn check(&self, batch: &Batch) -> Result<(), CommitResult> {
        match self {
            Self::Open => Ok(()),
            Self::InDoubt { chain, .. } if *chain == batch.chain() => Ok(()),
            Self::InDoubt { outcome, .. } | Self::Ended(outcome) => Err(outcome.clone()),
        }
    }

    /// Takes note of the outcome of a batch that was tried.
    pub fn settle(&mut self, batch: &Batch, result: &CommitResult) {
        *self = match result {
            CommitResult::Committed { .. } | CommitResult::AlreadyCommitted { .. } => Self::Open,
            CommitResult::Unknown { .. } => Self::InDoubt {
                chain: batch.chain(),
                outcome: result.clone(),
            },
            CommitResult::Fenced { .. }
            | CommitResult::Mismatch { .. }
            | CommitResult::Full { .. } => Self::Ended(result.clone()),
        };
    }
}

/// How much a writer may have in flight (I8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlightLimits {
    /// At most so many batches.
    pub batches_max: usize,
    /// At most so many bytes; a single batch may have more.
    pub bytes_max: usize,
}

impl Default for InFlightLimits {
    fn default() -> Self {
        Self {
            batches_max: 1_024,
            bytes_max: 32 << 20,
        }
    }
}

/// Counts what a writer has in flight, on both sides of its queue.
#[derive(Debug)]
pub struct InFlight {
    limits: InFlightLimits,
    count: Mutex<Count>,
}

#[derive(Debug, Default)]
struct Count {
    batches: usize,
    bytes: usize,
}

impl InFlight {
    /// Nothing in flight yet.
    #[must_use]
    pub fn new(limits: InFlightLimits) -> Self {
        Self {
            limits,
            count: Mutex::default(),
        }
    }

    /// Makes room for `batch`, or says that there is none.
    pub fn enter(&self, batch: &Batch) -> Result<(), Refusal> {
        let bytes = batch.bytes().len();
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let over = count.batches >= self.limits.batches_max
            || count.bytes.saturating_add(bytes) > self.limits.bytes_max;
        if count.batches > 0 && over {
            return Err(Refusal::Busy {
                batches: count.batches,
                bytes: count.bytes,
            });
        }
        count.batches += 1;
        count.bytes += bytes;
        Ok(())
    }

    /// Gives back the room of `batch`, before its completion is told.
    pub fn leave(&self, batch: &Batch) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        count.batches -= 1;
        count.bytes -= batch.bytes().len();
    }
}

/// Holds a submission against what its caller promised.
///
/// # Panics
/// See [`LogWriter::submit`](crate::LogWriter::submit).
pub fn check_submission(shard: ShardId, epoch: Epoch, expected: &Tail, batch: &Batch) {
    let header = batch.header();
    assert!(
        header.shard == shard && header.epoch == epoch,
        "a batch of {} and epoch {} was submitted to {} in epoch {epoch}",
        stream_name(header.shard),
        header.epoch,
        stream_name(shard),
    );
    assert!(
        batch.follows(expected),
        "a batch that begins at {} was submitted to follow {}",
        header.first_sequence,
        expected.sequence,
    );
    assert!(
        header.durable <= header.first_sequence,
        "a batch that begins at {} calls everything below {} durable",
        header.first_sequence,
        header.durable,
    );
}
