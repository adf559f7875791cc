//! What it costs and how many are needed: `huntcore plan`, and what a running server tells of
//! its components.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Api, Claim, Event, Exit, Server, Site, Socket, until};

/// The second team's hunt.
const SECOND_TEAM: [&str; 7] = [
    "plan",
    "--players",
    "10000",
    "--rate",
    "2000000",
    "--connections",
    "300000",
];

fn json(exit: &Exit) -> Value {
    assert!(exit.status.success(), "{}", exit.stderr);
    serde_json::from_str(&exit.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", exit.stdout, exit.stderr))
}

fn figure(value: &Value, pointer: &str) -> f64 {
    let found = value.pointer(pointer).and_then(Value::as_f64);
    found.unwrap_or_else(|| panic!("no number {pointer} in {value}"))
}

#[test]
fn a_plan_adds_up_and_counts_the_fan_out_apart() {
    let site = Site::new();
    let planned = json(&site.run(&[&SECOND_TEAM[..], &["--json"]].concat()));
    let plan = &planned["plan"];
    let parts = ["/money/machines", "/money/storage", "/money/egress"];
    let sum: f64 = parts.iter().map(|part| figure(plan, part)).sum();
    let total = figure(plan, "/money/total");
    assert!((sum - total).abs() < 1e-6 * total, "{sum} of {total}");
    assert!(figure(plan, "/money/fan_out") > total / 2.0, "{plan}");
    let items = plan["items"].as_array().expect("items");
    let components: Vec<&str> = items
        .iter()
        .filter_map(|item| item["component"].as_str())
        .collect();
    for component in ["edge", "arbiter", "log", "boards", "broadcast"] {
        assert!(
            components.contains(&component),
            "{component} in {components:?}"
        );
    }
    assert!(planned["sensitivities"].as_array().expect("rows").len() >= 5);
    let stated = planned["assumptions"].to_string();
    for assumed in ["300,000", "2,000,000", "$20 for a core", "Measured with"] {
        assert!(stated.contains(assumed), "{assumed} in {stated}");
    }

    // What is assumed can be given instead.
    let cheaper = [
        &SECOND_TEAM[..],
        &["--price-per-egress-gb", "0", "--currency", "€", "--json"],
    ]
    .concat();
    let cheaper = json(&site.run(&cheaper));
    assert_eq!(figure(&cheaper["plan"], "/money/egress"), 0.0);
    assert_eq!(
        figure(&cheaper["plan"], "/money/machines"),
        figure(plan, "/money/machines")
    );
    assert!(
        cheaper["assumptions"]
            .to_string()
            .contains("€20 for a core")
    );
}

#[test]
fn a_plan_is_a_document_of_markdown_tables() {
    let site = Site::new();
    let page = site.run(&["plan", "--players", "500", "--rate", "1000"]);
    assert!(page.status.success(), "{}", page.stderr);
    for title in [
        "Money a month",
        "Machines",
        "Components",
        "If one thing were different",
        "Assumptions",
    ] {
        assert!(
            page.stdout.contains(&format!("## {title}\n")),
            "{title}: {}",
            page.stdout
        );
    }
    let tables = page.stdout.lines().filter(|line| line.starts_with('|'));
    let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
    for line in tables {
        *widths.entry(line.matches('|').count()).or_default() += 1;
    }
    assert!(
        widths.values().all(|&lines| lines >= 3),
        "whole tables: {}",
        page.stdout
    );
}

#[test]
fn figures_and_files_that_make_no_plan_are_refused_by_name() {
    let site = Site::new();
    let refused = |arguments: &[&str], status: i32| {
        let exit = site.run(arguments);
        assert_eq!(
            exit.status.code(),
            Some(status),
            "{arguments:?}: {} {}",
            exit.stdout,
            exit.stderr
        );
        exit.stderr
    };
    assert!(refused(&["plan", "--rate", "5"], 2).contains("--players"));
    let wrong = |option: &str, value: &str| {
        let given = format!("{option}={value}");
        refused(&["plan", "--players", "5", "--rate", "5", &given], 1)
    };
    for (option, value) in [
        ("--win-share", "1.01"),
        ("--connections", "-1"),
        ("--round-s", "0"),
        ("--utilisation", "0"),
        ("--cores-per-machine", "NaN"),
        ("--price-per-core-month", "-3"),
        ("--busy-hours", "731"),
    ] {
        let told = wrong(option, value);
        assert!(told.contains(option), "{option} in {told}");
    }
    let path = site.folder().join("costs.toml");
    std::fs::write(&path, "machine = \"mine\"\n").expect("it can be written");
    let told = wrong("--costs", path.to_str().expect("a plain path"));
    assert!(
        told.contains("costs.toml") && told.contains("missing field"),
        "{told}"
    );
    let told = wrong("--costs", "nowhere.toml");
    assert!(told.contains("nowhere.toml"), "{told}");
}

/// A server on which each component has had something to do.
async fn busy(site: &Site) -> Server {
    let server = site.start().await;
    let mut watcher = Socket::open(&server.url, None).await;
    watcher.subscribe(None).await;
    let round = server.api.open_round().await;
    let claims: Vec<Claim> = (0..20)
        .map(|tile| Claim {
            round,
            tile,
            player: format!("player {tile}"),
        })
        .collect();
    server.api.claims(&claims).await.expect("the server lives");
    let event = Event {
        id: "1".to_owned(),
        player: "player 1".to_owned(),
        score: 5,
    };
    server.api.events(&[event]).await.expect("the server lives");
    watcher.next_of("delta").await;
    server
}

async fn components(api: &Api) -> BTreeMap<(String, String), Value> {
    let stats = api.get("/v1/stats").await.expect("the server answers").body;
    let components = stats["components"].as_array().expect("components").clone();
    let named = components.into_iter().map(|one| {
        let name = |key: &str| one[key].as_str().expect("a name").to_owned();
        ((name("component"), name("part")), one)
    });
    named.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_component_of_a_server_tells_its_cost_its_work_and_its_lag() {
    let mut site = Site::new();
    site.shards = 3;
    let server = busy(&site).await;
    let worked = [
        ("edge", "http"),
        ("arbiter", "deciding"),
        ("log", "writing"),
        ("boards", "ranking"),
        ("broadcast", "framing"),
        ("broadcast", "fan-out"),
    ];
    let all = until("every component has worked", || async {
        let all = components(&server.api).await;
        let has_worked = worked.iter().all(|(component, part)| {
            let one = &all[&((*component).to_owned(), (*part).to_owned())];
            one["messages_total"].as_u64() > Some(0) && one["cpu_s"].as_f64() > Some(0.0)
        });
        has_worked.then_some(all)
    })
    .await;
    let of = |component: &str, part: &str| &all[&(component.to_owned(), part.to_owned())];
    assert!(of("arbiter", "deciding")["messages_total"].as_u64() >= Some(21));
    assert_eq!(of("arbiter", "deciding")["count"], 3);
    for (component, part) in worked {
        if component != "arbiter" {
            assert!(
                of(component, part)["bytes_total"].as_u64() > Some(0),
                "{component} {part}"
            );
        }
    }

    let metrics = server
        .api
        .get("/metrics")
        .await
        .expect("the server answers")
        .text;
    for (component, part) in worked {
        for family in [
            "cpu_seconds_total",
            "messages_total",
            "bytes_total",
            "lag_messages",
            "lag_seconds",
        ] {
            let line = format!(
                "huntcore_component_{family}{{component=\"{component}\",part=\"{part}\"}} "
            );
            assert!(metrics.contains(&line), "{line} in {metrics}");
        }
    }

    for component in ["edge", "arbiter", "log", "boards", "broadcast"] {
        let path = format!("/v1/autoscale/{component}");
        let answer = server.api.get(&path).await.expect("the server answers");
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.body["component"], component);
        assert!(
            answer.body["recommended"].as_u64() >= Some(1),
            "{}",
            answer.text
        );
        assert!(answer.body["lag_messages"].is_u64() && answer.body["lag_s"].is_number());
    }
    let answer = server
        .api
        .get("/v1/autoscale/sinks")
        .await
        .expect("the server answers");
    assert_eq!(answer.status, 404, "{}", answer.text);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_process_tells_of_what_it_has_and_nothing_of_its_nodes_arbiter() {
    let site = Site::new();
    let node = site.start().await;
    let edge = site.start_edge(&node.url, 0).await;
    for component in ["edge", "boards", "broadcast"] {
        let path = format!("/v1/autoscale/{component}");
        let answer = edge.api.get(&path).await.expect("the edge answers");
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.body["current"], 1, "{}", answer.text);
    }
    for component in ["arbiter", "log"] {
        let path = format!("/v1/autoscale/{component}");
        let answer = edge.api.get(&path).await.expect("the edge answers");
        assert_eq!(answer.status, 404, "{}", answer.text);
    }
    let folded = ("broadcast".to_owned(), "framing".to_owned());
    until("the edge folds what its node commits", || async {
        let all = components(&edge.api).await;
        (all[&folded]["messages_total"].as_u64() > Some(0)).then_some(())
    })
    .await;
    assert!(edge.stop().await.success());
    assert!(node.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn unit_costs_are_taken_from_a_running_server_and_planned_with() {
    let site = Site::new();
    let server = busy(&site).await;
    let path = site.folder().join("measured.toml");
    let path = path.to_str().expect("a plain path");
    let look = [
        "plan",
        "costs",
        "--url",
        &server.url,
        "--seconds",
        "1",
        "--write",
        path,
        "--json",
    ];
    let told = json(&site.run(&look));
    let measured_with = told["costs"]["measured_with"].to_string();
    assert!(
        measured_with.contains("huntcore plan costs --url"),
        "{measured_with}"
    );
    // Hardly anything happened meanwhile, and so the known costs stay.
    let kept = told["kept"].as_array().expect("names");
    assert!(kept.contains(&"edge.http_claim_cpu_us".into()), "{told}");
    assert!(server.stop().await.success());

    let plan = [
        "plan",
        "--players",
        "100",
        "--rate",
        "500",
        "--costs",
        path,
        "--json",
    ];
    let planned = json(&site.run(&plan));
    assert_eq!(planned["costs"], told["costs"]);
    let nobody = site.run(&[
        "plan",
        "costs",
        "--url",
        &server_that_is_gone(),
        "--seconds",
        "1",
    ]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(nobody.stderr.contains("--url"), "{}", nobody.stderr);
}

/// A place where nothing listens.
fn server_that_is_gone() -> String {
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = held.local_addr().expect("it has an address");
    drop(held);
    format!("http://{address}")
}
