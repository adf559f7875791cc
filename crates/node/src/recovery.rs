//! From the log to running state: streams are acquired, folded, and set on their way.

use std::iter::Peekable;
use std::sync::Arc;
use std::time::Instant;

use huntcore_checkpoint::{Checkpoint, Checkpoints};
use huntcore_engine::{ApplyError, Arbiter, Controller, EngineLimits, Increment, Restoring, Term};
use huntcore_event_keys::EventKeys;
use huntcore_log::{
    AcquireError, BatchReader, CompletionSink, Log, LogWriter, ReadError, stream_name,
};
use huntcore_model::{HuntEntry, Nonce, Sequence, ShardId, ShardMap, Tail};
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::maps::{MapError, Maps};
use crate::parallel;
use crate::parts;
use crate::projector::{Projector, Views};
use crate::projector_snapshot::Snapshots;
use crate::recent::RecentBatches;
use crate::shard::ControlCopy;
use crate::shelves::{ShelvesError, Shelving};
use crate::text::with_causes;

/// Why a node does not start. Nothing has been changed but the streams' epochs.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A stream could not be acquired.
    #[error(transparent)]
    Acquire(#[from] AcquireError),
    /// A stream could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A stream holds what huntcore never writes.
    #[error("the log cannot be folded: {0}")]
    Apply(#[from] ApplyError),
    /// A projection cannot follow the log.
    #[error("the log cannot be projected: {0}")]
    Project(String),
    /// Maps cannot be made from what the log says.
    #[error(transparent)]
    Map(#[from] MapError),
    /// The log was written with another number of shards.
    #[error(
        "the log has {found} shards, {expected} are configured: the number of shards is fixed \
         when a log is first used; set `shards = {found}`"
    )]
    Shards {
        /// In the log.
        found: usize,
        /// In the configuration.
        expected: u16,
    },
    /// The directory of checkpoints cannot be used.
    #[error(transparent)]
    Checkpoints(#[from] huntcore_checkpoint::OpenError),
    /// Score events that were taken cannot be written down anew.
    #[error("{0}")]
    Events(String),
    /// A directory of events cannot be used.
    #[error(transparent)]
    EventKeys(#[from] huntcore_event_keys::OpenError),
    /// What the log no longer holds stands in no checkpoint either.
    #[error(
        "the log begins with {begins}: what came before was trimmed, and no good checkpoint \
         stands there ({passed_over}); bring back a checkpoint, or log and checkpoints from a \
         backup"
    )]
    NoCheckpoint {
        /// Where streams begin that were trimmed.
        begins: String,
        /// Why each checkpoint is not used.
        passed_over: String,
    },
    /// The system gave no randomness, thread, or other thing a node cannot be without.
    #[error("the system gave no {what}: {reason}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        reason: String,
    },
}

/// A stream that this node owns.
pub(crate) struct Owned {
    pub(crate) writer: Box<dyn LogWriter>,
    pub(crate) term: Term,
}

/// Everything that is folded from the log, up to its end.
pub(crate) struct Folded {
    pub(crate) arbiters: Vec<Arbiter>,
    pub(crate) controller: Controller,
    pub(crate) projector: Projector,
    pub(crate) snapshots: Snapshots,
    pub(crate) views: Views,
    /// The checkpoint that it was restored from.
    pub(crate) base: Option<u64>,
}

/// Refuses a log that was written with another number of shards.
pub(crate) fn check_shards(log: &dyn Log, expected: ShardMap) -> Result<(), StartError> {
    let usage = log.usage()?;
    let found = usage
        .streams
        .iter()
        .filter(|stream| !stream.shard.is_control())
        .count();
    // The control stream is acquired last: without it the log was never in use, and may lack
    // streams, but not have more of them than it is to have from now on.
    let was_in_use = usage.streams.iter().any(|stream| stream.shard.is_control());
    let expected_count = usize::from(expected.count());
    if found == expected_count || (!was_in_use && found < expected_count) {
        Ok(())
    } else {
        Err(StartError::Shards {
            found,
            expected: expected.count(),
        })
    }
}

