//! The log as a whole: opening a directory, and what the contract asks of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use huntcore_disk::{Disk, DiskFile, HeldLock, LockError, LockKind, RealDisk, make_directory};
use huntcore_log::{
    AcquireError, Acquired, BatchReader, CompletionSink, InFlight, InFlightLimits, Log, LogUsage,
    LogWriter, ReadError, Refusal, StreamTail, StreamUsage, Ticket, TrimError, check_submission,
    stream_name,
};
use huntcore_model::{Batch, Epoch, Nonce, Sequence, ShardId, Tail, TimeMicros};

use crate::error::{Failure, OpenError};
use crate::files::{LOCK, check_is_log, read_format, stream_directory, write_format};
use crate::inspect::Inspection;
use crate::parallel;
use crate::poison::{OnPoison, Poison, PoisonCell};
use crate::published::{Counters, Published, Stream};
use crate::queue::{Closed, Command, Submission};
use crate::reader::{Reader, Start, Until};
use crate::recovery::{examine, mend};
use crate::segment::DATA_OFFSET;
use crate::spare::SparesThread;
use crate::state::State;
use crate::trim::Remover;
use crate::writer::StreamWriter;

/// How a file log behaves.
pub struct FileLogOptions {
    /// Length of a segment; a batch that is longer gets one of its own.
    pub segment_bytes: u64,
    /// Whether segments are made ahead of their use, by a thread of their own: so commits are
    /// quicker, and none waits for a new segment. It takes the space of one more segment for
    /// each stream that grows.
    pub spares: bool,
    /// How much each writer may have in flight.
    pub in_flight: InFlightLimits,
    /// Called once when the log poisons itself, from the thread that found out. It is the
    /// moment to tell why and to end the process; it must not drop the log.
    pub on_poison: Option<OnPoison>,
}

impl Default for FileLogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            spares: true,
            in_flight: InFlightLimits::default(),
            on_poison: None,
        }
    }
}

/// A log in a directory, which it has to itself.
pub struct FileLog {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    in_flight: InFlightLimits,
    poison: Arc<PoisonCell>,
    counters: Arc<Counters>,
    streams: Mutex<BTreeMap<ShardId, Running>>,
    /// Held while a stream is made, so that `streams` need not be.
    making: Mutex<()>,
    remover: Remover,
    /// Ends when every stream's thread has.
    spares: Option<SparesThread>,
    /// Given back last, when every thread has ended.
    _lock: HeldLock,
}

struct Running {
    stream: Arc<Stream>,
    thread: JoinHandle<()>,
}

