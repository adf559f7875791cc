//! From a listening address to requests: the accept loop, one connection, and what is said
//! to peers that never get as far as a request.

mod accept;
mod canned;
mod connection;
mod edge;
mod reads;
mod stream;

pub use edge::{Drained, Edge};

pub(crate) use connection::ConnectionHandle;
pub(crate) use reads::WideReads;
pub(crate) use stream::EdgeStream;
