//! The cases, one family in a file.

mod durability;
mod http;
mod in_process;
mod instructions;
mod overload;
mod public_face;
mod socket;
mod world;

pub(crate) use durability::{checkpoint, restart};
pub(crate) use in_process::{closed, open};
pub(crate) use instructions::instructions;
pub(crate) use overload::{flood, hot_shard, hot_tile, one_connection, overload};
pub(crate) use public_face::{
    block_on, http_single, memory, socket_ndjson, socket_protobuf, websocket,
};
pub(crate) use world::World;
