//! The node as the edge sees it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::Sender;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use huntcore_edge::{
    Backend, CommandError, Commanded, Corrected, CorrectionError, EventOutcome, FlagTurn,
    HuntCommand, LogSource, PublishedMap, Readiness, TrailSource, Unavailable, View,
};
use huntcore_engine::{CommandError as Refused, CorrectionVerdict, EventVerdict, NewFlag};
use huntcore_lane::{Lane, LaneOptions};
use huntcore_map::CellList;
use huntcore_model::{
    Hash32, HuntEntry, HuntNumber, Position, ScoreEvent, Sequence, ShardId, TimeMicros,
};
use huntcore_wire::{BoardSpec, CorrectionKind, Stats};
use tokio::sync::{oneshot, watch};

use crate::control::{Applied, Change, Command, CommandFailure, ControlEvent};
use crate::definitions;
use crate::door::NoAnswer;
use crate::metrics;
use crate::node::Node;
use crate::operations::{Correction, NoVerdict};
use crate::rules;

impl Backend for Node {
    fn now(&self) -> TimeMicros {
        self.clock.now()
    }

    fn view(&self) -> Arc<View> {
        self.views.newest()
    }

    fn views(&self) -> watch::Receiver<u64> {
        self.views.watch()
    }

    fn publish_now(&self) {
        self.views.ask();
        self.recent.ring();
    }

    fn lane(&self, options: LaneOptions) -> Lane {
        self.entrance.lane(options)
    }

    fn record_events(&self, events: Vec<ScoreEvent>) -> BoxFuture<'static, Vec<EventOutcome>> {
        let answers = self.doors.events(events);
        let outcome = |(shard, answer)| event_outcome(answer, shard);
        async move { answers.await.into_iter().map(outcome).collect() }.boxed()
    }

    fn command(&self, command: HuntCommand) -> BoxFuture<'static, Result<Commanded, CommandError>> {
        // Hunts can be stopped while there is little space; only what needs more of it waits.
        let grows = matches!(command, HuntCommand::Create(_) | HuntCommand::Change { .. });
        if grows && self.storage_full.load(Ordering::Relaxed) {
            return std::future::ready(Err(CommandError::StorageFull)).boxed();
        }
        let Ok(room) = self.commands.clone().try_acquire_owned() else {
            let reason = "too many commands are on their way".to_owned();
            return std::future::ready(Err(CommandError::Overloaded { reason })).boxed();
        };
        let (view, now) = (self.view(), self.clock.now());
        let maps = self.maps.clone();
        let control = self.control.clone();
        async move {
            let _room = room;
            // Areas take their time to become cells: not on a thread that serves others.
            let prepared = tokio::task::spawn_blocking(move || {
                let entry = |hunt| view.catalog.by_number(hunt).cloned();
                prepare(command, entry, &maps, now)
            });
            let command = prepared.await.map_err(|_| CommandError::Stopping)??;
            let applied = ask(&control, command).await?;
            Ok(Commanded {
                hunt: applied.hunt.ok_or(CommandError::UnknownHunt)?,
                visible_from: applied.control_next,
            })
        }
        .boxed()
    }

    fn correct(
        &self,
        hunt: HuntNumber,
        what: CorrectionKind,
        reason: String,
    ) -> BoxFuture<'static, Result<Corrected, CorrectionError>> {
        let Ok(room) = self.commands.clone().try_acquire_owned() else {
            return std::future::ready(Err(CorrectionError::Overloaded)).boxed();
        };
        let correcting = self.doors.correct(Correction { hunt, what, reason });
        async move {
            let _room = room;
            corrected(correcting.await)
        }
        .boxed()
    }

    fn turn_flag(&self, turn: FlagTurn) -> BoxFuture<'static, Result<Sequence, CommandError>> {
        let Ok(room) = self.commands.clone().try_acquire_owned() else {
            let reason = "too many commands are on their way".to_owned();
            return std::future::ready(Err(CommandError::Overloaded { reason })).boxed();
        };
        let control = self.control.clone();
        let command = Command::SetFlag(NewFlag {
            flag: turn.flag,
            hunt: turn.hunt,
            board: turn.board,
            value: turn.value,
            by: turn.by,
            reason: turn.reason,
        });
        async move {
            let _room = room;
            let applied = ask(&control, command).await?;
            Ok(applied.control_next)
        }
        .boxed()
    }

    fn cells(&self, hunt: HuntNumber, version: u32) -> BoxFuture<'static, Option<Arc<CellList>>> {
        let entry = self.view().catalog.by_number(hunt).cloned();
        let maps = self.maps.clone();
        blocking(move || {
            let entry = entry?;
            let version = entry.version(version)?;
            maps.cells(&entry, version)
                .inspect_err(|error| tracing::error!("no cells for a logged hunt: {error}"))
                .ok()
        })
    }

    fn log(&self) -> Option<Arc<dyn LogSource>> {
        Some(self.followers.clone())
    }

    fn trail(&self) -> Option<Arc<dyn TrailSource>> {
        Some(self.trails.clone())
    }

    fn map(
        &self,
        map: Hash32,
    ) -> BoxFuture<'static, Result<Option<Arc<PublishedMap>>, Unavailable>> {
        let now = self.clock.now();
        let view = self.view();
        let maps = self.maps.clone();
        blocking(move || {
            let (hunt, round) = view.catalog.hunts().find_map(|hunt| {
                let opened = |round: &&Arc<huntcore_model::RoundEntry>| {
                    round.opened.map == map && round.opened.schedule.opens_at <= now
                };
                Some((hunt, hunt.rounds().rev().find(opened)?))
            })?;
            let values_visible =
                round.seed.is_some() || !is_hidden(hunt, round.opened.config_version);
            let map = maps
                .map(hunt, round.opened.round)
                .inspect_err(|error| tracing::error!("no map for a logged round: {error}"))
                .ok()?;
            Some(Arc::new(PublishedMap::of(&map, values_visible)))
        })
        .map(Ok)
        .boxed()
    }

    fn readiness(&self) -> Readiness {
        if self.has_failed() {
            Readiness::NotReady {
                reason: "the log cannot go on; a restart recovers".to_owned(),
            }
        } else {
            match self.sinks.notes(self) {
                notes if notes.is_empty() => Readiness::Ready,
                notes => Readiness::Impaired { notes },
            }
        }
    }

    fn stats(&self) -> Stats {
        metrics::stats(self)
    }

    fn render_metrics(&self, out: &mut String) {
        metrics::render(self, out);
    }
}