impl FileLog {
    /// Opens the log in `directory`, or begins one if that is empty or not there.
    ///
    /// Reads every segment's header, and verifies what a crash can have touched: the last
    /// segment of each stream. Older batches are verified by whoever reads them.
    pub fn open(directory: &Path, options: FileLogOptions) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(RealDisk), directory, options)
    }

    /// The same on a file system of one's own.
    pub fn open_on(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: FileLogOptions,
    ) -> Result<Self, OpenError> {
        make_directory(&*disk, directory).map_err(OpenError::io("create", directory))?;
        // Before the lock file is made in somebody else's directory.
        check_is_log(&*disk, directory)?;
        let lock_path = directory.join(LOCK);
        let lock = disk
            .lock(&lock_path, LockKind::Exclusive)
            .map_err(|error| match error {
                LockError::Held { pid } => OpenError::InUse {
                    directory: directory.to_owned(),
                    pid,
                },
                LockError::Io(source) => OpenError::io("lock", &lock_path)(source),
            })?;
        let shards = match read_format(&*disk, directory)? {
            Some(shards) => shards,
            None => {
                begin(&*disk, directory)?;
                Vec::new()
            }
        };
        let spares = options
            .spares
            .then(|| SparesThread::start(disk.clone()))
            .transpose()
            .map_err(OpenError::io("start a thread for", directory))?;
        let log = Self {
            directory: directory.to_owned(),
            disk,
            segment_bytes: options.segment_bytes.max(DATA_OFFSET * 2),
            in_flight: options.in_flight,
            poison: Arc::new(PoisonCell::new(options.on_poison)),
            counters: Arc::default(),
            streams: Mutex::default(),
            making: Mutex::default(),
            remover: Remover::default(),
            spares,
            _lock: lock,
        };
        // Nothing is mended before everything was found to be sound.
        let all = parallel::map(&shards, parallel::threads(), |&shard| {
            let path = stream_directory(directory, shard);
            examine(&*log.disk, &path, shard)
        });
        let all = all.into_iter().collect::<Result<Vec<_>, _>>()?;
        for (shard, mut examined) in shards.into_iter().zip(all) {
            let path = stream_directory(directory, shard);
            let file = mend(&*log.disk, &path, shard, &mut examined)?;
            tracing::info!(
                stream = %stream_name(shard),
                segments = examined.segments.len(),
                next_sequence = %examined.tail.sequence,
                "stream opened"
            );
            let published = Published {
                epoch: examined.state.epoch,
                tail: examined.tail,
                segments: examined.segments.into(),
            };
            log.start(shard, examined.state, published, examined.epoch, file)
                .map_err(OpenError::io("start the thread of", &path))?;
        }
        Ok(log)
    }

    /// A look at a directory that changes nothing and needs no lock: beside a running
    /// server it shows what is complete at that moment.
    pub fn inspect(directory: &Path) -> Result<Inspection, OpenError> {
        Inspection::open(Arc::new(RealDisk), directory)
    }

    /// Why the log refuses everything, if it does.
    #[must_use]
    pub fn poison(&self) -> Option<Poison> {
        self.poison.get().cloned()
    }

    fn streams(&self) -> MutexGuard<'_, BTreeMap<ShardId, Running>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stream(&self, shard: ShardId) -> Option<Arc<Stream>> {
        let streams = self.streams();
        streams.get(&shard).map(|running| running.stream.clone())
    }

    fn start(
        &self,
        shard: ShardId,
        state: State,
        published: Published,
        tail_epoch: Epoch,
        file: Option<Box<dyn DiskFile>>,
    ) -> std::io::Result<Arc<Stream>> {
        let stream = Arc::new(Stream::new(
            shard,
            stream_directory(&self.directory, shard),
            self.disk.clone(),
            self.poison.clone(),
            self.counters.clone(),
            published,
        ));
        let writer = StreamWriter::new(
            stream.clone(),
            self.segment_bytes,
            self.spares.as_ref().map(|thread| thread.spares().clone()),
            state,
            tail_epoch,
            file,
        );
        let thread = std::thread::Builder::new()
            .name(format!("log-{}", stream_name(shard)))
            .spawn(move || writer.run())?;
        let running = Running {
            stream: stream.clone(),
            thread,
        };
        self.streams().insert(shard, running);
        Ok(stream)
    }

    /// The stream, made if there is none yet.
    fn stream_or_new(&self, shard: ShardId) -> Result<Arc<Stream>, AcquireError> {
        let _one_at_a_time = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stream) = self.stream(shard) {
            return Ok(stream);
        }
        if let Some(poison) = self.poison.get() {
            return Err(AcquireError::Poisoned {
                reason: poison.reason.clone(),
            });
        }
        self.make_stream(shard).map_err(|failure| match failure {
            Failure::Full(reason) => AcquireError::Full {
                shard,
                reason: reason.into(),
            },
            Failure::Doubt { file, reason } => {
                let poison = self.poison.set(Poison {
                    file,
                    reason: reason.into(),
                });
                AcquireError::Poisoned {
                    reason: poison.reason.clone(),
                }
            }
        })?;
        let published = Published {
            epoch: Epoch::default(),
            tail: Tail::default(),
            segments: [].into(),
        };
        self.start(shard, State::NEW, published, Epoch::default(), None)
            .map_err(|error| AcquireError::Home {
                shard,
                source: error.into(),
            })
    }

    /// Makes the stream's directory and state, then lists it. Until it is listed, it holds
    /// no segment, so whatever a crash leaves of this can be made anew.
    fn make_stream(&self, shard: ShardId) -> Result<(), Failure> {
        let path = stream_directory(&self.directory, shard);
        self.disk
            .create_directory(&path)
            .map_err(|error| Failure::of("create", &path, &error))?;
        State::NEW.write(&*self.disk, &path, shard)?;
        self.disk
            .sync_directory(&self.directory)
            .map_err(|error| Failure::doubt("sync", &self.directory, &error))?;
        let mut shards: Vec<_> = self.streams().keys().copied().collect();
        shards.push(shard);
        write_format(&*self.disk, &self.directory, shards)
    }
}

impl Log for FileLog {
    fn acquire(
        &self,
        shard: ShardId,
        epoch: Epoch,
        nonce: Nonce,
        completions: CompletionSink,
    ) -> Result<Acquired, AcquireError> {
        let stream = self.stream_or_new(shard)?;
        let in_flight = Arc::new(InFlight::new(self.in_flight));
        let (answer, answered) = sync_channel(1);
        let command = Command::Acquire {
            epoch,
            nonce,
            completions,
            in_flight: in_flight.clone(),
            answer,
        };
        stream
            .queue
            .push(command)
            .map_err(|Closed| AcquireError::Closed)?;
        let (writer, tail) = answered.recv().map_err(|_| AcquireError::Closed)??;
        Ok(Acquired {
            writer: Box::new(FileWriter {
                stream,
                epoch,
                writer,
                submitted: 0,
                in_flight,
            }),
            tail,
        })
    }

    fn tail(&self, shard: ShardId) -> Result<StreamTail, ReadError> {
        Ok(self
            .stream(shard)
            .map_or_else(StreamTail::default, |stream| {
                let published = stream.published();
                StreamTail {
                    epoch: published.epoch,
                    tail: published.tail,
                }
            }))
    }

