//! Readers who ask for a position: whatever a board is shown as, what they get covers it.

use huntcore_edge::{Backend, HuntCommand};
use huntcore_model::Position;
use huntcore_wire::Timestamp;
use serde_json::{Value, json};

use crate::world::{PATIENCE, World, within};

const BOARDS: &str = "/v1/hunts/park/boards";

async fn scored(world: &World, player: &str, score: i64) -> String {
    let event = json!({"event_id": player, "player": player, "event_type": "t", "score": score});
    let answer = world.event(&event).await.ok();
    answer["position"].as_str().expect("a position").to_owned()
}

/// Sets how a board of the park is brought up to date.
async fn refresh(world: &World, board: &str, mode: &str) {
    let setting = json!({"value": mode, "hunt": "park", "board": board, "reason": "a test"});
    let path = "/v1/flags/boards.refresh";
    world.serve("PUT", path, &setting).await.ok();
}

/// Somebody who would wait longer than any test does.
async fn patient() -> World {
    World::with(|config| config.limits.at_least_wait = 2 * PATIENCE).await
}

/// The three ways to ask a board for somebody who is not on it yet.
fn ways(board: &str, position: &str) -> [String; 3] {
    [
        format!("{BOARDS}/{board}?at_least={position}"),
        format!("{BOARDS}/{board}/players/bob?at_least={position}"),
        format!("{BOARDS}/{board}/rank?score=1&at_least={position}"),
    ]
}

fn covers(answer: &Value, asked: &str) {
    let position = |text: &str| text.parse::<Position>().expect("a position");
    let shown = position(answer["position"].as_str().expect("one"));
    assert!(shown.covers(&position(asked)), "{answer}");
}

#[tokio::test]
async fn a_frozen_board_is_refused_where_it_does_not_cover_the_position() {
    let world = patient().await;
    let before = scored(&world, "ada", 1).await;
    refresh(&world, "best", "frozen").await;
    let after = scored(&world, "bob", 2).await;
    let shown = world.get(&format!("{BOARDS}/best")).await.ok();
    assert_eq!(shown["players"], 1, "as it was");
    for path in ways("best", &after) {
        let problem = within(world.get(&path))
            .await
            .problem(503, "projection-behind");
        let detail = problem["detail"].as_str().expect("words");
        assert!(detail.contains("best is frozen"), "{detail}");
    }
    let page = format!("{BOARDS}/best?at_least={before}");
    covers(&world.get(&page).await.ok(), &before);
    // Others go on.
    let other = format!("{BOARDS}/total?at_least={after}");
    covers(&world.get(&other).await.ok(), &after);
    refresh(&world, "best", "incremental").await;
    for path in ways("best", &after) {
        covers(&world.get(&path).await.ok(), &after);
    }
}

#[tokio::test]
async fn a_frozen_board_that_nobody_is_on_is_behind_and_not_without_a_window() {
    let world = patient().await;
    let board = json!({"name": "minutes", "from": "events", "operator": "sum", "window": "1m"});
    let change = json!({ "boards": [board] });
    world.serve("PATCH", "/v1/hunts/park", &change).await.ok();
    refresh(&world, "minutes", "frozen").await;
    let position = scored(&world, "bob", 2).await;
    let unasked = format!("{BOARDS}/minutes");
    world.get(&unasked).await.problem(404, "unknown-window");
    for path in ways("minutes", &position) {
        let answer = within(world.get(&path)).await;
        answer.problem(503, "projection-behind");
    }
}

#[tokio::test]
async fn a_reader_asks_again_until_a_board_that_is_ranked_anew_has_rested() {
    let world = patient().await;
    scored(&world, "ada", 1).await;
    refresh(&world, "best", "rebuild").await;
    // No other version comes than those that readers ask for.
    for (number, way) in ways("best", "").iter().enumerate() {
        world.fake.rest_for(3);
        let player = ["bob", "eve", "joe"][number];
        let position = scored(&world, player, 2).await;
        let shown = world.get(&format!("{BOARDS}/best")).await.ok();
        assert_eq!(shown["players"], 1 + number, "it rests");
        let answer = within(world.get(&format!("{way}{position}"))).await;
        covers(&answer.ok(), &position);
    }
}

#[tokio::test]
async fn a_board_that_rests_for_longer_than_readers_wait_is_behind() {
    let world = World::new().await;
    refresh(&world, "best", "rebuild").await;
    world.fake.rest_for(u32::MAX);
    let position = scored(&world, "bob", 2).await;
    for path in ways("best", &position) {
        let problem = world.get(&path).await.problem(503, "projection-behind");
        assert_eq!(problem["retry_after_ms"], 50);
    }
}

#[tokio::test]
async fn what_begins_by_the_position_is_waited_for() {
    for (board, is_named) in [("second", true), ("sum", false), ("minutes", false)] {
        let world = patient().await;
        let hunt = world
            .fake
            .view()
            .catalog
            .hunts()
            .next()
            .expect("the park")
            .number;
        world.fake.hold_views(true);
        let start = Timestamp::from(world.fake.advance(2_000));
        let change = json!({"boards": [
            {"name": "sum", "from": "events", "operator": "sum"},
            {"name": "minutes", "from": "events", "operator": "sum", "window": "1m"},
        ]});
        let change = Box::new(serde_json::from_value(change).expect("a change"));
        let change = HuntCommand::Change { hunt, change };
        world.fake.command(change).await.expect("a good change");
        let position = scored(&world, "bob", 1).await;
        let window = match is_named {
            true => format!("&window={start}"),
            false => String::new(),
        };
        // Neither the window nor the boards are in what is shown so far.
        let unasked = world
            .get(&format!("{BOARDS}/{board}?limit=1{window}"))
            .await;
        assert_eq!(unasked.status, 404, "{board}");
        for path in ways(board, &position) {
            let answer = within(world.get(&format!("{path}{window}"))).await.ok();
            covers(&answer, &position);
        }
    }
}