/// What is folded: all streams of a log, whose ends do not move any more.
pub(crate) struct Source<'l> {
    pub(crate) log: &'l dyn Log,
    pub(crate) config: &'l NodeConfig,
    /// The term of every stream.
    pub(crate) terms: &'l [(ShardId, Term)],
    pub(crate) recent: &'l Arc<RecentBatches>,
    pub(crate) clock: &'l Arc<dyn Clock>,
    /// Which events stand on disk, by shard; nobody else has them while this folds.
    pub(crate) keys: &'l [Mutex<EventKeys>],
}

/// Why state is not folded from where a checkpoint says.
enum FoldError {
    /// The checkpoint is damaged, or is not of this log.
    Unfit(String),
    /// No other checkpoint would do better.
    Start(StartError),
}

impl<E: Into<StartError>> From<E> for FoldError {
    fn from(error: E) -> Self {
        Self::Start(error.into())
    }
}

impl FoldError {
    fn of_shelves(error: ShelvesError) -> Self {
        match error {
            ShelvesError::Unfit(reason) => Self::Unfit(reason),
            ShelvesError::Read(error) => Self::Start(error.into()),
            error @ ShelvesError::Write { .. } => {
                Self::Start(StartError::Events(with_causes(&error)))
            }
        }
    }
}

