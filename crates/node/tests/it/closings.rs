//! What windows came to stands in the log, once for each window, whatever stops when.

use std::collections::BTreeMap;

use huntcore_edge::{Backend, EventOutcome, HuntCommand};
use huntcore_log::{FaultLog, Log};
use huntcore_model::{
    EventId, EventType, PlayerId, PlayerNumber, Record, ScoreEvent, Sequence, ShardId, TimeMicros,
};
use huntcore_node::Node;
use serde_json::json;

use crate::support::{HUNT, config, create_park, fault_log, open_round, start, until_view};

/// A window of a board of seconds by its end.
type End = TimeMicros;
type Ranked = Vec<(String, i64)>;

fn event(id: u32, player: &str, score: i64) -> ScoreEvent {
    ScoreEvent {
        hunt: HUNT,
        event_id: EventId::new(&format!("e-{id}")).expect("valid"),
        player: PlayerId::new(player).expect("valid"),
        event_type: EventType::new("boss").expect("valid"),
        score,
        sent_at: None,
        payload: String::new(),
    }
}

/// What the log holds of results, by board and end, and what scores come to second by second.
struct Told {
    closed: BTreeMap<(String, End), (u64, Ranked)>,
    scored: BTreeMap<End, BTreeMap<String, i64>>,
}

fn told(log: &FaultLog, shards: u16) -> Told {
    let mut told = Told {
        closed: BTreeMap::new(),
        scored: BTreeMap::new(),
    };
    for shard in (0..shards).map(ShardId::new) {
        let mut players: Vec<String> = Vec::new();
        let mut last_end: BTreeMap<String, End> = BTreeMap::new();
        for batch in log.read(shard, Sequence::ZERO).expect("it can be read") {
            let batch = batch.expect("a whole batch");
            let time = batch.header().time;
            for item in batch.records() {
                let name = |number: PlayerNumber| players[number.get() as usize].clone();
                match item.expect("own records").1 {
                    Record::Player(player) => {
                        players.push(player.id.expect("nobody was erased").to_owned());
                    }
                    Record::Score(score) => {
                        let end = TimeMicros::from_millis((time.millis() / 1_000 + 1) * 1_000);
                        let window = told.scored.entry(end).or_default();
                        *window.entry(name(score.player)).or_default() += score.score;
                    }
                    Record::BoardClosed(closed) => {
                        let board = closed.board.to_string();
                        let before = last_end.insert(board.clone(), closed.end);
                        assert!(before < Some(closed.end), "closed in the order of time");
                        assert!(closed.end <= time, "not before its end");
                        let entries = closed.entries.iter();
                        let entries = entries.map(|(player, score)| (name(*player), *score));
                        let result = (closed.players, entries.collect());
                        let before = told.closed.insert((board, closed.end), result);
                        assert_eq!(before, None, "{} is closed twice", closed.end.get());
                    }
                    _ => {}
                }
            }
        }
    }
    told
}

/// Waits until every window that ended by `time` stands in the log.
async fn all_closed(node: &Node, time: TimeMicros) {
    until_view(node, "all windows that have ended are closed", |view| {
        let due = view.boards.due_results(&view.catalog, 1);
        (view.time >= time && due.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_window_is_closed_once_though_its_node_stops_again_and_again() {
    for shards in [1, 3] {
        let log = fault_log();
        let node = start(config(shards), &log).expect("starts");
        create_park(&node).await;
        open_round(&node).await;
        let boards = json!({"boards": [
            {"name": "sums", "from": "events", "operator": "sum", "window": "1s", "results": 2},
            {"name": "quiet", "from": "claims", "operator": "sum", "window": "1s"},
        ]});
        let change = Box::new(serde_json::from_value(boards).expect("good boards"));
        let done = node
            .command(HuntCommand::Change { hunt: HUNT, change })
            .await;
        done.expect("given");
        node.stop();
        let mut id = 0;
        for term in 0..5 {
            let node = start(config(shards), &log).expect("starts again");
            let begun = node.now();
            // Across a boundary in each term, and stopped at once after it in every other.
            let boundary = TimeMicros::from_millis((begun.millis() / 1_000 + 1) * 1_000);
            while node.now() < boundary.plus_millis(20) {
                let events = ["ada", "bo", "cy", "dee"].map(|player| {
                    id += 1;
                    event(id, player, i64::from(id * 7 % 11))
                });
                let outcomes = node.record_events(events.to_vec()).await;
                let all_taken =
                    |outcome: &EventOutcome| matches!(outcome, EventOutcome::Accepted { .. });
                assert!(outcomes.iter().all(all_taken), "{outcomes:?}");
            }
            if term % 2 == 0 {
                all_closed(&node, boundary).await;
            }
            node.stop();
        }
        let node = start(config(shards), &log).expect("starts at last");
        let last = TimeMicros::from_millis((node.now().millis() / 1_000 + 1) * 1_000);
        all_closed(&node, last).await;
        node.stop();

        let told = told(&log, shards);
        let closed: Vec<_> = told.closed.keys().map(|(_, end)| *end).collect();
        let scored: Vec<_> = told.scored.keys().copied().collect();
        assert_eq!(
            closed, scored,
            "{shards} shards: a window with scores is closed, no other"
        );
        for ((board, end), (players, entries)) in &told.closed {
            assert_eq!(board, "sums");
            let mut window: Ranked = told.scored[end].clone().into_iter().collect();
            assert_eq!(*players, window.len() as u64);
            window.sort_by_key(|(_, score)| std::cmp::Reverse(*score));
            let best = |ranked: &[(String, i64)]| -> Vec<i64> {
                ranked.iter().map(|(_, score)| *score).collect()
            };
            assert_eq!(best(entries), best(&window[..2]), "{}", end.get());
            for entry in entries {
                assert!(window.contains(entry), "{entry:?} of {window:?}");
            }
        }
        assert!(told.closed.len() >= 5, "{} windows", told.closed.len());
    }
}
