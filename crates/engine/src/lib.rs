//! What decides: the arbiter of a shard and the controller of the control stream.
//!
//! Pure: no clock, no I/O, no randomness. Time arrives with the call, so a replay decides
//! as the original did. Nothing here releases an outcome: the node does that, once the
//! batches that the outcome depends on are durable (I2).

mod answers;
mod arbiter;
mod chunks;
mod claims;
mod commands;
mod controller;
mod decide;
mod events;
mod exchange;
mod fold;
mod heartbeat;
mod limits;
mod open_rounds;
mod players;
mod restore;
mod rounds;
mod scores;
mod snapshot;

pub use arbiter::Arbiter;
pub use commands::{CommandError, HUNTS_MAX, NewHunt, VERSIONS_MAX};
pub use controller::{Controller, ControllerSnapshot};
pub use exchange::{ClosedOrdinal, Decided, EventRef, EventVerdict, Term};
pub use fold::ApplyError;
pub use huntcore_model::AttemptRef;
pub use limits::EngineLimits;
pub use restore::{Increment, IncrementScope, RestoreError, Restoring};
pub use rounds::{RoundDue, RoundFacts, SeedDue};
pub use snapshot::ArbiterSnapshot;
