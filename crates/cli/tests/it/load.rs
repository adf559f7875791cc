//! `huntcore load scores` and `huntcore verify boards`: what they find on an honest server,
//! through kills, checkpoints and switches of how boards are refreshed, is nothing.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Exit, Metrics, Server, Site, until};

/// A few seconds with everything that a real day has.
const SHAPE: &str = "
seed = 7
[players]
count = 300
zipf = 1.0
[events]
late = { share = 0.05, by = \"60s\" }
duplicates = { share = 0.2, within = \"1s\" }
clocks = { share = 0.3, off = \"4s\" }
[requests]
batch = 8
wait = \"20ms\"
singles = 0.3
[[rate]]
at = \"00:00\"
per_second = 60
[[rate]]
at = \"01:00\"
per_second = 200
[[rate]]
at = \"02:00\"
per_second = 60
[[burst]]
at = \"01:00\"
lasts = \"10m\"
per_second = 200
";

/// Boards of the hunt's own: one by the events' time, one that the lowest score leads, and one
/// on which scores get better and worse.
const BOARDS: &str = "
[[hunt.board]]
name = \"sums\"
from = \"events\"
operator = \"sum\"
window = \"2s\"
time = \"event\"
lateness = \"1s\"
[[hunt.board]]
name = \"lowest\"
from = \"events\"
operator = \"min\"
order = \"ascending\"
window = \"1s\"
[[hunt.board]]
name = \"latest\"
from = \"both\"
operator = \"last\"
";

/// Starts a server whose hunt has [`BOARDS`].
async fn started(site: &Site) -> Server {
    let text = format!("{}{BOARDS}", site.config());
    std::fs::write(site.config_path(), text).expect("the configuration is written");
    let server = site.try_start_with(&site.config_path()).await;
    server.expect("it starts")
}

fn shaped(site: &Site) {
    std::fs::write(site.folder().join("shape.toml"), SHAPE).expect("the shape is written");
}

fn parsed(exit: &Exit) -> Value {
    serde_json::from_str(&exit.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", exit.stdout, exit.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_by_a_shape_ends_with_figures_a_page_and_nothing_broken() {
    let site = Site::new();
    shaped(&site);
    let line = [
        "load",
        "scores",
        "--shape",
        "shape.toml",
        "--compress",
        "2400",
        "--shards",
        "3",
        "--report",
        "load.html",
        "--json",
    ];
    let exit = site.run(&line);
    let report = parsed(&exit);
    assert!(exit.status.success(), "{report} {}", exit.stderr);
    assert_eq!(
        (&report["ok"], &report["phantoms"]),
        (&true.into(), &json!([])),
        "{report}"
    );
    let events = &report["events"];
    assert_eq!(events["accepted"], events["different"], "{events}");
    assert_eq!(events["duplicates"], events["again"], "{events}");
    assert!(events["again"].as_u64() > Some(20), "{events}");
    let readers = report["boards"].as_array().expect("readers");
    assert!(
        readers
            .iter()
            .all(|reader| reader["pages"].as_u64() > Some(0)),
        "{readers:?}"
    );
    assert!(
        readers.iter().any(|reader| reader["by"] == "live"),
        "{readers:?}"
    );

    let page = std::fs::read_to_string(site.folder().join("load.html")).expect("a page");
    assert_eq!(page.matches("<svg").count(), 5);
    for elsewhere in ["src=", "href=", "url(", "@import", "<script"] {
        assert!(!page.contains(elsewhere), "the page needs {elsewhere}");
    }
}

#[test]
fn a_shape_that_is_none_is_refused_with_its_line() {
    let site = Site::new();
    let shape = SHAPE.replace("count = 300", "count = 0");
    std::fs::write(site.folder().join("shape.toml"), shape).expect("the shape is written");
    let exit = site.run(&["load", "scores", "--shape", "shape.toml"]);
    assert_eq!(exit.status.code(), Some(1));
    assert!(
        exit.stderr.contains("shape.toml: line 3: 0 players"),
        "{}",
        exit.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_refused_as_a_whole_fails_and_says_why() {
    let site = Site::new();
    shaped(&site);
    let server = site.start().await;
    let line = [
        "load",
        "scores",
        "--shape",
        "shape.toml",
        "--compress",
        "7200",
        "--url",
        &server.url,
        "--hunt",
        "park",
        "--service-key",
        "a-key-that-this-server-has-never-heard-of-0123456789",
        "--json",
    ];
    let exit = site.run(&line);
    assert_eq!(exit.status.code(), Some(1), "{}", exit.stderr);
    let report = parsed(&exit);
    assert_eq!(report["ok"], false);
    let events = &report["events"];
    assert_eq!(events["acknowledged"], 0, "{events}");
    assert!(
        events["refused"]["unauthorized"].as_u64() > Some(0),
        "{events}"
    );
    for why in ["events are acknowledged: 0", "unauthorized (allowed: 0)"] {
        assert!(exit.stderr.contains(why), "{}", exit.stderr);
    }
    // Nobody is in a window of `second`, so that nothing of it can be seen.
    let watched = site.run(&[
        "verify",
        "boards",
        "--url",
        &server.url,
        "--hunt",
        "park",
        "--seconds",
        "1",
        "--json",
    ]);
    assert_eq!(watched.status.code(), Some(1), "{}", watched.stdout);
    assert_eq!(parsed(&watched)["ok"], false);
    assert!(
        watched.stderr.contains("nothing was shown") && watched.stderr.contains("second (http)"),
        "{}",
        watched.stderr
    );
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_board_blinks_through_kills_checkpoints_and_refresh_modes_with_one_shard() {
    never_blinks(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_board_blinks_through_kills_checkpoints_and_refresh_modes_with_three_shards() {
    never_blinks(3).await;
}

async fn never_blinks(shards: u16) {
    let mut site = Site::new();
    site.shards = shards;
    site.keep_little();
    shaped(&site);
    let site = Arc::new(site);
    let mut server = started(&site).await;
    let url = server.url.clone();
    let loading = {
        let (site, url) = (Arc::clone(&site), url.clone());
        let line = move || {
            site.run(&[
                "load",
                "scores",
                "--shape",
                "shape.toml",
                "--compress",
                "600",
                "--patience",
                "60s",
                "--url",
                &url,
                "--hunt",
                "park",
                "--json",
            ])
        };
        tokio::task::spawn_blocking(line)
    };
    let modes = ["rebuild", "frozen", "incremental"];
    for (turn, mode) in modes.iter().cycle().take(4).enumerate() {
        events_after(&server, 40).await;
        refresh(&server, mode).await;
        events_after(&server, 40).await;
        if turn % 2 == 1 {
            // A frozen board would never show what was acknowledged.
            refresh(&server, "incremental").await;
            server.kill();
            server = started(&site).await;
        }
    }
    refresh(&server, "incremental").await;
    let exit = loading.await.expect("the load ends by itself");
    let report = parsed(&exit);
    assert!(exit.status.success(), "{report} {}", exit.stderr);
    assert!(
        report["events"]["answers_lost"].as_u64() > Some(0),
        "no kill was felt: {report}"
    );
    let readers = report["boards"].as_array().expect("readers");
    let losses = readers
        .iter()
        .filter_map(|reader| reader["losses"].as_u64());
    assert!(losses.sum::<u64>() > 0, "{readers:?}");

    let watched = site.run(&[
        "verify",
        "boards",
        "--url",
        &url,
        "--hunt",
        "park",
        "--seconds",
        "1",
        "--json",
    ]);
    assert!(
        watched.status.success(),
        "{} {}",
        watched.stdout,
        watched.stderr
    );
    let watched = parsed(&watched);
    assert_eq!(watched["ok"], true);
    let readers = watched["boards"].as_array().expect("readers").iter();
    let mut boards: Vec<_> = readers
        .filter_map(|reader| reader["board"].as_str())
        .collect();
    boards.sort_unstable();
    boards.dedup();
    let all = ["best", "latest", "lowest", "second", "sums", "total"];
    assert_eq!(boards, all, "{watched}");
    assert!(server.stop().await.success());
    let verified = site.run(&["verify", "--data", "data", "--json"]);
    assert!(
        verified.status.success(),
        "{} {}",
        verified.stdout,
        verified.stderr
    );
}

/// Waits until the server has taken so many more events, or the load has ended.
async fn events_after(server: &Server, more: u64) {
    let count = async || Metrics::of(&server.api).await.get("huntcore_events_total");
    let before = count().await;
    let mut looks = 0;
    until("events", || {
        looks += 1;
        // A load that has ended sends no more.
        let is_over = looks > 200;
        let count = count();
        async move { (is_over || count.await >= before + more).then_some(()) }
    })
    .await;
}

async fn refresh(server: &Server, mode: &str) {
    let body = json!({ "value": mode, "reason": "a test" });
    let answer = server
        .api
        .service(Method::PUT, "/v1/flags/boards.refresh", Some(body))
        .await
        .expect("the server lives");
    assert!(answer.status < 300, "{}", answer.text);
}
