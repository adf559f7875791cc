//! What decides: the arbiter of a shard and the controller of the control stream.
//!
//! Pure: no clock, no I/O, no randomness. Time arrives with the call, so a replay decides
//! as the original did. Nothing here releases an outcome: the node does that, once the
//! batches that the outcome depends on are durable (I2).

mod arbiter;
mod claims;
mod commands;
mod controller;
mod events;
mod exchange;
mod fold;
mod heartbeat;
mod limits;
mod players;
mod rounds;

pub use arbiter::Arbiter;
pub use commands::{CommandError, HUNTS_MAX, NewHunt, VERSIONS_MAX};
pub use controller::Controller;
pub use exchange::{Decided, EventRef, EventVerdict, Term};
pub use fold::ApplyError;
pub use huntcore_model::AttemptRef;
pub use limits::EngineLimits;
pub use rounds::{RoundDue, RoundFacts, SeedDue};
