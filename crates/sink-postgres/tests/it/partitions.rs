//! Partitions by day.

use std::time::Duration;

use huntcore_model::TimeMicros;

use crate::feed::{Feed, NOON_MS};
use crate::support::{Running, config, connect, database, lines, number, shared};

const DAY_MS: u64 = 86_400_000;
const PARTITIONS: &str = "SELECT inhrelid::regclass FROM pg_inherits JOIN pg_class ON oid = \
                          inhrelid WHERE relkind = 'r' AND inhparent = $$events$$::regclass \
                          ORDER BY 1::text";

fn day(days: u64) -> TimeMicros {
    TimeMicros::from_millis(NOON_MS + days * DAY_MS)
}

#[tokio::test]
async fn forty_days_leave_the_partitions_of_the_retention_and_one_ahead() {
    let url = database(shared());
    let feed = Feed::created_at(1, day(0));
    let mut config = config(&url);
    config.retention = Duration::from_hours(30 * 24);
    let sink = Running::start(config, &feed);
    for days in 0..40 {
        feed.score(0, "ada", 1);
        feed.claim(0, "ada", u32::try_from(days).expect("few"), 1);
        feed.close_board(0, &[]);
        feed.commit_all(day(days));
        // Each day is taken in by itself, as it would be.
        sink.caught_up().await;
    }
    feed.commit_all(day(40));
    sink.caught_up().await;
    sink.until("a last look", |shown| shown.transactions > 40)
        .await;
    drop(sink);
    let client = connect(&url).await;
    let partitions = lines(&client, PARTITIONS).await;
    // From 30 days before the 40th, which is the 2nd of December, up to the 1st of January.
    assert_eq!(
        partitions.first().map(String::as_str),
        Some("events_20261202")
    );
    assert_eq!(
        partitions.last().map(String::as_str),
        Some("events_20270101")
    );
    for table in ["events", "claims", "leaderboard_1s"] {
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(number(&client, &count).await, 30, "{table}");
    }
    let tables = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND \
                  relnamespace = to_regnamespace('huntcore') AND relname ~ '[0-9]{8}$'";
    assert_eq!(
        number(&client, tables).await,
        4 * 31,
        "nothing detached is left"
    );
}

#[tokio::test]
async fn a_reader_who_holds_on_to_an_old_partition_holds_up_nobody() {
    let url = database(shared());
    let feed = Feed::created_at(1, day(0));
    let mut config = config(&url);
    config.retention = Duration::from_hours(24);
    let sink = Running::start(config, &feed);
    feed.score(0, "ada", 1);
    feed.commit_all(day(0));
    sink.caught_up().await;
    let reader = connect(&url).await;
    let read = "BEGIN; SELECT count(*) FROM events";
    reader.batch_execute(read).await.expect("it reads");
    feed.score(0, "ada", 2);
    feed.commit_all(day(5));
    sink.caught_up().await;
    feed.score(0, "ada", 3);
    feed.commit_all(day(6));
    sink.caught_up().await;
    let client = connect(&url).await;
    let scores = "SELECT score FROM events WHERE score > 1 ORDER BY score";
    assert_eq!(lines(&client, scores).await, ["2", "3"]);
    reader.batch_execute("COMMIT").await.expect("done");
    feed.commit_all(day(9));
    sink.caught_up().await;
    sink.until("a last look", |shown| shown.transactions > 3)
        .await;
    drop(sink);
    assert!(
        !lines(&client, PARTITIONS)
            .await
            .contains(&"events_20261122".to_owned())
    );
}

#[tokio::test]
async fn what_an_operator_detached_is_kept_and_what_the_sink_left_detached_is_dropped() {
    let url = database(shared());
    let feed = Feed::created_at(1, day(0));
    let mut config = config(&url);
    config.retention = Duration::from_hours(24);
    let sink = Running::start(config.clone(), &feed);
    for days in 0..2 {
        feed.score(0, "ada", 1);
        feed.claim(0, "ada", u32::try_from(days).expect("few"), 1);
        feed.commit_all(day(days));
        sink.caught_up().await;
    }
    drop(sink);
    let client = connect(&url).await;
    // To be archived; and as after a crash between detaching and dropping.
    let detach = "ALTER TABLE events DETACH PARTITION events_20261122; \
                  ALTER TABLE claims DETACH PARTITION claims_20261122; \
                  COMMENT ON TABLE events_20261122 IS 'for the archive'; \
                  COMMENT ON TABLE claims_20261122 IS \
                  'huntcore: older than the retention, is being dropped'";
    client.batch_execute(detach).await.expect("detached");
    feed.commit_all(day(9));
    let sink = Running::start(config, &feed);
    sink.caught_up().await;
    // What was dropped is dropped before the next transaction begins.
    feed.commit_all(day(9));
    sink.caught_up().await;
    drop(sink);
    let left = "SELECT relname FROM pg_class WHERE relkind = 'r' AND \
                relnamespace = to_regnamespace('huntcore') AND relname ~ '_202611[0-9]{2}$'";
    assert_eq!(lines(&client, left).await, ["events_20261122"]);
    assert_eq!(
        number(&client, "SELECT count(*) FROM events_20261122").await,
        1
    );
}
