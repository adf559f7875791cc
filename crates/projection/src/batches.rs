//! Where committed batches come from.

use huntcore_log::ReadError;
use huntcore_model::{Batch, Sequence, ShardId};

/// Committed batches of all streams, as far as they have come to this process.
///
/// Only durable batches come in (I2), each stream's in order and without a gap. Whoever brings
/// one rings the bell that [`crate::Projector::run`] hears.
pub trait Batches: Send + Sync {
    /// Some batches of a stream from `from` on, in order; none if there are none yet. What
    /// lies before `from` will not be asked for again by the projections.
    ///
    /// No more than a reader soon gets done with, so that it can turn to other streams, and
    /// so that a far too slow one holds little of the log in memory (I8).
    fn read(&self, shard: ShardId, from: Sequence) -> Result<Vec<Batch>, ReadError>;

    /// The end of a stream, as far as it has come here.
    fn next(&self, shard: ShardId) -> Sequence;

    /// Wakes the projections.
    fn ring(&self);
}
