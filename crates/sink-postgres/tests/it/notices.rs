//! What listeners hear.

use futures_util::StreamExt as _;
use futures_util::stream;
use huntcore_sink_postgres::CHANNEL;
use serde_json::{Value, json};
use tokio_postgres::{AsyncMessage, NoTls};

use crate::feed::{Feed, at};
use crate::support::{PATIENCE, Running, config, connect, database, lines, number, shared};

#[tokio::test]
async fn every_refresh_tells_listeners_once_what_changed_and_up_to_where() {
    let url = database(shared());
    let (listener, mut connection) = tokio_postgres::connect(&url, NoTls)
        .await
        .expect("connected");
    let messages = stream::poll_fn(move |context| connection.poll_message(context));
    let (heard, mut hear) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(messages.for_each(move |message| {
        if let Ok(AsyncMessage::Notification(notice)) = message {
            drop(heard.send(notice));
        }
        std::future::ready(())
    }));
    let listen = format!("LISTEN {CHANNEL}");
    listener.batch_execute(&listen).await.expect("listening");

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
        let notice = tokio::time::timeout(PATIENCE, hear.recv()).await;
        let notice = notice.expect("in time").expect("a notice");
        assert_eq!(notice.channel(), CHANNEL);
        let said: Value = serde_json::from_str(notice.payload()).expect("JSON");
        assert_eq!(said["hunts"], json!({"park": boards}));
        assert_eq!(said["refresh"], refresh);
        assert_eq!(said["schema"], "huntcore");
    }
    assert!(hear.try_recv().is_err(), "nothing is told twice");
    // Whoever was not there reads the same in a table.
    let client = connect(&url).await;
    assert_eq!(number(&client, "SELECT refreshes FROM progress").await, 2);
    let until = "SELECT windows_final_until FROM progress";
    assert_eq!(lines(&client, until).await, ["2026-11-22 12:00:01+00"]);
}
