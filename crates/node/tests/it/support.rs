//! A node over a log that can be made to fail, and a hunt to play in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use huntcore_edge::{Backend, HuntCommand, View};
use huntcore_lane::{ATTEMPTS_MAX, LaneOptions};
use huntcore_log::{FaultLog, MemoryOptions};
use huntcore_map::FairnessKey;
use huntcore_model::{
    AttemptRef, HuntId, HuntNumber, Outcome, PlayerId, RoundNumber, ShardMap, TileIndex, TimeMicros,
};
use huntcore_node::{Clock, Node, NodeConfig, StartError, SystemClock};
use serde_json::json;

/// How long anything that must happen may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const HUNT: HuntNumber = HuntNumber::new(0);

pub(crate) fn config(shards: u16) -> NodeConfig {
    let mut config = NodeConfig::new(FairnessKey::new([7; 32]));
    config.shards = ShardMap::new(shards).expect("few");
    config
}

pub(crate) fn fault_log() -> Arc<FaultLog> {
    Arc::new(FaultLog::new(MemoryOptions::default()))
}

pub(crate) fn start(config: NodeConfig, log: &Arc<FaultLog>) -> Result<Arc<Node>, StartError> {
    Node::start(config, log.clone(), Arc::new(SystemClock::default()))
}

/// The hunt `park` with 64 tiles, rounds of 100 ms and windows of a minute.
pub(crate) fn park() -> HuntCommand {
    park_with("100ms", "60s")
}

/// The hunt `park` with 64 tiles.
pub(crate) fn park_with(round: &str, claim_window: &str) -> HuntCommand {
    let around = |size: f64| {
        json!([[
            [0.0, 0.0],
            [size, 0.0],
            [size, size],
            [0.0, size],
            [0.0, 0.0]
        ]])
    };
    let request = serde_json::from_value(json!({
        "id": "park",
        "area": {"type": "Polygon", "coordinates": around(0.01)},
        "resolution": 10,
        "round": round,
        "claim_window": claim_window,
        "tiles": 64,
    }));
    HuntCommand::Create(Box::new(request.expect("a valid request")))
}

pub(crate) async fn create_park(node: &Node) {
    let done = node.command(park()).await.expect("created");
    assert_eq!(done.hunt, HUNT);
}

/// Waits for a view that shows what is looked for.
pub(crate) async fn until_view<T>(
    node: &Node,
    what: &str,
    mut look: impl FnMut(&View) -> Option<T>,
) -> T {
    let mut views = node.views();
    let looking = async {
        loop {
            views.borrow_and_update();
            if let Some(found) = look(&node.view()) {
                return found;
            }
            views.changed().await.expect("the node lives");
        }
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .unwrap_or_else(|_| panic!("{what}: never"))
}

/// Waits until a round is open by the clock, and says which.
pub(crate) async fn open_round(node: &Node) -> RoundNumber {
    until_view(node, "an open round", |view| {
        let hunt = view.catalog.hunt(&HuntId::new("park").expect("a slug"))?;
        Some(hunt.newest_open_round(view.time)?.opened.round)
    })
    .await
}

/// An attempt that owns its player's id.
pub(crate) struct Attempt {
    hunt: HuntNumber,
    round: RoundNumber,
    tile: TileIndex,
    player: PlayerId,
}

pub(crate) fn attempt(round: RoundNumber, tile: u32, player: &str) -> Attempt {
    Attempt {
        hunt: HUNT,
        round,
        tile: TileIndex::new(tile),
        player: PlayerId::new(player).expect("a valid id"),
    }
}

/// Attempts handed in all at once, by a lane that is theirs alone.
pub(crate) trait Claims {
    /// What came of each, in order. Handed in already if the future is dropped.
    fn claim(&self, attempts: Vec<Attempt>) -> BoxFuture<'static, Vec<Outcome>>;
}

impl Claims for Node {
    fn claim(&self, attempts: Vec<Attempt>) -> BoxFuture<'static, Vec<Outcome>> {
        let submissions = attempts.chunks(ATTEMPTS_MAX);
        let mut lane = self.lane(LaneOptions {
            submissions_max: submissions.len(),
        });
        for attempts in submissions {
            let mut submission = lane.start().expect("one for each");
            for attempt in attempts {
                submission.push(AttemptRef {
                    hunt: attempt.hunt,
                    round: attempt.round,
                    tile: attempt.tile,
                    player: attempt.player.as_str(),
                });
            }
            lane.submit(submission);
        }
        Box::pin(async move {
            let mut outcomes = Vec::new();
            while let Some(answered) = lane.answered().await {
                outcomes.extend(answered.outcomes());
                lane.recycle(answered);
            }
            outcomes
        })
    }
}

/// Every tile of a round, tried by two players in turn.
pub(crate) async fn race(node: &Node, round: RoundNumber) -> Vec<Outcome> {
    let both = ["ada", "bob"];
    let attempts = both
        .into_iter()
        .flat_map(|player| (0..64).map(move |tile| attempt(round, tile, player)));
    node.claim(attempts.collect()).await
}

/// The machine's clock, moved ahead.
#[derive(Default)]
pub(crate) struct Ahead {
    clock: SystemClock,
    millis: AtomicU64,
}

impl Ahead {
    pub(crate) fn leap(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).expect("a few days");
        self.millis.fetch_add(by, Ordering::Relaxed);
    }
}

impl Clock for Ahead {
    fn now(&self) -> TimeMicros {
        let ahead = self.millis.load(Ordering::Relaxed);
        self.clock.now().plus_millis(ahead)
    }

    fn advance_to(&self, time: TimeMicros) {
        let ahead = self.millis.load(Ordering::Relaxed);
        self.clock.advance_to(time.minus_millis(ahead));
    }
}

/// What a metric says, or the sum over its labels; 0 if there is none.
pub(crate) fn metric(node: &Node, name: &str) -> f64 {
    let mut page = String::new();
    node.render_metrics(&mut page);
    let lines = page.lines().filter_map(|line| line.strip_prefix(name));
    let values = lines.filter(|rest| rest.starts_with(['{', ' ']));
    let numbers = values.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok());
    numbers.sum()
}

/// Waits until a metric is greater than it is now by at least `more`. The hunts have to be
/// running: views then come several times a second.
pub(crate) async fn until_more(node: &Node, name: &str, more: f64) {
    let before = metric(node, name);
    let grown = |_: &View| (metric(node, name) >= before + more).then_some(());
    until_view(node, name, grown).await;
}
