//! How many of a component are needed, for whoever starts and stops processes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Timestamp, schema};

/// How far a component of this process is behind, and how many of it are needed
/// (`GET /v1/autoscale/{component}`).
///
/// A process speaks for what reaches it. Where several share the load, the sum of their
/// `wanted` is what is needed of all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Autoscale {
    /// The server's clock.
    #[schema(value_type = schema::Timestamp)]
    pub server_time: Timestamp,
    /// Which component.
    #[schema(examples("edge"))]
    pub component: String,
    /// Which part of it decided.
    #[schema(examples("http"))]
    pub part: String,
    /// Messages that wait.
    pub lag_messages: u64,
    /// How long they wait.
    pub lag_s: f64,
    /// Messages a second that arrive.
    pub rate: f64,
    /// Messages a second that are expected to arrive after `lead_s`.
    pub rate_expected: f64,
    /// Messages a second that one is taken to do: measured beforehand, and corrected by what was
    /// seen since.
    pub unit_rate: f64,
    /// How long it takes until one more serves.
    pub lead_s: f64,
    /// How many this process has: shards for the arbiter and the log, itself for the others.
    pub current: u32,
    /// How many are needed for what reaches this process, not rounded.
    pub wanted: f64,
    /// How many are needed for what reaches this process; at least 1.
    pub recommended: u32,
    /// What decided it: `steady`, `rising`, `behind`, `held` or `unknown`.
    #[schema(examples("rising"))]
    pub reason: String,
}
