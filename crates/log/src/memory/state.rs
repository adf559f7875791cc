//! What a memory log holds, and how it decides a submission.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use huntcore_model::{Batch, Epoch, Nonce, Sequence, ShardId, Tail};

use crate::fault::Faults;
use crate::{CommitResult, Completion, CompletionSink, Fault, Gate, InFlight, Ticket};

#[derive(Default)]
pub(crate) struct State {
    pub(crate) streams: BTreeMap<ShardId, Stream>,
    /// Of all streams, in order of submission.
    pub(crate) queue: VecDeque<Submission>,
    pub(crate) faults: Faults,
    pub(crate) poison: Option<Arc<str>>,
    /// A thread is delivering; it will see whatever is queued meanwhile.
    pub(crate) pumping: bool,
    pub(crate) space: Space,
    pub(crate) writers_total: u64,
}

#[derive(Default)]
pub(crate) struct Space {
    pub(crate) bytes: u64,
    pub(crate) bytes_max: u64,
    pub(crate) full: bool,
    pub(crate) batches_total: u64,
}

#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) epoch: Epoch,
    pub(crate) nonce: Option<Nonce>,
    /// The one writer that is not fenced.
    pub(crate) owner: Option<u64>,
    pub(crate) writers: BTreeMap<u64, Writer>,
    pub(crate) oldest: Sequence,
    pub(crate) batches: VecDeque<Batch>,
    pub(crate) tail: Tail,
}

pub(crate) struct Writer {
    pub(crate) gate: Gate,
    pub(crate) sink: Arc<Mutex<CompletionSink>>,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) waiting: usize,
    pub(crate) dropped: bool,
}

pub(crate) struct Submission {
    pub(crate) shard: ShardId,
    pub(crate) writer: u64,
    pub(crate) ticket: Ticket,
    pub(crate) expected: Tail,
    pub(crate) batch: Batch,
    pub(crate) fault: Option<Fault>,
}

/// A completion on its way, outside the lock. The writer is kept if it is to be dropped.
pub(crate) struct Parcel {
    pub(crate) sink: Arc<Mutex<CompletionSink>>,
    pub(crate) completion: Completion,
    pub(crate) _writer: Option<Writer>,
}

impl State {
    pub(crate) fn writer(&mut self, shard: ShardId, writer: u64) -> Option<&mut Writer> {
        self.streams.get_mut(&shard)?.writers.get_mut(&writer)
    }

    pub(crate) fn remove_writer(&mut self, shard: ShardId, writer: u64) -> Option<Writer> {
        self.streams.get_mut(&shard)?.writers.remove(&writer)
    }

    pub(crate) fn step(&mut self, shard: Option<ShardId>) -> Option<Parcel> {
        let index = self
            .queue
            .iter()
            .position(|submission| shard.is_none_or(|shard| shard == submission.shard))?;
        let submission = self.queue.remove(index)?;
        let result = self.attempt(&submission);
        let writer = self
            .writer(submission.shard, submission.writer)
            .expect("a writer with submissions is kept");
        writer.waiting -= 1;
        writer.in_flight.leave(&submission.batch);
        let sink = writer.sink.clone();
        let finished = writer.dropped && writer.waiting == 0;
        Some(Parcel {
            sink,
            completion: Completion {
                ticket: submission.ticket,
                result,
            },
            _writer: finished
                .then(|| self.remove_writer(submission.shard, submission.writer))
                .flatten(),
        })
    }

    /// Decides a submission whose turn has come.
    pub(crate) fn attempt(&mut self, submission: &Submission) -> CommitResult {
        if let Some(reason) = &self.poison {
            return CommitResult::Unknown {
                reason: reason.clone(),
            };
        }
        let Submission { shard, batch, .. } = submission;
        let stream = self
            .streams
            .get_mut(shard)
            .expect("a stream with submissions exists");
        if stream.owner != Some(submission.writer) {
            return CommitResult::Fenced {
                epoch: stream.epoch,
            };
        }
        let gate = &stream.writers[&submission.writer].gate;
        if let Err(outcome) = gate.check(batch) {
            return outcome;
        }
        let result = match &submission.fault {
            None => stream.store(submission, &mut self.space),
            Some(fault) => {
                if fault.stores() {
                    stream.store(submission, &mut self.space);
                }
                if fault.takes_over() {
                    stream.epoch = stream.epoch.next();
                    stream.nonce = None;
                    stream.owner = None;
                }
                let result = fault.result(stream.epoch);
                if let (true, CommitResult::Unknown { reason }) = (fault.poisons(), &result) {
                    self.poison = Some(reason.clone());
                }
                result
            }
        };
        if let Some(writer) = stream.writers.get_mut(&submission.writer) {
            writer.gate.settle(batch, &result);
        }
        result
    }
}

impl Stream {
    fn store(&mut self, submission: &Submission, space: &mut Space) -> CommitResult {
        let batch = &submission.batch;
        if submission.expected == self.tail {
            let length = batch.bytes().len() as u64;
            if space.full || space.bytes + length > space.bytes_max {
                let reason = format!("memory log of {} bytes is full", space.bytes_max);
                return CommitResult::Full {
                    reason: reason.into(),
                };
            }
            space.bytes += length;
            space.batches_total += 1;
            self.tail = batch.tail();
            self.batches.push_back(batch.clone());
            return CommitResult::Committed { tail: self.tail };
        }
        let first = batch.header().first_sequence;
        let place = self
            .batches
            .binary_search_by_key(&first, |stored| stored.header().first_sequence);
        match place {
            Ok(index) if self.batches[index].chain() == batch.chain() => {
                CommitResult::AlreadyCommitted { tail: batch.tail() }
            }
            _ => CommitResult::Mismatch { tail: self.tail },
        }
    }
}
