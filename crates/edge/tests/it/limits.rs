//! What happens at the limits: connections, sockets, slow clients.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use huntcore_wire::{ClientMessage, SubscribeMessage};
use tokio::io::AsyncReadExt;
use tokio_websockets::Message;

use crate::world::{Answer, World, farewell, hear, say, within};

#[tokio::test]
async fn connections_over_the_limit_are_told_so_and_the_next_one_is_served() {
    let world = World::with(|config| config.limits.connections_max = 2).await;
    let first = world.live(None).await;
    let second = world.live(None).await;
    let mut third = world.connect().await;
    let mut answer = Vec::new();
    within(third.read_to_end(&mut answer))
        .await
        .expect("it closes");
    let answer = Answer::parse(&answer);
    answer.problem(503, "too-many-connections");
    let wait = answer
        .header("retry-after")
        .and_then(|wait| wait.parse().ok());
    assert!(
        wait.is_some_and(|wait: u32| (1..=5).contains(&wait)),
        "{wait:?}"
    );
    drop(first);
    within(async {
        while world.counts.connections() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.get("/healthz").await.ok();
    drop(second);
}

#[tokio::test]
async fn sockets_over_the_limit_are_refused_at_the_handshake() {
    let world = World::with(|config| config.limits.sockets_max = 1).await;
    let _only = world.live(None).await;
    let key = "BwcHBwcHBwcHBwcHBwcHBw==";
    let headers = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", key),
    ];
    let answer = world.send("GET", "/v1/hunts/park/live", &headers, "").await;
    answer.problem(503, "too-many-connections");
    assert!(answer.header("retry-after").is_some());
}

/// Makes so many changes that no kernel's buffers hold them all.
async fn make_changes(world: &World, count: u32) {
    for number in 0..count {
        make_change(world, number).await;
    }
}

/// Makes changes until somebody is closed for being slow. Changes that come together are told
/// together: how many fill the buffers depends.
async fn changes_until_somebody_is_slow(world: &World) {
    make_changes(world, 150).await;
    within(async {
        let slow = "huntcore_slow_clients_total 1";
        let mut number = 150;
        while !String::from_utf8_lossy(&world.get("/metrics").await.body).contains(slow) {
            make_change(world, number).await;
            number += 1;
        }
    })
    .await;
}

async fn make_change(world: &World, number: u32) {
    let event = serde_json::json!({
        "event_id": format!("e{number}"),
        "player": format!("{number:0>60}"),
        "event_type": "t",
        "score": number,
    });
    world.event(&event).await.ok();
}

#[tokio::test]
async fn a_client_that_never_reads_is_closed_and_hurts_nobody() {
    let world = World::with(|config| {
        config.limits.outgoing_bytes_max = 4_096;
        config.limits.slow_client_timeout = Duration::from_millis(200);
    })
    .await;
    let mut deaf = world.live(None).await;
    // Small windows, so that little is in flight.
    let buffers = socket2::SockRef::from(deaf.get_ref());
    buffers.set_recv_buffer_size(4_096).expect("allowed");
    let mut good = world.live(None).await;
    for socket in [&mut deaf, &mut good] {
        say(
            socket,
            &ClientMessage::Subscribe(SubscribeMessage::default()),
        )
        .await;
    }
    let listening = tokio::spawn(async move {
        loop {
            hear(&mut good).await;
        }
    });
    changes_until_somebody_is_slow(&world).await;
    // Whoever comes to after all hears why, as long as the edge still says it.
    let said = farewell_or_end(&mut deaf).await;
    assert!(said.is_none_or(|code| code == 4_000), "{said:?}");
    assert!(!listening.is_finished(), "the good one is served on");
    listening.abort();
}

async fn farewell_or_end(socket: &mut crate::world::Socket) -> Option<u16> {
    loop {
        match within(socket.next()).await {
            Some(Ok(message)) => {
                if let Some((code, _)) = message.as_close() {
                    return Some(code.into());
                }
            }
            Some(Err(_)) | None => return None,
        }
    }
}

#[tokio::test]
async fn a_slow_client_is_told_4000_if_it_wakes_up_in_time() {
    let world = World::with(|config| {
        config.limits.outgoing_bytes_max = 4_096;
        config.limits.slow_client_timeout = Duration::from_millis(100);
        config.limits.close_timeout = crate::world::PATIENCE;
    })
    .await;
    let mut slow = world.live(None).await;
    let buffers = socket2::SockRef::from(slow.get_ref());
    buffers.set_recv_buffer_size(4_096).expect("allowed");
    say(
        &mut slow,
        &ClientMessage::Subscribe(SubscribeMessage::default()),
    )
    .await;
    changes_until_somebody_is_slow(&world).await;
    assert_eq!(farewell(&mut slow).await, (4_000, "slow client".to_owned()));
}

#[tokio::test]
async fn a_slow_client_that_catches_up_has_missed_nothing() {
    let world = World::with(|config| config.limits.outgoing_bytes_max = 4_096).await;
    let mut slow = world.live(None).await;
    let buffers = socket2::SockRef::from(slow.get_ref());
    buffers.set_recv_buffer_size(4_096).expect("allowed");
    say(
        &mut slow,
        &ClientMessage::Subscribe(SubscribeMessage::default()),
    )
    .await;
    for tile in 0..16 {
        world.claim("ada", 1, tile).await.ok();
        make_changes(&world, 10).await;
    }
    let mut state = huntcore_wire::LiveState::new();
    let all = |state: &huntcore_wire::LiveState| {
        state
            .rounds
            .values()
            .next()
            .is_some_and(|round| round.claims.len() == 16)
    };
    while !all(&state) {
        let message = hear(&mut slow).await;
        state.apply(&message);
    }
}

#[tokio::test]
async fn pings_that_nobody_takes_the_pongs_of_cost_no_memory() {
    let world = World::with(|config| {
        config.limits.outgoing_bytes_max = 4_096;
        config.limits.slow_client_timeout = Duration::from_millis(300);
        config.limits.close_timeout = Duration::from_millis(50);
    })
    .await;
    let flood = world.live(None).await;
    let buffers = socket2::SockRef::from(flood.get_ref());
    buffers.set_recv_buffer_size(4_096).expect("allowed");
    let (mut sink, stream) = flood.split();
    // Reading stops once the pongs are stuck, and so does this, until the edge lets go.
    let mut bytes = 0;
    within(async {
        while sink.feed(Message::ping(vec![b'x'; 125])).await.is_ok() {
            bytes += 125;
        }
    })
    .await;
    // What the kernel's buffers hold, and not what an edge would hold that reads on.
    assert!(bytes < 16 << 20, "{bytes}");
    drop(stream);
    world.get("/healthz").await.ok();
}

/// Not a test of its own: the edge of the next one, in a process that may open few files.
#[tokio::test]
#[ignore = "edge_with_few_files starts it, with few files allowed"]
async fn an_edge_with_few_files() {
    use std::io::Write as _;
    let world = World::new().await;
    writeln!(std::io::stdout(), "\nlistens {}", world.address).expect("a parent");
    // Until the parent is done.
    let mut rest = Vec::new();
    let _ = tokio::task::spawn_blocking(move || {
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut rest)
    })
    .await;
}

/// An edge in a process that may open 40 files, and its address. It lives until its input is
/// closed.
pub(crate) fn edge_with_few_files() -> (std::process::Child, String) {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    let this = std::env::current_exe().expect("a test binary");
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 40; exec \"$0\" --exact limits::an_edge_with_few_files --ignored --nocapture"])
        .arg(this)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    let address = stdout
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("listens ").map(str::to_owned))
        .expect("it listens");
    (child, address)
}

#[test]
fn a_full_file_table_only_pauses_accepting() {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    let (mut child, address) = edge_with_few_files();
    // More than it has files for; the kernel completes them all the same.
    let crowd: Vec<_> = (0..60)
        .map(|_| TcpStream::connect(&address).expect("a backlog"))
        .collect();
    let mut late = TcpStream::connect(&address).expect("a backlog");
    late.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .expect("sent");
    drop(crowd);
    let mut answer = String::new();
    late.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let pauses = answer
        .lines()
        .find_map(|line| line.strip_prefix("huntcore_accept_pauses_total "));
    assert!(pauses.is_some_and(|count| count != "0"), "{answer}");
    drop(child.stdin.take());
    child.wait().expect("it ends");
}
