//! The audit trail: the log's batches as CloudEvents that people and other programs read, and
//! the proof that such a trail says what the log said.
//!
//! [`Translator`] turns batches into events: one for each batch and one for each of its
//! records, with names in place of numbers, and with the record's own bytes. [`Checker`] takes
//! events, wherever they were kept meanwhile, puts the batches together again, and finds out
//! whether anything was altered, or removed in between.
//!
//! Pure: no clock, no I/O. It decides nothing, mends nothing, and leaves out nothing: what to
//! leave out is for whoever shows the trail, and a trail with gaps proves less.
//!
//! # What the proof covers
//! Each batch's header holds the hash of the batch before, so a stream's events from the first
//! to the last are all there and unaltered if the chain closes. Whether the last event is the
//! log's last, only the log can say: compare the end that [`Report::streams`] gives with it.
//! Names of players are covered by a salted hash that stands in the chain.
//!
//! # Memory
//! About 32 bytes and the id for each player, and one batch.

mod check;
mod fault;
mod filter;
mod names;
mod translate;

pub use check::{Checker, Report, StreamSpan};
pub use fault::Fault;
pub use filter::Filter;
pub use names::{Introduced, Names};
pub use translate::{Translator, payload};
