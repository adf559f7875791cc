//! The edge over real sockets, in front of a backend in memory.

mod admission;
mod at_least;
mod auth;
mod bad_input;
mod board_lists;
mod boards;
mod claims;
mod client;
mod components;
mod crowds;
mod duplex;
mod events;
mod fake;
mod frames;
mod hunts;
mod interest;
mod limits;
mod live;
mod operations;
mod operators;
mod shutdown;
mod sockets;
mod streams;
mod tls;
mod world;
