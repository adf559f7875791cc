//! What a stream's directory holds, by its state file, names and segment headers alone.
//!
//! This is all that is read of segments that were finished: each header says how the segment
//! before it ended, so a file that is missing, cut, renamed or of another stream is found
//! without reading its batches.

use std::path::{Path, PathBuf};

use huntcore_disk::{Access, Disk, draft_path, read_full_at};
use huntcore_log::stream_name;
use huntcore_model::{BatchHeader, Epoch, HEADER_BYTES, Sequence, ShardId, Tail, TimeMicros};

use crate::error::OpenError;
use crate::files::{parse_segment_name, segment_path};
use crate::segment::{DATA_OFFSET, Previous, SegmentHeader};
use crate::spare::SPARE;
use crate::state::State;
use crate::window::Window;

/// A stream's directory, in outline.
pub(crate) struct Outline {
    pub(crate) shard: ShardId,
    pub(crate) state: State,
    /// Oldest first; all but the last are finished.
    pub(crate) links: Vec<Link>,
    /// What a crash left of trims and new segments.
    pub(crate) leftovers: Vec<PathBuf>,
}

/// A segment's place in its stream.
pub(crate) struct Link {
    pub(crate) path: PathBuf,
    pub(crate) header: SegmentHeader,
    pub(crate) file_bytes: u64,
    /// The first batch's time; known only of a finished segment.
    pub(crate) begins: Option<TimeMicros>,
    /// How it ended; `None` for the last, which may be written to.
    pub(crate) finish: Option<Finish>,
}

/// How a finished segment ended, as the next one's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finish {
    pub(crate) tail: Tail,
    pub(crate) end: u64,
    pub(crate) epoch: Epoch,
}

impl Link {
    pub(crate) fn first(&self) -> Sequence {
        self.header.before.sequence
    }

    /// Whether a crash may have left bytes behind the end of a finished segment.
    pub(crate) fn is_uncut(&self) -> bool {
        self.finish
            .is_some_and(|finish| self.file_bytes > finish.end)
    }
}

impl Outline {
    /// Looks at a stream's directory, though a writer may be at work. Changes nothing.
    pub(crate) fn read(
        disk: &dyn Disk,
        directory: &Path,
        shard: ShardId,
    ) -> Result<Self, OpenError> {
        loop {
            let state = State::read(disk, directory, shard)?;
            let result = Self::look(disk, directory, shard, state);
            // A writer that made or gave up a segment meanwhile changed the state.
            if state == State::read(disk, directory, shard)? {
                return result;
            }
        }
    }

    fn look(
        disk: &dyn Disk,
        directory: &Path,
        shard: ShardId,
        state: State,
    ) -> Result<Self, OpenError> {
        let names = disk
            .list(directory)
            .map_err(OpenError::io("list", directory))?;
        let mut outline = Self {
            shard,
            state,
            links: Vec::new(),
            leftovers: Vec::new(),
        };
        let firsts = outline.sort_out(disk, directory, &names)?;
        for (index, &first) in firsts.iter().enumerate() {
            let is_last = index + 1 == firsts.len();
            let link = outline.look_at(disk, directory, first, is_last)?;
            if let Some(before) = outline.links.last_mut() {
                before.join(directory, &link)?;
            }
            outline.links.push(link);
        }
        Ok(outline)
    }

    /// Holds the directory's names against the state; gives the segments in order.
    fn sort_out(
        &mut self,
        disk: &dyn Disk,
        directory: &Path,
        names: &[String],
    ) -> Result<Vec<Sequence>, OpenError> {
        let state_path = State::path(directory);
        let state = self.state;
        let mut current = Vec::new();
        for name in names {
            let path = directory.join(name);
            if path == state_path {
                continue;
            }
            if path == draft_path(&state_path) || name == SPARE {
                self.leftovers.push(path);
                continue;
            }
            let first =
                parse_segment_name(name).ok_or(OpenError::Foreign { file: path.clone() })?;
            if first < state.oldest {
                self.leftovers.push(path);
            } else if state.newest.is_none_or(|newest| first > newest) {
                check_unused(disk, &path)?;
                self.leftovers.push(path);
            } else {
                current.push(first);
            }
        }
        current.sort_unstable();
        let lacking = match (state.newest, current.first(), current.last()) {
            (None, _, _) => None,
            (Some(_), Some(&first), _) if first != state.oldest => Some(state.oldest),
            (Some(newest), _, Some(&last)) if last == newest => None,
            (Some(newest), _, _) => Some(newest),
        };
        match lacking {
            None => Ok(current),
            Some(first) => Err(missing(directory, self.shard, first)),
        }
    }

