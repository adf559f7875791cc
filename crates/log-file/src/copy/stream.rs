//! Copying one stream beside its writer: every finished segment, and of the last one what is
//! complete.

use std::path::Path;

use huntcore_disk::{Access, Disk};
use huntcore_model::ShardId;

use super::CopyError;
use super::tree::copy_bytes;
use crate::error::Failure;
use crate::files::{segment_path, stream_directory};
use crate::outline::{Link, Outline};
use crate::scan::scan;
use crate::state::State;
use crate::verify::Meter;

pub(super) fn bytes_total(
    disk: &dyn Disk,
    source: &Path,
    shard: ShardId,
) -> Result<u64, CopyError> {
    let directory = stream_directory(source, shard);
    let outline = Outline::read(disk, &directory, shard).map_err(CopyError::Source)?;
    let ends = outline
        .links
        .iter()
        .filter_map(|link| link.finish.map(|finish| finish.end));
    // What the last segment holds turns out when it is read.
    Ok(ends.sum())
}

pub(super) fn copy(
    disk: &dyn Disk,
    source: &Path,
    target: &Path,
    shard: ShardId,
    meter: &Meter<'_>,
) -> Result<(), CopyError> {
    let from = stream_directory(source, shard);
    let to = stream_directory(target, shard);
    let outline = Outline::read(disk, &from, shard).map_err(CopyError::Source)?;
    disk.create_directory(&to)
        .map_err(CopyError::io("create", &to))?;
    for link in &outline.links {
        // Whatever is written meanwhile, this much is whole, and all that was acknowledged
        // before is in it.
        let end = match link.finish {
            Some(finish) => finish.end,
            None => {
                let scanned = scan(disk, &outline, link, &|_| ()).map_err(CopyError::Source)?;
                scanned.segment.end
            }
        };
        copy_segment(disk, link, &to, end, meter)?;
    }
    // A term is stored before anything is written under it, so this one is late enough.
    let state = State::read(disk, &from, shard).map_err(CopyError::Source)?;
    let state = State {
        oldest: outline.state.oldest,
        newest: outline.state.newest,
        ..state
    };
    state.write(disk, &to, shard).map_err(|failure| {
        let (Failure::Full(reason) | Failure::Doubt { reason, .. }) = failure;
        CopyError::io("write the state of", &to)(std::io::Error::other(reason))
    })
}

fn copy_segment(
    disk: &dyn Disk,
    link: &Link,
    to: &Path,
    end: u64,
    meter: &Meter<'_>,
) -> Result<(), CopyError> {
    let path = segment_path(to, link.first());
    let source = disk
        .open(&link.path, Access::Read)
        .map_err(CopyError::io("open", &link.path))?;
    let target = disk
        .open(&path, Access::Create)
        .map_err(CopyError::io("create", &path))?;
    // The last segment is to be written to, so it has the length that it was made with.
    let length = if link.finish.is_some() {
        end
    } else {
        link.header.length
    };
    target
        .allocate(length)
        .map_err(CopyError::io("allocate", &path))?;
    copy_bytes(&*source, &*target, end, meter, (&link.path, &path))?;
    target.sync_all().map_err(CopyError::io("sync", &path))
}
