//! Reading one segment whole and verifying it, by itself.
//!
//! The last segment's end is the one place where a crash may leave damage: segments before
//! it were synced before it was made, and it was synced itself before the state file named
//! it.

use std::path::PathBuf;

use huntcore_disk::{Access, Disk};
use huntcore_model::{Batch, Epoch, Sequence, Tail};

use crate::error::OpenError;
use crate::outline::{Finish, Link, Outline};
use crate::published::Segment;
use crate::segment::DATA_OFFSET;
use crate::state::State;
use crate::window::{Found, Window};

/// Progress is told about so often.
const PROGRESS_BYTES: u64 = 1 << 20;

/// Something that is no batch, where one could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which file.
    pub file: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// What is wrong there.
    pub reason: String,
}

/// A segment that was read whole.
pub(crate) struct Scanned {
    pub(crate) segment: Segment,
    /// After its last batch.
    pub(crate) tail: Tail,
    /// The last batch's, or that of the one before the segment.
    pub(crate) epoch: Epoch,
    pub(crate) batches: u64,
    /// Every sequence below it was known to be durable when something was written.
    pub(crate) durable: Sequence,
    /// Bytes behind the end that are no batch; what a crash leaves.
    pub(crate) torn: Option<Damage>,
}

/// Reads and verifies a segment. Changes nothing. `progress` is told of bytes as they are
/// verified.
pub(crate) fn scan(
    disk: &dyn Disk,
    outline: &Outline,
    link: &Link,
    progress: &dyn Fn(u64),
) -> Result<Scanned, OpenError> {
    let read = || OpenError::io("read", &link.path);
    let file = disk
        .open(&link.path, Access::Read)
        .map_err(OpenError::io("open", &link.path))?;
    let mut window = Window::new(file).map_err(read())?;
    let mut scan = Scan {
        disk,
        outline,
        link,
        scanned: Scanned {
            segment: Segment::begun(&link.header, window.length()),
            tail: link.header.before,
            epoch: link.header.previous.epoch,
            batches: 0,
            // The segments before were synced before this one was made.
            durable: link.first(),
            torn: None,
        },
    };
    let mut told = DATA_OFFSET;
    loop {
        let end = scan.scanned.segment.end;
        if end - told >= PROGRESS_BYTES {
            progress(end - told);
            told = end;
        }
        let found = window.batch(end).map_err(read())?;
        let reason = match found {
            Found::Batch(batch) => {
                scan.take(&batch)?;
                continue;
            }
            Found::End => match window.first_byte_set(end).map_err(read())? {
                None => break,
                Some(set) => format!("nothing here, but bytes follow at offset {set}"),
            },
            Found::Damage(reason) => reason,
        };
        // Beside a writer, a batch may have been half there a moment ago.
        window.refresh();
        if let Found::Batch(_) = window.batch(end).map_err(read())? {
            continue;
        }
        scan.check_torn(&mut window, &reason)?;
        scan.scanned.torn = Some(Damage {
            file: link.path.clone(),
            offset: end,
            reason,
        });
        break;
    }
    scan.check_finish()?;
    progress(scan.scanned.segment.end - told);
    Ok(scan.scanned)
}

struct Scan<'s> {
    disk: &'s dyn Disk,
    outline: &'s Outline,
    link: &'s Link,
    scanned: Scanned,
}

impl Scan<'_> {
    fn corrupt(&self, reason: impl Into<String>) -> OpenError {
        OpenError::corrupt(&self.link.path, self.scanned.segment.end, reason)
    }

    /// Takes a batch whose checksums are right. A crash cannot make one of those stand
    /// where it does not belong.
    fn take(&mut self, batch: &Batch) -> Result<(), OpenError> {
        let header = batch.header();
        let tail = &self.scanned.tail;
        if header.shard != self.outline.shard {
            return Err(self.corrupt(format!("batch belongs to shard {}", header.shard)));
        }
        if !batch.follows(tail) {
            return Err(self.corrupt(format!(
                "batch begins at {} and does not follow {} before it: another place, chain or \
                 time",
                header.first_sequence, tail.sequence
            )));
        }
        let epoch = self.scanned.epoch;
        if header.epoch < epoch || header.epoch > self.last_epoch(header.epoch)? {
            return Err(self.corrupt(format!(
                "batch is of epoch {}, between {epoch} before it and {} in the state file",
                header.epoch, self.outline.state.epoch
            )));
        }
        self.scanned.epoch = header.epoch;
        self.scanned.durable = self.scanned.durable.max(header.durable);
        self.scanned.tail = batch.tail();
        self.scanned.batches += 1;
        self.scanned.segment.push(batch);
        Ok(())
    }

    /// The stream's last term; looked up again if `epoch` is later, for beside a writer it may
    /// have begun since.
    fn last_epoch(&self, epoch: Epoch) -> Result<Epoch, OpenError> {
        if epoch <= self.outline.state.epoch || self.link.finish.is_some() {
            return Ok(self.outline.state.epoch);
        }
        let directory = self
            .link
            .path
            .parent()
            .expect("a file stands in a directory");
        Ok(State::read(self.disk, directory, self.outline.shard)?.epoch)
    }

    /// Damage at the very end is what a crash leaves, unless it hit what was durable.
    fn check_torn(&self, window: &mut Window, reason: &str) -> Result<(), OpenError> {
        let ends = self.scanned.tail.sequence;
        if let Some(finish) = &self.link.finish {
            let next = finish.tail.sequence;
            return Err(self.corrupt(format!("{reason}; the segment was finished, up to {next}")));
        }
        let claimed = window
            .highest_durable(self.scanned.segment.end, self.outline.shard, ends)
            .map_err(OpenError::io("read", &self.link.path))?;
        match claimed {
            Some(durable) if durable > ends => Err(self.corrupt(format!(
                "{reason}; records {ends} to {durable} were durable"
            ))),
            _ => Ok(()),
        }
    }

    /// Holds a finished segment against what the next one says of it.
    fn check_finish(&self) -> Result<(), OpenError> {
        let Some(expected) = &self.link.finish else {
            return Ok(());
        };
        let found = Finish {
            tail: self.scanned.tail,
            end: self.scanned.segment.end,
            epoch: self.scanned.epoch,
        };
        if found == *expected {
            return Ok(());
        }
        Err(self.corrupt(format!(
            "segment ends with {} at offset {} in epoch {}, but the next one follows {} at offset \
             {} in epoch {}, or another chain or time",
            found.tail.sequence,
            found.end,
            found.epoch,
            expected.tail.sequence,
            expected.end,
            expected.epoch
        )))
    }
}