/// Has the control thread do something.
async fn ask(control: &Sender<ControlEvent>, command: Command) -> Result<Applied, CommandError> {
    let (reply, answered) = oneshot::channel();
    if control
        .send(ControlEvent::Command { command, reply })
        .is_err()
    {
        return Err(CommandError::Stopping);
    }
    match answered.await {
        Ok(Ok(applied)) => Ok(applied),
        Ok(Err(failure)) => Err(refusal(failure)),
        Err(_) => Err(CommandError::OutcomeUnknown),
    }
}

fn corrected(
    verdict: Result<(ShardId, CorrectionVerdict), NoVerdict>,
) -> Result<Corrected, CorrectionError> {
    let (shard, verdict) = verdict.map_err(|none| match none {
        NoVerdict::UnknownPlayer => CorrectionError::UnknownPlayer,
        NoVerdict::Unknown => CorrectionError::OutcomeUnknown,
    })?;
    let done = |changed, sequence: Sequence| Corrected {
        changed,
        position: Position::after(shard, sequence),
    };
    match verdict {
        CorrectionVerdict::Corrected(sequence) => Ok(done(true, sequence)),
        CorrectionVerdict::AlreadySo(sequence) => Ok(done(false, sequence)),
        CorrectionVerdict::UnknownHunt => Err(CorrectionError::UnknownHunt),
        CorrectionVerdict::UnknownClaim => Err(CorrectionError::UnknownClaim),
        CorrectionVerdict::ClaimForgotten => Err(CorrectionError::ClaimForgotten),
        CorrectionVerdict::Overloaded => Err(CorrectionError::Overloaded),
        CorrectionVerdict::StorageFull => Err(CorrectionError::StorageFull),
    }
}

fn is_hidden(hunt: &HuntEntry, version: u32) -> bool {
    hunt.version(version)
        .is_none_or(|version| version.config.values_hidden)
}

fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Option<T> + Send + 'static,
) -> BoxFuture<'static, Option<T>> {
    async move { tokio::task::spawn_blocking(work).await.ok().flatten() }.boxed()
}

fn event_outcome(answer: Result<EventVerdict, NoAnswer>, shard: ShardId) -> EventOutcome {
    match answer {
        Ok(EventVerdict::Accepted(sequence)) => EventOutcome::Accepted { shard, sequence },
        Ok(EventVerdict::Duplicate(sequence)) => EventOutcome::Duplicate { shard, sequence },
        Ok(EventVerdict::Conflict(_)) => EventOutcome::Conflict,
        Ok(EventVerdict::UnknownHunt) => EventOutcome::UnknownHunt,
        Ok(EventVerdict::HuntClosed) => EventOutcome::HuntClosed,
        Ok(EventVerdict::HuntNotBegun) => EventOutcome::HuntNotBegun,
        Ok(EventVerdict::TooOld) => EventOutcome::TooOld,
        Ok(EventVerdict::TooNew) => EventOutcome::TooNew,
        Ok(EventVerdict::Overloaded) | Err(NoAnswer::Overloaded) => EventOutcome::Overloaded,
        Ok(EventVerdict::StorageFull) => EventOutcome::StorageFull,
        Err(NoAnswer::Unknown) => EventOutcome::OutcomeUnknown,
    }
}

/// Everything about a command that takes time, done ahead of the control thread.
fn prepare(
    command: HuntCommand,
    entry: impl Fn(HuntNumber) -> Option<Arc<HuntEntry>>,
    maps: &crate::maps::Maps,
    now: TimeMicros,
) -> Result<Command, CommandError> {
    let invalid = |error: rules::RulesError| CommandError::Invalid {
        reason: error.to_string(),
    };
    let boards = |specs: &[BoardSpec]| {
        definitions::of_specs(specs, now).map_err(|fault| CommandError::Invalid {
            reason: fault.to_string(),
        })
    };
    Ok(match command {
        HuntCommand::Create(request) => Command::Create {
            rules: rules::of_request(&request).map_err(invalid)?,
            boards: boards(&request.boards)?,
            id: request.id,
            starts_at: request.starts_at.map(huntcore_wire::Timestamp::micros),
            ends_at: request.ends_at.map(huntcore_wire::Timestamp::micros),
        },
        HuntCommand::Change { hunt, change } => {
            let entry = entry(hunt).ok_or(CommandError::UnknownHunt)?;
            let rules = rules::of_change(&entry, &change, maps).map_err(invalid)?;
            let ends_at = change
                .ends_at
                .map(|end| end.map(huntcore_wire::Timestamp::micros));
            Command::Change {
                hunt,
                change: Change {
                    rules,
                    ends_at,
                    boards: change.boards.as_deref().map(boards).transpose()?,
                },
            }
        }
        HuntCommand::Pause { hunt } => Command::Pause { hunt },
        HuntCommand::Resume { hunt } => Command::Resume { hunt },
        HuntCommand::Close { hunt } => Command::Close { hunt },
    })
}

fn refusal(failure: CommandFailure) -> CommandError {
    let reason = failure.to_string();
    match failure {
        CommandFailure::Refused(Refused::HuntExists { hunt }) => {
            CommandError::HuntExists { id: hunt }
        }
        CommandFailure::Refused(Refused::UnknownHunt) => CommandError::UnknownHunt,
        CommandFailure::Refused(Refused::HuntClosed { .. }) => CommandError::HuntClosed,
        CommandFailure::Refused(
            Refused::Schedule { .. }
            | Refused::Board { .. }
            | Refused::TooManyBoards { .. }
            | Refused::Flag { .. },
        )
        | CommandFailure::Config(_) => CommandError::Invalid { reason },
        CommandFailure::Refused(Refused::UnknownBoard { .. }) => {
            CommandError::UnknownBoard { reason }
        }
        CommandFailure::Refused(Refused::TooMany { .. }) => CommandError::Overloaded { reason },
        CommandFailure::Refused(Refused::HuntEnded { .. }) | CommandFailure::Overtaken => {
            CommandError::State { reason }
        }
    }
}
