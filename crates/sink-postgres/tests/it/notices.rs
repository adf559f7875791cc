//! What listeners hear.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use huntcore_model::{BoardDefinition, BoardSource, HuntNumber, ShardId};
use huntcore_sink_postgres::{ALL_BOARDS, CHANNEL, Known, KnownHunt, NumberedPlayers};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::{AsyncMessage, Client, NoTls, Notification};

use crate::feed::{Feed, at, board};
use crate::support::{PATIENCE, Running, config, connect, database, lines, number, park, shared};

/// Somebody who listens.
struct Listener {
    hear: UnboundedReceiver<Notification>,
    // The connection ends with it.
    _client: Client,
}

impl Listener {
    async fn new(url: &str) -> Self {
        let (client, mut connection) = tokio_postgres::connect(url, NoTls)
            .await
            .expect("connected");
        let messages = stream::poll_fn(move |context| connection.poll_message(context));
        let (heard, hear) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(messages.for_each(move |message| {
            if let Ok(AsyncMessage::Notification(notice)) = message {
                drop(heard.send(notice));
            }
            std::future::ready(())
        }));
        let listen = format!("LISTEN {CHANNEL}");
        client.batch_execute(&listen).await.expect("listening");
        Self {
            hear,
            _client: client,
        }
    }

    /// The next notice's payload.
    async fn next(&mut self) -> Value {
        let notice = tokio::time::timeout(PATIENCE, self.hear.recv()).await;
        let notice = notice.expect("in time").expect("a notice");
        assert_eq!(notice.channel(), CHANNEL);
        serde_json::from_str(notice.payload()).expect("JSON")
    }

    /// The boards of the hunt that the next notice names.
    async fn boards(&mut self) -> Value {
        self.next().await["hunts"]["park"].take()
    }
}

#[tokio::test]
async fn every_refresh_tells_listeners_once_what_changed_and_up_to_where() {
    let url = database(shared());
    let mut listener = Listener::new(&url).await;
    let feed = Feed::new(1);
    let sink = Running::start(config(&url), &feed);
    sink.caught_up().await;
    feed.score(0, "ada", 1);
    feed.claim(0, "bob", 1, 5);
    feed.commit_all(at(100));
    sink.caught_up().await;
    // Nothing on a board changes.
    feed.commit_all(at(200));
    sink.caught_up().await;
    feed.commit_all(at(1_000));
    sink.caught_up().await;
    let refreshes = sink.show().refreshes;
    assert_eq!(refreshes, 2);
    for (refresh, boards) in [(1, json!(["best", "total"])), (2, json!(["second"]))] {
        let said = listener.next().await;
        assert_eq!(said["hunts"], json!({"park": boards}));
        assert_eq!(said["refresh"], refresh);
        assert_eq!(said["schema"], "huntcore");
    }
    assert!(listener.hear.try_recv().is_err(), "nothing is told twice");
    // Whoever was not there reads the same in a table.
    let client = connect(&url).await;
    assert_eq!(number(&client, "SELECT refreshes FROM progress").await, 2);
    let until = "SELECT windows_final_until FROM progress";
    assert_eq!(lines(&client, until).await, ["2026-11-22 12:00:01+00"]);
}

/// A hunt's boards that differ in what they count.
fn boards() -> [BoardDefinition; 4] {
    [
        board("gold", BoardSource::Claims, &[]),
        board("laps", BoardSource::Events, &["lap", "sprint"]),
        board("mixed", BoardSource::Both, &["lap"]),
        board("week", BoardSource::Events, &[]),
    ]
}

