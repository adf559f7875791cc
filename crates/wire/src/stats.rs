//! Figures for the console's Watch page; `/metrics` has the same and more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Timestamp, schema};

/// What this process has done and how it fares (`GET /v1/stats`).
///
/// Totals count from the process's start. I10: attempts = won + taken + every refusal +
/// unanswered, but for those on their way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// The server's clock.
    #[schema(value_type = schema::Timestamp)]
    pub server_time: Timestamp,
    /// Seconds since the process's start.
    pub uptime_s: f64,
    /// Attempts received.
    pub attempts_total: u64,
    /// Attempts told `won`.
    pub won_total: u64,
    /// Attempts told `taken`.
    pub taken_total: u64,
    /// Attempts refused, by the outcome's name.
    pub refused_total: BTreeMap<String, u64>,
    /// Attempts that were never told their outcome.
    pub unanswered_total: u64,
    /// Score events accepted.
    pub events_total: u64,
    /// Half of the last ten seconds' attempts were answered within this.
    pub claim_p50_ms: f64,
    /// 99 of 100 were.
    pub claim_p99_ms: f64,
    /// Open WebSockets.
    pub connections: u64,
    /// How far each projection is behind the log.
    pub projections: Vec<ProjectionStats>,
    /// What each component has cost and done, and what waits for it.
    #[serde(default)]
    pub components: Vec<ComponentStats>,
    /// The log.
    pub log: LogStats,
    /// What is kept, for how long, and why. An edge process keeps nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionStats>,
    /// Memory that the process holds.
    pub memory_bytes: u64,
}

/// How far a projection, or whoever else reads the log, is behind it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProjectionStats {
    /// Which one; `followers` are the edge processes that follow this one, as one: the furthest
    /// behind of them.
    #[schema(examples("boards"))]
    pub name: String,
    /// From a batch's commit to its being shown: the last one's, or that of the oldest which
    /// is not shown yet, whichever is longer.
    pub lag_ms: f64,
    /// Records committed and not yet shown.
    pub lag_records: u64,
}

/// What is kept, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionStats {
    /// Seconds that a record stays in the log at least (`log.retention`).
    pub log_s: u64,
    /// Seconds that the same attempt gets the same answer after its round has closed
    /// (`limits.answer_ttl`).
    pub answers_s: u64,
    /// Seconds that a score event's id is remembered (`limits.event_horizon`).
    pub events_s: u64,
    /// When the oldest record in the log was written.
    #[schema(value_type = Option<schema::Timestamp>)]
    pub oldest_at: Option<Timestamp>,
    /// Each stream of the log.
    pub streams: Vec<StreamRetention>,
}

/// What is kept of one stream of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamRetention {
    /// Which one.
    #[schema(examples("shard-00000"))]
    pub stream: String,
    /// When its oldest record was written.
    #[schema(value_type = Option<schema::Timestamp>)]
    pub oldest_at: Option<Timestamp>,
    /// Records that it holds.
    pub records: u64,
    /// Records that were trimmed, ever.
    pub trimmed_records: u64,
    /// Space that it takes.
    pub bytes: u64,
    /// Parts that can be dropped one by one.
    pub segments: u64,
    /// Why its oldest record is still there.
    pub kept_for: KeptFor,
}

/// Why a stream's oldest record is still there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeptFor {
    /// It is younger than the retention; or there is none.
    #[default]
    Retention,
    /// It is older, but a projection or a snapshot still needs it: two good checkpoints behind
    /// it are not there yet.
    Checkpoints,
    /// It is older, but a sink has not taken it yet, and the log is kept for it for a while.
    Sinks,
    /// It is older and needed by nobody, but shares a part with one that isn't; parts go as a
    /// whole.
    Segment,
    /// Without a place for checkpoints nothing is ever dropped.
    Ever,
}

impl KeptFor {
    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Checkpoints => "checkpoints",
            Self::Sinks => "sinks",
            Self::Segment => "segment",
            Self::Ever => "ever",
        }
    }
}

/// What a part of a component of this process has cost and done, and what waits for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ComponentStats {
    /// Which component; empty for what belongs to none.
    #[schema(examples("broadcast"))]
    pub component: String,
    /// Which part of it.
    #[schema(examples("fan-out"))]
    pub part: String,
    /// How many of it this process has: shards for the arbiter and the log.
    pub count: u32,
    /// CPU seconds that its threads took, by their own clocks; 0 where the system tells none.
    pub cpu_s: f64,
    /// Seconds that it was at work, by the wall clock, where it shares a thread with others; its
    /// part of that thread's CPU seconds follows from this.
    pub busy_s: f64,
    /// Messages that it has dealt with: requests, attempts and events, records, or frames.
    pub messages_total: u64,
    /// Their bytes.
    pub bytes_total: u64,
    /// Messages that wait for it.
    pub lag_messages: u64,
    /// How long those that it dealt with last had to wait.
    pub lag_s: f64,
}

/// What the log holds and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogStats {
    /// Bytes that it holds.
    pub bytes: u64,
    /// Batches committed.
    pub batches_total: u64,
    /// Times that it waited for the disk.
    pub syncs_total: u64,
}
