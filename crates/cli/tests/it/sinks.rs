//! The PostgreSQL sink from outside: what SQL says is what HTTP shows, whatever was killed.

use std::collections::{BTreeMap, BTreeSet};

use huntcore_postgres_child::{Options, Server};
use serde_json::{Value, json};

use crate::support::{Api, Claim, Event, Metrics, Site, run, until};

const PLAYERS: usize = 12;

/// A site whose server writes into a database.
fn site(shards: u16, url: &str) -> Site {
    let mut site = Site::new();
    site.shards = shards;
    site.round = "500ms";
    site.limits = format!("[[sink]]\nurl = \"{url}\"\ninterval = \"20ms\"\nretention = \"30d\"");
    site
}

fn query(server: &Server, statement: &str) -> Vec<Vec<String>> {
    let statement = format!("SET search_path TO huntcore; SET TimeZone TO 'UTC'; {statement}");
    let text = server.sql("postgres", &statement).expect("it answers");
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| line.split('|').map(str::to_owned).collect())
        .collect()
}

/// Waits until the tables have all that is committed, but for the time that goes on.
async fn caught_up(api: &Api, server: &Server) {
    let mut marks = 0;
    until("the sink is caught up", || {
        marks += 1;
        let mark = format!("mark-{marks}-{}", rand::random::<u64>());
        async move {
            let event = Event {
                id: mark.clone(),
                player: "marker".to_owned(),
                score: 0,
            };
            let answer = api.events(&[event]).await.ok()?;
            assert_eq!(answer.status, 200, "{}", answer.text);
            let state = "huntcore_sink_state{sink=\"postgres\",state=\"running\"}";
            if Metrics::of(api).await.get(state) == 0 {
                return None;
            }
            // A mark that was committed last is there when all is, of its shard; shards are
            // merged by time, so the others' are, too, once a later window is final.
            let there = format!(
                "SELECT count(*) FROM events, progress WHERE event_id = '{mark}' \
                 AND windows_final_until > ts"
            );
            until("the mark is in a final window", || async {
                (query(server, &there)[0][0] != "0").then_some(())
            })
            .await;
            Some(())
        }
    })
    .await;
}

async fn tables_equal_boards_through_kills(shards: u16) {
    let server = Server::start(Options::default()).expect("PostgreSQL starts");
    let site = site(shards, &server.url("postgres"));
    let mut acknowledged = BTreeSet::new();
    let mut won = BTreeSet::new();
    let lives = 6;
    for life in 0..lives {
        let huntcore = site.start().await;
        let api = huntcore.api.clone();
        let round = api.open_round().await;
        for turn in 0..20_usize {
            let player = |number: usize| format!("player-{}", number % PLAYERS);
            let events: Vec<Event> = (0..25)
                .map(|number| Event {
                    id: format!("{life}-{turn}-{number}"),
                    player: player(turn * 7 + number),
                    score: rand::random_range(-1_000..1_000),
                })
                .collect();
            let answer = api.events(&events).await.expect("it answers");
            assert_eq!(answer.body["accepted"], 25, "{}", answer.text);
            acknowledged.extend(events.into_iter().map(|event| event.id));
            let claim = Claim {
                round,
                tile: u32::try_from(turn).expect("few"),
                player: player(turn),
            };
            let claimed = api.claims(std::slice::from_ref(&claim)).await;
            if claimed.expect("it answers")[0]["outcome"] == "won" {
                won.insert((claim.round, claim.tile, claim.player));
            }
            if turn == 10 && life % 2 == 1 {
                // The server's side of the sink is ended now and then, too.
                let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                            WHERE application_name = 'huntcore'";
                query(&server, kill);
            }
        }
        if life + 1 < lives {
            huntcore.kill();
            continue;
        }
        caught_up(&api, &server).await;
        let all = &query(
            &server,
            "SELECT count(*), count(DISTINCT (shard, sequence)), count(DISTINCT event_id) \
             FROM events",
        )[0];
        assert!(all[0] == all[1] && all[0] == all[2], "once each: {all:?}");
        let ids: BTreeSet<String> = query(&server, "SELECT event_id FROM events")
            .into_iter()
            .map(|mut row| row.remove(0))
            .collect();
        assert!(
            acknowledged.is_subset(&ids),
            "an acknowledged event is missing"
        );
        let claims: BTreeSet<_> = query(&server, "SELECT round, tile, player_id FROM claims")
            .into_iter()
            .map(|row| {
                let number = |text: &str| text.parse::<u64>().expect("a number");
                let tile = u32::try_from(number(&row[1])).expect("few");
                (number(&row[0]), tile, row[2].clone())
            })
            .collect();
        assert!(won.is_subset(&claims), "a claim that was won is missing");
        compare_boards(&api, &server).await;
        compare_windows(&api, &server).await;
        correct(&api, &server).await;
    }
}

