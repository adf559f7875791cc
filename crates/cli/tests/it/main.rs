//! Tests from outside: the built `huntcore` runs as a child process, and nothing but its public
//! face is used: command line, HTTP, WebSockets, the files it leaves behind. Nothing here calls
//! into huntcore's own crates, so a misunderstanding that two of them share still shows.

mod admission;
mod backup;
mod bad_input;
mod benches;
mod boards;
mod checkpoints;
mod crash;
mod demo;
mod documents;
mod edges;
mod event_keys;
mod events_out;
mod full_disk;
mod load;
mod old_formats;
mod operating;
mod operators;
mod overload;
mod plan;
mod restart;
mod sdk;
mod sinks;
mod sockets;
mod startup;
mod strangers;
mod support;
mod tls;
mod trail;
