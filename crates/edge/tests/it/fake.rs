//! A backend in memory: one shard, a clock that only the test moves, and the real folds of
//! catalog, boards and broadcast behind it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use huntcore_board::{BoardLimits, Boards};
use huntcore_broadcast::{BoardUpdate, Broadcast, BroadcastLimits};
use huntcore_edge::{
    Backend, CommandError, Commanded, EventOutcome, HuntCommand, PublishedMap, Readiness, View,
};
use huntcore_map::{Area, CellList, MapConfig, RoundMap, Seed, ValueTable};
use huntcore_model::{
    Attempt, Batch, BatchBuilder, Catalog, ClaimRecord, ConfigVersion, ControlRecord, Epoch,
    EventDigest, Hash32, HuntConfig, HuntCreated, HuntEntry, HuntNumber, Outcome, PlayerId,
    PlayerNumber, Record, RoundNumber, RoundOpened, RoundSchedule, Salt, ScoreEvent, ScoreRecord,
    Sequence, ShardId, ShardMap, Tail, TileIndex, TimeMicros, ValueWeight,
};
use huntcore_wire::{
    BoardEntry, BoardName, BoardWindow, HuntChange, HuntRequest, Stats, Timestamp,
};
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};

const SHARD: ShardId = ShardId::new(0);
/// Rounds are announced this long before they open.
const AHEAD_MS: u64 = 1_000;

/// See the module.
pub(crate) struct Fake {
    inner: Mutex<Inner>,
    view: ArcSwap<View>,
    versions: watch::Sender<u64>,
    clock: AtomicU64,
    /// While set, only [`Backend::publish_now`] makes versions.
    holds_views: AtomicBool,
    /// While set, not even that does.
    is_stuck: AtomicBool,
    /// While set, attempts wait for it to be cleared.
    holds_claims: watch::Sender<bool>,
    /// Told of every attempt that arrives.
    pub(crate) arrived: Notify,
}

struct Inner {
    catalog: Catalog,
    boards: Boards,
    broadcast: Broadcast,
    control: Tail,
    shard: Tail,
    players: HashMap<PlayerId, PlayerNumber>,
    claims: HashMap<(HuntNumber, RoundNumber, TileIndex), (PlayerId, Sequence, u32)>,
    events: HashMap<(HuntNumber, String, PlayerId), (EventDigest, Sequence)>,
    configs: HashMap<(HuntNumber, u32), MapConfig>,
    maps: HashMap<Hash32, (HuntNumber, RoundMap)>,
    refusal: Option<Outcome>,
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        // A whole second, so that windows start where tests say.
        let start = TimeMicros::from_millis(since_epoch.as_secs() * 1_000);
        let shards = ShardMap::new(1).expect("one shard");
        let mut inner = Inner {
            catalog: Catalog::new(),
            boards: Boards::new(shards, BoardLimits::default()),
            broadcast: Broadcast::new(
                shards,
                BroadcastLimits {
                    board_interval_ms: 0,
                    ..BroadcastLimits::default()
                },
            ),
            control: Tail::default(),
            shard: Tail::default(),
            players: HashMap::new(),
            claims: HashMap::new(),
            events: HashMap::new(),
            configs: HashMap::new(),
            maps: HashMap::new(),
            refusal: None,
        };
        let view = inner.publish(start);
        Arc::new(Self {
            inner: Mutex::new(inner),
            view: ArcSwap::from_pointee(view),
            versions: watch::Sender::new(0),
            clock: AtomicU64::new(start.get()),
            holds_views: AtomicBool::new(false),
            is_stuck: AtomicBool::new(false),
            holds_claims: watch::Sender::new(false),
            arrived: Notify::new(),
        })
    }

    /// Moves the clock on, opens and announces what is due, and publishes.
    pub(crate) fn advance(&self, millis: u64) -> TimeMicros {
        let now = TimeMicros::new(self.clock.load(Ordering::SeqCst)).plus_millis(millis);
        self.set_clock(now);
        now
    }

    pub(crate) fn set_clock(&self, now: TimeMicros) {
        self.clock.store(now.get(), Ordering::SeqCst);
        let mut inner = self.lock();
        inner.announce(now);
        inner.commit(SHARD, now, |batch, _| batch.push(&Record::Time));
        self.publish(inner);
    }

    pub(crate) fn hold_views(&self, holds: bool) {
        self.holds_views.store(holds, Ordering::SeqCst);
    }

    pub(crate) fn be_stuck(&self, stuck: bool) {
        self.is_stuck.store(stuck, Ordering::SeqCst);
    }

    pub(crate) fn hold_claims(&self, holds: bool) {
        self.holds_claims.send_replace(holds);
    }

    /// Answers every attempt with `refusal` from now on.
    pub(crate) fn refuse(&self, refusal: Option<Outcome>) {
        self.lock().refusal = refusal;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics inside")
    }

    fn publish(&self, mut inner: MutexGuard<'_, Inner>) {
        if !self.holds_views.load(Ordering::SeqCst) {
            let view = inner.publish(self.now());
            self.view.store(Arc::new(view));
            drop(inner);
            self.versions.send_modify(|version| *version += 1);
        }
    }
}

