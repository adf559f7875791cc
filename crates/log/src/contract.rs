//! What every home of the log promises.

use std::borrow::Cow;
use std::sync::Arc;

use huntcore_model::{Batch, Epoch, Nonce, Sequence, ShardId, Tail, TimeMicros};

use crate::{AcquireError, LogUsage, ReadError, Refusal, TrimError};

/// A home of the log: one stream of batches for each shard, and the control stream.
///
/// A stream that nobody acquired yet is empty: epoch 0, [`Tail::default`]. Any thread may
/// call any method at any time; the calls of one stream take effect one after another.
/// `acquire` and `trim` may block on I/O, `read` only for its first look; none of them is
/// to be called from within a [`CompletionSink`], nor may the log be dropped there.
///
/// Dropping the log first finishes what was submitted, completions included; a writer
/// that outlives it gets [`Refusal::Closed`].
pub trait Log: Send + Sync {
    /// Makes the caller the only owner of a stream for the term `epoch` (I4).
    ///
    /// On success everything submitted by earlier owners is settled: it is part of the
    /// returned tail or will never be, and whatever they submit from now on completes
    /// with [`CommitResult::Fenced`]. The term survives restarts.
    ///
    /// `epoch` must be greater than the stream's last one ([`Self::tail`] tells it), else
    /// [`AcquireError::Fenced`]. The last epoch itself is granted again to whoever knows
    /// its `nonce`: so an owner may repeat the call after an error that left it in doubt,
    /// or to go on after its writer ended. The earlier writer of that term is then fenced
    /// like any other, so it has to be dropped first.
    ///
    /// `completions` is called for each submitted batch, once and in order, from the
    /// home's own thread or from within [`LogWriter::submit`]. It has to be quick.
    fn acquire(
        &self,
        shard: ShardId,
        epoch: Epoch,
        nonce: Nonce,
        completions: CompletionSink,
    ) -> Result<Acquired, AcquireError>;

    /// The stream's last epoch and its durable end.
    fn tail(&self, shard: ShardId) -> Result<StreamTail, ReadError>;

    /// The stream's durable batches that hold `from` or anything after it, in order, up
    /// to the durable end of this moment; the first may begin before `from`.
    ///
    /// Checksums and chain are verified on the way. Independent of writers: reading slows
    /// nobody down and sees nothing that a crash could take back (I2). Reading from the
    /// tail itself gives nothing; from beyond it is [`ReadError::Ahead`], because then the
    /// reader has seen what the log does not hold. [`ReadError::Trimmed`] comes at once,
    /// or later if a trim overtakes the reader. After an error the reader has ended.
    fn read(&self, shard: ShardId, from: Sequence) -> Result<BatchReader, ReadError>;

    /// Gives up batches that lie wholly before `before`, as many as the home can.
    ///
    /// A home may keep more than it has to, never less: everything from `before` on stays
    /// readable. Once it answers, it holds after a restart too. Repeating it is harmless.
    /// Beyond the durable end it is refused with [`TrimError::Ahead`].
    fn trim(&self, shard: ShardId, before: Sequence) -> Result<(), TrimError>;

    /// Where retention may cut: every batch before the returned sequence is older than
    /// `time`, so a trim before it takes nothing that has to be kept.
    ///
    /// A home that drops batches in larger parts may tell an earlier sequence than it could,
    /// never a later one. It is the oldest sequence there is if nothing is older, the durable
    /// end if everything is; always one that can be read from and trimmed before. Cheap: it
    /// reads no batches.
    fn oldest_since(&self, shard: ShardId, time: TimeMicros) -> Result<Sequence, ReadError>;

    /// What the log holds and what it has done since it was opened. Cheap enough to be asked
    /// several times a second.
    fn usage(&self) -> Result<LogUsage, ReadError>;
}

