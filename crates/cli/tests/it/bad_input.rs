//! Bad HTTP: each fault gets its own status and name, and the server lives on as if nothing had
//! happened.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{
    Answer, Claim, PATIENCE, PLAYER_KEY, SERVICE_KEY, Server, Site, player_token, seconds_from_now,
    send, signed,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_no_claim_is_refused_by_name() {
    let site = Site::new();
    let server = site.start().await;
    let round = server.api.open_round().await;
    let bodies = [
        ("", 400, "malformed"),
        ("{", 400, "malformed"),
        ("[1,2]", 422, "invalid"),
        ("{}", 422, "invalid"),
        (r#"{"round":1}"#, 422, "invalid"),
        (r#"{"round":"1","tile":1}"#, 422, "invalid"),
        (r#"{"round":1.5,"tile":1}"#, 422, "invalid"),
        (r#"{"round":-1,"tile":1}"#, 422, "invalid"),
        (r#"{"round":1,"tile":4294967296}"#, 422, "invalid"),
        (r#"{"round":1,"tile":1,"player":"mallory"}"#, 422, "invalid"),
        (r#"{"round":1,"tile":null}"#, 422, "invalid"),
    ];
    for (body, status, name) in bodies {
        let answer = claim_with(&server, body.into(), "application/json").await;
        assert_problem(&answer, status, name, body);
    }
    // Within the limit of a body, so that it is the nesting that is refused.
    let deep = "[".repeat(16_000);
    assert_problem(
        &claim_with(&server, deep, "application/json").await,
        422,
        "invalid",
        "deep",
    );
    let long = format!(
        "{{\"round\":1,\"tile\":1,\"answer\":\"{}\"}}",
        "x".repeat(1 << 20)
    );
    assert_problem(
        &claim_with(&server, long, "application/json").await,
        413,
        "too-large",
        "long",
    );
    let plain = claim_with(&server, "round=1".into(), "text/plain").await;
    assert_problem(&plain, 415, "unsupported-media-type", "text/plain");

    assert_lives(&server, round).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_on_what_does_not_exist_are_told_so() {
    let mut site = Site::new();
    site.claim_window = "1s";
    let server = site.start().await;
    let round = server.api.open_round().await;

    let claims = [
        (round, 64, 404, "unknown-tile"),
        (round + 1_000, 1, 425, "not-yet-open"),
    ];
    for (round, tile, status, name) in claims {
        let claim = Claim {
            round,
            tile,
            player: "ana".into(),
        };
        let answer = server.api.claim(&claim).await.expect("the server answers");
        assert_problem(&answer, status, name, &format!("{claim:?}"));
    }
    let nowhere = send(
        server
            .api
            .request(Method::POST, "/v1/hunts/nowhere/claims")
            .bearer_auth(player_token("ana"))
            .json(&json!({ "round": 1, "tile": 1 })),
    )
    .await
    .expect("the server answers");
    assert_problem(&nowhere, 404, "unknown-hunt", "a hunt that is not there");

    for (path, name) in [
        ("/v1/hunts/nowhere", "unknown-hunt"),
        ("/v1/hunts/park/rounds/0", "unknown-round"),
        ("/v1/hunts/park/boards/worst", "unknown-board"),
        (
            "/v1/hunts/park/boards/total/players/nobody",
            "unknown-player",
        ),
        ("/v1/nothing", "not-found"),
    ] {
        let answer = server.api.get(path).await.expect("the server answers");
        assert_problem(&answer, 404, name, path);
    }
    let map = format!("/v1/maps/{}", "0".repeat(64));
    assert_problem(
        &server.api.get(&map).await.expect("it answers"),
        404,
        "unknown-map",
        &map,
    );

    // The round's claim window passes while later ones open.
    let late = Claim {
        round,
        tile: 3,
        player: "ana".into(),
    };
    server.api.round_after(round + 2).await;
    let answer = server.api.claim(&late).await.expect("the server answers");
    assert_problem(&answer, 410, "expired", "a closed round");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_good_opens_nothing() {
    let site = Site::new();
    let server = site.start().await;
    let round = server.api.open_round().await;
    let soon = seconds_from_now(3_600);
    let good = player_token("ana");
    let mut parts = good.split('.');
    let (_, claims) = (parts.next(), parts.next().expect("a token has three parts"));
    // {"alg":"none","typ":"JWT"} and {"alg":"none"}
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.");
    let unsigned_short = format!("eyJhbGciOiJub25lIn0.{claims}.");
    let wrong_key = signed(
        &json!({ "sub": "ana", "exp": soon }),
        "not-the-key-of-this-server-0123",
    );
    let expired = signed(
        &json!({ "sub": "ana", "exp": seconds_from_now(-600) }),
        PLAYER_KEY,
    );
    let endless = signed(&json!({ "sub": "ana" }), PLAYER_KEY);
    let nobody = signed(&json!({ "exp": soon }), PLAYER_KEY);
    let long = signed(&json!({ "sub": "x".repeat(65), "exp": soon }), PLAYER_KEY);
    let tokens: [(&str, &str, u16); 11] = [
        ("none at all", "", 401),
        ("not a token", "abc", 401),
        ("alg none", &unsigned, 401),
        ("alg none, short", &unsigned_short, 401),
        ("another key", &wrong_key, 401),
        ("expired", &expired, 401),
        ("without exp", &endless, 401),
        ("without sub", &nobody, 401),
        ("a sub over 64 bytes", &long, 401),
        (
            "signature cut",
            good.rsplit_once('.').expect("three parts").0,
            401,
        ),
        ("the service key", SERVICE_KEY, 401),
    ];
    for (what, token, status) in tokens {
        let request = server
            .api
            .request(Method::POST, "/v1/hunts/park/claims")
            .json(&json!({ "round": round, "tile": 1 }));
        let request = if token.is_empty() {
            request
        } else {
            request.bearer_auth(token)
        };
        let answer = send(request).await.expect("the server answers");
        assert_problem(&answer, status, "unauthorized", what);
        assert!(
            answer.headers.contains_key("www-authenticate"),
            "{what}: no challenge"
        );
        let says_token = !token.is_empty() && answer.text.contains(token);
        assert!(!says_token, "{what}: the answer repeats the token");
    }

    let elsewhere = signed(
        &json!({ "sub": "ana", "exp": soon, "hunt": "other" }),
        PLAYER_KEY,
    );
    let answer = send(
        server
            .api
            .request(Method::POST, "/v1/hunts/park/claims")
            .bearer_auth(elsewhere)
            .json(&json!({ "round": round, "tile": 1 })),
    )
    .await
    .expect("the server answers");
    assert_problem(&answer, 403, "forbidden", "a token for another hunt");

    for path in [
        "/v1/claims",
        "/v1/hunts",
        "/v1/hunts/park/events",
        "/v1/hunts/park/pause",
    ] {
        for (what, token) in [
            ("a player", good.as_str()),
            ("a near miss", &SERVICE_KEY[1..]),
        ] {
            let request = server.api.request(Method::POST, path).bearer_auth(token);
            let answer = send(request.json(&json!([])))
                .await
                .expect("the server answers");
            assert!(
                [401, 403].contains(&answer.status),
                "{path} as {what}: {}",
                answer.text
            );
        }
    }
    assert_lives(&server, round).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hunt_that_cannot_be_is_refused_with_the_fault_named() {
    let site = Site::new();
    let server = site.start().await;
    let round = server.api.open_round().await;
    let square = json!([
        [-0.17, 51.505],
        [-0.16, 51.505],
        [-0.16, 51.51],
        [-0.17, 51.51],
        [-0.17, 51.505]
    ]);
    let hunt = |change: Value| {
        let mut hunt = json!({
            "id": "new", "area": { "type": "Polygon", "coordinates": [square] },
            "resolution": 11, "round": "1s", "claim_window": "5s", "tiles": 8,
        });
        for (key, value) in change.as_object().expect("an object") {
            hunt[key] = value.clone();
        }
        hunt
    };
    let polygon = |ring: Value| json!({ "area": { "type": "Polygon", "coordinates": [ring] } });
    let bow_tie = json!([[0, 51], [0.01, 51.01], [0.01, 51], [0, 51.01], [0, 51]]);
    let open = json!([[0, 51], [0.01, 51], [0.01, 51.01], [0, 51.01]]);
    let speck = json!([[0, 51], [1e-9, 51], [1e-9, 51.000_000_001], [0, 51]]);
    let faults = [
        (json!({ "id": "No Slug" }), "id"),
        (json!({ "resolution": 16 }), "resolution"),
        (json!({ "tiles": 0 }), "tiles"),
        (json!({ "tiles": 1_000_000 }), "tiles"),
        (json!({ "round": "1ms" }), "round"),
        (json!({ "claim_window": "2h" }), "claim_window"),
        (json!({ "values": [] }), "values"),
        (json!({ "starts_at": "tomorrow" }), "tomorrow"),
        (
            json!({ "area": { "type": "Point", "coordinates": [0, 51] } }),
            "area",
        ),
        (json!({ "area": "park.geojson" }), "area"),
        (polygon(open), "ring"),
        (polygon(bow_tie), "cross"),
        (polygon(speck), "cell"),
    ];
    for (change, fault) in faults {
        let answer = post(&server, "/v1/hunts", hunt(change.clone())).await;
        assert_problem(&answer, 422, "invalid", &change.to_string());
        assert!(
            answer.text.contains(fault),
            "{change}: no {fault:?} in {}",
            answer.text
        );
    }

    assert_eq!(
        post(&server, "/v1/hunts", hunt(json!({}))).await.status,
        201
    );
    let again = post(&server, "/v1/hunts", hunt(json!({ "tiles": 9 }))).await;
    assert_problem(
        &again,
        409,
        "hunt-exists",
        "the same id with other settings",
    );
    assert_lives(&server, round).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_line_of_many_refuses_that_line_alone() {
    let site = Site::new();
    let server = site.start().await;
    let round = server.api.open_round().await;
    let good = |id: &str, score: i64| {
        json!({ "event_id": id, "player": "ana", "event_type": "run", "score": score }).to_string()
    };
    let lines = [
        good("a", 1),
        "{".into(),
        good("b", (1 << 53) - 1),
        good("c", 1 << 53),
        good("d", 2).replace("ana", &"x".repeat(65)),
        good("a", 2),
        good("a", 1),
    ];
    let request = server
        .api
        .request(Method::POST, "/v1/hunts/park/events")
        .bearer_auth(SERVICE_KEY)
        .header("content-type", "application/x-ndjson")
        .body(lines.join("\n"));
    let answer = send(request).await.expect("the server answers");
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        (&answer.body["accepted"], &answer.body["duplicates"]),
        (&json!(2), &json!(1))
    );
    let refused: Vec<(u64, &str)> = answer.body["refused"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|r| {
            (
                r["index"].as_u64().expect("an index"),
                r["outcome"].as_str().expect("a name"),
            )
        })
        .collect();
    let expected = [
        (1, "invalid"),
        (3, "invalid"),
        (4, "invalid"),
        (5, "event-conflict"),
    ];
    assert_eq!(refused, expected, "{}", answer.text);

    let claims = format!(
        "{}\nnonsense\n{}\n",
        json!({ "hunt": "park", "round": round, "tile": 1, "player": "ana" }),
        json!({ "hunt": "park", "round": round, "tile": 2, "player": "ana" }),
    );
    let request = server
        .api
        .request(Method::POST, "/v1/claims")
        .bearer_auth(SERVICE_KEY)
        .header("content-type", "application/x-ndjson")
        .body(claims);
    let answer = send(request).await.expect("the server answers");
    let outcomes: Vec<Value> = answer
        .text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON")["outcome"].take())
        .collect();
    assert_eq!(outcomes, ["won", "invalid", "won"], "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_is_cut_off_while_others_are_served() {
    let site = Site::new();
    let server = site.start().await;
    let round = server.api.open_round().await;
    let address = server.url.strip_prefix("http://").expect("plain HTTP");
    let mut slow = Vec::new();
    for start in [
        "GET /v1/hunts HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        "POST /v1/hunts/park/claims HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{",
    ] {
        let mut stream = TcpStream::connect(address)
            .await
            .expect("the server accepts");
        stream
            .write_all(start.as_bytes())
            .await
            .expect("the start is sent");
        slow.push(stream);
    }
    let mut endless = TcpStream::connect(address)
        .await
        .expect("the server accepts");
    let header = format!("GET / HTTP/1.1\r\nX-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    // The server may hang up before all of it is sent.
    let _ = endless.write_all(header.as_bytes()).await;
    slow.push(endless);

    assert_lives(&server, round).await;
    for mut stream in slow {
        let mut answer = Vec::new();
        let reading = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer));
        // Whether by an answer or by a reset: it ends.
        let _ = reading.await.expect("the server cuts it off");
        let head = String::from_utf8_lossy(&answer);
        let refusal = ["HTTP/1.1 408 ", "HTTP/1.1 431 ", "HTTP/1.1 401 "];
        let named = refusal.iter().any(|status| head.starts_with(status));
        assert!(answer.is_empty() || named, "it was answered: {head}");
    }
    assert_lives(&server, round).await;
}

async fn claim_with(server: &Server, body: String, content_type: &str) -> Answer {
    let request = server
        .api
        .request(Method::POST, "/v1/hunts/park/claims")
        .bearer_auth(player_token("ana"))
        .header("content-type", content_type)
        .body(body);
    send(request).await.expect("the server answers")
}

async fn post(server: &Server, path: &str, body: Value) -> Answer {
    server
        .api
        .service(Method::POST, path, Some(body))
        .await
        .expect("the server answers")
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16, name: &str, what: &str) {
    let what = what.chars().take(120).collect::<String>();
    assert_eq!(answer.status, status, "{what}: {}", answer.text);
    let kind = answer.body["type"].as_str().unwrap_or_default();
    assert!(
        kind.ends_with(&format!("/{name}")),
        "{what}: {}",
        answer.text
    );
    assert_eq!(answer.body["status"], status, "{what}: {}", answer.text);
    assert_eq!(
        answer.headers["content-type"], "application/problem+json",
        "{what}"
    );
}

/// A good request, new each time, is served as ever.
async fn assert_lives(server: &Server, after: u64) {
    let round = server.api.round_after(after.saturating_sub(1)).await;
    let claim = Claim {
        round,
        tile: 63,
        player: "ana".into(),
    };
    let answer = server.api.claim(&claim).await.expect("the server answers");
    assert_eq!(answer.outcome(), "won", "{}", answer.text);
}
