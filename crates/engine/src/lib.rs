//! What decides: the arbiter of a shard and the controller of the control stream.
//!
//! Pure: no clock, no I/O, no randomness. Time arrives with the call, so a replay decides
//! as the original did. Nothing here releases an outcome: the node does that, once the
//! batches that the outcome depends on are durable (I2).

mod answers;
mod arbiter;
mod boards;
mod chunks;
mod claims;
mod closings;
mod commands;
mod controller;
mod corrections;
mod decide;
mod events;
mod exchange;
mod flags;
mod fold;
mod heartbeat;
mod identity;
mod limits;
mod open_rounds;
mod players;
mod restore;
mod rounds;
mod scores;
mod snapshot;

pub use arbiter::Arbiter;
pub use boards::are_defined_alike;
pub use closings::{CloseVerdict, WindowResults};
pub use commands::{CommandError, HUNTS_MAX, NewHunt, VERSIONS_MAX};
pub use controller::{Controller, ControllerSnapshot};
pub use corrections::{CorrectionAsk, CorrectionRef, CorrectionVerdict};
pub use events::{EventSpan, SealedEvents};
pub use exchange::{ClosedOrdinal, Decided, EventRef, EventVerdict, Term};
pub use flags::NewFlag;
pub use fold::ApplyError;
pub use huntcore_model::AttemptRef;
pub use identity::{Coverage, EventFact, EventKey, EventSeen, LookAgain, Looked, id_time};
pub use limits::EngineLimits;
pub use restore::{Increment, IncrementScope, RestoreError, Restoring};
pub use rounds::{RoundDue, RoundFacts, SeedDue};
pub use scores::AHEAD_MS_MAX;
pub use snapshot::ArbiterSnapshot;
