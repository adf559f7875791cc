//! Boards that hunts are given: listed, cut into windows, ranked, late, defined anew; and what a
//! reader may keep.

use huntcore_model::{BoardName, PlayerId};
use huntcore_wire::{Interest, LiveCorrectionKind, LiveForm, LiveState};
use serde_json::{Value, json};

use crate::client::Client;
use crate::world::World;

const BOARDS: &str = "/v1/hunts/park/boards";

/// A board of windows of two seconds that go by the events' own time.
fn bosses() -> Value {
    json!({
        "name": "bosses", "from": "events", "operator": "sum", "window": "2s",
        "time": "event", "lateness": "3s", "event_types": ["boss"], "keep": "1h",
    })
}

async fn define(world: &World, boards: Value) {
    let change = json!({ "boards": boards });
    world.serve("PATCH", "/v1/hunts/park", &change).await.ok();
}

async fn now(world: &World) -> String {
    let stats = world.get("/v1/stats").await.ok();
    stats["server_time"].as_str().expect("a time").to_owned()
}

async fn scored(world: &World, id: &str, player: &str, score: i64, ts: Option<&str>) -> String {
    let mut event = json!({"event_id": id, "player": player, "event_type": "boss", "score": score});
    if let Some(ts) = ts {
        event["ts"] = json!(ts);
    }
    let answer = world.event(&event).await.ok();
    answer["position"].as_str().expect("a position").to_owned()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} in {value}"))
}