/// Boards of whole hunts by name, from HTTP.
async fn board(api: &Api, board: &str) -> BTreeMap<String, i64> {
    let entries = api.board(board, None).await.into_iter();
    entries.filter(|(player, _)| player != "marker").collect()
}

async fn compare_boards(api: &Api, server: &Server) {
    for (name, statement) in [
        (
            "best",
            "SELECT player_id, max(score) FROM events WHERE player_id <> 'marker' GROUP BY 1",
        ),
        (
            "total",
            "SELECT player_id, sum(points) FROM claims WHERE voided_at IS NULL GROUP BY 1",
        ),
    ] {
        let rows = query(server, statement);
        let rows: BTreeMap<String, i64> = rows
            .into_iter()
            .map(|row| (row[0].clone(), row[1].parse().expect("a number")))
            .collect();
        assert_eq!(board(api, name).await, rows, "{name}");
    }
}

/// Every window that the server still shows is on the leaderboard in SQL, the same to the row.
async fn compare_windows(api: &Api, server: &Server) {
    let starts = query(
        server,
        "SELECT DISTINCT to_char(window_start, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
         FROM leaderboard_1s ORDER BY 1",
    );
    let mut compared = 0;
    for start in &starts {
        let path = format!("/v1/hunts/park/boards/second?limit=100&window={}", start[0]);
        let answer = api.get(&path).await.expect("it answers");
        if answer.status != 200 {
            continue;
        }
        assert_eq!(answer.body["window"]["final"], true, "{}", answer.text);
        let entries = answer.body["entries"].as_array().expect("entries").iter();
        let shown = entries.map(|entry| {
            let player = entry["player"].as_str().expect("a player").to_owned();
            vec![player, entry["score"].to_string()]
        });
        let top = format!(
            "SELECT player_id, score FROM v_leaderboard_1s WHERE hunt = 'park' \
             AND window_start = '{}' ORDER BY score DESC, reached_at, shard, sequence LIMIT 100",
            start[0]
        );
        assert_eq!(
            query(server, &top),
            shown.collect::<Vec<_>>(),
            "{}",
            start[0]
        );
        compared += 1;
    }
    // It took seconds, so there are some.
    assert!(
        compared >= 2,
        "only {compared} of {} windows are shown",
        starts.len()
    );
}

