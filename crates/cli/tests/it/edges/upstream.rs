//! What becomes of an edge process when its upstream is killed, silent, slow, or another one.

use std::sync::Arc;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{Seen, claim, readiness, told_of, won};
use crate::support::{Claim, Metrics, Server, Site, Socket, player_token, until};

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_whose_upstream_is_killed_shows_what_it_has_and_goes_on_without_a_gap() {
    let mut site = Site::new();
    site.shards = 3;
    site.round = "10m";
    site.claim_window = "10m";
    let node = site.start().await;
    let edge = site.start_edge(&node.url, 0).await;
    let round = edge.api.open_round().await;
    let token = player_token("ana");
    let mut socket = Socket::open(&edge.url, Some(&token)).await;
    socket.subscribe(None).await;
    let (mut seen, mut resume) = (Seen::new(), String::new());
    won(&edge, &claim(round, 1, "ana")).await;
    told_of(&mut socket, (round, 1), &mut seen, &mut resume).await;
    let before = edge.api.board("total", None).await;

    node.kill();
    until("the edge says that its upstream is lost", || async {
        let (status, reason) = readiness(&edge).await;
        (status == 503 && reason.contains("upstream")).then_some(())
    })
    .await;
    assert_eq!(
        edge.api.get("/healthz").await.expect("it lives").status,
        200
    );
    assert_eq!(edge.api.board("total", None).await, before);
    let answer = edge.api.claim(&claim(round, 2, "ben")).await;
    let answer = answer.expect("it answers");
    assert_eq!((answer.status, answer.outcome()), (503, "overloaded"));
    let attempt = json!({ "type": "claim", "id": "a", "round": round, "tile": 3 });
    socket.send(&attempt).await;
    let outcome = socket.next_of("outcome").await;
    assert_eq!(
        (&outcome["id"], &outcome["outcome"]),
        (&json!("a"), &json!("overloaded"))
    );
    let paused = edge
        .api
        .service(Method::POST, "/v1/hunts/park/pause", None)
        .await
        .expect("it answers");
    assert_eq!((paused.status, paused.outcome()), (503, "unavailable"));
    assert_eq!(Metrics::of(&edge.api).await.get("huntcore_upstream_up"), 0);

    let node = site.start().await;
    for tile in 4..10 {
        won(&node, &claim(round, tile, "cara")).await;
    }
    told_of(&mut socket, (round, 9), &mut seen, &mut resume).await;
    let expected = [1_u64, 4, 5, 6, 7, 8, 9].map(|tile| (round, tile));
    assert!(seen.keys().eq(&expected), "{seen:?}");
    until("the edge is ready again", || async {
        (readiness(&edge).await.0 == 200).then_some(())
    })
    .await;
    socket.send(&attempt).await;
    let outcome = socket.next_of("outcome").await;
    assert_eq!(outcome["outcome"], "won", "{outcome}");
    // An outcome counts as told once the kernel has it, which the client may see first.
    let metrics = until("every attempt is accounted for", || async {
        let metrics = Metrics::of(&edge.api).await;
        metrics.is_reconciled().then_some(metrics)
    })
    .await;
    assert!(metrics.get("huntcore_upstream_losses_total") >= 1);
}

/// Stands between an edge and its node, and holds back all that passes while it is told to.
struct Valve {
    url: String,
    open: watch::Sender<bool>,
}

