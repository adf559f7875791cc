//! Live sockets whose peers are slow, gone, many, or in a hurry.

use std::time::Duration;

use futures_util::SinkExt;
use huntcore_edge::{Backend as _, HuntCommand};
use huntcore_model::{OutcomeKind, RoundNumber, TileIndex};
use huntcore_wire::{
    ClaimMessage, ClientMessage, HuntStateName, LiveState, PositionText, ServerMessage,
    SubscribeMessage,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_websockets::Message;

use crate::frames::{FIN, TEXT, frame, open};
use crate::world::{PATIENCE, Socket, World, farewell, hear, say, within};

/// One frame of the server's.
async fn read_frame(tcp: &mut TcpStream) -> (u8, Vec<u8>) {
    let read = async {
        let first = tcp.read_u8().await?;
        let length = match tcp.read_u8().await? {
            126 => u64::from(tcp.read_u16().await?),
            127 => tcp.read_u64().await?,
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).expect("it fits")];
        tcp.read_exact(&mut payload).await?;
        std::io::Result::Ok((first & 0xf, payload))
    };
    within(read).await.expect("a whole frame")
}

/// The next text, whatever comes before it.
async fn read_text(tcp: &mut TcpStream) -> ServerMessage {
    loop {
        if let (TEXT, payload) = read_frame(tcp).await {
            let text = String::from_utf8(payload).expect("UTF-8");
            return ServerMessage::from_json(&text).expect("a message");
        }
    }
}

fn claim_text(id: &str, round: u64, tile: u32) -> String {
    ClientMessage::Claim(ClaimMessage {
        id: id.to_owned(),
        round: RoundNumber::new(round),
        tile: TileIndex::new(tile),
        answer: None,
    })
    .to_json()
}

async fn subscribe(socket: &mut Socket, resume: Option<PositionText>) {
    let message = ClientMessage::Subscribe(SubscribeMessage {
        resume,
        ..SubscribeMessage::default()
    });
    say(socket, &message).await;
}