#[tokio::test]
async fn a_notice_names_the_configured_boards_that_count_what_came() {
    let url = database(shared());
    let mut listener = Listener::new(&url).await;
    let feed = Feed::new(2);
    let mut sink = Running::start(config(&url), &feed);
    sink.caught_up().await;
    let [gold, laps, mixed, week] = boards();
    feed.define(&[gold.clone(), laps, mixed, week.clone()], at(10));
    sink.caught_up().await;
    let all = json!(["best", "gold", "laps", "mixed", "second", "total", "week"]);
    assert_eq!(listener.boards().await, all);
    // The list is in the tables: a sink that starts again goes on with it.
    for turn in 0..2 {
        let time = |step: u64| at(100 * (turn + 1) + step);
        feed.claim(0, "ada", u32::try_from(turn).expect("few"), 5);
        feed.commit_all(time(1));
        sink.caught_up().await;
        assert_eq!(listener.boards().await, json!(["gold", "mixed", "total"]));
        feed.typed(1, "bob", "points");
        feed.commit_all(time(2));
        sink.caught_up().await;
        assert_eq!(listener.boards().await, json!(["best", "week"]));
        feed.typed(0, "bob", "points");
        feed.typed(0, "bob", "sprint");
        feed.commit_all(time(3));
        sink.caught_up().await;
        assert_eq!(listener.boards().await, json!(["best", "laps", "week"]));
        feed.typed(1, "bob", "lap");
        feed.commit_all(time(4));
        sink.caught_up().await;
        let counted = json!(["best", "laps", "mixed", "week"]);
        assert_eq!(listener.boards().await, counted);
        drop(sink);
        sink = Running::start(config(&url), &feed);
        sink.caught_up().await;
    }
    // Whose boards go is told of those, too, once.
    feed.define(&[gold, week], at(500));
    sink.caught_up().await;
    assert_eq!(listener.boards().await, all);
    feed.claim(0, "ada", 9, 5);
    feed.typed(1, "bob", "lap");
    feed.commit_all(at(600));
    sink.caught_up().await;
    // Each shard's copy of the entry may come in a transaction of its own and tells nothing new.
    assert_eq!(
        listener.boards().await,
        json!(["best", "gold", "total", "week"])
    );
    let client = connect(&url).await;
    let kept = "SELECT jsonb_path_query_array(boards::jsonb, '$.name'), boards_next FROM hunts";
    assert_eq!(lines(&client, kept).await, [r#"["gold", "week"]|3"#]);
}

/// Somebody who has followed the hunt's boards.
struct Followed;

impl Known for Followed {
    fn hunts(&self) -> Vec<KnownHunt> {
        vec![park(&boards())]
    }

    fn players(&self, _: ShardId) -> NumberedPlayers<'_> {
        Box::new(std::iter::empty())
    }

    fn disqualified(&self) -> Vec<(HuntNumber, String)> {
        Vec::new()
    }
}

#[tokio::test]
async fn of_a_hunt_whose_boards_the_tables_do_not_know_all_are_named_until_somebody_tells() {
    let url = database(shared());
    let mut listener = Listener::new(&url).await;
    let feed = Feed::new(1);
    drop({
        let sink = Running::start(config(&url), &feed);
        sink.caught_up().await;
        sink
    });
    let client = connect(&url).await;
    let forget = "UPDATE hunts SET boards = NULL, boards_next = NULL";
    client.batch_execute(forget).await.expect("as of old");
    let sink = Running::start(config(&url), &feed);
    feed.claim(0, "ada", 1, 5);
    feed.commit_all(at(100));
    sink.caught_up().await;
    assert_eq!(listener.boards().await, json!([ALL_BOARDS]));
    drop(sink);
    let sink = Running::start_knowing(config(&url), &feed, Some(Arc::new(Followed)));
    feed.claim(0, "ada", 2, 5);
    feed.commit_all(at(200));
    sink.caught_up().await;
    assert_eq!(listener.boards().await, json!(["gold", "mixed", "total"]));
    // An entry that is older than what was told changes nothing.
    feed.define(&[], at(300));
    feed.claim(0, "ada", 3, 5);
    feed.commit_all(at(400));
    sink.caught_up().await;
    assert_eq!(listener.boards().await, json!(["gold", "mixed", "total"]));
}
