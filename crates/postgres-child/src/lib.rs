//! A real PostgreSQL as a child process: in a folder of its own, reached through a socket in that
//! folder, gone with whoever started it.
//!
//! For tests and benches. It installs nothing, opens no port unless asked to, and touches no
//! server that was there before.

mod programs;
mod server;

pub use programs::Programs;
pub use server::{Options, Server, ServerError};
