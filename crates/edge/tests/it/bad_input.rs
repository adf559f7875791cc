//! Requests that are wrong as HTTP, whatever they ask for.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{Answer, SERVICE_KEY, World, park, token, within};

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_problems() {
    let world = World::new().await;
    for path in [
        "/nothing",
        "/v1",
        "/v1/hunts/",
        "/v1/hunts/park/claim",
        "/assets/none.js",
    ] {
        world.get(path).await.problem(404, "not-found");
    }
    for (method, path, allow) in [
        ("DELETE", "/v1/hunts/park", "GET,HEAD,PATCH"),
        ("GET", "/v1/claims", "POST"),
        ("PUT", "/healthz", "GET,HEAD"),
        ("POST", "/v1/hunts/park/live", "GET,HEAD"),
        ("TRACE", "/v1/hunts", "GET,HEAD,POST"),
    ] {
        let answer = world.send(method, path, &[], "").await;
        answer.problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
}

#[tokio::test]
async fn a_path_that_cannot_be_decoded_is_a_problem() {
    let world = World::new().await;
    world.get("/v1/hunts/%ff").await.problem(400, "malformed");
    for none in ["Park", "%00", "-park", &"x".repeat(65)] {
        world
            .get(&format!("/v1/hunts/{none}"))
            .await
            .problem(404, "unknown-hunt");
    }
}

#[tokio::test]
async fn a_body_of_another_kind_is_refused() {
    let world = World::new().await;
    let ada = format!("Bearer {}", token("ada"));
    let body = r#"{"round":1,"tile":0}"#;
    for headers in [
        vec![],
        vec![("content-type", "text/plain")],
        vec![("content-type", "application/x-ndjson")],
        vec![
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ],
    ] {
        let mut headers = headers;
        headers.push(("authorization", &ada));
        let answer = world
            .send("POST", "/v1/hunts/park/claims", &headers, body)
            .await;
        answer.problem(415, "unsupported-media-type");
    }
    let headers = [
        ("authorization", ada.as_str()),
        ("content-type", "Application/JSON; charset=utf-8"),
    ];
    world
        .send("POST", "/v1/hunts/park/claims", &headers, body)
        .await
        .ok();
}

#[tokio::test]
async fn a_huge_body_is_refused_before_and_while_it_is_read() {
    let world = World::with(|config| config.limits.body_bytes_max = 1_000).await;
    let head = format!(
        "POST /v1/hunts/park/claims HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-type: application/json\r\nauthorization: Bearer {}\r\n",
        token("ada")
    );
    // Announced: not a byte of it is awaited.
    let announced = format!("{head}content-length: 1000000000000\r\n\r\n");
    Answer::parse(&world.raw(announced.as_bytes()).await).problem(413, "too-large");
    // Not announced.
    let chunk = format!("400\r\n{}\r\n", " ".repeat(0x400));
    let streamed = format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}");
    Answer::parse(&world.raw(streamed.as_bytes()).await).problem(413, "too-large");
}

#[tokio::test]
async fn a_body_that_never_comes_is_given_up() {
    let world = World::with(|config| {
        config.limits.body_read_timeout = Duration::from_millis(50);
    })
    .await;
    let request = format!(
        "POST /v1/hunts/park/claims HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-type: application/json\r\nauthorization: Bearer {}\r\ncontent-length: 20\r\n\r\n{{",
        token("ada")
    );
    Answer::parse(&world.raw(request.as_bytes()).await).problem(408, "request-timeout");
}

#[tokio::test]
async fn headers_that_never_end_are_given_up() {
    let world = World::with(|config| {
        config.limits.header_read_timeout = Duration::from_millis(50);
    })
    .await;
    let mut slow = world.connect().await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ")
        .await
        .expect("it reads");
    let mut answer = Vec::new();
    within(slow.read_to_end(&mut answer))
        .await
        .expect("it closes");
    Answer::parse(&answer).problem(408, "request-timeout");
    // Whoever says nothing at all is let go without a word.
    let mut silent = world.connect().await;
    let mut answer = Vec::new();
    within(silent.read_to_end(&mut answer))
        .await
        .expect("it closes");
    assert_eq!(answer, b"");
    world.get("/healthz").await.ok();
}

#[tokio::test]
async fn too_many_headers_or_bytes_of_them_are_a_problem() {
    let world = World::new().await;
    let many: String = (0..65).map(|number| format!("x-{number}: y\r\n")).collect();
    let many = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{many}\r\n");
    Answer::parse(&world.raw(many.as_bytes()).await).problem(431, "headers-too-large");
    let mut long = world.connect().await;
    let text = format!("GET /healthz HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(40_000));
    // It may stop reading, and reset the connection, before all is sent.
    let _ = long.write_all(text.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = within(long.read_to_end(&mut answer)).await;
    if !answer.is_empty() {
        Answer::parse(&answer).problem(431, "headers-too-large");
    }
    world.get("/healthz").await.ok();
}

#[tokio::test]
async fn what_is_no_http_is_a_problem() {
    let world = World::new().await;
    for nonsense in [
        &b"nonsense\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
    ] {
        Answer::parse(&world.raw(nonsense).await).problem(400, "malformed");
    }
    world.get("/healthz").await.ok();
}

#[tokio::test]
async fn a_client_that_never_reads_its_answer_is_cut_off() {
    let world = World::with(|config| {
        config.limits.response_write_timeout = Duration::from_millis(100);
    })
    .await;
    let mut beach = park();
    beach["id"] = Value::from("beach");
    beach["resolution"] = Value::from(14);
    world.serve("POST", "/v1/hunts", &beach).await.ok();
    let deaf = world.connect().await;
    let (mut reader, mut writer) = deaf.into_split();
    // Pipelined until the kernel's buffers are full and the edge has to wait.
    let request = b"GET /v1/hunts/beach/cells HTTP/1.1\r\nhost: x\r\n\r\n".repeat(200);
    let writing = tokio::spawn(async move { writer.write_all(&request).await });
    within(async {
        while world.counts.connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut rest = Vec::new();
    let _ = within(reader.read_to_end(&mut rest)).await;
    let _ = within(writing).await;
    world.get("/healthz").await.ok();
}

#[tokio::test]
async fn hunts_that_cannot_be_are_refused_with_the_fault() {
    let world = World::new().await;
    world
        .serve("POST", "/v1/hunts", &park())
        .await
        .problem(409, "hunt-exists");
    let with = |field: &str, value: Value| {
        let mut hunt = park();
        hunt["id"] = Value::from("beach");
        hunt[field] = value;
        hunt
    };
    for (field, value, fault) in [
        ("id", Value::from("No Slug"), "hunt id"),
        ("tiles", Value::from(1_000_000), "tiles is 1000000"),
        ("tiles", Value::from("many"), "expected u32"),
        ("round", Value::from("1 second"), "length of time"),
        ("claim_window", Value::from("100ms"), "claim_window"),
        ("starts_at", Value::from("soon"), "RFC 3339"),
        ("colour", Value::from("red"), "unknown field `colour`"),
        (
            "area",
            serde_json::json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}),
            "",
        ),
    ] {
        let answer = world.serve("POST", "/v1/hunts", &with(field, value)).await;
        let problem = answer.problem(422, "invalid");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(
            !detail.is_empty() && detail.contains(fault),
            "{field}: {detail}"
        );
    }
    let bearer = format!("Bearer {SERVICE_KEY}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let deep = format!("{{\"area\":{}", "[".repeat(100_000));
    world
        .send("POST", "/v1/hunts", &headers, &deep)
        .await
        .problem(400, "malformed");
}
