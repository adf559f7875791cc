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
    /// Memory that the process holds.
    pub memory_bytes: u64,
}

/// How far a projection is behind the log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProjectionStats {
    /// Which one.
    #[schema(examples("boards"))]
    pub name: String,
    /// From a batch's commit to its being shown.
    pub lag_ms: f64,
    /// Records committed and not yet folded.
    pub lag_records: u64,
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