/// The right to append to one stream, for one term.
///
/// Dropping it takes nothing back: what was submitted is still stored and completed, then
/// the home lets go of the [`CompletionSink`].
pub trait LogWriter: Send {
    /// Hands over `batch`, to be stored whole or not at all right after `expected`.
    ///
    /// Never waits for I/O. Several may be in flight, each expecting the tail of the one
    /// before; they complete in order, each only when it is durable. Tickets count from 0
    /// for each writer, so a completion may be recognised even if it comes before this
    /// call returns. A refused batch takes no ticket, was not looked at and never
    /// completes; after [`Refusal::Busy`] the writer is as good as before.
    ///
    /// What follows each outcome:
    /// - `Committed`: durable. The tail is the batch's own.
    /// - `AlreadyCommitted`: the stream holds this very batch in its place since earlier.
    ///   As good as `Committed`.
    /// - `Fenced`: not stored. Somebody acquired the stream after this writer did. The
    ///   writer has ended; its owner must forget what it decided and stop.
    /// - `Mismatch`: not stored, because the stream ends elsewhere than expected. The
    ///   writer has ended; a right owner finds out why before it acquires again.
    /// - `Full`: not stored and nothing of it will ever be seen, for lack of space. The
    ///   writer has ended; the stream is sound, and may be acquired again under the same
    ///   term when there is space.
    /// - `Unknown`: it may or may not be stored now, or may turn out to be later. The
    ///   same bytes may be submitted again, with the same expected tail, to this writer
    ///   or to one acquired under the same term, until they are `Committed` or
    ///   `AlreadyCommitted`; this writer then goes on as before. Anything else in their
    ///   place completes with `Unknown` too. A home that has poisoned itself (a file
    ///   after a failed sync) answers `Unknown` to everything until it is opened anew; a bug
    ///   in the home, too, ends with this, never in silence.
    ///
    /// Once the writer has ended, all later batches, those in flight included, complete
    /// with the same outcome, stored nowhere.
    ///
    /// # Panics
    /// If the batch is not of this writer's stream and epoch, does not follow `expected`,
    /// or calls something durable that is not even before it: the caller broke its word.
    fn submit(&mut self, expected: Tail, batch: &Batch) -> Result<Ticket, Refusal>;
}

/// A stream, acquired.
pub struct Acquired {
    /// For appending.
    pub writer: Box<dyn LogWriter>,
    /// Where the stream ends; all of it is durable.
    pub tail: Tail,
}

impl std::fmt::Debug for Acquired {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Acquired")
            .field("tail", &self.tail)
            .finish_non_exhaustive()
    }
}

/// Where a stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamTail {
    /// The last term of ownership; 0 if there was none.
    pub epoch: Epoch,
    /// The durable end.
    pub tail: Tail,
}

/// Gets a writer's completions, one by one, in the order of submission.
pub type CompletionSink = Box<dyn FnMut(Completion) + Send>;

/// Verified batches, one after another; ends after an error.
pub type BatchReader = Box<dyn Iterator<Item = Result<Batch, ReadError>> + Send>;

/// The place of a submission among those of its writer, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Which one.
    pub ticket: Ticket,
    /// What became of it.
    pub result: CommitResult,
}

/// What became of a batch; [`LogWriter::submit`] says what follows from each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitResult {
    /// Durable.
    Committed {
        /// The stream's end with this batch.
        tail: Tail,
    },
    /// Durable since earlier.
    AlreadyCommitted {
        /// The stream's end with this batch; more may follow it.
        tail: Tail,
    },
    /// Not stored: the stream has another owner.
    Fenced {
        /// The owner's term.
        epoch: Epoch,
    },
    /// Not stored: the stream ends elsewhere.
    Mismatch {
        /// Where it ends.
        tail: Tail,
    },
    /// May or may not be stored.
    Unknown {
        /// What went wrong.
        reason: Arc<str>,
    },
    /// Not stored: no space.
    Full {
        /// What ran out.
        reason: Arc<str>,
    },
}

impl CommitResult {
    /// The stream's end with this batch, if it is durable.
    #[must_use]
    pub const fn durable(&self) -> Option<Tail> {
        match self {
            Self::Committed { tail } | Self::AlreadyCommitted { tail } => Some(*tail),
            Self::Fenced { .. }
            | Self::Mismatch { .. }
            | Self::Unknown { .. }
            | Self::Full { .. } => None,
        }
    }
}

/// A stream's name in messages and as a directory: `control` or `shard-00007`.
#[must_use]
pub fn stream_name(shard: ShardId) -> Cow<'static, str> {
    if shard.is_control() {
        Cow::Borrowed("control")
    } else {
        Cow::Owned(format!("shard-{:05}", shard.get()))
    }
}
