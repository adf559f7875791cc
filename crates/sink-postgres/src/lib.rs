//! What is committed, as tables in PostgreSQL: events, claims, one-second leaderboards,
//! corrections and boards' results, exactly once, whatever is killed when.
//!
//! A sink follows the log as any projection does: it reads committed batches of all streams
//! (I2), in the order of their times, and writes their rows and how far it has come in one
//! transaction. It keeps nothing itself: wherever it was killed, the tables say where to go on,
//! and the log's hash chain says whether they are this log's. Nothing waits for it, and nothing on
//! its left reads what it writes.
//!
//! ```text
//! log ──► Batches ──► Incoming ──► COPY in binary, windows, position, NOTIFY ──► COMMIT
//!                     by time      one transaction
//! ```
//!
//! # Bounds (I8)
//! One transaction holds the batches that it takes, at most [`SinkConfig::batch`] records or one
//! batch of the log; rows leave in pieces as they are made. Of each stream about a MiB is read
//! ahead. Players' names are cached up to a limit; the rest is looked up in the tables.
//!
//! `docs/sinks.md` tells users what the tables promise.

mod backoff;
mod copy;
mod describe;
mod error;
mod incoming;
mod names;
mod notice;
mod partitions;
mod pg_time;
mod rows;
mod schema;
mod session;
mod sink;
mod stand;
mod status;
mod survey;
mod target;
mod tls;
mod transaction;
mod windows;

pub use backoff::Retry;
pub use error::SinkError;
pub use names::{Known, KnownHunt, NumberedPlayers};
pub use notice::{ALL_BOARDS, CHANNEL, NOTICE_BYTES_MAX};
pub use sink::{Sink, SinkConfig};
pub use status::{SinkShown, SinkState, SinkStatus, TABLES};
pub use target::{SchemaName, SinkName, SinkNameError, Target, TargetError};
