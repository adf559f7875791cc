//! Backups made beside a server under load: whatever was answered before one began is in it.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::support::{Api, Claim, Ledger, PATIENCE, Site, run};

const TILES: u32 = 256;

/// Somebody who claims tiles, one batch after another.
struct Playing {
    ending: Arc<AtomicBool>,
    /// One permit for each batch that was answered.
    batches: Arc<Semaphore>,
    player: JoinHandle<Ledger>,
}

impl Playing {
    fn start(api: &Api) -> Self {
        let ending = Arc::new(AtomicBool::new(false));
        let batches = Arc::new(Semaphore::new(0));
        let player = tokio::spawn(play_on(api.clone(), ending.clone(), batches.clone()));
        Self {
            ending,
            batches,
            player,
        }
    }

    async fn batches(&self, count: u32) {
        let all = self.batches.acquire_many(count);
        let all = tokio::time::timeout(PATIENCE, all).await;
        assert!(all.is_ok(), "{count} batches were not answered");
    }

    /// All that was answered.
    async fn end(self) -> Ledger {
        self.ending.store(true, Ordering::Relaxed);
        self.player.await.expect("no contradiction")
    }
}

async fn play_on(api: Api, ending: Arc<AtomicBool>, batches: Arc<Semaphore>) -> Ledger {
    let mut ledger = Ledger::default();
    let mut turn = 0_u32;
    while !ending.load(Ordering::Relaxed) {
        let round = api.open_round().await;
        let claims: Vec<Claim> = (0..32)
            .map(|number| Claim {
                round,
                tile: (turn * 32 + number) % TILES,
                player: format!("player {}", (turn + number) % 23),
            })
            .collect();
        let answers = api.claims(&claims).await.expect("the server lives");
        for (claim, answer) in claims.iter().zip(&answers) {
            let outcome = answer["outcome"].as_str().expect("an outcome");
            ledger.answered(claim, outcome, answer);
        }
        turn += 1;
        batches.add_permits(1);
    }
    ledger
}

/// So many batches of claims.
async fn play_for(api: &Api, batches: u32) -> Ledger {
    let playing = Playing::start(api);
    playing.batches(batches).await;
    playing.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_verified_restored_and_served_with_the_same_answers() {
    let mut site = Site::new();
    site.shards = 3;
    site.tiles = TILES;
    site.claim_window = "15m";
    site.keep_little();
    let server = site.start().await;

    // Before the backup, and on through it.
    let before = play_for(&server.api, 20).await;
    let playing = Playing::start(&server.api);
    playing.batches(1).await;
    let folder = site.folder().to_owned();
    let backup = tokio::task::spawn_blocking(move || {
        run(&["log", "backup", "--to", "copies/one", "--json"], &folder)
    });
    let backup = backup.await.expect("it runs");
    assert!(backup.status.success(), "{}", backup.stderr);
    let report: Value = serde_json::from_str(&backup.stdout).expect("one object");
    assert_eq!(
        report["streams"].as_array().map(Vec::len),
        Some(4),
        "{report}"
    );
    let meanwhile = playing.end().await;
    assert!(meanwhile.winners().len() > 32, "{}", meanwhile.summary());

    // Never into something that is there.
    let again = site.run(&["log", "backup", "--to", "copies/one"]);
    assert!(!again.status.success());
    assert!(again.stderr.contains("is not empty"), "{}", again.stderr);
    let onto = site.run(&["log", "restore", "--from", "copies/one", "--data", "data"]);
    assert!(!onto.status.success());
    assert!(onto.stderr.contains("is not empty"), "{}", onto.stderr);
    drop(server);

    let restored = site.run(&[
        "log",
        "restore",
        "--from",
        "copies/one",
        "--data",
        "other",
        "--json",
    ]);
    assert!(restored.status.success(), "{}", restored.stderr);
    let verified = site.run(&["verify", "--data", "other", "--json"]);
    assert!(
        verified.status.success(),
        "{} {}",
        verified.stdout,
        verified.stderr
    );
    site.data = site.folder().join("other");
    let server = site.start().await;
    let mut ledger = before;
    let claims = ledger.claims_to_ask(None);
    let answers = server.api.claims(&claims).await.expect("the server lives");
    for (claim, answer) in claims.iter().zip(&answers) {
        let outcome = answer["outcome"].as_str().expect("an outcome");
        assert!(
            ledger.answered(claim, outcome, answer),
            "{claim:?}: {answer}"
        );
    }
    ledger.assert_settled();
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_refused_with_file_and_offset_and_leaves_nothing_behind() {
    let mut site = Site::new();
    site.tiles = TILES;
    site.log = "segment_size = \"64KiB\"".to_owned();
    let server = site.start().await;
    play_for(&server.api, 3).await;
    let made = site.run(&["log", "backup", "--to", "copy"]);
    assert!(made.status.success(), "{}", made.stderr);
    assert!(made.stdout.contains("verified"), "{}", made.stdout);

    let segment = site
        .folder()
        .join("copy/shard-00000/00000000000000000000.log");
    let mut bytes = fs::read(&segment).expect("a copied file");
    bytes[5_000] ^= 1;
    fs::write(&segment, bytes).expect("written");
    let refused = site.run(&["log", "restore", "--from", "copy", "--data", "other"]);
    assert!(!refused.status.success());
    for needle in ["00000000000000000000.log", "offset"] {
        assert!(
            refused.stderr.contains(needle),
            "{needle} in: {}",
            refused.stderr
        );
    }
    let nothing = site.run(&["log", "ls", "--data", "other"]);
    assert!(!nothing.status.success(), "{}", nothing.stdout);
    let missing = site.run(&["log", "restore", "--from", "nowhere", "--data", "other"]);
    assert!(missing.stderr.contains("nowhere"), "{}", missing.stderr);
}
