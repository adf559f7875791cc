//! The projections' thread: folds committed batches into catalog, boards and broadcast,
//! and publishes immutable views of them.
//!
//! It reads what is durable and nothing else (I2). Readers take the newest view without a
//! lock and never wait for this thread.

use std::iter::Peekable;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender};
use huntcore_board::{BoardLimits, BoardName, Boards, BoardsVersion};
use huntcore_broadcast::{BoardUpdate, Broadcast, BroadcastLimits};
use huntcore_capacity::{Work, WorkMeter};
use huntcore_checkpoint::Checkpoint;
use huntcore_edge::View;
use huntcore_log::{BatchReader, ReadError};
use huntcore_model::{Batch, Catalog, HuntNumber, Position, Record, ShardId, Tail, TimeMicros};
use huntcore_wire::{BoardEntry, BoardWindow};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::failure::Failure;
use crate::parts;
use crate::projector_snapshot::{ProjectorSnapshot, Snapshots, read_catalog};
use crate::recent::RecentBatches;
use crate::recovery::StartError;

/// Entries of a board that is pushed to live sockets.
const PUSHED_ENTRIES: usize = 100;
/// How much of the log's end a restarted node can resume clients from.
const RESUMABLE_MS: u64 = 25_000;
/// The longest the thread sleeps.
const IDLE: Duration = Duration::from_millis(100);

/// The newest view, for any number of readers.
pub(crate) struct Views {
    newest: ArcSwap<View>,
    count: watch::Sender<u64>,
    asked: AtomicBool,
    lag_micros: AtomicU64,
    pub(crate) work: ProjectionWork,
}

/// What the projections' thread has done since it runs, for each of them.
#[derive(Debug, Default)]
pub(crate) struct ProjectionWork {
    pub(crate) boards: WorkMeter,
    pub(crate) broadcast: WorkMeter,
}

impl Views {
    fn new(view: View) -> Self {
        Self {
            newest: ArcSwap::from_pointee(view),
            count: watch::Sender::new(0),
            asked: AtomicBool::new(false),
            lag_micros: AtomicU64::new(0),
            work: ProjectionWork::default(),
        }
    }

    pub(crate) fn newest(&self) -> Arc<View> {
        self.newest.load_full()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }

    /// Asks for a version without waiting for the next interval.
    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::Release);
    }

    /// From the time of the oldest batch that the newest version was the first to show, to
    /// that version's publication.
    pub(crate) fn lag(&self) -> Duration {
        Duration::from_micros(self.lag_micros.load(Ordering::Relaxed))
    }

    fn publish(&self, view: View, lag_micros: u64) {
        self.newest.store(Arc::new(view));
        self.lag_micros.store(lag_micros, Ordering::Relaxed);
        self.count.send_modify(|count| *count += 1);
    }
}

/// All projections of a node.
pub(crate) struct Projector {
    streams: Vec<ShardId>,
    recent: Arc<RecentBatches>,
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
    published_at: TimeMicros,
    ticked_at: TimeMicros,
    folded_since_tick: bool,
    /// What every shard had reached by then.
    ticked_time: TimeMicros,
    /// What was done and is not yet counted in.
    done: Done,
}

/// Work of one turn, by projection.
#[derive(Default)]
struct Done {
    boards: Work,
    broadcast: Work,
}

/// Tells how long each step took, one after the other.
struct Laps(Instant);

