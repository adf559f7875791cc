//! A hunt's events over HTTP, from outside: the same as an export's, from any point on, over
//! kills, trimming and edge processes, and beside readers who do not read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{
    Answer, Api, Claim, Event, Metrics, PATIENCE, SERVICE_KEY, Server, Site, until,
};

const EVENTS: &str = "/v1/hunts/park/events";

async fn asked(api: &Api, query: &str) -> Answer {
    let path = format!("{EVENTS}{query}");
    let answer = api.service(reqwest::Method::GET, &path, None).await;
    answer.expect("it answers")
}

/// The events that an answer holds, one a line.
fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let parse = |line| serde_json::from_str(line).expect("an event");
    answer.text.lines().map(parse).collect()
}

async fn play(server: &Server, rounds: u64) -> usize {
    play_after(server, &mut 0, rounds).await
}

/// Plays in rounds after `last`, which have not been played in; says how many tiles were won.
async fn play_after(server: &Server, last: &mut u64, rounds: u64) -> usize {
    let mut won = 0;
    let mut round = server.api.round_after(*last).await;
    for count in 0..rounds {
        let claims: Vec<Claim> = (0..20)
            .map(|tile| Claim {
                round,
                tile,
                player: format!("player {}", tile % 3),
            })
            .collect();
        let answers = server.api.claims(&claims).await.expect("it answers");
        won += answers.iter().filter(|a| a["outcome"] == "won").count();
        let events: Vec<Event> = (0..5)
            .map(|index| Event {
                id: format!("e{round}-{index}"),
                player: format!("player {index}"),
                score: index,
            })
            .collect();
        let answer = server.api.events(&events).await.expect("it answers");
        assert_eq!(answer.status, 200, "{}", answer.text);
        *last = round;
        if count + 1 < rounds {
            round = server.api.round_after(round).await;
        }
    }
    won
}

/// Events as they stand in the log on disk, by id.
fn exported(site: &Site) -> BTreeMap<String, Value> {
    let exit = site.run(&["log", "export", "--data", &site.data.to_string_lossy()]);
    assert!(exit.status.success(), "{}", exit.stderr);
    let events = exit.stdout.lines().map(|line| {
        let event: Value = serde_json::from_str(line).expect("an event");
        (event["id"].as_str().expect("an id").to_owned(), event)
    });
    events.collect()
}

fn without_position(event: &Value) -> Value {
    let mut event = event.clone();
    let position = event.as_object_mut().and_then(|e| e.remove("position"));
    assert!(position.is_some_and(|position| position.is_string()));
    event
}

