//! A backend in memory: one shard, a clock that only the test moves, and the real folds of
//! catalog, boards and broadcast behind it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use huntcore_edge::{
    Backend, CommandError, Commanded, Corrected, CorrectionError, EventOutcome, FlagTurn,
    HuntCommand, LogSource, PublishedMap, Readiness, TrailSource, Unavailable, View,
};
use huntcore_lane::{
    Bell, Entrance, EntranceLimits, Lane, LaneOptions, Listen, PendingBlock, ShardPort,
};
use huntcore_map::CellList;
use huntcore_model::{
    ControlRecord, FlagSet, Hash32, HuntNumber, Outcome, Record, ScoreEvent, Sequence, ShardMap,
    TimeMicros,
};
use huntcore_wire::{CorrectionKind, Stats};
use tokio::sync::{Notify, watch};

// Named by its path, because an example includes this file by its own.
#[path = "fake/definitions.rs"]
mod definitions;
#[path = "fake/ledger.rs"]
mod ledger;
#[path = "fake/refresh.rs"]
mod refresh;

use ledger::{Inner, SHARD};

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
    entrance: Entrance,
    bell: Bell,
}

/// Decides what comes by lanes, on a thread of its own, for as long as the fake lives.
fn serve(fake: &Weak<Fake>, port: &ShardPort) {
    let mut decided: Vec<PendingBlock> = Vec::new();
    while let Some(fake) = fake.upgrade() {
        while let Some(mut block) = port.pop() {
            let (attempts, outcomes) = block.parts_mut();
            let now = fake.now();
            let mut inner = fake.lock();
            outcomes.extend(attempts.iter().map(|attempt| inner.claim(&attempt, now)));
            fake.publish(inner);
            decided.push(block);
            fake.arrived.notify_waiters();
            fake.arrived.notify_one();
        }
        let mut holds = fake.holds_claims.subscribe();
        if !*holds.borrow_and_update() {
            decided.drain(..).for_each(PendingBlock::answer);
        }
        drop(fake);
        port.wait(Duration::from_secs(3_600), Listen::All, || {
            !port.is_empty() || holds.has_changed().unwrap_or(true)
        });
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.bell.ring();
    }
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        // A whole second, so that windows start where tests say.
        let start = TimeMicros::from_millis(since_epoch.as_secs() * 1_000);
        let mut inner = Inner::new();
        let view = inner.publish(start);
        let (entrance, mut ports) = huntcore_lane::exchange(
            ShardMap::new(1).expect("one shard"),
            EntranceLimits::default(),
        );
        let port = ports.remove(0);
        let fake = Arc::new(Self {
            inner: Mutex::new(inner),
            view: ArcSwap::from_pointee(view),
            versions: watch::Sender::new(0),
            clock: AtomicU64::new(start.get()),
            holds_views: AtomicBool::new(false),
            is_stuck: AtomicBool::new(false),
            holds_claims: watch::Sender::new(false),
            arrived: Notify::new(),
            entrance,
            bell: port.bell(),
        });
        let weak = Arc::downgrade(&fake);
        std::thread::spawn(move || serve(&weak, &port));
        fake
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

    /// Lets boards that are ranked anew rest until so many versions were asked for.
    pub(crate) fn rest_for(&self, versions: u32) {
        self.lock().rests = versions;
    }

    pub(crate) fn hold_claims(&self, holds: bool) {
        self.holds_claims.send_replace(holds);
        self.bell.ring();
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
        let mut inner = self.lock();
        inner.rests = inner.rests.saturating_sub(1);
        let view = inner.publish(self.now());
        self.view.store(Arc::new(view));
        drop(inner);
        self.versions.send_modify(|version| *version += 1);
    }

    fn lane(&self, options: LaneOptions) -> Lane {
        self.entrance.lane(options)
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

    fn correct(
        &self,
        hunt: HuntNumber,
        what: CorrectionKind,
        reason: String,
    ) -> BoxFuture<'static, Result<Corrected, CorrectionError>> {
        let now = self.now();
        let mut inner = self.lock();
        let done = inner.correct(hunt, &what, reason, now);
        self.publish(inner);
        async move { done }.boxed()
    }

    fn turn_flag(&self, turn: FlagTurn) -> BoxFuture<'static, Result<Sequence, CommandError>> {
        let now = self.now();
        let mut inner = self.lock();
        let visible_from = inner.control(
            now,
            ControlRecord::FlagSet(FlagSet {
                flag: turn.flag,
                hunt: turn.hunt,
                board: turn.board,
                value: turn.value,
                by: turn.by,
                reason: turn.reason,
                set_at: now,
            }),
        );
        self.publish(inner);
        async move { Ok(visible_from) }.boxed()
    }

    fn cells(&self, hunt: HuntNumber, version: u32) -> BoxFuture<'static, Option<Arc<CellList>>> {
        let cells = self
            .lock()
            .configs
            .get(&(hunt, version))
            .map(|map| Arc::clone(map.cells()));
        async move { cells }.boxed()
    }

    fn log(&self) -> Option<Arc<dyn LogSource>> {
        None
    }

    fn trail(&self) -> Option<Arc<dyn TrailSource>> {
        None
    }

    fn map(
        &self,
        map: Hash32,
    ) -> BoxFuture<'static, Result<Option<Arc<PublishedMap>>, Unavailable>> {
        let inner = self.lock();
        let found = inner.maps.get(&map).map(|(hunt, map)| {
            let entry = inner.catalog.by_number(*hunt).expect("it has a map");
            let round = entry.round(map.round()).expect("it has a map");
            let hidden = entry
                .version_for(map.round())
                .expect("announced")
                .config
                .values_hidden;
            let visible = !hidden || round.seed.is_some();
            Arc::new(PublishedMap::of(map, visible))
        });
        async move { Ok(found) }.boxed()
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
