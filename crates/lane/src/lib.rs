//! Lanes: the way of attempts from whoever asks to the arbiters, and of outcomes back.
//!
//! An asker (a connection, a reactor, a load generator) holds a [`Lane`]. It fills a
//! [`Submission`], hands it in, and gets it back with an outcome for each attempt, in the
//! order of submission. On the other side each shard's thread holds a [`ShardPort`] and
//! takes [`PendingBlock`]s from it. Between them are bounded lock-free queues of recycled
//! blocks: at a steady rate nothing is allocated, no lock is taken, and a thread is woken
//! only if it sleeps.
//!
//! Nothing here decides who wins, waits for the disk or reads the clock but to note when a
//! submission arrived. At its limits a lane refuses at once and forgets nothing that it took
//! (I8): every attempt handed in comes back with exactly one outcome, whatever becomes of the
//! shard.

mod bell;
mod block;
mod lane;
mod port;
mod submission;

pub use bell::{Bell, Listen};
pub use lane::{Lane, LaneOptions};
pub use port::{Entrance, EntranceLimits, PendingBlock, ShardPort, exchange};
pub use submission::{ATTEMPTS_MAX, Submission};
