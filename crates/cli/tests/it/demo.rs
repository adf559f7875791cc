//! The demo, as a person would run it, reconciles what its players were told with the log.

use std::net::TcpListener;

use serde_json::Value;

use crate::support::Site;

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_of_50_players_reconciles_and_claims_nothing_twice() {
    let site = Site::new();
    let arguments = [
        "demo",
        "--players",
        "50",
        "--seconds",
        "5",
        "--data",
        "demo-data",
        "--listen",
        "127.0.0.1:0",
        "--json",
    ];
    let exit = site.run(&arguments);
    assert!(exit.status.success(), "{}\n{}", exit.stdout, exit.stderr);
    let last = exit.stdout.lines().last().expect("it prints its figures");
    let figures: Value = serde_json::from_str(last).expect("one JSON object on the last line");
    let number = |name: &str| {
        figures[name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name} is no number in {figures}"))
    };
    assert_eq!(figures["reconciled"], true, "{figures}");
    assert_eq!(number("double_claims"), 0.0, "{figures}");
    for name in [
        "attempts",
        "won",
        "taken",
        "deltas_delivered",
        "p50_ms",
        "p99_ms",
    ] {
        assert!(number(name) > 0.0, "{name} in {figures}");
    }
    for name in ["refused", "unanswered", "events", "board_lag_p99_ms"] {
        assert!(number(name) >= 0.0, "{name} in {figures}");
    }
    let accounted: f64 = ["won", "taken", "refused", "unanswered"]
        .into_iter()
        .map(number)
        .sum();
    assert_eq!(number("attempts"), accounted, "I10: {figures}");
    assert!(
        site.folder().join("demo-data").is_dir(),
        "the log stays where it was asked for"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_on_a_port_in_use_says_so() {
    let site = Site::new();
    let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = held.local_addr().expect("it has an address").to_string();
    let exit = site.run(&[
        "demo",
        "--players",
        "1",
        "--seconds",
        "1",
        "--listen",
        &address,
    ]);
    assert!(!exit.status.success());
    assert!(exit.stderr.contains(&address), "{}", exit.stderr);
}
