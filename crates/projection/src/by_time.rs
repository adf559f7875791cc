//! Batches of several streams in the order of their times.

use std::iter::Peekable;

use huntcore_log::{BatchReader, ReadError};
use huntcore_model::{Batch, TimeMicros};

/// The batches of all streams, merged by their times, so that no projection sees one
/// stream's month ahead of another's first day.
pub struct ByTime {
    streams: Vec<Peekable<BatchReader>>,
}

impl ByTime {
    /// The batches of these streams.
    #[must_use]
    pub const fn new(streams: Vec<Peekable<BatchReader>>) -> Self {
        Self { streams }
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
        let time_of = |next: &Result<Batch, ReadError>| match next {
            Ok(batch) => batch.header().time,
            // An error is to be heard of before anything else.
            Err(_) => TimeMicros::ZERO,
        };
        let streams = self.streams.iter_mut();
        let next = streams.filter_map(|stream| Some((time_of(stream.peek()?), stream)));
        let (_, stream) = next.min_by_key(|(time, _)| *time)?;
        stream.next()
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
