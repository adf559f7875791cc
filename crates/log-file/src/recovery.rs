//! Finding out what a stream's directory holds, and mending what a crash left.
//!
//! Looking changes nothing; mending happens only once everything was found to be sound.
//! The last segment's end is the one place where a crash may leave damage: segments before
//! it were synced before it was made, and it was synced itself before the state file
//! named it.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use huntcore_disk::{Access, Disk, DiskFile, draft_path, write_all_at};
use huntcore_log::stream_name;
use huntcore_model::{Batch, Epoch, Sequence, ShardId, Tail};

use crate::error::{Failure, OpenError};
use crate::files::{parse_segment_name, segment_path};
use crate::published::Segment;
use crate::segment::{DATA_OFFSET, SegmentHeader};
use crate::state::State;
use crate::window::{Found, Window};

const WRITE_BYTES: usize = 1 << 20;

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

/// What a stream's directory holds.
pub(crate) struct Examined {
    pub(crate) state: State,
    pub(crate) tail: Tail,
    pub(crate) segments: Vec<Segment>,
    pub(crate) batches: u64,
    /// Bytes behind the end that are no batch; what a crash leaves.
    pub(crate) torn: Option<Damage>,
    /// Every sequence below it was known to be durable when something was written.
    durable: Sequence,
    /// What a crash left of trims and new segments.
    leftovers: Vec<PathBuf>,
}

/// Reads and verifies a stream whole. Changes nothing.
pub(crate) fn examine(
    disk: &dyn Disk,
    directory: &Path,
    shard: ShardId,
) -> Result<Examined, OpenError> {
    let (state, names) = read_names(disk, directory, shard)?;
    let mut examination = Examination {
        disk,
        directory,
        shard,
        examined: Examined {
            state,
            tail: Tail::default(),
            segments: Vec::new(),
            batches: 0,
            torn: None,
            durable: Sequence::ZERO,
            leftovers: Vec::new(),
        },
        epoch: Epoch::default(),
    };
    let current = examination.sort_out(&names)?;
    for (index, &first) in current.iter().enumerate() {
        examination.segment(first, current.get(index + 1).copied())?;
    }
    Ok(examination.examined)
}

/// Makes durable, in order: what a crash left is removed, a torn end is zeroed, what may
/// have missed its sync is written again. Gives the last segment's file.
pub(crate) fn mend(
    disk: &dyn Disk,
    directory: &Path,
    shard: ShardId,
    examined: &mut Examined,
) -> Result<Option<Box<dyn DiskFile>>, OpenError> {
    for path in &examined.leftovers {
        tracing::info!(file = %path.display(), "removing what an earlier stop left unfinished");
        disk.remove(path).map_err(OpenError::io("remove", path))?;
    }
    let sealed = examined.segments.len().saturating_sub(1);
    for segment in &mut examined.segments[..sealed] {
        if segment.file_bytes > segment.end {
            let path = segment_path(directory, segment.first);
            disk.open(&path, Access::Write)
                .and_then(|file| file.set_length(segment.end))
                .map_err(OpenError::io("cut", &path))?;
            segment.file_bytes = segment.end;
        }
    }
    let active = match examined.segments.last() {
        None => None,
        Some(segment) => Some(mend_end(disk, directory, segment, examined)?),
    };
    // The state that was read may be in the cache only; after this it is on the disk, and
    // so are the directory's names.
    examined
        .state
        .write(disk, directory, shard)
        .map_err(|failure| unwritten(directory, failure))?;
    Ok(active)
}

fn mend_end(
    disk: &dyn Disk,
    directory: &Path,
    segment: &Segment,
    examined: &Examined,
) -> Result<Box<dyn DiskFile>, OpenError> {
    let path = segment_path(directory, segment.first);
    let failed = |what| OpenError::io(what, &path);
    let file = disk.open(&path, Access::Write).map_err(failed("open"))?;
    let mut window = Window::new(file).map_err(failed("read"))?;
    if let Some(torn) = &examined.torn {
        let zeroed = zero_from(&mut window, segment.end).map_err(failed("zero the end of"))?;
        tracing::warn!(
            file = %torn.file.display(),
            offset = torn.offset,
            reason = %torn.reason,
            zeroed_bytes = zeroed,
            next_sequence = %examined.tail.sequence,
            "cut off a torn end, which was never acknowledged"
        );
    }
    // A failed sync may have left pages in the cache that look clean and are not on the
    // disk. What nobody called durable since is written again.
    let mut offset = if examined.durable >= examined.tail.sequence {
        segment.end
    } else {
        let mut marks = segment.marks.iter().rev();
        let mark = marks.find(|mark| mark.sequence <= examined.durable);
        mark.map_or(DATA_OFFSET, |mark| mark.offset)
    };
    while offset < segment.end {
        let wanted = usize::try_from(segment.end - offset).unwrap_or(usize::MAX);
        let bytes = window
            .bytes(offset, wanted.min(WRITE_BYTES))
            .map_err(failed("read"))?
            .to_vec();
        write_all_at(window.file(), &[IoSlice::new(&bytes)], offset)
            .map_err(|short| failed("write")(short.error))?;
        offset += bytes.len() as u64;
    }
    window.file().sync_data().map_err(failed("sync"))?;
    Ok(window.into_file())
}

