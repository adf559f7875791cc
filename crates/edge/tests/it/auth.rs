//! Who may do what, and who may not.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use huntcore_edge::{AuthConfig, BindError, Ed25519PublicKey, Edge, PlayerKey, Secret};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::world::{
    Answer, PLAYER_KEY, SERVICE_KEY, World, config, park, settings, token, token_with,
};

const ATTEMPT: &str = r#"{"round":1,"tile":0}"#;

/// A claim with that token gets this status, a challenge, and no echo of the token.
async fn refused(world: &World, token: &str, status: u16, name: &str) -> Value {
    let answer = world.claim_raw(token, ATTEMPT).await;
    let problem = answer.problem(status, name);
    assert!(!problem.to_string().contains(token), "the token is echoed");
    if status == 401 {
        let challenge = answer.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with("Bearer"), "{challenge}");
    }
    problem
}

fn signed(algorithm: Algorithm, key: &[u8], claims: &Value) -> String {
    let key = EncodingKey::from_secret(key);
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).expect("plain claims")
}

#[tokio::test]
async fn a_claim_without_a_token_is_challenged() {
    let world = World::new().await;
    let headers = [("content-type", "application/json")];
    let answer = world
        .send("POST", "/v1/hunts/park/claims", &headers, ATTEMPT)
        .await;
    answer.problem(401, "unauthorized");
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer realm=\"huntcore\"")
    );
    for other in ["Basic YTpi", "Bearer", "Bearer "] {
        let headers = [
            ("authorization", other),
            ("content-type", "application/json"),
        ];
        let answer = world
            .send("POST", "/v1/hunts/park/claims", &headers, ATTEMPT)
            .await;
        answer.problem(401, "unauthorized");
    }
    assert_eq!(
        world.counts.attempts().received,
        0,
        "nobody's attempts are not counted"
    );
}

#[tokio::test]
async fn a_forged_or_stale_token_is_refused() {
    let world = World::new().await;
    let good = json!({"sub": "ada", "exp": 4_102_444_800_u64});
    let none_header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let payload = URL_SAFE_NO_PAD.encode(good.to_string());
    for forged in [
        "garbage".to_owned(),
        "a.b.c".to_owned(),
        format!("{none_header}.{payload}."),
        format!("{none_header}.{payload}.AAAA"),
        signed(Algorithm::HS256, b"another key", &good),
        signed(Algorithm::HS384, PLAYER_KEY.as_bytes(), &good),
        signed(Algorithm::HS512, PLAYER_KEY.as_bytes(), &good),
        token_with("ada", |claims| claims["exp"] = json!(1_000_000_000)),
        token_with("ada", |claims| claims["exp"] = Value::Null),
        token_with("ada", |claims| claims["exp"] = json!("tomorrow")),
        token_with("ada", |claims| claims["nbf"] = json!(4_000_000_000_u64)),
        token_with("ada", |claims| claims["sub"] = Value::Null),
        token_with("", |_| {}),
        token_with(&"x".repeat(65), |_| {}),
    ] {
        refused(&world, &forged, 401, "unauthorized").await;
    }
    let mut altered = token("ada");
    altered.truncate(altered.len() - 2);
    refused(&world, &altered, 401, "unauthorized").await;
    assert_eq!(
        world.claim_raw(&token("ada"), ATTEMPT).await.ok()["outcome"],
        "won"
    );
}

#[tokio::test]
async fn a_token_for_another_hunt_is_forbidden() {
    let world = World::new().await;
    let other = token_with("ada", |claims| claims["hunt"] = json!("beach"));
    refused(&world, &other, 403, "forbidden").await;
    let this = token_with("ada", |claims| claims["hunt"] = json!("park"));
    world.claim_raw(&this, ATTEMPT).await.ok();
}

