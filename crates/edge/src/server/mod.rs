//! From a listening address to requests: the accept loop, one connection, and what is said
//! to peers that never get as far as a request.

mod accept;
mod canned;
mod connection;
mod edge;
mod reads;
mod refusals;
mod stream;
mod tls;
mod transport;
mod tunnel;

pub use edge::{Drained, Edge};
pub use tls::TlsError;

pub(crate) use connection::ConnectionHandle;
pub(crate) use reads::WideReads;
pub(crate) use stream::EdgeStream;
pub(crate) use transport::Transport;
pub(crate) use tunnel::Tunnel;
