//! An async client of huntcore's public face: HTTP bodies and the live socket, typed.
//!
//! It speaks only what any other client could speak. Attempts and score events are repeated
//! with the same content when a server is overloaded, an outcome is unknown or a connection
//! is lost; the server gives the same attempt the same answer (I3). Nothing else is repeated
//! behind the caller's back. Proxies and redirects are not followed.

mod boards;
mod cells;
mod claims;
mod client;
mod error;
mod events;
mod http;
mod hunts;
mod live;
mod operators;
mod retry;
mod stream;
mod trail;

pub use client::{Client, ClientBuilder};
pub use error::ClientError;
pub use live::{LiveBuilder, LiveConnection, LiveEvent, LiveHandle};
pub use retry::RetryPolicy;
pub use stream::{AnsweredBatch, ClaimBatch, ClaimStream, ClaimStreamOptions};
pub use trail::EventStream;

/// The messages' types, so that a caller needs no second dependency.
pub use huntcore_wire as wire;
