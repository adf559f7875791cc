//! `huntcore board`: leaderboards as they are, over the public API, and as they were, from the
//! log alone.

use serde_json::Value;

use crate::support::{Event, Exit, Metrics, Server, Site, until};

fn json(exit: &Exit) -> Value {
    serde_json::from_str(&exit.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", exit.stdout, exit.stderr))
}

async fn scores(server: &Server, scores: &[(&str, i64)]) -> String {
    let events: Vec<Event> = scores
        .iter()
        .map(|&(player, score)| Event {
            id: format!("{player}-{score}"),
            player: player.to_owned(),
            score,
        })
        .collect();
    let answer = server.api.events(&events).await.expect("the server lives");
    assert_eq!(answer.body["accepted"], scores.len(), "{}", answer.text);
    let position = answer.body["position"].as_str().expect("a position");
    server.api.board("best", Some(position)).await;
    position.to_owned()
}

fn names(board: &Value) -> Vec<(&str, i64)> {
    let entries = board["entries"].as_array().expect("entries").iter();
    entries
        .map(|entry| {
            let player = entry["player"].as_str().expect("a player");
            (player, entry["score"].as_i64().expect("a score"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tops_ranks_and_windows_are_read_from_the_public_api() {
    let mut site = Site::new();
    site.shards = 3;
    let server = site.start().await;
    scores(&server, &[("ada", 30), ("bob", 20), ("cyd", 10)]).await;
    let url = ["--url", &server.url, "--json"];
    let ask = |line: &[&str]| site.run(&[line, &url].concat());

    let top = json(&ask(&["board", "top", "park", "best", "--limit", "2"]));
    assert_eq!(names(&top), [("ada", 30), ("bob", 20)]);
    let short = json(&ask(&["board", "park", "best", "--limit", "2"]));
    assert_eq!(names(&short), names(&top), "top may be left out");

    let rank = json(&ask(&[
        "board", "rank", "park", "best", "bob", "--around", "1",
    ]));
    assert_eq!(
        (&rank["rank"], &rank["of"]),
        (&2.into(), &3.into()),
        "{rank}"
    );
    assert_eq!(
        rank["neighbours"].as_array().map(Vec::len),
        Some(3),
        "{rank}"
    );
    let rank = json(&ask(&["board", "rank", "park", "best", "--score", "25"]));
    assert_eq!(
        (&rank["rank"], &rank["of"]),
        (&2.into(), &3.into()),
        "{rank}"
    );
    let neither = ask(&["board", "rank", "park", "best"]);
    assert!(neither.stderr.contains("PLAYER"), "{}", neither.stderr);
    let nobody = ask(&["board", "rank", "park", "best", "eve"]);
    assert_eq!(nobody.status.code(), Some(1));

    let windows = json(&ask(&["board", "windows", "park", "second"]));
    let windows = windows["windows"].as_array().expect("windows");
    assert_eq!(windows[0]["players"], 3, "{windows:?}");
    let start = windows[0]["start"].as_str().expect("a time");
    let window = json(&ask(&["board", "top", "park", "second", "--window", start]));
    assert_eq!(names(&window), [("ada", 30), ("bob", 20), ("cyd", 10)]);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_is_replayed_as_it_was() {
    for checkpoints in [false, true] {
        let mut site = Site::new();
        site.shards = 3;
        if checkpoints {
            site.log = "checkpoint_every = \"100ms\"\ncheckpoint_bytes = \"64KiB\"".to_owned();
        }
        let server = site.start().await;
        scores(&server, &[("ada", 30), ("bob", 20)]).await;
        let between = server_time(&server).await;
        // Nothing that comes now has that time any more.
        server_time_after(&server, &between).await;
        scores(&server, &[("cyd", 90), ("bob", 40)]).await;
        let live = json(&site.run(&["board", "park", "best", "--url", &server.url, "--json"]));
        if checkpoints {
            until("a checkpoint", || async {
                let metrics = Metrics::of(&server.api).await;
                (metrics.get("huntcore_checkpoints_total") > 0).then_some(())
            })
            .await;
        }
        assert!(server.stop().await.success());

        let replay = |at: &str| {
            site.run(&[
                "board", "replay", "--at", at, "park", "best", "--data", "data", "--json",
            ])
        };
        let was = json(&replay(&between));
        assert_eq!(names(&was), [("ada", 30), ("bob", 20)], "{was}");
        let now = json(&replay("2200-01-01T00:00:00Z"));
        assert_eq!(names(&now), names(&live), "{now}");
        assert_eq!(now["checkpoint"].is_u64(), checkpoints, "{now}");
        let before = replay("2020-01-01T00:00:00Z");
        assert_eq!(before.status.code(), Some(1));
        assert!(
            before.stderr.contains("there was no hunt park at 2020"),
            "{}",
            before.stderr
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_the_log_does_not_reach_back_to_is_refused() {
    let mut site = Site::new();
    site.keep_little();
    let server = site.start().await;
    scores(&server, &[("ada", 30)]).await;
    until("the log is trimmed", || async {
        let metrics = server.api.get("/metrics").await.ok()?.text;
        let mut trimmed = metrics.lines().filter_map(|line| {
            line.strip_prefix("huntcore_log_trimmed_records")?
                .rsplit(' ')
                .next()
        });
        trimmed
            .any(|records| records.parse::<u64>().is_ok_and(|records| records > 0))
            .then_some(())
    })
    .await;
    assert!(server.stop().await.success());
    let long_ago = site.run(&[
        "board",
        "replay",
        "--at",
        "2020-01-01T00:00:00Z",
        "park",
        "best",
        "--data",
        "data",
    ]);
    assert_eq!(long_ago.status.code(), Some(1));
    assert!(
        long_ago.stderr.contains("earlier ones were trimmed"),
        "{}",
        long_ago.stderr
    );
    let newest = site.run(&[
        "board",
        "replay",
        "--at",
        "2200-01-01T00:00:00Z",
        "park",
        "best",
        "--data",
        "data",
    ]);
    assert!(
        newest.stdout.contains("ada"),
        "{} {}",
        newest.stdout,
        newest.stderr
    );
}

/// The server's clock, as the newest round tells it.
async fn server_time(server: &Server) -> String {
    server.api.open_round().await;
    let answer = server.api.get("/v1/hunts/park/rounds/current").await;
    let answer = answer.expect("the server lives");
    let time = answer.body["server_time"].as_str();
    time.expect("a time").to_owned()
}

async fn server_time_after(server: &Server, time: &str) {
    until("time goes on", || async {
        (server_time(server).await.as_str() > time).then_some(())
    })
    .await;
}
