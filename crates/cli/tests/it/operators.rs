//! What operators do from the command line, beside a running server and after it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Claim, Event, Exit, SERVICE_KEY, Server, Site, repository};

/// A server that some players have won tiles on and scored; how many tiles.
async fn played(site: &Site) -> (Server, usize) {
    let server = site.start().await;
    let mut won = 0;
    for _ in 0..3 {
        let round = server.api.open_round().await;
        let claims: Vec<Claim> = (0..40)
            .map(|tile| Claim {
                round,
                tile,
                player: format!("player {}", tile % 7),
            })
            .collect();
        let answers = server.api.claims(&claims).await.expect("the server lives");
        won += answers
            .iter()
            .filter(|answer| answer["outcome"] == "won")
            .count();
        let events: Vec<Event> = (0..20)
            .map(|number| Event {
                id: format!("{round}-{number}"),
                player: format!("player {}", number % 5),
                score: number * 3 % 11,
            })
            .collect();
        let answer = server.api.events(&events).await.expect("the server lives");
        assert_eq!(answer.status, 200, "{}", answer.text);
        server.api.round_after(round).await;
    }
    (server, won)
}

fn three_shards() -> Site {
    let mut site = Site::new();
    site.shards = 3;
    site.claim_window = "1s";
    site
}