impl Valve {
    async fn before(node: &Server) -> Self {
        let target = node.url.strip_prefix("http://").expect("plain HTTP");
        let target: Arc<str> = Arc::from(target);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (open, is_open) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((edge, _)) = listener.accept().await {
                let (target, is_open) = (target.clone(), is_open.clone());
                tokio::spawn(async move {
                    let Ok(node) = TcpStream::connect(&*target).await else {
                        return;
                    };
                    let (from_edge, to_edge) = edge.into_split();
                    let (from_node, to_node) = node.into_split();
                    tokio::join!(
                        pass(from_edge, to_node, is_open.clone()),
                        pass(from_node, to_edge, is_open),
                    );
                });
            }
        });
        Self { url, open }
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut is_open: watch::Receiver<bool>) {
    let mut buffer = [0; 512];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if is_open.wait_for(|open| *open).await.is_err()
            || to.write_all(&buffer[..count]).await.is_err()
        {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_goes_silent_is_lost_and_one_that_is_slow_is_caught_up_with() {
    let mut site = Site::new();
    site.round = "10m";
    site.claim_window = "10m";
    site.tiles = 1_024;
    let node = site.start().await;
    let valve = Valve::before(&node).await;
    let edge = site.start_edge(&valve.url, 0).await;
    let round = edge.api.open_round().await;
    let mut socket = Socket::open(&edge.url, None).await;
    socket.subscribe(None).await;
    let (mut seen, mut resume) = (Seen::new(), String::new());
    won(&edge, &claim(round, 0, "ana")).await;
    told_of(&mut socket, (round, 0), &mut seen, &mut resume).await;

    valve.open.send_replace(false);
    // The connection stands and says nothing.
    let all: Vec<Claim> = (1..1_024).map(|tile| claim(round, tile, "ben")).collect();
    let items = node.api.claims(&all).await.expect("the node answers");
    assert!(items.iter().all(|item| item["outcome"] == "won"));
    until("the edge takes silence for a loss", || async {
        let (status, reason) = readiness(&edge).await;
        (status == 503 && reason.contains("lost")).then_some(())
    })
    .await;
    assert_eq!(seen.len(), 1);

    // Half a kilobyte at a time it all comes through.
    valve.open.send_replace(true);
    told_of(&mut socket, (round, 1_023), &mut seen, &mut resume).await;
    assert_eq!(seen.len(), 1_024, "no claim is missed");
    until("the edge is ready again", || async {
        (readiness(&edge).await.0 == 200).then_some(())
    })
    .await;
    assert_eq!(
        edge.api.board("total", None).await,
        node.api.board("total", None).await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_on_their_way_to_an_upstream_that_is_killed_are_unknown_and_can_be_made_again() {
    let mut site = Site::new();
    site.round = "10m";
    site.claim_window = "10m";
    let node = site.start().await;
    let valve = Valve::before(&node).await;
    let edge = site.start_edge(&valve.url, 0).await;
    let round = edge.api.open_round().await;
    won(&edge, &claim(round, 0, "ana")).await;
    valve.open.send_replace(false);
    let attempt = claim(round, 1, "ana");
    let asking = {
        let (api, attempt) = (edge.api.clone(), attempt.clone());
        tokio::spawn(async move { api.claim(&attempt).await })
    };
    until("the attempt is on its way", || async {
        let metrics = Metrics::of(&edge.api).await;
        (metrics.get("huntcore_forwarded_attempts_total") == 2).then_some(())
    })
    .await;
    node.kill();
    valve.open.send_replace(true);
    let answer = asking.await.expect("no panic").expect("it answers");
    assert_eq!((answer.status, answer.outcome()), (503, "outcome-unknown"));
    let _node = site.start().await;
    let outcome = until("the edge forwards again", || async {
        let answer = edge.api.claim(&attempt).await.expect("it answers");
        (answer.status != 503).then(|| answer.outcome().to_owned())
    })
    .await;
    assert_eq!(outcome, "won");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_follows_no_other_log_than_the_one_it_began_with() {
    let mut site = Site::new();
    let node = site.start().await;
    let mut edge = site.start_edge(&node.url, 0).await;
    let round = edge.api.open_round().await;
    won(&edge, &claim(round, 1, "ana")).await;
    node.kill();
    site.data = site.folder().join("another");
    let _other = site.start().await;
    let status = edge.exited().await;
    assert!(!status.success());
    assert!(edge.stderr().contains("another log"), "{}", edge.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_cannot_follow_says_why_and_ends() {
    let site = Site::new();
    let node = site.start().await;
    let edge = site.start_edge(&node.url, 0).await;
    let of_edge = site.try_start_edge(&edge.url, 0).await;
    let exit = of_edge.err().expect("an edge hands no log on");
    assert!(exit.stderr.contains("no log of its own"), "{}", exit.stderr);
    let no_address = site.try_start_edge("not an address", 0).await;
    let exit = no_address.err().expect("no address");
    assert!(exit.stderr.contains("not an address"), "{}", exit.stderr);
    let config = site.folder().join("wrong.toml");
    let wrong = site
        .config()
        .replace("env:HUNTCORE_SERVICE_KEY", "wrong-key-0123456789");
    std::fs::write(&config, wrong).expect("a new file");
    let arguments = ["serve", "--config", "wrong.toml", "--roles", "edge"];
    let listen = ["--listen", "127.0.0.1:0", "--upstream", &node.url];
    let exit = site.run(&[&arguments[..], &listen[..]].concat());
    assert!(!exit.status.success());
    assert!(exit.stderr.contains("service key"), "{}", exit.stderr);
}
