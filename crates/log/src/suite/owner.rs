//! An owner of a stream, as a test needs one.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use huntcore_model::{
    Batch, BatchBuilder, ClaimRecord, Epoch, HuntNumber, Nonce, PAYLOAD_BYTES_MAX, PlayerNumber,
    Record, RoundNumber, Salt, Sequence, ShardId, Tail, TileIndex, TimeMicros,
};

use crate::{AcquireError, CommitResult, Completion, Log, LogWriter, Refusal, Ticket};

/// Long enough to be sure that a completion is lost, not late.
const LOST_AFTER: Duration = Duration::from_secs(60);

/// Owns a stream for a term and builds batches one upon the other.
pub struct Owner {
    /// The stream.
    pub shard: ShardId,
    /// The term.
    pub epoch: Epoch,
    /// What the next batch will follow.
    pub tail: Tail,
    /// What the owner knows to be durable.
    pub durable: Sequence,
    writer: Box<dyn LogWriter>,
    completions: Receiver<Completion>,
}

impl Owner {
    /// Acquires `shard` for the term after its last one.
    #[must_use]
    pub fn next(log: &dyn Log, shard: ShardId) -> Self {
        let last = log.tail(shard).expect("the tail can be read").epoch;
        Self::acquire(log, shard, last.next(), 1).expect("a later term is granted")
    }

    /// Acquires `shard` for a term.
    pub fn acquire(
        log: &dyn Log,
        shard: ShardId,
        epoch: Epoch,
        nonce: u8,
    ) -> Result<Self, AcquireError> {
        let (sender, completions) = channel();
        let acquired = log.acquire(
            shard,
            epoch,
            Nonce([nonce; 16]),
            // A test that has seen enough drops its receiver.
            Box::new(move |completion| drop(sender.send(completion))),
        )?;
        Ok(Self {
            shard,
            epoch,
            tail: acquired.tail,
            durable: acquired.tail.sequence,
            writer: acquired.writer,
            completions,
        })
    }

    /// A batch of `count` records that follows the owner's tail; `filler` bytes longer, and
    /// different for each `filler`.
    #[must_use]
    pub fn batch(&self, count: u32, filler: usize) -> Batch {
        let mut builder = BatchBuilder::new();
        let first = self.tail.sequence.get();
        for index in 0..count {
            if index == 0 {
                builder.push_player(PlayerNumber::new(7), "ada", Salt([5; 16]));
                continue;
            }
            builder.push(&Record::Claim(ClaimRecord {
                hunt: HuntNumber::new(1),
                round: RoundNumber::new(first + u64::from(index)),
                tile: TileIndex::new(index),
                player: PlayerNumber::new(7),
                points: 5,
            }));
        }
        let payload = "x".repeat(filler.min(PAYLOAD_BYTES_MAX));
        let mut left = filler;
        while left > 0 {
            let length = left.min(PAYLOAD_BYTES_MAX);
            builder.push(&filler_record(&payload[..length]));
            left -= length;
        }
        let time = TimeMicros::new(self.tail.time.get() + 1);
        builder.finish(self.shard, self.epoch, &self.tail, time, self.durable)
    }

    /// Submits `batch` and takes its tail for the next one.
    pub fn submit(&mut self, batch: &Batch) -> Result<Ticket, Refusal> {
        let ticket = self.writer.submit(self.tail, batch)?;
        self.tail = batch.tail();
        Ok(ticket)
    }

    /// Submits `batch` to follow `expected`, whatever the owner's tail is.
    pub fn submit_at(&mut self, expected: Tail, batch: &Batch) -> Result<Ticket, Refusal> {
        self.writer.submit(expected, batch)
    }

    /// The next completion.
    ///
    /// # Panics
    /// If none comes.
    #[must_use]
    pub fn wait(&mut self) -> Completion {
        let completion = match self.completions.recv_timeout(LOST_AFTER) {
            Ok(completion) => completion,
            Err(RecvTimeoutError::Timeout) => panic!("a completion is lost"),
            Err(RecvTimeoutError::Disconnected) => panic!("the sink is gone, no completion came"),
        };
        if let Some(tail) = completion.result.durable() {
            self.durable = self.durable.max(tail.sequence);
        }
        completion
    }

    /// The next completion, if the home lives to send one.
    #[must_use]
    pub fn wait_or_end(&mut self) -> Option<Completion> {
        match self.completions.recv_timeout(LOST_AFTER) {
            Ok(completion) => Some(completion),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("a completion is lost"),
        }
    }

    /// A completion that is already there.
    #[must_use]
    pub fn try_wait(&mut self) -> Option<Completion> {
        self.completions.try_recv().ok()
    }

    /// Submits a batch and waits until it is committed.
    ///
    /// # Panics
    /// If it is not.
    pub fn commit(&mut self, count: u32, filler: usize) -> Batch {
        let batch = self.batch(count, filler);
        let ticket = self.submit(&batch).expect("nothing else is in flight");
        let completion = self.wait();
        assert_eq!(completion.ticket, ticket);
        let tail = batch.tail();
        assert_eq!(completion.result, CommitResult::Committed { tail });
        batch
    }

    /// Drops the writer and keeps the completions.
    #[must_use]
    pub fn into_completions(self) -> Receiver<Completion> {
        self.completions
    }
}

fn filler_record(payload: &str) -> Record<'_> {
    Record::Score(huntcore_model::ScoreRecord {
        hunt: HuntNumber::new(1),
        player: PlayerNumber::new(7),
        event_id: "event",
        event_type: "filler",
        score: 1,
        sent_at: None,
        payload,
        digest: huntcore_model::EventDigest([0; 16]),
    })
}

/// All that `log` holds of `shard` from `from` on, its chain verified.
///
/// # Panics
/// If it cannot be read, or does not hang together.
pub(crate) fn read_all(log: &dyn Log, shard: ShardId, from: Sequence) -> Vec<Batch> {
    let batches: Vec<Batch> = log
        .read(shard, from)
        .expect("readable")
        .collect::<Result<_, _>>()
        .expect("all of it readable");
    for pair in batches.windows(2) {
        assert!(pair[1].follows(&pair[0].tail()), "the chain is broken");
    }
    batches
}