#[tokio::test]
async fn issuer_and_audience_are_checked_where_configured() {
    let world = World::with(|config| {
        let mut settings = settings();
        settings.issuer = Some("game".to_owned());
        settings.audience = Some("hunts".to_owned());
        config.auth = AuthConfig::On(settings);
    })
    .await;
    for wrong in [
        token("ada"),
        token_with("ada", |claims| claims["iss"] = json!("game")),
        token_with("ada", |claims| claims["aud"] = json!("hunts")),
        token_with("ada", |claims| {
            claims["iss"] = json!("evil");
            claims["aud"] = json!("hunts");
        }),
        token_with("ada", |claims| {
            claims["iss"] = json!("game");
            claims["aud"] = json!(["beaches"]);
        }),
    ] {
        refused(&world, &wrong, 401, "unauthorized").await;
    }
    let right = token_with("ada", |claims| {
        claims["iss"] = json!("game");
        claims["aud"] = json!(["hunts", "beaches"]);
    });
    world.claim_raw(&right, ATTEMPT).await.ok();
}

#[tokio::test]
async fn eddsa_tokens_are_checked_by_the_public_key_alone() {
    // RFC 8410, section 10.
    const PRIVATE: &str = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
    const PUBLIC: &str = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
    let world = World::with(|config| {
        let mut settings = settings();
        let public = Ed25519PublicKey::parse(PUBLIC).expect("the RFC's key");
        settings.player_key = PlayerKey::EdDsa(public);
        config.auth = AuthConfig::On(settings);
    })
    .await;
    let der = STANDARD.decode(PRIVATE).expect("base64");
    let claims = json!({"sub": "ada", "exp": 4_102_444_800_u64});
    let key = EncodingKey::from_ed_der(&der);
    let good = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &key).expect("signed");
    world.claim_raw(&good, ATTEMPT).await.ok();
    // The classic confusion: the public key, which everybody knows, as an HMAC secret.
    for secret in [PUBLIC.as_bytes(), &hex::decode(PUBLIC).expect("hex")] {
        let confused = signed(Algorithm::HS256, secret, &claims);
        refused(&world, &confused, 401, "unauthorized").await;
    }
}

#[tokio::test]
async fn service_routes_take_the_service_key_and_nothing_else() {
    let world = World::new().await;
    let player = token("ada");
    let longer = format!("{SERVICE_KEY}x");
    for (method, path) in [
        ("POST", "/v1/hunts"),
        ("PATCH", "/v1/hunts/park"),
        ("POST", "/v1/hunts/park/pause"),
        ("POST", "/v1/hunts/park/resume"),
        ("POST", "/v1/hunts/park/close"),
        ("POST", "/v1/claims"),
        ("POST", "/v1/hunts/park/events"),
    ] {
        world
            .send(method, path, &[], "")
            .await
            .problem(401, "unauthorized");
        for wrong in [player.as_str(), &longer, &SERVICE_KEY[1..], "x"] {
            let bearer = format!("Bearer {wrong}");
            let headers = [("authorization", bearer.as_str())];
            let answer = world.send(method, path, &headers, "").await;
            let problem = answer.problem(401, "unauthorized");
            assert!(
                !problem.to_string().contains(wrong) || wrong == "x",
                "{path}"
            );
        }
    }
    world
        .serve("POST", "/v1/hunts/park/pause", &Value::Null)
        .await
        .ok();
}

#[tokio::test]
async fn without_a_service_key_the_service_routes_are_shut() {
    let world = World::with(|config| {
        let mut settings = settings();
        settings.service_key = None;
        config.auth = AuthConfig::On(settings);
    })
    .await;
    let answer = world.serve("POST", "/v1/hunts", &park()).await;
    answer.problem(401, "unauthorized");
}

