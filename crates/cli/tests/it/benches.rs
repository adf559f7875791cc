//! The broadcast bench as its users run it. How fast anything is stands in its figures, and is
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
