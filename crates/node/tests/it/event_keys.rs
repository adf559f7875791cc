//! Events that have left memory: still taken once, across seals, merges, restarts and damage.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use huntcore_disk::simulated::SimulatedDisk;
use huntcore_edge::{Backend, EventOutcome, View};
use huntcore_log::FaultLog;
use huntcore_model::{EventId, EventType, PlayerId, ScoreEvent};
use huntcore_node::{CheckpointHome, EventKeysHome, Node, NodeConfig};

use crate::support::{HUNT, config, create_park, fault_log, metric, start, until_more, until_view};

const RUNS: &str = "huntcore_event_key_runs";
const WRITTEN: &str = "huntcore_event_key_runs_written_total";
const CHECKPOINTS: &str = "huntcore_checkpoints_total";

/// A bucket of events is sealed at fifty.
fn keeping(shards: u16, disk: &SimulatedDisk) -> NodeConfig {
    let mut config = config(shards);
    config.limits.events_sealed_at = 50;
    config.free_bytes_min = 0;
    let home = PathBuf::from("/data/event-keys");
    config.event_keys = Some(EventKeysHome::on(Arc::new(disk.clone()), home));
    config
}

/// The same, and takes checkpoints all the time.
fn checkpointing(shards: u16, disk: &SimulatedDisk) -> NodeConfig {
    let mut config = keeping(shards, disk);
    let home = PathBuf::from("/data/checkpoints");
    config.checkpoints = Some(CheckpointHome::on(Arc::new(disk.clone()), home));
    config.checkpoint_every = Duration::from_millis(20);
    config
}

fn event(number: u32, score: i64) -> ScoreEvent {
    ScoreEvent {
        hunt: HUNT,
        event_id: EventId::new(&format!("e-{number}")).expect("valid"),
        player: PlayerId::new(&format!("player-{}", number % 7)).expect("valid"),
        event_type: EventType::new("boss").expect("valid"),
        score,
        sent_at: None,
        payload: String::new(),
    }
}

/// Sends events in requests of twenty, each after the one before was answered.
async fn send(node: &Node, numbers: std::ops::Range<u32>, score: i64) -> Vec<EventOutcome> {
    let mut outcomes = Vec::new();
    let numbers: Vec<u32> = numbers.collect();
    for part in numbers.chunks(20) {
        let events = part.iter().map(|&number| event(number, score)).collect();
        outcomes.extend(node.record_events(events).await);
    }
    outcomes
}

/// Sends events again that were taken: every one is where it was, and stays as it was.
async fn assert_known(node: &Node, told: &[EventOutcome], context: &str) {
    let count = u32::try_from(told.len()).expect("few");
    let again = send(node, 0..count, 1).await;
    for (index, (first, again)) in std::iter::zip(told, again).enumerate() {
        let EventOutcome::Accepted { shard, sequence } = *first else {
            panic!("{context}: {first:?}")
        };
        let known = EventOutcome::Duplicate { shard, sequence };
        assert_eq!(again, known, "{context}: event {index}");
    }
    let others = send(node, 0..count, 2).await;
    let conflicts = others
        .iter()
        .filter(|&other| *other == EventOutcome::Conflict);
    assert_eq!(conflicts.count(), told.len(), "{context}");
}

/// A node that has taken 600 events, most of which stand on disk.
async fn filled(config: NodeConfig, log: &Arc<FaultLog>) -> (Arc<Node>, Vec<EventOutcome>) {
    let node = start(config, log).expect("starts");
    create_park(&node).await;
    let told = send(&node, 0..600, 1).await;
    // What is sealed is written down with the batches that follow it.
    until_written(&node, 6.0).await;
    (node, told)
}

async fn until_written(node: &Node, runs: f64) {
    let is_written = |_: &View| (metric(node, WRITTEN) >= runs).then_some(());
    until_view(node, "runs", is_written).await;
}

