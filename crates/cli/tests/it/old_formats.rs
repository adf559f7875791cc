//! Data that earlier versions wrote: a later one serves it with the same answers.
//!
//! `tests/fixtures/FORMAT` holds a data directory with checkpoints as a server left it after `kill -9`,
//! and what it had told. A fixture is never written anew; a new format gets one of its own, by
//! `HUNTCORE_FIXTURE=NAME cargo test -p huntcore-cli --test it -- --ignored old_formats`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Claim, Event, Ledger, Site, repository, until};

const TILES: u32 = 48;

fn fixtures() -> PathBuf {
    repository().join("crates/cli/tests/fixtures")
}

fn site() -> Site {
    let mut site = Site::new();
    site.shards = 3;
    site.tiles = TILES;
    site.claim_window = "2s";
    site.log = "segment_size = \"64KiB\"\ncheckpoint_every = \"500ms\"".to_owned();
    // What was answered then is asked for long after.
    site.limits = "answer_ttl = \"999999h\"".to_owned();
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn what_earlier_versions_wrote_is_verified_and_served_with_the_same_answers() {
    let mut formats = 0;
    for entry in fs::read_dir(fixtures()).expect("the fixtures are there") {
        let fixture = entry.expect("readable").path();
        let told = fs::read_to_string(fixture.join("told.json")).expect("what was told");
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let site = site();
        copy(&fixture.join("data"), &site.data);
        serve_as_told(&site, &told).await;
        formats += 1;
    }
    assert!(formats > 0, "no fixtures");
}

async fn serve_as_told(site: &Site, told: &Value) {
    let data = site.data.display().to_string();
    let verified = site.run(&["verify", "--json", "--data", &data]);
    assert!(
        verified.status.success(),
        "{} {}",
        verified.stdout,
        verified.stderr
    );
    let verified: Value = serde_json::from_str(&verified.stdout).expect("JSON");
    assert_eq!(verified["claims"], told["claims_won"], "{verified}");

    let server = site.start().await;
    // Its checkpoints can be read, too.
    let start = server.stderr();
    let is_from_checkpoint = start.contains("started from a checkpoint");
    assert!(
        is_from_checkpoint && !start.contains("passed over"),
        "{start}"
    );
    let items = told["claims"].as_array().expect("an array");
    let claims: Vec<Claim> = items.iter().map(claim).collect();
    let answers = server.api.claims(&claims).await.expect("the server lives");
    for (item, answer) in items.iter().zip(&answers) {
        for field in ["outcome", "points", "receipt", "winner_position"] {
            assert_eq!(answer[field], item["answer"][field], "{field}: {item}");
        }
    }
    for (name, board) in told["boards"].as_object().expect("boards") {
        let expected: BTreeMap<String, i64> =
            serde_json::from_value(board.clone()).expect("players and scores");
        until(&format!("{name} is as it was told"), || async {
            let found = server.api.board(name, None).await;
            (BTreeMap::from_iter(found) == expected).then_some(())
        })
        .await;
    }
    // And it goes on.
    let round = server.api.open_round().await;
    let claim = Claim {
        round,
        tile: 1,
        player: "somebody new".to_owned(),
    };
    let answer = server.api.claim(&claim).await.expect("the server lives");
    assert_eq!(answer.outcome(), "won", "{}", answer.text);
    assert!(server.stop().await.success());
}

fn claim(item: &Value) -> Claim {
    Claim {
        round: item["round"].as_u64().expect("a round"),
        tile: item["tile"]
            .as_u64()
            .and_then(|t| t.try_into().ok())
            .expect("a tile"),
        player: item["player"].as_str().expect("a player").to_owned(),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a new directory");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("known").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes a fixture: by hand, once for each format"]
async fn write_a_fixture() {
    let name = std::env::var("HUNTCORE_FIXTURE").expect("HUNTCORE_FIXTURE names it");
    let fixture = fixtures().join(name);
    assert!(!fixture.exists(), "a fixture is never written anew");
    let site = site();
    let server = site.start().await;
    let mut items = Vec::new();
    let mut ledger = Ledger::default();
    for turn in 0..3_u32 {
        let round = server.api.open_round().await;
        let claims: Vec<Claim> = (0..40)
            .map(|number| Claim {
                round,
                tile: number * 5 % TILES / 2,
                player: format!("player {}", (number + turn) % 7),
            })
            .collect();
        let answers = server.api.claims(&claims).await.expect("the server lives");
        for (claim, answer) in claims.iter().zip(answers) {
            let outcome = answer["outcome"].as_str().expect("an outcome");
            assert!(ledger.answered(claim, outcome, &answer), "{answer}");
            items.push(json!({
                "round": claim.round, "tile": claim.tile, "player": claim.player,
                "answer": answer,
            }));
        }
        let event = |number: i64| Event {
            id: format!("{turn}-{number}"),
            player: format!("player {}", number % 5),
            score: number * 7 % 31,
        };
        let events: Vec<Event> = (0..20).map(event).collect();
        let answer = server.api.events(&events).await.expect("the server lives");
        assert_eq!(answer.body["accepted"], 20, "{}", answer.text);
        events
            .into_iter()
            .for_each(|event| ledger.event_answered(event));
        server.api.round_after(round).await;
    }
    server.kill();
    copy(&site.data, &fixture.join("data"));
    // Made anew at the start, and of another version each time.
    fs::remove_file(fixture.join("data/lock")).expect("it was locked");
    let told = json!({
        "claims": items,
        "claims_won": ledger.winners().len(),
        "boards": { "total": ledger.total(), "best": ledger.best() },
    });
    fs::write(fixture.join("told.json"), format!("{told:#}\n")).expect("written");
}
