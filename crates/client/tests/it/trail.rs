//! A hunt's events out of a whole server's log, as the client reads them.

use huntcore_client::ClientError;
use huntcore_wire::{CloudEventType, EventRequest, EventsQuery, ProblemKind};
use serde_json::json;

use crate::real_server::RealServer;
use crate::server::{hunt, timely};

fn scores(first: u32, count: u32) -> Vec<EventRequest> {
    let event = |number: u32| {
        let event = json!({
            "event_id": format!("e-{number}"), "player": "ada", "event_type": "boss", "score": number,
        });
        serde_json::from_value(event).expect("a valid event")
    };
    (first..first + count).map(event).collect()
}

fn of_scores() -> EventsQuery {
    EventsQuery {
        types: Some("score".parse().expect("a type")),
        ..EventsQuery::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_read_to_the_end_resumed_and_followed() {
    let server = RealServer::start(3).await;
    let client = &server.client;
    timely(client.send_events(&hunt(), &scores(0, 30)))
        .await
        .expect("taken");

    let some = EventsQuery {
        limit: Some(20),
        ..of_scores()
    };
    let mut events = timely(client.events(&hunt(), &some)).await.expect("events");
    let mut told = Vec::new();
    while let Some(event) = timely(events.next()).await {
        told.push(event.expect("an event"));
    }
    assert_eq!(told.len(), 20);
    assert_eq!(events.position(), told[19].position.as_ref());

    let rest = EventsQuery {
        from: events.position().cloned(),
        follow: true,
        ..of_scores()
    };
    let mut events = timely(client.events(&hunt(), &rest)).await.expect("events");
    for _ in 0..10 {
        let event = timely(events.next()).await.expect("more");
        told.push(event.expect("an event"));
    }
    timely(client.send_events(&hunt(), &scores(30, 1)))
        .await
        .expect("taken");
    let event = timely(events.next()).await.expect("it follows");
    told.push(event.expect("an event"));
    assert!(told.iter().all(|event| event.kind == CloudEventType::Score));
    let mut numbers: Vec<i64> = told
        .iter()
        .filter_map(|event| event.data["score"].as_i64())
        .collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..31), "each once");

    // A stop cuts it off: it does not pass for the end.
    server.end().await;
    let last = timely(events.next()).await;
    assert!(
        matches!(last, Some(Err(ClientError::Transport { .. }))),
        "{last:?}"
    );
    assert!(timely(events.next()).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_comes_as_its_problem() {
    let server = RealServer::start(1).await;
    let client = &server.client;
    let of_another = EventsQuery {
        from: Some(serde_json::from_value(json!("AQEJAQ")).expect("a text")),
        ..EventsQuery::default()
    };
    let refused = timely(client.events(&hunt(), &of_another)).await;
    let kind = refused.err().and_then(|error| error.kind());
    assert_eq!(kind, Some(ProblemKind::LogAhead));
    server.end().await;
}
