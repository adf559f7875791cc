//! The control stream's thread: hunts are created and changed here, rounds announced,
//! seeds published.
//!
//! What is committed is passed to every shard, which copies it into its own log. A
//! command is answered when all shards have committed their copy.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use huntcore_engine::{CommandError, Controller, ControllerSnapshot, NewFlag, NewHunt, RoundDue};
use huntcore_log::{CommitResult, Completion, LogWriter};
use huntcore_map::{CHAIN_ROUNDS, CellList, MapConfig, MapConfigError, ValueTable};
use huntcore_model::{
    Batch, BoardDefinition, ControlRecord, HuntConfig, HuntId, HuntNumber, Record, Sequence,
    ShardId, TimeMicros,
};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::door::ShardDoor;
use crate::failure::Failure;
use crate::maps::{MapError, Maps};
use crate::recent::RecentBatches;
use crate::shard::{ControlCopy, RoundPoints, ShardEvent, not_stored};
use crate::snapshots::Held;

/// How often the thread looks whether a seed may be published.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A batch takes no further command once it has this many bytes; an area may have megabytes.
const BATCH_BYTES_AIM: usize = 1 << 20;
/// A seed chain's anchor is published this many rounds before the chain's first.
const ANCHOR_ROUNDS_AHEAD: u64 = 600;

/// Everything that can happen to the control stream.
pub(crate) enum ControlEvent {
    /// An operator wants something.
    Command {
        command: Command,
        reply: oneshot::Sender<Result<Applied, CommandFailure>>,
    },
    /// A shard has committed its copies of everything before `next`.
    Copied { shard: ShardId, next: Sequence },
    /// The log is done with a batch.
    Completed(Completion),
    /// A checkpoint is taken.
    Snapshot { reply: Sender<ControllerSnapshot> },
    /// End.
    Stop,
}

/// What an operator wants.
pub(crate) enum Command {
    Create {
        id: HuntId,
        starts_at: Option<TimeMicros>,
        ends_at: Option<TimeMicros>,
        rules: Rules,
        boards: Vec<BoardDefinition>,
    },
    Change {
        hunt: HuntNumber,
        change: Change,
    },
    Pause {
        hunt: HuntNumber,
    },
    Resume {
        hunt: HuntNumber,
    },
    Close {
        hunt: HuntNumber,
    },
    SetFlag(NewFlag),
}

/// What a hunt's rounds are made by; the cells computed from the area already.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) area: String,
    pub(crate) cells: Arc<CellList>,
    pub(crate) round_ms: u64,
    pub(crate) claim_window_ms: u64,
    pub(crate) tiles: u32,
    pub(crate) values: ValueTable,
    pub(crate) values_hidden: bool,
}

/// What to change of a hunt.
pub(crate) struct Change {
    /// New rules, made on top of this version of the old ones.
    pub(crate) rules: Option<(u32, Rules)>,
    pub(crate) ends_at: Option<Option<TimeMicros>>,
    pub(crate) boards: Option<Vec<BoardDefinition>>,
}

/// A command has been applied and committed on all shards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Applied {
    /// Which it was about, unless it was about all.
    pub(crate) hunt: Option<HuntNumber>,
    /// Every control entry before this is committed.
    pub(crate) control_next: Sequence,
}

/// A command that is applied, and waits until it is committed.
struct Waiting {
    applied: Applied,
    /// Every shard must have copied everything before this.
    copied_to: Sequence,
    reply: Reply,
}

