//! What is in the tables.

use huntcore_model::ShardId;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::feed::{Feed, at};
use crate::support::{Running, config, connect, database, lines, number, shared};

#[tokio::test]
async fn every_record_becomes_its_row() {
    let url = database(shared());
    let feed = Feed::new(2);
    feed.event(0, "ada", "e-1", -7, "");
    feed.event(
        1,
        "zero\0byte",
        "e-2",
        1 << 53,
        r#"{"deep":[1e999,"\u0000\ud800"]}"#,
    );
    feed.claim(1, "bob", 9, 25);
    feed.close_board(1, &[("bob", 25), ("zero\0byte", -1)]);
    feed.commit_all(at(1_500));
    feed.commit_all(at(3_000));
    let sink = Running::start(config(&url), &feed);
    sink.caught_up().await;
    let client = connect(&url).await;
    let events = "SELECT ts, shard, sequence, hunt, player_id, event_id, event_type, score, \
                  sent_at, payload FROM events ORDER BY shard";
    assert_eq!(
        lines(&client, events).await,
        [
            "2026-11-22 12:00:01.5+00|0|2|park|ada|e-1|points|-7|2026-11-22 11:59:59.995+00|-",
            "2026-11-22 12:00:01.5+00|1|2|park|zero\u{2400}byte|e-2|points|9007199254740992|\
             2026-11-22 11:59:59.995+00|{\"deep\":[1e999,\"\\u0000\\ud800\"]}",
        ]
    );
    let claims = "SELECT claimed_at, shard, sequence, hunt, round, tile, player_id, points, \
                  voided_at FROM claims";
    assert_eq!(
        lines(&client, claims).await,
        ["2026-11-22 12:00:01.5+00|1|4|park|1|9|bob|25|-"]
    );
    let results = "SELECT hunt, board, window_end, players, place, player_id, score \
                   FROM board_results ORDER BY place";
    assert_eq!(
        lines(&client, results).await,
        [
            "park|daily|2026-11-22 12:00:05+00|7|1|bob|25",
            "park|daily|2026-11-22 12:00:05+00|7|2|zero\u{2400}byte|-1",
        ]
    );
    let players = "SELECT shard, number, player_id FROM players ORDER BY shard, number";
    assert_eq!(
        lines(&client, players).await,
        ["0|0|ada", "1|0|zero\u{2400}byte", "1|1|bob"]
    );
    let places = "SELECT shard, next_sequence, encode(chain, 'hex') FROM streams ORDER BY shard";
    let ends = feed.ends();
    let ends = ends
        .iter()
        .map(|(shard, tail)| format!("{shard}|{}|{}", tail.sequence, tail.chain));
    assert_eq!(lines(&client, places).await, ends.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_window_is_on_the_leaderboard_once_every_shard_has_passed_it_and_not_before() {
    let url = database(shared());
    let feed = Feed::new(2);
    let sink = Running::start(config(&url), &feed);
    feed.score(0, "ada", 5);
    feed.commit(ShardId::new(0), at(1_000));
    feed.score(1, "bob", 9);
    feed.commit(ShardId::new(1), at(1_999));
    feed.commit(ShardId::new(0), at(5_000));
    sink.caught_up().await;
    let client = connect(&url).await;
    assert_eq!(number(&client, "SELECT count(*) FROM events").await, 2);
    assert_eq!(
        number(&client, "SELECT count(*) FROM leaderboard_1s").await,
        0
    );
    feed.commit(ShardId::new(1), at(2_000));
    sink.caught_up().await;
    let board = "SELECT window_start, player_id, score FROM v_leaderboard_1s ORDER BY score DESC";
    assert_eq!(
        lines(&client, board).await,
        [
            "2026-11-22 12:00:01+00|bob|9",
            "2026-11-22 12:00:01+00|ada|5"
        ]
    );
    let until = "SELECT windows_final_until FROM progress";
    assert_eq!(lines(&client, until).await, ["2026-11-22 12:00:02+00"]);
}

/// Seconds, players and scores of a few shards, each shard's in order.
fn stories() -> impl Strategy<Value = Vec<(u16, u64, u8, i64)>> {
    prop::collection::vec((0..2_u16, 0..700_u64, 0..12_u8, -50..50_i64), 1..400)
}

#[tokio::test]
async fn the_leaderboard_holds_each_players_best_of_each_second_whoever_was_first_wins_ties() {
    let mut runner = TestRunner::deterministic();
    for transaction_records in [1, 50, 100_000] {
        let story = stories().new_tree(&mut runner).expect("a story").current();
        let url = database(shared());
        let feed = Feed::new(2);
        let mut now = 0;
        let mut expected = std::collections::BTreeMap::new();
        for (shard, pause_ms, player, score) in story {
            now += pause_ms;
            let player = format!("player-{shard}-{player}");
            let sequence = feed.score(shard, &player, score);
            feed.commit(ShardId::new(shard), at(now));
            let place = (std::cmp::Reverse(score), now, shard, sequence);
            let entry = expected.entry((now / 1_000, player)).or_insert(place);
            *entry = place.min(*entry);
        }
        feed.commit_all(at(now + 2_000));
        let mut config = config(&url);
        config.batch = transaction_records;
        let sink = Running::start(config, &feed);
        sink.caught_up().await;
        let client = connect(&url).await;
        let board = "SELECT (extract(epoch FROM window_start)::bigint - 1795348800)::text, \
                     player_id, score, (extract(epoch FROM reached_at) * 1000)::bigint - \
                     1795348800000, shard, sequence FROM v_leaderboard_1s \
                     ORDER BY window_start, player_id";
        let expected = expected.iter().map(|((second, player), place)| {
            let (score, reached, shard, sequence) = place;
            format!("{second}|{player}|{}|{reached}|{shard}|{sequence}", score.0)
        });
        assert_eq!(lines(&client, board).await, expected.collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn players_named_before_a_restart_are_found_again_and_erased_ones_stay_nameless() {
    let url = database(shared());
    let feed = Feed::new(1);
    feed.score(0, "ada", 1);
    feed.score(0, "bob", 2);
    feed.commit_all(at(100));
    let sink = Running::start(config(&url), &feed);
    sink.caught_up().await;
    drop(sink);
    let client = connect(&url).await;
    let erase = "UPDATE players SET player_id = NULL WHERE player_id = 'bob'";
    client.batch_execute(erase).await.expect("erased");
    feed.score(0, "ada", 3);
    feed.score(0, "bob", 4);
    feed.commit_all(at(1_200));
    feed.commit_all(at(2_000));
    let sink = Running::start(config(&url), &feed);
    sink.caught_up().await;
    let events = "SELECT player_id, score FROM events ORDER BY sequence";
    assert_eq!(
        lines(&client, events).await,
        ["ada|1", "bob|2", "ada|3", "-|4"]
    );
    let board = "SELECT player_id, score FROM leaderboard_1s ORDER BY window_start, score";
    assert_eq!(lines(&client, board).await, ["ada|1", "bob|2", "ada|3"]);
}
