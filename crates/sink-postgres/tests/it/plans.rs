//! How PostgreSQL answers what everybody asks.

use crate::feed::{Feed, at};
use crate::support::{Running, config, connect, database, lines, shared};

#[tokio::test]
async fn the_top_100_of_a_window_is_one_index_only_scan_without_a_sort() {
    let url = database(shared());
    let feed = Feed::new(1);
    let sink = Running::start(config(&url), &feed);
    for second in 0..20_u64 {
        for player in 0..2_000 {
            let score = (player * 7_919) % 1_000;
            feed.event(0, &format!("player-{player}"), "e", score, "");
        }
        feed.commit_all(at(second * 1_000));
    }
    feed.commit_all(at(20_000));
    sink.caught_up().await;
    let client = connect(&url).await;
    let vacuum = "VACUUM (ANALYZE) leaderboard_1s";
    client.batch_execute(vacuum).await.expect("vacuumed");
    let top = "SELECT player_id, score FROM v_leaderboard_1s \
               WHERE hunt = 'park' AND window_start = '2026-11-22 12:00:07+00' \
               ORDER BY score DESC, reached_at, shard, sequence LIMIT 100";
    let explain = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {top}");
    let plan = lines(&client, &explain).await.join("\n");
    assert!(
        plan.contains("Index Only Scan using leaderboard_1s_"),
        "{plan}"
    );
    assert!(plan.contains("Heap Fetches: 0"), "{plan}");
    assert!(
        !plan.contains("Sort") && !plan.contains("Seq Scan on leaderboard"),
        "{plan}"
    );
    // It reads no more of the window than it gives.
    let scan = plan.lines().find(|line| line.contains("leaderboard_1s_"));
    assert!(
        scan.is_some_and(|line| line.contains("rows=100 ")),
        "{plan}"
    );
    let best = lines(&client, top).await;
    assert_eq!((best.len(), best[0].as_str()), (100, "player-321|999"));
    // Without the hunt, and in the order of scores alone, it is one too.
    let simple = "SELECT player_id, score FROM v_leaderboard_1s \
                  WHERE window_start = '2026-11-22 12:00:07+00' ORDER BY score DESC LIMIT 100";
    let plan = lines(&client, &format!("EXPLAIN (COSTS OFF) {simple}"))
        .await
        .join("\n");
    assert!(
        plan.contains("Index Only Scan using leaderboard_1s_"),
        "{plan}"
    );
}