/// Why a command was not applied.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CommandFailure {
    #[error(transparent)]
    Refused(#[from] CommandError),
    #[error(transparent)]
    Config(#[from] MapConfigError),
    #[error("the hunt was changed by somebody else meanwhile: look again and repeat")]
    Overtaken,
}

/// How far each shard has got, for all to see.
#[derive(Debug)]
pub(crate) struct ShardTimes(Vec<AtomicU64>);

impl ShardTimes {
    pub(crate) fn new(times: impl Iterator<Item = TimeMicros>) -> Self {
        Self(times.map(|time| AtomicU64::new(time.get())).collect())
    }

    pub(crate) fn set(&self, shard: ShardId, time: TimeMicros) {
        self.0[usize::from(shard.get())].store(time.get(), Ordering::Release);
    }

    /// The time that every shard's durable log has reached.
    pub(crate) fn least(&self) -> TimeMicros {
        let times = self.0.iter().map(|time| time.load(Ordering::Acquire));
        TimeMicros::new(times.min().unwrap_or(0))
    }
}

/// What the control thread is given.
pub(crate) struct Control {
    pub(crate) controller: Controller,
    pub(crate) writer: Box<dyn LogWriter>,
    pub(crate) events: Receiver<ControlEvent>,
    pub(crate) shards: Vec<ShardDoor>,
    /// For each shard the first control entry that it has not copied.
    pub(crate) copied: Vec<Sequence>,
    /// The end of what shards have to copy, also of what some have missed.
    pub(crate) last_concerning: Sequence,
    pub(crate) times: Arc<ShardTimes>,
    pub(crate) maps: Arc<Maps>,
    pub(crate) recent: Arc<RecentBatches>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) failure: Failure,
}

impl Control {
    /// Runs until told to stop, or until the log refuses to go on.
    pub(crate) fn run(self) {
        let failure = self.failure.clone();
        let durable = self.controller.tail().sequence;
        let mut state = Running {
            shared: self,
            in_flight: None,
            commands: VecDeque::new(),
            waiting: Vec::new(),
            durable,
            snapshots: Held::new(),
            stopping: false,
        };
        while !(state.stopping && state.in_flight.is_none()) {
            if let Err(reason) = state.turn() {
                failure.report(&reason);
                return;
            }
        }
    }
}

type Reply = oneshot::Sender<Result<Applied, CommandFailure>>;

struct Running {
    shared: Control,
    in_flight: Option<Batch>,
    commands: VecDeque<(Command, Reply)>,
    waiting: Vec<Waiting>,
    durable: Sequence,
    snapshots: Held<ControllerSnapshot>,
    stopping: bool,
}

impl Running {
    fn turn(&mut self) -> Result<(), String> {
        match self.shared.events.recv_timeout(self.time_to_next()) {
            Ok(event) => self.take(event)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.stopping = true,
        }
        while let Ok(event) = self.shared.events.try_recv() {
            self.take(event)?;
        }
        if self.in_flight.is_none() && !self.stopping {
            self.decide()?;
        }
        self.answer();
        Ok(())
    }

    fn time_to_next(&self) -> Duration {
        let now = self.shared.clock.now();
        if self.in_flight.is_none() && !self.commands.is_empty() {
            return Duration::ZERO;
        }
        let next = self.shared.controller.next_announcement();
        next.map_or(LOOK_EVERY, |due| {
            // A round that is due at once and was not announced waits for the log, not for us.
            Duration::from_micros(due.micros_since(now).max(1_000)).min(LOOK_EVERY)
        })
    }

    fn take(&mut self, event: ControlEvent) -> Result<(), String> {
        match event {
            ControlEvent::Command { command, reply } => self.commands.push_back((command, reply)),
            ControlEvent::Copied { shard, next } => {
                let copied = &mut self.shared.copied[usize::from(shard.get())];
                *copied = (*copied).max(next);
            }
            ControlEvent::Completed(completion) => self.complete(&completion.result)?,
            ControlEvent::Snapshot { reply } => {
                let snapshot = self.shared.controller.snapshot();
                let stands_at = snapshot.tail().sequence;
                self.snapshots.hold(stands_at, snapshot, reply);
                self.snapshots.release(self.durable);
            }
            ControlEvent::Stop => self.stopping = true,
        }
        Ok(())
    }

