//! The audit trail from outside: exported from a live log, proved, falsified, and queried by a
//! program that nobody here wrote.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Claim, Event, Site, repository, run};

/// Plays for two rounds; gives the tiles won and the scores taken.
async fn play(site: &Site) -> (usize, usize) {
    let server = site.start().await;
    let mut won = 0;
    let mut round = server.api.open_round().await;
    for _ in 0..2 {
        let claims: Vec<Claim> = (0..20)
            .map(|tile| Claim {
                round,
                tile,
                player: format!("player \"{}\"", tile % 3),
            })
            .collect();
        let answers = server.api.claims(&claims).await.expect("it answers");
        won += answers.iter().filter(|a| a["outcome"] == "won").count();
        round = server.api.round_after(round).await;
    }
    let events: Vec<Event> = (0..10)
        .map(|index| Event {
            id: format!("e{index}"),
            player: format!("player \"{}\"", index % 4),
            score: index,
        })
        .collect();
    let answer = server.api.events(&events).await.expect("it answers");
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(server.stop().await.success());
    (won, events.len())
}

fn path(site: &Site, name: &str) -> String {
    site.folder().join(name).to_string_lossy().into_owned()
}

fn export(site: &Site, options: &[&str]) -> String {
    let data = site.data.to_string_lossy().into_owned();
    let arguments = [&["log", "export", "--data", &data], options].concat();
    let exit = site.run(&arguments);
    assert!(exit.status.success(), "{}", exit.stderr);
    exit.stdout
}

fn prove(file: &str) -> (bool, Value, String) {
    let exit = run(&["--json", "verify", "--export", file], &repository());
    let report = serde_json::from_str(&exit.stdout).unwrap_or(Value::Null);
    (exit.status.success(), report, exit.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_trail_is_proved_and_every_line_that_is_altered_or_missing_is_found() {
    for shards in [1, 3] {
        let mut site = Site::new();
        site.shards = shards;
        let (won, scored) = play(&site).await;
        let text = export(&site, &[]);
        let lines: Vec<&str> = text.lines().collect();
        let of = |kind: &str| lines.iter().filter(|line| line.contains(kind)).count();
        assert_eq!(of("\"huntcore.claim.v1\""), won);
        assert_eq!(of("\"huntcore.score.v1\""), scored);

        let file = path(&site, "trail.ndjson");
        export(&site, &["--out", &file]);
        assert_eq!(fs::read_to_string(&file).expect("written"), text);
        let (is_whole, report, stderr) = prove(&file);
        assert!(is_whole, "{stderr}");
        assert_eq!(report["names_on_trust"], 0);
        assert_eq!(
            report["streams"].as_array().map(Vec::len),
            Some(usize::from(shards) + 1)
        );

        let falsified = path(&site, "falsified.ndjson");
        let claim = lines.iter().position(|line| line.contains("claim.v1"));
        let claim = claim.expect("one was won");
        let without: Vec<&str> = [&lines[..claim], &lines[claim + 1..]].concat();
        let mut richer = lines.clone();
        let points = lines[claim].replace("\"points\":", "\"points\":9");
        richer[claim] = &points;
        for altered in [without, richer] {
            fs::write(&falsified, altered.join("\n")).expect("a folder of its own");
            let (is_whole, report, _) = prove(&falsified);
            assert!(!is_whole);
            assert!(report["faults_total"].as_u64() > Some(0), "{report}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_in_parquet_is_proved_and_read_by_duckdb() {
    let site = Site::new();
    let (won, scored) = play(&site).await;
    let file = path(&site, "trail.parquet");
    export(&site, &["--format", "parquet", "--out", &file]);
    let (is_whole, report, stderr) = prove(&file);
    assert!(is_whole, "{stderr}");

    let asked = "select count(*) filter (type = 'huntcore.claim.v1' and hunt = 'park' \
                 and tile is not null and subject like 'player \"%'), \
                 count(*) filter (type = 'huntcore.score.v1' and event_id like 'e%'), \
                 sum(score), count(distinct octet_length(record)) > 1, \
                 count(*) filter (type <> 'huntcore.batch.v1'), min(time) > timestamp '2020-01-01' \
                 from read_parquet(?)";
    let script =
        "import duckdb, sys\nprint(*duckdb.execute(sys.argv[1], [sys.argv[2]]).fetchone())";
    let output = Command::new(python())
        .args(["-c", script, asked, &file])
        .output()
        .expect("make setup brings it");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let records = report["records"].as_u64().expect("a number");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        format!("{won} {scored} 45 True {records} True"),
        "{stderr}"
    );

    let again = site.run(&["log", "export", "--format", "parquet", "--out", &file]);
    assert!(!again.status.success(), "a trail is not overwritten");
    let mut bytes = fs::read(&file).expect("written");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).expect("a folder of its own");
    assert!(!prove(&file).0, "a flipped bit is found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_of_time_is_proved_with_the_names_on_trust() {
    let site = Site::new();
    play(&site).await;
    let all = export(&site, &[]);
    let events: Vec<Value> = all
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event"))
        .collect();
    let last = events
        .iter()
        .rev()
        .find(|e| e["type"] == "huntcore.score.v1");
    let from = last.expect("some were taken")["time"]
        .as_str()
        .expect("a time");
    let file = path(&site, "end.ndjson");
    export(&site, &["--from", from, "--out", &file]);
    let (is_whole, report, stderr) = prove(&file);
    assert!(is_whole, "{stderr}");
    assert!(report["names_on_trust"].as_u64() > Some(0), "{report}");
    let fewer = fs::read_to_string(&file).expect("written").lines().count();
    assert!(fewer < events.len());
    export(
        &site,
        &["--to", from, "--out", &path(&site, "begin.ndjson")],
    );
    let rest = fs::read_to_string(path(&site, "begin.ndjson")).expect("written");
    assert_eq!(rest.lines().count() + fewer, events.len());
}

fn python() -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = target.parent().expect("target/tmp lies in target");
    target
        .join("tools/bin/python")
        .to_string_lossy()
        .into_owned()
}
