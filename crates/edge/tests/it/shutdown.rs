//! Stopping: what has been accepted is finished, and nobody is left without a word.

use std::time::Duration;

use futures_util::SinkExt;
use huntcore_wire::ServerMessage;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_websockets::Message;

use crate::world::{Answer, World, farewell, hear, token, within};

fn claim_request() -> String {
    let body = json!({"round": 1, "tile": 0}).to_string();
    format!(
        "POST /v1/hunts/park/claims HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         authorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        token("ada"),
        body.len()
    )
}

#[tokio::test]
async fn an_accepted_request_is_finished_and_no_new_one_accepted() {
    let mut world = World::new().await;
    world.fake.hold_claims(true);
    let mut claiming = world.connect().await;
    claiming
        .write_all(claim_request().as_bytes())
        .await
        .expect("it reads");
    let mut silent = world.connect().await;
    let mut idle = world.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .expect("it reads");
    let mut answer = [0; 1_024];
    assert!(within(idle.read(&mut answer)).await.expect("it answers") > 0);
    within(world.fake.arrived.notified()).await;
    world.stop();
    for quiet in [&mut silent, &mut idle] {
        let mut rest = Vec::new();
        within(quiet.read_to_end(&mut rest))
            .await
            .expect("it closes");
        assert_eq!(rest, b"");
    }
    let late = tokio::net::TcpStream::connect(world.address).await;
    assert!(late.is_err(), "nobody listens");
    world.fake.hold_claims(false);
    let mut answer = Vec::new();
    within(claiming.read_to_end(&mut answer))
        .await
        .expect("it closes");
    assert_eq!(Answer::parse(&answer).ok()["outcome"], "won");
    assert_eq!(world.stopped().await.unfinished, 0);
}

#[tokio::test]
async fn a_socket_hears_its_outcomes_and_then_goodbye() {
    let mut world = World::new().await;
    world.fake.hold_claims(true);
    let mut ada = world.live(Some("ada")).await;
    let claim = r#"{"type":"claim","id":"c1","round":1,"tile":0}"#;
    ada.send(Message::text(claim)).await.expect("it reads");
    within(world.fake.arrived.notified()).await;
    let mut watcher = world.live(None).await;
    world.stop();
    let (code, reason) = farewell(&mut watcher).await;
    let (why, wait) = reason.split_once("; retry_after_ms=").expect("a hint");
    assert_eq!((code, why), (1001, "server is stopping"));
    assert!(wait.parse::<u32>().is_ok_and(|wait| wait > 0), "{reason}");
    world.fake.hold_claims(false);
    let ServerMessage::Outcome(outcome) = hear(&mut ada).await else {
        panic!("no outcome");
    };
    assert_eq!((outcome.id.as_str(), outcome.outcome.name()), ("c1", "won"));
    assert_eq!(farewell(&mut ada).await.0, 1001);
    drop((ada, watcher));
    assert!(world.counts.attempts().is_reconciled());
    assert_eq!(world.stopped().await.unfinished, 0);
}

#[tokio::test]
async fn what_does_not_finish_is_cut_off_and_counted() {
    let mut world = World::with(|config| {
        config.limits.drain_timeout = Duration::from_millis(100);
    })
    .await;
    world.fake.hold_claims(true);
    let mut claiming = world.connect().await;
    claiming
        .write_all(claim_request().as_bytes())
        .await
        .expect("it reads");
    within(world.fake.arrived.notified()).await;
    world.stop();
    let counts = world.counts.clone();
    assert_eq!(world.stopped().await.unfinished, 1);
    let mut rest = Vec::new();
    let _ = within(claiming.read_to_end(&mut rest)).await;
    assert_eq!(rest, b"");
    assert_eq!(counts.attempts().unanswered(), 1);
    assert!(counts.attempts().is_reconciled());
}

#[tokio::test]
async fn sockets_are_served_until_their_turn_to_go_comes() {
    const PLAYERS: usize = 20;
    let mut world = World::with(|config| {
        config.limits.player_rate = None;
        config.limits.drain_timeout = crate::world::PATIENCE;
    })
    .await;
    // Each adds a millisecond to the time over which all go.
    let mut watchers = Vec::new();
    for _ in 0..1_000 {
        watchers.push(world.live(None).await);
    }
    let mut players = Vec::new();
    for number in 0..PLAYERS {
        players.push(world.live(Some(&format!("p{number}"))).await);
    }
    world.stop();
    within(async { while tokio::net::TcpStream::connect(world.address).await.is_ok() {} }).await;
    let claiming = players.into_iter().map(async |mut player| {
        let mut heard = 0;
        for number in 0.. {
            let claim = format!(r#"{{"type":"claim","id":"c{number}","round":1,"tile":0}}"#);
            if player.send(Message::text(claim)).await.is_err() {
                break;
            }
            match within(futures_util::StreamExt::next(&mut player)).await {
                Some(Ok(message)) if message.is_text() => heard += 1,
                _ => break,
            }
        }
        heard
    });
    let outcomes: usize = futures_util::future::join_all(claiming).await.iter().sum();
    // More than one for each that may have been on its way when the edge was told to stop.
    assert!(outcomes > PLAYERS, "{outcomes} outcomes");
    for mut watcher in watchers {
        assert_eq!(farewell(&mut watcher).await.0, 1001);
    }
    assert_eq!(world.stopped().await.unfinished, 0);
}
