//! The checkpoints' thread: when one is due, gathers snapshots and writes them down.
//!
//! Whoever owns a part's state only makes a cheap snapshot of it; all writing is done here, at
//! a lower priority, and nobody waits for it. A checkpoint that fails is told, counted, and
//! tried again; the ones before it stay.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Select, Sender, bounded};
use huntcore_checkpoint::{Checkpoint, CheckpointError, Checkpoints, Draft, Part, Stand};
use huntcore_engine::{ArbiterSnapshot, ClosedOrdinal, ControllerSnapshot};
use huntcore_model::{Position, Sequence, ShardId, TimeMicros};
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::control::ControlEvent;
use crate::door::ShardDoor;
use crate::parts::{self, AnswersPart};
use crate::projector_snapshot::{ProjectorSnapshot, Snapshots, stand_of};
use crate::recent::RecentBatches;
use crate::retention::Retention;
use crate::shard::ShardEvent;

/// How often the thread looks whether a checkpoint is due.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The least time from a checkpoint that failed to the next try.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Work in one go, be it of a core or of the disk.
const STINT: Duration = Duration::from_millis(1);
/// How many times as long the rest after it is.
const RESTS: u32 = 2;
/// The longest rest.
const REST_MAX: Duration = Duration::from_millis(100);
/// How much the thread gives way to all others.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 19;

/// What is known of checkpoints, for metrics.
#[derive(Debug, Default)]
pub(crate) struct CheckpointGauge {
    /// The time at which the newest good one stands; 0 if there is none.
    pub(crate) newest_micros: AtomicU64,
    pub(crate) taken_total: AtomicU64,
    pub(crate) failures_total: AtomicU64,
    pub(crate) last_duration_micros: AtomicU64,
    pub(crate) last_bytes: AtomicU64,
    /// What the older of two good ones needs of the log; `None`: there are no two.
    pub(crate) needed_from: Mutex<Option<Position>>,
}

/// What the thread is given.
pub(crate) struct Checkpointer {
    pub(crate) checkpoints: Checkpoints,
    /// The checkpoint that the running state was restored from, if any: only its answers are
    /// numbered as the arbiters number theirs.
    pub(crate) base: Option<u64>,
    pub(crate) retention: Retention,
    pub(crate) shards: Vec<(ShardId, ShardDoor)>,
    pub(crate) control: Sender<ControlEvent>,
    pub(crate) projector: Snapshots,
    pub(crate) recent: Arc<RecentBatches>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) gauge: Arc<CheckpointGauge>,
    pub(crate) every: Duration,
    pub(crate) log_bytes: u64,
    pub(crate) stop: Receiver<()>,
}

/// Why there is no checkpoint.
enum Abandoned {
    /// The node stops.
    Stopping,
    Failed(CheckpointError),
}

impl From<CheckpointError> for Abandoned {
    fn from(error: CheckpointError) -> Self {
        Self::Failed(error)
    }
}

/// What a shard gives to a checkpoint.
pub(crate) struct ShardSnapshot {
    pub(crate) arbiter: ArbiterSnapshot,
    /// The first control entry that it has not copied.
    pub(crate) copied: Sequence,
}

/// Everything that goes into a checkpoint.
struct Gathered {
    shards: Vec<ShardSnapshot>,
    control: ControllerSnapshot,
    projections: ProjectorSnapshot,
}

impl Checkpointer {
    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        give_way();
        let newest = self.checkpoints.good().first();
        let time = newest.map_or(TimeMicros::ZERO, Checkpoint::time);
        self.gauge
            .newest_micros
            .store(time.get(), Ordering::Relaxed);
        let mut last_try = Instant::now();
        let mut last_trim = Instant::now();
        let mut taken_at_bytes = 0;
        let mut retry = false;
        loop {
            match self.stop.recv_timeout(LOOK_EVERY.min(self.every)) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
            let grown = self.recent.bytes_total() - taken_at_bytes;
            let since = last_try.elapsed();
            let is_due = if retry {
                since >= RETRY_AFTER.min(self.every)
            } else {
                grown >= self.log_bytes || (grown > 0 && since >= self.every)
            };
            if is_due {
                let bytes_total = self.recent.bytes_total();
                last_try = Instant::now();
                match self.take() {
                    Ok(()) => {
                        taken_at_bytes = bytes_total;
                        retry = false;
                    }
                    Err(Abandoned::Stopping) => return,
                    Err(Abandoned::Failed(error)) => {
                        self.gauge.failures_total.fetch_add(1, Ordering::Relaxed);
                        let reason = crate::text::with_causes(&error);
                        tracing::warn!("no checkpoint was taken, it is tried again: {reason}");
                        retry = true;
                    }
                }
            }
            if is_due || last_trim.elapsed() >= self.every {
                last_trim = Instant::now();
                self.retention.trim(&mut self.checkpoints, self.clock.now());
            }
        }
    }

    fn take(&mut self) -> Result<(), Abandoned> {
        let began = Instant::now();
        let base = self.base;
        let newest = self.checkpoints.good().first();
        let known = newest.filter(|newest| Some(newest.id()) == base);
        let answers: Vec<Vec<AnswersPart>> = self
            .shards
            .iter()
            .map(|(shard, _)| known.map_or_else(Vec::new, |known| parts::answers(known, *shard)))
            .collect();
        let gathered = self.gather(&answers).ok_or(Abandoned::Stopping)?;
        let time = self.clock.now();
        let stop = self.stop.clone();
        let mut draft = self.checkpoints.begin(time)?;
        let written = write(&mut draft, &gathered, &answers, &stop);
        // Snapshots hold memory that their owners have gone on from.
        drop(gathered);
        if !stop.is_empty() {
            return Err(Abandoned::Stopping);
        }
        let bytes = written?;
        let checkpoint = draft.commit()?;
        self.base = Some(checkpoint.id());
        let duration = began.elapsed();
        tracing::debug!(
            id = checkpoint.id(),
            bytes,
            duration_ms = duration.as_millis(),
            "checkpoint taken"
        );
        let gauge = &self.gauge;
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        gauge.newest_micros.store(time.get(), Ordering::Relaxed);
        gauge.last_duration_micros.store(micros, Ordering::Relaxed);
        gauge.last_bytes.store(bytes, Ordering::Relaxed);
        gauge.taken_total.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Asks everybody at once and waits for all; `None` if somebody has gone.
    fn gather(&self, answers: &[Vec<AnswersPart>]) -> Option<Gathered> {
        let shards: Vec<Receiver<ShardSnapshot>> = self
            .shards
            .iter()
            .zip(answers)
            .map(|((_, door), answers)| {
                let (reply, snapshot) = bounded(1);
                let closed_since = answers.last().map_or(ClosedOrdinal::ZERO, |last| last.end);
                door.tell(ShardEvent::Snapshot {
                    closed_since,
                    reply,
                });
                snapshot
            })
            .collect();
        let (reply, control) = bounded(1);
        self.control.send(ControlEvent::Snapshot { reply }).ok()?;
        let projections = self.projector.ask()?;
        Some(Gathered {
            shards: shards
                .iter()
                .map(|snapshot| snapshot.recv().ok())
                .collect::<Option<_>>()?,
            control: control.recv().ok()?,
            projections: projections.recv().ok()?,
        })
    }
}