    fn look_at(
        &self,
        disk: &dyn Disk,
        directory: &Path,
        first: Sequence,
        is_last: bool,
    ) -> Result<Link, OpenError> {
        let path = segment_path(directory, first);
        let read = || OpenError::io("read", &path);
        let file = disk
            .open(&path, Access::Read)
            .map_err(OpenError::io("open", &path))?;
        let file_bytes = file.length().map_err(read())?;
        let mut bytes = vec![0; SegmentHeader::LENGTH + HEADER_BYTES];
        let count = read_full_at(&*file, &mut bytes, 0).map_err(read())?;
        let bytes = &bytes[..count];
        let header =
            SegmentHeader::parse(bytes).map_err(|reason| OpenError::corrupt(&path, 0, reason))?;
        if header.shard != self.shard {
            let reason = format!("segment belongs to shard {}", header.shard);
            return Err(OpenError::corrupt(&path, 8, reason));
        }
        if header.before.sequence != first {
            let reason = format!(
                "segment begins at {}, its name is wrong",
                header.before.sequence
            );
            return Err(OpenError::corrupt(&path, 16, reason));
        }
        let begins = if is_last {
            None
        } else {
            let begins = first_batch(&header, &bytes[SegmentHeader::LENGTH..]);
            Some(begins.map_err(|reason| OpenError::corrupt(&path, DATA_OFFSET, reason))?)
        };
        if is_last && file_bytes != header.length {
            let reason = format!("segment was made with {} bytes", header.length);
            return Err(OpenError::corrupt(&path, file_bytes, reason));
        }
        Ok(Link {
            path,
            header,
            file_bytes,
            begins,
            finish: None,
        })
    }
}

impl Link {
    /// Learns how it ended from the segment after it.
    fn join(&mut self, directory: &Path, next: &Self) -> Result<(), OpenError> {
        let Previous { first, end, epoch } = next.header.previous;
        if first != self.first() {
            return Err(missing(directory, self.header.shard, first));
        }
        let tail = next.header.before;
        if tail.time < self.header.before.time || epoch < self.header.previous.epoch {
            let reason = "segment does not follow the one before: another time or epoch";
            return Err(OpenError::corrupt(&next.path, 24, reason));
        }
        if self.file_bytes < end {
            let reason = format!("segment was finished with {end} bytes, the rest is missing");
            return Err(OpenError::corrupt(&self.path, self.file_bytes, reason));
        }
        self.finish = Some(Finish { tail, end, epoch });
        Ok(())
    }
}

fn missing(directory: &Path, shard: ShardId, first: Sequence) -> OpenError {
    OpenError::corrupt(
        &segment_path(directory, first),
        0,
        format!("segment of {} is missing", stream_name(shard)),
    )
}

/// The time of a finished segment's first batch, if that is what has to stand there.
fn first_batch(segment: &SegmentHeader, bytes: &[u8]) -> Result<TimeMicros, String> {
    let header = BatchHeader::parse(bytes).map_err(|error| error.to_string())?;
    let before = &segment.before;
    if header.shard == segment.shard
        && header.first_sequence == before.sequence
        && header.previous_chain == before.chain
        && header.time >= before.time
    {
        Ok(header.time)
    } else {
        Err("batch does not follow what the segment's header says of the one before".to_owned())
    }
}

/// A segment that the state does not name was never written to.
fn check_unused(disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
    let file = disk
        .open(path, Access::Read)
        .map_err(OpenError::io("open", path))?;
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
