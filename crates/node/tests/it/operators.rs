//! Boards, corrections and flags through a node's threads and across its restarts.

use huntcore_edge::{Backend, CommandError, Corrected, CorrectionError, FlagTurn, HuntCommand};
use huntcore_log::{FaultLog, Log};
use huntcore_model::{
    BoardName, Correction, Flag, FlagSource, FlagValue, Outcome, PlayerId, Record, RefreshMode,
    RoundNumber, Sequence, ShardId, TileIndex,
};
use huntcore_node::Node;
use huntcore_wire::{ClaimPlace, CorrectionKind, HuntChange};
use serde_json::json;

use crate::support::{
    Claims as _, HUNT, attempt, config, create_park, fault_log, open_round, race, start, until_view,
};

fn void(round: RoundNumber, tile: u32) -> CorrectionKind {
    CorrectionKind::Void(ClaimPlace {
        round,
        tile: TileIndex::new(tile),
    })
}

fn player(id: &str) -> PlayerId {
    PlayerId::new(id).expect("valid")
}

async fn correct(node: &Node, what: CorrectionKind) -> Result<Corrected, CorrectionError> {
    node.correct(HUNT, what, "seen using a bot".to_owned())
        .await
}

/// All corrections of all shards' logs.
fn corrections(log: &FaultLog, shards: u16) -> Vec<Correction> {
    let mut found = Vec::new();
    for shard in (0..shards).map(ShardId::new) {
        let batches = log.read(shard, Sequence::ZERO).expect("it can be read");
        for batch in batches {
            let batch = batch.expect("it can be read");
            for item in batch.records() {
                if let (_, Record::Correction(record)) = item.expect("own records") {
                    assert_eq!(record.reason, "seen using a bot");
                    found.push(record.what);
                }
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_is_written_once_whatever_stops_meanwhile_and_changes_no_answer() {
    for shards in [1, 3] {
        let log = fault_log();
        let node = start(config(shards), &log).expect("starts");
        create_park(&node).await;
        let round = open_round(&node).await;
        let before = race(&node, round).await;
        let done = correct(&node, void(round, 5)).await.expect("a claim");
        let banned = CorrectionKind::Disqualify(player("ada"));
        let out = correct(&node, banned.clone()).await.expect("a player");
        assert!(done.changed && out.changed);
        node.publish_now();
        until_view(&node, "what was corrected", |view| {
            let shown = [&done, &out]
                .iter()
                .all(|one| view.position.covers(&one.position));
            shown.then_some(())
        })
        .await;
        node.stop();
        drop(node);

        let node = start(config(shards), &log).expect("starts again");
        for (what, first) in [(void(round, 5), &done), (banned, &out)] {
            let again = correct(&node, what).await.expect("still so");
            assert_eq!((again.changed, &again.position), (false, &first.position));
        }
        assert_eq!(race(&node, round).await, before, "{shards} shards");
        let back = CorrectionKind::Reinstate(player("ada"));
        assert!(
            correct(&node, back.clone())
                .await
                .expect("a player")
                .changed
        );
        assert!(!correct(&node, back).await.expect("a player").changed);
        let kinds: Vec<_> = corrections(&log, shards)
            .iter()
            .map(|what| match what {
                Correction::ClaimVoided { tile, .. } => u64::from(tile.get()),
                Correction::Disqualified => 100,
                Correction::Reinstated => 101,
            })
            .collect();
        let mut sorted = kinds;
        sorted.sort_unstable();
        assert_eq!(sorted, [5, 100, 101], "{shards} shards");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_knows_of_is_not_corrected() {
    let node = start(config(3), &fault_log()).expect("starts");
    create_park(&node).await;
    let round = open_round(&node).await;
    let [Outcome::Won { .. }] = node.claim(vec![attempt(round, 1, "ada")]).await[..] else {
        panic!("the first attempt wins")
    };
    let refused = correct(&node, void(round, 2)).await;
    assert_eq!(refused, Err(CorrectionError::UnknownClaim));
    let refused = correct(&node, CorrectionKind::Disqualify(player("nobody"))).await;
    assert_eq!(refused, Err(CorrectionError::UnknownPlayer));
    // Known by the shard of the tile alone, wherever the player's own shard is.
    let done = correct(&node, CorrectionKind::Disqualify(player("ada"))).await;
    assert!(done.expect("some shard knows ada").changed);
}

fn boards(list: &serde_json::Value) -> HuntCommand {
    let change: HuntChange =
        serde_json::from_value(json!({"boards": list})).expect("well-formed boards");
    HuntCommand::Change {
        hunt: HUNT,
        change: Box::new(change),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn boards_hold_on_every_shard_once_the_command_is_answered() {
    for shards in [1, 3] {
        let log = fault_log();
        let node = start(config(shards), &log).expect("starts");
        create_park(&node).await;
        let weekly = json!({"name": "weekly", "from": "both", "operator": "sum",
            "window": "week", "zone": "Europe/Berlin"});
        let hourly = json!({"name": "hourly", "from": "events", "operator": "max",
            "window": "1h", "time": "event", "lateness": "5s"});
        let generations = |node: &Node| {
            let view = node.view();
            let hunt = view.catalog.by_number(HUNT).expect("created").clone();
            let boards = hunt.boards.iter();
            let named = boards.map(|board| (board.definition.name.to_string(), board.defined_at));
            named.collect::<Vec<_>>()
        };
        let shown = async |node: &Node, done: huntcore_edge::Commanded| {
            until_view(node, "the boards", |view| {
                (view.catalog.next() >= done.visible_from).then_some(())
            })
            .await;
        };
        let done = node.command(boards(&json!([weekly, hourly]))).await;
        shown(&node, done.expect("good boards")).await;
        let first = generations(&node);
        assert_eq!(first.len(), 2);
        node.stop();
        let node = start(config(shards), &log).expect("starts again");
        assert_eq!(generations(&node), first);
        let done = node.command(boards(&json!([weekly, hourly]))).await;
        shown(&node, done.expect("the same boards")).await;
        assert_eq!(
            generations(&node),
            first,
            "they go on, their zones looked up again"
        );
        for (bad, needle) in [
            (json!([weekly, weekly]), "name"),
            (
                json!([{"name": "x", "from": "events", "operator": "sum", "window": "day",
                "zone": "Mars/Olympus"}]),
                "Mars/Olympus",
            ),
        ] {
            let refused = node.command(boards(&bad)).await.expect_err(needle);
            assert!(
                matches!(&refused, CommandError::Invalid { reason } if reason.contains(needle)),
                "{refused}"
            );
        }
        assert_eq!(generations(&node), first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_is_durable_when_its_turn_is_answered() {
    let log = fault_log();
    let node = start(config(3), &log).expect("starts");
    create_park(&node).await;
    let turn = |value: Option<RefreshMode>, by| FlagTurn {
        flag: Flag::BoardsRefresh,
        hunt: Some(HUNT),
        board: Some(BoardName::TOTAL),
        value: value.map(FlagValue::Refresh),
        by,
        reason: "a canary".to_owned(),
    };
    let refresh = |node: &Node| {
        let view = node.view();
        view.catalog.flags().refresh(HUNT, BoardName::TOTAL)
    };
    let rebuild = turn(Some(RefreshMode::Rebuild), FlagSource::Api);
    let visible_from = node.turn_flag(rebuild.clone()).await.expect("a good flag");
    node.stop();
    // A crash right after the answer loses nothing of it.
    let node = start(config(3), &log).expect("starts again");
    assert!(node.view().catalog.next() >= visible_from);
    assert_eq!(refresh(&node), RefreshMode::Rebuild);
    // So already: answered, and nothing new is written.
    let again = node.turn_flag(rebuild).await.expect("a good flag");
    let back = node.turn_flag(turn(None, FlagSource::Api)).await;
    let back = back.expect("a good flag");
    assert!(back > again);
    node.publish_now();
    until_view(&node, "the flag as it was", |view| {
        (view.catalog.next() >= back).then_some(())
    })
    .await;
    assert_eq!(refresh(&node), RefreshMode::Incremental);
}