fn run_files(disk: &SimulatedDisk) -> Vec<PathBuf> {
    let is_run = |path: &PathBuf| path.extension().is_some_and(|suffix| suffix == "run");
    disk.files().into_iter().filter(is_run).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_on_disk_are_known_and_stay_known_after_a_restart() {
    for shards in [1, 3] {
        let (disk, log) = (SimulatedDisk::default(), fault_log());
        let (node, told) = filled(keeping(shards, &disk), &log).await;
        assert_known(&node, &told, "running").await;
        for restart in 0..2 {
            node.stop();
            let node = start(keeping(shards, &disk), &log).expect("starts again");
            assert!(metric(&node, RUNS) > 0.0);
            assert_known(&node, &told, &format!("restart {restart}, {shards} shards")).await;
            node.stop();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_from_a_checkpoint_knows_what_stands_on_disk() {
    for shards in [1, 3] {
        let (disk, log) = (SimulatedDisk::default(), fault_log());
        let (node, told) = filled(checkpointing(shards, &disk), &log).await;
        until_more(&node, CHECKPOINTS, 2.0).await;
        let more = send(&node, 600..640, 1).await;
        node.stop();
        let told: Vec<_> = told.into_iter().chain(more).collect();
        // What was open may be sealed and written twice: once is enough to be found.
        let node = start(checkpointing(shards, &disk.copy()), &log).expect("starts again");
        assert_known(&node, &told, &format!("{shards} shards")).await;
        node.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_damaged_gone_or_of_another_log_is_written_anew() {
    let (disk, log) = (SimulatedDisk::default(), fault_log());
    let (node, told) = filled(checkpointing(1, &disk), &log).await;
    until_more(&node, CHECKPOINTS, 2.0).await;
    node.stop();
    let files = run_files(&disk);
    type Harm = fn(&SimulatedDisk, &Path);
    let harms: [(&str, Harm); 4] = [
        ("gone", |disk, file| disk.remove_file(file)),
        ("cut", |disk, file| {
            disk.change(file, |bytes| bytes.truncate(5_000));
        }),
        ("header", |disk, file| {
            disk.change(file, |bytes| bytes[20] ^= 1);
        }),
        ("empty", |disk, file| disk.change(file, Vec::clear)),
    ];
    for (what, harm) in harms {
        let disk = disk.copy();
        for file in files.iter().step_by(2) {
            harm(&disk, file);
        }
        for restart in ["first", "second"] {
            let node = start(checkpointing(1, &disk), &log).expect("what is lost is in the log");
            assert_known(&node, &told, &format!("{what}, {restart} start")).await;
            node.stop();
        }
    }
    // Another log's runs, and runs beyond a log's end.
    let other = fault_log();
    let node = start(keeping(1, &disk.copy()), &other).expect("an empty log has no events");
    create_park(&node).await;
    let fresh = send(&node, 0..100, 1).await;
    let taken = |outcome: &&EventOutcome| matches!(outcome, EventOutcome::Accepted { .. });
    assert_eq!(fresh.iter().filter(taken).count(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_damaged_while_it_runs_ends_the_node_and_a_restart_heals() {
    let (disk, log) = (SimulatedDisk::default(), fault_log());
    let (node, told) = filled(keeping(1, &disk), &log).await;
    node.stop();
    for file in run_files(&disk) {
        disk.change(&file, |bytes| bytes[4_096] ^= 1);
    }
    // A start reads no pages.
    let node = start(keeping(1, &disk), &log).expect("starts");
    let outcomes = send(&node, 0..20, 1).await;
    assert_eq!(outcomes, [EventOutcome::OutcomeUnknown; 20]);
    let mut failure = node.failure();
    let reason = failure
        .wait_for(Option::is_some)
        .await
        .expect("it says why")
        .clone();
    let reason = reason.expect("it failed");
    assert!(reason.contains(".run at offset 4096"), "{reason}");
    node.stop();
    let node = start(keeping(1, &disk), &log).expect("the log has them all");
    // Runs whose pages nobody has read are damaged still, until somebody does.
    let mut node = node;
    for _ in 0..run_files(&disk).len() + 2 {
        if !send(&node, 0..600, 1)
            .await
            .contains(&EventOutcome::OutcomeUnknown)
        {
            break;
        }
        node.stop();
        node = start(keeping(1, &disk), &log).expect("the log has them all");
    }
    assert_known(&node, &told, "healed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_events_in_memory_up_to_their_limit_and_heals() {
    let (disk, log) = (SimulatedDisk::default(), fault_log());
    let mut config = keeping(1, &disk);
    config.limits.events_max = 300;
    let node = start(config, &log).expect("starts");
    create_park(&node).await;
    disk.fill(true);
    let outcomes = send(&node, 0..400, 1).await;
    let (taken, refused) = outcomes.split_at(300);
    assert!(
        taken
            .iter()
            .all(|outcome| matches!(outcome, EventOutcome::Accepted { .. }))
    );
    assert!(
        refused
            .iter()
            .all(|outcome| *outcome == EventOutcome::Overloaded)
    );
    assert_known(&node, taken, "while the disk is full").await;
    disk.fill(false);
    until_written(&node, 5.0).await;
    // They leave memory a moment after they stand on disk.
    let mut next = 300;
    while send(&node, next..next + 1, 1).await == [EventOutcome::Overloaded] {
        next += 1;
        until_more(&node, "huntcore_log_batches_total", 1.0).await;
    }
    assert_known(&node, taken, "healed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_log_and_disk_loses_and_repeats_nothing() {
    for operations in [0, 3, 9, 14, 20, 33, 61, 90] {
        let (disk, log) = (SimulatedDisk::default(), fault_log());
        let node = start(keeping(1, &disk), &log).expect("starts");
        create_park(&node).await;
        disk.die_after(operations);
        let told = send(&node, 0..600, 1).await;
        node.stop();
        for survival in disk.survivals(6) {
            let disk = disk.after_crash(survival);
            let node = start(keeping(1, &disk), &log).expect("starts again");
            assert_known(&node, &told, &format!("after {operations} operations")).await;
            node.stop();
        }
    }
}
