//! Edge processes, from outside: each serves what a node does, and no client is the worse when
//! one of them, or the node, is killed.

mod upstream;

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Claim, Event, Metrics, Server, Site, Socket, player_token, until};

/// Tiles by who won them, as one client was told.
type Seen = BTreeMap<(u64, u64), String>;

fn claim(round: u64, tile: u32, player: &str) -> Claim {
    Claim {
        round,
        tile,
        player: player.to_owned(),
    }
}

/// Takes in what a message says of claims; a snapshot says all of it anew.
fn take(seen: &mut Seen, message: &Value) {
    let mut add = |round: &Value, claim: &Value| {
        let round = round.as_u64().expect("a round");
        let tile = claim["tile"].as_u64().expect("a tile");
        let player = claim["player"].as_str().expect("a player").to_owned();
        let before = seen.insert((round, tile), player.clone());
        assert!(
            before.is_none_or(|before| before == player),
            "tile {tile} of round {round} has two winners"
        );
    };
    if message["type"] == "snapshot" {
        for round in message["rounds"].as_array().into_iter().flatten() {
            for claim in round["claims"].as_array().into_iter().flatten() {
                add(&round["round"], claim);
            }
        }
    }
    for claim in message["claims"].as_array().into_iter().flatten() {
        add(&claim["round"], claim);
    }
}

/// Reads until a client has been told of a tile; keeps the newest position to resume from.
async fn told_of(socket: &mut Socket, tile: (u64, u64), seen: &mut Seen, resume: &mut String) {
    while !seen.contains_key(&tile) {
        let message = socket.next().await.expect("the socket lives");
        take(seen, &message);
        if let Some(position) = message["resume"].as_str() {
            position.clone_into(resume);
        }
    }
}

async fn won(server: &Server, attempt: &Claim) -> String {
    let answer = server.api.claim(attempt).await.expect("the server answers");
    assert_eq!(answer.outcome(), "won", "{attempt:?}: {}", answer.text);
    let position = answer.body["receipt"]["position"].as_str();
    position.expect("a receipt").to_owned()
}

