//! Servers that take no writes, tables that are not what they were, logs that are others.

use std::sync::Arc;

use huntcore_model::{HuntNumber, PlayerNumber, ShardId};
use huntcore_sink_postgres::{Known, KnownHunt, NumberedPlayers, SinkState};

use crate::feed::{Feed, at};
use crate::support::{Running, config, connect, database, lines, number, park, shared};

fn name_of(url: &str) -> &str {
    url.rsplit('/').next().expect("a name")
}

#[tokio::test]
async fn a_read_only_server_is_waited_for_and_caught_up_with() {
    let url = database(shared());
    let feed = Feed::new(1);
    feed.score(0, "ada", 1);
    feed.commit_all(at(100));
    let sink = Running::start(config(&url), &feed);
    sink.caught_up().await;
    let set = |value: &str| {
        let name = name_of(&url);
        let end = format!(
            "ALTER DATABASE {name} SET default_transaction_read_only TO {value}; \
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        shared().sql("postgres", &end).expect("set");
    };
    set("on");
    feed.score(0, "ada", 2);
    feed.commit_all(at(1_200));
    let is = |shown: &huntcore_sink_postgres::SinkShown| {
        let reason = shown.reason.as_deref().unwrap_or_default();
        shown.state == SinkState::Waiting && reason.contains("default_transaction_read_only is on")
    };
    let shown = sink.until("waiting", is).await;
    assert!(
        shown.lag_records > 0 && shown.lag_micros > Some(0),
        "{shown:?}"
    );
    set("off");
    sink.caught_up().await;
    let client = connect(&url).await;
    assert_eq!(
        number(&client, "SELECT sum(score)::bigint FROM events").await,
        3
    );
}

#[tokio::test]
async fn a_schema_changed_by_hand_stops_the_sink_which_names_table_and_column() {
    for (change, complaint, mend) in [
        (
            "ALTER TABLE events RENAME COLUMN score TO points",
            "table events lacks the column score",
            "ALTER TABLE events RENAME COLUMN points TO score",
        ),
        (
            "ALTER TABLE claims ALTER COLUMN points TYPE text",
            "column points of table claims is text, expected bigint",
            "ALTER TABLE claims ALTER COLUMN points TYPE bigint USING points::bigint",
        ),
        (
            "ALTER TABLE events ADD COLUMN season text NOT NULL",
            "column season of table events must be given and has no default",
            "ALTER TABLE events ALTER COLUMN season DROP NOT NULL",
        ),
        (
            "ALTER TABLE corrections RENAME TO elsewhere",
            "table corrections is gone",
            "ALTER TABLE elsewhere RENAME TO corrections",
        ),
        (
            "DELETE FROM streams WHERE shard = 65535",
            "the tables have no such stream",
            "",
        ),
        (
            "ALTER INDEX leaderboard_1s_top RENAME TO other",
            "the index leaderboard_1s_top is gone",
            "ALTER INDEX other RENAME TO leaderboard_1s_top",
        ),
    ] {
        let url = database(shared());
        let feed = Feed::new(1);
        let sink = Running::start(config(&url), &feed);
        sink.caught_up().await;
        let client = connect(&url).await;
        client.batch_execute(change).await.expect(change);
        // Seen where it hurts, or at the next start.
        feed.claim(0, "ada", 1, 1);
        feed.score(0, "ada", 1);
        feed.commit_all(at(100));
        drop(sink);
        let sink = Running::start(config(&url), &feed);
        let reason = sink.stopped().await;
        assert!(reason.contains(complaint), "{change}: {reason}");
        if !mend.is_empty() {
            client.batch_execute(mend).await.expect(mend);
            sink.caught_up().await;
            assert_eq!(number(&client, "SELECT count(*) FROM events").await, 1);
        }
    }
}

#[tokio::test]
async fn a_column_that_goes_while_the_sink_runs_is_named_and_no_row_is_lost() {
    let url = database(shared());
    let feed = Feed::new(1);
    feed.score(0, "ada", 1);
    feed.commit_all(at(100));
    let sink = Running::start(config(&url), &feed);
    sink.caught_up().await;
    let client = connect(&url).await;
    let change = "ALTER TABLE events RENAME COLUMN event_type TO kind";
    client.batch_execute(change).await.expect("changed");
    feed.score(0, "ada", 2);
    feed.commit_all(at(200));
    let reason = sink.stopped().await;
    assert!(
        reason.contains("table events lacks the column event_type"),
        "{reason}"
    );
    assert!(
        reason.contains("schema huntcore was changed by hand"),
        "{reason}"
    );
    let mend = "ALTER TABLE events RENAME COLUMN kind TO event_type";
    client.batch_execute(mend).await.expect("mended");
    sink.caught_up().await;
    let scores = "SELECT score FROM events ORDER BY sequence";
    assert_eq!(lines(&client, scores).await, ["1", "2"]);
}

#[tokio::test]
async fn what_operators_add_does_no_harm() {
    let url = database(shared());
    let feed = Feed::new(1);
    let sink = Running::start(config(&url), &feed);
    sink.caught_up().await;
    let client = connect(&url).await;
    let add = "ALTER TABLE events ADD COLUMN season text DEFAULT 'autumn'; \
               CREATE INDEX ON events (hunt, player_id); CREATE TABLE mine (x integer); \
               GRANT USAGE ON SCHEMA huntcore TO PUBLIC";
    client.batch_execute(add).await.expect("added");
    feed.score(0, "ada", 1);
    feed.commit_all(at(100));
    drop(sink);
    let sink = Running::start(config(&url), &feed);
    sink.caught_up().await;
    let seasons = "SELECT season, score FROM events";
    assert_eq!(lines(&client, seasons).await, ["autumn|1"]);
}

#[tokio::test]
async fn a_schema_of_a_newer_huntcore_is_left_alone() {
    let url = database(shared());
    let feed = Feed::new(1);
    drop({
        let sink = Running::start(config(&url), &feed);
        sink.caught_up().await;
        sink
    });
    let client = connect(&url).await;
    let newer = "INSERT INTO migrations (version, name, sha256) VALUES (999, 'later', '')";
    client.batch_execute(newer).await.expect("written");
    let sink = Running::start(config(&url), &feed);
    let reason = sink.stopped().await;
    assert!(
        reason.contains("made by a newer huntcore: it has migration 999"),
        "{reason}"
    );
}

#[tokio::test]
async fn tables_of_another_log_are_refused_as_is_a_log_that_lost_its_end() {
    let url = database(shared());
    let feed = Feed::new(1);
    feed.score(0, "ada", 1);
    feed.commit_all(at(100));
    drop({
        let sink = Running::start(config(&url), &feed);
        sink.caught_up().await;
        sink
    });
    let other = Feed::new(1);
    other.score(0, "eve", 1);
    other.commit_all(at(100));
    let sink = Running::start(config(&url), &other);
    let reason = sink.stopped().await;
    assert!(reason.contains("the tables hold another log"), "{reason}");
    drop(sink);
    let shorter = Feed::new(1);
    let sink = Running::start(config(&url), &shorter);
    let reason = sink.stopped().await;
    assert!(reason.contains("where this log ends at 1"), "{reason}");
    drop(sink);
    let wider = Feed::new(2);
    let sink = Running::start(config(&url), &wider);
    let reason = sink.stopped().await;
    assert!(reason.contains("another log"), "{reason}");
    drop(sink);
    let sink = Running::start(config(&url), &feed);
    sink.caught_up().await;
}

/// Who was in a log before its beginning was trimmed.
struct Before;

impl Known for Before {
    fn hunts(&self) -> Vec<KnownHunt> {
        vec![park(&[])]
    }

    fn disqualified(&self) -> Vec<(HuntNumber, String)> {
        Vec::new()
    }

    fn players(&self, shard: ShardId) -> NumberedPlayers<'_> {
        // Who comes later is known already, too.
        let players = [Some("ada"), None, Some("eve")].map(|id| id.map(str::to_owned));
        let players = players
            .into_iter()
            .take(if shard.get() == 0 { 3 } else { 0 });
        Box::new((0..).map(PlayerNumber::new).zip(players))
    }
}

