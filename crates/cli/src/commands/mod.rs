//! One command, one file.

pub(crate) mod bench;
pub(crate) mod bench_client;
pub(crate) mod board;
pub(crate) mod data;
pub(crate) mod demo;
pub(crate) mod flags;
pub(crate) mod hunt;
pub(crate) mod load;
pub(crate) mod log;
pub(crate) mod plan;
pub(crate) mod serve;
pub(crate) mod server;
pub(crate) mod token;
pub(crate) mod verify;