/// Zeroes everything from `offset` on that is not, so that no later batch can be mistaken
/// for the continuation of what is written there next.
fn zero_from(window: &mut Window, offset: u64) -> std::io::Result<u64> {
    let zeros = vec![0; WRITE_BYTES];
    let mut zeroed = 0;
    let mut at = offset;
    while let Some(set) = window.first_byte_set(at)? {
        let length = (window.length() - set).min(WRITE_BYTES as u64);
        let part = usize::try_from(length).expect("at most the buffer");
        write_all_at(window.file(), &[IoSlice::new(&zeros[..part])], set)
            .map_err(|short| short.error)?;
        zeroed += length;
        at = set + length;
    }
    window.refresh();
    Ok(zeroed)
}

fn unwritten(directory: &Path, failure: Failure) -> OpenError {
    let (file, reason) = match failure {
        Failure::Full(reason) => (State::path(directory), reason),
        Failure::Doubt { file, reason } => (file, reason),
    };
    OpenError::Io {
        what: "renew",
        file,
        source: std::io::Error::other(reason),
    }
}

/// The state and the names that belong to it, though a writer may be at work.
fn read_names(
    disk: &dyn Disk,
    directory: &Path,
    shard: ShardId,
) -> Result<(State, Vec<String>), OpenError> {
    const ATTEMPTS: usize = 10;
    let mut state = State::read(disk, directory, shard)?;
    let mut names = Vec::new();
    for _ in 0..ATTEMPTS {
        names = disk
            .list(directory)
            .map_err(OpenError::io("list", directory))?;
        let again = State::read(disk, directory, shard)?;
        if again == state {
            break;
        }
        state = again;
    }
    Ok((state, names))
}

struct Examination<'d> {
    disk: &'d dyn Disk,
    directory: &'d Path,
    shard: ShardId,
    examined: Examined,
    /// The last batch's.
    epoch: Epoch,
}

