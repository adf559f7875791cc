//! A stream's thread: takes what is queued, writes it with one call, syncs once, completes
//! it in order.

mod roll;

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::io::IoSlice;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use huntcore_disk::{DiskFile, is_no_space, write_all_at};
use huntcore_log::{
    AcquireError, CommitResult, Completion, CompletionSink, Gate, InFlight, stream_name,
};
use huntcore_model::{Batch, Epoch, Nonce, Sequence, Tail};

use crate::error::Failure;
use crate::files::segment_path;
use crate::poison::Poison;
use crate::published::Stream;
use crate::queue::{Command, Submission};
use crate::reader::{Reader, Start, Until};
use crate::spare::Spares;
use crate::state::State;

/// What a stream's thread has to itself.
pub(crate) struct StreamWriter {
    pub(crate) stream: Arc<Stream>,
    segment_bytes: u64,
    spares: Option<Arc<Spares>>,
    pub(crate) state: State,
    /// After the last batch that is durable; the published one.
    pub(crate) tail: Tail,
    /// That batch's.
    tail_epoch: Epoch,
    active: Option<Active>,
    owners: HashMap<u64, Owner>,
    /// The one owner that is not fenced.
    owner: Option<u64>,
    owners_total: u64,
    /// Taken from the queue, still to be done.
    commands: VecDeque<Command>,
    /// To be stored with the next write, one behind the other.
    group: VecDeque<Submission>,
    /// The owner whose sink is being called.
    telling: Option<u64>,
}

/// The segment that is written to.
struct Active {
    file: Box<dyn DiskFile>,
    first: Sequence,
    offset: u64,
    length: u64,
}

struct Owner {
    gate: Gate,
    completions: CompletionSink,
    in_flight: Arc<InFlight>,
}

