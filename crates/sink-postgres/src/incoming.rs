//! Committed batches of all streams, merged by their times, in portions for one transaction each.

use std::collections::VecDeque;
use std::sync::Arc;

use huntcore_model::{Batch, Sequence, ShardId, TimeMicros};
use huntcore_projection::Batches;

use crate::error::SinkError;
use crate::stand::{Stand, Standing};

/// A transaction's batches take no more bytes than this, but for one that alone does.
const BYTES_MAX: usize = 8 << 20;

/// What is read ahead of the tables.
pub(crate) struct Incoming {
    batches: Arc<dyn Batches>,
    streams: Vec<Stream>,
}

struct Stream {
    shard: ShardId,
    /// Up to where it was taken.
    taken: Standing,
    /// What was read beyond that.
    waiting: VecDeque<Batch>,
}

impl Stream {
    fn read_until(&self) -> Sequence {
        let last = self.waiting.back();
        last.map_or(self.taken.tail.sequence, |last| {
            last.header().next_sequence()
        })
    }
}

impl Incoming {
    /// What follows where the tables stand.
    pub(crate) fn after(stand: &Stand, batches: Arc<dyn Batches>) -> Self {
        let stream = |&standing: &Standing| Stream {
            shard: standing.shard,
            taken: standing,
            waiting: VecDeque::new(),
        };
        // The control stream first: of batches of one time, what names hunts comes before what
        // happens in them.
        let mut streams: Vec<Stream> = stand.streams.iter().map(stream).collect();
        streams.sort_by_key(|stream| !stream.shard.is_control());
        Self { batches, streams }
    }

    /// The next batches, in the order of their times, up to about so many records; none if
    /// nothing has come.
    pub(crate) fn take(&mut self, records_max: u64) -> Result<Vec<Batch>, SinkError> {
        let mut taken = Vec::new();
        let (mut records, mut bytes) = (0, 0);
        while records < records_max && bytes < BYTES_MAX {
            self.refill()?;
            let time = |stream: &Stream| stream.waiting.front().map(|next| next.header().time);
            let streams = self.streams.iter_mut();
            let next = streams.filter_map(|stream| Some((time(stream)?, stream)));
            let Some((_, stream)) = next.min_by_key(|(time, _)| *time) else {
                break;
            };
            let batch = stream.waiting.pop_front().expect("it has a next one");
            if !batch.follows(&stream.taken.tail) {
                return Err(SinkError::OtherLog {
                    shard: stream.shard,
                    stands: stream.taken.tail.sequence,
                    chain: stream.taken.tail.chain,
                    reason: "which this log's next batch does not follow".to_owned(),
                });
            }
            stream.taken.tail = batch.tail();
            records += u64::from(batch.header().count);
            bytes += batch.bytes().len();
            taken.push(batch);
        }
        Ok(taken)
    }

    /// Records that were committed and not taken.
    pub(crate) fn pending(&self) -> u64 {
        let pending = self.streams.iter().map(|stream| {
            let end = self.batches.next(stream.shard);
            end.get().saturating_sub(stream.taken.tail.sequence.get())
        });
        pending.sum()
    }

    /// Reads on wherever nothing waits: then the oldest of all is among what does.
    fn refill(&mut self) -> Result<(), SinkError> {
        for stream in &mut self.streams {
            if !stream.waiting.is_empty() {
                continue;
            }
            let from = stream.read_until();
            if self.batches.next(stream.shard) > from {
                stream
                    .waiting
                    .extend(self.batches.read(stream.shard, from)?);
            }
        }
        Ok(())
    }
}

/// The first whole second at or after a time.
pub(crate) const fn whole_second_from(time: TimeMicros) -> TimeMicros {
    TimeMicros::new(time.get().div_ceil(1_000_000) * 1_000_000)
}
