//! The projections' thread: folds committed batches into catalog, boards and broadcast,
//! and publishes immutable views of them.
//!
//! It reads what is durable and nothing else (I2). Readers take the newest view without a
//! lock and never wait for this thread.

use std::iter::Peekable;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use huntcore_board::{BoardLimits, Boards, BoardsVersion};
use huntcore_broadcast::{BoardUpdate, Broadcast, BroadcastLimits};
use huntcore_log::{BatchReader, ReadError, stream_name};
use huntcore_model::{
    Batch, BoardName, Catalog, HuntNumber, Position, Record, Sequence, ShardId, ShardMap, Tail,
    TimeMicros,
};
use huntcore_wire::{BoardEntry, BoardWindow};

use crate::batches::Batches;
use crate::by_time::ByTime;
use crate::clock::Clock;
use crate::refresh::{Pace, RefreshMeters, Refreshing};
use crate::snapshot::{ProjectorSnapshot, RestoreError, Snapshots};
use crate::views::{View, Views};
use crate::work::{Done, Laps};

/// Entries of a board that is pushed to live sockets.
const PUSHED_ENTRIES: usize = 100;
/// How much of the log's end a restarted process can resume clients from.
const RESUMABLE_MS: u64 = 25_000;
/// The longest the thread sleeps.
const IDLE: Duration = Duration::from_millis(100);

/// How often projections show what they have folded.
#[derive(Clone, Copy, Debug)]
pub struct ProjectionSettings {
    /// The streams that are folded.
    pub shards: ShardMap,
    /// From one delta to the next.
    pub tick: Duration,
    /// A live board is pushed at most this often.
    pub board_interval: Duration,
    /// While something changes, a new version is published this often.
    pub publish_interval: Duration,
}

impl ProjectionSettings {
    /// What broadcast is bounded by.
    #[must_use]
    pub fn broadcast_limits(&self) -> BroadcastLimits {
        BroadcastLimits {
            board_interval_ms: u64::try_from(self.board_interval.as_millis()).unwrap_or(u64::MAX),
            ..BroadcastLimits::default()
        }
    }
}

/// Why projections do not go on.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// What was committed cannot be got.
    #[error("projections cannot read the log: {0}")]
    Read(#[from] ReadError),
    /// What was committed does not fit what came before it.
    #[error("{what} cannot follow {} at {at}: {reason}", stream_name(*.shard))]
    Follow {
        /// Which projection.
        what: &'static str,
        /// Which stream.
        shard: ShardId,
        /// The batch's first sequence.
        at: Sequence,
        /// What does not fit.
        reason: String,
    },
}

/// Catalog, boards and broadcast of one process.
pub struct Projector {
    shards: ShardMap,
    streams: Vec<ShardId>,
    batches: Arc<dyn Batches>,
    clock: Arc<dyn Clock>,
    publish_interval_micros: u64,
    tick_micros: u64,
    catalog: Catalog,
    boards: Boards,
    broadcast: Broadcast,
    position: Position,
    /// The ends of all streams, as far as they are folded.
    tails: Vec<(ShardId, Tail)>,
    asked: Receiver<Sender<ProjectorSnapshot>>,
    /// The time of the oldest batch that is folded and not yet published.
    unpublished_since: Option<TimeMicros>,
    /// The time of the oldest batch that is folded and in no frame yet.
    untold_since: Option<TimeMicros>,
    published_at: TimeMicros,
    ticked_at: TimeMicros,
    folded_since_tick: bool,
    /// What every shard had reached by then.
    ticked_time: TimeMicros,
    /// What was done and is not yet counted in.
    done: Done,
    pace: Pace,
    refreshes: Arc<RefreshMeters>,
}