    fn complete(&mut self, result: &CommitResult) -> Result<(), String> {
        let Some(tail) = result.durable() else {
            return Err(not_stored(ShardId::CONTROL, result));
        };
        let Some(batch) = self.in_flight.take() else {
            return Err("the log completed a batch that was not submitted".to_owned());
        };
        self.shared.controller.committed(tail.sequence);
        self.durable = tail.sequence;
        self.snapshots.release(self.durable);
        for copy in copies(&batch, self.shared.controller.catalog(), &self.shared.maps)? {
            for door in &self.shared.shards {
                door.tell(ShardEvent::Control(copy.clone()));
            }
        }
        self.shared.recent.push(batch);
        Ok(())
    }

    fn decide(&mut self) -> Result<(), String> {
        let now = self.shared.clock.now();
        self.shared.controller.begin(now);
        let mut decided = Vec::new();
        while self.shared.controller.batch_bytes() <= BATCH_BYTES_AIM
            && let Some((command, reply)) = self.commands.pop_front()
        {
            match apply(&mut self.shared.controller, &self.shared.maps, command) {
                Ok(hunt) => decided.push((hunt, reply)),
                // Whoever asked may have gone.
                Err(failure) => drop(reply.send(Err(failure))),
            }
        }
        self.announce().map_err(|error| error.to_string())?;
        let before = self.shared.controller.tail();
        if let Some(batch) = self.shared.controller.finish() {
            if let Err(refusal) = self.shared.writer.submit(before, &batch) {
                return Err(format!("log takes no more batches: {refusal}"));
            }
            if let Some(last) = last_concerning(&batch) {
                self.shared.last_concerning = last.advanced(1);
            }
            self.in_flight = Some(batch);
        }
        let copied_to = self.shared.last_concerning;
        let control_next = self.shared.controller.tail().sequence;
        let decided = decided.into_iter().map(|(hunt, reply)| Waiting {
            applied: Applied { hunt, control_next },
            copied_to,
            reply,
        });
        self.waiting.extend(decided);
        Ok(())
    }

    fn announce(&mut self) -> Result<(), MapError> {
        let Control {
            controller,
            maps,
            times,
            ..
        } = &mut self.shared;
        for due in controller.rounds_due() {
            let RoundDue { hunt, round, .. } = due;
            if let Some(entry) = controller.catalog().by_number(hunt).cloned() {
                controller.open_round(&due, &maps.facts(&entry, round)?);
            }
        }
        for due in controller.seeds_due(times.least()) {
            if let Some(entry) = controller.catalog().by_number(due.hunt).cloned() {
                let seed = maps.seed(&entry, due.round)?;
                controller.publish_seed(&due, seed.reveal());
            }
        }
        for (hunt, chain) in controller.anchors_due(CHAIN_ROUNDS, ANCHOR_ROUNDS_AHEAD) {
            if let Some(entry) = controller.catalog().by_number(hunt).cloned() {
                controller.publish_anchor(hunt, chain, maps.anchor(&entry.id, chain));
            }
        }
        Ok(())
    }

    /// Answers the commands that are durable here and, where they concern shards, on all of
    /// them.
    fn answer(&mut self) {
        let everywhere = self.shared.copied.iter().copied().min().unwrap_or_default();
        let durable = self.durable;
        let is_done = |waiting: &mut Waiting| {
            waiting.copied_to <= everywhere && waiting.applied.control_next <= durable
        };
        for waiting in self.waiting.extract_if(.., is_done) {
            // Whoever asked may have gone.
            drop(waiting.reply.send(Ok(waiting.applied)));
        }
    }
}

fn last_concerning(batch: &Batch) -> Option<Sequence> {
    batch
        .records()
        .flatten()
        .filter_map(|(_, record)| match record {
            Record::Control { at, record } if record.concerns_arbiters() => Some(at),
            _ => None,
        })
        .last()
}