impl Inner {
    fn commit(
        &mut self,
        stream: ShardId,
        now: TimeMicros,
        write: impl FnOnce(&mut BatchBuilder, &mut Self),
    ) -> Batch {
        let mut builder = BatchBuilder::new();
        write(&mut builder, self);
        let tail = if stream == SHARD {
            self.shard
        } else {
            self.control
        };
        let time = now.max(tail.time);
        let batch = builder.finish(stream, Epoch::new(1), &tail, time, tail.sequence);
        self.boards.apply(&batch).expect("in order");
        self.broadcast.apply(&batch).expect("in order");
        match stream == SHARD {
            true => self.shard = batch.tail(),
            false => self.control = batch.tail(),
        }
        batch
    }

    fn control(&mut self, now: TimeMicros, record: ControlRecord) -> Sequence {
        let at = self.control.sequence;
        self.catalog.apply(at, &record).expect("valid");
        let record = Box::new(record);
        self.commit(ShardId::CONTROL, now, |batch, _| {
            batch.push(&Record::Control { at, record });
        });
        at.advanced(1)
    }

    /// A player's number, written first if it is new.
    fn number(&mut self, batch: &mut BatchBuilder, player: &PlayerId) -> PlayerNumber {
        if let Some(&number) = self.players.get(player) {
            return number;
        }
        let next = u32::try_from(self.players.len()).expect("few");
        let number = PlayerNumber::new(next);
        batch.push_player(number, player.as_str(), Salt([7; 16]));
        self.players.insert(player.clone(), number);
        number
    }

    fn publish(&mut self, now: TimeMicros) -> View {
        let boards = self.boards.publish();
        let hunts: Vec<HuntNumber> = self.catalog.hunts().map(|entry| entry.number).collect();
        for hunt in hunts {
            for (name, shown) in [
                (huntcore_board::BoardName::Total, BoardName::Total),
                (huntcore_board::BoardName::Best, BoardName::Best),
            ] {
                let Some(board) = boards.board(hunt, name).filter(|board| !board.is_empty()) else {
                    continue;
                };
                let entries = board.top(100).into_iter().map(|entry| BoardEntry {
                    rank: entry.rank,
                    player: entry.player.clone(),
                    score: entry.score,
                });
                self.broadcast.push_board(
                    hunt,
                    BoardUpdate {
                        board: shown,
                        window: BoardWindow::WHOLE_HUNT,
                        position: boards.position().clone(),
                        players: board.len() as u64,
                        entries: entries.collect(),
                    },
                );
            }
        }
        self.broadcast.cut_tick(now);
        View {
            catalog: Arc::new(self.catalog.clone()),
            position: boards.position().clone(),
            boards,
            feeds: self.broadcast.publish(),
            time: now,
        }
    }

    /// Announces the rounds that open soon, and publishes seeds of those that have closed.
    fn announce(&mut self, now: TimeMicros) {
        let entries: Vec<Arc<HuntEntry>> = self.catalog.hunts().cloned().collect();
        for entry in entries
            .into_iter()
            .filter(|entry| entry.closed_at.is_none())
        {
            let from = entry
                .last_announced()
                .map_or(RoundNumber::FIRST, |last| last.opened.round.next());
            let Some(until) = entry.newest_round(now.plus_millis(AHEAD_MS)) else {
                continue;
            };
            for round in (from.get()..=until.get()).map(RoundNumber::new) {
                if let Some(schedule) = entry.schedule(round) {
                    self.open(&entry, round, schedule, now);
                }
            }
            for round in entry.rounds().filter(|round| round.seed.is_none()) {
                let RoundOpened {
                    hunt,
                    round,
                    schedule,
                    ..
                } = round.opened;
                if schedule.closes_at <= now {
                    let seed = seed(&entry, round).reveal();
                    self.control(now, ControlRecord::SeedPublished { hunt, round, seed });
                }
            }
        }
    }

