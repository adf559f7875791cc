//! The broadcast and boards benches as their users run them. How fast anything is stands in its figures, and is
//! not asserted here; that every listener heard every tick is asserted by the bench itself.

use std::process::Command;

use serde_json::Value;

fn run(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_huntcore"))
        .args(arguments)
        .arg("--json")
        .output()
        .expect("the program runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    serde_json::from_slice(&output.stdout).expect("one object")
}

#[test]
fn a_thousand_listeners_hear_every_tick_and_a_plan_takes_what_that_cost() {
    let folder = tempfile::tempdir().expect("a folder");
    let costs = folder.path().join("costs.toml");
    let costs = costs.to_str().expect("plain");
    let report = run(&[
        "bench",
        "broadcast",
        "--case",
        "fanout-1k",
        "--seconds",
        "1",
        "--costs",
        costs,
    ]);
    assert_eq!(report["bench"], "broadcast");
    for bytes in [256, 1_024] {
        let case = format!("fanout-1k-{bytes}");
        let rows = report["rows"].as_array().expect("rows");
        let of = |system: &str| {
            rows.iter()
                .find(|row| row["case"] == *case && row["system"] == system)
                .and_then(|row| row["value"].as_f64())
                .expect("a row")
        };
        let ratios = report["ratios"].as_array().expect("ratios");
        let ratio = ratios
            .iter()
            .find(|ratio| ratio["case"] == *case && ratio["against"] == "send loop")
            .and_then(|ratio| ratio["ratio"].as_f64())
            .expect("a ratio");
        assert!((of("huntcore") / of("send loop") - ratio).abs() < 1e-9);
    }
    let plan = run(&[
        "plan",
        "--players",
        "1000",
        "--rate",
        "1000",
        "--connections",
        "1000",
        "--costs",
        costs,
    ]);
    let measured = plan["costs"]["measured_with"].as_array().expect("commands");
    assert!(
        measured
            .iter()
            .any(|command| command == "huntcore bench broadcast --case fanout-1k"),
        "{measured:?}"
    );
}

/// A short run of a case of `boards` on few players, without peers.
fn boards(case: &str) -> Vec<Value> {
    let report = run(&[
        "bench",
        "boards",
        "--case",
        case,
        "--seconds",
        "1",
        "--players",
        "2000",
        "--events",
        "100000",
        "--peer",
        "none",
    ]);
    assert_eq!(report["bench"], "boards");
    let rows = report["rows"].as_array().expect("rows").clone();
    assert!(!rows.is_empty(), "{case} gives figures");
    for row in &rows {
        assert_eq!(row["system"], "huntcore");
        assert!(row["case"].as_str().expect("a name").starts_with(case));
        assert!(row["value"].as_f64().expect("a figure") > 0.0, "{row}");
    }
    rows
}

#[test]
fn events_become_durable_in_process_and_over_http() {
    for case in ["ingest-batch", "ingest-http"] {
        let rows = boards(case);
        assert_eq!(rows[0]["unit"], "events/s");
        assert!(rows[0]["p99_ms"].as_f64().is_some());
    }
}

#[test]
fn ranks_are_read_in_four_ways() {
    let rows = boards("rank-10m");
    let cases: Vec<_> = rows.iter().filter_map(|row| row["case"].as_str()).collect();
    let expected = ["rank", "neighbours", "at-score", "page"];
    assert_eq!(cases, expected.map(|what| format!("rank-10m-{what}")));
}

#[test]
fn a_board_takes_updates_and_says_what_it_holds() {
    assert_eq!(boards("update-1m")[0]["unit"], "updates/s");
    assert_eq!(boards("memory-per-player")[0]["unit"], "bytes a player");
}

#[test]
fn what_is_acknowledged_becomes_visible_and_the_top_100_is_read_meanwhile() {
    let visible = boards("visible");
    assert_eq!(visible.len(), 2, "at two rates");
    for row in &visible {
        assert!(row["p99_ms"].as_f64().is_some(), "{row}");
    }
    let top = &boards("top100-1200")[0];
    assert_eq!(top["unit"], "ms p99 a read");
    assert_eq!(top["value"], top["p99_ms"]);
}

#[test]
fn a_refresh_is_measured_with_few_and_with_many_events_kept() {
    let rows = boards("refresh-cost");
    let cases: Vec<_> = rows.iter().filter_map(|row| row["case"].as_str()).collect();
    let expected = [
        "refresh-cost-10000",
        "refresh-cost-100000",
        "refresh-cost-http-10000",
        "refresh-cost-http-100000",
    ];
    assert_eq!(cases, expected);
}

#[test]
fn repetitions_are_told_among_the_events_of_a_horizon() {
    let rows = boards("dedup");
    let cases: Vec<_> = rows.iter().filter_map(|row| row["case"].as_str()).collect();
    let expected = ["absent", "present", "memory", "open"];
    assert_eq!(cases, expected.map(|what| format!("dedup-{what}")));
}
