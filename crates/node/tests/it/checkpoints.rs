//! Starts from checkpoints: equal to never having stopped, whichever of them is good.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use huntcore_checkpoint::{Checkpoint, Listing};
use huntcore_disk::Disk;
use huntcore_disk::simulated::{Fault as DiskFault, SimulatedDisk};
use huntcore_edge::{Backend, EventOutcome, View};
use huntcore_log::{Fault, FaultLog, Log};
use huntcore_model::{
    BoardName, EventId, EventType, Outcome, PlayerId, Position, RoundNumber, ScoreEvent, ShardId,
};
use huntcore_node::{CheckpointHome, Node, NodeConfig};
use huntcore_wire::LiveForm;

use crate::support::{
    Claims as _, HUNT, attempt, config, create_park, fault_log, metric, open_round, race, start,
    until_more, until_view,
};

fn directory() -> PathBuf {
    PathBuf::from("/data/checkpoints")
}

/// A node's configuration that takes checkpoints all the time.
fn checkpointing(shards: u16, disk: &SimulatedDisk) -> NodeConfig {
    let mut config = config(shards);
    config.checkpoints = Some(CheckpointHome::on(Arc::new(disk.clone()), directory()));
    config.checkpoint_every = Duration::from_millis(20);
    config
}

/// The same, and the log is trimmed as far as checkpoints allow.
fn forgetful(shards: u16, disk: &SimulatedDisk) -> NodeConfig {
    let mut config = checkpointing(shards, disk);
    config.retention = Duration::ZERO;
    config
}

fn list(disk: &SimulatedDisk) -> Listing {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    huntcore_checkpoint::list(&disk, &directory()).expect("the disk works")
}

fn event(number: u32) -> ScoreEvent {
    ScoreEvent {
        hunt: HUNT,
        event_id: EventId::new(&format!("e-{number}")).expect("valid"),
        player: PlayerId::new(&format!("player-{}", number % 5)).expect("valid"),
        event_type: EventType::new("boss").expect("valid"),
        score: i64::from(number),
        sent_at: None,
        payload: String::new(),
    }
}

/// What a node has told: of every round the outcomes of a race, and of events.
struct Told {
    races: BTreeMap<RoundNumber, Vec<Outcome>>,
    events: Vec<EventOutcome>,
}

impl Told {
    async fn ask(node: &Node, rounds: &[RoundNumber]) -> Self {
        let mut races = BTreeMap::new();
        for &round in rounds {
            races.insert(round, race(node, round).await);
        }
        Self {
            races,
            events: node.record_events((0..20).map(event).collect()).await,
        }
    }

    /// Up to where in the log all of it is.
    fn position(&self) -> Position {
        let mut position = Position::start();
        let outcomes = self.races.values().flatten();
        let won = outcomes.filter_map(|outcome| match outcome {
            Outcome::Won {
                shard, sequence, ..
            } => Some((*shard, *sequence)),
            _ => None,
        });
        let taken = self.events.iter().filter_map(|outcome| match outcome {
            EventOutcome::Accepted { shard, sequence }
            | EventOutcome::Duplicate { shard, sequence } => Some((*shard, *sequence)),
            _ => None,
        });
        for (shard, sequence) in won.chain(taken) {
            position.merge(&Position::after(shard, sequence));
        }
        position
    }

    fn assert_again(&self, later: &Self, context: &str) {
        assert_eq!(self.races, later.races, "{context}");
        for (first, again) in std::iter::zip(&self.events, &later.events) {
            let (EventOutcome::Accepted { shard, sequence }
            | EventOutcome::Duplicate { shard, sequence }) = *first
            else {
                panic!("{context}: {first:?}")
            };
            assert_eq!(
                *again,
                EventOutcome::Duplicate { shard, sequence },
                "{context}"
            );
        }
    }
}

/// Who plays after a restart only.
const LATER: &str = "eve";

/// What everybody sees of boards and of rounds up to `round`, as text.
fn shown(view: &View, round: RoundNumber) -> Vec<String> {
    let mut lines = Vec::new();
    for name in [BoardName::TOTAL, BoardName::BEST] {
        let board = view.boards.board(HUNT, name).expect("always there");
        let entries = board
            .entries(0)
            .filter(|entry| entry.player.as_str() != LATER);
        lines.extend(entries.map(|entry| format!("{name:?} {entry:?}")));
    }
    let hunt = view.catalog.by_number(HUNT).expect("created");
    lines.push(format!("{:?} {:?}", hunt.id, hunt.versions));
    let rounds = hunt.rounds().map(|known| &known.opened);
    let rounds = rounds.filter(|opened| opened.round <= round);
    lines.extend(rounds.map(|opened| format!("{opened:?}")));
    lines
}

