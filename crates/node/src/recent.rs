//! The newest committed batches of each stream, kept in memory for projections and for edge
//! processes that follow.
//!
//! Committing never waits for either: whoever falls behind what is kept here reads the log
//! instead. Only durable batches come in (I2).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use huntcore_log::{Log, ReadError, stream_name};
use huntcore_model::{Batch, Position, Sequence, ShardId, TimeMicros};
use huntcore_projection::{Batches, Stretch};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Bytes kept for each stream.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// Batches handed over in one go take about as many bytes; one is handed over whatever it
/// takes.
const BYTES_AT_ONCE: usize = 1 << 20;

/// The newest batches of every stream, and a bell that rings when one comes.
pub(crate) struct RecentBatches {
    streams: Vec<(ShardId, Mutex<Recent>)>,
    bell: Sender<()>,
    grown: watch::Sender<()>,
    log: Arc<dyn Log>,
    bytes_total: AtomicU64,
}

#[derive(Default)]
struct Recent {
    batches: VecDeque<Batch>,
    bytes: usize,
    next: Sequence,
}

impl RecentBatches {
    /// For these streams, whose durable ends are `next`; the receiver hears the bell.
    pub(crate) fn new(
        streams: impl Iterator<Item = (ShardId, Sequence)>,
        log: Arc<dyn Log>,
    ) -> (Self, Receiver<()>) {
        let (bell, rung) = crossbeam_channel::bounded(1);
        let streams = streams
            .map(|(shard, next)| {
                (
                    shard,
                    Mutex::new(Recent {
                        next,
                        ..Recent::default()
                    }),
                )
            })
            .collect();
        let recent = Self {
            streams,
            bell,
            grown: watch::Sender::new(()),
            log,
            bytes_total: AtomicU64::new(0),
        };
        (recent, rung)
    }

    /// Takes a batch that has become durable, right after the one before.
    pub(crate) fn push(&self, batch: Batch) {
        let mut recent = self.stream(batch.header().shard).lock();
        debug_assert_eq!(
            recent.next,
            batch.header().first_sequence,
            "batches come in order"
        );
        recent.next = batch.header().next_sequence();
        recent.bytes += batch.bytes().len();
        let bytes = batch.bytes().len() as u64;
        self.bytes_total.fetch_add(bytes, Ordering::Relaxed);
        recent.batches.push_back(batch);
        while recent.bytes > KEPT_BYTES_MAX
            && let Some(oldest) = recent.batches.pop_front()
        {
            recent.bytes -= oldest.bytes().len();
        }
        drop(recent);
        self.ring();
        self.grown.send_replace(());
    }

    /// Wakes the projections.
    pub(crate) fn ring(&self) {
        match self.bell.try_send(()) {
            // Full means that it is already called; disconnected, that it has gone.
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }

    /// Changes whenever there is more.
    pub(crate) fn grown(&self) -> watch::Receiver<()> {
        self.grown.subscribe()
    }

    /// By how many bytes the log has grown since the start.
    pub(crate) fn bytes_total(&self) -> u64 {
        self.bytes_total.load(Ordering::Relaxed)
    }

    /// The durable end of a stream.
    pub(crate) fn next(&self, shard: ShardId) -> Sequence {
        self.stream(shard).lock().next
    }

    /// The durable ends of all streams.
    pub(crate) fn ends(&self) -> Position {
        let mut ends = Position::start();
        for (shard, recent) in &self.streams {
            ends.advance(*shard, recent.lock().next);
        }
        ends
    }

    /// How many records follow `from`, and when the first of them was written, or the first
    /// that is still in memory.
    pub(crate) fn behind(&self, from: &Position) -> (u64, Option<TimeMicros>) {
        let mut records = 0;
        let mut since: Option<TimeMicros> = None;
        for (shard, recent) in &self.streams {
            let recent = recent.lock();
            let from = from.next(*shard);
            let missing = recent.next.get().saturating_sub(from.get());
            if missing == 0 {
                continue;
            }
            records += missing;
            let is_before = |batch: &Batch| batch.header().next_sequence() <= from;
            let first = recent.batches.partition_point(is_before);
            let time = recent.batches.get(first).map(|batch| batch.header().time);
            since = since.into_iter().chain(time).min();
        }
        (records, since)
    }

    /// Which stream ends before `from`, in words: it can be no position of this log.
    pub(crate) fn beyond_ends(&self, from: &Position) -> Option<String> {
        let ends = self.ends();
        from.streams().find_map(|(shard, next)| {
            let end = ends.next(shard);
            let is_ours = self.streams.iter().any(|(stream, _)| *stream == shard);
            (!is_ours || next > end)
                .then(|| format!("{} ends at {end}, before {next}", stream_name(shard)))
        })
    }

    /// What follows `from` on each stream, if all of it is still in memory.
    pub(crate) fn kept_after(&self, from: &Position) -> Option<Vec<Stretch>> {
        let streams = self.streams.iter();
        streams
            .map(|(shard, recent)| recent.lock().after(from.next(*shard)))
            .collect()
    }

    /// What follows `from` on each stream, from the log where it is no longer in memory.
    pub(crate) fn after(&self, from: &Position) -> Result<Vec<Stretch>, ReadError> {
        let stretch = |(shard, recent): &(ShardId, Mutex<Recent>)| {
            let from = from.next(*shard);
            let batches = self.read(*shard, from)?;
            let next = batches
                .last()
                .map_or(from, |last| last.header().next_sequence());
            let goes_on = recent.lock().next > next;
            Ok(Stretch { batches, goes_on })
        };
        self.streams.iter().map(stretch).collect()
    }

    fn stream(&self, shard: ShardId) -> &Mutex<Recent> {
        let found = self.streams.iter().find(|(stream, _)| *stream == shard);
        &found.expect("every stream is set up at the start").1
    }
}

impl Batches for RecentBatches {
    fn read(&self, shard: ShardId, from: Sequence) -> Result<Vec<Batch>, ReadError> {
        if let Some(kept) = self.stream(shard).lock().after(from) {
            return Ok(kept.batches);
        }
        some(self.log.read(shard, from)?)
    }