impl Source<'_> {
    /// Restores the newest checkpoint that can be used, and folds what the log holds beyond
    /// it; without one folds all of the log.
    ///
    /// A checkpoint that cannot be used is passed over with a warning.
    pub(crate) fn fold(&self, checkpoints: Option<&mut Checkpoints>) -> Result<Folded, StartError> {
        let began = Instant::now();
        let mut passed_over = Vec::new();
        let mut pass_over = |id: u64, reason: String| {
            tracing::warn!("checkpoint {id} is passed over: {reason}");
            passed_over.push(format!("checkpoint {id}: {reason}"));
        };
        if let Some(checkpoints) = checkpoints {
            for passed in checkpoints.passed_over() {
                pass_over(passed.id, with_causes(&passed.damage));
            }
            for checkpoint in checkpoints.good().to_vec() {
                match self.fold_from(Some(&checkpoint)) {
                    Ok(folded) => {
                        let age = self.clock.now().micros_since(checkpoint.time());
                        tracing::info!(
                            id = checkpoint.id(),
                            bytes = checkpoint.bytes(),
                            age_ms = age / 1_000,
                            records_after = self.records_after(Some(&checkpoint)),
                            took_ms = began.elapsed().as_millis(),
                            "started from a checkpoint"
                        );
                        return Ok(folded);
                    }
                    Err(FoldError::Unfit(reason)) => {
                        checkpoints.pass_over(checkpoint.id());
                        pass_over(checkpoint.id(), reason);
                    }
                    Err(FoldError::Start(error)) => return Err(error),
                }
            }
        }
        let streams = self.log.usage()?.streams;
        let trimmed = streams
            .iter()
            .filter(|stream| stream.oldest > Sequence::ZERO);
        let begins: Vec<String> = trimmed
            .map(|stream| format!("{} at {}", stream_name(stream.shard), stream.oldest))
            .collect();
        if !begins.is_empty() {
            return Err(StartError::NoCheckpoint {
                begins: begins.join(", "),
                passed_over: match &passed_over[..] {
                    [] => "there is none".to_owned(),
                    reasons => reasons.join("; "),
                },
            });
        }
        let folded = self.fold_from(None).map_err(|error| match error {
            FoldError::Start(error) => error,
            FoldError::Unfit(reason) => StartError::Project(reason),
        })?;
        tracing::info!(
            records = self.records_after(None),
            took_ms = began.elapsed().as_millis(),
            "started from the whole log"
        );
        Ok(folded)
    }

    /// The records of all streams that a checkpoint lacks.
    fn records_after(&self, checkpoint: Option<&Checkpoint>) -> u64 {
        let lacks = |(shard, term): &(ShardId, Term)| {
            let from = checkpoint.map_or(Sequence::ZERO, |known| known.reads_from(*shard));
            term.tail.sequence.get().saturating_sub(from.get())
        };
        self.terms.iter().map(lacks).sum()
    }

    /// Every part on a thread of its own.
    fn fold_from(&self, checkpoint: Option<&Checkpoint>) -> Result<Folded, FoldError> {
        std::thread::scope(|scope| {
            let shards: Vec<_> = self
                .config
                .shards
                .shards()
                .map(|shard| scope.spawn(move || self.fold_shard(checkpoint, shard)))
                .collect();
            let projector = scope.spawn(move || self.fold_projections(checkpoint));
            let controller = self.fold_control(checkpoint);
            let arbiters: Vec<_> = shards.into_iter().map(joined).collect();
            let projections = joined(projector);
            let (projector, snapshots, views) = projections?;
            Ok(Folded {
                arbiters: arbiters.into_iter().collect::<Result<_, _>>()?,
                controller: controller?,
                projector,
                snapshots,
                views,
                base: checkpoint.map(Checkpoint::id),
            })
        })
    }

    fn fold_shard(
        &self,
        checkpoint: Option<&Checkpoint>,
        shard: ShardId,
    ) -> Result<Arbiter, FoldError> {
        let limits = self.config.limits;
        let secret = random()?;
        let mut arbiter = match checkpoint {
            None => Arbiter::new(shard, limits, secret),
            Some(checkpoint) => {
                restore(checkpoint, shard, limits, secret).map_err(FoldError::Unfit)?
            }
        };
        let mut keys = self.keys.get(usize::from(shard.get())).map(Mutex::lock);
        let end = self.term(shard).tail;
        let keys = keys.as_deref_mut();
        let mut shelving = keys.map(|keys| Shelving::new(self.log, keys, end));
        let rest = self.rest(shard, arbiter.tail())?;
        match &mut shelving {
            Some(shelving) => shelving
                .begin(&mut arbiter)
                .map_err(FoldError::of_shelves)?,
            None if arbiter.events_elsewhere().len() > 0 => {
                let reason = "events stand elsewhere, and no place for them is configured";
                return Err(FoldError::Unfit(reason.to_owned()));
            }
            None => {}
        }
        for batch in rest {
            arbiter.apply(&batch?)?;
            if let Some(shelving) = &mut shelving {
                shelving.after_batch(&mut arbiter);
            }
        }
        if let Some(shelving) = shelving {
            shelving.end();
        }
        arbiter.begin_term(self.term(shard));
        Ok(arbiter)
    }

    fn fold_control(&self, checkpoint: Option<&Checkpoint>) -> Result<Controller, FoldError> {
        let mut controller = match checkpoint {
            None => Controller::new(),
            Some(checkpoint) => {
                parts::read(checkpoint, parts::CONTROL, |base| Controller::restore(base))
                    .map_err(FoldError::Unfit)?
            }
        };
        for batch in self.rest(ShardId::CONTROL, controller.tail())? {
            controller.apply(&batch?)?;
        }
        controller.begin_term(self.term(ShardId::CONTROL));
        Ok(controller)
    }

    fn fold_projections(
        &self,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<(Projector, Snapshots, Views), FoldError> {
        let (recent, clock) = (self.recent.clone(), self.clock.clone());
        let (mut projector, snapshots) = Projector::new(self.config, recent, clock);
        if let Some(checkpoint) = checkpoint {
            projector
                .restore(self.config, checkpoint)
                .map_err(FoldError::Unfit)?;
        }
        let rest = projector.tails().iter();
        let rest = rest.map(|&(shard, tail)| self.rest(shard, tail));
        let rest = rest.collect::<Result<_, FoldError>>()?;
        let shards = self.terms.iter().filter(|(shard, _)| !shard.is_control());
        let last_time = shards.map(|(_, term)| term.tail.time).max();
        let views = projector.catch_up(rest, last_time.unwrap_or_default())?;
        Ok((projector, snapshots, views))
    }

    /// The batches of a stream after `from`; an error if that is no place in this log.
    fn rest(&self, shard: ShardId, from: Tail) -> Result<Peekable<BatchReader>, FoldError> {
        let end = self.term(shard).tail;
        let unfit = |reason: String| {
            let stream = stream_name(shard);
            Err(FoldError::Unfit(format!(
                "it stands at {} of {stream}, {reason}",
                from.sequence
            )))
        };
        let another = "where this log has other records: it belongs to another log";
        if from.sequence > end.sequence {
            return unfit(format!(
                "but the log ends at {}: it has lost its end, or was replaced by an older copy",
                end.sequence
            ));
        }
        if from.sequence == end.sequence {
            let none: BatchReader = Box::new(std::iter::empty());
            return if from.chain == end.chain {
                Ok(none.peekable())
            } else {
                unfit(another.to_owned())
            };
        }
        let mut rest = match self.log.read(shard, from.sequence) {
            Ok(rest) => rest.peekable(),
            Err(ReadError::Trimmed { oldest, .. }) => {
                return unfit(format!("but the log begins at {oldest}"));
            }
            Err(error) => return Err(error.into()),
        };
        match rest.peek() {
            Some(Ok(first)) if !first.follows(&from) => unfit(another.to_owned()),
            _ => Ok(rest),
        }
    }

    fn term(&self, shard: ShardId) -> Term {
        let mut terms = self.terms.iter();
        let found = terms.find(|(stream, _)| *stream == shard);
        found.expect("every stream is acquired at the start").1
    }
}