    fn open(
        &mut self,
        entry: &HuntEntry,
        round: RoundNumber,
        schedule: RoundSchedule,
        now: TimeMicros,
    ) {
        let version = entry
            .version_for(round)
            .expect("announced rounds have one")
            .version;
        let config = self.configs[&(entry.number, version)].clone();
        let seed = seed(entry, round);
        let map = RoundMap::generate(&entry.id, round, &config, &seed);
        let opened = RoundOpened {
            hunt: entry.number,
            round,
            config_version: version,
            map: map.name(),
            commitment: seed.commitment(round),
            layout: seed.layout(),
            tiles: config.tiles(),
            schedule,
        };
        self.maps.insert(map.name(), (entry.number, map));
        self.control(now, ControlRecord::RoundOpened(opened));
    }

    fn claim(&mut self, attempt: &Attempt, now: TimeMicros) -> Outcome {
        if let Some(refusal) = self.refusal {
            return refusal;
        }
        let Some(entry) = self.catalog.by_number(attempt.hunt).cloned() else {
            return Outcome::UnknownHunt;
        };
        let Some(round) = entry.round(attempt.round) else {
            return match entry
                .schedule(attempt.round)
                .filter(|due| due.opens_at > now)
            {
                Some(due) => Outcome::NotYetOpen {
                    opens_at: due.opens_at,
                },
                None => Outcome::UnknownTile,
            };
        };
        if attempt.tile.get() >= round.opened.tiles {
            return Outcome::UnknownTile;
        }
        let key = (attempt.hunt, attempt.round, attempt.tile);
        if let Some((winner, sequence, points)) = self.claims.get(&key) {
            let (shard, sequence, points) = (SHARD, *sequence, *points);
            return match *winner == attempt.player {
                true => Outcome::Won {
                    shard,
                    sequence,
                    points,
                },
                false => Outcome::Taken { shard, sequence },
            };
        }
        let schedule = round.opened.schedule;
        if now >= schedule.closes_at || entry.closed_at.is_some() {
            return Outcome::Expired;
        }
        if entry.paused {
            return Outcome::HuntPaused;
        }
        if now < schedule.opens_at {
            return Outcome::NotYetOpen {
                opens_at: schedule.opens_at,
            };
        }
        let points = self.maps[&round.opened.map]
            .1
            .tile(attempt.tile)
            .expect("checked")
            .points;
        let batch = self.commit(SHARD, now, |batch, inner| {
            let player = inner.number(batch, &attempt.player);
            batch.push(&Record::Claim(ClaimRecord {
                hunt: attempt.hunt,
                round: attempt.round,
                tile: attempt.tile,
                player,
                points,
            }));
        });
        let sequence = Sequence::new(batch.header().next_sequence().get() - 1);
        self.claims
            .insert(key, (attempt.player.clone(), sequence, points));
        Outcome::Won {
            shard: SHARD,
            sequence,
            points,
        }
    }

    fn record(&mut self, event: &ScoreEvent, now: TimeMicros) -> EventOutcome {
        let Some(entry) = self.catalog.by_number(event.hunt) else {
            return EventOutcome::UnknownHunt;
        };
        if entry.closed_at.is_some() {
            return EventOutcome::HuntClosed;
        }
        let key = (
            event.hunt,
            event.event_id.as_str().to_owned(),
            event.player.clone(),
        );
        let digest = event.digest();
        if let Some(&(known, sequence)) = self.events.get(&key) {
            return match known == digest {
                true => EventOutcome::Duplicate {
                    shard: SHARD,
                    sequence,
                },
                false => EventOutcome::Conflict,
            };
        }
        let batch = self.commit(SHARD, now, |batch, inner| {
            let player = inner.number(batch, &event.player);
            batch.push(&Record::Score(ScoreRecord {
                hunt: event.hunt,
                player,
                event_id: event.event_id.as_str(),
                event_type: event.event_type.as_str(),
                score: event.score,
                sent_at: event.sent_at,
                payload: &event.payload,
                digest,
            }));
        });
        let sequence = Sequence::new(batch.header().next_sequence().get() - 1);
        self.events.insert(key, (digest, sequence));
        EventOutcome::Accepted {
            shard: SHARD,
            sequence,
        }
    }

