//! Batches of several streams in the order of their times.

use std::iter::Peekable;

use huntcore_log::{BatchReader, ReadError};
use huntcore_model::{Batch, TimeMicros};

/// The batches of all streams, merged by their times, so that no projection sees one
/// stream's month ahead of another's first day.
pub struct ByTime {
    streams: Vec<Stream>,
    /// Which stream gave the last batch.
    last: usize,
}

struct Stream {
    batches: Peekable<BatchReader>,
    /// Given, and taken back.
    held: Option<Batch>,
    is_waiting: bool,
}

impl ByTime {
    /// The batches of these streams.
    #[must_use]
    pub fn new(streams: Vec<Peekable<BatchReader>>) -> Self {
        let streams = streams.into_iter().map(|batches| Stream {
            batches,
            held: None,
            is_waiting: false,
        });
        Self {
            streams: streams.collect(),
            last: 0,
        }
    }

    /// Takes back the batch that was given last, which has to wait for other streams: nothing
    /// more of its stream is given until [`Self::release`].
    pub fn hold(&mut self, batch: Batch) {
        if let Some(stream) = self.streams.get_mut(self.last) {
            stream.held = Some(batch);
            stream.is_waiting = true;
        }
    }

    /// Gives again what was taken back.
    pub fn release(&mut self) {
        for stream in &mut self.streams {
            stream.is_waiting = false;
        }
    }
}

impl Stream {
    fn time(&mut self) -> Option<TimeMicros> {
        if let Some(held) = &self.held {
            return Some(held.header().time);
        }
        Some(match self.batches.peek()? {
            Ok(batch) => batch.header().time,
            // An error is to be heard of before anything else.
            Err(_) => TimeMicros::ZERO,
        })
    }

    fn next(&mut self) -> Option<Result<Batch, ReadError>> {
        match self.held.take() {
            Some(held) => Some(Ok(held)),
            None => self.batches.next(),
        }
    }
}

impl std::fmt::Debug for ByTime {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ByTime")
            .field("streams", &self.streams.len())
            .finish_non_exhaustive()
    }
}

impl Iterator for ByTime {
    type Item = Result<Batch, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let streams = self.streams.iter_mut().enumerate();
        let ready = streams.filter(|(_, stream)| !stream.is_waiting);
        let next = ready.filter_map(|(place, stream)| Some((stream.time()?, place)));
        let (_, place) = next.min()?;
        self.last = place;
        self.streams[place].next()
    }
}

/// Some batches of one stream, and whether more of it can be had.
#[derive(Clone, Debug, Default)]
pub struct Stretch {
    /// In order.
    pub batches: Vec<Batch>,
    /// Whether the stream goes on behind them already.
    pub goes_on: bool,
}

/// Merges the beginnings of streams by their times, up to where one that goes on was cut:
/// what comes later may belong behind what was cut off.
///
/// Gives at least one batch if there is any.
#[must_use]
pub fn by_time(stretches: Vec<Stretch>) -> Vec<Batch> {
    let cut = stretches.iter().filter(|stretch| stretch.goes_on);
    let last_times = cut.filter_map(|stretch| Some(stretch.batches.last()?.header().time));
    let horizon = last_times.min().unwrap_or(TimeMicros::MAX);
    let batches = stretches.into_iter().flat_map(|stretch| stretch.batches);
    let mut merged: Vec<Batch> = batches
        .filter(|batch| batch.header().time <= horizon)
        .collect();
    // Stable: a stream's batches of one time stay in their order.
    merged.sort_by_key(|batch| batch.header().time);
    merged
}

#[cfg(test)]
mod tests {
    use huntcore_model::{BatchBuilder, Epoch, Record, Sequence, ShardId, Tail};

    use super::*;

    fn stream(shard: u16, times: &[u64]) -> Peekable<BatchReader> {
        let mut tail = Tail::default();
        let batches = times.iter().map(|&time| {
            let mut builder = BatchBuilder::new();
            builder.push(&Record::Time);
            let (shard, time) = (ShardId::new(shard), TimeMicros::new(time));
            let batch = builder.finish(shard, Epoch::new(1), &tail, time, Sequence::ZERO);
            tail = batch.tail();
            Ok(batch)
        });
        let batches: Vec<_> = batches.collect();
        let reader: BatchReader = Box::new(batches.into_iter());
        reader.peekable()
    }

    fn place(batch: &Batch) -> (u16, u64) {
        (batch.header().shard.get(), batch.header().time.get())
    }

    #[test]
    fn what_has_to_wait_comes_again_once_others_have_come_on() {
        let mut batches = ByTime::new(vec![stream(0, &[1, 4, 6]), stream(1, &[2, 5])]);
        let next = |batches: &mut ByTime| batches.next().map(|batch| batch.expect("sound"));
        let first = next(&mut batches).expect("there is one");
        assert_eq!(place(&first), (0, 1));
        batches.hold(first);
        for expected in [(1, 2), (1, 5)] {
            assert_eq!(next(&mut batches).as_ref().map(place), Some(expected));
        }
        assert!(next(&mut batches).is_none(), "the other stream waits");
        batches.release();
        for expected in [(0, 1), (0, 4), (0, 6)] {
            assert_eq!(next(&mut batches).as_ref().map(place), Some(expected));
        }
        assert!(next(&mut batches).is_none());
    }
}
