//! Health, figures, the document, the console, and what every answer carries.

use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn health_and_readiness_are_told() {
    let world = World::new().await;
    assert_eq!(world.get("/healthz").await.ok(), json!({"status": "ok"}));
    world.get("/readyz").await.ok();
    world.fake.be_stuck(true);
    let answer = world.get("/readyz").await;
    assert_eq!(answer.problem(503, "unavailable")["detail"], "stuck");
    world.get("/healthz").await.ok();
}

#[tokio::test]
async fn figures_account_for_every_attempt() {
    let world = World::new().await;
    world.claim("ada", 1, 0).await.ok();
    world.claim("bob", 1, 0).await;
    world.claim("bob", 1, 99).await;
    world.reconciled().await;
    let stats = world.get("/v1/stats").await.ok();
    assert_eq!(stats["attempts_total"], 3);
    assert_eq!(
        (&stats["won_total"], &stats["taken_total"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(stats["refused_total"], json!({"unknown-tile": 1}));
    let metrics = world.get("/metrics").await;
    assert!(
        metrics
            .header("content-type")
            .expect("one")
            .starts_with("text/plain; version=0.0.4")
    );
    let text = String::from_utf8(metrics.body).expect("UTF-8");
    let value = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
            .parse::<u64>()
            .expect("a number")
    };
    assert_eq!(value("fake_up"), 1);
    let sum: u64 = text
        .lines()
        .filter(|line| {
            line.starts_with("huntcore_outcomes_total{")
                || line.starts_with("huntcore_unanswered_total{")
        })
        .map(|line| {
            line.rsplit(' ')
                .next()
                .expect("a value")
                .parse::<u64>()
                .expect("a number")
        })
        .sum();
    assert_eq!(value("huntcore_attempts_total"), sum);
    assert_eq!(value("huntcore_outcomes_total{outcome=\"won\"}"), 1);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("name and value");
        assert!(!name.is_empty() && value.parse::<f64>().is_ok(), "{line}");
    }
}

#[tokio::test]
async fn the_document_describes_every_path() {
    let world = World::new().await;
    let document = world.get("/openapi.json").await.ok();
    assert!(
        document["openapi"]
            .as_str()
            .expect("a version")
            .starts_with("3.1")
    );
    let paths = document["paths"].as_object().expect("paths");
    for path in [
        "/v1/hunts",
        "/v1/hunts/{hunt}",
        "/v1/hunts/{hunt}/pause",
        "/v1/hunts/{hunt}/resume",
        "/v1/hunts/{hunt}/close",
        "/v1/hunts/{hunt}/cells",
        "/v1/hunts/{hunt}/rounds/{round}",
        "/v1/hunts/{hunt}/claims",
        "/v1/hunts/{hunt}/events",
        "/v1/hunts/{hunt}/guests",
        "/v1/hunts/{hunt}/boards/{board}",
        "/v1/hunts/{hunt}/boards/{board}/players/{player}",
        "/v1/maps/{map}",
        "/v1/claims",
        "/v1/stats",
        "/v1/autoscale/{component}",
        "/healthz",
        "/readyz",
        "/metrics",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    let schemas = document["components"]["schemas"]
        .as_object()
        .expect("schemas");
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().expect("an end");
        assert!(
            schemas.contains_key(name),
            "{name} is referred to and not there"
        );
    }
    let schemes = document["components"]["securitySchemes"]
        .as_object()
        .expect("schemes");
    assert!(schemes.contains_key("player") && schemes.contains_key("service"));
    let claim = &document["paths"]["/v1/hunts/{hunt}/claims"]["post"]["responses"];
    for status in [
        "200", "400", "401", "403", "404", "409", "410", "413", "415", "422", "425", "429", "503",
    ] {
        assert_ne!(claim[status], Value::Null, "{status}");
    }
}

#[tokio::test]
async fn the_console_is_served_and_guarded() {
    let world = World::new().await;
    let page = world.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    let tag = page.header("etag").expect("a tag");
    let again = world.send("GET", "/", &[("if-none-match", tag)], "").await;
    assert_eq!(again.status, 304);
    for path in ["/", "/v1/hunts", "/nothing", "/openapi.json"] {
        let answer = world.get(path).await;
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
    }
}

#[tokio::test]
async fn pages_of_other_origins_read_only_where_configured() {
    let page = [("origin", "https://game.example")];
    let closed = World::new().await;
    let answer = closed.send("GET", "/v1/hunts", &page, "").await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let open = World::with(|config| {
        config.cors_origins = vec!["https://game.example".to_owned()];
    })
    .await;
    let answer = open.send("GET", "/v1/hunts", &page, "").await;
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!(allowed, Some("https://game.example"));
    let stranger = open
        .send(
            "GET",
            "/v1/hunts",
            &[("origin", "https://evil.example")],
            "",
        )
        .await;
    assert_eq!(stranger.header("access-control-allow-origin"), None);
    let preflight = [
        ("origin", "https://game.example"),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,content-type",
        ),
    ];
    let answer = open
        .send("OPTIONS", "/v1/hunts/park/claims", &preflight, "")
        .await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("access-control-allow-methods")
            .expect("some")
            .contains("POST")
    );
}