/// What a snapshot for a live socket tells of `round`, a line for each claim.
fn live(view: &View, round: RoundNumber) -> Vec<String> {
    let Some(feed) = view.feeds.get(&HUNT) else {
        return Vec::new();
    };
    let snapshot = feed.snapshot(LiveForm::Json).clone();
    let mut snapshot: serde_json::Value = serde_json::from_slice(&snapshot).expect("JSON");
    let rounds = snapshot["rounds"].as_array_mut().expect("rounds");
    let mut lines = Vec::new();
    for shown in rounds {
        if shown["round"].as_u64() == Some(round.get()) {
            let claims = shown["claims"].take();
            let claims = claims.as_array().expect("claims");
            lines.extend(claims.iter().map(ToString::to_string));
            lines.push(shown.to_string());
        }
    }
    lines.sort();
    lines
}

/// Waits until all that was told is on boards and in snapshots.
async fn all_shown(node: &Node, told: &Told) -> Arc<View> {
    let position = told.position();
    until_view(node, "what was told", |view| {
        let is_live = told
            .races
            .keys()
            .all(|&round| live(view, round).len() == 65);
        (view.position.covers(&position) && is_live).then(|| Arc::new(view.clone()))
    })
    .await
}

/// Ends a node as a crash does: whatever is not durable is gone.
async fn crash(node: &Node, log: &FaultLog) {
    let mut failure = node.failure();
    log.fail(ShardId::new(0), 0, Fault::Poison);
    failure.wait_for(Option::is_some).await.expect("reported");
    node.stop();
    log.crash(0);
}

/// A node that has taken checkpoints, has gone on after the last, and crashed.
struct Past {
    log: Arc<FaultLog>,
    disk: SimulatedDisk,
    rounds: [RoundNumber; 2],
    told: Told,
    shown: Vec<String>,
    live: Vec<String>,
    position: Position,
}

impl Past {
    async fn live(config: impl Fn(&SimulatedDisk) -> NodeConfig) -> Self {
        let (log, disk) = (fault_log(), SimulatedDisk::default());
        let node = start(config(&disk), &log).expect("starts");
        create_park(&node).await;
        let first = open_round(&node).await;
        race(&node, first).await;
        node.record_events((0..10).map(event).collect()).await;
        until_more(&node, "huntcore_checkpoints_total", 3.0).await;
        // From now on no checkpoint succeeds.
        disk.fill(true);
        until_more(&node, "huntcore_checkpoint_failures_total", 2.0).await;
        let second = until_view(&node, "a later round", |view| {
            let hunt = view.catalog.by_number(HUNT)?;
            let round = hunt.newest_open_round(view.time)?.opened.round;
            (round > first).then_some(round)
        })
        .await;
        let rounds = [first, second];
        let told = Told::ask(&node, &rounds).await;
        let view = all_shown(&node, &told).await;
        crash(&node, &log).await;
        disk.fill(false);
        Self {
            log,
            rounds,
            shown: shown(&view, second),
            live: live(&view, second),
            position: view.position.clone(),
            told,
            disk,
        }
    }

    /// Starts again and finds everything as it was.
    async fn assert_is_back(&self, config: NodeConfig, context: &str) {
        let is_checkpointing = config.checkpoints.is_some();
        let node = start(config, &self.log).unwrap_or_else(|error| panic!("{context}: {error}"));
        let view = node.view();
        assert!(view.position.covers(&self.position), "{context}");
        let [_, second] = self.rounds;
        assert_eq!(shown(&view, second), self.shown, "{context}");
        assert_eq!(live(&view, second), self.live, "{context}");
        let again = Told::ask(&node, &self.rounds).await;
        self.told.assert_again(&again, context);
        let fresh = open_round(&node).await;
        let taken = node.claim(vec![attempt(fresh, 63, LATER)]).await;
        assert!(
            matches!(taken[..], [Outcome::Won { .. }]),
            "{context}: {taken:?}"
        );
        if is_checkpointing {
            until_more(&node, "huntcore_checkpoints_total", 1.0).await;
        }
        node.stop();
    }

    /// Takes away all of the log that the checkpoint need not have.
    fn trim_behind(&self, checkpoint: &Checkpoint) {
        for stream in self.log.usage().expect("usage").streams {
            let before = checkpoint.reads_from(stream.shard);
            self.log.trim(stream.shard, before).expect("trimmed");
        }
    }
}

