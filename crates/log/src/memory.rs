//! A home in memory: gone with the process, exact in everything else.
//!
//! For tests and throw-away hunts. Completions come from within the call that submits, or,
//! under [`Delivery::Manual`], only when they are pumped, so that a test decides what is
//! durable when.

mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use huntcore_model::{Batch, Epoch, Nonce, Sequence, ShardId, Tail, TimeMicros};

use self::state::{Space, State, Stream, Submission, Writer};
use crate::fault::Faults;
use crate::gate::check_submission;
use crate::{
    AcquireError, Acquired, BatchReader, CompletionSink, Gate, InFlight, InFlightLimits, Log,
    LogUsage, LogWriter, ReadError, Refusal, StreamTail, StreamUsage, Ticket, TrimError,
};

/// When submissions are stored and completed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// At once, by the thread that submits.
    #[default]
    Immediate,
    /// When pumped, by the thread that pumps.
    Manual,
}

/// How a memory log behaves.
#[derive(Clone, Copy, Debug)]
pub struct MemoryOptions {
    /// When submissions are stored and completed.
    pub delivery: Delivery,
    /// How much each writer may have in flight.
    pub in_flight: InFlightLimits,
    /// How much it holds; more is `Full` until something is trimmed.
    pub bytes_max: u64,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            delivery: Delivery::Immediate,
            in_flight: InFlightLimits::default(),
            bytes_max: 1 << 30,
        }
    }
}

/// A log in memory.
pub struct MemoryLog {
    core: Arc<Core>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new(MemoryOptions::default())
    }
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new(options: MemoryOptions) -> Self {
        Self {
            core: Arc::new(Core {
                options,
                state: Mutex::new(State {
                    space: Space {
                        bytes_max: options.bytes_max,
                        ..Space::default()
                    },
                    ..State::default()
                }),
            }),
        }
    }

    /// An empty log whose completions wait for [`Self::pump`].
    #[must_use]
    pub fn manual() -> Self {
        Self::new(MemoryOptions {
            delivery: Delivery::Manual,
            ..MemoryOptions::default()
        })
    }

    /// Stores and completes up to `batches_max` waiting submissions, oldest first; says
    /// how many.
    pub fn pump(&self, batches_max: usize) -> usize {
        self.core.pump(batches_max, None)
    }

    /// The same for the submissions of one stream, whatever waits in the others.
    pub fn pump_stream(&self, shard: ShardId, batches_max: usize) -> usize {
        self.core.pump(batches_max, Some(shard))
    }

    /// How many submissions wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.core.lock().queue.len()
    }

    /// What a crash and a new start leave: terms and stored batches, and of the waiting
    /// submissions the first `kept`, stored but never completed. All writers are dead.
    pub fn crash(&self, kept: usize) {
        let owners: Vec<_> = {
            let mut state = self.core.lock();
            for _ in 0..kept {
                if let Some(submission) = state.queue.pop_front() {
                    state.attempt(&submission);
                }
            }
            state.queue.clear();
            state.poison = None;
            state
                .streams
                .values_mut()
                .flat_map(|stream| {
                    stream.owner = None;
                    std::mem::take(&mut stream.writers)
                })
                .collect()
        };
        drop(owners);
    }

    pub(crate) fn set_full(&self, full: bool) {
        self.core.lock().space.full = full;
    }

    /// Completes what waits, if it is not to wait.
    pub(crate) fn deliver(&self) {
        self.core.deliver();
    }

    pub(crate) fn with_faults<T>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        change(&mut self.core.lock().faults)
    }
}

impl Drop for MemoryLog {
    fn drop(&mut self) {
        self.pump(usize::MAX);
        let mut state = self.core.lock();
        let writers: Vec<_> = state
            .streams
            .values_mut()
            .flat_map(|stream| std::mem::take(&mut stream.writers))
            .collect();
        drop(state);
        drop(writers);
    }
}

impl Log for MemoryLog {
    fn acquire(
        &self,
        shard: ShardId,
        epoch: Epoch,
        nonce: Nonce,
        completions: CompletionSink,
    ) -> Result<Acquired, AcquireError> {
        let mut state = self.core.lock();
        if let Some(reason) = &state.poison {
            return Err(AcquireError::Poisoned {
                reason: reason.clone(),
            });
        }
        let writer = state.writers_total;
        let stream = state.streams.entry(shard).or_default();
        let again = epoch == stream.epoch && stream.nonce == Some(nonce);
        if epoch <= stream.epoch && !again {
            return Err(AcquireError::Fenced {
                shard,
                epoch: stream.epoch,
            });
        }
        stream.epoch = epoch;
        stream.nonce = Some(nonce);
        stream.owner = Some(writer);
        let in_flight = Arc::new(InFlight::new(self.core.options.in_flight));
        stream.writers.insert(
            writer,
            Writer {
                gate: Gate::Open,
                sink: Arc::new(Mutex::new(completions)),
                in_flight: in_flight.clone(),
                waiting: 0,
                dropped: false,
            },
        );
        let tail = stream.tail;
        state.writers_total += 1;
        drop(state);
        Ok(Acquired {
            writer: Box::new(MemoryWriter {
                core: self.core.clone(),
                shard,
                epoch,
                writer,
                submitted: 0,
                in_flight,
            }),
            tail,
        })
    }

