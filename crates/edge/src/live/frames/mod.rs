//! Frames by RFC 6455, as functions of bytes: what clients send is read strictly, and what
//! the server sends is written without a mask, so that one framing serves every socket.
//!
//! Nothing here knows of sockets, time or the meaning of a message.

mod reading;
mod violation;
mod writing;

#[cfg(test)]
mod tests;

pub(super) use reading::{HEADER_BYTES_MAX, Message, Read, read};
pub(super) use violation::Violation;
pub(super) use writing::{Kind, push_close, push_control, push_header, push_message};
