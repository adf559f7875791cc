//! An edge process: an edge's backend that has no log of its own.
//!
//! It follows a node's log over HTTP, folds it with the same projections as the node does, and
//! so shows the same at the same position; what is to be decided or stored it forwards. It
//! holds no other state: killed, it loses nothing, and started again it begins with the
//! upstream's checkpoint. While the upstream is lost it shows what it has, says so, and refuses
//! what it cannot forward; then it goes on from where it stood, without a gap.
//!
//! ```text
//! upstream ── /v1/log ──► follow ──► Inflow ──► Projector ──► View ──► edge ──► clients
//!     ▲                                                                 │
//!     └── /v1/claims (one stream of batches) ◄── forward ◄── lanes ◄────┤
//!     └── commands, score events, maps ◄────────────────────────────────┘
//! ```

mod answers;
mod backend;
mod commands;
mod config;
mod corrections;
mod events;
mod follow;
mod forward;
mod inflow;
mod link;
mod maps;
mod metrics;
mod relay;
mod trail;
mod upstream;

pub use config::RelayConfig;
pub use relay::{Relay, StartError};