impl Laps {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn nanos(&mut self) -> u64 {
        let now = Instant::now();
        let lap = now.duration_since(std::mem::replace(&mut self.0, now));
        u64::try_from(lap.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Projector {
    /// Projections that have folded nothing.
    pub(crate) fn new(
        config: &NodeConfig,
        recent: Arc<RecentBatches>,
        clock: Arc<dyn Clock>,
    ) -> (Self, Snapshots) {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let (snapshots, asked) = Snapshots::new(recent.clone());
        let streams: Vec<ShardId> = config.shards.streams().collect();
        let projector = Self {
            recent,
            clock,
            publish_interval_micros: micros(config.publish_interval),
            tick_micros: micros(config.tick),
            catalog: Catalog::new(),
            boards: Boards::new(config.shards, BoardLimits::default()),
            broadcast: Broadcast::new(config.shards, broadcast_limits(config)),
            position: Position::start(),
            tails: streams
                .iter()
                .map(|&shard| (shard, Tail::default()))
                .collect(),
            streams,
            asked,
            unpublished_since: None,
            published_at: TimeMicros::ZERO,
            ticked_at: TimeMicros::ZERO,
            folded_since_tick: false,
            ticked_time: TimeMicros::ZERO,
            done: Done::default(),
        };
        (projector, snapshots)
    }

    /// Takes over what a checkpoint says. An error says what is wrong with that.
    pub(crate) fn restore(
        &mut self,
        config: &NodeConfig,
        checkpoint: &Checkpoint,
    ) -> Result<(), String> {
        let stand = checkpoint.part(parts::CATALOG).map(|part| &part.stand);
        let tails = stand.map_or(&[][..], |stand| &stand.tails);
        let is_of_these = tails.len() == self.streams.len()
            && std::iter::zip(tails, &self.streams).all(|((tail, _), stream)| tail == stream);
        if !is_of_these {
            return Err("its projections are of other streams".to_owned());
        }
        self.catalog = parts::read(checkpoint, parts::CATALOG, read_catalog)?;
        self.boards = parts::read(checkpoint, parts::BOARDS, |input| {
            Boards::restore(config.shards, BoardLimits::default(), input)
        })?;
        self.broadcast = parts::read(checkpoint, parts::BROADCAST, |input| {
            Broadcast::restore(config.shards, broadcast_limits(config), input)
        })?;
        self.tails = tails.to_vec();
        self.position = Position::start();
        for (shard, tail) in tails {
            self.position.advance(*shard, tail.sequence);
        }
        Ok(())
    }

    /// The ends of all streams, as far as they are folded.
    pub(crate) fn tails(&self) -> &[(ShardId, Tail)] {
        &self.tails
    }

    /// Folds the rest of all streams, whose latest time is `last_time`, and makes the first
    /// view.
    pub(crate) fn catch_up(
        &mut self,
        rest: Vec<Peekable<BatchReader>>,
        last_time: TimeMicros,
    ) -> Result<Views, StartError> {
        // Ticks are cut again over the log's last stretch, so that whoever was connected
        // before the restart can resume instead of beginning anew.
        let resumable_from = last_time.minus_millis(RESUMABLE_MS);
        for batch in (ByTime { streams: rest }) {
            if !self.apply(&batch?).map_err(StartError::Project)? {
                // One shard stopped long before the others; they go on once it does.
                break;
            }
            let time = self.broadcast.time();
            let since_tick = time.micros_since(self.ticked_at);
            if time >= resumable_from && since_tick >= self.tick_micros {
                self.tick(time);
            }
        }
        self.tick(self.clock.now());
        let view = self.view();
        self.unpublished_since = None;
        Ok(Views::new(view))
    }

    /// Runs until told to stop, or until a projection cannot follow.
    pub(crate) fn run(
        mut self,
        views: &Views,
        bell: &Receiver<()>,
        stop: &Receiver<()>,
        failure: &Failure,
    ) {
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
            asked |= views.asked.swap(false, Ordering::AcqRel);
            has_more = match self.fold() {
                Ok(has_more) => has_more,
                Err(reason) => {
                    failure.report(&reason);
                    return;
                }
            };
            let now = self.clock.now();
            let tick_due =
                now.micros_since(self.ticked_at) >= self.tick_micros || self.has_opened_a_round();
            let folded = self.folded_since_tick;
            if tick_due {
                self.tick(now);
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
    fn fold(&mut self) -> Result<bool, String> {
        let mut has_more = false;
        for index in 0..self.streams.len() {
            let shard = self.streams[index];
            let batches = self
                .recent
                .read(shard, self.position.next(shard))
                .map_err(|error| format!("projections cannot read the log: {error}"))?;
            let mut is_held = false;
            for batch in &batches {
                is_held = !self.apply(batch)?;
                if is_held {
                    break;
                }
            }
            has_more |= !is_held && self.position.next(shard) < self.recent.next(shard);
        }
        Ok(has_more)
    }

    /// Folds one batch into every projection. `false`: not yet, other shards must catch up
    /// first.
    fn apply(&mut self, batch: &Batch) -> Result<bool, String> {
        let header = batch.header();
        let place = |what: &str, error: &dyn std::fmt::Display| {
            let stream = huntcore_log::stream_name(header.shard);
            format!(
                "{what} cannot follow {stream} at {}: {error}",
                header.first_sequence
            )
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
        self.folded_since_tick = true;
        Ok(true)
    }

    /// Ends a tick: boards are pushed into broadcast, and frames are cut.
    fn tick(&mut self, now: TimeMicros) {
        self.ticked_at = now;
        self.folded_since_tick = false;
        self.ticked_time = self.broadcast.time();
        let mut laps = Laps::start();
        let boards = self.boards.publish();
        self.done.boards.busy_nanos += laps.nanos();
        for hunt in self.catalog.hunts() {
            for name in [BoardName::Total, BoardName::Best, BoardName::Second] {
                if self
                    .broadcast
                    .wants_board(hunt.number, wire_name(name), now)
                    && let Some(update) = board_update(&boards, hunt.number, name, &self.position)
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

    fn view(&mut self) -> View {
        let catalog = Arc::new(self.catalog.clone());
        let mut laps = Laps::start();
        let boards = self.boards.publish();
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

fn broadcast_limits(config: &NodeConfig) -> BroadcastLimits {
    BroadcastLimits {
        board_interval_ms: u64::try_from(config.board_interval.as_millis()).unwrap_or(u64::MAX),
        ..BroadcastLimits::default()
    }
}

/// What live sockets are shown of a board.
fn board_update(
    boards: &BoardsVersion,
    hunt: HuntNumber,
    name: BoardName,
    position: &Position,
) -> Option<BoardUpdate> {
    let view = boards.board(hunt, name)?;
    let window = view.window();
    let entries = view.top(PUSHED_ENTRIES).into_iter();
    Some(BoardUpdate {
        board: wire_name(name),
        window: BoardWindow {
            start: window.start.map(Into::into),
            end: window.end.map(Into::into),
            is_final: window.is_final,
        },
        position: position.clone(),
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

fn wire_name(name: BoardName) -> huntcore_wire::BoardName {
    match name {
        BoardName::Total => huntcore_wire::BoardName::Total,
        BoardName::Best => huntcore_wire::BoardName::Best,
        BoardName::Second => huntcore_wire::BoardName::Second,
    }
}

/// The batches of all streams, merged by their times, so that no projection sees one
/// stream's month ahead of another's first day.
struct ByTime {
    streams: Vec<Peekable<BatchReader>>,
}

impl Iterator for ByTime {
    type Item = Result<Batch, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let time_of = |next: &Result<Batch, ReadError>| match next {
            Ok(batch) => batch.header().time,
            // An error is to be heard of before anything else.
            Err(_) => TimeMicros::ZERO,
        };
        let streams = self.streams.iter_mut();
        let next = streams.filter_map(|stream| Some((time_of(stream.peek()?), stream)));
        let (_, stream) = next.min_by_key(|(time, _)| *time)?;
        stream.next()
    }
}
