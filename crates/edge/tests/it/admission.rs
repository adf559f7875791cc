//! Who is let in: by address, by rate, by player, and what becomes of the others.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use futures_util::future::join_all;
use huntcore_edge::Rate;
use huntcore_wire::{ClientMessage, ServerMessage, SubscribeMessage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::world::{Answer, World, hear, say, token, within};

/// A connection from one of this machine's many addresses.
async fn connect_from(world: &World, source: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    let source: SocketAddr = format!("{source}:0").parse().expect("an address");
    socket.bind(source).expect("this machine's own");
    socket.connect(world.address).await.expect("a backlog")
}

async fn ask(tcp: &mut TcpStream, path: &str, headers: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
    // Whoever is refused may be so before it has asked.
    let _ = tcp.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    within(tcp.read_to_end(&mut answer))
        .await
        .expect("it closes without a reset");
    Answer::parse(&answer)
}

async fn health(tcp: &mut TcpStream) -> Answer {
    ask(tcp, "/healthz", "connection: close\r\n").await
}

/// A handshake's headers.
fn upgrade(more: &str) -> String {
    format!(
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: BwcHBwcHBwcHBwcHBwcHBw==\r\n{more}"
    )
}

/// Checks that it is a refusal that says when to come again, and gives the hint.
fn comes_again(answer: &Answer) -> u64 {
    let problem = answer.problem(503, "too-many-connections");
    let wait = problem["retry_after_ms"].as_u64().expect("a hint");
    assert!((1_000..=5_000).contains(&wait), "{wait}");
    let header = wait.div_ceil(1_000).to_string();
    assert_eq!(answer.header("retry-after"), Some(header.as_str()));
    wait
}

async fn metric(world: &World, line: &str) {
    let text = String::from_utf8(world.get("/metrics").await.body).expect("text");
    assert!(text.lines().any(|found| found == line), "{line} in {text}");
}

/// Waits until so few are connected.
async fn connected(world: &World, count: usize) {
    within(async {
        while world.counts.connections() > count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_address_over_its_share_is_refused_and_others_are_served() {
    let world = World::with(|config| {
        config.limits.limit_loopback = true;
        config.limits.connections_per_address_max = 2;
    })
    .await;
    let first = connect_from(&world, "127.0.0.2").await;
    let second = connect_from(&world, "127.0.0.2").await;
    comes_again(&health(&mut connect_from(&world, "127.0.0.2").await).await);
    health(&mut connect_from(&world, "127.0.0.3").await)
        .await
        .ok();
    drop(first);
    connected(&world, 1).await;
    health(&mut connect_from(&world, "127.0.0.2").await)
        .await
        .ok();
    metric(
        &world,
        "huntcore_connections_refused_total{limit=\"address\"} 1",
    )
    .await;
    drop(second);
}

#[tokio::test]
async fn a_crowd_beyond_the_connect_rate_is_told_to_come_again_at_different_times() {
    const CROWD: usize = 64;
    let world = World::with(|config| {
        config.limits.connect_rate = Some(Rate {
            per_second: 1,
            burst: 8,
        });
    })
    .await;
    let asked = (0..CROWD).map(|_| async { health(&mut world.connect().await).await });
    let answers = join_all(asked).await;
    let (served, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 200);
    assert!((8..CROWD).contains(&served.len()), "{}", served.len());
    let waits: BTreeSet<_> = refused.into_iter().map(comes_again).collect();
    assert!(waits.len() > 4, "{waits:?}");
}

#[tokio::test]
async fn one_address_that_connects_too_often_uses_up_nothing_of_the_others() {
    let world = World::with(|config| {
        let slow = |burst| {
            Some(Rate {
                per_second: 1,
                burst,
            })
        };
        config.limits.limit_loopback = true;
        config.limits.address_connect_rate = slow(4);
        config.limits.connect_rate = slow(10);
    })
    .await;
    let mut refused = 0;
    for _ in 0..40 {
        let answer = health(&mut connect_from(&world, "127.0.0.2").await).await;
        if answer.status != 200 {
            comes_again(&answer);
            refused += 1;
        }
    }
    assert!(refused > 30, "{refused}");
    for other in ["127.0.0.3", "127.0.0.4"] {
        health(&mut connect_from(&world, other).await).await.ok();
    }
}

#[tokio::test]
async fn a_player_has_so_many_sockets_and_gets_another_for_one_that_ends() {
    let world = World::with(|config| config.limits.sockets_per_player_max = 2).await;
    let first = world.live(Some("ada")).await;
    let _second = world.live(Some("ada")).await;
    let bearer = format!("authorization: Bearer {}\r\n", token("ada"));
    let third = async || {
        let mut tcp = world.connect().await;
        ask(
            &mut tcp,
            "/v1/hunts/park/live",
            &upgrade(&format!("connection: close\r\n{bearer}")),
        )
        .await
    };
    comes_again(&third().await);
    metric(&world, "huntcore_sockets_refused_total{limit=\"player\"} 1").await;
    let _bob = world.live(Some("bob")).await;
    let _watcher = world.live(None).await;
    drop(first);
    within(async {
        while world.counts.sockets() > 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let _again = world.live(Some("ada")).await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_sockets_count_for_the_address_that_it_names() {
    let world = World::with(|config| {
        config.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a net")];
        config.limits.connections_per_address_max = 1;
    })
    .await;
    let open = async |named: &str| {
        let mut tcp = world.connect().await;
        let headers = upgrade(&format!("x-forwarded-for: {named}\r\n"));
        let request = format!("GET /v1/hunts/park/live HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        tcp.write_all(request.as_bytes()).await.expect("it reads");
        let mut head = [0; 12];
        within(tcp.read_exact(&mut head)).await.expect("an answer");
        (String::from_utf8_lossy(&head[9..]).into_owned(), tcp)
    };
    let (first, _held) = open("2001:db8:1:2::1").await;
    let (same, _) = open("2001:db8:1:2::ffff").await;
    let (other, _held_too) = open("2001:db8:1:3::1").await;
    assert_eq!(
        (first.as_str(), same.as_str(), other.as_str()),
        ("101", "503", "101")
    );
    metric(
        &world,
        "huntcore_sockets_refused_total{limit=\"address\"} 1",
    )
    .await;
}

#[tokio::test]
async fn a_flood_of_subscribers_gets_as_many_sockets_as_there_are_and_they_are_served() {
    const ROOM: usize = 40;
    const FLOOD: usize = 400;
    let world = World::with(|config| config.limits.sockets_max = ROOM).await;
    let mut kept = Vec::new();
    for _ in 0..ROOM {
        let mut socket = world.live(None).await;
        let subscribe = ClientMessage::Subscribe(SubscribeMessage::default());
        say(&mut socket, &subscribe).await;
        while !matches!(hear(&mut socket).await, ServerMessage::Subscribed(_)) {}
        kept.push(socket);
    }
    let asked = (0..FLOOD).map(|_| async {
        let mut tcp = world.connect().await;
        ask(
            &mut tcp,
            "/v1/hunts/park/live",
            &upgrade("connection: close\r\n"),
        )
        .await
    });
    for answer in join_all(asked).await {
        comes_again(&answer);
    }
    metric(
        &world,
        &format!("huntcore_sockets_refused_total{{limit=\"total\"}} {FLOOD}"),
    )
    .await;
    world.claim("ada", 1, 3).await.ok();
    for mut socket in kept {
        loop {
            if let ServerMessage::Delta(delta) = hear(&mut socket).await
                && !delta.claims.is_empty()
            {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_header_that_comes_byte_by_byte_is_given_up_however_long_it_goes_on() {
    let world = World::with(|config| {
        config.limits.header_read_timeout = std::time::Duration::from_millis(100);
    })
    .await;
    let (mut reader, mut writer) = world.connect().await.into_split();
    let writing = tokio::spawn(async move {
        let mut head = b"GET /healthz HTTP/1.1\r\nx: "
            .iter()
            .chain(std::iter::repeat(&b'x'));
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(5));
        // Until the edge hangs up.
        while let Some(&byte) = head.next()
            && writer.write_all(&[byte]).await.is_ok()
        {
            pace.tick().await;
        }
    });
    let mut answer = Vec::new();
    // It may be reset while it still writes; the answer comes before that.
    let _ = within(reader.read_to_end(&mut answer)).await;
    Answer::parse(&answer).problem(408, "request-timeout");
    within(writing).await.expect("it ends");
}

#[tokio::test]
async fn an_answer_that_is_read_by_drops_is_given_up() {
    let world = World::with(|config| {
        config.limits.response_write_timeout = std::time::Duration::from_millis(200);
    })
    .await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("allowed");
    let tcp = socket.connect(world.address).await.expect("a backlog");
    let (mut reader, mut writer) = tcp.into_split();
    // More answers than all buffers hold.
    let asking = tokio::spawn(async move {
        let request = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
        while writer.write_all(request).await.is_ok() {}
    });
    within(async {
        let mut drop = [0; 256];
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(10));
        // It goes on taking a little, well within any one timeout, until it is given up.
        let mut has_begun = false;
        while !has_begun || world.counts.connections() > 0 {
            let _ = reader.read(&mut drop).await;
            has_begun = true;
            pace.tick().await;
        }
    })
    .await;
    asking.abort();
}
