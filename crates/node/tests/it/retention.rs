//! What of the log is kept, for how long, and what happens when there is no space for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use huntcore_disk::Disk;
use huntcore_disk::simulated::SimulatedDisk;
use huntcore_edge::{Backend, EventOutcome, View};
use huntcore_log::{FaultLog, Log, StreamUsage};
use huntcore_model::{EventId, EventType, Outcome, PlayerId, ScoreEvent, Sequence};
use huntcore_node::{CheckpointHome, Clock, Node, NodeConfig};

use crate::support::{
    Ahead, Claims as _, HUNT, attempt, config, fault_log, metric, open_round, park_with,
    until_more, until_view,
};

const DAY: Duration = Duration::from_hours(24);

fn checkpointing(disk: &SimulatedDisk) -> NodeConfig {
    let mut config = config(3);
    let directory = PathBuf::from("/data/checkpoints");
    config.checkpoints = Some(CheckpointHome::on(Arc::new(disk.clone()), directory));
    config.checkpoint_every = Duration::from_millis(20);
    config
}

/// Where each stream begins.
fn begins(log: &FaultLog) -> Vec<Sequence> {
    let usage = log.usage().expect("usage").streams;
    usage.iter().map(|stream| stream.oldest).collect()
}

/// Neither of the two kept checkpoints lacks anything of the log.
fn assert_checkpoints_can_start(log: &FaultLog, disk: &SimulatedDisk) {
    // First, because checkpoints go on being taken.
    let usage = log.usage().expect("usage");
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let directory = PathBuf::from("/data/checkpoints");
    let listing = huntcore_checkpoint::list(&disk, &directory).expect("the disk works");
    for checkpoint in &listing.good {
        for stream in &usage.streams {
            let from = checkpoint.reads_from(stream.shard);
            assert!(stream.oldest <= from, "{:?} {stream:?}", checkpoint.id());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_forty_days_thirty_are_kept_and_a_restart_needs_no_more() {
    let (log, disk) = (fault_log(), SimulatedDisk::default());
    let clock = Arc::new(Ahead::default());
    let node = Node::start(checkpointing(&disk), log.clone(), clock.clone()).expect("starts");
    node.command(park_with("1h", "1h")).await.expect("created");
    for day in 1..=40 {
        let round = open_round(&node).await;
        let won = node.claim(vec![attempt(round, 0, "ada")]).await;
        assert!(matches!(won[..], [Outcome::Won { .. }]), "{won:?}");
        until_more(&node, "huntcore_checkpoints_total", 2.0).await;
        clock.leap(DAY);
        let now = clock.now();
        until_view(&node, "the next day", |view: &View| {
            (view.time >= now).then_some(())
        })
        .await;
        if day < 30 {
            assert_eq!(begins(&log), [Sequence::ZERO; 4]);
        } else {
            // What is older than 30 days goes; that every stream has something of each day
            // shows that nothing younger does.
            let days = |stream: &StreamUsage| {
                let oldest = stream.oldest_time.expect("there are records");
                Duration::from_micros(clock.now().micros_since(oldest)).div_duration_f64(DAY)
            };
            until_view(&node, "a shorter log", |_| {
                let streams = log.usage().expect("usage").streams;
                let days: Vec<f64> = streams.iter().map(days).collect();
                assert!(days.iter().all(|&days| days >= 28.99), "{days:?}");
                days.iter().all(|&days| days < 30.01).then_some(())
            })
            .await;
        }
        assert_checkpoints_can_start(&log, &disk);
    }
    let round = open_round(&node).await;
    let told = node
        .claim(vec![attempt(round, 0, "ada"), attempt(round, 1, "bob")])
        .await;
    let before = node.view().position.clone();
    node.stop();

    let node = Node::start(checkpointing(&disk), log.clone(), clock).expect("starts again");
    assert!(node.view().position.covers(&before));
    let again = node
        .claim(vec![attempt(round, 0, "ada"), attempt(round, 1, "bob")])
        .await;
    assert_eq!(again, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_its_cap_the_log_takes_nothing_new_until_the_retention_has_freed_enough() {
    let (log, disk) = (fault_log(), SimulatedDisk::default());
    let clock = Arc::new(Ahead::default());
    let mut config = checkpointing(&disk);
    config.retention = DAY;
    config.log_bytes_max = Some(200_000);
    let node = Node::start(config, log.clone(), clock.clone()).expect("starts");
    node.command(park_with("1h", "1h")).await.expect("created");
    let round = open_round(&node).await;
    let told = node.claim(vec![attempt(round, 0, "ada")]).await;
    let event = |number: usize| ScoreEvent {
        hunt: HUNT,
        event_id: EventId::new(&format!("e-{number}")).expect("valid"),
        player: PlayerId::new("ada").expect("valid"),
        event_type: EventType::new("boss").expect("valid"),
        score: 1,
        sent_at: None,
        payload: format!("{:?}", "x".repeat(1_000)),
    };
    let is_full = || metric(&node, "huntcore_storage_full") > 0.5;
    let mut accepted = 0;
    until_view(&node, "a full log", |_| {
        let taken = node.record_events((accepted..accepted + 8).map(event).collect());
        accepted += 8;
        // Decided in any case; whether it is taken shows below.
        drop(taken);
        is_full().then_some(())
    })
    .await;
    let refused = node.claim(vec![attempt(round, 1, "bob")]).await;
    assert_eq!(refused, [Outcome::StorageFull]);
    let refused = node.record_events(vec![event(accepted)]).await;
    assert_eq!(refused, [EventOutcome::StorageFull]);
    assert_eq!(node.claim(vec![attempt(round, 0, "ada")]).await, told);
    assert_eq!(begins(&log), [Sequence::ZERO; 4]);

    clock.leap(2 * DAY);
    until_view(&node, "space again", |_| (!is_full()).then_some(())).await;
    let taken = node.record_events(vec![event(accepted)]).await;
    assert!(
        matches!(taken[..], [EventOutcome::Accepted { .. }]),
        "{taken:?}"
    );
    assert_checkpoints_can_start(&log, &disk);
}
