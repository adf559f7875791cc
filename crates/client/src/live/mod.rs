//! The live connection: a hunt's stream of changes, and attempts beside it.
//!
//! One task owns the socket. It reconnects with backoff and resumes where it was, keeps the
//! hunt's state folded, and sends unanswered attempts again. Its queues are bounded: a caller
//! who does not read events loses some and is told how many, never the state.

mod connector;
mod driver;
mod events;
mod handle;
mod subscription;

pub use connector::LiveBuilder;
pub use events::LiveEvent;
pub use handle::{LiveConnection, LiveHandle};