async fn no_sockets(world: &World) {
    within(async {
        while world.counts.sockets() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Small buffers on both sides, so that a reader that stops is noticed soon.
pub(crate) fn shrink(tcp: &TcpStream) {
    let buffers = socket2::SockRef::from(tcp);
    buffers.set_recv_buffer_size(4_096).expect("allowed");
}

#[tokio::test]
async fn a_peer_that_ends_its_side_is_let_go() {
    let world = World::new().await;
    let mut tcp = open(&world).await;
    tcp.shutdown().await.expect("open");
    let mut rest = Vec::new();
    within(tcp.read_to_end(&mut rest)).await.expect("it closes");
    assert_eq!(rest, b"", "nobody is left to be told");
    no_sockets(&world).await;
}

#[tokio::test]
async fn a_peer_that_resets_is_let_go_even_while_it_waits_for_room() {
    let world = World::with(|config| config.limits.socket_attempts_max = 1).await;
    world.fake.hold_claims(true);
    let mut ada = world.live(Some("ada")).await;
    for tile in 0..3 {
        let text = claim_text(&format!("c{tile}"), 1, tile);
        ada.send(Message::text(text)).await.expect("it reads");
    }
    within(world.fake.arrived.notified()).await;
    let tcp = ada.into_inner();
    socket2::SockRef::from(&tcp)
        .set_linger(Some(Duration::ZERO))
        .expect("allowed");
    drop(tcp);
    no_sockets(&world).await;
    let attempts = world.reconciled().await;
    assert_eq!((attempts.received, attempts.unanswered()), (1, 1));
}

#[tokio::test]
async fn a_socket_that_says_nothing_is_let_go_and_one_that_watches_is_not() {
    let world = World::with(|config| {
        config.limits.first_message_timeout = Duration::from_millis(300);
    })
    .await;
    let mut watcher = world.live(None).await;
    subscribe(&mut watcher, None).await;
    hear(&mut watcher).await;
    let mut mute = world.live(None).await;
    assert_eq!(
        farewell(&mut mute).await,
        (1008, "no message in time".to_owned())
    );
    world.claim("ada", 1, 0).await.ok();
    let mut state = LiveState::new();
    while state.rounds.values().all(|round| round.claims.is_empty()) {
        let message = hear(&mut watcher).await;
        state.apply(&message);
    }
}

#[tokio::test]
async fn a_message_may_come_one_byte_at_a_time() {
    // Bytes are signs of life: the message takes much longer than three silences.
    let world = World::with(|config| {
        config.limits.ping_interval = Duration::from_millis(20);
    })
    .await;
    let mut tcp = open(&world).await;
    tcp.set_nodelay(true).expect("open");
    let bytes = frame(FIN | TEXT, br#"{"type":"subscribe"}"#);
    let (last, rest) = bytes.split_last().expect("not empty");
    for &byte in rest {
        tcp.write_u8(byte).await.expect("it reads");
        // The ping says that nothing has come for a while.
        assert_eq!(read_frame(&mut tcp).await.0, 0x9);
    }
    tcp.write_u8(*last).await.expect("it reads");
    let ServerMessage::Subscribed(_) = read_text(&mut tcp).await else {
        panic!("not subscribed");
    };
}

#[tokio::test]
async fn whoever_reads_one_byte_at_a_time_misses_nothing() {
    let world = World::with(|config| config.limits.outgoing_bytes_max = 4_096).await;
    let mut tcp = open(&world).await;
    shrink(&tcp);
    let hello = frame(FIN | TEXT, br#"{"type":"subscribe"}"#);
    tcp.write_all(&hello).await.expect("it reads");
    for tile in 0..16 {
        world.claim("ada", 1, tile).await.ok();
    }
    let mut state = LiveState::new();
    let mut bytes = Vec::new();
    while state.rounds.values().all(|round| round.claims.len() < 16) {
        bytes.push(within(tcp.read_u8()).await.expect("it goes on"));
        if let Some(header) = whole_frame(&bytes) {
            let text = String::from_utf8(bytes.split_off(header)).expect("UTF-8");
            state.apply(&ServerMessage::from_json(&text).expect("a message"));
            bytes.clear();
        }
    }
}

/// The length of a whole frame's header.
fn whole_frame(bytes: &[u8]) -> Option<usize> {
    let (header, length) = match *bytes.get(1)? {
        126 => (
            4,
            u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
        ),
        127 => (10, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
        short => (2, u64::from(short)),
    };
    (bytes.len() as u64 == header + length).then_some(usize::try_from(header).ok()?)
}

#[tokio::test]
async fn attempts_that_come_all_at_once_are_each_told_in_order() {
    let world = World::with(|config| config.limits.player_rate = None).await;
    let mut ada = world.live(Some("ada")).await;
    // Many more than may be open at one time, in as few segments as the kernel makes of them.
    for number in 0..1_000 {
        let text = claim_text(&number.to_string(), 1, number % 16);
        ada.feed(Message::text(text)).await.expect("it reads");
    }
    ada.flush().await.expect("it reads");
    for number in 0..1_000 {
        let ServerMessage::Outcome(outcome) = hear(&mut ada).await else {
            panic!("no outcome");
        };
        assert_eq!(outcome.id, number.to_string());
        assert_eq!(outcome.outcome, OutcomeKind::Won);
    }
    let attempts = world.reconciled().await;
    assert_eq!(attempts.told(OutcomeKind::Won), 1_000);
}

#[tokio::test]
async fn an_attempt_that_nobody_decides_in_time_is_told_so_once() {
    let world = World::with(|config| {
        config.limits.request_timeout = Duration::from_millis(100);
    })
    .await;
    world.fake.hold_claims(true);
    let mut ada = world.live(Some("ada")).await;
    let message = claim_text("c1", 1, 0);
    ada.send(Message::text(message)).await.expect("it reads");
    let ServerMessage::Outcome(outcome) = hear(&mut ada).await else {
        panic!("no outcome");
    };
    assert_eq!(outcome.outcome, OutcomeKind::OutcomeUnknown);
    assert!(outcome.retry_after_ms.is_some());
    world.fake.hold_claims(false);
    // The same attempt again gets the outcome, and the late answer of the first none.
    let message = claim_text("c2", 1, 0);
    ada.send(Message::text(message)).await.expect("it reads");
    let ServerMessage::Outcome(outcome) = hear(&mut ada).await else {
        panic!("no outcome");
    };
    assert_eq!(
        (outcome.id.as_str(), outcome.outcome),
        ("c2", OutcomeKind::Won)
    );
    let attempts = world.reconciled().await;
    assert_eq!((attempts.received, attempts.unanswered()), (2, 1));
}

#[tokio::test]
async fn everybody_is_told_when_the_server_stops() {
    let mut world = World::new().await;
    let mut sockets = Vec::new();
    for number in 0..100 {
        let mut socket = world.live(None).await;
        if number % 2 == 0 {
            subscribe(&mut socket, None).await;
        }
        sockets.push(socket);
    }
    world.stop();
    for mut socket in sockets {
        let (code, reason) = farewell(&mut socket).await;
        assert_eq!(code, 1001, "{reason}");
    }
    assert_eq!(world.stopped().await.unfinished, 0);
}

#[tokio::test]
async fn stalled_peers_hold_nobody_up_and_find_what_they_missed_merged() {
    const TICKS: u64 = 150;
    let world = World::with(|config| {
        config.limits.outgoing_bytes_max = 4_096;
        config.limits.slow_client_timeout = 10 * PATIENCE;
    })
    .await;
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let mut socket = world.live(None).await;
        shrink(socket.get_ref());
        subscribe(&mut socket, None).await;
        stalled.push(socket);
    }
    let mut good = world.live(None).await;
    subscribe(&mut good, None).await;
    let mut expected = LiveState::new();
    let caught_up = |state: &LiveState| state.boards.values().any(|board| board.players == TICKS);
    for number in 0..TICKS {
        let event = serde_json::json!({
            "event_id": format!("e{number}"),
            "player": format!("{number:0>60}"),
            "event_type": "t",
            "score": number,
        });
        world.event(&event).await.ok();
    }
    world.fake.advance(1_000);
    while !caught_up(&expected) {
        let message = hear(&mut good).await;
        expected.apply(&message);
    }
    // All at once: the longer a window stays shut, the more seldom the kernel looks at it.
    let catching_up = stalled.into_iter().map(async |mut socket| {
        let mut state = LiveState::new();
        let mut messages = 0;
        while !caught_up(&state) {
            let message = hear(&mut socket).await;
            state.apply(&message);
            messages += 1;
        }
        messages
    });
    for messages in futures_util::future::join_all(catching_up).await {
        assert!(
            messages < TICKS / 2,
            "{messages} messages for {TICKS} ticks"
        );
    }
}

/// Whoever stalls, leaves and comes back as chance has it, in the end knows what all know.
#[tokio::test]
async fn any_stalls_drops_and_resumes_end_with_the_same_state() {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).expect("a source of randomness");
    let seed = u64::from_ne_bytes(seed);
    let mut chance = seed;
    let world = World::with(|config| {
        config.limits.outgoing_bytes_max = 4_096;
        config.limits.slow_client_timeout = 10 * PATIENCE;
        config.limits.player_rate = None;
    })
    .await;
    let mut clients: Vec<(Socket, LiveState)> = Vec::new();
    for _ in 0..8 {
        let mut socket = world.live(None).await;
        shrink(socket.get_ref());
        subscribe(&mut socket, None).await;
        clients.push((socket, LiveState::new()));
    }
    for step in 0..160_u32 {
        if step % 16 == 0 && step > 0 {
            world.fake.advance(1_000);
        }
        let round = 1 + u64::from(step / 16);
        world.claim("ada", round, step % 16).await.ok();
        // A linear congruence is chance enough to choose by.
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let (who, what) = ((chance >> 40) % 8, (chance >> 50) % 4);
        let (socket, state) = &mut clients[usize::try_from(who).expect("small")];
        if what < 3 {
            // Reads one message, while the others stall.
            let message = hear(socket).await;
            state.apply(&message);
        } else {
            *socket = world.live(None).await;
            shrink(socket.get_ref());
            subscribe(socket, state.resume.clone()).await;
        }
    }
    let view = world.fake.view();
    let park = view.catalog.hunts().next().expect("there is one");
    let pause = HuntCommand::Pause { hunt: park.number };
    world.fake.command(pause).await.expect("it runs");
    // Nothing comes after that.
    let mut fresh = world.live(None).await;
    subscribe(&mut fresh, None).await;
    clients.push((fresh, LiveState::new()));
    let mut ends = Vec::new();
    for (mut socket, mut state) in clients {
        while state.state != Some(HuntStateName::Paused) {
            let message = hear(&mut socket).await;
            state.apply(&message);
        }
        ends.push((state.oldest(), state.rounds));
    }
    let expected = ends.pop().expect("the fresh one's");
    for end in ends {
        assert_eq!(end, expected, "seed {seed}");
    }
}
