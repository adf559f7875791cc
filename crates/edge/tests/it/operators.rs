//! What operators do while a hunt runs: boards, corrections, flags.

use serde_json::{Value, json};

use crate::world::{World, park};

#[tokio::test]
async fn a_hunt_shows_the_boards_that_it_was_given_as_they_may_be_given_again() {
    let world = World::new().await;
    let boards = json!([
        {"name": "friday", "from": "events", "operator": "sum", "order": "descending",
         "window": {"cron": "0 18 * * 5"}, "zone": "Europe/Berlin", "time": "event",
         "lateness": "30s", "event_types": ["boss"], "keep": "720h", "results": 10},
        {"name": "fastest", "from": "both", "operator": "min", "order": "ascending",
         "window": "whole", "time": "server", "results": 0},
    ]);
    let mut beach = park();
    beach["id"] = json!("beach");
    beach["boards"] = boards.clone();
    let created = world.serve("POST", "/v1/hunts", &beach).await.ok();
    assert_eq!(created["board_definitions"], boards);
    let names = json!(["total", "best", "second", "friday", "fastest"]);
    assert_eq!(created["boards"], names);
    let path = "/v1/hunts/beach";
    let fewer = json!([boards[1]]);
    let changed = world.serve("PATCH", path, &json!({"boards": fewer})).await;
    assert_eq!(changed.ok()["board_definitions"], fewer);
    // What a change leaves out stays.
    world.serve("PATCH", path, &json!({"tiles": 8})).await.ok();
    let view = world.get(path).await.ok();
    assert_eq!(view["board_definitions"], fewer);
    assert_eq!(
        world.get("/v1/hunts/park").await.ok()["board_definitions"],
        json!([])
    );
}

#[tokio::test]
async fn a_board_in_wrong_words_is_refused_with_what_is_wrong() {
    let world = World::new().await;
    let good = json!({"name": "friday", "from": "events", "operator": "sum"});
    for (field, value, needle) in [
        ("name", json!("Friday"), "board name"),
        ("from", json!("nowhere"), "nowhere"),
        ("operator", json!("median"), "median"),
        ("window", json!("fortnight"), "a length such as"),
        ("window", json!({"chron": "* * * * *"}), "chron"),
        ("time", json!("wall"), "wall"),
        ("results", json!(-1), "results"),
        ("keeps", json!("1h"), "keeps"),
    ] {
        let mut board = good.clone();
        board[field] = value;
        let change = json!({"boards": [board]});
        let answer = world.serve("PATCH", "/v1/hunts/park", &change).await;
        let detail = answer.problem(422, "invalid")["detail"].to_string();
        assert!(
            detail.contains(needle) || field == "results",
            "{field}: {detail}"
        );
    }
}

#[tokio::test]
async fn a_correction_is_done_once_and_told_with_its_position() {
    let world = World::new().await;
    let won = world.claim("ada", 1, 3).await.ok();
    let path = "/v1/hunts/park/corrections";
    let void = json!({"void": {"round": 1, "tile": 3}, "reason": "seen using a bot"});
    let first = world.serve("POST", path, &void).await.ok();
    assert_eq!(first["changed"], true);
    let again = world.serve("POST", path, &void).await.ok();
    assert_eq!(
        (&again["changed"], &again["position"]),
        (&json!(false), &first["position"])
    );
    // The attempt's answer is what it was.
    assert_eq!(world.claim("ada", 1, 3).await.ok()["points"], won["points"]);
    world.claim("bob", 1, 3).await.problem(409, "taken");
    for action in ["disqualify", "reinstate"] {
        let request = json!({action: "ada", "reason": "a reason"});
        let done = world.serve("POST", path, &request).await.ok();
        assert!(done["position"].is_string(), "{done}");
    }
}

