//! Why boards refuse a batch.

use huntcore_model::{BatchError, PlayerNumber, Sequence, ShardId, TimeMicros};

use crate::key::TIME_MAX;

/// Why a batch was not applied; nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The batch is of a stream that this deployment does not have.
    #[error("batch of shard {shard}, but there are {shards} shards")]
    UnknownStream {
        /// The batch's stream.
        shard: ShardId,
        /// How many shards there are.
        shards: u16,
    },
    /// Batches are missing before this one, or it holds old and new records at once.
    #[error("batch of shard {shard} starts at sequence {found}, expected {expected}")]
    Sequence {
        /// The stream.
        shard: ShardId,
        /// The first sequence not yet applied.
        expected: Sequence,
        /// The batch's first sequence.
        found: Sequence,
    },
    /// It follows another history than the one applied so far.
    #[error("batch of shard {shard} at sequence {sequence} does not follow the chain so far")]
    Chain {
        /// The stream.
        shard: ShardId,
        /// The batch's first sequence.
        sequence: Sequence,
    },
    /// It is older than the batch before, or its time is past the year 2540.
    #[error(
        "batch of shard {shard} at sequence {sequence} has time {} µs, expected {} to {} µs",
        found.get(), least.get(), TIME_MAX.get()
    )]
    Time {
        /// The stream.
        shard: ShardId,
        /// The batch's first sequence.
        sequence: Sequence,
        /// The batch's time.
        found: TimeMicros,
        /// The time of the batch before.
        least: TimeMicros,
    },
    /// Open windows are at their limit and this stream is ahead: apply `slowest` first and
    /// this batch again later.
    #[error(
        "shard {shard} is at {} µs, too far ahead of shard {slowest} at {} µs",
        time.get(), slowest_time.get()
    )]
    Ahead {
        /// The stream.
        shard: ShardId,
        /// The batch's time.
        time: TimeMicros,
        /// The stream that keeps windows open.
        slowest: ShardId,
        /// How far that one has come.
        slowest_time: TimeMicros,
    },
    /// A record speaks of a player who has no number yet, or a number was left out.
    #[error(
        "record {sequence} of shard {shard} has player number {number}, but only {given} were given out"
    )]
    PlayerNumber {
        /// The stream.
        shard: ShardId,
        /// The record.
        sequence: Sequence,
        /// The number.
        number: PlayerNumber,
        /// How many numbers there are.
        given: u32,
    },
    /// A record cannot be read.
    #[error("batch of shard {shard} at sequence {sequence} cannot be read")]
    Batch {
        /// The stream.
        shard: ShardId,
        /// The batch's first sequence.
        sequence: Sequence,
        /// What is wrong with it.
        source: BatchError,
    },
}
