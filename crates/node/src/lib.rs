//! The node: threads, clock, ownership of shards, routing, and the wiring of every part.
//!
//! It decides nothing itself. What is decided and folded is in the pure crates; what
//! talks to the network is in the edge, whose backend a node is.

mod backend;
mod checkpointer;
mod closer;
mod config;
mod control;
mod definitions;
mod door;
mod event_metrics;
mod failure;
mod followers;
mod gauge;
mod keeper;
mod lag;
mod looker;
mod maps;
mod metrics;
mod node;
mod operations;
mod parallel;
mod parts;
mod projector;
mod projector_snapshot;
mod recent;
mod recovery;
mod retained;
mod retention;
mod rules;
mod shard;
mod shelves;
mod sinks;
mod snapshots;
mod text;
mod trail;

pub use config::{CheckpointHome, EventKeysHome, NodeConfig};
pub use definitions::{BoardFault, has_boards};
use huntcore_projection as clock;
pub use huntcore_projection::{Clock, SystemClock};
pub use maps::MapError;
pub use node::Node;
pub use recovery::StartError;
pub use rules::{HuntFault, check_hunt};
