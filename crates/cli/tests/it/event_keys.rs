//! `kill -9` while events leave memory for the disk, are merged and looked up: each event that
//! was acknowledged is taken once, and on the board once, whatever of the disk is there.

use crate::support::{Event, Metrics, Server, Site};

const PLAYERS: usize = 40;
/// Events of one request.
const TOGETHER: usize = 100;
const LIVES: usize = 8;

/// Buckets of 300 events, so that a life of some thousand writes and merges many.
fn site(shards: u16) -> Site {
    let mut site = Site::new();
    site.shards = shards;
    site.keep_little();
    site.limits = "events_sealed_at = 300".to_owned();
    site
}

fn event(number: usize) -> Event {
    Event {
        id: format!("e-{number}"),
        player: format!("player-{}", number % PLAYERS),
        score: i64::try_from(number).expect("few"),
    }
}

/// Sends events again that were acknowledged: all are known, and with another score none is.
async fn assert_known(server: &Server, acknowledged: usize, context: &str) {
    let numbers: Vec<usize> = (0..acknowledged).collect();
    for part in numbers.chunks(2_000) {
        let again: Vec<Event> = part.iter().map(|&number| event(number)).collect();
        let answer = server.api.events(&again).await.expect("an answer");
        let told = &answer.body;
        assert_eq!(told["duplicates"], part.len(), "{context}: {told}");
        let changed = again.into_iter().map(|event| Event {
            score: event.score + 1,
            ..event
        });
        let changed: Vec<Event> = changed.collect();
        let answer = server.api.events(&changed).await.expect("an answer");
        let refused = answer.body["refused"].as_array().expect("an array").clone();
        assert_eq!(refused.len(), part.len(), "{context}");
        assert!(
            refused.iter().all(|one| one["outcome"] == "event-conflict"),
            "{context}"
        );
    }
}

async fn hold(shards: u16) {
    let site = site(shards);
    let mut acknowledged = 0;
    for life in 0..LIVES {
        let server = site.start().await;
        assert_known(
            &server,
            acknowledged,
            &format!("life {life}, {shards} shards"),
        )
        .await;
        let mut runs = 0;
        while runs < 6 {
            let events: Vec<Event> = (acknowledged..acknowledged + TOGETHER).map(event).collect();
            let answer = server.api.events(&events).await.expect("an answer");
            // What the kill before cut short may be there.
            let told = &answer.body;
            let taken = told["accepted"].as_u64().zip(told["duplicates"].as_u64());
            let taken = taken.map(|(accepted, duplicates)| accepted + duplicates);
            assert_eq!(taken, Some(TOGETHER as u64), "{told}");
            acknowledged += TOGETHER;
            runs = Metrics::of(&server.api)
                .await
                .get("huntcore_event_key_runs_written_total");
        }
        // Some more is on its way to the disk when it ends.
        let unanswered: Vec<Event> = (acknowledged..acknowledged + TOGETHER).map(event).collect();
        let api = server.api.clone();
        let sending = tokio::spawn(async move { api.events(&unanswered).await.is_ok() });
        server.kill();
        drop(sending.await);
    }
    let server = site.start().await;
    assert_known(&server, acknowledged, "the last").await;
    let on_disk = Metrics::of(&server.api).await.get("huntcore_event_keys");
    assert!(on_disk > 1_000, "{on_disk} events on disk prove little");
    let best = server.api.board("best", None).await;
    let shown = best
        .iter()
        .find(|(player, _)| player == "player-0")
        .map(|(_, score)| *score);
    let last = (0..acknowledged + TOGETHER)
        .rev()
        .find(|number| number % PLAYERS == 0);
    let last = i64::try_from(last.expect("many")).expect("few");
    let before = last - i64::try_from(PLAYERS * (TOGETHER / PLAYERS + 1)).expect("few");
    assert!(
        shown.is_some_and(|shown| (before..=last).contains(&shown)),
        "{shown:?} of {last}"
    );
    assert!(server.stop().await.success());
    let verified = site.run(&["verify", "--data", "data", "--json"]);
    assert!(
        verified.status.success(),
        "{} {}",
        verified.stdout,
        verified.stderr
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_taken_once_through_kill_9_while_they_leave_memory_with_one_shard() {
    hold(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_taken_once_through_kill_9_while_they_leave_memory_with_three_shards() {
    hold(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_holds_the_events_that_stand_on_disk() {
    let mut site = site(1);
    site.log = "segment_size = \"64KiB\"".to_owned();
    let server = site.start().await;
    let mut acknowledged = 0;
    while Metrics::of(&server.api)
        .await
        .get("huntcore_event_key_runs_written_total")
        < 3
    {
        let events: Vec<Event> = (acknowledged..acknowledged + TOGETHER).map(event).collect();
        server.api.events(&events).await.expect("an answer");
        acknowledged += TOGETHER;
    }
    let copied = site.run(&["log", "backup", "--data", "data", "--to", "copy"]);
    assert!(copied.status.success(), "{}", copied.stderr);
    server.kill();
    let runs = std::fs::read_dir(site.folder().join("copy/event-keys/shard-0"));
    assert!(runs.expect("copied").count() > 0);
    site.data = site.folder().join("copy");
    let server = site.start().await;
    assert_known(&server, acknowledged, "the copy").await;
}
