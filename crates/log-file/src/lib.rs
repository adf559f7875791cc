//! The log's embedded home: a directory of preallocated segments.
//!
//! ```text
//! DIR/lock                          held by the one process that may write
//! DIR/backup.lock                   held shared by backups, exclusively while trimming
//! DIR/format                        the format's version, and the streams there are
//! DIR/shard-00000/state             last term of ownership, oldest and newest segment
//! DIR/shard-00000/0000…0000.log     segments, named by their first sequence
//! DIR/shard-00000/spare             the next segment, while it is being made
//! DIR/control/…                     the control stream, likewise
//! ```
//! Each stream has one thread, which takes everything that is queued, writes it with one
//! call, syncs once and completes it in order (group commit). After a failed write or sync
//! nothing is trusted any more: the log is poisoned, refuses everything, and says so once
//! ([`FileLogOptions::on_poison`]); a new start recovers.
//!
//! On opening, every segment's header is read, and the last segment of each stream is
//! verified whole: the only place that a crash can have touched. So it takes no longer with a
//! long log. Damage to what is known to be durable is an error that names file and offset, and
//! nothing is touched; damage at the very end, above that, is what a crash leaves: it is cut
//! off, and a warning says where. Damage further back is found by whoever reads it, and by
//! [`Inspection::verify`]: an error again, with file and offset; it is never misread.
//!
//! It does not know what records mean, never deletes but what it is told to trim, and
//! does not guess: a segment missing, renamed or swapped is refused, not repaired.

mod copy;
mod error;
mod files;
mod inspect;
mod log;
mod outline;
mod parallel;
mod poison;
mod published;
mod queue;
mod reader;
mod recovery;
mod scan;
mod segment;
mod spare;
mod stat;
mod state;
mod trim;
mod verify;
mod window;
mod writer;

pub use copy::{
    CopyError, CopyProgress, CopyReport, CopyStage, OnCopyProgress, backup, backup_on, restore,
    restore_on,
};
pub use error::OpenError;
pub use inspect::{Inspection, SegmentListing, StreamListing};
pub use log::{FileLog, FileLogOptions};
pub use poison::Poison;
pub use scan::Damage;
pub use stat::{SegmentStat, StreamStat};
pub use verify::{Progress, StreamReport};
