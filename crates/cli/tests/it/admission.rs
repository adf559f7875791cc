//! Crowds that connect at once, and a process that may open few files: whoever is not served is
//! told so, and the server goes on.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::support::{Claim, Metrics, PATIENCE, Site, note, until};

const CROWD: u32 = 10_000;
const ROOM: u32 = 6_000;
/// Connections of this test's own that ask the server how it is.
const OTHERS: u32 = 16;

/// What a member of the crowd got, and its connection if it was served.
enum Got {
    Served(TcpStream),
    /// 503, and the seconds of Retry-After.
    Refused(u64),
}

/// Connects from one of many addresses, so that there are ports for all, and asks.
async fn connect(server: SocketAddr, number: u32) -> std::io::Result<Got> {
    let socket = TcpSocket::new_v4()?;
    let source = format!("127.0.1.{}:0", 1 + number % 64);
    socket.bind(source.parse().expect("an address"))?;
    let mut tcp = socket.connect(server).await?;
    // Whoever is refused may be so before it has asked.
    let _ = tcp
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    let mut answer = Vec::new();
    let mut piece = [0; 1_024];
    let head = loop {
        let count = tcp.read(&mut piece).await?;
        answer.extend_from_slice(&piece[..count]);
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        match end {
            Some(end) => break String::from_utf8_lossy(&answer[..end]).into_owned(),
            None if count == 0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            None => {}
        }
    };
    if head.starts_with("HTTP/1.1 200") {
        return Ok(Got::Served(tcp));
    }
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    let wait = head
        .lines()
        .find_map(|line| line.strip_prefix("retry-after: "));
    let wait = wait.and_then(|wait| wait.parse().ok()).expect("a hint");
    // It ends, and not by a reset, which could have lost the answer.
    while tcp.read(&mut piece).await? > 0 {}
    Ok(Got::Refused(wait))
}

/// Whether this process may open so many files, now that it has asked for it.
fn may_open(files: u64) -> bool {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, all).is_ok() && maximum.is_none_or(|most| most >= files)
}

fn address(url: &str) -> SocketAddr {
    let address = url.strip_prefix("http://").expect("plain HTTP");
    address.parse().expect("an address")
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_that_connect_at_once_are_served_or_told_when_to_come_again() {
    if !may_open(12_000) {
        return note("skipped: this process may open fewer than 12,000 files");
    }
    let mut site = Site::new();
    site.limits = format!("connections_max = {ROOM}\nsockets_max = {ROOM}");
    let server = site.start().await;
    let to = address(&server.url);
    let mut crowd = JoinSet::new();
    for number in 0..CROWD {
        crowd.spawn(async move { tokio::time::timeout(PATIENCE, connect(to, number)).await });
    }
    let mut served = Vec::new();
    let mut waits = BTreeMap::<u64, u32>::new();
    while let Some(got) = crowd.join_next().await {
        let got = got
            .expect("every answer is one of the two")
            .expect("in time");
        match got.expect("nobody is left without a word") {
            Got::Served(tcp) => served.push(tcp),
            Got::Refused(wait) => *waits.entry(wait).or_default() += 1,
        }
    }
    let refused: u32 = waits.values().sum();
    let count = u32::try_from(served.len()).expect("few");
    assert_eq!(count + refused, CROWD);
    assert!(
        (ROOM - OTHERS..=ROOM).contains(&count),
        "{count} were served"
    );
    // Spread over seconds: none of them has most of those who come back.
    assert!(waits.len() >= 4, "{waits:?}");
    assert!(waits.values().all(|count| count * 2 < refused), "{waits:?}");

    drop(served);
    let metrics = until("the crowd is gone", || async {
        let metrics = Metrics::of(&server.api).await;
        (metrics.get("huntcore_connections") <= u64::from(OTHERS)).then_some(metrics)
    })
    .await;
    let told = metrics.get("huntcore_connections_refused_total{limit=\"total\"}");
    assert_eq!(told, u64::from(refused));
    let round = server.api.open_round().await;
    let claim = Claim {
        round,
        tile: 0,
        player: "ada".to_owned(),
    };
    let answer = server.api.claim(&claim).await.expect("it answers");
    assert_eq!(answer.outcome(), "won", "it serves on");
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_few_files_lowers_its_limits_says_so_and_outlives_a_crowd() {
    let mut site = Site::new();
    let by = ["prlimit", "--nofile=64:64"];
    site.run_by = by.map(str::to_owned).to_vec();
    let server = site.start().await;
    let to = address(&server.url);
    let claim = |tile, round| Claim {
        round,
        tile,
        player: "ada".to_owned(),
    };
    let mut round = server.api.open_round().await;
    for attempt in 0..3 {
        // Nobody in it asks for anything, and more come than there are files for.
        let mut crowd = Vec::new();
        for _ in 0..80 {
            crowd.push(TcpStream::connect(to).await.expect("a backlog"));
        }
        drop(crowd);
        let answer = until("it answers again", || {
            let api = server.api.clone();
            let claim = claim(attempt, round);
            async move {
                api.claim(&claim)
                    .await
                    .ok()
                    .filter(|answer| answer.status != 503)
            }
        })
        .await;
        if answer.outcome() == "expired" {
            round = server.api.open_round().await;
        } else {
            assert_eq!(answer.outcome(), "won");
        }
    }
    let metrics = Metrics::of(&server.api).await;
    assert!(
        metrics.get("huntcore_accept_pauses_total") > 0,
        "it was full"
    );
    let said = server.stderr();
    assert!(said.contains("the limits are lowered"), "{said}");
    assert!(server.stop().await.success());
    assert!(site.run(&["verify"]).status.success());
}
