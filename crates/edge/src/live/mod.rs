//! Live sockets: the handshake, the door behind it, and what happens on a socket.
//!
//! A connection is a cursor over the hunt's feed and a bounded set of attempts. Behind
//! [`LiveDoor`] this version spends a task on each; whatever replaces it gets the same
//! arrivals and owes the same behaviour.

mod closing;
mod door;
mod follower;
mod handshake;
mod outbox;
mod rewound;
mod socket;

pub(crate) use door::{Arrival, LiveDoor, TaskDoor};
pub(crate) use handshake::Handshake;