/// What shards have to copy of a committed batch, with the values of announced rounds.
pub(crate) fn copies(
    batch: &Batch,
    catalog: &huntcore_model::Catalog,
    maps: &Maps,
) -> Result<Vec<ControlCopy>, String> {
    let mut copies = Vec::new();
    for item in batch.records() {
        let (_, record) = item.map_err(|error| error.to_string())?;
        let Record::Control { at, record } = record else {
            continue;
        };
        if !record.concerns_arbiters() {
            continue;
        }
        let values = match record.as_ref() {
            ControlRecord::RoundOpened(opened) => {
                let entry = catalog.by_number(opened.hunt).ok_or("a round of no hunt")?;
                let points = maps
                    .values(entry, opened.round)
                    .map_err(|error| error.to_string())?;
                Some(RoundPoints {
                    hunt: opened.hunt,
                    round: opened.round,
                    points,
                })
            }
            _ => None,
        };
        copies.push(ControlCopy {
            at,
            record: Arc::from(record),
            values,
        });
    }
    Ok(copies)
}

fn apply(
    controller: &mut Controller,
    maps: &Maps,
    command: Command,
) -> Result<Option<HuntNumber>, CommandFailure> {
    match command {
        Command::Create {
            id,
            starts_at,
            ends_at,
            rules,
            boards,
        } => {
            let (map_config, config) = configure(1, &rules)?;
            let anchor = maps.anchor(&id, 0);
            let hunt = controller.create(&NewHunt {
                id,
                starts_at,
                ends_at,
                config,
                anchor,
                boards,
            })?;
            maps.keep_config(hunt, map_config);
            Ok(Some(hunt))
        }
        Command::Change { hunt, change } => {
            if let Some(ends_at) = change.ends_at {
                controller.check_end(hunt, ends_at)?;
            }
            if let Some(boards) = &change.boards {
                controller.check_boards(hunt, boards)?;
            }
            if let Some((base_version, rules)) = change.rules {
                let entry = controller
                    .catalog()
                    .by_number(hunt)
                    .ok_or(CommandError::UnknownHunt)?;
                let latest = entry.latest_version();
                if latest.version != base_version {
                    return Err(CommandFailure::Overtaken);
                }
                let (_, as_before) = configure(latest.version, &rules)?;
                if as_before != latest.config {
                    let (map_config, config) = configure(latest.version + 1, &rules)?;
                    controller.change(hunt, config)?;
                    maps.keep_config(hunt, map_config);
                }
            }
            if let Some(ends_at) = change.ends_at {
                controller.move_end(hunt, ends_at)?;
            }
            if let Some(boards) = change.boards {
                controller.set_boards(hunt, boards)?;
            }
            Ok(Some(hunt))
        }
        Command::Pause { hunt } => controller
            .pause(hunt)
            .map(|()| Some(hunt))
            .map_err(Into::into),
        Command::Resume { hunt } => controller
            .resume(hunt)
            .map(|()| Some(hunt))
            .map_err(Into::into),
        Command::Close { hunt } => controller
            .close(hunt)
            .map(|()| Some(hunt))
            .map_err(Into::into),
        Command::SetFlag(flag) => {
            let hunt = flag.hunt;
            controller.set_flag(flag)?;
            Ok(hunt)
        }
    }
}

/// The configuration as the generator and as the log have it.
fn configure(version: u32, rules: &Rules) -> Result<(MapConfig, HuntConfig), MapConfigError> {
    let map_config = MapConfig::new(
        version,
        rules.cells.clone(),
        rules.tiles,
        rules.values.clone(),
    )?;
    let config = HuntConfig {
        area: rules.area.clone(),
        resolution: rules.cells.resolution(),
        round_ms: rules.round_ms,
        claim_window_ms: rules.claim_window_ms,
        tiles: rules.tiles,
        values: rules.values.rows().to_vec(),
        values_hidden: rules.values_hidden,
        cells: rules.cells.count(),
        cells_hash: rules.cells.hash(),
        config_hash: map_config.hash(),
    };
    Ok((map_config, config))
}