impl StreamWriter {
    /// Goes on where recovery found the stream's end.
    pub(crate) fn new(
        stream: Arc<Stream>,
        segment_bytes: u64,
        spares: Option<Arc<Spares>>,
        state: State,
        tail_epoch: Epoch,
        file: Option<Box<dyn DiskFile>>,
    ) -> Self {
        let (tail, active) = {
            let published = stream.published();
            let active = file.zip(published.segments.back());
            let active = active.map(|(file, segment)| Active {
                file,
                first: segment.first,
                offset: segment.end,
                length: segment.file_bytes,
            });
            (published.tail, active)
        };
        Self {
            stream,
            segment_bytes,
            spares,
            state,
            tail,
            tail_epoch,
            active,
            owners: HashMap::new(),
            owner: None,
            owners_total: 0,
            commands: VecDeque::new(),
            group: VecDeque::new(),
            telling: None,
        }
    }

    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.work())) {
            self.abandon(&*panic);
        }
        // Nobody may wait for an answer that will not come.
        drop(self.stream.queue.end());
    }

    fn work(&mut self) {
        let stream = self.stream.clone();
        while stream.queue.take(&mut self.commands) {
            while let Some(command) = self.commands.pop_front() {
                match command {
                    Command::Submit(submission) => self.gather(submission),
                    Command::Acquire {
                        epoch,
                        nonce,
                        completions,
                        in_flight,
                        answer,
                    } => {
                        self.flush();
                        let result = self.acquire(epoch, nonce, completions, in_flight);
                        // Whoever asked may have gone.
                        drop(answer.send(result));
                    }
                    Command::Trim { before, answer } => {
                        self.flush();
                        drop(answer.send(self.trim(before)));
                    }
                    Command::Release { writer } => {
                        self.flush();
                        self.owners.remove(&writer);
                    }
                }
            }
            self.flush();
        }
    }

    /// After a panic: it is a bug, and what it left half done nobody knows. Nothing is
    /// trusted any more, and everybody who waits for a completion gets one.
    fn abandon(&mut self, panic: &(dyn Any + Send)) {
        let stream = self.stream.clone();
        let message = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        let name = stream_name(stream.shard);
        let reason = format!("the thread of {name} panicked: {message}");
        let outcome = unknown(self.poison(stream.directory.clone(), reason));
        if let Some(writer) = self.telling.take() {
            // It was this sink that panicked; it is not called again.
            self.owners.remove(&writer);
        }
        let queued = stream.queue.end();
        let group = std::mem::take(&mut self.group).into_iter();
        let taken = std::mem::take(&mut self.commands).into_iter();
        let submitted = taken.chain(queued).filter_map(|command| match command {
            Command::Submit(submission) => Some(submission),
            // Dropping them tells those who wait that the log is closed.
            Command::Acquire { .. } | Command::Trim { .. } | Command::Release { .. } => None,
        });
        for submission in group.chain(submitted) {
            let complete = AssertUnwindSafe(|| self.complete(&submission, outcome.clone()));
            if catch_unwind(complete).is_err() {
                self.owners.remove(&submission.writer);
            }
        }
    }

    /// Adds a submission to the group if it follows it; else answers it on its own.
    fn gather(&mut self, submission: Submission) {
        let end = self
            .group
            .back()
            .map_or(self.tail, |last| last.batch.tail());
        let may = self.owner == Some(submission.writer)
            && self.owners[&submission.writer]
                .gate
                .check(&submission.batch)
                .is_ok();
        if may && submission.expected == end {
            self.group.push_back(submission);
            return;
        }
        self.flush();
        let gate = self
            .owners
            .get(&submission.writer)
            .map_or(&Gate::Open, |owner| &owner.gate);
        let result = if let Some(poison) = self.stream.poison.get() {
            unknown(poison)
        } else if self.owner != Some(submission.writer) {
            CommitResult::Fenced {
                epoch: self.state.epoch,
            }
        } else if let Err(outcome) = gate.check(&submission.batch) {
            outcome
        } else if submission.expected == self.tail {
            // The group before it failed or is stored now.
            self.group.push_back(submission);
            return;
        } else {
            self.look_up(&submission.batch)
        };
        self.complete(&submission, result);
    }

    /// What became of a batch that does not follow the stream's end.
    fn look_up(&self, batch: &Batch) -> CommitResult {
        let mismatch = CommitResult::Mismatch { tail: self.tail };
        let first = batch.header().first_sequence;
        if first >= self.tail.sequence {
            return mismatch;
        }
        let located = self.stream.published().locate(first);
        let Some((segment, offset)) = located else {
            return mismatch;
        };
        let start = Start {
            from: first,
            segment,
            offset,
        };
        let until = Until::Durable {
            stream: self.stream.clone(),
            end: self.tail.sequence,
        };
        let mut reader = Reader::new(
            self.stream.disk.clone(),
            self.stream.directory.clone(),
            self.stream.shard,
            &start,
            until,
        );
        match reader.next() {
            Some(Ok(stored)) if stored.chain() == batch.chain() => {
                CommitResult::AlreadyCommitted { tail: batch.tail() }
            }
            Some(Err(error)) => CommitResult::Unknown {
                reason: format!("cannot tell whether the batch is there: {error}").into(),
            },
            _ => mismatch,
        }
    }

    /// Stores and completes the group.
    fn flush(&mut self) {
        while let Some(first) = self.group.front() {
            let stored = match self.stream.poison.get() {
                Some(poison) => Err(unknown(poison)),
                None => self
                    .make_room(first.batch.bytes().len() as u64)
                    .and_then(|room| self.store(room))
                    .map_err(|failure| self.give_up(failure)),
            };
            let (count, failed) = match stored {
                Ok(count) => (count, None),
                Err(outcome) => (self.group.len(), Some(outcome)),
            };
            for _ in 0..count {
                let submission = self.group.pop_front().expect("as many as were stored");
                let result = failed.clone().unwrap_or_else(|| CommitResult::Committed {
                    tail: submission.batch.tail(),
                });
                self.complete(&submission, result);
            }
            self.prepare_next();
        }
    }

    /// Tells an outcome. The first failure is the one that counts for the writer.
    fn complete(&mut self, submission: &Submission, result: CommitResult) {
        let Some(owner) = self.owners.get_mut(&submission.writer) else {
            return;
        };
        if owner.gate.check(&submission.batch).is_ok() {
            owner.gate.settle(&submission.batch, &result);
        }
        owner.in_flight.leave(&submission.batch);
        self.telling = Some(submission.writer);
        (owner.completions)(Completion {
            ticket: submission.ticket,
            result,
        });
        self.telling = None;
    }

    /// Writes and syncs what fits of the group; says how many batches.
    fn store(&mut self, room: u64) -> Result<usize, Failure> {
        let active = self.active.as_mut().expect("there is room in it");
        let path = segment_path(&self.stream.directory, active.first);
        let mut parts = Vec::new();
        let mut bytes = 0;
        for submission in &self.group {
            let batch = submission.batch.bytes();
            if bytes + batch.len() as u64 > room {
                break;
            }
            bytes += batch.len() as u64;
            parts.push(IoSlice::new(batch));
        }
        if let Err(short) = write_all_at(&*active.file, &parts, active.offset) {
            if is_no_space(&short.error)
                && erase(&*active.file, active.offset, short.written).is_ok()
            {
                return Err(Failure::of("write", &path, &short.error));
            }
            return Err(Failure::doubt("write", &path, &short.error));
        }
        let began = Instant::now();
        active
            .file
            .sync_data()
            .map_err(|error| Failure::doubt("sync", &path, &error))?;
        self.stream.counters.count_sync(began.elapsed());
        let stored = self.group.range(..parts.len());
        let counters = &self.stream.counters;
        counters
            .batches
            .fetch_add(parts.len() as u64, Ordering::Relaxed);
        active.offset += bytes;
        let mut published = self.stream.published();
        let segment = published.segments.back_mut().expect("the active one");
        for submission in stored {
            let batch = &submission.batch;
            segment.push(batch);
            self.tail = batch.tail();
            self.tail_epoch = batch.header().epoch;
        }
        published.tail = self.tail;
        Ok(parts.len())
    }

    fn give_up(&self, failure: Failure) -> CommitResult {
        match failure {
            Failure::Full(reason) => {
                tracing::error!(%reason, "the log is full");
                CommitResult::Full {
                    reason: reason.into(),
                }
            }
            Failure::Doubt { file, reason } => unknown(self.poison(file, reason)),
        }
    }

    pub(crate) fn poison(&self, file: PathBuf, reason: String) -> &Poison {
        self.stream.poison.set(Poison {
            file,
            reason: reason.into(),
        })
    }

    fn acquire(
        &mut self,
        epoch: Epoch,
        nonce: Nonce,
        completions: CompletionSink,
        in_flight: Arc<InFlight>,
    ) -> Result<(u64, Tail), AcquireError> {
        let shard = self.stream.shard;
        if let Some(poison) = self.stream.poison.get() {
            return Err(AcquireError::Poisoned {
                reason: poison.reason.clone(),
            });
        }
        // Epoch 0 is nobody's.
        let again = epoch == self.state.epoch && nonce == self.state.nonce && epoch.get() > 0;
        if epoch <= self.state.epoch && !again {
            return Err(AcquireError::Fenced {
                shard,
                epoch: self.state.epoch,
            });
        }
        if !again {
            let state = State {
                epoch,
                nonce,
                ..self.state
            };
            match state.write(&*self.stream.disk, &self.stream.directory, shard) {
                Ok(()) => self.state = state,
                Err(Failure::Full(reason)) => {
                    return Err(AcquireError::Full {
                        shard,
                        reason: reason.into(),
                    });
                }
                Err(Failure::Doubt { file, reason }) => {
                    return Err(AcquireError::Poisoned {
                        reason: self.poison(file, reason).reason.clone(),
                    });
                }
            }
            self.stream.published().epoch = epoch;
        }
        let writer = self.owners_total;
        self.owners_total += 1;
        self.owner = Some(writer);
        self.owners.insert(
            writer,
            Owner {
                gate: Gate::Open,
                completions,
                in_flight,
            },
        );
        Ok((writer, self.tail))
    }
}

fn unknown(poison: &Poison) -> CommitResult {
    CommitResult::Unknown {
        reason: poison.reason.clone(),
    }
}

/// Takes back what a failed write left, so that `Full` means that nothing of it is there.
fn erase(file: &dyn DiskFile, offset: u64, written: u64) -> std::io::Result<()> {
    if written == 0 {
        return Ok(());
    }
    let zeros = vec![0; usize::try_from(written).map_err(std::io::Error::other)?];
    write_all_at(file, &[IoSlice::new(&zeros)], offset).map_err(|short| short.error)?;
    file.sync_data()
}
