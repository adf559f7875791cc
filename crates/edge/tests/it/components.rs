//! What each component costs and does, and how many of it are needed.

use std::collections::BTreeMap;

use huntcore_wire::{ClientMessage, ServerMessage, SubscribeMessage};
use serde_json::json;

use crate::world::{World, hear, say, within};

/// One family of `/metrics`, by component and part.
async fn family(world: &World, name: &str) -> BTreeMap<String, f64> {
    let metrics = world.get("/metrics").await;
    let text = String::from_utf8(metrics.body).expect("UTF-8");
    let start = format!("huntcore_component_{name}{{component=\"");
    let lines = text.lines().filter_map(|line| line.strip_prefix(&start));
    let values = lines.map(|line| {
        let (labels, value) = line.split_once("\"} ").expect("labels and a value");
        (
            labels.replace("\",part=\"", " "),
            value.parse().expect("a number"),
        )
    });
    values.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_frames_and_the_time_they_take_are_counted_by_component() {
    let world = World::new().await;
    let before = family(&world, "messages_total").await["edge http"];
    for _ in 0..3 {
        world.get("/healthz").await.ok();
    }
    assert!(family(&world, "messages_total").await["edge http"] >= before + 3.0);
    assert!(family(&world, "bytes_total").await["edge http"] > 0.0);

    assert_eq!(
        family(&world, "messages_total").await["broadcast fan-out"],
        0.0
    );
    let mut watcher = world.live(None).await;
    let subscribe = ClientMessage::Subscribe(SubscribeMessage::default());
    say(&mut watcher, &subscribe).await;
    while !matches!(hear(&mut watcher).await, ServerMessage::Snapshot(_)) {}
    world.claim("ada", 1, 0).await.ok();
    while !matches!(hear(&mut watcher).await, ServerMessage::Delta(_)) {}
    // A turn is counted in at its end, which may be after its frames have arrived.
    let counted = async {
        while family(&world, "bytes_total").await["broadcast fan-out"] < 100.0 {
            tokio::task::yield_now().await;
        }
    };
    within(counted).await;
    assert!(family(&world, "messages_total").await["broadcast fan-out"] >= 2.0);
    assert!(family(&world, "messages_total").await["edge sockets"] >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn cpu_time_only_grows_and_adds_up_to_the_process() {
    let world = World::new().await;
    let first = family(&world, "cpu_seconds_total").await;
    for part in ["edge http", "edge sockets", "broadcast fan-out", " other"] {
        assert!(first.contains_key(part), "{part} in {first:?}");
    }
    let mut last = first;
    for _ in 0..20 {
        world.get("/v1/hunts/park/cells").await;
        let next = family(&world, "cpu_seconds_total").await;
        for (part, seconds) in &last {
            assert!(
                next[part] >= *seconds,
                "{part}: {seconds}, then {}",
                next[part]
            );
        }
        last = next;
    }
    assert!(last.values().sum::<f64>() > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_says_how_far_it_is_behind_and_how_many_are_needed() {
    let world = World::new().await;
    let told = async {
        loop {
            let answer = world.get("/v1/autoscale/edge").await;
            if answer.status == 200 {
                return answer.ok();
            }
            // It has not looked yet.
            assert_eq!(answer.status, 404);
        }
    };
    let told = within(told).await;
    assert_eq!(
        (&told["component"], &told["current"], &told["recommended"]),
        (&json!("edge"), &json!(1), &json!(1))
    );
    for figure in ["lag_s", "rate", "rate_expected", "unit_rate", "wanted"] {
        assert!(
            told[figure].as_f64().is_some_and(|value| value >= 0.0),
            "{figure} in {told}"
        );
    }
    assert!(
        told["lag_messages"].is_u64() && told["reason"].is_string(),
        "{told}"
    );
    let told = world.get("/v1/autoscale/broadcast?lead_s=30").await.ok();
    assert_eq!(
        (&told["part"], &told["lead_s"]),
        (&json!("fan-out"), &json!(30.0))
    );
}

#[tokio::test]
async fn what_this_process_does_not_have_gets_no_recommendation() {
    let world = World::new().await;
    for path in ["arbiter", "sinks", "fan-out", "Edge", "%00"] {
        let answer = world.get(&format!("/v1/autoscale/{path}")).await;
        answer.problem(404, "not-found");
    }
    for query in [
        "lead_s=-1",
        "lead_s=3601",
        "lead_s=NaN",
        "lead_s=soon",
        "lead=5",
    ] {
        let answer = world.get(&format!("/v1/autoscale/edge?{query}")).await;
        answer.problem(400, "malformed");
    }
}
