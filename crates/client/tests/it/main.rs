//! The client against tiny servers that say exactly what a test wants said.

mod http_calls;
mod live_calls;
mod server;
mod streams;
