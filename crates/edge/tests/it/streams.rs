//! Streams of attempts: both ways at once, and whatever can go wrong with them.

use std::time::Duration;

use huntcore_model::{Outcome, OutcomeKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::duplex::{Duplex, line, message};
use crate::world::{SERVICE_KEY, World, within};

const LINES: &str = "application/x-ndjson";
const PROTOBUF: &str = "application/protobuf";
const CHUNKED: &str = "transfer-encoding: chunked\r\n";

#[tokio::test]
async fn outcomes_flow_back_while_the_request_is_still_being_sent() {
    let world = World::new().await;
    let mut stream = Duplex::open(&world, LINES).await;
    for tile in 0..16 {
        for (player, outcome) in [("ada", "won"), ("bob", "taken"), ("ada", "won")] {
            stream.send(line(tile, player)).await;
            let item = stream.next_line().await.expect("an outcome");
            assert_eq!(item.outcome.name(), outcome);
        }
    }
    stream.finish().await;
    assert!(stream.next_line().await.is_none());
    assert_eq!(world.reconciled().await.received, 48);
}

#[tokio::test]
async fn protobuf_streams_like_lines() {
    let world = World::new().await;
    for media_type in [PROTOBUF, "Application/X-Protobuf; q=1"] {
        let mut stream = Duplex::open(&world, media_type).await;
        stream
            .send([message(3, "ada"), message(3, "bob")].concat())
            .await;
        assert_eq!(
            stream.next_message().await.expect("one").0,
            OutcomeKind::Won
        );
        assert_eq!(
            stream.next_message().await.expect("one").0,
            OutcomeKind::Taken
        );
        stream.send(message(99, "ada")).await;
        assert_eq!(
            stream.next_message().await.expect("one").0,
            OutcomeKind::UnknownTile
        );
        stream.finish().await;
        assert!(stream.next_message().await.is_none());
    }
    let definition = world.get("/huntcore.v1.proto").await;
    assert_eq!(definition.status, 200);
    assert!(String::from_utf8_lossy(&definition.body).contains("message ClaimFor {"));
}

#[tokio::test]
async fn a_stream_has_no_limit_on_its_items_and_keeps_their_order() {
    let world = World::new().await;
    let mut stream = Duplex::open(&world, LINES).await;
    let total = 20_000_u32;
    let (mut reader, mut writer) = stream.tcp.split();
    let sent = async {
        for first in (0..total).step_by(100) {
            // Every seventh is an attempt on a tile that is not there.
            let tile = |n: u32| if n.is_multiple_of(7) { 99 } else { 5 };
            let chunk: String = (first..first + 100).map(|n| line(tile(n), "ada")).collect();
            let chunk = format!("{:x}\r\n{chunk}\r\n", chunk.len());
            writer.write_all(chunk.as_bytes()).await.expect("it reads");
        }
        writer.write_all(b"0\r\n\r\n").await.expect("it reads");
    };
    let read = async {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n0\r\n\r\n") {
            let count = reader.read_buf(&mut answer).await.expect("it answers");
            assert!(count > 0, "closed");
        }
        answer
    };
    let ((), answer) = within(async { tokio::join!(sent, read) }).await;
    let text = String::from_utf8(answer).expect("UTF-8");
    let outcomes = text.match_indices("\"outcome\":\"");
    let mut outcomes = outcomes.map(|(at, name)| text[at + name.len()..].starts_with("won"));
    for n in 0..total {
        assert_eq!(outcomes.next(), Some(n % 7 != 0), "{n}");
    }
    assert_eq!(outcomes.next(), None);
    let attempts = world.reconciled().await;
    assert_eq!(
        (attempts.received, attempts.unanswered()),
        (u64::from(total), 0)
    );
}