/// The arbiter of a shard as a checkpoint has it. An error says what is wrong with that.
///
/// Answers are most of a checkpoint: their parts are read beside each other, and beside the
/// players' table.
fn restore(
    checkpoint: &Checkpoint,
    shard: ShardId,
    limits: EngineLimits,
    secret: [u8; 32],
) -> Result<Arbiter, String> {
    let mut restoring = parts::read(checkpoint, &parts::of_shard(shard), |base| {
        Restoring::read(limits, secret, base)
    })?;
    let scope = restoring.scope();
    let answers = parts::answers(checkpoint, shard);
    let increments = std::thread::scope(|threads| {
        let reading = threads.spawn(|| {
            parallel::map(&answers, |part| {
                parts::read_entry(checkpoint, &part.entry, |input| scope.read(input))
            })
        });
        restoring.index_players();
        joined(reading)
    });
    let increments: Vec<Increment> = increments.into_iter().collect::<Result<_, _>>()?;
    let restored = restoring.finish(increments);
    restored.map_err(|error| with_causes(&error))
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Finds out whether the fairness key is the right one, before anything is made with it: a
/// seed published with another key would show honest rounds as forged.
pub(crate) fn check_key(controller: &Controller, maps: &Maps) -> Result<(), MapError> {
    let needs_seeds = |hunt: &&Arc<HuntEntry>| {
        let waits = hunt.rounds().next_back();
        hunt.closed_at.is_none() || waits.is_some_and(|last| last.seed.is_none())
    };
    // One key makes all chains, so one hunt that needs it tells.
    let hunts = controller.catalog().hunts();
    hunts
        .filter(needs_seeds)
        .last()
        .map_or(Ok(()), |hunt| maps.check_anchor(hunt))
}

/// Hands a recovered shard what it needs to go on: the values of rounds that are still
/// open.
pub(crate) fn provide_values(arbiter: &mut Arbiter, maps: &Maps) -> Result<(), MapError> {
    let lacking = arbiter.rounds_without_values();
    let catalog = arbiter.catalog();
    let values = parallel::map(&lacking, |&(hunt, round)| {
        let entry = catalog.by_number(hunt)?;
        Some(maps.values(entry, round))
    });
    for ((hunt, round), points) in std::iter::zip(lacking, values) {
        if let Some(points) = points {
            arbiter.provide_values(hunt, round, points?);
        }
    }
    Ok(())
}

/// The control entries from `from` on, for shards that had not copied them all.
pub(crate) fn missed_copies(
    log: &dyn Log,
    controller: &Controller,
    maps: &Maps,
    from: Sequence,
) -> Result<Vec<ControlCopy>, StartError> {
    let mut missed = Vec::new();
    if from >= controller.tail().sequence {
        return Ok(missed);
    }
    for batch in log.read(ShardId::CONTROL, from)? {
        let copies = crate::control::copies(&batch?, controller.catalog(), maps);
        missed.extend(copies.map_err(StartError::Project)?);
    }
    missed.retain(|copy| copy.at >= from);
    Ok(missed)
}

/// Takes over a stream.
pub(crate) fn acquire(
    log: &dyn Log,
    shard: ShardId,
    completions: CompletionSink,
) -> Result<Owned, StartError> {
    let epoch = log.tail(shard)?.epoch.next();
    let acquired = log.acquire(shard, epoch, Nonce(random()?), completions)?;
    Ok(Owned {
        writer: acquired.writer,
        term: Term {
            epoch,
            tail: acquired.tail,
        },
    })
}

fn random<const N: usize>() -> Result<[u8; N], StartError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| StartError::System {
        what: "randomness",
        reason: error.to_string(),
    })?;
    Ok(bytes)
}
