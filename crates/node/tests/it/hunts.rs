//! What a node does when nothing fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use huntcore_edge::{Backend, CommandError, EventOutcome, HuntCommand};
use huntcore_log::Log;
use huntcore_model::{
    BoardName, Epoch, EventId, EventType, Nonce, Outcome, PlayerId, Position, ScoreEvent, ShardId,
    ShardMap, TileIndex, TimeMicros,
};
use huntcore_node::{Clock, Node, StartError, SystemClock};
use huntcore_wire::LiveForm;

use crate::support::{
    Claims as _, HUNT, PATIENCE, attempt, config, create_park, fault_log, open_round, park, race,
    start, until_view,
};

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_the_same_after_a_restart() {
    for shards in [1, 3] {
        let log = fault_log();
        let node = start(config(shards), &log).expect("starts");
        create_park(&node).await;
        let round = open_round(&node).await;
        let before = race(&node, round).await;
        let (first, second) = before.split_at(64);
        assert!(
            first
                .iter()
                .all(|outcome| matches!(outcome, Outcome::Won { .. }))
        );
        assert!(
            second
                .iter()
                .all(|outcome| matches!(outcome, Outcome::Taken { .. }))
        );
        node.stop();
        drop(node);

        let node = start(config(shards), &log).expect("starts again");
        assert_eq!(race(&node, round).await, before, "{shards} shards");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_after_a_restart_shows_no_less_than_before() {
    let log = fault_log();
    let node = start(config(3), &log).expect("starts");
    create_park(&node).await;
    let round = open_round(&node).await;
    race(&node, round).await;
    let shown = until_view(&node, "all claims on the board", |view| {
        let board = view.boards.board(HUNT, BoardName::TOTAL)?;
        let ada = board.standing(&PlayerId::new("ada").expect("valid"))?;
        (node_claims(view) == 64).then_some((ada.score, view.position.clone()))
    })
    .await;
    node.stop();
    let node = start(config(3), &log).expect("starts again");
    let view = node.view();
    let board = view
        .boards
        .board(HUNT, BoardName::TOTAL)
        .expect("always there");
    let ada = board
        .standing(&PlayerId::new("ada").expect("valid"))
        .expect("still there");
    assert_eq!(ada.score, shown.0);
    assert!(view.position.covers(&shown.1), "positions never go back");
}

fn node_claims(view: &huntcore_edge::View) -> usize {
    let feed = view.feeds.get(&HUNT);
    let snapshot = feed
        .map(|feed| feed.snapshot(LiveForm::Json).clone())
        .unwrap_or_default();
    std::str::from_utf8(&snapshot)
        .expect("JSON")
        .matches("\"player\":\"ada\",\"points\"")
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn once_a_pause_is_answered_no_shard_takes_a_claim() {
    let node = start(config(3), &fault_log()).expect("starts");
    create_park(&node).await;
    let round = open_round(&node).await;
    let won = node.claim(vec![attempt(round, 0, "ada")]).await;
    node.command(HuntCommand::Pause { hunt: HUNT })
        .await
        .expect("paused");
    let outcomes = race(&node, round).await;
    assert_eq!(outcomes[0], won[0], "an answer stays");
    assert!(
        outcomes[1..64]
            .iter()
            .all(|outcome| *outcome == Outcome::HuntPaused)
    );
    node.command(HuntCommand::Resume { hunt: HUNT })
        .await
        .expect("resumed");
    assert!(matches!(race(&node, round).await[1], Outcome::Won { .. }));
    node.command(HuntCommand::Close { hunt: HUNT })
        .await
        .expect("closed");
    assert_eq!(
        node.claim(vec![attempt(round.next(), 5, "ada")]).await,
        [Outcome::Expired]
    );
    let refused = node.command(HuntCommand::Pause { hunt: HUNT }).await;
    assert_eq!(refused.expect_err("closed"), CommandError::HuntClosed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hunt_is_created_once_and_another_of_its_name_is_refused() {
    let node = start(config(1), &fault_log()).expect("starts");
    create_park(&node).await;
    create_park(&node).await;
    let HuntCommand::Create(mut other) = park() else {
        unreachable!("park creates")
    };
    other.tiles = 63;
    let refused = node
        .command(HuntCommand::Create(other))
        .await
        .expect_err("another");
    assert!(
        matches!(refused, CommandError::HuntExists { .. }),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_holds_from_a_round_that_was_not_announced() {
    let node = start(config(3), &fault_log()).expect("starts");
    create_park(&node).await;
    let round = open_round(&node).await;
    let change = serde_json::from_str(r#"{"tiles": 32}"#).expect("a valid change");
    let done = node
        .command(HuntCommand::Change {
            hunt: HUNT,
            change: Box::new(change),
        })
        .await
        .expect("changed");
    let from_round = until_view(&node, "the change", |view| {
        let hunt = view.catalog.by_number(HUNT)?;
        (view.catalog.next() >= done.visible_from)
            .then(|| hunt.latest_version().from_round)
            .filter(|&from| from > round)
    })
    .await;
    until_view(&node, "a round of the new version", |view| {
        let hunt = view.catalog.by_number(HUNT)?;
        hunt.newest_open_round(view.time)
            .filter(|open| open.opened.round >= from_round)?;
        Some(())
    })
    .await;
    let before = attempt(round, 40, "ada");
    let after = attempt(from_round, 40, "ada");
    let outcomes = node.claim(vec![before, after]).await;
    assert!(
        matches!(outcomes[..], [Outcome::Won { .. }, Outcome::UnknownTile]),
        "{outcomes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn seeds_come_out_after_their_window_and_bear_out_the_commitments() {
    let node = start(config(3), &fault_log()).expect("starts");
    let HuntCommand::Create(mut short) = park() else {
        unreachable!("park creates")
    };
    short.claim_window = serde_json::from_str("\"200ms\"").expect("a duration");
    node.command(HuntCommand::Create(short))
        .await
        .expect("created");
    let rounds = until_view(&node, "three seeds", |view| {
        let hunt = view.catalog.by_number(HUNT)?;
        let revealed: Vec<_> = hunt
            .rounds()
            .filter(|round| round.seed.is_some())
            .cloned()
            .collect();
        for round in &revealed {
            assert!(round.opened.schedule.closes_at <= view.time || view.time.get() == 0);
        }
        (revealed.len() >= 3).then_some(revealed)
    })
    .await;
    for round in rounds {
        let seed = huntcore_map::Seed::new(round.seed.expect("revealed"));
        assert_eq!(seed.commitment(round.opened.round), round.opened.commitment);
        assert_eq!(seed.layout(), round.opened.layout);
        let map = node
            .map(round.opened.map)
            .await
            .expect("a node has all maps");
        assert_eq!(map.expect("kept").name, round.opened.map);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_score_event_is_taken_once_across_restarts() {
    let event = |score| ScoreEvent {
        hunt: HUNT,
        event_id: EventId::new("e-1").expect("valid"),
        player: PlayerId::new("ada").expect("valid"),
        event_type: EventType::new("boss").expect("valid"),
        score,
        sent_at: None,
        payload: String::new(),
    };
    let log = fault_log();
    let node = start(config(3), &log).expect("starts");
    create_park(&node).await;
    let [EventOutcome::Accepted { shard, sequence }] = node.record_events(vec![event(7)]).await[..]
    else {
        panic!("a new event is taken")
    };
    node.publish_now();
    until_view(&node, "the writer's own score", |view| {
        view.position
            .covers(&Position::after(shard, sequence))
            .then(|| {
                let board = view
                    .boards
                    .board(HUNT, BoardName::BEST)
                    .expect("always there");
                let ada = board.standing(&PlayerId::new("ada").expect("valid"));
                assert_eq!(ada.expect("no phantom scores").score, 7);
            })
    })
    .await;
    node.stop();
    let node = start(config(3), &log).expect("starts again");
    let again = node.record_events(vec![event(7), event(8)]).await;
    assert_eq!(
        again,
        [
            EventOutcome::Duplicate { shard, sequence },
            EventOutcome::Conflict
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_not_opened_with_another_number_of_shards_or_another_key() {
    let log = fault_log();
    let node = start(config(3), &log).expect("starts");
    create_park(&node).await;
    open_round(&node).await;
    node.stop();
    let error = start(config(1), &log).expect_err("other shards");
    assert!(
        matches!(
            error,
            StartError::Shards {
                found: 3,
                expected: 1
            }
        ),
        "{error}"
    );
    let mut other_key = config(3);
    other_key.fairness_key = huntcore_map::FairnessKey::new([8; 32]);
    let error = start(other_key.clone(), &log).expect_err("another key");
    assert!(error.to_string().contains("fairness key"), "{error}");
    let node = start(config(3), &log).expect("still starts as it should");
    let closed = node.command(HuntCommand::Close { hunt: HUNT }).await;
    closed.expect("closed");
    node.stop();
    // No round can be claimed any more, but seeds are still to be published.
    let error = start(other_key, &log).expect_err("another key");
    assert!(error.to_string().contains("fairness key"), "{error}");
}

#[test]
fn a_first_start_that_was_interrupted_is_repeated_with_no_fewer_shards() {
    let log = fault_log();
    for shard in [0, 1] {
        let shard = ShardId::new(shard);
        log.acquire(shard, Epoch::new(1), Nonce([1; 16]), Box::new(|_| {}))
            .expect("a fresh log");
    }
    let error = start(config(1), &log).expect_err("fewer shards");
    assert!(
        matches!(error, StartError::Shards { found: 2, .. }),
        "{error}"
    );
    start(config(3), &log).expect("the other streams are made");
}

/// Jumps ahead at every look, once told to.
#[derive(Default)]
struct Leaping {
    clock: SystemClock,
    leaps: AtomicBool,
    ahead_millis: AtomicU64,
}

impl Clock for Leaping {
    fn now(&self) -> TimeMicros {
        let leap = if self.leaps.load(Ordering::Relaxed) {
            200
        } else {
            0
        };
        let before = self.ahead_millis.fetch_add(leap, Ordering::Relaxed);
        self.clock.now().plus_millis(before + leap)
    }

    fn advance_to(&self, time: TimeMicros) {
        self.clock.advance_to(time);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_stops_though_its_log_takes_longer_than_from_one_time_record_to_the_next() {
    let clock = Arc::new(Leaping::default());
    let node = Node::start(config(1), fault_log(), clock.clone()).expect("starts");
    create_park(&node).await;
    clock.leaps.store(true, Ordering::Relaxed);
    let stopped = tokio::task::spawn_blocking(move || node.stop());
    tokio::time::timeout(PATIENCE, stopped)
        .await
        .expect("stops")
        .expect("no panic");
}

#[test]
fn three_shards_share_the_tiles_of_one_round() {
    let map = ShardMap::new(3).expect("few");
    let shards: std::collections::BTreeSet<_> = (0..64)
        .map(|tile| {
            let round = huntcore_model::RoundNumber::new(1);
            map.shard_of(huntcore_model::Slot::of_tile(
                HUNT,
                round,
                TileIndex::new(tile),
            ))
        })
        .collect();
    assert_eq!(shards.len(), 3);
}