/// Corrections reach the tables as they do the boards.
async fn correct(api: &Api, server: &Server) {
    let claim = &query(server, "SELECT round, tile, player_id FROM claims LIMIT 1")[0];
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let corrections: [(Value, &str); 2] = [
        (
            json!({"void": {"round": number(&claim[0]), "tile": number(&claim[1])}, "reason": "a bot"}),
            "claim-voided",
        ),
        (
            json!({"disqualify": "player-3", "reason": "two accounts"}),
            "disqualified",
        ),
    ];
    for (body, name) in corrections {
        let path = "/v1/hunts/park/corrections";
        let answer = api.service(reqwest::Method::POST, path, Some(body)).await;
        let answer = answer.expect("it answers");
        assert_eq!(answer.status, 200, "{}", answer.text);
        let there = format!("SELECT count(*) FROM corrections WHERE correction = '{name}'");
        until("the correction is in its table", || async {
            (query(server, &there)[0][0] == "1").then_some(())
        })
        .await;
    }
    let voided = "SELECT void_reason FROM claims WHERE voided_at IS NOT NULL";
    assert_eq!(query(server, voided), [["a bot"]]);
    let out = "SELECT count(*) FROM v_leaderboard_1s WHERE player_id = 'player-3'";
    assert_eq!(query(server, out), [["0"]]);
    assert!(!board(api, "best").await.contains_key("player-3"));
    compare_windows(api, server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_says_what_http_shows_through_kill_9_with_one_shard() {
    tables_equal_boards_through_kills(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_says_what_http_shows_through_kill_9_with_two_shards() {
    tables_equal_boards_through_kills(2).await;
}

#[test]
fn a_bad_sink_is_refused_with_its_file_line_and_key_and_without_its_password() {
    let site = Site::new();
    let beginning = site.config();
    for (section, key, complaint) in [
        (
            "url = \"postgres://me:s3cret@db\"",
            "sink 1: url",
            "names no database",
        ),
        (
            "url = \"mysql://me:s3cret@db/x\"",
            "sink 1: url",
            "is no URL of a sink",
        ),
        (
            "url = \"postgres://me:s3cret@db/x\"\nschema = \"Bad Schema\"",
            "sink 1: schema",
            "is not a schema's name",
        ),
        (
            "url = \"postgres://me:s3cret@db/x\"\nretention = \"1h\"",
            "sink 1: retention",
            "is 1h, expected 1d",
        ),
        (
            "url = \"postgres://me:s3cret@db/x\"\nbatch = 0",
            "sink 1: batch",
            "is 0, expected 1 to",
        ),
        (
            "url = \"postgres://me:s3cret@db/x\"\n[[sink]]\nurl = \"postgres://me:s3cret@db/y\"",
            "sink 2: name",
            "another sink is called postgres",
        ),
        (
            "url = \"postgres://me:s3cret@db/x\"\n[[sink]]\nname = \"b\"\n\
             url = \"postgres://me:other@db/x\"",
            "sink 2: schema",
            "another sink writes into huntcore too",
        ),
    ] {
        let text = format!("{beginning}\n[[sink]]\n{section}\n");
        std::fs::write(site.config_path(), &text).expect("written");
        let config = site.config_path().display().to_string();
        let exit = run(&["serve", "--config", &config], site.folder());
        assert!(!exit.status.success(), "{section}");
        let said = &exit.stderr;
        assert!(said.contains("huntcore.toml: line "), "{section}: {said}");
        assert!(
            said.contains(key) && said.contains(complaint),
            "{section}: {said}"
        );
        assert!(
            !said.contains("s3cret") && !said.contains("other@"),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_its_database_serves_and_says_so_and_never_tells_a_password() {
    let site = site(1, "postgres://me:s3cret@127.0.0.1:1/scores");
    let server = site.start().await;
    let api = &server.api;
    let ready = until("the sink waits", || async {
        let ready = api.get("/readyz").await.expect("it answers");
        assert_eq!(ready.status, 200, "{}", ready.text);
        ready.body["notes"][0].is_string().then_some(ready)
    })
    .await;
    let note = ready.body["notes"][0].as_str().expect("a note");
    assert!(note.starts_with("sink postgres is waiting, "), "{note}");
    let event = Event {
        id: "e".to_owned(),
        player: "ada".to_owned(),
        score: 7,
    };
    let answer = api.events(&[event]).await.expect("it answers");
    assert_eq!(answer.body["accepted"], 1, "{}", answer.text);
    let metrics = api.get("/metrics").await.expect("it answers").text;
    assert!(metrics.contains("huntcore_sink_state{sink=\"postgres\",state=\"waiting\"} 1"));
    assert!(!metrics.contains("s3cret") && !note.contains("s3cret"));
    assert!(!server.stderr().contains("s3cret"));
}