#[tokio::test]
async fn items_stand_alone_whatever_stands_between_them() {
    let world = World::new().await;
    let mut stream = Duplex::open(&world, LINES).await;
    let long = "x".repeat(17 << 10);
    for (sent, outcomes) in [
        ("\n \r\n".to_owned() + &line(0, "ada"), &["won"][..]),
        ("nonsense\n{}\n[]\n".to_owned(), &["invalid"; 3]),
        (
            line(0, "ada") + &line(0, "ada") + &line(0, "bob"),
            &["won", "won", "taken"],
        ),
        (line(1, "ada").replace("park", "beach"), &["unknown-hunt"]),
        (line(1, "ada").replace("park", "Beach"), &["invalid"]),
        (format!("{long}\n{}", line(1, "ada")), &["invalid", "won"]),
        (line(1, "ada").replace('1', "\"1\""), &["invalid"]),
        (line(2, "\\u0061da"), &["won"]),
        (line(2, "ada").replace('}', ",\"x\":1}"), &["invalid"]),
    ] {
        stream.send(&sent).await;
        for outcome in outcomes {
            let item = stream.next_line().await.expect("an outcome");
            assert_eq!(item.outcome.name(), *outcome, "{sent:.80}");
            let explained = ["invalid", "unknown-hunt"].contains(outcome);
            assert_eq!(item.error.is_some(), explained, "{item:?}");
            assert!(item.error.is_none_or(|error| error.len() <= 256));
        }
    }
    stream.finish().await;
    assert!(stream.next_line().await.is_none());
    world.reconciled().await;
}

#[tokio::test]
async fn an_empty_stream_has_an_empty_answer() {
    let world = World::new().await;
    for media_type in [LINES, PROTOBUF] {
        let mut stream = Duplex::open(&world, media_type).await;
        stream.finish().await;
        assert!(stream.next_line().await.is_none());
        stream.begin(media_type, "content-length: 0\r\n").await;
        assert!(stream.head().await.starts_with("HTTP/1.1 200 "));
        assert!(stream.next_line().await.is_none());
    }
    assert_eq!(world.reconciled().await.received, 0);
}

#[tokio::test]
async fn a_writer_that_dribbles_is_answered_item_by_item() {
    let world = World::new().await;
    let mut stream = Duplex::open(&world, PROTOBUF).await;
    for tile in 0..3 {
        for byte in message(tile, "ada") {
            stream.send([byte]).await;
        }
        assert_eq!(
            stream.next_message().await.expect("one").0,
            OutcomeKind::Won
        );
    }
    stream.finish().await;
    assert!(stream.next_message().await.is_none());
}

