//! What a stream's thread tells everybody else: how far it is durable, and where to look.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use huntcore_disk::Disk;
use huntcore_log::LatencyCounts;
use huntcore_model::{Batch, Epoch, Sequence, ShardId, Tail, TimeMicros};

use crate::outline::Link;
use crate::poison::PoisonCell;
use crate::queue::Queue;
use crate::segment::{DATA_OFFSET, SegmentHeader};

/// Marks stand at least so far apart.
const MARK_DISTANCE_BYTES: u64 = 64 << 10;
/// So many segments keep their marks, newest first; older ones are read from their start.
const MARKED_SEGMENTS_MAX: usize = 64;

/// A stream, as its thread, its writers and its readers share it.
pub(crate) struct Stream {
    pub(crate) shard: ShardId,
    pub(crate) directory: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) queue: Queue,
    pub(crate) poison: Arc<PoisonCell>,
    pub(crate) counters: Arc<Counters>,
    published: Mutex<Published>,
}

/// What is durable. The lock is never held during I/O.
pub(crate) struct Published {
    pub(crate) epoch: Epoch,
    pub(crate) tail: Tail,
    /// Oldest first.
    pub(crate) segments: VecDeque<Segment>,
}

/// One file of the stream.
pub(crate) struct Segment {
    pub(crate) first: Sequence,
    /// The time of the batch before it.
    before: TimeMicros,
    /// The first batch's time, if there is one.
    pub(crate) begins: Option<TimeMicros>,
    pub(crate) file_bytes: u64,
    /// Where the next batch would begin.
    pub(crate) end: u64,
    /// Some batches' places, in order; none in a segment that was not read on opening.
    pub(crate) marks: Vec<Mark>,
}

/// Where a batch begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) sequence: Sequence,
    pub(crate) offset: u64,
}

impl Stream {
    pub(crate) fn new(
        shard: ShardId,
        directory: PathBuf,
        disk: Arc<dyn Disk>,
        poison: Arc<PoisonCell>,
        counters: Arc<Counters>,
        published: Published,
    ) -> Self {
        Self {
            shard,
            directory,
            disk,
            queue: Queue::default(),
            poison,
            counters,
            published: Mutex::new(published),
        }
    }

    pub(crate) fn published(&self) -> MutexGuard<'_, Published> {
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Published {
    /// The oldest sequence that can be read.
    pub(crate) fn oldest(&self) -> Sequence {
        self.segments
            .front()
            .map_or(self.tail.sequence, |segment| segment.first)
    }

    /// Segment and offset to look from for a durable `sequence` that is not trimmed.
    pub(crate) fn locate(&self, sequence: Sequence) -> Option<(Sequence, Option<u64>)> {
        let index = self
            .segments
            .partition_point(|segment| segment.first <= sequence);
        let segment = self.segments.get(index.checked_sub(1)?)?;
        let mark = segment
            .marks
            .partition_point(|mark| mark.sequence <= sequence)
            .checked_sub(1)
            .map(|index| segment.marks[index].offset);
        Some((segment.first, mark))
    }

    /// The first sequence to be kept if nothing as late as `time` may go. Segments go whole.
    pub(crate) fn oldest_since(&self, time: TimeMicros) -> Sequence {
        let ends = self.segments.iter().skip(1).map(|next| next.before);
        let mut ends = ends.chain([self.tail.time]);
        ends.position(|ends| ends >= time)
            .and_then(|index| self.segments.get(index))
            .map_or(self.tail.sequence, |segment| segment.first)
    }

    /// The oldest batch's time.
    pub(crate) fn oldest_time(&self) -> Option<TimeMicros> {
        self.segments.front()?.begins
    }

    pub(crate) fn push_segment(&mut self, segment: Segment) {
        self.segments.push_back(segment);
        if let Some(index) = self.segments.len().checked_sub(MARKED_SEGMENTS_MAX + 1) {
            self.segments[index].marks = Vec::new();
        }
    }
}

impl Segment {
    /// A segment without batches.
    pub(crate) fn begun(header: &SegmentHeader, file_bytes: u64) -> Self {
        Self {
            first: header.before.sequence,
            before: header.before.time,
            begins: None,
            file_bytes,
            end: DATA_OFFSET,
            marks: Vec::new(),
        }
    }

    /// A segment of which the next one says how it ended.
    pub(crate) fn finished(link: &Link) -> Self {
        Self {
            begins: link.begins,
            end: link.finish.map_or(DATA_OFFSET, |finish| finish.end),
            ..Self::begun(&link.header, link.file_bytes)
        }
    }

    /// Takes note of a batch that begins at the segment's end.
    pub(crate) fn push(&mut self, batch: &Batch) {
        let far = self
            .marks
            .last()
            .is_none_or(|last| self.end - last.offset >= MARK_DISTANCE_BYTES);
        if far {
            self.marks.push(Mark {
                sequence: batch.header().first_sequence,
                offset: self.end,
            });
        }
        self.begins.get_or_insert(batch.header().time);
        self.end += batch.bytes().len() as u64;
    }
}

/// What was done since the log was opened, all streams together.
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    syncs: [AtomicU64; LatencyCounts::BUCKETS],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            batches: AtomicU64::new(0),
            syncs: [const { AtomicU64::new(0) }; LatencyCounts::BUCKETS],
        }
    }
}

impl Counters {
    pub(crate) fn count_sync(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.syncs[LatencyCounts::bucket(micros)].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn sync_latency(&self) -> LatencyCounts {
        let counts = self.syncs.iter().map(|count| count.load(Ordering::Relaxed));
        LatencyCounts::new(counts.collect())
    }
}