#[tokio::test]
async fn what_cannot_be_corrected_is_told_why() {
    let world = World::new().await;
    world.claim("ada", 1, 3).await.ok();
    let path = "/v1/hunts/park/corrections";
    let none = json!({"void": {"round": 1, "tile": 4}, "reason": "r"});
    let answer = world.serve("POST", path, &none).await;
    answer.problem(404, "unknown-claim");
    let nobody = json!({"disqualify": "nobody", "reason": "r"});
    let answer = world.serve("POST", path, &nobody).await;
    answer.problem(404, "unknown-player");
    let elsewhere = world
        .serve("POST", "/v1/hunts/moon/corrections", &nobody)
        .await;
    elsewhere.problem(404, "unknown-hunt");
    for bad in [
        json!({"reason": "r"}),
        json!({"void": {"round": 1, "tile": 3}, "disqualify": "ada", "reason": "r"}),
        json!({"void": {"round": 1, "tile": 3}}),
        json!({"disqualify": "ada", "reason": ""}),
        json!({"disqualify": "ada", "reason": "x".repeat(257)}),
        json!({"ban": "ada", "reason": "r"}),
    ] {
        let answer = world.serve("POST", path, &bad).await;
        answer.problem(422, "invalid");
    }
    let headers = [("content-type", "application/json")];
    let answer = world.send("POST", path, &headers, &none.to_string()).await;
    answer.problem(401, "unauthorized");
}

#[tokio::test]
async fn a_flag_is_set_shown_and_taken_back() {
    let world = World::new().await;
    let list = world.serve("GET", "/v1/flags", &Value::Null).await.ok();
    assert_eq!(list, json!({"flags": []}));
    let path = "/v1/flags/boards.refresh";
    world.fake.hold_views(true);
    let request = json!({"value": "rebuild", "hunt": "park", "board": "total", "reason": "canary"});
    let set = world.serve("PUT", path, &request).await.ok();
    for (field, value) in [
        ("flag", "boards.refresh"),
        ("hunt", "park"),
        ("board", "total"),
        ("value", "rebuild"),
        ("by", "api"),
        ("reason", "canary"),
    ] {
        assert_eq!(set[field], value, "{field}");
    }
    assert!(set["set_at"].is_string());
    world.fake.hold_views(false);
    let all = json!({"value": true, "reason": "compare everywhere"});
    world
        .serve("PUT", "/v1/flags/boards.shadow", &all)
        .await
        .ok();
    let list = world.serve("GET", "/v1/flags", &Value::Null).await.ok();
    assert_eq!(list["flags"][0], set);
    assert_eq!(list["flags"][1]["value"], true);
    let query = "?hunt=park&board=total&reason=done";
    let left = world
        .serve("DELETE", &format!("{path}{query}"), &Value::Null)
        .await
        .ok();
    assert_eq!(left["flags"].as_array().map(Vec::len), Some(1));
    for (query, known) in [
        ("?reason=", "malformed"),
        ("", "malformed"),
        ("?reason=r&x=1", "malformed"),
    ] {
        let answer = world
            .serve("DELETE", &format!("{path}{query}"), &Value::Null)
            .await;
        answer.problem(400, known);
    }
    let nowhere = json!({"value": true, "hunt": "moon", "reason": "r"});
    let answer = world
        .serve("PUT", "/v1/flags/boards.shadow", &nowhere)
        .await;
    answer.problem(404, "unknown-hunt");
    let answer = world.serve("PUT", "/v1/flags/boards.colour", &all).await;
    answer.problem(404, "unknown-flag");
    let sometimes = json!({"value": "sometimes", "reason": "r"});
    let answer = world.serve("PUT", path, &sometimes).await;
    answer.problem(422, "invalid");
    for (method, path) in [
        ("GET", "/v1/flags"),
        ("PUT", path),
        ("DELETE", "/v1/flags/boards.refresh?reason=r"),
    ] {
        let headers = [("content-type", "application/json")];
        let answer = world.send(method, path, &headers, &all.to_string()).await;
        answer.problem(401, "unauthorized");
    }
}