#[tokio::test]
async fn a_request_follows_a_stream_on_the_same_connection() {
    let world = World::new().await;
    let mut stream = Duplex::connect(&world).await;
    let body = line(0, "ada") + &line(1, "ada");
    let head = |rest: &str| {
        format!(
            "POST /v1/claims HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SERVICE_KEY}\r\n\
             content-type: {LINES}\r\n{rest}\r\n"
        )
    };
    // All of it at once, ahead of any answer.
    let both = format!(
        "{}{:x}\r\n{body}\r\n0\r\n\r\n{}{body}GET /healthz HTTP/1.1\r\nhost: x\r\n\
         connection: close\r\n\r\n",
        head(CHUNKED),
        body.len(),
        head(&format!("content-length: {}\r\n", body.len())),
    );
    stream.write(both.as_bytes()).await;
    for _ in 0..2 {
        assert!(stream.head().await.starts_with("HTTP/1.1 200 "));
        assert_eq!(stream.rest_of_lines().await, ["won", "won"]);
    }
    assert!(stream.head().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn whoever_waits_for_100_continue_gets_it() {
    let world = World::new().await;
    let mut stream = Duplex::connect(&world).await;
    let body = line(0, "ada");
    let more = format!("content-length: {}\r\nexpect: 100-continue\r\n", body.len());
    stream.begin(LINES, &more).await;
    assert_eq!(stream.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write(body.as_bytes()).await;
    assert!(stream.head().await.starts_with("HTTP/1.1 200 "));
    assert_eq!(stream.rest_of_lines().await, ["won"]);
    // Who may not ask is told so instead.
    let mut stranger = world.connect().await;
    let request = format!(
        "POST /v1/claims HTTP/1.1\r\nhost: x\r\ncontent-type: {LINES}\r\n{CHUNKED}\
         expect: 100-continue\r\n\r\n"
    );
    stranger
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    let mut answer = [0; 12];
    within(stranger.read_exact(&mut answer))
        .await
        .expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 401");
}

#[tokio::test]
async fn a_peer_that_closes_its_side_still_gets_every_outcome() {
    let world = World::new().await;
    for whole in [true, false] {
        world.fake.hold_claims(true);
        let mut stream = Duplex::open(&world, LINES).await;
        stream.send(line(0, "ada") + &line(1, "ada")).await;
        within(world.fake.arrived.notified()).await;
        // Not whole: the body's last chunk never comes.
        if whole {
            stream.finish().await;
        } else {
            stream.send(&line(2, "ada")[..20]).await;
        }
        stream.tcp.shutdown().await.expect("half of it");
        world.fake.hold_claims(false);
        let outcomes = stream.rest_of_lines().await;
        let cut = ["won", "won", "invalid"];
        assert_eq!(outcomes, cut[..if whole { 2 } else { 3 }]);
        assert!(stream.is_closed().await);
    }
    world.reconciled().await;
}

#[tokio::test]
async fn a_body_that_ends_within_an_item_answers_all_before_it() {
    let world = World::new().await;
    let body = line(0, "ada") + &line(1, "ada")[..30];
    let answer = world.lines("/v1/claims", &body).await;
    let text = String::from_utf8(answer.body).expect("UTF-8");
    assert_eq!(text.lines().count(), 2);
    assert!(
        text.lines()
            .next_back()
            .is_some_and(|last| last.contains("EOF while parsing"))
    );
    let mut stream = Duplex::open(&world, PROTOBUF).await;
    let mut body = message(0, "ada");
    body.extend(&message(1, "ada")[..5]);
    stream.send(body).await;
    stream.finish().await;
    assert_eq!(
        stream.next_message().await.expect("one").0,
        OutcomeKind::Won
    );
    let (kind, error) = stream.next_message().await.expect("the last");
    assert_eq!(
        (kind, &*error),
        (OutcomeKind::Invalid, "the body ends within this item")
    );
    assert!(stream.next_message().await.is_none());
    world.reconciled().await;
}

#[tokio::test]
async fn after_a_length_that_is_none_the_answer_says_so_and_ends() {
    let world = World::new().await;
    let mut stream = Duplex::open(&world, PROTOBUF).await;
    stream
        .send([message(0, "ada"), vec![0xff; 11], message(1, "ada")].concat())
        .await;
    assert_eq!(
        stream.next_message().await.expect("one").0,
        OutcomeKind::Won
    );
    let (kind, error) = stream.next_message().await.expect("the last");
    assert_eq!(kind, OutcomeKind::Invalid);
    assert!(error.contains("length cannot be read"), "{error}");
    assert!(stream.next_message().await.is_none());
    assert!(stream.is_closed().await);
    // Garbage that can be told apart is answered one for one.
    let mut stream = Duplex::open(&world, PROTOBUF).await;
    stream
        .send([&[2, 0xff, 0xff][..], &[0], &[1, 0x07], &message(1, "bob")].concat())
        .await;
    for outcome in [
        OutcomeKind::Invalid,
        OutcomeKind::Invalid,
        OutcomeKind::Invalid,
        OutcomeKind::Won,
    ] {
        assert_eq!(stream.next_message().await.expect("one").0, outcome);
    }
    world.reconciled().await;
}

#[tokio::test]
async fn no_more_attempts_are_taken_than_may_await_their_outcome() {
    let world = World::with(|config| config.limits.stream_attempts_max = 10).await;
    world.fake.hold_claims(true);
    let mut stream = Duplex::open(&world, LINES).await;
    stream.send(line(0, "ada").repeat(1_000)).await;
    within(async {
        while world.counts.attempts().received < 10 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.get("/healthz").await.ok();
    assert_eq!(world.counts.attempts().received, 10);
    world.fake.hold_claims(false);
    stream.finish().await;
    assert_eq!(stream.rest_of_lines().await, ["won"; 1_000]);
    assert_eq!(world.reconciled().await.told(OutcomeKind::Won), 1_000);
}

#[tokio::test]
async fn a_reader_that_stops_is_not_read_any_more_and_then_dropped() {
    let world = World::with(|config| {
        config.limits.response_write_timeout = Duration::from_millis(200);
    })
    .await;
    let deaf = Duplex::open(&world, LINES).await;
    let (mut reader, mut writer) = deaf.tcp.into_split();
    // Far more than all buffers on the way hold; so the writer gets stuck, and then cut off.
    let chunk = line(0, "ada").repeat(500);
    let chunk = format!("{:x}\r\n{chunk}\r\n", chunk.len());
    let mut sent = 0_u64;
    let failed = within(async {
        while writer.write_all(chunk.as_bytes()).await.is_ok() {
            sent += 500;
        }
    });
    failed.await;
    let attempts = world.reconciled().await;
    assert!(
        attempts.received <= sent + 500,
        "{} of {sent}",
        attempts.received
    );
    assert!(attempts.told(OutcomeKind::Won) > 0, "{attempts:?}");
    within(async {
        while world.counts.connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let _ = reader.read_to_end(&mut Vec::new()).await;
    // Whatever became of it: it is decided, and the retry hears so.
    assert_eq!(
        world.lines("/v1/claims", &line(0, "ada")).await.json()["outcome"],
        "won"
    );
}

#[tokio::test]
async fn attempts_whose_connection_is_lost_count_as_lost_and_are_decided() {
    let world = World::new().await;
    world.fake.hold_claims(true);
    let mut stream = Duplex::open(&world, LINES).await;
    stream
        .send((0..5).map(|tile| line(tile, "ada")).collect::<String>())
        .await;
    within(world.fake.arrived.notified()).await;
    socket2::SockRef::from(&stream.tcp)
        .set_linger(Some(Duration::ZERO))
        .expect("a reset at the close");
    drop(stream);
    let attempts = world.reconciled().await;
    assert_eq!((attempts.received, attempts.lost), (5, 5));
    world.fake.hold_claims(false);
    assert_eq!(
        world.lines("/v1/claims", &line(4, "bob")).await.json()["outcome"],
        "taken"
    );
}

#[tokio::test]
async fn an_outcome_that_takes_too_long_is_unknown_and_the_stream_goes_on() {
    let world = World::with(|config| {
        config.limits.request_timeout = Duration::from_millis(50);
    })
    .await;
    world.fake.hold_claims(true);
    let mut stream = Duplex::open(&world, LINES).await;
    stream.send(format!("{}nonsense\n", line(0, "ada"))).await;
    let item = stream.next_line().await.expect("an outcome");
    assert_eq!(
        (item.outcome, item.retry_after_ms),
        (OutcomeKind::OutcomeUnknown, Some(100))
    );
    assert_eq!(
        stream.next_line().await.expect("one").outcome,
        OutcomeKind::Invalid
    );
    world.fake.hold_claims(false);
    stream.send(line(0, "ada")).await;
    assert_eq!(
        stream.next_line().await.expect("an outcome").outcome,
        OutcomeKind::Won
    );
    stream.finish().await;
    assert!(stream.next_line().await.is_none());
    assert_eq!(world.reconciled().await.unanswered(), 1);
}

#[tokio::test]
async fn a_stream_that_brings_nothing_for_too_long_is_ended() {
    let world = World::with(|config| {
        config.limits.stream_idle_timeout = Duration::from_millis(100);
    })
    .await;
    let mut stream = Duplex::open(&world, LINES).await;
    stream.send(line(0, "ada")).await;
    stream.send(&line(1, "ada")[..9]).await;
    assert_eq!(stream.rest_of_lines().await, ["won", "invalid"]);
    world.reconciled().await;
}

#[tokio::test]
async fn shutdown_ends_a_stream_between_messages_with_all_outcomes_told() {
    let mut world = World::new().await;
    world.fake.hold_claims(true);
    let mut busy = Duplex::open(&world, LINES).await;
    busy.send(line(0, "ada") + &line(1, "ada") + &line(2, "ada")[..10])
        .await;
    within(world.fake.arrived.notified()).await;
    let mut idle = Duplex::open(&world, PROTOBUF).await;
    world.stop();
    assert!(idle.next_message().await.is_none());
    world.fake.hold_claims(false);
    assert_eq!(busy.rest_of_lines().await, ["won", "won"]);
    assert!(busy.is_closed().await && idle.is_closed().await);
    drop((busy, idle));
    assert_eq!(world.stopped().await.unfinished, 0);
}

#[tokio::test]
async fn refusals_of_the_arbiter_keep_their_hints() {
    let world = World::new().await;
    for refusal in [
        Outcome::Overloaded,
        Outcome::StorageFull,
        Outcome::HuntPaused,
    ] {
        world.fake.refuse(Some(refusal));
        let answer = world.lines("/v1/claims", &line(0, "ada")).await.json();
        assert_eq!(answer["outcome"], refusal.kind().name());
        assert!(answer["retry_after_ms"].as_u64() > Some(0), "{answer}");
    }
}
