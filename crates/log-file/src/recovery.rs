//! Finding out what a stream's directory holds, and mending what a crash left.
//!
//! Looking changes nothing; mending happens only once everything was found to be sound. What
//! is looked at: every segment's header, the last segment whole, and any other that a crash
//! kept from being cut to its length.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use huntcore_disk::{Access, Disk, DiskFile, write_all_at};
use huntcore_model::{Epoch, Sequence, ShardId, Tail};

use crate::error::{Failure, OpenError};
use crate::files::segment_path;
use crate::outline::Outline;
use crate::published::Segment;
use crate::scan::{Damage, scan};
use crate::segment::DATA_OFFSET;
use crate::state::State;
use crate::window::Window;

const WRITE_BYTES: usize = 1 << 20;

/// What a stream's directory holds.
pub(crate) struct Examined {
    pub(crate) state: State,
    pub(crate) tail: Tail,
    /// The last batch's.
    pub(crate) epoch: Epoch,
    pub(crate) segments: Vec<Segment>,
    /// Bytes behind the end that are no batch; what a crash leaves.
    pub(crate) torn: Option<Damage>,
    /// Every sequence below it was known to be durable when something was written.
    durable: Sequence,
    /// What a crash left of trims and new segments.
    leftovers: Vec<PathBuf>,
}

/// Verifies what a crash can have touched. Changes nothing.
pub(crate) fn examine(
    disk: &dyn Disk,
    directory: &Path,
    shard: ShardId,
) -> Result<Examined, OpenError> {
    let mut outline = Outline::read(disk, directory, shard)?;
    let mut examined = Examined {
        state: outline.state,
        tail: Tail::default(),
        epoch: Epoch::default(),
        segments: Vec::with_capacity(outline.links.len()),
        torn: None,
        durable: Sequence::ZERO,
        leftovers: std::mem::take(&mut outline.leftovers),
    };
    for link in &outline.links {
        if link.finish.is_some() && !link.is_uncut() {
            examined.segments.push(Segment::finished(link));
            continue;
        }
        let scanned = scan(disk, &outline, link, &|_| ())?;
        examined.segments.push(scanned.segment);
        examined.tail = scanned.tail;
        examined.epoch = scanned.epoch;
        examined.durable = scanned.durable;
        examined.torn = scanned.torn;
    }
    Ok(examined)
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
