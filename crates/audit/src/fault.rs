//! What can be wrong with a trail, each by its name.

use huntcore_log::stream_name;
use huntcore_model::{BatchError, Hash32, Sequence, ShardId};

/// Something in a trail that is not what the log said. `index` counts events from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A record's event with no batch's event before it, or more of them than the batch has.
    #[error("event {index}: {id} belongs to no batch: events are missing before it, or were added")]
    Stray {
        /// Which event.
        index: u64,
        /// Its id.
        id: String,
    },
    /// The events of a batch are not as many as the batch has records.
    #[error(
        "event {index}: the batch that begins there has {found} of its {expected} records: \
         events are missing"
    )]
    Incomplete {
        /// The batch's event.
        index: u64,
        /// How many are there.
        found: u64,
        /// How many there were.
        expected: u64,
    },
    /// Bytes that are no batch any more.
    #[error("event {index}: the batch that begins there was altered: {source}")]
    Altered {
        /// The batch's event.
        index: u64,
        /// What its bytes say.
        source: BatchError,
    },
    /// What an event shows is not what its bytes say.
    #[error("event {index}: {id} says something else than its record: its {attribute} was altered")]
    Misstated {
        /// Which event.
        index: u64,
        /// Its id.
        id: String,
        /// Which attribute.
        attribute: &'static str,
    },
    /// A batch that does not follow the one before in its stream.
    #[error(
        "event {index}: {} goes on at {found}, expected {expected}: batches are missing or repeated",
        stream_name(*.stream)
    )]
    Gap {
        /// The batch's event.
        index: u64,
        /// Which stream.
        stream: ShardId,
        /// Its first record.
        found: Sequence,
        /// The record that is due.
        expected: Sequence,
    },
    /// Something before this batch is not what it was when it was written.
    #[error(
        "event {index}: the chain of {} is broken: the batch follows {found}, but what is there \
         makes {expected}",
        stream_name(*.stream)
    )]
    Chain {
        /// The batch's event.
        index: u64,
        /// Which stream.
        stream: ShardId,
        /// What the batch says it follows.
        found: Hash32,
        /// What the batch before makes.
        expected: Hash32,
    },
}