impl Projector {
    /// Projections that have folded nothing, and the way to ask them for a snapshot.
    pub fn new(
        settings: &ProjectionSettings,
        batches: Arc<dyn Batches>,
        clock: Arc<dyn Clock>,
    ) -> (Self, Snapshots) {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let (snapshots, asked) = Snapshots::new(batches.clone());
        let streams: Vec<ShardId> = settings.shards.streams().collect();
        let projector = Self {
            shards: settings.shards,
            batches,
            clock,
            publish_interval_micros: micros(settings.publish_interval),
            tick_micros: micros(settings.tick),
            catalog: Catalog::new(),
            boards: Boards::new(settings.shards, BoardLimits::default()),
            broadcast: Broadcast::new(settings.shards, settings.broadcast_limits()),
            position: Position::start(),
            tails: streams
                .iter()
                .map(|&shard| (shard, Tail::default()))
                .collect(),
            streams,
            asked,
            unpublished_since: None,
            untold_since: None,
            published_at: TimeMicros::ZERO,
            ticked_at: TimeMicros::ZERO,
            folded_since_tick: false,
            ticked_time: TimeMicros::ZERO,
            done: Done::default(),
            pace: Pace::default(),
            refreshes: Arc::default(),
        };
        (projector, snapshots)
    }

    /// Takes over a state in place of its own.
    pub fn restore(&mut self, snapshot: ProjectorSnapshot) -> Result<(), RestoreError> {
        snapshot.check_streams(self.shards)?;
        let ProjectorSnapshot {
            tails,
            catalog,
            boards,
            broadcast,
        } = snapshot;
        self.catalog = catalog;
        self.boards = boards;
        self.broadcast = broadcast;
        self.position = Position::start();
        for (shard, tail) in &tails {
            self.position.advance(*shard, tail.sequence);
        }
        self.tails = tails;
        Ok(())
    }

    /// The ends of all streams, as far as they are folded.
    #[must_use]
    pub fn tails(&self) -> &[(ShardId, Tail)] {
        &self.tails
    }

    /// Folds the rest of all streams, whose latest time is `last_time`, and makes the first
    /// view.
    pub fn catch_up(
        &mut self,
        rest: Vec<Peekable<BatchReader>>,
        last_time: TimeMicros,
    ) -> Result<Views, ProjectError> {
        // Ticks are cut again over the log's last stretch, so that whoever was connected
        // before the restart can resume instead of beginning anew.
        let resumable_from = last_time.minus_millis(RESUMABLE_MS);
        let mut batches = ByTime::new(rest);
        let mut waited_at = None;
        while let Some(batch) = batches.next() {
            let batch = batch?;
            let time = self.broadcast.time();
            if !self.apply(&batch)? {
                // Until the slowest stream has come on. If that is at its end, its shard stopped
                // long before the others: they go on once it does.
                batches.hold(batch);
                waited_at = Some(time);
                continue;
            }
            let time = self.broadcast.time();
            if waited_at.is_some_and(|at| at < time) {
                batches.release();
                waited_at = None;
            }
            let since_tick = time.micros_since(self.ticked_at);
            if time >= resumable_from && since_tick >= self.tick_micros {
                self.tick(time);
            }
        }
        self.tick(self.clock.now());
        let view = self.view();
        self.unpublished_since = None;
        self.untold_since = None;
        let mut views = Views::new(view);
        views.work.refreshes = Arc::clone(&self.refreshes);
        Ok(views)
    }