#[tokio::test]
async fn a_log_that_was_trimmed_while_the_sink_was_away_is_a_gap_that_is_told_and_can_be_left_behind()
 {
    let url = database(shared());
    let feed = Feed::new(1);
    feed.score(0, "ada", 1);
    feed.commit_all(at(100));
    drop({
        let sink = Running::start(config(&url), &feed);
        sink.caught_up().await;
        sink
    });
    feed.score(0, "bob", 2);
    feed.commit_all(at(500));
    feed.score(0, "ada", 3);
    feed.score(0, "bob", 4);
    feed.score(0, "eve", 5);
    feed.commit_all(at(1_500));
    feed.commit_all(at(4_000));
    feed.trim_to_last(ShardId::new(0), 2);
    let known = || Some(Arc::new(Before) as Arc<dyn Known>);
    let sink = Running::start_knowing(config(&url), &feed, known());
    let reason = sink.stopped().await;
    assert!(
        reason.contains("shard-00000 begins at 5, and the tables end at 3"),
        "{reason}"
    );
    assert!(reason.contains("rename or drop the schema"), "{reason}");
    let client = connect(&url).await;
    let aside = "ALTER SCHEMA huntcore RENAME TO until_now";
    client.batch_execute(aside).await.expect("renamed");
    sink.caught_up().await;
    let events = "SELECT player_id, score FROM events ORDER BY sequence";
    assert_eq!(lines(&client, events).await, ["ada|3", "-|4", "eve|5"]);
    let gaps = "SELECT shard, from_sequence, until_sequence FROM gaps";
    assert_eq!(lines(&client, gaps).await, ["0|0|5"]);
    // The second that the log now begins in is not whole, and so not on the leaderboard.
    assert_eq!(
        number(&client, "SELECT count(*) FROM leaderboard_1s").await,
        0
    );
    let from = "SELECT windows_from FROM progress";
    assert_eq!(lines(&client, from).await, ["2026-11-22 12:00:02+00"]);
}
