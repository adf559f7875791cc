//! Attempts over HTTP: outcomes, their statuses, batches, and that all are accounted for.

use huntcore_model::{Outcome, OutcomeKind};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{World, token, within};

#[tokio::test]
async fn the_first_attempt_wins_and_every_retry_hears_the_same() {
    let world = World::new().await;
    let won = world.claim("ada", 1, 3).await.ok();
    assert_eq!(won["outcome"], "won");
    let position = won["receipt"]["position"].as_str().expect("a position");
    let taken = world.claim("bob", 1, 3).await.problem(409, "taken");
    assert_eq!(taken["winner_position"], position);
    assert_eq!(taken["outcome"], "taken");
    assert_eq!(world.claim("ada", 1, 3).await.ok(), won);
    world.fake.advance(60_000);
    assert_eq!(world.claim("ada", 1, 3).await.ok(), won);
    world.claim("bob", 1, 3).await.problem(409, "taken");
    world.claim("bob", 1, 4).await.problem(410, "expired");
}

#[tokio::test]
async fn each_outcome_has_its_status() {
    let world = World::new().await;
    world.claim("ada", 1, 16).await.problem(404, "unknown-tile");
    world.claim("ada", 0, 0).await.problem(404, "unknown-tile");
    let early = world.claim("ada", 50, 0).await;
    let problem = early.problem(425, "not-yet-open");
    assert!(problem["opens_at"].is_string() && problem["retry_after_ms"].as_u64() > Some(0));
    assert!(early.header("retry-after").is_some());
    world
        .serve("POST", "/v1/hunts/park/pause", &Value::Null)
        .await
        .ok();
    world.claim("ada", 1, 0).await.problem(409, "hunt-paused");
    for (refusal, name) in [
        (Outcome::Overloaded, "overloaded"),
        (Outcome::StorageFull, "storage-full"),
        (Outcome::OutcomeUnknown, "outcome-unknown"),
    ] {
        world.fake.refuse(Some(refusal));
        let answer = world.claim("ada", 1, 0).await;
        let problem = answer.problem(503, name);
        assert!(problem["retry_after_ms"].as_u64() > Some(0), "{problem}");
        assert!(answer.header("retry-after").is_some(), "{name}");
    }
    let attempts = world.reconciled().await;
    assert_eq!(attempts.received, 7);
    assert_eq!(attempts.told(OutcomeKind::UnknownTile), 2);
    assert_eq!(attempts.unanswered(), 1, "outcome-unknown is no answer");
}