    fn next(&self, shard: ShardId) -> Sequence {
        Self::next(self, shard)
    }

    fn ring(&self) {
        Self::ring(self);
    }
}

impl Recent {
    /// Some batches from `from` on; `None` if they are no longer here, or never came.
    fn after(&self, from: Sequence) -> Option<Stretch> {
        if self.next == from {
            return Some(Stretch::default());
        }
        let oldest = self.batches.front()?.header().first_sequence;
        if !(oldest..self.next).contains(&from) {
            return None;
        }
        let is_before = |batch: &Batch| batch.header().next_sequence() <= from;
        let start = self.batches.partition_point(is_before);
        let batches = some(self.batches.range(start..).cloned().map(Ok)).ok()?;
        let goes_on = start + batches.len() < self.batches.len();
        Some(Stretch { batches, goes_on })
    }
}

fn some(batches: impl Iterator<Item = Result<Batch, ReadError>>) -> Result<Vec<Batch>, ReadError> {
    let mut bytes = 0;
    let mut some = Vec::new();
    for batch in batches {
        let batch = batch?;
        bytes += batch.bytes().len();
        some.push(batch);
        if bytes >= BYTES_AT_ONCE {
            break;
        }
    }
    Ok(some)
}

#[cfg(test)]
mod tests {
    use huntcore_log::{MemoryLog, MemoryOptions};
    use huntcore_model::{BatchBuilder, Epoch, Nonce, Record, Tail};

    use super::*;

    #[test]
    fn what_is_no_longer_kept_comes_from_the_log() {
        let shard = ShardId::new(0);
        let log = Arc::new(MemoryLog::new(MemoryOptions::default()));
        let acquired = log
            .acquire(shard, Epoch::new(1), Nonce([1; 16]), Box::new(|_| {}))
            .expect("a fresh log");
        let mut writer = acquired.writer;
        let mut tail = Tail::default();
        let mut builder = BatchBuilder::new();
        let mut batches = Vec::new();
        for time in 1..=3 {
            builder.push(&Record::Time);
            let batch = builder.finish(
                shard,
                Epoch::new(1),
                &tail,
                TimeMicros::new(time),
                Sequence::ZERO,
            );
            writer.submit(tail, &batch).expect("room");
            tail = batch.tail();
            batches.push(batch);
        }
        let (recent, bell) = RecentBatches::new([(shard, Sequence::new(2))].into_iter(), log);
        recent.push(batches[2].clone());
        assert!(bell.try_recv().is_ok());
        assert_eq!(
            recent.read(shard, Sequence::ZERO).expect("in the log"),
            batches
        );
        assert_eq!(
            recent.read(shard, Sequence::new(2)).expect("in memory"),
            batches[2..]
        );
        for (from, behind) in [
            (3, (0, None)),
            (2, (1, Some(TimeMicros::new(3)))),
            // Written earlier, but that is no longer here.
            (1, (2, Some(TimeMicros::new(3)))),
        ] {
            let mut position = Position::start();
            position.advance(shard, Sequence::new(from));
            assert_eq!(recent.behind(&position), behind);
            assert_eq!(recent.beyond_ends(&position), None);
        }
        let beyond = Position::after(shard, Sequence::new(3));
        assert!(recent.beyond_ends(&beyond).is_some());
        assert!(
            recent
                .read(shard, Sequence::new(3))
                .expect("the end")
                .is_empty()
        );
    }
}
