//! HTTP and the sockets, both ways: handshakes, limits, tokens, and what reaches every
//! connected client.
//!
//! The edge decides nothing and stores nothing. Attempts, events and commands go to the
//! [`Backend`]; whatever is read comes from immutable [`View`]s. It owns what stands between
//! a peer and those: who may ask, how much, how fast, and that every attempt received is
//! accounted for (I10).
//!
//! ```text
//! accept loop ──► connection (hyper, HTTP/1.1) ──► router ──► one route family ──► Backend
//!                        └─ upgrade ─► LiveDoor ──► socket (a cursor over the hunt's feed)
//! ```

mod admission;
mod auth;
mod backend;
mod batch;
mod bodies;
mod config;
mod counts;
mod extract;
mod jitter;
mod live;
mod openapi;
mod operations;
mod origin;
mod problem;
mod rate;
mod routes;
mod server;
mod state;
mod telling;
mod trail;

pub use auth::{AuthConfig, AuthSettings, Ed25519PublicKey, KeyError, PlayerKey, Secret};
pub use backend::{
    Backend, CommandError, Commanded, Corrected, CorrectionError, EventOutcome, FlagTurn,
    HuntCommand, LogBytes, LogFault, LogSource, PublishedMap, Readiness, Unavailable, View,
};
pub use config::{BindError, EdgeConfig, Limits, Rate, TlsFiles};
pub use counts::{AttemptCounts, Counts};
pub use operations::process_memory_bytes;
pub use server::{Drained, Edge, TlsError};
pub use trail::{TrailFault, TrailSource};
