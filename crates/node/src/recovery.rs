//! From the log to running state: streams are acquired, folded, and set on their way.

use std::sync::Arc;

use huntcore_engine::{ApplyError, Arbiter, Controller, EngineLimits, Term};
use huntcore_log::{AcquireError, CompletionSink, Log, LogWriter, ReadError};
use huntcore_model::{HuntEntry, Nonce, Sequence, ShardId, ShardMap};

use crate::maps::{MapError, Maps};
use crate::shard::ControlCopy;

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
    /// The system gave no randomness, thread, or other thing a node cannot be without.
    #[error("the system gave no {what}: {reason}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        reason: String,
    },
}

/// A shard, folded up to its tail.
pub(crate) struct RecoveredShard {
    pub(crate) arbiter: Arbiter,
    pub(crate) writer: Box<dyn LogWriter>,
}

/// The control stream, folded up to its tail.
pub(crate) struct RecoveredControl {
    pub(crate) controller: Controller,
    pub(crate) writer: Box<dyn LogWriter>,
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

pub(crate) fn recover_shard(
    log: &dyn Log,
    shard: ShardId,
    limits: EngineLimits,
    completions: CompletionSink,
) -> Result<RecoveredShard, StartError> {
    let (writer, term) = acquire(log, shard, completions)?;
    let mut arbiter = Arbiter::new(shard, limits, random()?);
    for batch in log.read(shard, Sequence::ZERO)? {
        arbiter.apply(&batch?)?;
    }
    arbiter.begin_term(term);
    Ok(RecoveredShard { arbiter, writer })
}

pub(crate) fn recover_control(
    log: &dyn Log,
    completions: CompletionSink,
) -> Result<RecoveredControl, StartError> {
    let (writer, term) = acquire(log, ShardId::CONTROL, completions)?;
    let mut controller = Controller::new();
    for batch in log.read(ShardId::CONTROL, Sequence::ZERO)? {
        controller.apply(&batch?)?;
    }
    controller.begin_term(term);
    Ok(RecoveredControl { controller, writer })
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
    for (hunt, round) in arbiter.rounds_without_values() {
        if let Some(entry) = arbiter.catalog().by_number(hunt).cloned() {
            let points = maps.values(&entry, round)?;
            arbiter.provide_values(hunt, round, points);
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

fn acquire(
    log: &dyn Log,
    shard: ShardId,
    completions: CompletionSink,
) -> Result<(Box<dyn LogWriter>, Term), StartError> {
    let epoch = log.tail(shard)?.epoch.next();
    let acquired = log.acquire(shard, epoch, Nonce(random()?), completions)?;
    Ok((
        acquired.writer,
        Term {
            epoch,
            tail: acquired.tail,
        },
    ))
}

fn random<const N: usize>() -> Result<[u8; N], StartError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| StartError::System {
        what: "randomness",
        reason: error.to_string(),
    })?;
    Ok(bytes)
}