#[tokio::test]
async fn a_claim_on_no_hunt_is_counted_as_such() {
    let world = World::new().await;
    let bearer = format!("Bearer {}", token("ada"));
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    for path in ["/v1/hunts/beach/claims", "/v1/hunts/B%20ach/claims"] {
        let answer = world
            .send("POST", path, &headers, r#"{"round":1,"tile":0}"#)
            .await;
        assert_eq!(
            answer.problem(404, "unknown-hunt")["outcome"],
            "unknown-hunt"
        );
    }
    assert_eq!(world.reconciled().await.told(OutcomeKind::UnknownHunt), 2);
}

#[tokio::test]
async fn what_is_no_claim_is_told_where_and_counted_as_invalid() {
    let world = World::new().await;
    let ada = token("ada");
    for (body, status, name, wrong) in [
        (
            "{\"round\":1,\n\"tile\":}",
            400,
            "malformed",
            "line 2 column 8",
        ),
        ("", 400, "malformed", "EOF"),
        (r#"{"round":1"#, 400, "malformed", "column 10"),
        (r#"{"round":"1","tile":0}"#, 422, "invalid", "expected u64"),
        (r#"{"round":1,"tile":-1}"#, 422, "invalid", "-1"),
        (r#"{"round":1}"#, 422, "invalid", "missing field `tile`"),
        (
            r#"{"round":1,"tile":0,"player":"eve"}"#,
            422,
            "invalid",
            "unknown field `player`",
        ),
        ("[]", 422, "invalid", ""),
        ("[1,0]", 422, "invalid", "expected an object"),
        ("\"\u{0}\"", 400, "malformed", ""),
    ] {
        let problem = world.claim_raw(&ada, body).await.problem(status, name);
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains(wrong), "{body}: {detail}");
    }
    let attempts = world.reconciled().await;
    assert_eq!(
        (attempts.received, attempts.told(OutcomeKind::Invalid)),
        (10, 10)
    );
}

#[tokio::test]
async fn a_batch_answers_each_item_in_order() {
    let world = World::new().await;
    let item = |tile: u32, player: &str| json!({"hunt": "park", "round": 1, "tile": tile, "player": player});
    let batch = json!([
        item(0, "ada"),
        item(0, "bob"),
        {"hunt": "park"},
        item(99, "ada"),
        {"hunt": "beach", "round": 1, "tile": 0, "player": "ada"},
        ["park", 1, 0, "ada"],
        item(0, "ada"),
    ]);
    let answer = world.serve("POST", "/v1/claims", &batch).await.ok();
    let outcomes: Vec<_> = answer
        .as_array()
        .expect("an array")
        .iter()
        .map(|item| &item["outcome"])
        .collect();
    assert_eq!(
        outcomes,
        [
            "won",
            "taken",
            "invalid",
            "unknown-tile",
            "unknown-hunt",
            "invalid",
            "won"
        ]
    );
    assert_eq!(answer[0]["receipt"], answer[6]["receipt"]);
    assert_eq!(
        answer[1]["winner_position"],
        answer[0]["receipt"]["position"]
    );
    assert!(
        answer[2]["error"]
            .as_str()
            .expect("why")
            .contains("missing field"),
        "{answer}"
    );
    let attempts = world.reconciled().await;
    assert_eq!(
        (attempts.received, attempts.told(OutcomeKind::Invalid)),
        (7, 2)
    );
}

#[tokio::test]
async fn lines_are_answered_in_lines() {
    let world = World::new().await;
    let body = "{\"hunt\":\"park\",\"round\":1,\"tile\":0,\"player\":\"ada\"}\r\n\n  \nnonsense\n\
                {\"hunt\":\"park\",\"round\":1,\"tile\":1,\"player\":\"bob\"}";
    let answer = world.lines("/v1/claims", body).await;
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let text = String::from_utf8(answer.body).expect("UTF-8");
    let outcomes: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let outcomes: Vec<_> = outcomes
        .iter()
        .map(|item| item["outcome"].as_str().expect("one"))
        .collect();
    assert_eq!(outcomes, ["won", "invalid", "won"]);
}

#[tokio::test]
async fn a_batch_that_is_none_or_too_long_is_refused_whole() {
    let world = World::new().await;
    world
        .serve("POST", "/v1/claims", &json!({}))
        .await
        .problem(422, "invalid");
    let many = Value::from(vec![json!({}); 4_097]);
    world
        .serve("POST", "/v1/claims", &many)
        .await
        .problem(422, "invalid");
    assert_eq!(
        world.serve("POST", "/v1/claims", &json!([])).await.ok(),
        json!([])
    );
    assert_eq!(world.counts.attempts().received, 0);
}

#[tokio::test]
async fn an_attempt_whose_connection_is_lost_counts_as_unanswered() {
    let world = World::new().await;
    world.fake.hold_claims(true);
    let mut tcp = world.connect().await;
    let body = r#"{"round":1,"tile":0}"#;
    let request = format!(
        "POST /v1/hunts/park/claims HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         authorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        token("ada"),
        body.len()
    );
    tcp.write_all(request.as_bytes()).await.expect("it reads");
    within(world.fake.arrived.notified()).await;
    assert_eq!(world.counts.attempts().received, 1);
    drop(tcp);
    let attempts = world.reconciled().await;
    assert_eq!((attempts.lost, attempts.unanswered()), (1, 1));
    world.fake.hold_claims(false);
    // It was decided all the same, and the retry hears so.
    assert_eq!(world.claim("ada", 1, 0).await.ok()["outcome"], "won");
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_has_an_unknown_outcome() {
    let world = World::with(|config| {
        config.limits.request_timeout = std::time::Duration::from_millis(50);
    })
    .await;
    world.fake.hold_claims(true);
    world
        .claim("ada", 1, 0)
        .await
        .problem(503, "outcome-unknown");
    world.fake.hold_claims(false);
    assert_eq!(world.claim("ada", 1, 0).await.ok()["outcome"], "won");
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let world = World::new().await;
    let mut tcp = world.connect().await;
    for tile in 0..4 {
        let body = format!(r#"{{"round":1,"tile":{tile}}}"#);
        let request = format!(
            "POST /v1/hunts/park/claims HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             authorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
            token("ada"),
            body.len()
        );
        tcp.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = Vec::new();
        let mut buffer = [0; 4_096];
        while !answer.ends_with(b"}") {
            let count = within(tcp.read(&mut buffer)).await.expect("it answers");
            assert!(count > 0, "closed");
            answer.extend_from_slice(&buffer[..count]);
        }
        assert!(String::from_utf8_lossy(&answer).contains("\"won\""));
    }
}

#[tokio::test]
async fn a_player_who_claims_too_often_is_slowed_down_alone() {
    let world = World::with(|config| {
        config.limits.player_rate = Some(huntcore_edge::Rate {
            per_second: 1,
            burst: 2,
        });
    })
    .await;
    world.claim("ada", 1, 0).await.ok();
    world.claim("ada", 1, 1).await.ok();
    let answer = world.claim("ada", 1, 2).await;
    let problem = answer.problem(429, "rate-limited");
    assert!((1..=1_000).contains(&problem["retry_after_ms"].as_u64().expect("a wait")));
    assert_eq!(answer.header("retry-after"), Some("1"));
    world.claim("bob", 1, 2).await.ok();
    assert_eq!(world.reconciled().await.told(OutcomeKind::RateLimited), 1);
}
