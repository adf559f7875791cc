//! Messages from outside: protobuf beside another implementation, and streams of anything.

mod definition;
mod live_bytes;
mod live_forms;
mod live_limits;
mod live_sizes;
mod messages;
mod proto;
mod streams;
