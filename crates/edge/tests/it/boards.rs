//! Boards: pages, standings, windows, and reads that ask for a position.

use serde_json::{Value, json};

use crate::world::{World, within};

async fn scored(world: &World, player: &str, score: i64) -> String {
    let event = json!({"event_id": player, "player": player, "event_type": "t", "score": score});
    let answer = world.event(&event).await.ok();
    answer["position"].as_str().expect("a position").to_owned()
}

async fn park_of(count: i64) -> World {
    let world = World::new().await;
    for number in 0..count {
        scored(&world, &format!("p{number}"), number).await;
    }
    world
}

fn players(page: &Value) -> Vec<&str> {
    let entries = page["entries"].as_array().expect("entries");
    entries
        .iter()
        .map(|entry| entry["player"].as_str().expect("a player"))
        .collect()
}

#[tokio::test]
async fn pages_follow_one_another() {
    let world = park_of(5).await;
    let path = "/v1/hunts/park/boards/best?limit=2";
    let first = world.get(path).await.ok();
    assert_eq!(
        (players(&first), &first["players"]),
        (vec!["p4", "p3"], &json!(5))
    );
    let cursor = first["next_cursor"].as_str().expect("more");
    let second = world.get(&format!("{path}&cursor={cursor}")).await.ok();
    assert_eq!(players(&second), ["p2", "p1"]);
    let cursor = second["next_cursor"].as_str().expect("more");
    let last = world.get(&format!("{path}&cursor={cursor}")).await.ok();
    assert_eq!(
        (players(&last), &last["next_cursor"]),
        (vec!["p0"], &Value::Null)
    );
    let other = format!("/v1/hunts/park/boards/total?cursor={cursor}");
    world.get(&other).await.problem(400, "foreign-cursor");
}

#[tokio::test]
async fn a_standing_shows_rank_and_neighbours() {
    let world = park_of(5).await;
    let path = "/v1/hunts/park/boards/best/players/p2";
    let alone = world.get(path).await.ok();
    assert_eq!(
        (&alone["rank"], &alone["of"], &alone["neighbours"]),
        (&json!(3), &json!(5), &json!([]))
    );
    let around = world.get(&format!("{path}?around=1")).await.ok();
    let neighbours = around["neighbours"].as_array().expect("some");
    let names: Vec<_> = neighbours
        .iter()
        .map(|entry| entry["player"].as_str())
        .collect();
    assert_eq!(names, [Some("p3"), Some("p2"), Some("p1")]);
    world
        .get("/v1/hunts/park/boards/best/players/nobody")
        .await
        .problem(404, "unknown-player");
    scored(&world, "a/b ü", 99).await;
    let odd = world
        .get("/v1/hunts/park/boards/best/players/a%2Fb%20%C3%BC")
        .await
        .ok();
    assert_eq!((&odd["player"], &odd["rank"]), (&json!("a/b ü"), &json!(1)));
}

#[tokio::test]
async fn windows_of_a_second_become_final() {
    let world = World::new().await;
    let path = "/v1/hunts/park/boards/second";
    world.get(path).await.problem(404, "unknown-window");
    let start = world.get("/v1/stats").await.ok()["server_time"]
        .as_str()
        .expect("a time")
        .to_owned();
    scored(&world, "ada", 5).await;
    let open = world.get(&format!("{path}?window={start}")).await.ok();
    assert_eq!(
        (&open["window"]["final"], players(&open)),
        (&json!(false), vec!["ada"])
    );
    world.fake.advance(1_000);
    let closed = world.get(path).await.ok();
    assert_eq!(
        (&closed["window"]["final"], &closed["window"]["start"]),
        (&json!(true), &json!(start))
    );
    let half = start.replace(".000Z", ".500Z");
    world
        .get(&format!("{path}?window={half}"))
        .await
        .problem(400, "malformed");
    world
        .get(&format!("/v1/hunts/park/boards/best?window={start}"))
        .await
        .problem(404, "unknown-window");
}

#[tokio::test]
async fn a_reader_with_a_position_waits_for_it_and_no_longer_than_allowed() {
    let world = park_of(1).await;
    world.fake.hold_views(true);
    let position = scored(&world, "late", 50).await;
    let path = "/v1/hunts/park/boards/best";
    assert_eq!(
        players(&world.get(path).await.ok()),
        ["p0"],
        "nobody asked for more"
    );
    let fresh = world.get(&format!("{path}?at_least={position}")).await.ok();
    assert_eq!(
        players(&fresh),
        ["late", "p0"],
        "asking made a version appear"
    );
    world.fake.be_stuck(true);
    let position = scored(&world, "later", 60).await;
    let answer = world.get(&format!("{path}?at_least={position}")).await;
    let problem = answer.problem(503, "projection-behind");
    assert_eq!(problem["retry_after_ms"], 50);
    assert_eq!(answer.header("retry-after"), Some("1"));
    world
        .get(&format!("{path}/players/later?at_least={position}"))
        .await
        .problem(503, "projection-behind");
    // What no wait can bring about is refused without one.
    for (query, status, name) in [
        ("best?window=2026-11-22T10:00:00Z", 404, "unknown-window"),
        ("second?window=2026-11-22T10:00:00.5Z", 400, "malformed"),
        (
            "best/players/later?window=2026-11-22T10:00:00Z",
            404,
            "unknown-window",
        ),
    ] {
        world
            .get(&format!(
                "/v1/hunts/park/boards/{query}&at_least={position}"
            ))
            .await
            .problem(status, name);
    }
}

#[tokio::test]
async fn a_waiting_reader_is_woken_by_the_version() {
    let world = World::with(|config| {
        config.limits.at_least_wait = crate::world::PATIENCE;
    })
    .await;
    world.fake.hold_views(true);
    world.fake.be_stuck(true);
    let position = scored(&world, "ada", 1).await;
    let path = format!("/v1/hunts/park/boards/best?at_least={position}");
    let reading = world.get(&path);
    let publishing = async {
        world.fake.hold_views(false);
        world.fake.be_stuck(false);
        world.fake.advance(100);
    };
    let (page, ()) = within(async { tokio::join!(reading, publishing) }).await;
    assert_eq!(players(&page.ok()), ["ada"]);
}

#[tokio::test]
async fn a_reader_who_has_these_entries_is_told_so() {
    let world = park_of(2).await;
    let path = "/v1/hunts/park/boards/best";
    let first = world.get(path).await;
    let tag = first.header("etag").expect("a tag").to_owned();
    world.fake.advance(100);
    let same = world
        .send("GET", path, &[("if-none-match", &tag)], "")
        .await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    scored(&world, "new", 9).await;
    let changed = world
        .send("GET", path, &[("if-none-match", &tag)], "")
        .await;
    assert_eq!(players(&changed.ok())[0], "new");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let world = park_of(1).await;
    for (query, name) in [
        ("best?limit=0", "malformed"),
        ("best?limit=1001", "malformed"),
        ("best?limit=x", "malformed"),
        ("best?cursor=x", "malformed"),
        ("best?at_least=!", "malformed"),
        ("best?lim=1", "malformed"),
        ("best?limit=1&limit=2", "malformed"),
        ("second?window=yesterday", "malformed"),
        ("best/players/p0?around=51", "malformed"),
    ] {
        world
            .get(&format!("/v1/hunts/park/boards/{query}"))
            .await
            .problem(400, name);
    }
    world
        .get("/v1/hunts/park/boards/worst")
        .await
        .problem(404, "unknown-board");
    world
        .get("/v1/hunts/beach/boards/best")
        .await
        .problem(404, "unknown-hunt");
}
