//! Starts from checkpoints: what is damaged is passed over by name, what it held is not lost,
//! and where nothing can make up for it the server says what can.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Claim, Event, Ledger, Server, Site, until};

const TILES: u32 = 64;

/// A site that takes checkpoints all the time.
fn site(log: &str) -> Site {
    let mut site = Site::new();
    site.shards = 3;
    site.round = "300ms";
    site.claim_window = "4m";
    site.tiles = TILES;
    site.keep_little();
    site.log += log;
    site
}

/// What `huntcore log stat` says.
fn stat(site: &Site) -> Value {
    let data = site.data.display().to_string();
    let exit = site.run(&["log", "stat", "--quick", "--json", "--data", &data]);
    assert!(exit.status.success(), "{}", exit.stderr);
    serde_json::from_str(&exit.stdout).expect("JSON")
}

/// Ids of the checkpoints there are, newest first.
fn checkpoints(site: &Site) -> Vec<u64> {
    let stat = stat(site);
    let listed = stat["checkpoints"].as_array().expect("an array");
    let ids = listed
        .iter()
        .map(|one| one["id"].as_u64().expect("a number"));
    ids.collect()
}

/// Every player of some tries every tile of the newest round, and scores.
async fn play(server: &Server, ledger: &mut Ledger) {
    let round = server.api.open_round().await;
    let claims: Vec<Claim> = (0..TILES * 2)
        .map(|number| Claim {
            round,
            tile: number % TILES,
            player: format!("player {}", number * 7 % 13),
        })
        .collect();
    let answers = server.api.claims(&claims).await.expect("the server lives");
    for (claim, answer) in claims.iter().zip(&answers) {
        let outcome = answer["outcome"].as_str().expect("an outcome");
        assert!(ledger.answered(claim, outcome, answer), "{answer}");
    }
    let events: Vec<Event> = (0..20)
        .map(|number| Event {
            id: format!("{round}-{number}"),
            player: format!("player {}", number % 5),
            score: i64::try_from(round).expect("a small number") * 3 % 17 + number,
        })
        .collect();
    let answer = server.api.events(&events).await.expect("the server lives");
    assert_eq!(answer.status, 200, "{}", answer.text);
    for event in events {
        ledger.event_answered(event);
    }
}

/// Every answer that was given is given again, and the boards equal the ledger.
async fn holds(server: &Server, ledger: &mut Ledger) {
    let claims = ledger.claims_to_ask(None);
    let answers = server.api.claims(&claims).await.expect("the server lives");
    for (claim, answer) in claims.iter().zip(&answers) {
        let outcome = answer["outcome"].as_str().expect("an outcome");
        assert!(ledger.answered(claim, outcome, answer), "{answer}");
    }
    let events = ledger.events_to_ask(None);
    let answer = server.api.events(&events).await.expect("the server lives");
    assert_eq!(answer.body["duplicates"], events.len(), "{}", answer.text);
    for (name, fold) in [("total", ledger.total()), ("best", ledger.best())] {
        until(&format!("{name} equals the ledger"), || async {
            let board = server.api.board(name, None).await;
            (board
                .into_iter()
                .collect::<std::collections::BTreeMap<_, _>>()
                == fold)
                .then_some(())
        })
        .await;
    }
}

/// Plays until there are two checkpoints that both have seen something, and `enough` holds.
async fn play_until(site: &Site, server: &Server, ledger: &mut Ledger, enough: fn(&Value) -> bool) {
    let mut first = None;
    loop {
        play(server, ledger).await;
        let newest = checkpoints(site).first().copied();
        first = first.or(newest);
        // Both that are kept were taken after the first play.
        let seen = newest
            .zip(first)
            .is_some_and(|(newest, first)| newest >= first + 2);
        if seen && enough(&stat(site)) {
            return;
        }
        let round = server.api.open_round().await;
        server.api.round_after(round).await;
    }
}

fn any(_: &Value) -> bool {
    true
}

/// Whether each shard's beginning was trimmed.
fn is_trimmed(stat: &Value) -> bool {
    let streams = stat["streams"].as_array().expect("an array");
    let shards = streams
        .iter()
        .filter(|stream| stream["stream"] != "control");
    shards
        .into_iter()
        .all(|stream| stream["first"].as_u64() > Some(0))
}

