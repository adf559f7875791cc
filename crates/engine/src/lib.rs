//! What decides: the arbiter of a shard and the controller of the control stream.
//!
//! Pure: no clock, no I/O, no randomness. Time arrives with the call, so a replay decides
//! as the original did. Nothing here releases an outcome: the node does that, once the
//! batches that the outcome depends on are durable (I2).

mod arbiter;
mod claims;
mod controller;
mod events;
mod limits;
mod players;

pub use arbiter::{ApplyError, Arbiter, AttemptRef, Decided, EventRef, EventVerdict, Term};
pub use controller::{
    CommandError, Controller, HUNTS_MAX, NewHunt, RoundDue, RoundFacts, SeedDue, VERSIONS_MAX,
};
pub use limits::EngineLimits;