    /// Runs until told to stop, or until a projection cannot follow: then it says why, and
    /// the last view stays.
    pub fn run(
        mut self,
        views: &Views,
        bell: &Receiver<()>,
        stop: &Receiver<()>,
    ) -> Result<(), ProjectError> {
        // After the stop on to the end, so that the last view shows all that was accepted.
        let mut stopping = false;
        let mut has_more = false;
        // What the start folded was not this thread's work.
        self.done = Done::default();
        let mut asked = false;
        while !stopping || has_more {
            let timeout = if has_more {
                Duration::ZERO
            } else {
                self.time_to_next()
            };
            crossbeam_channel::select! {
                recv(bell) -> _ => {}
                recv(stop) -> _ => stopping = true,
                default(timeout) => {}
            }
            if let Ok(reply) = self.asked.try_recv() {
                // Whoever asked may have gone.
                drop(reply.try_send(self.snapshot()));
            }
            // Before folding: who asks after this rang the bell for the next turn, whose
            // version covers what they ask for.
            asked |= views.take_asked();
            has_more = self.fold()?;
            let now = self.clock.now();
            let tick_due =
                now.micros_since(self.ticked_at) >= self.tick_micros || self.has_opened_a_round();
            let folded = self.folded_since_tick;
            if tick_due {
                self.tick(now);
                let since = self.untold_since.take();
                let lag_micros = since.map_or(0, |since| now.micros_since(since));
                views.tell(self.position.clone(), lag_micros);
            }
            let interval_over = now.micros_since(self.published_at) >= self.publish_interval_micros;
            let waiting = self.unpublished_since.is_some() && interval_over;
            if (tick_due && folded) || asked || waiting || stopping {
                let since = self.unpublished_since.take();
                let lag_micros = since.map_or(0, |since| now.micros_since(since));
                self.published_at = now;
                views.publish(self.view(), lag_micros);
            }
            let done = std::mem::take(&mut self.done);
            views.work.boards.add(done.boards);
            views.work.broadcast.add(done.broadcast);
            // What was asked for may be in what is not folded yet.
            asked &= has_more;
        }
        Ok(())
    }

    fn time_to_next(&self) -> Duration {
        let now = self.clock.now();
        let until = |since: TimeMicros, interval: u64| {
            Duration::from_micros(interval.saturating_sub(now.micros_since(since)))
        };
        let tick = until(self.ticked_at, self.tick_micros);
        let publication = match self.unpublished_since {
            Some(_) => until(self.published_at, self.publish_interval_micros),
            None => IDLE,
        };
        tick.min(publication).min(IDLE)
    }

    /// Folds what has been committed since the last time, or as much of each stream as can
    /// be done before ticks and versions are late. Says whether there is more.
    fn fold(&mut self) -> Result<bool, ProjectError> {
        let mut has_more = false;
        for index in 0..self.streams.len() {
            let shard = self.streams[index];
            let batches = self.batches.read(shard, self.position.next(shard))?;
            let mut is_held = false;
            for batch in &batches {
                is_held = !self.apply(batch)?;
                if is_held {
                    break;
                }
            }
            has_more |= !is_held && self.position.next(shard) < self.batches.next(shard);
        }
        Ok(has_more)
    }

