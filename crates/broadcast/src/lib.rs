//! Broadcast: folds committed batches and board versions into frames that every client of a
//! hunt shares.
//!
//! A frame is what one tick has changed, as ready texts; a [`FeedVersion`] is an immutable
//! ring of the last frames with a snapshot beside it, and a client is a [`Cursor`] into it.
//! A slow client's missed frames are merged, or a snapshot takes their place: a change is
//! never skipped without the client's being told.
//!
//! Pure: no clock, no I/O, no threads; ticks come with the caller's time. It reads no state
//! (I7): what it shows is folded from batches that are durable (I2) and from the board
//! versions pushed into it, its snapshots included. What a client has made of all messages
//! in the end depends on the log alone, not on how streams interleave, where ticks are cut
//! or which process sent what.

mod board;
mod checkpoint;
mod feed;
mod fold;
mod frame;
mod hunt;
mod limits;
mod names;
mod round;
mod text;
mod unpack;

pub use board::BoardUpdate;
pub use checkpoint::RestoreError;
pub use feed::{Cursor, FeedVersion, Feeds, Next, Start};
pub use fold::{ApplyError, Broadcast};
pub use frame::Frame;
pub use limits::BroadcastLimits;
