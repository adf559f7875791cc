//! Where checkpoints are kept: written whole or not at all, checked on every read.
//!
//! ```text
//! DIR/00000000000000000041/manifest          one checkpoint: what it consists of, checksummed
//! DIR/00000000000000000041/control.part      its parts
//! DIR/shared/answers.00000000000000000017.part    a part that never changes, written once,
//!                                            for as many checkpoints as name it
//! DIR/00000000000000000042.tmp/…             one that is being written, or being removed
//! ```
//! A checkpoint is written under its temporary name, each file synced, the manifest last;
//! then it is renamed, and the directory synced. The newest two that are good are kept,
//! whatever a crash does. Damage is found by checksums and named by file and offset; it is
//! for the caller to turn to the older one.
//!
//! It does not know what parts mean, nor what the log holds: each part says up to where in
//! the log it stands, and whoever reads it checks that. It never removes a file whose name it
//! did not give. A failed write is an error, and nothing else changes.

mod draft;
mod error;
mod manifest;
mod names;
mod part;
mod store;

pub use draft::{Draft, Part};
pub use error::{CheckpointError, Damage, OpenError};
pub use manifest::{Checkpoint, PartEntry, Stand};
pub use part::{PartReader, PartWriter};
pub use store::{CheckpointOptions, Checkpoints, Listing, PassedOver, list};