#[tokio::test]
async fn a_hunts_boards_are_listed_with_what_they_count() {
    let world = World::new().await;
    define(&world, json!([bosses()])).await;
    scored(&world, "e1", "ada", 5, None).await;
    let list = world.get(BOARDS).await.ok();
    let boards = list["boards"].as_array().expect("boards");
    let names: Vec<&str> = boards
        .iter()
        .map(|board| text(&board["definition"], "name"))
        .collect();
    assert_eq!(names, ["best", "bosses", "second", "total"]);
    let own = &boards[1];
    assert_eq!(
        (text(&own["definition"], "window"), &own["players"]),
        ("2s", &json!(1))
    );
    assert!(own["generation"].as_u64().expect("a number") > 0, "{own}");
    assert_eq!(
        (&own["windows"]["count"], &own["windows"]["newest_final"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(boards[3].get("generation"), None, "built in");
    assert_eq!(boards[3].get("windows"), None, "of the whole hunt");
    let unknown = "/v1/hunts/beach/boards";
    world.get(unknown).await.problem(404, "unknown-hunt");
}

#[tokio::test]
async fn windows_are_listed_newest_first_and_page_by_page() {
    let world = World::new().await;
    define(&world, json!([bosses()])).await;
    for number in 0..5 {
        scored(&world, &format!("e{number}"), "ada", number, None).await;
        world.fake.advance(2_000);
    }
    let path = format!("{BOARDS}/bosses/windows");
    let all = world.get(&path).await.ok();
    let windows = all["windows"].as_array().expect("windows");
    assert_eq!((windows.len(), &all["next_cursor"]), (5, &Value::Null));
    let starts: Vec<&str> = windows.iter().map(|window| text(window, "start")).collect();
    assert!(
        starts.is_sorted_by(|newer, older| newer > older),
        "{starts:?}"
    );
    let newest = &windows[0];
    let state = |window: &Value| (window["final"].clone(), window["provisional"].clone());
    assert_eq!(
        state(newest),
        (json!(false), json!(true)),
        "may be late yet"
    );
    assert_eq!(state(&windows[3]), (json!(true), json!(false)));
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.get(&format!("{path}?limit=2{cursor}")).await.ok();
        paged.extend(page["windows"].as_array().expect("windows").clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(&paged, windows);
    // Any of them is read by its start.
    let oldest = format!("{BOARDS}/bosses?window={}", starts[4]);
    let page = world.get(&oldest).await.ok();
    assert_eq!(
        (&page["players"], &page["window"]["final"]),
        (&json!(1), &json!(true))
    );
    let of_whole = world.get(&format!("{BOARDS}/best/windows")).await.ok();
    assert_eq!(of_whole["windows"], json!([]));
}

#[tokio::test]
async fn a_cursor_of_elsewhere_or_from_before_says_what_to_do() {
    let world = World::new().await;
    let other = json!({"name": "sum", "from": "events", "operator": "sum"});
    define(&world, json!([bosses(), other])).await;
    for number in 0..3 {
        scored(
            &world,
            &format!("e{number}"),
            &format!("p{number}"),
            number,
            None,
        )
        .await;
        world.fake.advance(2_000);
    }
    let windows = format!("{BOARDS}/bosses/windows?limit=1");
    let windows = world.get(&windows).await.ok();
    let window_cursor = text(&windows, "next_cursor").to_owned();
    let page = world.get(&format!("{BOARDS}/sum?limit=1")).await.ok();
    let page_cursor = text(&page, "next_cursor").to_owned();
    let ask = async |path: &str, cursor: &str| {
        let path = format!("{BOARDS}/{path}?cursor={cursor}");
        world.get(&path).await
    };
    ask("second/windows", &window_cursor)
        .await
        .problem(400, "foreign-cursor");
    ask("best", &page_cursor)
        .await
        .problem(400, "foreign-cursor");
    ask("sum", &window_cursor).await.problem(400, "malformed");
    ask("bosses/windows", &page_cursor)
        .await
        .problem(400, "malformed");
    // Defined otherwise, both begin anew.
    let mut longer = bosses();
    longer["window"] = json!("4s");
    let highest = json!({"name": "sum", "from": "events", "operator": "max"});
    define(&world, json!([longer, highest])).await;
    let answer = ask("bosses/windows", &window_cursor).await;
    answer.problem(410, "outdated-cursor");
    let answer = ask("sum", &page_cursor).await;
    let detail = answer.problem(410, "outdated-cursor")["detail"].to_string();
    assert!(detail.contains("begin without a cursor"), "{detail}");
    assert!(world.get(&format!("{BOARDS}/sum")).await.ok()["entries"].is_array());
    // Dropped, it is no board any more.
    define(&world, json!([])).await;
    ask("sum", &page_cursor).await.problem(404, "unknown-board");
}

#[tokio::test]
async fn what_comes_too_late_is_counted_and_kept_aside() {
    let world = World::new().await;
    define(&world, json!([bosses()])).await;
    let then = now(&world).await;
    world.fake.advance(6_000);
    scored(&world, "late", "ada", 7, Some(&then)).await;
    scored(&world, "good", "bob", 8, None).await;
    let late = world.get(&format!("{BOARDS}/bosses/late")).await.ok();
    assert_eq!(late["count"], 1);
    let event = &late["events"][0];
    assert_eq!(
        (text(event, "player"), &event["score"], text(event, "ts")),
        ("ada", &json!(7), then.as_str())
    );
    assert!(text(event, "taken_at") > then.as_str());
    let none = world.get(&format!("{BOARDS}/best/late?limit=1")).await.ok();
    assert_eq!((&none["count"], &none["events"]), (&json!(0), &json!([])));
    let bad = format!("{BOARDS}/best/late?limit=1001");
    world.get(&bad).await.problem(400, "malformed");
}

#[tokio::test]
async fn a_score_has_a_rank_before_anybody_reaches_it() {
    let world = World::new().await;
    for (player, score) in [("ada", 9), ("bob", 5), ("eve", 5), ("joe", 1)] {
        scored(&world, player, player, score, None).await;
    }
    for (score, rank, equal) in [(10, 1, 0), (9, 2, 1), (5, 4, 2), (2, 4, 0), (-1, 5, 0)] {
        let path = format!("{BOARDS}/best/rank?score={score}");
        let found = world.get(&path).await.ok();
        let expected = json!([rank, rank - 1 - equal, equal, 4]);
        let found = json!([found["rank"], found["better"], found["equal"], found["of"]]);
        assert_eq!(found, expected, "{score}");
    }
    for bad in [
        "",
        "?score=x",
        "?score=9007199254740992",
        "?score=1.5",
        "?score=1&scores=2",
    ] {
        let path = format!("{BOARDS}/best/rank{bad}");
        world.get(&path).await.problem(400, "malformed");
    }
}

#[tokio::test]
async fn a_board_may_be_kept_for_a_moment_and_a_final_window_that_was_named_longer() {
    let world = World::new().await;
    scored(&world, "e", "ada", 3, None).await;
    let best = world.get(&format!("{BOARDS}/best")).await;
    assert_eq!(best.header("cache-control"), Some("public, max-age=1"));
    world.fake.advance(1_000);
    let second = format!("{BOARDS}/second");
    // Another second may be the newest final one at any time.
    let newest = world.get(&second).await;
    assert_eq!(newest.header("cache-control"), Some("public, max-age=1"));
    let newest = newest.ok();
    assert_eq!(newest["window"]["final"], json!(true));
    let start = text(&newest["window"], "start").to_owned();
    for way in ["/players/ada?window=", "/rank?score=1&window="] {
        let named = world.get(&format!("{second}{way}{start}")).await;
        assert_eq!(named.header("cache-control"), Some("public, max-age=30"));
        let unnamed = way.replace("window=", "");
        let unnamed = unnamed.trim_end_matches(['?', '&']);
        let unnamed = world.get(&format!("{second}{unnamed}")).await;
        assert_eq!(unnamed.header("cache-control"), Some("public, max-age=1"));
    }
    let second = format!("{second}?window={start}");
    let closed = world.get(&second).await;
    assert_eq!(closed.header("cache-control"), Some("public, max-age=30"));
    let tag = closed.header("etag").expect("a tag").to_owned();
    let again = world
        .send("GET", &second, &[("if-none-match", &tag)], "")
        .await;
    assert_eq!((again.status, again.header("etag")), (304, Some(&*tag)));
    assert_eq!(again.header("cache-control"), Some("public, max-age=30"));
    // Final, and still corrected.
    let correct = json!({"disqualify": "ada", "reason": "seen using a bot"});
    let corrections = "/v1/hunts/park/corrections";
    world.serve("POST", corrections, &correct).await.ok();
    let corrected = world
        .send("GET", &second, &[("if-none-match", &tag)], "")
        .await;
    assert_eq!(corrected.ok()["entries"], json!([]));
}

#[tokio::test]
async fn every_way_to_a_page_gives_the_same() {
    let world = World::new().await;
    for number in 0..120 {
        let player = format!("p{number}");
        scored(&world, &player, &player, number, None).await;
    }
    // A page from another origin goes by the router; the first one asked for is written, the
    // next ones are kept.
    let origin = ("origin", "https://example.org");
    for query in ["", "?limit=3", "?limit=119"] {
        let path = format!("{BOARDS}/best{query}");
        let mut bodies = Vec::new();
        for headers in [&[][..], &[], &[origin]] {
            let answer = world.send("GET", &path, headers, "").await;
            let tag = answer.header("etag").expect("a tag").to_owned();
            bodies.push((tag, answer.ok()));
        }
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{query}");
        let tag = bodies[0].0.clone();
        for headers in [
            &[("if-none-match", &*tag)][..],
            &[("if-none-match", &*tag), origin],
        ] {
            let known = world.send("GET", &path, headers, "").await;
            assert_eq!((known.status, known.body.len()), (304, 0), "{query}");
        }
    }
    let limits = [3, 4].map(|limit| format!("{BOARDS}/best?limit={limit}"));
    let [three, four] = [world.get(&limits[0]).await, world.get(&limits[1]).await];
    assert_ne!(three.header("etag"), four.header("etag"));
}

#[tokio::test]
async fn what_a_cache_must_know_of_other_origins_is_said_to_every_reader() {
    const ORIGIN: &str = "https://game.example";
    let world = World::with(|config| config.cors_origins = vec![ORIGIN.to_owned()]).await;
    scored(&world, "e", "ada", 3, None).await;
    let path = format!("{BOARDS}/best");
    let from = async |origin: Option<&str>, tag: Option<&str>| {
        let origin = origin.map(|origin| ("origin", origin));
        let tag = tag.map(|tag| ("if-none-match", tag));
        let headers: Vec<_> = origin.into_iter().chain(tag).collect();
        world.send("GET", &path, &headers, "").await
    };
    let first = from(None, None).await;
    let tag = first.header("etag").expect("a tag").to_owned();
    for tag in [None, Some(tag.as_str())] {
        for origin in [None, Some(ORIGIN), Some("https://evil.example")] {
            let answer = from(origin, tag).await;
            let vary = answer.header("vary").unwrap_or_default();
            assert!(vary.contains("origin"), "{origin:?} {tag:?}: {vary:?}");
            let allowed = answer.header("access-control-allow-origin");
            assert_eq!(allowed, origin.filter(|origin| *origin == ORIGIN));
        }
    }
    // Open to all, an answer that is kept for one is good for any other.
    let world = World::with(|config| config.cors_origins = vec!["*".to_owned()]).await;
    scored(&world, "e", "ada", 3, None).await;
    for headers in [&[][..], &[("origin", ORIGIN)]] {
        let answer = world.send("GET", &path, headers, "").await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
}

#[tokio::test]
async fn a_socket_hears_of_boards_as_they_come_and_go() {
    let world = World::new().await;
    let mut client = Client::new(&world, LiveForm::Proto, Some("ada")).await;
    client.ask(Interest::Everything, None).await;
    client.subscribed().await;
    let name = BoardName::new("bosses").expect("a name");
    let has = |state: &LiveState, there: bool| {
        let listed = state.listed.as_ref();
        listed.is_some_and(|listed| listed.generation(name).is_some() == there)
    };
    client.until(|state| has(state, false)).await;
    let interest = Interest::boards([name]).expect("one");
    client.ask(interest.clone(), None).await;
    assert_eq!(client.error().await, "unknown-board");
    define(&world, json!([bosses()])).await;
    client.until(|state| has(state, true)).await;
    client.ask(interest, Some(name)).await;
    scored(&world, "e", "ada", 4, None).await;
    world.fake.advance(4_000);
    client.until(|state| state.boards.contains_key(&name)).await;
    define(&world, json!([])).await;
    client.until(|state| has(state, false)).await;
    assert!(client.state.boards.is_empty(), "it is gone with the board");
}

#[tokio::test]
async fn a_correction_is_told_before_the_board_that_follows_it() {
    let world = World::new().await;
    let mut clients = Vec::new();
    for form in LiveForm::ALL {
        let mut client = Client::new(&world, form, None).await;
        client
            .ask(Interest::boards([BoardName::TOTAL]).expect("one"), None)
            .await;
        client.subscribed().await;
        clients.push(client);
    }
    world.claim("ada", 1, 3).await.ok();
    world.claim("bob", 1, 4).await.ok();
    let has_points = |state: &LiveState| {
        let total = state.boards.get(&BoardName::TOTAL);
        let mut entries = total.into_iter().flat_map(|total| &total.entries);
        entries.any(|entry| entry.player.as_str() == "ada" && entry.score > 0)
    };
    world.fake.advance(500);
    for client in &mut clients {
        client.until(has_points).await;
    }
    let void = json!({"void": {"round": 1, "tile": 3}, "reason": "seen using a bot"});
    let corrections = "/v1/hunts/park/corrections";
    world.serve("POST", corrections, &void).await.ok();
    world.fake.advance(500);
    for client in &mut clients {
        client.until(|state| !has_points(state)).await;
        let told = &client.state.corrections;
        assert_eq!(told.len(), 1);
        assert_eq!(
            (told[0].kind, told[0].player.as_ref().map(PlayerId::as_str)),
            (LiveCorrectionKind::ClaimVoided, Some("ada"))
        );
        assert_eq!(told[0].reason, "seen using a bot");
    }
}
