//! The live socket: handshake, feed, claims, tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use huntcore_edge::{AuthConfig, Backend as _, Rate};
use huntcore_model::{OutcomeKind, Position, RoundNumber, Sequence, ShardId, TileIndex};
use huntcore_wire::{
    ClaimMessage, ClientMessage, LiveState, PositionText, ServerMessage, SubscribeMessage,
};
use serde_json::json;

use crate::world::{Answer, Socket, World, farewell, hear, say, token, token_with, within};

/// A handshake with everything in order, but for what `change` does to its headers.
async fn handshake(world: &World, change: &[(&str, Option<&str>)]) -> Answer {
    let host = world.address.to_string();
    let key = STANDARD.encode([7; 16]);
    let mut headers = vec![
        ("host", host.as_str()),
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", key.as_str()),
        ("sec-websocket-protocol", "huntcore.v1.json"),
    ];
    for (name, value) in change {
        headers.retain(|(known, _)| known != name);
        if let Some(value) = value {
            headers.push((name, value));
        }
    }
    let mut request = "GET /v1/hunts/park/live HTTP/1.1\r\n".to_owned();
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    // A close frame ends a socket that was opened after all.
    let mut bytes = request.into_bytes();
    bytes.extend_from_slice(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
    Answer::parse(&world.raw(&bytes).await)
}

async fn subscribe(socket: &mut Socket, resume: Option<PositionText>) {
    say(
        socket,
        &ClientMessage::Subscribe(SubscribeMessage {
            resume,
            ..SubscribeMessage::default()
        }),
    )
    .await;
}

fn claim(id: &str, round: u64, tile: u32) -> ClientMessage {
    ClientMessage::Claim(ClaimMessage {
        id: id.to_owned(),
        round: RoundNumber::new(round),
        tile: TileIndex::new(tile),
        answer: None,
    })
}

/// What came of the claim of that id; everything else is folded into `state`.
async fn outcome(socket: &mut Socket, state: &mut LiveState, id: &str) -> OutcomeKind {
    loop {
        match hear(socket).await {
            ServerMessage::Outcome(outcome) if outcome.id == id => return outcome.outcome,
            other => state.apply(&other),
        }
    }
}

/// Folds messages until `done`.
async fn follow(socket: &mut Socket, state: &mut LiveState, done: impl Fn(&LiveState) -> bool) {
    while !done(state) {
        let message = hear(socket).await;
        state.apply(&message);
    }
}

fn has_claim(round: u64, tile: u32) -> impl Fn(&LiveState) -> bool {
    move |state| {
        let round = state.rounds.get(&RoundNumber::new(round));
        round.is_some_and(|round| round.claims.contains_key(&TileIndex::new(tile)))
    }
}

#[tokio::test]
async fn the_handshake_is_answered_by_the_book() {
    let world = World::new().await;
    let good = handshake(&world, &[]).await;
    assert_eq!(good.status, 101);
    assert_eq!(
        good.header("sec-websocket-protocol"),
        Some("huntcore.v1.json")
    );
    assert!(good.header("sec-websocket-accept").is_some());
    for name in ["connection", "upgrade"] {
        let answer = handshake(&world, &[(name, None)]).await;
        answer.problem(426, "upgrade-required");
        assert_eq!(answer.header("upgrade"), Some("websocket"));
    }
    for version in [None, Some("8"), Some("14")] {
        let answer = handshake(&world, &[("sec-websocket-version", version)]).await;
        answer.problem(426, "upgrade-required");
        assert_eq!(answer.header("sec-websocket-version"), Some("13"));
    }
    for key in [
        None,
        Some(""),
        Some("abc"),
        Some("AAAA"),
        Some("!!!!!!!!!!!!!!!!!!!!!!=="),
    ] {
        let answer = handshake(&world, &[("sec-websocket-key", key)]).await;
        answer.problem(400, "malformed");
    }
    let answer = handshake(&world, &[("sec-websocket-protocol", Some("chat"))]).await;
    answer.problem(400, "malformed");
    world
        .get("/v1/hunts/park/live")
        .await
        .problem(426, "upgrade-required");
    world
        .get("/v1/hunts/beach/live")
        .await
        .problem(404, "unknown-hunt");
}

#[tokio::test]
async fn pages_of_other_origins_are_kept_out() {
    let world = World::with(|config| {
        config.socket_origins = vec!["https://game.example".to_owned()];
    })
    .await;
    for evil in [
        "https://evil.example",
        "null",
        "https://game.example.evil.example",
    ] {
        let answer = handshake(&world, &[("origin", Some(evil))]).await;
        answer.problem(403, "forbidden");
    }
    let own = format!("http://{}", world.address);
    for good in ["https://game.example", &own] {
        assert_eq!(
            handshake(&world, &[("origin", Some(good))]).await.status,
            101,
            "{good}"
        );
    }
}

#[tokio::test]
async fn a_browsers_token_comes_as_a_subprotocol_and_is_not_echoed() {
    let world = World::new().await;
    let ada = token("ada");
    let offered = format!("huntcore.v1.json, bearer.{ada}");
    let answer = handshake(&world, &[("sec-websocket-protocol", Some(&offered))]).await;
    assert_eq!(answer.status, 101);
    assert!(!format!("{:?}", answer.headers).contains(&ada));
    let forged = format!("huntcore.v1.json, bearer.{}x", &ada[..ada.len() - 3]);
    let answer = handshake(&world, &[("sec-websocket-protocol", Some(&forged))]).await;
    answer.problem(401, "unauthorized");
    let answer = handshake(&world, &[("authorization", Some("Bearer nonsense"))]).await;
    answer.problem(401, "unauthorized");
    let other = token_with("ada", |claims| claims["hunt"] = json!("beach"));
    let bearer = format!("Bearer {other}");
    let answer = handshake(&world, &[("authorization", Some(&bearer))]).await;
    answer.problem(403, "forbidden");
}

#[tokio::test]
async fn a_watcher_sees_what_players_win() {
    let world = World::new().await;
    world.claim("ada", 1, 3).await.ok();
    let mut watcher = world.live(None).await;
    subscribe(&mut watcher, None).await;
    let ServerMessage::Subscribed(subscribed) = hear(&mut watcher).await else {
        panic!("not subscribed");
    };
    assert_eq!(
        (subscribed.resumed, subscribed.player, subscribed.tick_ms),
        (false, None, 100)
    );
    let mut state = LiveState::new();
    follow(&mut watcher, &mut state, has_claim(1, 3)).await;
    world.claim("bob", 1, 4).await.ok();
    follow(&mut watcher, &mut state, has_claim(1, 4)).await;
    world.fake.advance(1_000);
    follow(&mut watcher, &mut state, |state| state.rounds.len() == 2).await;
    // Watching needs no token, claiming does.
    say(&mut watcher, &claim("w1", 1, 5)).await;
    let error = loop {
        if let ServerMessage::Error(error) = hear(&mut watcher).await {
            break error;
        }
    };
    assert_eq!(
        (error.id.as_deref(), error.code.as_str()),
        (Some("w1"), "unauthorized")
    );
}

#[tokio::test]
async fn a_player_claims_and_hears_the_outcome() {
    let world = World::new().await;
    let mut ada = world.live(Some("ada")).await;
    let mut state = LiveState::new();
    // No need to watch in order to play.
    say(&mut ada, &claim("c1", 1, 0)).await;
    assert_eq!(outcome(&mut ada, &mut state, "c1").await, OutcomeKind::Won);
    subscribe(&mut ada, None).await;
    say(&mut ada, &claim("c1", 1, 0)).await;
    assert_eq!(outcome(&mut ada, &mut state, "c1").await, OutcomeKind::Won);
    world.claim("bob", 1, 1).await.ok();
    for (id, round, tile, expected) in [
        ("c2", 1, 1, OutcomeKind::Taken),
        ("c3", 1, 99, OutcomeKind::UnknownTile),
        ("c4", 30, 0, OutcomeKind::NotYetOpen),
    ] {
        say(&mut ada, &claim(id, round, tile)).await;
        assert_eq!(outcome(&mut ada, &mut state, id).await, expected, "{id}");
    }
    drop(ada);
    let attempts = world.reconciled().await;
    assert_eq!((attempts.received, attempts.told(OutcomeKind::Won)), (6, 3));
}

#[tokio::test]
async fn outcomes_come_ahead_of_the_deltas_that_show_them() {
    let world = World::new().await;
    let mut ada = world.live(Some("ada")).await;
    subscribe(&mut ada, None).await;
    let mut state = LiveState::new();
    follow(&mut ada, &mut state, |state| state.state.is_some()).await;
    for tile in 0..8 {
        let id = format!("c{tile}");
        say(&mut ada, &claim(&id, 1, tile)).await;
        assert_eq!(outcome(&mut ada, &mut state, &id).await, OutcomeKind::Won);
        follow(&mut ada, &mut state, has_claim(1, tile)).await;
    }
}

#[tokio::test]
async fn a_client_resumes_where_it_was_or_starts_anew() {
    let world = World::new().await;
    let mut first = world.live(None).await;
    subscribe(&mut first, None).await;
    let mut state = LiveState::new();
    world.claim("ada", 1, 0).await.ok();
    follow(&mut first, &mut state, has_claim(1, 0)).await;
    drop(first);
    world.claim("ada", 1, 1).await.ok();
    let mut second = world.live(None).await;
    subscribe(&mut second, state.resume.clone()).await;
    let ServerMessage::Subscribed(subscribed) = hear(&mut second).await else {
        panic!("not subscribed");
    };
    assert!(subscribed.resumed);
    follow(&mut second, &mut state, has_claim(1, 1)).await;
    assert!(has_claim(1, 0)(&state));
    // A position that nobody gave out is no reason to refuse anybody.
    let mut third = world.live(None).await;
    subscribe(&mut third, Some(PositionText::new("nonsense".to_owned()))).await;
    let ServerMessage::Subscribed(subscribed) = hear(&mut third).await else {
        panic!("not subscribed");
    };
    assert!(!subscribed.resumed);
    assert!(matches!(hear(&mut third).await, ServerMessage::Snapshot(_)));
    // Asking for the same again is answered, and needs no second snapshot.
    subscribe(&mut third, None).await;
    loop {
        match hear(&mut third).await {
            ServerMessage::Subscribed(subscribed) => {
                assert!(subscribed.resumed);
                return;
            }
            ServerMessage::Snapshot(_) => panic!("a second snapshot"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_client_from_further_ahead_is_waited_for() {
    let world = World::with(|config| config.limits.resume_wait = crate::world::PATIENCE).await;
    world.fake.hold_views(true);
    let won = world.claim("ada", 1, 0).await.ok();
    let receipt = won["receipt"]["position"].as_str().expect("a position");
    let mut ahead = world.fake.view().position.clone();
    ahead.merge(&receipt.parse().expect("a position"));
    let ahead = PositionText::from(&ahead);
    let mut watcher = world.live(None).await;
    subscribe(&mut watcher, Some(ahead.clone())).await;
    // The answer to a claim shows that it has been taken in, and not begun. Asking again
    // changes nothing about where it was.
    subscribe(&mut watcher, None).await;
    say(&mut watcher, &claim("c", 1, 0)).await;
    assert!(matches!(hear(&mut watcher).await, ServerMessage::Error(_)));
    world.fake.hold_views(false);
    world.fake.advance(100);
    let ServerMessage::Subscribed(subscribed) = hear(&mut watcher).await else {
        panic!("not subscribed");
    };
    assert_eq!((subscribed.resumed, subscribed.resume), (true, ahead));
}

#[tokio::test]
async fn a_client_of_another_log_starts_anew() {
    let world = World::with(|config| {
        config.limits.resume_wait = std::time::Duration::from_millis(20);
    })
    .await;
    let mut elsewhere = Position::start();
    elsewhere.advance(ShardId::new(0), Sequence::new(1 << 40));
    let mut watcher = world.live(None).await;
    subscribe(&mut watcher, Some((&elsewhere).into())).await;
    let ServerMessage::Subscribed(subscribed) = hear(&mut watcher).await else {
        panic!("not subscribed");
    };
    assert!(!subscribed.resumed);
    assert!(matches!(
        hear(&mut watcher).await,
        ServerMessage::Snapshot(_)
    ));
}

#[tokio::test]
async fn messages_that_are_none_are_told_and_in_the_end_too_many() {
    let world = World::new().await;
    let mut ada = world.live(Some("ada")).await;
    for (text, id, code) in [
        ("nonsense", None, "malformed"),
        ("[]", None, "malformed"),
        (r#" ["claim","c1",1,1]"#, None, "malformed"),
        (r#"{"type":"dance","id":"d1"}"#, Some("d1"), "malformed"),
        (
            r#"{"type":"claim","id":"c1","round":1}"#,
            Some("c1"),
            "invalid",
        ),
        (r#"{"type":"claim","round":1,"tile":1}"#, None, "invalid"),
    ] {
        use futures_util::SinkExt;
        ada.send(tokio_websockets::Message::text(text))
            .await
            .expect("it reads");
        let ServerMessage::Error(error) = hear(&mut ada).await else {
            panic!("no error for {text}");
        };
        assert_eq!(
            (error.id.as_deref(), error.code.as_str()),
            (id, code),
            "{text}"
        );
    }
    assert_eq!(world.reconciled().await.told(OutcomeKind::Invalid), 2);
    for _ in 0..100 {
        use futures_util::SinkExt;
        if ada
            .send(tokio_websockets::Message::text("?"))
            .await
            .is_err()
        {
            break;
        }
    }
    assert_eq!(farewell(&mut ada).await.0, 1008);
}

#[tokio::test]
async fn the_rate_holds_across_sockets_and_http() {
    let world = World::with(|config| {
        config.limits.player_rate = Some(Rate {
            per_second: 1,
            burst: 2,
        });
    })
    .await;
    world.claim("ada", 1, 0).await.ok();
    let mut ada = world.live(Some("ada")).await;
    let mut state = LiveState::new();
    say(&mut ada, &claim("c1", 1, 1)).await;
    say(&mut ada, &claim("c2", 1, 2)).await;
    assert_eq!(outcome(&mut ada, &mut state, "c1").await, OutcomeKind::Won);
    assert_eq!(
        outcome(&mut ada, &mut state, "c2").await,
        OutcomeKind::RateLimited
    );
    assert_eq!(world.reconciled().await.received, 3);
}

#[tokio::test]
async fn a_socket_closes_when_its_token_expires() {
    let world = World::new().await;
    // Good for what is left of the leeway.
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = since_epoch.expect("after 1970").as_secs();
    let stale = token_with("ada", |claims| claims["exp"] = json!(now - 3));
    let mut ada = world.live_with(Some(&format!("Bearer {stale}"))).await;
    assert_eq!(
        farewell(&mut ada).await,
        (1008, "token has expired".to_owned())
    );
}

#[tokio::test]
async fn attempts_of_a_lost_socket_count_as_unanswered() {
    let world = World::new().await;
    world.fake.hold_claims(true);
    let mut ada = world.live(Some("ada")).await;
    say(&mut ada, &claim("c1", 1, 0)).await;
    within(world.fake.arrived.notified()).await;
    drop(ada);
    let attempts = world.reconciled().await;
    assert_eq!((attempts.received, attempts.unanswered()), (1, 1));
}

#[tokio::test]
async fn attempts_over_the_limit_wait_for_their_turn() {
    let world = World::with(|config| config.limits.socket_attempts_max = 2).await;
    world.fake.hold_claims(true);
    let mut ada = world.live(Some("ada")).await;
    for tile in 0..6 {
        say(&mut ada, &claim(&format!("c{tile}"), 1, tile)).await;
    }
    within(world.fake.arrived.notified()).await;
    assert!(world.counts.attempts().received <= 2);
    world.fake.hold_claims(false);
    let mut state = LiveState::new();
    for tile in 0..6 {
        let id = format!("c{tile}");
        assert_eq!(outcome(&mut ada, &mut state, &id).await, OutcomeKind::Won);
    }
    assert_eq!(world.reconciled().await.received, 6);
}

#[tokio::test]
async fn with_authentication_off_a_browser_names_its_player_in_the_tokens_place() {
    let world = World::with(|config| config.auth = AuthConfig::Off).await;
    let offered = "huntcore.v1.json, bearer.ada";
    let answer = handshake(&world, &[("sec-websocket-protocol", Some(offered))]).await;
    assert_eq!(answer.status, 101);
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_let_go() {
    let world = World::with(|config| {
        config.limits.ping_interval = std::time::Duration::from_millis(50);
        config.limits.close_timeout = std::time::Duration::from_millis(50);
    })
    .await;
    let mut good = world.live(None).await;
    let deaf = world.live(None).await;
    // The library answers pings only while it is read.
    let mut pings = 0;
    while pings < 5 {
        let message = within(good.next())
            .await
            .expect("open")
            .expect("well-formed");
        pings += u32::from(message.is_ping());
    }
    within(async {
        while world.counts.sockets() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(deaf);
}
