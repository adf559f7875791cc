//! Which score events were taken, kept on disk for the horizon and looked up by key.
//!
//! ```text
//! DIR/shard-0/00000000000000000000-00000000000001048576.run    the events of a stretch of a
//! DIR/shard-0/00000000000001048576-00000000000002097152.run    stream, never changed
//! DIR/shard-0/….run.tmp                                        one that is being written
//! DIR/shard-0/….run.damaged                                    one that was found damaged
//! ```
//! An arbiter seals its events in buckets, each all events of a stretch of its stream. Such a
//! bucket is written here as a *run*: 40 bytes an event, sorted by key, in pages of 4 KiB each
//! with a checksum, and behind them a filter and every page's first key, which are held in
//! memory: about 17 bits an event. A look-up asks the filters, and reads one page where one
//! says "perhaps". Runs are named by the stretch of the stream rather than by when the arbiter
//! sealed them, so that whichever way a log is folded again, it is plain which of its events
//! stand here.
//!
//! Runs are written whole or not at all: under a temporary name, synced, renamed. Those of the
//! same eighth of the horizon are merged in the background, a little at a time, so that a
//! look-up has few to ask; a run goes as a whole once the horizon has passed all of it.
//!
//! One owner writes, merges and drops ([`EventKeys`]); anybody looks up, without a lock, in what
//! it last published ([`Runs`]). Nothing here reads the log, or knows what is durable: a bucket
//! is to be handed in only once the log holds all of it. Damage is found by checksums and named
//! by file and offset; it is for the caller to write those events anew from the log.

mod error;
mod filter;
mod format;
mod merge;
mod run;
mod runs;
mod store;
mod writer;

pub use error::{Damage, KeysError, OpenError};
pub use run::Run;
pub use runs::{Asked, PublishedRuns, Runs};
pub use store::{EventKeys, KeysOptions, PassedOver, set_aside};
