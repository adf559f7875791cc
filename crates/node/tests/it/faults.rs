//! What a node does when its log fails, stalls or is full.

use std::time::Duration;

use huntcore_edge::{Backend, CommandError, HuntCommand, Readiness};
use huntcore_log::Fault;
use huntcore_model::{Outcome, ShardId};

use crate::support::{
    Claims as _, HUNT, attempt, config, create_park, fault_log, open_round, park, race, start,
};

const SHARD: ShardId = ShardId::new(0);

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_answer_of_the_log_nothing_is_told_and_a_restart_answers() {
    for fault in [
        Fault::UnknownStored,
        Fault::UnknownNotStored,
        Fault::Poison,
        Fault::Fenced,
    ] {
        let log = fault_log();
        let node = start(config(1), &log).expect("starts");
        create_park(&node).await;
        let round = open_round(&node).await;
        let told = node.claim(vec![attempt(round, 0, "ada")]).await;
        log.fail(SHARD, 0, fault);
        let mut failure = node.failure();
        let lost = race(&node, round).await;
        assert!(
            lost.iter()
                .all(|&outcome| outcome == Outcome::OutcomeUnknown || outcome == told[0]),
            "{fault:?}: {lost:?}"
        );
        failure.wait_for(Option::is_some).await.expect("reported");
        assert!(matches!(node.readiness(), Readiness::NotReady { .. }));
        assert_eq!(
            node.claim(vec![attempt(round, 1, "bob")]).await,
            [Outcome::OutcomeUnknown],
            "a node that has failed tells nothing"
        );
        node.stop();
        log.crash(0);

        let node = start(config(1), &log).expect("recovers");
        let again = race(&node, round).await;
        assert_eq!(again[0], told[0], "{fault:?}: what was told stays");
        assert!(
            again.iter().all(|outcome| outcome.kind().is_final()),
            "{fault:?}: {again:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_log_stops_the_node_with_a_word_and_loses_nothing() {
    let log = fault_log();
    let node = start(config(1), &log).expect("starts");
    create_park(&node).await;
    let round = open_round(&node).await;
    let told = race(&node, round).await;
    log.fail(SHARD, 0, Fault::Full);
    let mut failure = node.failure();
    let reason = failure
        .wait_for(Option::is_some)
        .await
        .expect("reported")
        .clone();
    assert!(reason.expect("some").contains("no space left"));
    node.stop();
    let node = start(config(1), &log).expect("recovers");
    assert_eq!(race(&node, round).await, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_log_fills_the_queue_and_then_new_attempts_are_refused_at_once() {
    let log = fault_log();
    let node = start(config(1), &log).expect("starts");
    create_park(&node).await;
    let round = open_round(&node).await;
    log.hold(true);
    let mut accepted = Vec::new();
    let refused = loop {
        // Distinct tiles do not matter: every attempt takes its room in the queue.
        let attempts = (0..4_096)
            .map(|index| attempt(round, index % 64, "ada"))
            .collect();
        let mut answer = node.claim(attempts);
        match futures_util::poll!(&mut answer) {
            std::task::Poll::Ready(outcomes) => break outcomes,
            std::task::Poll::Pending => accepted.push(answer),
        }
        assert!(accepted.len() < 1_000, "the queue has no limit");
    };
    assert!(
        refused
            .iter()
            .all(|&outcome| outcome == Outcome::Overloaded)
    );
    log.hold(false);
    for answer in accepted {
        let outcomes = answer.await;
        assert!(
            outcomes
                .iter()
                .all(|outcome| matches!(outcome, Outcome::Won { .. }))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_little_space_left_answers_are_given_and_new_work_is_refused() {
    let log = fault_log();
    let node = start(config(1), &log).expect("starts");
    create_park(&node).await;
    let round = open_round(&node).await;
    let told = node.claim(vec![attempt(round, 0, "ada")]).await;
    node.stop();
    let mut wary = config(1);
    // The memory log says what is left; no disk has more than this.
    wary.free_bytes_min = u64::MAX;
    let node = start(wary, &log).expect("starts");
    let full = async {
        for tile in (1..64).cycle() {
            let fresh = attempt(open_round(&node).await, tile, "bob");
            if node.claim(vec![fresh]).await == [Outcome::StorageFull] {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), full)
        .await
        .expect("noticed");
    assert_eq!(node.claim(vec![attempt(round, 0, "ada")]).await, told);
    let refused = node.command(park()).await;
    assert_eq!(refused.expect_err("no space"), CommandError::StorageFull);
    node.command(HuntCommand::Pause { hunt: HUNT })
        .await
        .expect("a hunt can be stopped");
}