    fn tail(&self, shard: ShardId) -> Result<StreamTail, ReadError> {
        let state = self.core.lock();
        state.faults.check_read(shard)?;
        Ok(state
            .streams
            .get(&shard)
            .map_or_else(StreamTail::default, |stream| StreamTail {
                epoch: stream.epoch,
                tail: stream.tail,
            }))
    }

    fn read(&self, shard: ShardId, from: Sequence) -> Result<BatchReader, ReadError> {
        let state = self.core.lock();
        state.faults.check_read(shard)?;
        let empty = Stream::default();
        let stream = state.streams.get(&shard).unwrap_or(&empty);
        if from > stream.tail.sequence {
            return Err(ReadError::Ahead {
                shard,
                from,
                next: stream.tail.sequence,
            });
        }
        if from < stream.oldest {
            return Err(ReadError::Trimmed {
                shard,
                from,
                oldest: stream.oldest,
            });
        }
        let first = stream
            .batches
            .partition_point(|batch| batch.header().next_sequence() <= from);
        let batches: Vec<Batch> = stream.batches.range(first..).cloned().collect();
        Ok(Box::new(batches.into_iter().map(Ok)))
    }

    fn trim(&self, shard: ShardId, before: Sequence) -> Result<(), TrimError> {
        let mut state = self.core.lock();
        let state = &mut *state;
        let stream = state.streams.entry(shard).or_default();
        if before > stream.tail.sequence {
            return Err(TrimError::Ahead {
                shard,
                before,
                next: stream.tail.sequence,
            });
        }
        while let Some(batch) = stream.batches.front() {
            let next = batch.header().next_sequence();
            if next > before {
                break;
            }
            state.space.bytes -= batch.bytes().len() as u64;
            stream.oldest = next;
            stream.batches.pop_front();
        }
        Ok(())
    }

    fn oldest_since(&self, shard: ShardId, time: TimeMicros) -> Result<Sequence, ReadError> {
        let state = self.core.lock();
        state.faults.check_read(shard)?;
        Ok(state.streams.get(&shard).map_or(Sequence::ZERO, |stream| {
            let older = stream
                .batches
                .partition_point(|batch| batch.header().time < time);
            stream
                .batches
                .get(older)
                .map_or(stream.tail.sequence, |batch| batch.header().first_sequence)
        }))
    }

    fn usage(&self) -> Result<LogUsage, ReadError> {
        let state = self.core.lock();
        let streams = state
            .streams
            .iter()
            .map(|(&shard, stream)| StreamUsage {
                shard,
                epoch: stream.epoch,
                bytes: stream
                    .batches
                    .iter()
                    .map(|batch| batch.bytes().len() as u64)
                    .sum(),
                segments: stream.batches.len() as u64,
                oldest: stream.oldest,
                oldest_time: stream.batches.front().map(|batch| batch.header().time),
                time: stream.tail.time,
                next: stream.tail.sequence,
            })
            .collect();
        Ok(LogUsage {
            streams,
            bytes: state.space.bytes,
            free_bytes: Some(state.space.bytes_max.saturating_sub(state.space.bytes)),
            batches_total: state.space.batches_total,
            ..LogUsage::default()
        })
    }
}

struct MemoryWriter {
    core: Arc<Core>,
    shard: ShardId,
    epoch: Epoch,
    /// Its number in the log; never given twice.
    writer: u64,
    submitted: u64,
    in_flight: Arc<InFlight>,
}

impl LogWriter for MemoryWriter {
    fn submit(&mut self, expected: Tail, batch: &Batch) -> Result<Ticket, Refusal> {
        check_submission(self.shard, self.epoch, &expected, batch);
        let ticket = Ticket(self.submitted);
        {
            let mut state = self.core.lock();
            let Some(writer) = state.writer(self.shard, self.writer) else {
                return Err(Refusal::Closed);
            };
            self.in_flight.enter(batch)?;
            writer.waiting += 1;
            let fault = state.faults.next(self.shard);
            state.queue.push_back(Submission {
                shard: self.shard,
                writer: self.writer,
                ticket,
                expected,
                batch: batch.clone(),
                fault,
            });
        }
        self.submitted += 1;
        self.core.deliver();
        Ok(ticket)
    }
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        let mut state = self.core.lock();
        let gone = state.writer(self.shard, self.writer).and_then(|writer| {
            writer.dropped = true;
            (writer.waiting == 0).then_some(())
        });
        let removed = gone.and_then(|()| state.remove_writer(self.shard, self.writer));
        drop(state);
        drop(removed);
    }
}

struct Core {
    options: MemoryOptions,
    state: Mutex<State>,
}

impl Core {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self) {
        let held = self.lock().faults.held;
        if self.options.delivery == Delivery::Immediate && !held {
            self.pump(usize::MAX, None);
        }
    }

    fn pump(&self, batches_max: usize, shard: Option<ShardId>) -> usize {
        let mut delivered = 0;
        {
            let mut state = self.lock();
            if state.pumping {
                return 0;
            }
            state.pumping = true;
        }
        loop {
            let parcel = {
                let mut state = self.lock();
                let parcel = (delivered < batches_max)
                    .then(|| state.step(shard))
                    .flatten();
                // In the same breath as finding nothing, so that no submission is missed.
                state.pumping = parcel.is_some();
                parcel
            };
            let Some(parcel) = parcel else {
                return delivered;
            };
            let mut sink = parcel.sink.lock().unwrap_or_else(PoisonError::into_inner);
            sink(parcel.completion);
            delivered += 1;
        }
    }
}
