//! Score events: one, many, again, and in conflict.

use serde_json::{Value, json};

use crate::world::World;

fn event(id: &str, player: &str, score: i64) -> Value {
    json!({"event_id": id, "player": player, "event_type": "quest", "score": score})
}

#[tokio::test]
async fn an_event_is_taken_once() {
    let world = World::new().await;
    let first = world.event(&event("e1", "ada", 7)).await.ok();
    assert_eq!(
        (&first["accepted"], &first["duplicates"]),
        (&json!(1), &json!(0))
    );
    let again = world.event(&event("e1", "ada", 7)).await.ok();
    assert_eq!(
        (&again["accepted"], &again["duplicates"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(again["position"], first["position"]);
    let position = first["position"].as_str().expect("a position");
    let board = world
        .get(&format!("/v1/hunts/park/boards/best?at_least={position}"))
        .await
        .ok();
    assert_eq!(
        board["entries"],
        json!([{"rank": 1, "player": "ada", "score": 7}])
    );
}

#[tokio::test]
async fn the_same_identity_with_another_event_is_a_conflict() {
    let world = World::new().await;
    world.event(&event("e1", "ada", 7)).await.ok();
    let problem = world
        .event(&event("e1", "ada", 8))
        .await
        .problem(409, "event-conflict");
    assert_eq!(problem["refused"][0]["outcome"], "event-conflict");
    assert_eq!(
        (&problem["accepted"], &problem["refused"][0]["index"]),
        (&json!(0), &json!(0))
    );
    world.event(&event("e1", "bob", 8)).await.ok();
}

#[tokio::test]
async fn a_bad_line_is_refused_alone() {
    let world = World::new().await;
    world.event(&event("known", "ada", 1)).await.ok();
    let big = json!({"event_id": "p", "player": "ada", "event_type": "t", "score": 1, "payload": "x".repeat(5_000)});
    let lines = [
        event("a", "ada", 5).to_string(),
        "{\"event_id\":".to_owned(),
        event("b", "bob", 6).to_string(),
        event("c", "bob", 9_007_199_254_740_992).to_string(),
        event("known", "ada", 2).to_string(),
        event("known", "ada", 1).to_string(),
        big.to_string(),
    ];
    let answer = world
        .lines("/v1/hunts/park/events", &lines.join("\n"))
        .await
        .ok();
    assert_eq!(
        (&answer["accepted"], &answer["duplicates"]),
        (&json!(2), &json!(1))
    );
    let refused: Vec<_> = answer["refused"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|refused| (refused["index"].as_u64(), refused["outcome"].as_str()))
        .collect();
    assert_eq!(
        refused,
        [
            (Some(1), Some("invalid")),
            (Some(3), Some("invalid")),
            (Some(4), Some("event-conflict")),
            (Some(6), Some("invalid")),
        ]
    );
}

#[tokio::test]
async fn an_event_that_is_none_is_told_why() {
    let world = World::new().await;
    for bad in [
        json!({}),
        json!({"event_id": "", "player": "ada", "event_type": "t", "score": 1}),
        json!({"event_id": "e", "player": "x".repeat(65), "event_type": "t", "score": 1}),
        json!({"event_id": "e", "player": "ada", "event_type": "t", "score": 1.5}),
        json!({"event_id": "e", "player": "ada", "event_type": "t", "score": 9_007_199_254_740_992_i64}),
        json!({"event_id": "e", "player": "ada", "event_type": "t", "score": 1, "ts": "today"}),
    ] {
        world.event(&bad).await.problem(422, "invalid");
    }
    world
        .lines("/v1/hunts/park/events", &"{}\n".repeat(4_097))
        .await
        .problem(422, "invalid");
    let empty = world.lines("/v1/hunts/park/events", "\n").await.ok();
    assert_eq!(
        (&empty["accepted"], &empty["refused"]),
        (&json!(0), &json!([]))
    );
}

#[tokio::test]
async fn a_closed_hunt_takes_no_events() {
    let world = World::new().await;
    world
        .serve("POST", "/v1/hunts/park/close", &Value::Null)
        .await
        .ok();
    world
        .event(&event("e1", "ada", 7))
        .await
        .problem(409, "hunt-closed");
    let lines = event("e1", "ada", 7).to_string();
    let answer = world.lines("/v1/hunts/park/events", &lines).await.ok();
    assert_eq!(answer["refused"][0]["outcome"], "hunt-closed");
}
