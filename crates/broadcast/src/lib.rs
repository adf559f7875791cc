//! Broadcast: folds committed batches and board versions into frames that every client of a
//! hunt shares.
//!
//! A frame is what one tick has changed, as messages made for their first reader; a
//! [`FeedVersion`] is an immutable ring of the last frames with a snapshot beside it, and a
//! client is a [`Cursor`] into it. Clients who speak the same form and want to hear the same
//! are a [`Class`], for which messages are made once. A slow client's missed frames are
//! merged, or a snapshot takes their place: a change is never skipped without the client's
//! being told.
//!
//! Pure: no clock, no I/O, no threads; ticks come with the caller's time. It reads no state
//! (I7): what it shows is folded from batches that are durable (I2) and from the board
//! versions pushed into it, its snapshots included. What a client has made of all messages
//! in the end depends on the log alone, not on how streams interleave, where ticks are cut
//! or which process sent what.
//!
//! # Cost
//! A claim is 16 bytes in a round's list, which versions share in chunks, and 24 in a frame,
//! unless the tick has more changes than its limit. Players are named by number, and their
//! ids, each kept once a stream, are looked up when a text is made. So what nobody reads
//! costs nothing more, and what is read is written once and shared.
//! `projections` among the examples measures it.

mod board;
mod checkpoint;
mod class;
mod corrections;
mod feed;
mod fold;
mod forms;
mod frame;
mod hunt;
mod limits;
mod messages;
mod names;
mod round;
mod text;
mod unpack;

pub use board::BoardUpdate;
pub use checkpoint::RestoreError;
pub use class::{Class, Layouts, RoundLayout};
pub use feed::{ClassFeed, Cursor, FeedVersion, Feeds, Next, Start};
pub use fold::{ApplyError, Broadcast};
pub use frame::Frame;
pub use limits::BroadcastLimits;