fn damage(disk: &SimulatedDisk, checkpoint: &Checkpoint, part: &str) -> PathBuf {
    let entry = checkpoint.part(part).expect("there is such a part");
    let path = checkpoint.path(entry);
    disk.change(&path, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
    });
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_from_a_checkpoint_equals_never_having_crashed() {
    for shards in [1, 3] {
        let past = Past::live(|disk| checkpointing(shards, disk)).await;
        let good = list(&past.disk).good;
        assert_eq!(good.len(), 2);
        // From the log alone, as long as all of it is there.
        let context = format!("{shards} shards");
        past.assert_is_back(config(shards), &context).await;
        past.trim_behind(&good[0]);
        past.assert_is_back(checkpointing(shards, &past.disk), &context)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn if_the_newest_checkpoint_is_damaged_in_any_part_the_older_one_serves() {
    for shards in [1, 3] {
        let past = Past::live(|disk| forgetful(shards, disk)).await;
        let mut parts = vec!["control", "catalog", "boards", "broadcast", "shard-00000"];
        parts.extend((shards > 1).then_some("shard-00002"));
        for part in parts {
            let disk = past.disk.copy();
            let good = list(&disk).good;
            damage(&disk, &good[0], part);
            past.assert_is_back(forgetful(shards, &disk), part).await;
            // The bad one is gone, and two are kept again.
            let kept = list(&disk).good;
            assert!(kept.iter().all(|kept| kept.id() != good[0].id()), "{part}");
            assert_eq!(kept.len(), 2, "{part}");
            assert!(kept[0].id() > good[0].id(), "{part}");
            return_to(&past, &disk);
        }
    }
}

/// The log has gone on and may have been trimmed since, so the next start needs the newest
/// checkpoints of the last.
fn return_to(past: &Past, disk: &SimulatedDisk) {
    for file in past.disk.files() {
        past.disk.remove_file(&file);
    }
    for file in disk.files() {
        let folder = file.parent().expect("a folder");
        past.disk.create_directory(folder).expect("the disk works");
        past.disk.add_file(&file, &disk.content(&file));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_checkpoint_a_whole_log_is_folded_and_a_trimmed_one_refused() {
    let past = Past::live(|disk| checkpointing(3, disk)).await;
    let good = list(&past.disk).good;
    let bad = past.disk.copy();
    let first = damage(&bad, &good[0], "boards");
    let second = damage(&bad, &good[1], "control");
    past.assert_is_back(checkpointing(3, &bad), "the whole log")
        .await;

    let bad = past.disk.copy();
    damage(&bad, &good[0], "boards");
    damage(&bad, &good[1], "control");
    past.trim_behind(&good[1]);
    let error = start(checkpointing(3, &bad), &past.log).expect_err("nothing to start from");
    let text = error.to_string();
    for named in [
        "the log begins with shard-00000 at ",
        "control at ",
        "no good checkpoint",
        &first.display().to_string(),
        &second.display().to_string(),
        "checksum is ",
        "expected ",
    ] {
        assert!(text.contains(named), "{named:?} in {text}");
    }
    // Nothing was changed: with the files brought back, all is well.
    past.assert_is_back(checkpointing(3, &past.disk), "brought back")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_of_another_log_or_of_its_lost_end_are_passed_over() {
    let past = Past::live(|disk| checkpointing(1, disk)).await;
    // Another log, which is as good as empty: the checkpoints are ahead of it.
    let fresh = fault_log();
    let disk = past.disk.copy();
    let node = start(checkpointing(1, &disk), &fresh).expect("folds the little there is");
    assert_eq!(node.view().catalog.hunts().len(), 0);
    node.stop();

    // Another log that goes further, and whose beginning is gone.
    let other = Past::live(|disk| forgetful(1, disk)).await;
    let node = start(checkpointing(1, &other.disk), &other.log).expect("starts");
    let needed = list(&past.disk).good[0].reads_from(ShardId::new(0));
    until_view(&node, "a longer log", |_| {
        let tail = other.log.tail(ShardId::new(0)).expect("readable");
        (tail.tail.sequence > needed).then_some(())
    })
    .await;
    node.stop();
    let error = start(checkpointing(1, &past.disk.copy()), &other.log).expect_err("not its own");
    let text = error.to_string();
    let (begins, differs) = ("but the log begins at", "it belongs to another log");
    assert!(text.contains(begins) || text.contains(differs), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_cannot_be_written_is_tried_again_and_nobody_notices() {
    let (log, disk) = (fault_log(), SimulatedDisk::default());
    let node = start(checkpointing(1, &disk), &log).expect("starts");
    create_park(&node).await;
    until_more(&node, "huntcore_checkpoints_total", 2.0).await;
    for fault in [
        DiskFault::Write,
        DiskFault::WriteFull(3),
        DiskFault::SyncAll,
    ] {
        let failures = metric(&node, "huntcore_checkpoint_failures_total");
        disk.fail("control.part", fault);
        until_view(&node, "a failure", |_| {
            (metric(&node, "huntcore_checkpoint_failures_total") > failures).then_some(())
        })
        .await;
        let round = open_round(&node).await;
        let outcomes = race(&node, round).await;
        assert!(matches!(outcomes[0], Outcome::Won { .. }), "{outcomes:?}");
        until_more(&node, "huntcore_checkpoints_total", 1.0).await;
    }
    assert!(!node.has_failed());
    node.stop();
    for good in list(&disk).good {
        good.verify().expect("good");
    }
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let disk = SimulatedDisk::default();
    let data = Path::new("/data");
    disk.create_directory(data).expect("the disk works");
    disk.add_file(&directory(), b"a file");
    let error = start(checkpointing(1, &disk), &fault_log()).expect_err("no directory");
    assert!(error.to_string().contains("/data/checkpoints"), "{error}");
}
