//! Bad WebSockets: each fault closes that socket with the right code, and no other.

use serde_json::{Value, json};

use crate::support::{
    Claim, Frame, Opcode, PLAYER_KEY, Site, Socket, player_token, seconds_from_now, signed,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_against_the_protocol_closes_its_socket_with_the_right_code() {
    let site = Site::new();
    let server = site.start().await;
    let mut bystander = Socket::open(&server.url, None).await;
    bystander.subscribe(None).await;
    bystander.next_of("subscribed").await;

    let text = |bytes: &[u8]| Frame::text(bytes);
    let part = Frame {
        last: false,
        ..text(b"{\"type\":")
    };
    let rest = Frame {
        opcode: Opcode::Continuation,
        ..text(b"\"subscribe\"}")
    };
    let faults: [(&str, Vec<Frame>, u16); 7] = [
        (
            "unmasked",
            vec![Frame {
                masked: false,
                ..text(b"{\"type\":\"subscribe\"}")
            }],
            1002,
        ),
        ("a continuation of nothing", vec![rest.clone()], 1002),
        (
            "a message within a message",
            vec![part.clone(), text(b"{}")],
            1002,
        ),
        (
            "a ping in parts",
            vec![Frame {
                opcode: Opcode::Ping,
                ..part.clone()
            }],
            1002,
        ),
        (
            "binary",
            vec![Frame {
                opcode: Opcode::Binary,
                ..text(b"\x00")
            }],
            1003,
        ),
        ("not UTF-8", vec![text(b"{\"type\":\"\xff\xfe\"}")], 1007),
        ("too big", vec![text(&vec![b' '; 1 << 20])], 1009),
    ];
    for (what, frames, code) in faults {
        let mut socket = Socket::open(&server.url, None).await;
        for frame in &frames {
            socket.send_frame(frame).await;
        }
        assert_eq!(socket.closed().await, Some(code), "{what}");
    }
    let mut socket = Socket::open(&server.url, None).await;
    // A reserved opcode, masked, empty.
    socket.send_bytes(&[0x83, 0x80, 0, 0, 0, 0]).await;
    assert_eq!(socket.closed().await, Some(1002), "a reserved opcode");
    let mut socket = Socket::open(&server.url, None).await;
    // A reserved bit, though no extension was agreed.
    socket.send_bytes(&[0xc1, 0x80, 0, 0, 0, 0]).await;
    assert_eq!(socket.closed().await, Some(1002), "a reserved bit");

    // In parts is no fault: the protocol allows it.
    let mut socket = Socket::open(&server.url, None).await;
    socket.send_frame(&part).await;
    socket.send_frame(&rest).await;
    socket.next_of("subscribed").await;

    let round = server.api.open_round().await;
    let claim = Claim {
        round,
        tile: 9,
        player: "ana".into(),
    };
    assert_eq!(
        server
            .api
            .claim(&claim)
            .await
            .expect("it answers")
            .outcome(),
        "won"
    );
    let of_claim = |m: &Value| m["claims"].as_array().is_some_and(|c| !c.is_empty());
    bystander
        .next_where("the bystander sees the claim", of_claim)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_none_gets_an_error_and_the_server_lives_on() {
    let site = Site::new();
    let server = site.start().await;
    for text in [
        "",
        "{",
        "[]",
        "7",
        "{}",
        r#"{"type":"dance"}"#,
        r#"{"type":"claim"}"#,
    ] {
        let mut socket = Socket::open(&server.url, Some(&player_token("ana"))).await;
        socket.send_frame(&Frame::text(text)).await;
        let error = socket.next_of("error").await;
        assert!(
            error["code"].is_string() && error["detail"].is_string(),
            "{text:?}: {error}"
        );
    }
    let mut watcher = Socket::open(&server.url, None).await;
    watcher
        .send(&json!({ "type": "claim", "id": "a", "round": 1, "tile": 1 }))
        .await;
    let refusal = watcher
        .next_where("a refusal", |m| {
            m["type"] == "error" || m["type"] == "outcome"
        })
        .await;
    assert_ne!(
        refusal["outcome"], "won",
        "somebody without a token won: {refusal}"
    );

    let mut resuming = Socket::open(&server.url, None).await;
    resuming.subscribe(Some("not-a-position!")).await;
    let answer = resuming
        .next_where("an answer", |m| {
            m["type"] == "error" || m["type"] == "subscribed"
        })
        .await;
    assert_ne!(answer["resumed"], true, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_closes_when_its_token_expires() {
    let site = Site::new();
    let server = site.start().await;
    let token = signed(
        &json!({ "sub": "ana", "exp": seconds_from_now(2) }),
        PLAYER_KEY,
    );
    let mut socket = Socket::open(&server.url, Some(&token)).await;
    socket.subscribe(None).await;
    socket.next_of("subscribed").await;
    assert_eq!(socket.closed().await, Some(1008));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_must_not_succeed_does_not() {
    let site = Site::new();
    let server = site.start().await;
    let protocol = "Sec-WebSocket-Protocol: huntcore.v1.json";
    let forged = signed(
        &json!({ "sub": "ana", "exp": seconds_from_now(60) }),
        "another-key-0123",
    );
    let elsewhere = signed(
        &json!({ "sub": "ana", "exp": seconds_from_now(60), "hunt": "other" }),
        PLAYER_KEY,
    );
    let live = "/v1/hunts/park/live";
    let refusals: [(&str, &str, String, &str); 6] = [
        (
            "a forged token",
            live,
            format!("{protocol}, bearer.{forged}\r\n"),
            "401",
        ),
        (
            "a token for another hunt",
            live,
            format!("{protocol}, bearer.{elsewhere}\r\n"),
            "403",
        ),
        (
            "a foreign origin",
            live,
            format!("{protocol}\r\nOrigin: https://evil.example\r\n"),
            "403",
        ),
        (
            "an unknown hunt",
            "/v1/hunts/nowhere/live",
            format!("{protocol}\r\n"),
            "404",
        ),
        (
            "no known subprotocol",
            live,
            "Sec-WebSocket-Protocol: chat\r\n".into(),
            "4",
        ),
        (
            "a token only",
            live,
            format!("Sec-WebSocket-Protocol: bearer.{forged}\r\n"),
            "4",
        ),
    ];
    for (what, path, headers, status) in refusals {
        let (_, head) = Socket::handshake(&server.url, path, &headers).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}")),
            "{what}: {head}"
        );
        assert!(!head.contains(&forged), "{what}: the token is echoed");
    }
    assert!(
        !server.stderr().contains(&forged),
        "the token is in the server's own log"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_holds_nobody_up() {
    let mut site = Site::new();
    site.tiles = 1_024;
    let server = site.start().await;
    let mut deaf = Vec::new();
    for _ in 0..20 {
        let mut socket = Socket::open(&server.url, None).await;
        socket.subscribe(None).await;
        deaf.push(socket);
    }
    let mut watcher = Socket::open(&server.url, None).await;
    watcher.subscribe(None).await;
    watcher.next_of("snapshot").await;
    for _ in 0..3 {
        let round = server.api.open_round().await;
        let claims: Vec<Claim> = (0..1_024)
            .map(|tile| Claim {
                round,
                tile,
                player: format!("player {tile}"),
            })
            .collect();
        let answers = server
            .api
            .claims(&claims)
            .await
            .expect("the server answers");
        assert_eq!(answers.len(), 1_024);
        let last = |m: &Value| {
            let claims = m["claims"].as_array();
            claims.is_some_and(|c| c.iter().any(|c| c["round"] == round && c["tile"] == 1_023))
        };
        watcher.next_where("all claims are broadcast", last).await;
        server.api.round_after(round).await;
    }
    drop(deaf);
    assert_eq!(
        server.api.get("/readyz").await.expect("it answers").status,
        200
    );
}