    fn create(
        &mut self,
        request: &HuntRequest,
        now: TimeMicros,
    ) -> Result<Commanded, CommandError> {
        if self.catalog.hunt(&request.id).is_some() {
            return Err(CommandError::HuntExists {
                id: request.id.clone(),
            });
        }
        let values = request
            .values
            .iter()
            .copied()
            .map(ValueWeight::from)
            .collect();
        let area = Area::from_value(&request.area).map_err(invalid)?;
        let (map, config) = configure(
            1,
            &area,
            request.resolution,
            (request.round.millis(), request.claim_window.millis()),
            request.tiles,
            values,
            request.values_hidden,
        )?;
        let hunt = HuntNumber::new(u32::try_from(self.catalog.hunts().len()).expect("few"));
        let starts_at = request.starts_at.map_or(now, Timestamp::micros);
        let ends_at = request.ends_at.map(Timestamp::micros);
        if ends_at.is_some_and(|ends_at| ends_at <= starts_at) {
            return Err(invalid("ends_at is not after starts_at"));
        }
        self.configs.insert((hunt, 1), map);
        let visible_from = self.control(
            now,
            ControlRecord::HuntCreated(HuntCreated {
                hunt,
                id: request.id.clone(),
                created_at: now,
                starts_at,
                ends_at,
                config,
                anchor: Hash32::new([9; 32]),
            }),
        );
        self.announce(now);
        Ok(Commanded { hunt, visible_from })
    }

    fn change(
        &mut self,
        hunt: HuntNumber,
        change: &HuntChange,
        now: TimeMicros,
    ) -> Result<Commanded, CommandError> {
        let entry = self.changeable(hunt)?;
        let mut visible_from = self.control.sequence;
        if let Some(ends_at) = change.ends_at {
            let ends_at = ends_at.map(Timestamp::micros);
            visible_from = self.control(now, ControlRecord::HuntEndMoved { hunt, ends_at });
        }
        if change.changes_config() {
            let old = entry.latest_version();
            let version = old.version + 1;
            let area = match &change.area {
                Some(area) => Area::from_value(area),
                None => Area::parse(&old.config.area),
            };
            let values = change
                .values
                .as_ref()
                .map_or(old.config.values.clone(), |rows| {
                    rows.iter().copied().map(ValueWeight::from).collect()
                });
            let millis = |given: Option<huntcore_wire::DurationText>, kept| {
                given.map_or(kept, huntcore_wire::DurationText::millis)
            };
            let (map, config) = configure(
                version,
                &area.map_err(invalid)?,
                change.resolution.unwrap_or(old.config.resolution),
                (
                    millis(change.round, old.config.round_ms),
                    millis(change.claim_window, old.config.claim_window_ms),
                ),
                change.tiles.unwrap_or(old.config.tiles),
                values,
                change.values_hidden.unwrap_or(old.config.values_hidden),
            )?;
            let from_round = entry
                .last_announced()
                .map_or(RoundNumber::FIRST, |last| last.opened.round.next());
            let from_time = entry.schedule(from_round).map_or(now, |due| due.opens_at);
            self.configs.insert((hunt, version), map);
            visible_from = self.control(
                now,
                ControlRecord::HuntChanged {
                    hunt,
                    version: ConfigVersion {
                        version,
                        from_round,
                        from_time,
                        config,
                    },
                },
            );
        }
        Ok(Commanded { hunt, visible_from })
    }

    fn changeable(&self, hunt: HuntNumber) -> Result<Arc<HuntEntry>, CommandError> {
        let entry = self
            .catalog
            .by_number(hunt)
            .ok_or(CommandError::UnknownHunt)?;
        match entry.closed_at {
            Some(_) => Err(CommandError::HuntClosed),
            None => Ok(Arc::clone(entry)),
        }
    }
}

fn seed(entry: &HuntEntry, round: RoundNumber) -> Seed {
    let mut hasher = Sha256::new();
    hasher.update(entry.id.as_str());
    hasher.update(round.get().to_be_bytes());
    Seed::new(Hash32::new(hasher.finalize().into()))
}

fn invalid(reason: impl ToString) -> CommandError {
    CommandError::Invalid {
        reason: reason.to_string(),
    }
}