    /// Folds one batch into every projection. `false`: not yet, other shards must catch up
    /// first.
    fn apply(&mut self, batch: &Batch) -> Result<bool, ProjectError> {
        let header = batch.header();
        let place = |what: &'static str, error: &dyn std::fmt::Display| ProjectError::Follow {
            what,
            shard: header.shard,
            at: header.first_sequence,
            reason: error.to_string(),
        };
        let mut laps = Laps::start();
        match self.boards.apply(batch) {
            Ok(()) => {}
            Err(huntcore_board::ApplyError::Ahead { .. }) => return Ok(false),
            Err(error) => return Err(place("boards", &error)),
        }
        self.done.boards.busy_nanos += laps.nanos();
        if header.shard.is_control() {
            for item in batch.records() {
                let (_, record) = item.map_err(|error| place("catalog", &error))?;
                if let Record::Control { at, record } = record {
                    self.catalog
                        .apply(at, &record)
                        .map_err(|error| place("catalog", &error))?;
                }
            }
        }
        laps.nanos();
        self.broadcast
            .apply(batch)
            .map_err(|error| place("broadcast", &error))?;
        self.done.broadcast.busy_nanos += laps.nanos();
        for work in [&mut self.done.boards, &mut self.done.broadcast] {
            work.messages += u64::from(header.count);
            work.bytes += batch.bytes().len() as u64;
        }
        self.position.advance(header.shard, header.next_sequence());
        if let Some((_, tail)) = self
            .tails
            .iter_mut()
            .find(|(shard, _)| *shard == header.shard)
        {
            *tail = batch.tail();
        }
        self.unpublished_since.get_or_insert(header.time);
        self.untold_since.get_or_insert(header.time);
        self.folded_since_tick = true;
        Ok(true)
    }

    /// Ends a tick: boards are pushed into broadcast, and frames are cut.
    fn tick(&mut self, now: TimeMicros) {
        self.ticked_at = now;
        self.folded_since_tick = false;
        self.ticked_time = self.broadcast.time();
        let mut laps = Laps::start();
        let boards = self.publish_boards();
        self.done.boards.busy_nanos += laps.nanos();
        for hunt in self.catalog.hunts() {
            let names = boards.boards(hunt.number);
            for name in names.map(|defined| defined.definition.name) {
                if self.broadcast.wants_board(hunt.number, name, now)
                    && let Some(update) = board_update(&boards, hunt.number, name)
                {
                    self.broadcast.push_board(hunt.number, update);
                }
            }
        }
        self.broadcast.cut_tick(now);
        self.done.broadcast.busy_nanos += laps.nanos();
    }

    /// Whether a round has opened since the last tick: players wait for it, so it is not
    /// kept for the next one.
    fn has_opened_a_round(&self) -> bool {
        let (since, time) = (self.ticked_time, self.broadcast.time());
        time > since
            && self.catalog.hunts().any(|hunt| {
                hunt.rounds()
                    .rev()
                    .map(|round| round.opened.schedule.opens_at)
                    .take_while(|&opens_at| opens_at > since)
                    .any(|opens_at| opens_at <= time)
            })
    }

    fn publish_boards(&mut self) -> Arc<BoardsVersion> {
        let flags = self.catalog.flags();
        let mut refreshing = Refreshing::new(flags, &mut self.pace, &self.refreshes);
        self.boards.publish_by(&mut refreshing)
    }

    fn view(&mut self) -> View {
        let catalog = Arc::new(self.catalog.clone());
        let mut laps = Laps::start();
        let boards = self.publish_boards();
        self.done.boards.busy_nanos += laps.nanos();
        let feeds = self.broadcast.publish();
        self.done.broadcast.busy_nanos += laps.nanos();
        View {
            catalog,
            boards,
            feeds,
            position: self.position.clone(),
            time: self.time(),
        }
    }

    /// What every shard has reached.
    fn time(&self) -> TimeMicros {
        let shards = self.tails.iter().filter(|(shard, _)| !shard.is_control());
        let times = shards.map(|(_, tail)| tail.time);
        times.min().unwrap_or_default()
    }

    /// The state as it is now, all of it durable.
    fn snapshot(&self) -> ProjectorSnapshot {
        ProjectorSnapshot {
            tails: self.tails.clone(),
            catalog: self.catalog.clone(),
            boards: self.boards.clone(),
            broadcast: self.broadcast.clone(),
        }
    }
}

/// What live sockets are shown of a board.
fn board_update(boards: &BoardsVersion, hunt: HuntNumber, name: BoardName) -> Option<BoardUpdate> {
    let view = boards.board(hunt, name)?;
    let window = view.window();
    let entries = view.top(PUSHED_ENTRIES).into_iter();
    Some(BoardUpdate {
        board: name,
        generation: view.generation().get(),
        window: BoardWindow {
            start: window.start.map(Into::into),
            end: window.end.map(Into::into),
            is_final: window.is_final,
        },
        position: view.position().clone(),
        players: view.len() as u64,
        entries: entries
            .map(|entry| BoardEntry {
                rank: entry.rank,
                player: entry.player.clone(),
                score: entry.score,
            })
            .collect(),
    })
}

impl std::fmt::Debug for Projector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Projector")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