/// Flips a bit in the middle of a checkpoint's part; the file.
fn damage(site: &Site, id: u64, part: &str) -> PathBuf {
    let file = site.data.join(format!("checkpoints/{id:020}/{part}.part"));
    let mut bytes = fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&file, bytes).expect("written");
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_checkpoint_is_passed_over_by_name_and_the_older_one_is_used() {
    for part in ["shard-00001", "control", "boards"] {
        let site = site("");
        let mut ledger = Ledger::default();
        let server = site.start().await;
        play_until(&site, &server, &mut ledger, any).await;
        server.kill();

        let kept = checkpoints(&site);
        assert_eq!(kept.len(), 2, "{kept:?}");
        let file = damage(&site, kept[0], part);
        let server = site.start().await;
        let said = server.stderr();
        let warned = format!("checkpoint {} is passed over", kept[0]);
        let line = said.lines().find(|line| line.contains(&warned));
        let line = line.unwrap_or_else(|| panic!("no {warned:?} in: {said}"));
        assert!(line.contains(&file.display().to_string()), "{line}");
        let used = format!("started from a checkpoint id={} ", kept[1]);
        assert!(said.contains(&used), "no {used:?} in: {said}");
        holds(&server, &mut ledger).await;

        // It takes checkpoints again, and these are good.
        play(&server, &mut ledger).await;
        until("two later checkpoints", || async {
            let later = checkpoints(&site);
            (later.len() == 2 && later[1] > kept[0]).then_some(())
        })
        .await;
        server.kill();
        let server = site.start().await;
        holds(&server, &mut ledger).await;
        assert!(server.stop().await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_checkpoint_the_whole_log_is_folded() {
    // Nothing is trimmed.
    let site = {
        let mut site = site("");
        site.log = site.log.replace("retention = \"1s\"", "retention = \"1h\"");
        site
    };
    let mut ledger = Ledger::default();
    let server = site.start().await;
    play_until(&site, &server, &mut ledger, any).await;
    server.kill();
    for id in checkpoints(&site) {
        damage(&site, id, "shard-00000");
    }
    let server = site.start().await;
    assert_eq!(server.stderr().matches("is passed over").count(), 2);
    holds(&server, &mut ledger).await;
    assert!(server.stop().await.success());
    let verified = site.run(&["verify"]);
    assert!(
        verified.status.success(),
        "{} {}",
        verified.stdout,
        verified.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trimmed_log_without_a_good_checkpoint_is_refused_and_a_backup_brings_it_back() {
    let mut site = site("");
    let mut ledger = Ledger::default();
    let server = site.start().await;
    play_until(&site, &server, &mut ledger, is_trimmed).await;
    let backup = site.folder().join("backup").display().to_string();
    let made = site.run(&["log", "backup", "--to", &backup, "--json"]);
    assert!(made.status.success(), "{}", made.stderr);
    assert!(server.stop().await.success());
    // What is left can be looked into and judged.
    for command in ["log ls", "log cat", "log verify", "log stat", "verify"] {
        let words: Vec<&str> = command.split(' ').collect();
        let exit = site.run(&words);
        assert!(
            exit.status.success(),
            "{command}: {} {}",
            exit.stdout,
            exit.stderr
        );
        let says = exit.stdout.contains("taken on trust");
        assert_eq!(says, command == "verify", "{command}: {}", exit.stdout);
    }

    for id in checkpoints(&site) {
        damage(&site, id, "shard-00002");
    }
    let Err(refused) = site.try_start().await else {
        panic!("it started although nothing says what was trimmed");
    };
    assert!(!refused.status.success());
    for needle in ["trimmed", "checkpoint", "shard-00002.part", "backup"] {
        assert!(
            refused.stderr.contains(needle),
            "{needle} in: {}",
            refused.stderr
        );
    }

    let elsewhere = site.folder().join("elsewhere");
    let target = elsewhere.display().to_string();
    let restored = site.run(&["log", "restore", "--from", &backup, "--data", &target]);
    assert!(restored.status.success(), "{}", restored.stderr);
    site.data = elsewhere;
    let server = site.start().await;
    holds(&server, &mut ledger).await;
    assert!(server.stop().await.success());
}