fn configure(
    version: u32,
    area: &Area,
    resolution: u8,
    (round_ms, claim_window_ms): (u64, u64),
    tiles: u32,
    values: Vec<ValueWeight>,
    values_hidden: bool,
) -> Result<(MapConfig, HuntConfig), CommandError> {
    if !(100..=3_600_000).contains(&round_ms) || !(round_ms..=3_600_000).contains(&claim_window_ms)
    {
        return Err(invalid("round or claim_window is out of range"));
    }
    let cells = Arc::new(area.cells(resolution).map_err(invalid)?);
    let table = ValueTable::new(values.clone()).map_err(invalid)?;
    let map = MapConfig::new(version, Arc::clone(&cells), tiles, table).map_err(invalid)?;
    let config = HuntConfig {
        area: area.outline().to_string(),
        resolution,
        round_ms,
        claim_window_ms,
        tiles,
        values,
        values_hidden,
        cells: cells.count(),
        cells_hash: cells.hash(),
        config_hash: map.hash(),
    };
    Ok((map, config))
}

impl Backend for Fake {
    fn now(&self) -> TimeMicros {
        TimeMicros::new(self.clock.load(Ordering::SeqCst))
    }

    fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    fn views(&self) -> watch::Receiver<u64> {
        self.versions.subscribe()
    }

    fn publish_now(&self) {
        if self.is_stuck.load(Ordering::SeqCst) {
            return;
        }
        let view = self.lock().publish(self.now());
        self.view.store(Arc::new(view));
        self.versions.send_modify(|version| *version += 1);
    }

    fn claim(&self, attempts: Vec<Attempt>) -> BoxFuture<'static, Vec<Outcome>> {
        let now = self.now();
        let mut inner = self.lock();
        let outcomes: Vec<Outcome> = attempts
            .iter()
            .map(|attempt| inner.claim(attempt, now))
            .collect();
        self.publish(inner);
        self.arrived.notify_waiters();
        self.arrived.notify_one();
        let mut holds = self.holds_claims.subscribe();
        async move {
            holds
                .wait_for(|holds| !holds)
                .await
                .expect("the fake lives on");
            outcomes
        }
        .boxed()
    }

    fn record_events(&self, events: Vec<ScoreEvent>) -> BoxFuture<'static, Vec<EventOutcome>> {
        let now = self.now();
        let mut inner = self.lock();
        let outcomes: Vec<_> = events
            .iter()
            .map(|event| inner.record(event, now))
            .collect();
        self.publish(inner);
        async move { outcomes }.boxed()
    }

    fn command(&self, command: HuntCommand) -> BoxFuture<'static, Result<Commanded, CommandError>> {
        let now = self.now();
        let mut inner = self.lock();
        let mut switch = |hunt, record| {
            inner.changeable(hunt)?;
            let visible_from = inner.control(now, record);
            Ok(Commanded { hunt, visible_from })
        };
        let done = match command {
            HuntCommand::Pause { hunt } => switch(hunt, ControlRecord::HuntPaused { hunt }),
            HuntCommand::Resume { hunt } => switch(hunt, ControlRecord::HuntResumed { hunt }),
            HuntCommand::Close { hunt } => switch(
                hunt,
                ControlRecord::HuntClosed {
                    hunt,
                    closed_at: now,
                },
            ),
            HuntCommand::Create(request) => inner.create(&request, now),
            HuntCommand::Change { hunt, change } => inner.change(hunt, &change, now),
        };
        inner.commit(SHARD, now, |batch, _| batch.push(&Record::Time));
        self.publish(inner);
        async move { done }.boxed()
    }

    fn cells(&self, hunt: HuntNumber, version: u32) -> BoxFuture<'static, Option<Arc<CellList>>> {
        let cells = self
            .lock()
            .configs
            .get(&(hunt, version))
            .map(|map| Arc::clone(map.cells()));
        async move { cells }.boxed()
    }

    fn map(&self, map: Hash32) -> BoxFuture<'static, Option<Arc<PublishedMap>>> {
        let inner = self.lock();
        let found = inner.maps.get(&map).map(|(hunt, map)| {
            let entry = inner.catalog.by_number(*hunt).expect("it has a map");
            let round = entry.round(map.round()).expect("it has a map");
            let hidden = entry
                .version_for(map.round())
                .expect("announced")
                .config
                .values_hidden;
            Arc::new(PublishedMap {
                map: map.clone(),
                values_visible: !hidden || round.seed.is_some(),
            })
        });
        async move { found }.boxed()
    }

    fn readiness(&self) -> Readiness {
        match self.is_stuck.load(Ordering::SeqCst) {
            true => Readiness::NotReady {
                reason: "stuck".to_owned(),
            },
            false => Readiness::Ready,
        }
    }

    fn stats(&self) -> Stats {
        Stats {
            server_time: self.now().into(),
            ..Stats::default()
        }
    }

    fn render_metrics(&self, out: &mut String) {
        out.push_str("# TYPE fake_up gauge\nfake_up 1\n");
    }
}