async fn readiness(server: &Server) -> (u16, String) {
    let answer = server.api.get("/readyz").await.expect("it answers");
    let reason = answer.body["detail"].as_str().unwrap_or_default();
    (answer.status, reason.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_process_serves_all_that_its_node_does() {
    for shards in [1, 3] {
        let mut site = Site::new();
        site.shards = shards;
        site.guests = true;
        let node = site.start().await;
        let edge = site.start_edge(&node.url, 0).await;

        let page = edge.api.get("/").await.expect("the console");
        assert_eq!(page.status, 200);
        let round = edge.api.open_round().await;
        let position = won(&edge, &claim(round, 1, "ana")).await;
        assert_eq!(
            node.api.board("total", Some(&position)).await,
            edge.api.board("total", Some(&position)).await,
        );
        // What was won at the node is taken at the edge, and shown there when asked for.
        let position = won(&node, &claim(round, 2, "ben")).await;
        let total = edge.api.board("total", Some(&position)).await;
        assert!(total.iter().any(|(player, _)| player == "ben"), "{total:?}");
        let same = edge.api.claim(&claim(round, 2, "cara")).await;
        let same = same.expect("it answers");
        assert_eq!((same.status, same.outcome()), (409, "taken"));
        assert_eq!(same.body["winner_position"].as_str(), Some(&*position));

        let batch: Vec<Claim> = (0..64).map(|tile| claim(round, tile, "dan")).collect();
        let items = edge.api.claims(&batch).await.expect("it answers");
        let again = node.api.claims(&batch).await.expect("it answers");
        for (item, again) in items.iter().zip(&again) {
            assert_eq!(item["outcome"], again["outcome"]);
            assert_eq!(item["receipt"], again["receipt"]);
            assert_eq!(item["winner_position"], again["winner_position"]);
        }
        let of_outcome = |outcome: &str| items.iter().filter(|i| i["outcome"] == outcome).count();
        assert_eq!((of_outcome("won"), of_outcome("taken")), (62, 2));

        let event = |id: &str, score| Event {
            id: id.to_owned(),
            player: "eve".to_owned(),
            score,
        };
        let events = [
            event("e1", 5),
            event("e2", 9),
            event("e1", 5),
            event("e1", 6),
        ];
        let answer = edge.api.events(&events).await.expect("it answers");
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.body["accepted"], 2, "{}", answer.text);
        assert_eq!(answer.body["duplicates"], 1);
        assert_eq!(answer.body["refused"][0]["index"], 3);
        assert_eq!(answer.body["refused"][0]["outcome"], "event-conflict");
        let position = answer.body["position"].as_str();
        let best = edge.api.board("best", position).await;
        assert_eq!(best, [("eve".to_owned(), 9)]);

        let guest = edge
            .api
            .service(Method::POST, "/v1/hunts/park/guests", None)
            .await
            .expect("it answers");
        assert_eq!(guest.status, 201, "{}", guest.text);

        let view = edge.api.get("/v1/hunts/park/rounds/current").await;
        let map = view.expect("it answers").body["map"].clone();
        let path = format!("/v1/maps/{}", map.as_str().expect("a map"));
        let (here, there) = (edge.api.get(&path).await, node.api.get(&path).await);
        let (here, there) = (here.expect("it answers"), there.expect("it answers"));
        assert_eq!((here.status, &here.body), (200, &there.body));
        let cells = "/v1/hunts/park/cells";
        let (here, there) = (edge.api.get(cells).await, node.api.get(cells).await);
        assert_eq!(
            here.expect("it answers").body,
            there.expect("it answers").body
        );

        commands_are_done_by_the_node(&edge, &node).await;
        let metrics = Metrics::of(&edge.api).await;
        assert!(metrics.is_reconciled(), "{metrics:#?}");
        assert_eq!(metrics.get("huntcore_upstream_up"), 1);
        assert_eq!(
            Metrics::of(&node.api).await.get("huntcore_log_followers"),
            1
        );
    }
}

/// Pauses, resumes, changes, creates and closes hunts at the edge.
async fn commands_are_done_by_the_node(edge: &Server, node: &Server) {
    let command = |path: &str| {
        let path = format!("/v1/hunts/park/{path}");
        let api = edge.api.clone();
        async move {
            api.service(Method::POST, &path, None)
                .await
                .expect("it answers")
        }
    };
    let paused = command("pause").await;
    assert_eq!(
        (paused.status, &paused.body["state"]),
        (200, &json!("paused"))
    );
    let round = node.api.open_round().await;
    let refused = node.api.claim(&claim(round, 63, "fay")).await;
    let refused = refused.expect("it answers");
    assert!(
        ["hunt-paused", "taken"].contains(&refused.outcome()),
        "{}",
        refused.text
    );
    let resumed = command("resume").await;
    assert_eq!(resumed.body["state"], "running");

    let park = edge
        .api
        .get("/v1/hunts/park")
        .await
        .expect("it answers")
        .body;
    let create = |tiles: u32| {
        let other = json!({
            "id": "other", "area": park["outline"], "resolution": 12, "round": "1s",
            "claim_window": "10s", "tiles": tiles,
        });
        edge.api.service(Method::POST, "/v1/hunts", Some(other))
    };
    let created = create(16).await.expect("it answers");
    assert_eq!(
        (created.status, &created.body["hunt"]),
        (201, &json!("other"))
    );
    let again = create(17).await.expect("it answers");
    assert_eq!((again.status, again.outcome()), (409, "hunt-exists"));
    let bad = json!({ "tiles": 0 });
    let bad = edge
        .api
        .service(Method::PATCH, "/v1/hunts/other", Some(bad))
        .await;
    assert_eq!(bad.expect("it answers").status, 422);
    let change = json!({ "tiles": 32 });
    let changed = edge
        .api
        .service(Method::PATCH, "/v1/hunts/other", Some(change))
        .await;
    let changed = changed.expect("it answers");
    assert_eq!((changed.status, &changed.body["tiles"]), (200, &json!(32)));
    let closed = edge
        .api
        .service(Method::POST, "/v1/hunts/other/close", None)
        .await;
    assert_eq!(closed.expect("it answers").body["state"], "closed");
    let shown = node.api.get("/v1/hunts/other").await.expect("it answers");
    assert_eq!(shown.body["state"], "closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_killed_edge_resume_at_another_and_miss_nothing() {
    let mut site = Site::new();
    site.shards = 3;
    site.round = "10m";
    site.claim_window = "10m";
    site.tiles = 1_024;
    let node = site.start().await;
    let first = site.start_edge(&node.url, 0).await;
    let second = site.start_edge(&node.url, 0).await;
    let round = node.api.open_round().await;

    let mut seen = Seen::new();
    let mut resume = String::new();
    let mut socket = Socket::open(&first.url, None).await;
    socket.subscribe(None).await;
    let player = |tile: u32| format!("player {tile}");
    for tile in 0..20 {
        won(&node, &claim(round, tile, &player(tile))).await;
    }
    told_of(&mut socket, (round, 19), &mut seen, &mut resume).await;
    first.kill();
    // What is won while nobody is connected.
    for tile in 20..40 {
        won(&second, &claim(round, tile, &player(tile))).await;
    }
    while let Ok(message) = socket.next().await {
        take(&mut seen, &message);
        if let Some(position) = message["resume"].as_str() {
            position.clone_into(&mut resume);
        }
    }

    for (server, tiles) in [(&second, 40..50), (&node, 50..60), (&second, 60..70)] {
        let mut socket = Socket::open(&server.url, None).await;
        socket.subscribe(Some(&resume)).await;
        let subscribed = socket.next_of("subscribed").await;
        assert_eq!(subscribed["resumed"], true, "{subscribed}");
        let last = u64::from(tiles.end - 1);
        for tile in tiles {
            won(&node, &claim(round, tile, &player(tile))).await;
        }
        told_of(&mut socket, (round, last), &mut seen, &mut resume).await;
    }
    let expected: Seen = (0..70)
        .map(|tile| ((round, u64::from(tile)), player(tile)))
        .collect();
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn edges_share_a_port_and_one_that_is_killed_leaves_it_to_the_others() {
    let site = Site::new();
    let node = site.start().await;
    let first = site.start_edge(&node.url, 0).await;
    let port = first
        .url
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    let second = site.start_edge(&node.url, port.expect("a port")).await;
    assert_eq!(first.url, second.url);
    // The kernel deals connections by their addresses: both get some of so many.
    let mut sockets = Vec::new();
    for _ in 0..64 {
        let mut socket = Socket::open(&first.url, None).await;
        socket.subscribe(None).await;
        socket.next_of("subscribed").await;
        sockets.push(socket);
    }
    first.kill();
    let round = node.api.open_round().await;
    won(&node, &claim(round, 5, "ana")).await;
    let mut left = 0;
    for socket in &mut sockets {
        let told = loop {
            match socket.next().await {
                Ok(message) => {
                    let mut seen = Seen::new();
                    take(&mut seen, &message);
                    if seen.contains_key(&(round, 5)) {
                        break true;
                    }
                }
                Err(_) => break false,
            }
        };
        left += usize::from(told);
    }
    assert!((1..64).contains(&left), "{left} of 64 were at the second");
    let mut again = Socket::open(&second.url, None).await;
    again.subscribe(None).await;
    again.next_of("subscribed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_begins_with_what_the_log_no_longer_holds() {
    let mut site = Site::new();
    site.shards = 3;
    site.keep_little();
    let node = site.start().await;
    node.api.open_round().await;
    let name = "huntcore_log_trimmed_records{stream=\"shard-00001\"}";
    let mut sent = 0;
    until("the log is trimmed", || {
        let events: Vec<Event> = (sent..sent + 2_000)
            .map(|number| Event {
                id: format!("e{number}"),
                player: format!("player {}", number % 300),
                score: number,
            })
            .collect();
        sent += 2_000;
        let api = node.api.clone();
        async move {
            let answer = api.events(&events).await.expect("it answers");
            assert_eq!(answer.status, 200, "{}", answer.text);
            (Metrics::of(&api).await.get(name) > 0).then_some(())
        }
    })
    .await;
    // What it has committed since its start a server still has in memory.
    node.stop().await;
    let node = site.start().await;
    let log = node.api.service(Method::GET, "/v1/log", None).await;
    let log = log.expect("it answers");
    assert_eq!((log.status, log.outcome()), (410, "log-trimmed"));
    let edge = site.start_edge(&node.url, 0).await;
    let best = node.api.board("best", None).await;
    assert_eq!(best.len(), 300);
    assert_eq!(edge.api.board("best", None).await, best);
    let round = node.api.open_round().await;
    let position = won(&node, &claim(round, 0, "zoe")).await;
    assert_eq!(
        edge.api.board("total", Some(&position)).await,
        node.api.board("total", Some(&position)).await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_handed_to_nobody_without_the_service_key() {
    let site = Site::new();
    let node = site.start().await;
    let paths = ["/v1/log", "/v1/log/checkpoint", "/v1/log/position"];
    for path in paths {
        let nobody = node.api.get(path).await.expect("it answers");
        assert_eq!((nobody.status, nobody.outcome()), (401, "unauthorized"));
        let player = node.api.request(Method::GET, path);
        let player = player.bearer_auth(player_token("ana"));
        let player = crate::support::send(player).await.expect("it answers");
        assert_eq!(player.status, 401);
    }
    let bad = [
        ("/v1/log?from=nonsense", 400, "malformed"),
        ("/v1/log?since=AQEAAQ", 400, "malformed"),
        // A stream that there is none of, and one far beyond its end.
        ("/v1/log?from=AQEHAQ", 409, "log-ahead"),
        ("/v1/log?from=AQEA__8P", 409, "log-ahead"),
    ];
    for (path, status, outcome) in bad {
        let answer = node.api.service(Method::GET, path, None).await;
        let answer = answer.expect("it answers");
        assert_eq!(
            (answer.status, answer.outcome()),
            (status, outcome),
            "{path}"
        );
    }
}
