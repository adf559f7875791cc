//! The cases, one family in a file.

mod http;
mod in_process;
mod instructions;
mod public_face;
mod socket;
mod world;

pub(crate) use in_process::{closed, open};
pub(crate) use instructions::instructions;
pub(crate) use public_face::{http_single, memory, socket_ndjson, socket_protobuf, websocket};
