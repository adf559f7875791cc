//! Streams of attempts: one connection that a game server keeps full.
//!
//! Batches go out one behind the other without waiting for answers; outcomes come back in the
//! same order. When the connection is lost, the attempts that had no outcome yet are sent
//! again on a new one: the same attempt gets the same answer (I3).

mod batch;
mod driver;
mod handle;

pub use batch::{AnsweredBatch, ClaimBatch};
pub use handle::{ClaimStream, ClaimStreamOptions};