impl Examination<'_> {
    /// Holds the directory's names against the state; gives the segments in order.
    fn sort_out(&mut self, names: &[String]) -> Result<Vec<Sequence>, OpenError> {
        let state_path = State::path(self.directory);
        let state = self.examined.state;
        let mut current = Vec::new();
        for name in names {
            let path = self.directory.join(name);
            if path == state_path {
                continue;
            }
            if path == draft_path(&state_path) {
                self.examined.leftovers.push(path);
                continue;
            }
            let first =
                parse_segment_name(name).ok_or(OpenError::Foreign { file: path.clone() })?;
            if first < state.oldest {
                self.examined.leftovers.push(path);
            } else if state.newest.is_none_or(|newest| first > newest) {
                self.check_unused(&path)?;
                self.examined.leftovers.push(path);
            } else {
                current.push(first);
            }
        }
        current.sort_unstable();
        let missing = match (state.newest, current.first(), current.last()) {
            (None, _, _) => None,
            (Some(_), Some(&first), _) if first != state.oldest => Some(state.oldest),
            (Some(newest), _, Some(&last)) if last == newest => None,
            (Some(newest), _, _) => Some(newest),
        };
        match missing {
            None => Ok(current),
            Some(first) => Err(OpenError::corrupt(
                &segment_path(self.directory, first),
                0,
                format!("segment of {} is missing", stream_name(self.shard)),
            )),
        }
    }

    /// A segment that the state does not name was never written to.
    fn check_unused(&self, path: &Path) -> Result<(), OpenError> {
        let file = match self.disk.open(path, Access::Read) {
            Ok(file) => file,
            Err(error) => return Err(OpenError::io("open", path)(error)),
        };
        let used = Window::new(file)
            .and_then(|mut window| window.first_byte_set(DATA_OFFSET))
            .map_err(OpenError::io("read", path))?;
        match used {
            None => Ok(()),
            Some(offset) => Err(OpenError::corrupt(
                path,
                offset,
                "segment has batches, but the stream's state file does not know it",
            )),
        }
    }

    fn segment(&mut self, first: Sequence, next: Option<Sequence>) -> Result<(), OpenError> {
        let path = segment_path(self.directory, first);
        let file = self
            .disk
            .open(&path, Access::Read)
            .map_err(OpenError::io("open", &path))?;
        let read = || OpenError::io("read", &path);
        let mut window = Window::new(file).map_err(read())?;
        self.header(first, next, &path, &mut window)?;
        let mut segment = Segment::new(first, window.length(), DATA_OFFSET);
        loop {
            let found = window.batch(segment.end).map_err(read())?;
            let reason = match found {
                Found::Batch(batch) => {
                    self.batch(&batch, &path, &mut segment)?;
                    continue;
                }
                Found::End => match window.first_byte_set(segment.end).map_err(read())? {
                    None => break,
                    Some(set) => format!("nothing here, but bytes follow at offset {set}"),
                },
                Found::Damage(reason) => reason,
            };
            // Beside a writer, a batch may have been half there a moment ago.
            window.refresh();
            if let Found::Batch(_) = window.batch(segment.end).map_err(read())? {
                continue;
            }
            self.check_torn(next, &path, &mut window, &segment, &reason)?;
            self.examined.torn = Some(Damage {
                file: path.clone(),
                offset: segment.end,
                reason,
            });
            break;
        }
        let ends = self.examined.tail.sequence;
        if let Some(next) = next
            && next != ends
        {
            let missing = segment_path(self.directory, ends);
            let next = segment_path(self.directory, next);
            let reason = format!(
                "segment ends at {ends}, but the next is {}: {} is missing, or the end of this",
                next.display(),
                missing.display()
            );
            return Err(OpenError::corrupt(&path, segment.end, reason));
        }
        self.examined.segments.push(segment);
        Ok(())
    }

    fn header(
        &mut self,
        first: Sequence,
        next: Option<Sequence>,
        path: &Path,
        window: &mut Window,
    ) -> Result<(), OpenError> {
        let bytes = window
            .bytes(0, SegmentHeader::LENGTH)
            .map_err(OpenError::io("read", path))?;
        let header =
            SegmentHeader::parse(bytes).map_err(|reason| OpenError::corrupt(path, 0, reason))?;
        if header.shard != self.shard {
            let reason = format!("segment belongs to shard {}", header.shard);
            return Err(OpenError::corrupt(path, 8, reason));
        }
        if header.before.sequence != first {
            let reason = format!(
                "segment begins at {}, its name is wrong",
                header.before.sequence
            );
            return Err(OpenError::corrupt(path, 16, reason));
        }
        let follows = self.examined.segments.is_empty() || header.before == self.examined.tail;
        if !follows {
            let reason = "segment does not follow the one before: another chain or time";
            return Err(OpenError::corrupt(path, 24, reason));
        }
        // Until it is finished; which a writer beside us may have done since.
        let unfinished = next.is_none()
            && State::read(self.disk, self.directory, self.shard)?.newest == Some(first);
        if unfinished && window.length() != header.length {
            let reason = format!("segment was made with {} bytes", header.length);
            return Err(OpenError::corrupt(path, window.length(), reason));
        }
        self.examined.tail = header.before;
        // The segments before were synced before this one was made.
        self.examined.durable = self.examined.durable.max(first);
        Ok(())
    }

    /// Takes a batch whose checksums are right. A crash cannot make one of those stand
    /// where it does not belong.
    fn batch(
        &mut self,
        batch: &Batch,
        path: &Path,
        segment: &mut Segment,
    ) -> Result<(), OpenError> {
        let header = batch.header();
        let tail = &self.examined.tail;
        let wrong = if header.shard != self.shard {
            Some(format!("batch belongs to shard {}", header.shard))
        } else if !batch.follows(tail) {
            Some(format!(
                "batch begins at {} and does not follow {} before it: another place, chain or time",
                header.first_sequence, tail.sequence
            ))
        } else if header.epoch < self.epoch || header.epoch > self.examined.state.epoch {
            Some(format!(
                "batch is of epoch {}, between {} before it and {} in the state file",
                header.epoch, self.epoch, self.examined.state.epoch
            ))
        } else {
            None
        };
        if let Some(reason) = wrong {
            return Err(OpenError::corrupt(path, segment.end, reason));
        }
        self.epoch = header.epoch;
        self.examined.durable = self.examined.durable.max(header.durable);
        self.examined.tail = batch.tail();
        self.examined.batches += 1;
        segment.push(header.first_sequence, batch.bytes().len() as u64);
        Ok(())
    }

    /// Damage at the very end is what a crash leaves, unless it hit what was durable.
    fn check_torn(
        &self,
        next: Option<Sequence>,
        path: &Path,
        window: &mut Window,
        segment: &Segment,
        reason: &str,
    ) -> Result<(), OpenError> {
        let ends = self.examined.tail.sequence;
        let claimed = window
            .highest_durable(segment.end, self.shard, ends)
            .map_err(OpenError::io("read", path))?;
        let reason = match (next, claimed) {
            (Some(next), _) => format!("{reason}; the segment was finished, up to {next}"),
            (None, Some(durable)) if durable > ends => {
                format!("{reason}; records {ends} to {durable} were durable")
            }
            _ => return Ok(()),
        };
        Err(OpenError::corrupt(path, segment.end, reason))
    }
}