/// Somebody who asks for everything and takes nothing.
async fn never_reads(server: &Server) -> TcpStream {
    let address = server.url.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(address).await.expect("it accepts");
    let head = format!(
        "GET {EVENTS}?follow=true HTTP/1.1\r\nHost: {address}\r\n\
         Authorization: Bearer {SERVICE_KEY}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("it reads");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn events_over_http_are_an_exports_from_any_position_on_and_after_a_kill() {
    for shards in [1, 3] {
        let mut site = Site::new();
        site.shards = shards;
        let server = site.start().await;
        let mut idle = Vec::new();
        for _ in 0..4 {
            idle.push(never_reads(&server).await);
        }
        let won = play(&server, 2).await;
        let all = lines(&asked(&server.api, "?types=claim,score").await);
        assert_eq!(all.len(), won + 10);
        let about = asked(
            &server.api,
            "?types=huntcore.score.v1&player=player%204&limit=1",
        )
        .await;
        let about = lines(&about);
        assert_eq!(about.len(), 1);
        assert_eq!(about[0]["subject"], "player 4");
        drop(idle);

        let on_disk = exported(&site);
        for event in &all {
            let id = event["id"].as_str().expect("an id");
            assert_eq!(without_position(event), on_disk[id]);
        }
        let of_types = |event: &&Value| {
            ["huntcore.claim.v1", "huntcore.score.v1"]
                .contains(&event["type"].as_str().expect("a type"))
        };
        assert_eq!(on_disk.values().filter(of_types).count(), all.len());

        server.kill();
        let server = site.start().await;
        for index in [0, 7, all.len() - 1] {
            let from = all[index]["position"].as_str().expect("a position");
            let rest = lines(&asked(&server.api, &format!("?types=claim,score&from={from}")).await);
            assert_eq!(rest, all[index + 1..]);
        }
        assert!(server.stop().await.success());
    }
}

/// Follows a hunt's claims over any number of servers, one after the other; tells their ids.
async fn follow(mut servers: mpsc::Receiver<Api>, told: mpsc::UnboundedSender<String>) {
    let mut from = String::new();
    while let Some(api) = servers.recv().await {
        let path = format!("{EVENTS}?types=claim&follow=true{from}");
        let request = api.request(reqwest::Method::GET, &path);
        let response = request.bearer_auth(SERVICE_KEY).send().await;
        // Killed or stopped before it has answered: the next one will.
        let Ok(mut response) = response else { continue };
        assert_eq!(response.status(), 200);
        let mut unread = Vec::new();
        // A server that is killed ends it with an error, at times in the middle of a line.
        while let Ok(Some(chunk)) = response.chunk().await {
            unread.extend_from_slice(&chunk);
            let whole = unread.iter().rposition(|&byte| byte == b'\n');
            let whole: Vec<u8> = unread.drain(..whole.map_or(0, |end| end + 1)).collect();
            for line in whole
                .split(|&byte| byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                let event: Value = serde_json::from_slice(line).expect("an event");
                from = format!("&from={}", event["position"].as_str().expect("a position"));
                let id = event["id"].as_str().expect("an id").to_owned();
                if event["type"] == "huntcore.claim.v1" && told.send(id).is_err() {
                    return;
                }
            }
        }
    }
}

async fn next(heard: &mut mpsc::UnboundedReceiver<String>) -> String {
    let told = tokio::time::timeout(PATIENCE, heard.recv()).await;
    told.expect("what was won is told").expect("it follows")
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_over_kills_of_the_server_is_told_every_claim_once() {
    let mut site = Site::new();
    site.shards = 3;
    let (servers, followed) = mpsc::channel(1);
    let (told, mut heard) = mpsc::unbounded_channel();
    let following = tokio::spawn(follow(followed, told));
    let (mut won, mut seen, mut last) = (0, Vec::new(), 0);
    for _ in 0..3 {
        let server = site.start().await;
        servers.send(server.api.clone()).await.expect("it follows");
        won += play_after(&server, &mut last, 1).await;
        // The kill comes in the middle of what is told.
        while seen.len() + 5 < won {
            seen.push(next(&mut heard).await);
        }
        server.kill();
    }
    let server = site.start().await;
    servers.send(server.api.clone()).await.expect("it follows");
    while seen.len() < won {
        seen.push(next(&mut heard).await);
    }
    drop(servers);
    assert!(server.stop().await.success());
    following.await.expect("it ends with the servers");
    assert_eq!(heard.recv().await, None, "nothing more");
    let on_disk = exported(&site);
    let claims = on_disk
        .iter()
        .filter(|(_, event)| event["type"] == "huntcore.claim.v1");
    let claims: BTreeSet<&String> = claims.map(|(id, _)| id).collect();
    let once: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(once.len(), seen.len(), "nothing twice");
    assert_eq!(once, claims, "and nothing left out");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_had_is_said_with_what_can() {
    let mut site = Site::new();
    site.keep_little();
    let server = site.start().await;
    let api = &server.api;
    let answer = api.get(EVENTS).await.expect("it answers");
    assert_eq!((answer.status, answer.outcome()), (401, "unauthorized"));
    for (query, status, problem, says) in [
        ("?types=claims", 400, "malformed", "expected claim, score"),
        ("?types=batch", 400, "malformed", "huntcore log export"),
        ("?limit=0", 422, "invalid", "at least 1"),
        ("?from=!", 400, "malformed", "from"),
        ("?since=yesterday", 400, "malformed", "yesterday"),
        ("?until=now", 400, "malformed", "until"),
        // Of a stream that this log has not.
        ("?from=AQEJAQ", 409, "log-ahead", "shard-00009"),
    ] {
        let answer = asked(api, query).await;
        assert_eq!(
            (answer.status, answer.outcome()),
            (status, problem),
            "{query}: {}",
            answer.text
        );
        assert!(answer.text.contains(says), "{query}: {}", answer.text);
    }
    let elsewhere = api
        .service(reqwest::Method::GET, "/v1/hunts/moon/events", None)
        .await;
    assert_eq!(elsewhere.expect("it answers").outcome(), "unknown-hunt");

    let first = lines(&asked(api, "?limit=1").await);
    let mut count = 0;
    // More than a segment at a time.
    let mut fill = || {
        let events: Vec<Event> = (count..count + 2_000)
            .map(|index| Event {
                id: format!("filling-{index}"),
                player: "filler".to_owned(),
                score: index,
            })
            .collect();
        count += 2_000;
        events
    };
    until("the log's beginning is trimmed", || {
        let events = fill();
        async move {
            let answer = api.events(&events).await.expect("it answers");
            assert_eq!(answer.status, 200, "{}", answer.text);
            let name = "huntcore_log_trimmed_records{stream=\"shard-00000\"}";
            (Metrics::of(api).await.get(name) > 0).then_some(())
        }
    })
    .await;
    play(&server, 1).await;
    let from = first[0]["position"].as_str().expect("a position");
    let answer = asked(api, &format!("?from={from}")).await;
    assert_eq!(
        (answer.status, answer.outcome()),
        (410, "log-trimmed"),
        "{}",
        answer.text
    );
    let oldest = answer.body["oldest_position"]
        .as_str()
        .expect("where it begins");
    let left = asked(api, &format!("?limit=3&from={oldest}")).await;
    // Trimming goes on meanwhile.
    assert!([200, 410].contains(&left.status), "{}", left.text);
    let left = lines(&asked(api, "?types=claim").await);
    assert!(!left.is_empty());
    assert!(
        left.iter().all(|event| event["subject"].is_string()),
        "names outlive the log's beginning"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_process_hands_on_its_upstreams_events_or_says_that_it_is_lost() {
    let site = Site::new();
    let node = site.start().await;
    let edge = site.start_edge(&node.url, 0).await;
    play(&edge, 1).await;
    let there = lines(&asked(&node.api, "?types=claim,score").await);
    let here = lines(&asked(&edge.api, "?types=claim,score").await);
    assert_eq!(here, there);
    let answer = asked(&edge.api, "?from=AQEJAQ").await;
    assert_eq!((answer.status, answer.outcome()), (409, "log-ahead"));
    node.kill();
    let answer = asked(&edge.api, "").await;
    assert_eq!((answer.status, answer.outcome()), (503, "unavailable"));
    assert!(
        answer.text.contains("the upstream has the log"),
        "{}",
        answer.text
    );
}
