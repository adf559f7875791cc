//! Live sockets: the handshake, the door behind it, and what happens on a socket.
//!
//! HTTP checks the handshake and hands the TCP stream over. From there on a socket belongs to
//! one of a few reactors: a thread with an epoll loop, to which a connection is an entry in a
//! slab with a cursor over its hunt's feed. Each change is framed once and written once to
//! each socket; attempts go to the arbiters by one lane for each reactor, all that one turn
//! of the loop has read as one submission.
//!
//! ```text
//! HTTP ──► door ──► reactor (epoll) ──► reading ──► asks ──► lane ──► arbiters
//!                      │  ▲                                   │
//!                      │  └──── telling (outcomes first) ◄────┘
//!                      └── following: hunts' feeds, framed once ◄── View
//! ```

mod asks;
mod classes;
mod connection;
mod door;
mod farewell;
mod frames;
mod handshake;
mod hunts;
mod layouts;
mod making;
mod ranks;
mod reactor;
mod slots;
mod wakeup;
mod wheel;

pub(crate) use door::{Arrival, LiveDoor, Place, ReactorDoor};
pub(crate) use handshake::Handshake;
