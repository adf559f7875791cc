//! Messages from outside: protobuf beside another implementation, and streams of anything.

mod proto;
mod streams;
