//! Exactly once, whatever is killed.

use std::sync::Arc;

use huntcore_model::ShardId;
use huntcore_postgres_child::{Options, Server};
use huntcore_sink_postgres::SinkState;
use tokio_postgres::Client;

use crate::feed::{Feed, at};
use crate::support::{PATIENCE, Running, config, connect, database, lines, number, shared};

/// Batches of three players' events and a claim on two shards, each batch's last time.
fn write(feed: &Feed, batches: std::ops::Range<u32>) {
    for batch in batches {
        let shard = u16::try_from(batch % 2).expect("0 or 1");
        for player in ["ada", "bob", "eve"] {
            feed.event(
                shard,
                &format!("{player}-{shard}"),
                &format!("{batch}"),
                7,
                "",
            );
        }
        feed.claim(shard, &format!("ada-{shard}"), batch, 5);
        feed.commit(ShardId::new(shard), at(u64::from(batch) * 10));
    }
}

/// Nothing is missing and nothing is there twice.
async fn check(client: &Client, feed: &Arc<Feed>, batches: u32) {
    let distinct = "SELECT count(DISTINCT (shard, sequence)) FROM";
    for (table, rows_each) in [("events", 3), ("claims", 1)] {
        let expected = i64::from(batches * rows_each);
        assert_eq!(
            number(client, &format!("SELECT count(*) FROM {table}")).await,
            expected
        );
        assert_eq!(
            number(client, &format!("{distinct} {table}")).await,
            expected
        );
    }
    assert_eq!(number(client, "SELECT count(*) FROM players").await, 6);
    let seconds = i64::from(batches.saturating_sub(1) / 100);
    let board = "SELECT count(*) FROM leaderboard_1s";
    assert_eq!(number(client, board).await, seconds * 6);
    let places = "SELECT shard, next_sequence, encode(chain, 'hex') FROM streams ORDER BY shard";
    let ends = feed.ends();
    let ends = ends
        .iter()
        .map(|(shard, tail)| format!("{shard}|{}|{}", tail.sequence, tail.chain));
    assert_eq!(lines(client, places).await, ends.collect::<Vec<_>>());
}

#[tokio::test]
async fn rows_are_there_once_however_often_backends_are_killed_in_mid_transaction() {
    let url = database(shared());
    let feed = Feed::new(2);
    let mut config = config(&url);
    config.batch = 40;
    write(&feed, 0..2);
    let sink = Running::start(config, &feed);
    sink.caught_up().await;
    // What a session is told of others stays the same within a transaction.
    let (client, locker) = (connect(&url).await, connect(&url).await);
    let mut written = 2;
    // Killed wherever it happens to be, and once where it surely is within a transaction.
    for turn in 0..12 {
        let failures = sink.show().failures;
        let blocker = (turn % 3 == 0).then_some("LOCK TABLE events IN EXCLUSIVE MODE");
        locker.batch_execute("BEGIN").await.expect("begun");
        if let Some(lock) = blocker {
            locker.batch_execute(lock).await.expect("locked");
        }
        write(&feed, written..written + 60);
        written += 60;
        let kill = "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE datname = current_database() AND application_name = 'huntcore' \
                    AND (NOT $1 OR wait_event_type = 'Lock')) AS killed";
        let is_blocked = blocker.is_some();
        let killing = async {
            // Again until it is felt: whom it met may have been going already, or had nothing
            // to write and sees it when there is more.
            while sink.show().failures == failures {
                let killed = client.query_one(kill, &[&is_blocked]).await.expect("asked");
                if killed.get::<_, i64>(0) > 0 {
                    write(&feed, written..written + 1);
                    written += 1;
                }
            }
        };
        tokio::time::timeout(PATIENCE, killing)
            .await
            .expect("a kill that is felt");
        locker.batch_execute("ROLLBACK").await.expect("ended");
    }
    sink.caught_up().await;
    check(&client, &feed, written).await;
}

#[tokio::test]
async fn a_server_that_crashes_or_stops_is_waited_for_and_the_lag_shows() {
    let mut server = Server::start(Options::default()).expect("PostgreSQL starts");
    let url = database(&server);
    let feed = Feed::new(2);
    write(&feed, 0..400);
    let sink = Running::start(config(&url), &feed);
    for (turn, stop) in (1..).zip([Server::crash, Server::stop]) {
        // In the midst of catching up.
        sink.until("some rows", |shown| shown.rows[1] > 0).await;
        stop(&mut server).expect("stopped");
        // A sink that had written all there was notices when there is more.
        write(&feed, turn * 400..turn * 400 + 400);
        sink.until("waiting", |shown| shown.state == SinkState::Waiting)
            .await;
        let shown = sink.show();
        assert!(shown.lag_records >= 400 * 4, "{shown:?}");
        assert!(
            shown.lag_micros > Some(0) && shown.reason.is_some(),
            "{shown:?}"
        );
        server.resume().expect("started");
    }
    sink.caught_up().await;
    let client = connect(&url).await;
    check(&client, &feed, 1_200).await;
}

#[tokio::test]
async fn two_sinks_that_write_into_one_schema_do_not_write_anything_twice() {
    let url = database(shared());
    let feed = Feed::new(2);
    write(&feed, 0..2);
    let mut config = config(&url);
    config.batch = 20;
    let sinks = [(); 2].map(|()| Running::start(config.clone(), &feed));
    write(&feed, 2..600);
    for sink in &sinks {
        // The one that comes too late hears of it and goes on from where the other is.
        let is = |shown: &huntcore_sink_postgres::SinkShown| shown.lag_records == 0;
        sink.until("caught up", is).await;
    }
    let client = connect(&url).await;
    check(&client, &feed, 600).await;
}
