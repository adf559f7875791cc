//! Batches on their way from the upstream to the projections: in order, checked, bounded.
//!
//! There is no log behind it. Whoever brings batches waits while there is no room ([`Inflow::room`]),
//! so that the upstream's own log is what holds the rest.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use huntcore_log::{ReadError, stream_name};
use huntcore_model::{Batch, Position, Sequence, ShardId, Tail, TimeMicros};
use huntcore_projection::Batches;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Bytes that may wait for the projections; one chunk and one batch more may come on top.
const WAITING_BYTES_MAX: usize = 32 << 20;
/// Batches handed over in one go take about as many bytes.
const BYTES_AT_ONCE: usize = 1 << 20;

/// See the module.
pub(crate) struct Inflow {
    streams: Vec<(ShardId, Mutex<Stream>)>,
    waiting_bytes: AtomicUsize,
    freed: Notify,
    bell: Sender<()>,
}

struct Stream {
    waiting: VecDeque<Batch>,
    /// The end of what has come, with the chain that goes on from there.
    tail: Tail,
}

/// What came does not go on from what came before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} goes on at {expected} here and the upstream sent {found} with another history: it is \
     another log, or has lost its end",
    stream_name(*.shard)
)]
pub(crate) struct Fork {
    shard: ShardId,
    expected: Sequence,
    found: Sequence,
}

impl Inflow {
    /// Streams that stand at these tails; the receiver hears the bell.
    pub(crate) fn new(tails: &[(ShardId, Tail)]) -> (Self, Receiver<()>) {
        let (bell, rung) = crossbeam_channel::bounded(1);
        let stream = |&(shard, tail): &(ShardId, Tail)| {
            let waiting = VecDeque::new();
            (shard, Mutex::new(Stream { waiting, tail }))
        };
        let inflow = Self {
            streams: tails.iter().map(stream).collect(),
            waiting_bytes: AtomicUsize::new(0),
            freed: Notify::new(),
            bell,
        };
        (inflow, rung)
    }

    /// Takes a batch that goes on from the one before.
    pub(crate) fn push(&self, batch: Batch) -> Result<(), Fork> {
        let header = *batch.header();
        let fork = |expected| Fork {
            shard: header.shard,
            expected,
            found: header.first_sequence,
        };
        let Some(stream) = self.find(header.shard) else {
            return Err(fork(Sequence::ZERO));
        };
        let mut stream = stream.lock();
        if !batch.follows(&stream.tail) {
            return Err(fork(stream.tail.sequence));
        }
        stream.tail = batch.tail();
        let bytes = batch.bytes().len();
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        stream.waiting.push_back(batch);
        drop(stream);
        self.ring();
        Ok(())
    }

    /// Up to where all streams have come.
    pub(crate) fn ends(&self) -> Position {
        let mut ends = Position::start();
        for (shard, stream) in &self.streams {
            ends.advance(*shard, stream.lock().tail.sequence);
        }
        ends
    }

    /// Waits for room, for no longer than `patience`; `false` if there is none then.
    pub(crate) async fn room(&self, patience: Duration) -> bool {
        let has_room = || self.waiting_bytes.load(Ordering::Relaxed) < WAITING_BYTES_MAX;
        let waiting = async {
            loop {
                let freed = self.freed.notified();
                if has_room() {
                    return;
                }
                freed.await;
            }
        };
        has_room() || tokio::time::timeout(patience, waiting).await.is_ok()
    }

    /// Lets go of what waits, to be asked for again: in the order of its times, in which the
    /// projections can take it.
    pub(crate) fn forget_waiting(&self) {
        for (_, stream) in &self.streams {
            let mut stream = stream.lock();
            let Some(first) = stream.waiting.front() else {
                continue;
            };
            stream.tail = Tail {
                sequence: first.header().first_sequence,
                chain: first.header().previous_chain,
                // Not known any more; the chain says the same and more.
                time: TimeMicros::ZERO,
            };
            let bytes = bytes_of(stream.waiting.iter());
            stream.waiting.clear();
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Bytes that wait for the projections.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes.load(Ordering::Relaxed)
    }

    fn find(&self, shard: ShardId) -> Option<&Mutex<Stream>> {
        let mut streams = self.streams.iter();
        let found = streams.find(|(stream, _)| *stream == shard);
        found.map(|(_, stream)| stream)
    }

    fn stream(&self, shard: ShardId) -> &Mutex<Stream> {
        let found = self.find(shard);
        found.expect("the projections read the streams that this was made for")
    }
}

impl Batches for Inflow {
    fn read(&self, shard: ShardId, from: Sequence) -> Result<Vec<Batch>, ReadError> {
        let mut stream = self.stream(shard).lock();
        let is_folded = |batch: &Batch| batch.header().next_sequence() <= from;
        let folded = stream.waiting.partition_point(is_folded);
        let freed = bytes_of(stream.waiting.range(..folded));
        stream.waiting.drain(..folded);
        let mut bytes = 0;
        let some = stream.waiting.iter().take_while(|batch| {
            let has_room = bytes < BYTES_AT_ONCE;
            bytes += batch.bytes().len();
            has_room
        });
        let some = some.cloned().collect();
        drop(stream);
        if freed > 0 {
            self.waiting_bytes.fetch_sub(freed, Ordering::Relaxed);
            self.freed.notify_one();
        }
        Ok(some)
    }