fn json(exit: &Exit) -> Value {
    serde_json::from_str(&exit.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", exit.stdout, exit.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_looked_into_and_verified_beside_its_server_and_after_it() {
    let site = three_shards();
    let data = site.data.display().to_string();
    let (server, won) = played(&site).await;
    let place = ["--data", &data, "--json"];
    let verify = || json(&site.run(&[&["verify"], &place[..]].concat()));

    let beside = verify();
    assert_eq!(
        (&beside["ok"], &beside["claims"]),
        (&true.into(), &won.into()),
        "{beside}"
    );
    assert!(server.stop().await.success());

    let listed = json(&site.run(&[&["log", "ls"], &place[..]].concat()));
    let streams = listed["streams"].as_array().expect("streams");
    let names: Vec<&str> = streams
        .iter()
        .filter_map(|s| s["stream"].as_str())
        .collect();
    assert_eq!(
        names,
        ["shard-00000", "shard-00001", "shard-00002", "control"]
    );
    let records: u64 = streams
        .iter()
        .filter_map(|stream| stream["next"].as_u64())
        .sum();

    let printed = site.run(&[&["log", "cat"], &place[..]].concat());
    assert!(printed.status.success(), "{}", printed.stderr);
    let lines: Vec<Value> = printed
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("one object a line"))
        .collect();
    let of_kind = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).count();
    assert_eq!(
        lines.iter().filter(|line| line["type"] == "record").count() as u64,
        records
    );
    assert_eq!((of_kind("claim"), of_kind("score")), (won, 60));

    let stat = json(&site.run(&[&["log", "stat"], &place[..]].concat()));
    let counted = stat["streams"].as_array().expect("streams");
    let sum = |field: &str| -> u64 {
        let of_stream = |stream: &Value| stream.pointer(field).and_then(Value::as_u64);
        counted.iter().filter_map(of_stream).sum()
    };
    assert_eq!((sum("/records"), sum("/durable_end")), (records, records));
    assert_eq!((sum("/kinds/claim"), sum("/kinds/score")), (won as u64, 60));
    let batches = lines.iter().filter(|line| line["type"] == "batch").count();
    assert_eq!(sum("/batches"), batches as u64);
    assert_eq!(counted[0]["epochs"], serde_json::json!([1, 1]), "{stat}");
    assert!(stat["free_bytes"].as_u64() > Some(0), "{stat}");
    assert_eq!(stat["checkpoints_passed_over"], serde_json::json!([]));
    let quick = json(&site.run(&[&["log", "stat", "--quick"], &place[..]].concat()));
    assert_eq!(quick["streams"][0].get("kinds"), None, "{quick}");
    assert_eq!(quick["streams"][0]["to"], stat["streams"][0]["to"]);

    let bytes = json(&site.run(&[&["log", "verify"], &place[..]].concat()));
    assert_eq!(bytes["ok"], true, "{bytes}");
    let whole = verify();
    assert_eq!(
        (&whole["ok"], &whole["ends_compared"]),
        (&true.into(), &true.into()),
        "{whole}"
    );
    assert_eq!(whole["records"], records);
    assert_eq!(whole["points_verified"], won);
    assert_eq!(whole["with_fairness_key"], true);

    // The configuration names the data just as well, and people read tables.
    let for_people = site.run(&["log", "stat"]);
    assert!(for_people.status.success(), "{}", for_people.stderr);
    for needle in ["durable end", "claims", "kept for 30d", "below 256.0 MiB"] {
        assert!(
            for_people.stdout.contains(needle),
            "{needle} in: {}",
            for_people.stdout
        );
    }
    let for_people = site.run(&["verify"]);
    assert!(for_people.status.success(), "{}", for_people.stderr);
    assert!(
        for_people.stdout.trim_end().ends_with("ok"),
        "{}",
        for_people.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn printing_a_log_ends_quietly_when_nobody_reads_on() {
    let site = Site::new();
    let (server, _) = played(&site).await;
    let mut cat = Command::new(env!("CARGO_BIN_EXE_huntcore"))
        .args(["log", "cat", "--data"])
        .arg(&site.data)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut line = String::new();
    let mut reader = BufReader::with_capacity(64, cat.stdout.take().expect("piped"));
    reader.read_line(&mut line).expect("a line");
    assert!(line.starts_with("== "), "{line}");
    drop(reader);
    let output = cat.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stderr.is_empty(),
        "{} {stderr}",
        output.status
    );
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_end_and_a_flipped_bit_are_found() {
    let site = three_shards();
    let (server, _) = played(&site).await;
    assert!(server.stop().await.success());
    let segment: PathBuf = site.data.join("shard-00001").join(format!("{:020}.log", 0));
    let sound = fs::read(&segment).expect("the segment is readable");
    let used = sound
        .iter()
        .rposition(|byte| *byte != 0)
        .expect("it holds batches")
        + 1;

    // As if the end had never reached the disk: nothing in the stream itself tells.
    let mut cut = sound.clone();
    let kept = 4_096 + (used - 4_096) / 2;
    cut[kept..].fill(0);
    fs::write(&segment, &cut).expect("the segment is writable");
    assert!(site.run(&["log", "verify"]).status.success());
    let found = site.run(&["verify", "--json"]);
    assert_eq!(found.status.code(), Some(1), "{}", found.stdout);
    let faults = json(&found)["faults"].clone();
    let names: Vec<&str> = faults
        .as_array()
        .expect("faults")
        .iter()
        .filter_map(|fault| fault["fault"].as_str())
        .collect();
    assert!(names.contains(&"seed-before-shard"), "{faults}");

    let mut flipped = sound;
    flipped[kept] ^= 4;
    fs::write(&segment, &flipped).expect("the segment is writable");
    for command in [&["log", "verify"][..], &["verify"], &["log", "cat"]] {
        let found = site.run(command);
        assert_eq!(found.status.code(), Some(1), "{command:?}");
        let told = found.stdout + &found.stderr;
        assert!(
            told.contains("shard-00001") && told.contains("offset"),
            "{command:?}: {told}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hunt_is_run_from_the_command_line() {
    let site = Site::new();
    let server = site.start().await;
    let area = repository().join("examples/areas/tiergarten.geojson");
    let area = area.to_str().expect("a plain path");
    let hunt = |arguments: &[&str]| {
        site.run(&[&["hunt", "--url", &server.url, "--json"], arguments].concat())
    };
    let state = |exit: Exit| {
        assert!(exit.status.success(), "{}", exit.stderr);
        json(&exit)["state"].as_str().expect("a state").to_owned()
    };

    let made = [
        "create",
        "pool",
        "--area",
        area,
        "--resolution",
        "10",
        "--tiles",
        "32",
        "--value",
        "3:1",
    ];
    let made = json(&hunt(&made));
    assert_eq!(
        (&made["hunt"], &made["tiles"]),
        (&"pool".into(), &32.into()),
        "{made}"
    );
    assert_eq!(made["values"][0]["points"], 3);
    let changed = json(&hunt(&["change", "pool", "--tiles", "16"]));
    assert_eq!(
        (&changed["config_version"], &changed["tiles"]),
        (&2.into(), &16.into())
    );
    assert_eq!(changed["versions"][0]["tiles"], 32);
    let listed = json(&hunt(&["list"]));
    assert_eq!(listed["hunts"].as_array().map(Vec::len), Some(2));
    assert_eq!(state(hunt(&["pause", "pool"])), "paused");
    assert_eq!(state(hunt(&["resume", "pool"])), "running");
    assert_eq!(state(hunt(&["close", "pool"])), "closed");
    assert!(json(&hunt(&["show", "pool"]))["closed_at"].is_string());

    let again = hunt(&["pause", "pool"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(again.stderr.contains("hunt-closed"), "{}", again.stderr);
    let usage = hunt(&["create", "lake"]);
    assert_eq!(usage.status.code(), Some(2), "{}", usage.stderr);
    let forbidden = hunt(&["pause", "park", "--service-key", "another key"]);
    assert_eq!(forbidden.status.code(), Some(1));
    assert!(
        forbidden.stderr.contains("--service-key"),
        "{}",
        forbidden.stderr
    );
    assert!(
        !forbidden.stderr.contains(SERVICE_KEY),
        "{}",
        forbidden.stderr
    );
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn boards_and_fairness_are_read_from_the_public_api() {
    let site = three_shards();
    let (server, won) = played(&site).await;
    let top = json(&site.run(&[
        "board",
        "park",
        "--url",
        &server.url,
        "--limit",
        "3",
        "--json",
    ]));
    let entries = top["entries"].as_array().expect("entries");
    assert_eq!((entries.len(), &top["players"]), (3, &7.into()), "{top}");
    let player = entries[1]["player"].as_str().expect("a player");
    let line = [
        "board",
        "park",
        "--url",
        &server.url,
        "--player",
        player,
        "--limit",
        "1",
    ];
    let place = site.run(&line);
    assert!(
        place.stdout.contains(&format!("{player} is 2 of 7")),
        "{}",
        place.stdout
    );
    assert!(won > 0);

    let fair = [
        "verify",
        "fairness",
        "--url",
        &server.url,
        "--rounds",
        "5",
        "--wait",
        "--json",
    ];
    let fair = site.run(&fair);
    assert!(fair.status.success(), "{} {}", fair.stdout, fair.stderr);
    let fair = json(&fair);
    let hunt = &fair["hunts"][0];
    assert_eq!(
        (&fair["ok"], &hunt["seeds_pending"]),
        (&true.into(), &0.into()),
        "{fair}"
    );
    assert!(hunt["maps_verified"].as_u64() >= Some(3), "{fair}");
    let unknown = site.run(&["verify", "fairness", "--url", &server.url, "--hunt", "lake"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        unknown.stderr.contains("unknown-hunt"),
        "{}",
        unknown.stderr
    );
    assert!(server.stop().await.success());
    let gone = site.run(&["board", "park", "--url", &nowhere()]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(gone.stderr.contains("HUNTCORE_URL"), "{}", gone.stderr);
}

/// A place where nothing listens.
fn nowhere() -> String {
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = held.local_addr().expect("it has an address");
    drop(held);
    format!("http://{address}")
}