/// Writes all parts; says how many bytes are new.
fn write(
    draft: &mut Draft<'_>,
    gathered: &Gathered,
    answers: &[Vec<AnswersPart>],
    stop: &Receiver<()>,
) -> Result<u64, CheckpointError> {
    let mut bytes = 0;
    let mut put = |draft: &mut Draft<'_>, part: Part<'_>, content: &Content<'_>| {
        draft.part(part, |out| {
            let mut out = Paced {
                out,
                stop,
                bytes: &mut bytes,
                since: Instant::now(),
            };
            content(&mut out)
        })
    };
    for (snapshot, answers) in gathered.shards.iter().zip(answers) {
        let ShardSnapshot { arbiter, copied } = snapshot;
        let shard = arbiter.shard();
        // What the arbiter has forgotten need not be remembered.
        let kept_from = arbiter.closed_kept_from();
        let kept = answers.iter().filter(|part| part.end > kept_from);
        kept.for_each(|part| draft.take_over(&part.entry));
        if !arbiter.has_no_answers() {
            let closed = arbiter.closed();
            let part = Part {
                name: &parts::answers_name(shard, closed.start, closed.end),
                is_shared: true,
                stand: Stand::default(),
            };
            put(draft, part, &|mut out| arbiter.write_answers(&mut out))?;
        }
        let stand = Stand {
            tails: vec![(shard, arbiter.tail())],
            also_reads: vec![(ShardId::CONTROL, *copied)],
        };
        let name = parts::of_shard(shard);
        put(draft, own(&name, stand), &|mut out| arbiter.write(&mut out))?;
    }
    let stand = Stand {
        tails: vec![(ShardId::CONTROL, gathered.control.tail())],
        also_reads: Vec::new(),
    };
    put(draft, own(parts::CONTROL, stand), &|mut out| {
        gathered.control.write(&mut out)
    })?;
    let projections = &gathered.projections;
    put(draft, own(parts::CATALOG, stand_of(projections)), &|out| {
        projections.write_catalog(out)
    })?;
    put(draft, own(parts::BOARDS, stand_of(projections)), &|out| {
        projections.write_boards(out)
    })?;
    put(
        draft,
        own(parts::BROADCAST, stand_of(projections)),
        &|out| projections.write_broadcast(out),
    )?;
    Ok(bytes)
}

/// A part that no later checkpoint takes over.
const fn own(name: &str, stand: Stand) -> Part<'_> {
    Part {
        name,
        is_shared: false,
        stand,
    }
}

type Content<'a> = dyn Fn(&mut dyn Write) -> io::Result<()> + 'a;

/// Counts what is written, leaves core and disk to others for longer than it takes them from
/// them, and ends when the node stops.
struct Paced<'a> {
    out: &'a mut dyn Write,
    stop: &'a Receiver<()>,
    bytes: &'a mut u64,
    /// When it last began to work.
    since: Instant,
}

impl Write for Paced<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.stop.is_empty() {
            return Err(io::Error::other("the node stops"));
        }
        let count = self.out.write(bytes)?;
        *self.bytes += count as u64;
        let worked = self.since.elapsed();
        if worked >= STINT {
            // The log's syncs wait behind those of a checkpoint, and on a full machine deciding
            // waits for a core, so there must be room between.
            let mut stop = Select::new();
            stop.recv(self.stop);
            let _ = stop.ready_timeout((worked * RESTS).min(REST_MAX));
            self.since = Instant::now();
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Lets all other threads go first. Elsewhere than on Linux it would be the whole process
/// that gives way.
pub(crate) fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the system lets no thread give way to others");
    }
}