    fn next(&self, shard: ShardId) -> Sequence {
        self.stream(shard).lock().tail.sequence
    }

    fn ring(&self) {
        // Full means that it is already called; disconnected, that it has gone.
        let _ = self.bell.try_send(());
    }
}

fn bytes_of<'b>(batches: impl Iterator<Item = &'b Batch>) -> usize {
    batches.map(|batch| batch.bytes().len()).sum()
}

#[cfg(test)]
mod tests {
    use huntcore_model::{BatchBuilder, Epoch, Record};

    use super::*;

    const SHARD: ShardId = ShardId::new(0);

    fn batches(count: u32) -> Vec<Batch> {
        let mut tail = Tail::default();
        let mut builder = BatchBuilder::new();
        let mut batch = || {
            builder.push(&Record::Time);
            let time = tail.time.plus_millis(100);
            let batch = builder.finish(SHARD, Epoch::new(1), &tail, time, Sequence::ZERO);
            tail = batch.tail();
            batch
        };
        (0..count).map(|_| batch()).collect()
    }

    fn inflow() -> (Inflow, Receiver<()>) {
        Inflow::new(&[(SHARD, Tail::default())])
    }

    #[test]
    fn what_was_folded_gives_its_room_back() {
        let (inflow, bell) = inflow();
        let batches = batches(3);
        for batch in &batches {
            inflow.push(batch.clone()).expect("in order");
        }
        assert!(bell.try_recv().is_ok());
        let all = bytes_of(batches.iter());
        assert_eq!(inflow.waiting_bytes(), all);
        let read = |from: u64| inflow.read(SHARD, Sequence::new(from)).expect("in memory");
        assert_eq!(read(0), batches);
        assert_eq!(read(2), batches[2..]);
        assert_eq!(inflow.waiting_bytes(), batches[2].bytes().len());
        assert!(read(3).is_empty());
        assert_eq!(inflow.waiting_bytes(), 0);
        assert_eq!(inflow.next(SHARD), Sequence::new(3));
    }

    #[test]
    fn a_gap_a_repetition_and_another_history_are_forks() {
        let (inflow, _bell) = inflow();
        let batches = batches(3);
        inflow.push(batches[0].clone()).expect("the first");
        for wrong in [&batches[2], &batches[0]] {
            assert!(inflow.push(wrong.clone()).is_err());
        }
        let mut builder = BatchBuilder::new();
        builder.push(&Record::Time);
        let other = Tail {
            chain: huntcore_model::Hash32::new([7; 32]),
            ..batches[0].tail()
        };
        let time = other.time.plus_millis(1);
        let other = builder.finish(SHARD, Epoch::new(1), &other, time, Sequence::ZERO);
        assert!(inflow.push(other).is_err());
        inflow.push(batches[1].clone()).expect("the second");
    }

    #[test]
    fn what_was_let_go_of_can_be_taken_again() {
        let (inflow, _bell) = inflow();
        let batches = batches(4);
        for batch in &batches {
            inflow.push(batch.clone()).expect("in order");
        }
        drop(inflow.read(SHARD, Sequence::new(1)));
        inflow.forget_waiting();
        assert_eq!(inflow.waiting_bytes(), 0);
        assert_eq!(inflow.ends().next(SHARD), Sequence::new(1));
        inflow.push(batches[1].clone()).expect("the same again");
    }

    #[tokio::test]
    async fn whoever_brings_batches_waits_for_room() {
        let (inflow, _bell) = inflow();
        inflow
            .waiting_bytes
            .fetch_add(WAITING_BYTES_MAX, Ordering::Relaxed);
        assert!(!inflow.room(Duration::ZERO).await);
        let batch = batches(1).remove(0);
        inflow.push(batch.clone()).expect("the first");
        let waiting = inflow.room(Duration::from_secs(3_600));
        let folding = async {
            tokio::task::yield_now().await;
            inflow
                .waiting_bytes
                .fetch_sub(WAITING_BYTES_MAX, Ordering::Relaxed);
            inflow.read(SHARD, Sequence::new(1)).expect("in memory")
        };
        assert!(tokio::join!(waiting, folding).0);
    }
}