    fn read(&self, shard: ShardId, from: Sequence) -> Result<BatchReader, ReadError> {
        let ahead = |next| ReadError::Ahead { shard, from, next };
        let Some(stream) = self.stream(shard) else {
            return if from == Sequence::ZERO {
                Ok(Box::new(std::iter::empty()))
            } else {
                Err(ahead(Sequence::ZERO))
            };
        };
        let published = stream.published();
        let end = published.tail.sequence;
        if from > end {
            return Err(ahead(end));
        }
        if from == end {
            return Ok(Box::new(std::iter::empty()));
        }
        let Some((segment, offset)) = published.locate(from) else {
            return Err(ReadError::Trimmed {
                shard,
                from,
                oldest: published.oldest(),
            });
        };
        drop(published);
        let start = Start {
            from,
            segment,
            offset,
        };
        Ok(Box::new(Reader::new(
            self.disk.clone(),
            stream.directory.clone(),
            shard,
            &start,
            Until::Durable { stream, end },
        )))
    }

    fn trim(&self, shard: ShardId, before: Sequence) -> Result<(), TrimError> {
        let Some(stream) = self.stream(shard) else {
            return if before == Sequence::ZERO {
                Ok(())
            } else {
                Err(TrimError::Ahead {
                    shard,
                    before,
                    next: Sequence::ZERO,
                })
            };
        };
        // A backup would put off the answer otherwise.
        let next = stream.published().tail.sequence;
        if before > next {
            return Err(TrimError::Ahead {
                shard,
                before,
                next,
            });
        }
        self.remover.trim(&*self.disk, &self.directory, shard, || {
            let (answer, answered) = sync_channel(1);
            let command = Command::Trim { before, answer };
            stream
                .queue
                .push(command)
                .map_err(|Closed| TrimError::Closed)?;
            answered.recv().map_err(|_| TrimError::Closed)?
        })
    }

    fn oldest_since(&self, shard: ShardId, time: TimeMicros) -> Result<Sequence, ReadError> {
        Ok(self.stream(shard).map_or(Sequence::ZERO, |stream| {
            stream.published().oldest_since(time)
        }))
    }

    fn usage(&self) -> Result<LogUsage, ReadError> {
        let streams: Vec<_> = self
            .streams()
            .iter()
            .map(|(&shard, running)| {
                let published = running.stream.published();
                let in_segments = published.segments.iter();
                let in_segments = in_segments.map(|segment| segment.file_bytes).sum::<u64>();
                let spare = self.spares.as_ref();
                StreamUsage {
                    shard,
                    epoch: published.epoch,
                    bytes: in_segments + spare.map_or(0, |thread| thread.spares().bytes(shard)),
                    segments: published.segments.len() as u64,
                    oldest: published.oldest(),
                    oldest_time: published.oldest_time(),
                    time: published.tail.time,
                    next: published.tail.sequence,
                }
            })
            .collect();
        let sync_latency = self.counters.sync_latency();
        Ok(LogUsage {
            bytes: streams.iter().map(|stream| stream.bytes).sum(),
            streams,
            free_bytes: self.disk.free_bytes(&self.directory).ok(),
            batches_total: self.counters.batches.load(Ordering::Relaxed),
            syncs_total: sync_latency.count(),
            sync_latency,
        })
    }
}

impl Drop for FileLog {
    fn drop(&mut self) {
        let streams = std::mem::take(&mut *self.streams());
        for running in streams.values() {
            running.stream.queue.close();
        }
        for running in streams.into_values() {
            // A panic there was told by its own message; there is nothing to add.
            drop(running.thread.join());
        }
    }
}

/// Makes an empty directory a log.
fn begin(disk: &dyn Disk, directory: &Path) -> Result<(), OpenError> {
    write_format(disk, directory, []).map_err(|failure| {
        let (file, reason) = match failure {
            Failure::Full(reason) => (directory.to_owned(), reason),
            Failure::Doubt { file, reason } => (file, reason),
        };
        let source = std::io::Error::other(reason);
        OpenError::io("begin a log in", &file)(source)
    })?;
    // The directory's own name has to last, too.
    match directory.parent() {
        Some(parent) => disk
            .sync_directory(parent)
            .map_err(OpenError::io("sync", parent)),
        None => Ok(()),
    }
}

struct FileWriter {
    stream: Arc<Stream>,
    epoch: Epoch,
    /// Its number with the stream's thread.
    writer: u64,
    submitted: u64,
    in_flight: Arc<InFlight>,
}

impl LogWriter for FileWriter {
    fn submit(&mut self, expected: Tail, batch: &Batch) -> Result<Ticket, Refusal> {
        check_submission(self.stream.shard, self.epoch, &expected, batch);
        self.in_flight.enter(batch)?;
        let ticket = Ticket(self.submitted);
        let submission = Submission {
            writer: self.writer,
            ticket,
            expected,
            batch: batch.clone(),
        };
        if self.stream.queue.push(Command::Submit(submission)).is_err() {
            self.in_flight.leave(batch);
            return Err(Refusal::Closed);
        }
        self.submitted += 1;
        Ok(ticket)
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        // Refused only if the thread has ended, and the sink with it.
        drop(self.stream.queue.push(Command::Release {
            writer: self.writer,
        }));
    }
}