#[tokio::test]
async fn a_guest_plays_under_a_name_that_nobody_else_has() {
    let world = World::with(|config| {
        let mut settings = settings();
        settings.guests = Some(Duration::from_secs(60));
        config.auth = AuthConfig::On(settings);
    })
    .await;
    let path = "/v1/hunts/park/guests";
    let json_body = [("content-type", "application/json")];
    let named = world
        .send("POST", path, &json_body, r#"{"name":"ada"}"#)
        .await;
    assert_eq!(named.status, 201);
    let named = named.ok();
    assert!(
        named["player"].as_str().expect("an id").starts_with("ada~"),
        "{named}"
    );
    let token = named["token"].as_str().expect("a token");
    assert_eq!(world.claim_raw(token, ATTEMPT).await.ok()["outcome"], "won");
    let again = world
        .send("POST", path, &json_body, r#"{"name":"ada"}"#)
        .await
        .ok();
    assert_ne!(named["player"], again["player"]);
    let nameless = world.send("POST", path, &[], "").await.ok();
    assert!(
        nameless["player"]
            .as_str()
            .expect("an id")
            .starts_with("guest~")
    );
    world
        .send("POST", path, &json_body, r#"{"name":7}"#)
        .await
        .problem(422, "invalid");
    world
        .send("POST", "/v1/hunts/beach/guests", &[], "")
        .await
        .problem(404, "unknown-hunt");
}

#[tokio::test]
async fn guests_are_welcome_only_where_enabled() {
    let world = World::new().await;
    let answer = world.send("POST", "/v1/hunts/park/guests", &[], "").await;
    answer.problem(404, "guests-disabled");
}

fn bind_error(auth: AuthConfig, listen: &str) -> BindError {
    let mut config = config(auth);
    config.listen = listen.parse().expect("an address");
    Edge::bind(config, Fake::new()).err().expect("refused")
}

#[tokio::test]
async fn settings_that_cannot_be_kept_are_refused_by_name() {
    assert!(matches!(
        bind_error(AuthConfig::Off, "0.0.0.0:0"),
        BindError::AuthOffBeyondLoopback { .. }
    ));
    assert!(matches!(
        bind_error(AuthConfig::Off, "[::]:0"),
        BindError::AuthOffBeyondLoopback { .. }
    ));
    let mut guests = settings();
    guests.player_key = PlayerKey::EdDsa(Ed25519PublicKey::new([1; 32]));
    guests.guests = Some(Duration::from_secs(1));
    let error = bind_error(AuthConfig::On(guests), "127.0.0.1:0");
    assert!(matches!(error, BindError::GuestsNeedHs256), "{error}");
    let mut empty = settings();
    empty.service_key = Some(Secret::new(""));
    let error = bind_error(AuthConfig::On(empty), "127.0.0.1:0");
    assert_eq!(error.to_string(), "service_key is empty");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let world = World::new().await;
    let error = bind_error(AuthConfig::On(settings()), &world.address.to_string());
    assert!(matches!(error, BindError::AddressInUse { address } if address == world.address));
    assert!(
        error.to_string().contains("in use by another process"),
        "{error}"
    );
}

#[tokio::test]
async fn with_authentication_off_only_this_machine_comes_in() {
    let world = World::with(|config| config.auth = AuthConfig::Off).await;
    let path = "/v1/hunts/park/claims";
    let json_body = ("content-type", "application/json");
    let ada = ("x-huntcore-player", "ada");
    let won = world.send("POST", path, &[json_body, ada], ATTEMPT).await;
    assert_eq!(won.ok()["outcome"], "won");
    world
        .send("POST", path, &[json_body], ATTEMPT)
        .await
        .problem(401, "unauthorized");
    // A page elsewhere, and a name elsewhere that leads here.
    let evil = ("origin", "https://evil.example");
    world
        .send("POST", "/v1/hunts/park/pause", &[evil], "")
        .await
        .problem(403, "forbidden");
    let rebound =
        b"POST /v1/hunts/park/pause HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    Answer::parse(&world.raw(rebound).await).problem(403, "forbidden");
    let own = format!("http://{}", world.address);
    world
        .send("POST", "/v1/hunts/park/pause", &[("origin", &own)], "")
        .await
        .ok();
}
