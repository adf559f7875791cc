//! A node whose sink cannot write: everything else goes on, and the log is kept for it for a
//! while.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use huntcore_disk::simulated::SimulatedDisk;
use huntcore_edge::{Backend, Readiness};
use huntcore_log::{FaultLog, Log};
use huntcore_model::{Outcome, Sequence, ShardId};
use huntcore_node::{CheckpointHome, Node, NodeConfig};
use huntcore_sink_postgres::SinkConfig;

use crate::support::{
    Ahead, Claims as _, attempt, config, fault_log, metric, open_round, park_with, until_more,
    until_view,
};

const DAY: Duration = Duration::from_hours(24);

/// With a sink into a server that nobody has ever started.
fn with_sink(shards: u16, disk: &SimulatedDisk) -> NodeConfig {
    let mut config = config(shards);
    let directory = PathBuf::from("/data/checkpoints");
    config.checkpoints = Some(CheckpointHome::on(Arc::new(disk.clone()), directory));
    config.checkpoint_every = Duration::from_millis(20);
    let url = "postgres://nobody@%2Fno%2Fsuch%2Ffolder/scores";
    let name = "main".parse().expect("a name");
    let mut sink = SinkConfig::new(name, url.parse().expect("a URL"));
    sink.retry.most = Duration::from_millis(50);
    sink.hold = 7 * DAY;
    config.sinks = vec![sink];
    config
}

fn oldest(log: &FaultLog) -> Sequence {
    let streams = log.usage().expect("usage").streams;
    let mut streams = streams.iter();
    let shard = streams.find(|stream| stream.shard == ShardId::new(0));
    shard.expect("it is used").oldest
}

async fn a_server_that_is_away_costs_nothing(shards: u16) {
    let (log, disk) = (fault_log(), SimulatedDisk::default());
    let clock = Arc::new(Ahead::default());
    let node = Node::start(with_sink(shards, &disk), log, clock).expect("starts");
    node.command(park_with("1h", "1h")).await.expect("created");
    let round = open_round(&node).await;
    let won = node.claim(vec![attempt(round, 0, "ada")]).await;
    assert!(matches!(won[..], [Outcome::Won { .. }]), "{won:?}");
    until_more(&node, "huntcore_sink_failures_total", 3.0).await;
    assert!(metric(&node, "huntcore_sink_lag_records") > 0.0);
    assert!(metric(&node, "huntcore_sink_lag_seconds") > 0.0);
    let Readiness::Impaired { notes } = node.readiness() else {
        panic!("{:?}", node.readiness());
    };
    assert!(notes[0].starts_with("sink main is waiting, "), "{notes:?}");
    let stats = node.stats();
    let named = |name: &str| stats.projections.iter().any(|stats| stats.name == name);
    assert!(named("sink:main") && named("boards"), "{stats:?}");
    let components = stats.components.iter();
    let sinks = components
        .filter(|stats| stats.component == "sinks")
        .count();
    assert_eq!(sinks, 1);
    assert!(!node.has_failed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_costs_the_hunt_nothing_and_shows_with_one_shard() {
    a_server_that_is_away_costs_nothing(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_costs_the_hunt_nothing_and_shows_with_three_shards() {
    a_server_that_is_away_costs_nothing(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_kept_for_a_sink_beyond_its_retention_but_not_for_ever() {
    let (log, disk) = (fault_log(), SimulatedDisk::default());
    let clock = Arc::new(Ahead::default());
    let node = Node::start(with_sink(1, &disk), log.clone(), clock.clone()).expect("starts");
    node.command(park_with("1h", "1h")).await.expect("created");
    open_round(&node).await;
    for days in 1..=38 {
        until_more(&node, "huntcore_checkpoints_total", 2.0).await;
        if days <= 36 {
            // 30 days are kept anyway, and 7 more for the sink.
            assert_eq!(oldest(&log), Sequence::ZERO, "after {days} days");
        }
        clock.leap(DAY);
    }
    until_view(&node, "a shorter log", |_| {
        (oldest(&log) > Sequence::ZERO).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_not_kept_for_a_sink_where_space_is_short() {
    let (log, disk) = (fault_log(), SimulatedDisk::default());
    let clock = Arc::new(Ahead::default());
    let node = Node::start(with_sink(1, &disk), log.clone(), clock.clone()).expect("starts");
    node.command(park_with("1h", "1h")).await.expect("created");
    node.stop();
    let mut config = with_sink(1, &disk);
    config.log_bytes_max = Some(1);
    let node = Node::start(config, log.clone(), clock.clone()).expect("starts");
    clock.leap(31 * DAY);
    until_view(&node, "a shorter log", |_| {
        (oldest(&log) > Sequence::ZERO).then_some(())
    })
    .await;
}
