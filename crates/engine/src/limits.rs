//! How much an arbiter keeps and a decision holds (I8).

use huntcore_model::BATCH_BYTES_MAX;

/// A decision takes no further attempts and events once its batch has this many bytes, so that
/// what follows, a control entry at most, never takes it over the log's limit.
pub(crate) const BATCH_FULL_BYTES: usize = BATCH_BYTES_MAX / 2;

/// Limits of one shard's arbiter; at a limit new work is refused, nothing is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineLimits {
    /// Players who have won or scored.
    pub players_max: u32,
    /// Score events held in memory for telling duplicates: those of the horizon, less what
    /// stands outside.
    pub events_max: usize,
    /// A bucket of so many score events is sealed at the end of its batch.
    pub events_sealed_at: usize,
    /// How long a score event's identity is remembered, in milliseconds.
    pub event_horizon_ms: u64,
    /// How long answers of a closed round are kept, in milliseconds.
    pub answer_ttl_ms: u64,
    /// Claims kept in closed rounds; beyond it the oldest rounds go first. A round counts as
    /// its claims, and as at least 16, so that they take at most 40 bytes each with all that
    /// finds them. A claim of an open round takes 16 bytes, and each of its tiles 4, on every
    /// shard.
    pub answers_max: usize,
}

impl Default for EngineLimits {
    /// 10 million players, events known for 24 hours and at most 20 million of them in memory, a
    /// million to a bucket, answers for 6 hours and at most 20 million of them.
    fn default() -> Self {
        Self {
            players_max: 10_000_000,
            events_max: 20_000_000,
            events_sealed_at: 1_000_000,
            event_horizon_ms: 24 * 3_600 * 1_000,
            answer_ttl_ms: 6 * 3_600 * 1_000,
            answers_max: 20_000_000,
        }
    }
}
