//! Going on in a new segment when the last one is full.

use super::{Active, StreamWriter};
use crate::error::Failure;
use crate::files::segment_path;
use crate::published::Segment;
use crate::segment::{DATA_OFFSET, Previous, SegmentHeader, segment_length};
use crate::state::State;

impl StreamWriter {
    fn next_length(&self) -> u64 {
        let previous = self.active.as_ref().map(|active| active.length);
        segment_length(previous, self.segment_bytes)
    }

    /// Lets the next segment be made while this one fills up.
    pub(super) fn prepare_next(&self) {
        if let (Some(spares), Some(active)) = (&self.spares, &self.active) {
            spares.tell(
                self.stream.shard,
                &self.stream.directory,
                (active.offset, active.length),
                self.next_length(),
            );
        }
    }

    /// Says how many bytes the active segment takes; begins a new one if it must.
    pub(super) fn make_room(&mut self, batch_bytes: u64) -> Result<u64, Failure> {
        if let Some(active) = &self.active {
            let room = active.length - active.offset;
            if room >= batch_bytes {
                return Ok(room);
            }
        }
        let stream = self.stream.clone();
        let disk = &*stream.disk;
        let length_min = DATA_OFFSET + batch_bytes;
        let spares = self.spares.as_ref();
        let spare = spares.and_then(|spares| spares.take(stream.shard, length_min));
        let length = spare.as_ref().map_or_else(
            || self.next_length().max(length_min),
            |(_, _, length)| *length,
        );
        let previous = self.active.as_ref().map(|active| Previous {
            first: active.first,
            end: active.offset,
            epoch: self.tail_epoch,
        });
        let header = SegmentHeader {
            shard: stream.shard,
            before: self.tail,
            length,
            previous: previous.unwrap_or_default(),
        };
        let file = match spare {
            Some((path, file, _)) => {
                header.adopt(disk, &stream.directory, &path, &*file)?;
                file
            }
            None => header.create(disk, &stream.directory, self.spares.is_some())?,
        };
        let first = self.tail.sequence;
        let state = State {
            newest: Some(first),
            ..self.state
        };
        if let Err(failure) = state.write(disk, &stream.directory, stream.shard) {
            if let Failure::Full(_) = failure {
                drop(file);
                // If it stays, the next attempt empties it and the next start removes it.
                drop(disk.remove(&segment_path(&stream.directory, first)));
            }
            return Err(failure);
        }
        self.state = state;
        let sealed = self.active.replace(Active {
            file,
            first,
            offset: DATA_OFFSET,
            length,
        });
        // Space given back, no more: if it fails, the next start does it.
        let cut = sealed.map(|sealed| {
            let cut = sealed.file.set_length(sealed.offset);
            if let Err(error) = &cut {
                tracing::warn!(
                    file = %segment_path(&stream.directory, sealed.first).display(),
                    %error,
                    "failed to give back the rest of a finished segment"
                );
            }
            cut.is_ok()
        });
        let mut published = stream.published();
        if let (Some(true), Some(segment)) = (cut, published.segments.back_mut()) {
            segment.file_bytes = segment.end;
        }
        published.push_segment(Segment::begun(&header, length));
        Ok(length - DATA_OFFSET)
    }
}
