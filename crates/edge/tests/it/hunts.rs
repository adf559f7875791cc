//! Hunts, their rounds, cells and maps.

use serde_json::{Value, json};

use crate::world::{World, park};

#[tokio::test]
async fn a_hunt_lives_from_creation_to_close() {
    let world = World::new().await;
    let mut beach = park();
    beach["id"] = json!("beach");
    beach["values_hidden"] = json!(true);
    let created = world.serve("POST", "/v1/hunts", &beach).await;
    assert_eq!(
        (created.status, created.header("location")),
        (201, Some("/v1/hunts/beach"))
    );
    let view = created.ok();
    assert_eq!(
        (&view["hunt"], &view["state"]),
        (&json!("beach"), &json!("running"))
    );
    assert_eq!(view["outline"]["type"], "Polygon");
    assert_eq!(world.get("/v1/hunts/beach").await.ok(), view);
    let list = world.get("/v1/hunts").await.ok();
    let ids: Vec<_> = list["hunts"]
        .as_array()
        .expect("hunts")
        .iter()
        .map(|hunt| &hunt["hunt"])
        .collect();
    assert_eq!(ids, ["park", "beach"]);
    assert_eq!(list["hunts"][1]["outline"], Value::Null);

    let path = "/v1/hunts/beach";
    for (verb, state) in [("pause", "paused"), ("resume", "running")] {
        let view = world
            .serve("POST", &format!("{path}/{verb}"), &Value::Null)
            .await
            .ok();
        assert_eq!(view["state"], state);
    }
    let changed = world.serve("PATCH", path, &json!({"tiles": 8})).await.ok();
    assert_eq!(
        (&changed["tiles"], &changed["config_version"]),
        (&json!(8), &json!(2))
    );
    assert_eq!(changed["versions"].as_array().expect("versions").len(), 2);
    let closed = world
        .serve("POST", &format!("{path}/close"), &Value::Null)
        .await
        .ok();
    assert_eq!(closed["state"], "closed");
    for verb in ["pause", "resume", "close"] {
        let answer = world
            .serve("POST", &format!("{path}/{verb}"), &Value::Null)
            .await;
        answer.problem(409, "hunt-closed");
    }
    world
        .serve("POST", "/v1/hunts/moon/pause", &Value::Null)
        .await
        .problem(404, "unknown-hunt");
}

#[tokio::test]
async fn a_commands_answer_shows_what_it_did_even_when_views_are_late() {
    let world = World::new().await;
    world.fake.hold_views(true);
    let paused = world
        .serve("POST", "/v1/hunts/park/pause", &Value::Null)
        .await
        .ok();
    assert_eq!(paused["state"], "paused");
}

#[tokio::test]
async fn a_round_is_shown_once_it_opens_and_its_seed_once_it_has_closed() {
    let world = World::new().await;
    let current = world.get("/v1/hunts/park/rounds/current").await.ok();
    assert_eq!(
        (&current["round"], &current["seed"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(
        world.get("/v1/hunts/park/rounds/1").await.ok()["map"],
        current["map"]
    );
    // Announced, but its layout would tell where the tiles are.
    let early = world.get("/v1/hunts/park/rounds/2").await;
    let problem = early.problem(404, "unknown-round");
    assert!(problem["opens_at"].is_string(), "{problem}");
    assert!(!String::from_utf8_lossy(&early.body).contains("layout"));
    world
        .get("/v1/hunts/park/rounds/0")
        .await
        .problem(404, "unknown-round");
    for bad in ["-1", "1.0", "+1", "99999999999999999999", "last"] {
        world
            .get(&format!("/v1/hunts/park/rounds/{bad}"))
            .await
            .problem(400, "malformed");
    }
    world.fake.advance(1_000);
    world.get("/v1/hunts/park/rounds/2").await.ok();
    world.fake.advance(10_000);
    assert!(world.get("/v1/hunts/park/rounds/1").await.ok()["seed"].is_string());
    world
        .serve("POST", "/v1/hunts/park/close", &Value::Null)
        .await
        .ok();
    world
        .get("/v1/hunts/park/rounds/current")
        .await
        .problem(404, "unknown-round");
}

#[tokio::test]
async fn cells_never_change_for_a_version() {
    let world = World::new().await;
    let answer = world.get("/v1/hunts/park/cells?version=1").await;
    assert_eq!(
        answer.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    let cells = answer.ok();
    let list = cells["cells"].as_array().expect("cells");
    assert_eq!(cells["count"], list.len());
    let tag = answer.header("etag").expect("a tag");
    let headers = [("if-none-match", tag)];
    let known = world
        .send("GET", "/v1/hunts/park/cells?version=1", &headers, "")
        .await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    let current = world.get("/v1/hunts/park/cells").await;
    assert_eq!(
        (current.header("cache-control"), current.ok()),
        (Some("no-cache"), cells)
    );
    world
        .get("/v1/hunts/park/cells?version=2")
        .await
        .problem(404, "unknown-version");
    world
        .get("/v1/hunts/park/cells?version=x")
        .await
        .problem(400, "malformed");
    let headers = [("accept-encoding", "gzip")];
    let packed = world
        .send("GET", "/v1/hunts/park/cells?version=1", &headers, "")
        .await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() < answer.body.len());
}

#[tokio::test]
async fn a_map_is_found_by_its_name_once_its_round_is_open() {
    let world = World::new().await;
    let round = world.get("/v1/hunts/park/rounds/1").await.ok();
    let path = format!("/v1/maps/{}", round["map"].as_str().expect("a name"));
    let answer = world.get(&path).await;
    assert_eq!(
        answer.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    let map = answer.ok();
    let tiles = map["tiles"].as_array().expect("tiles");
    assert_eq!((tiles.len(), &tiles[3]["tile"]), (16, &json!(3)));
    assert!(tiles[3]["value"].is_u64());
    let won = world.claim("ada", 1, 3).await.ok();
    assert_eq!(won["points"], tiles[3]["value"]);
    let nobody = "0".repeat(64);
    for none in [nobody.as_str(), "xyz", &nobody.to_uppercase()[1..]] {
        world
            .get(&format!("/v1/maps/{none}"))
            .await
            .problem(404, "unknown-map");
    }
    // The fake knows the map of round 2 already; nobody else may.
    world.fake.advance(1_000);
    let second = world.get("/v1/hunts/park/rounds/2").await.ok();
    let path = format!("/v1/maps/{}", second["map"].as_str().expect("a name"));
    world.get(&path).await.ok();
}

#[tokio::test]
async fn hidden_values_are_left_out_until_the_seed_is_known() {
    let world = World::new().await;
    let mut beach = park();
    beach["id"] = json!("beach");
    beach["values_hidden"] = json!(true);
    world.serve("POST", "/v1/hunts", &beach).await.ok();
    let round = world.get("/v1/hunts/beach/rounds/1").await.ok();
    let path = format!("/v1/maps/{}", round["map"].as_str().expect("a name"));
    let hidden = world.get(&path).await;
    assert_eq!(hidden.header("cache-control"), Some("no-cache"));
    assert_eq!(hidden.ok()["tiles"][0]["value"], Value::Null);
    world.fake.advance(11_000);
    let tag = hidden.header("etag").expect("a tag");
    let shown = world
        .send("GET", &path, &[("if-none-match", tag)], "")
        .await;
    assert!(shown.ok()["tiles"][0]["value"].is_u64());
}
