//! What operators turn, correct and define, from the configuration file, over HTTP and from the
//! command line; and that it is still so after a restart.

use std::collections::BTreeMap;
use std::fs;
use std::time::SystemTime;

use huntcore_wire::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Claim, Event, Exit, SERVICE_KEY, Server, Site, until};

/// What `GET /v1/flags` says of the flag for everything, once it is as looked for.
async fn flag_once(server: &Server, what: &str, is_so: impl Fn(Option<&Value>) -> bool) {
    until(what, || async {
        let answer = server.api.service(Method::GET, "/v1/flags", None).await;
        let body = answer.ok()?.body;
        let flags = body["flags"].as_array()?;
        let general = flags
            .iter()
            .find(|flag| flag["flag"] == "boards.refresh" && flag.get("hunt").is_none());
        is_so(general).then_some(())
    })
    .await;
}

/// Puts other flags into the running server's configuration file.
fn rewrite(site: &Site, flags: &str) {
    let text = format!("{}[flags]\n{flags}\n", site.config());
    fs::write(site.config_path(), text).expect("the configuration is written");
}

async fn started(site: &Site, flags: &str) -> Server {
    rewrite(site, flags);
    match site.try_start_with(&site.config_path()).await {
        Ok(server) => server,
        Err(exit) => panic!("huntcore serve ended: {}", exit.stderr),
    }
}

fn lines(exit: &Exit) -> Vec<Value> {
    let lines = exit.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_follow_the_file_while_the_server_runs_and_operators_after_a_restart() {
    let site = Site::new();
    let server = started(&site, "\"boards.refresh\" = \"rebuild\"").await;
    let is = |value: &'static str, by: &'static str| {
        move |flag: Option<&Value>| {
            flag.is_some_and(|flag| flag["value"] == value && flag["by"] == by)
        }
    };
    flag_once(
        &server,
        "what the file says at the start",
        is("rebuild", "file"),
    )
    .await;
    rewrite(&site, "\"boards.refresh\" = \"frozen\"");
    flag_once(&server, "what the file says now", is("frozen", "file")).await;

    // A broken file changes nothing; the next good one does.
    fs::write(
        site.config_path(),
        "[flags]\n\"boards.refresh\" = \"sideways\"\n",
    )
    .expect("written");
    until("the warning", || async {
        server
            .stderr()
            .contains("line 2: flags: boards.refresh")
            .then_some(())
    })
    .await;
    flag_once(&server, "what a good file said", is("frozen", "file")).await;

    let flags = |arguments: &[&str]| {
        let place = ["--url", &server.url, "--service-key", SERVICE_KEY, "--json"];
        site.run(&[&["flags"], arguments, &place].concat())
    };
    let set = flags(&[
        "set",
        "boards.refresh",
        "incremental",
        "--reason",
        "rolled back",
    ]);
    assert_eq!(lines(&set)[0]["value"], "incremental", "{}", set.stderr);
    rewrite(
        &site,
        "\"boards.refresh\" = \"frozen\"\n\"boards.shadow/park/total\" = true",
    );
    until("the new line of the file", || async {
        let list = lines(&flags(&["list"]));
        let shadow = list[0]["flags"]
            .as_array()?
            .iter()
            .find(|f| f["flag"] == "boards.shadow");
        (shadow?["board"] == "total").then_some(())
    })
    .await;
    // What the file says as before does not undo what an operator did.
    flag_once(&server, "what the operator said", is("incremental", "api")).await;
    assert!(server.stop().await.success());

    let server = match site.try_start_with(&site.config_path()).await {
        Ok(server) => server,
        Err(exit) => panic!("huntcore serve ended: {}", exit.stderr),
    };
    flag_once(&server, "what the operator said", is("incremental", "api")).await;
    rewrite(&site, "");
    flag_once(&server, "nothing, as the file", |flag| flag.is_none()).await;
    assert!(server.stop().await.success());

    // Each turn is a record with who, why and when.
    let data = site.data.display().to_string();
    let trail = site.run(&["log", "export", "--data", &data]);
    let turns: Vec<(Value, Value, Value)> = lines(&trail)
        .into_iter()
        .filter(|event| event["type"] == "huntcore.flag-set.v1")
        .map(|event| event["data"].clone())
        .filter(|data| data["flag"] == "boards.refresh")
        .map(|data| {
            (
                data["value"].clone(),
                data["by"].clone(),
                data["reason"].clone(),
            )
        })
        .collect();
    let file = |value: Value, says: &str| {
        (
            value,
            json!("file"),
            json!(format!("the configuration file says so{says}")),
        )
    };
    let expected = [
        file(json!("rebuild"), ""),
        file(json!("frozen"), ""),
        (json!("incremental"), json!("api"), json!("rolled back")),
        file(Value::Null, " no longer"),
    ];
    assert_eq!(turns, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn boards_of_the_file_are_made_once_and_changed_by_hand() {
    let mut site = Site::new();
    let board = |name: &str| {
        format!(
            "[[hunt.board]]\nname = \"{name}\"\nfrom = \"both\"\noperator = \"sum\"\n\
             window = \"week\"\nzone = \"Europe/Berlin\"\n"
        )
    };
    let write = |site: &Site, boards: &str| {
        let text = format!("{}{boards}", site.config());
        fs::write(site.config_path(), text).expect("the configuration is written");
    };
    site.shards = 3;
    write(&site, &board("weekly"));
    let path = site.config_path();
    let server = site.try_start_with(&path).await.expect("it starts");
    let definitions = async |server: &Server| {
        let hunt = server
            .api
            .get("/v1/hunts/park")
            .await
            .expect("it lives")
            .body;
        hunt["board_definitions"].clone()
    };
    let first = definitions(&server).await;
    assert_eq!(
        (&first[0]["name"], &first[0]["zone"]),
        (&json!("weekly"), &json!("Europe/Berlin"))
    );
    assert!(server.stop().await.success());

    // As before: nothing to say. With another board: told, and left as it is.
    write(&site, &board("weekly"));
    let server = site.try_start_with(&path).await.expect("it starts again");
    assert!(!server.stderr().contains("boards are not those"));
    assert!(server.stop().await.success());
    write(&site, &(board("weekly") + &board("another")));
    let server = site.try_start_with(&path).await.expect("it starts again");
    assert!(
        server.stderr().contains("boards are not those"),
        "{}",
        server.stderr()
    );
    assert_eq!(definitions(&server).await, first);
    let file = path.display().to_string();
    let changed = site.run(&[
        "hunt",
        "change",
        "park",
        "--boards",
        &file,
        "--url",
        &server.url,
        "--service-key",
        SERVICE_KEY,
        "--json",
    ]);
    assert!(changed.status.success(), "{}", changed.stderr);
    let names: Vec<Value> = definitions(&server)
        .await
        .as_array()
        .expect("boards")
        .iter()
        .map(|board| board["name"].clone())
        .collect();
    assert_eq!(names, ["weekly", "another"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_or_a_flag_that_cannot_be_is_told_with_its_line() {
    for (text, needles) in [
        (
            "[[hunt.board]]\nname = \"b\"\nfrom = \"events\"\noperator = \"sum\"\nwindow = \"day\"\n\
             zone = \"Mars/Olympus\"",
            ["Mars/Olympus", "board b: zone", "line "],
        ),
        (
            "[[hunt.board]]\nname = \"b\"\nfrom = \"events\"\noperator = \"sum\"\nwindow = \"1 day\"",
            ["a length such as", "window", "line "],
        ),
        (
            "[[hunt.board]]\nname = \"best\"\nfrom = \"events\"\noperator = \"sum\"",
            ["every hunt has", "board best: name", "line "],
        ),
        (
            "[flags]\n\"boards.colour\" = true",
            ["boards.refresh or boards.shadow", "flags", "line "],
        ),
        (
            "[flags]\n\"boards.shadow/park/Total\" = true",
            ["board name", "flags", "line "],
        ),
        (
            "[flags]\n\"boards.shadow\" = \"yes\"",
            ["true or false", "flags: boards.shadow", "line "],
        ),
    ] {
        let site = Site::new();
        let path = site.config_path();
        fs::write(&path, format!("{}{text}\n", site.config())).expect("written");
        let Err(exit) = site.try_start_with(&path).await else {
            panic!("{text}: it started")
        };
        for needle in needles {
            assert!(exit.stderr.contains(needle), "{needle}: {}", exit.stderr);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_stands_after_a_kill_and_changes_no_answer() {
    let mut site = Site::new();
    site.shards = 3;
    let server = site.start().await;
    let round = server.api.open_round().await;
    let claims: Vec<Claim> = (0..20)
        .map(|tile| Claim {
            round,
            tile,
            player: "ada".to_owned(),
        })
        .collect();
    let won = server.api.claims(&claims).await.expect("it lives");
    let tile = won
        .iter()
        .position(|answer| answer["outcome"] == "won")
        .expect("some are won");
    let void = json!({"void": {"round": round, "tile": tile}, "reason": "seen using a bot"});
    let ban = json!({"disqualify": "ada", "reason": "a second time"});
    let path = "/v1/hunts/park/corrections";
    let mut positions = Vec::new();
    for request in [&void, &ban] {
        let answer = server
            .api
            .service(Method::POST, path, Some(request.clone()))
            .await
            .expect("it lives");
        assert_eq!(
            (answer.status, &answer.body["changed"]),
            (200, &json!(true)),
            "{}",
            answer.text
        );
        positions.push(answer.body["position"].clone());
    }
    server.kill();
    let server = site.start().await;
    for (request, position) in [&void, &ban].into_iter().zip(&positions) {
        let answer = server
            .api
            .service(Method::POST, path, Some(request.clone()))
            .await
            .expect("it lives");
        assert_eq!(answer.body["changed"], false, "{}", answer.text);
        assert_eq!(answer.body["position"], *position);
    }
    assert_eq!(server.api.claims(&claims).await.expect("it lives"), won);
    for (request, problem) in [
        (
            json!({"void": {"round": round, "tile": 63}, "reason": "r"}),
            "unknown-claim",
        ),
        (
            json!({"disqualify": "nobody", "reason": "r"}),
            "unknown-player",
        ),
    ] {
        let answer = server
            .api
            .service(Method::POST, path, Some(request.clone()))
            .await
            .expect("it lives");
        assert_eq!(answer.status, 404);
        assert!(answer.text.contains(problem), "{}", answer.text);
    }
}

fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let millis = since_epoch.expect("after 1970").as_millis();
    i64::try_from(millis).expect("this century")
}

/// What the log holds of closed windows of a board, and what its seconds came to, by their ends.
struct Exported {
    closed: BTreeMap<u64, Vec<(String, i64)>>,
    scored: BTreeMap<u64, BTreeMap<String, i64>>,
}

fn exported(site: &Site) -> Exported {
    let second = |text: &Value| -> u64 {
        let time: Timestamp = text.as_str().expect("a time").parse().expect("RFC 3339");
        time.micros().millis() / 1_000
    };
    let mut exported = Exported {
        closed: BTreeMap::new(),
        scored: BTreeMap::new(),
    };
    let data = site.data.display().to_string();
    for event in lines(&site.run(&["log", "export", "--data", &data])) {
        let data = &event["data"];
        if event["type"] == "huntcore.score.v1" {
            let window = exported
                .scored
                .entry(second(&event["time"]) + 1)
                .or_default();
            let player = event["subject"].as_str().expect("a player").to_owned();
            *window.entry(player).or_default() += data["score"].as_i64().expect("a score");
        } else if event["type"] == "huntcore.board-closed.v1" {
            let entries = data["entries"].as_array().expect("entries").iter();
            let entries = entries.map(|entry| {
                let player = entry["player"].as_str().expect("a player").to_owned();
                (player, entry["score"].as_i64().expect("a score"))
            });
            let before = exported
                .closed
                .insert(second(&data["end"]), entries.collect());
            assert!(before.is_none(), "closed twice: {data}");
        }
    }
    exported
}

#[tokio::test(flavor = "multi_thread")]
async fn each_window_is_closed_once_though_the_server_is_killed_around_its_end() {
    let mut site = Site::new();
    site.shards = 3;
    let board = "[[hunt.board]]\nname = \"sums\"\nfrom = \"events\"\noperator = \"sum\"\n\
                 window = \"1s\"\nresults = 3\n";
    let started = async |site: &Site| {
        let text = format!("{}{board}", site.config());
        fs::write(site.config_path(), text).expect("the configuration is written");
        let server = site.try_start_with(&site.config_path()).await;
        server.expect("it starts")
    };
    let mut number = 0;
    for after_boundary_ms in [-100, -10, 0, 5, 15, 40, 80, 200] {
        let server = started(&site).await;
        server.api.open_round().await;
        let kill_at_ms = (now_ms() / 1_000 + 2) * 1_000 + after_boundary_ms;
        while now_ms() < kill_at_ms {
            let events: Vec<Event> = (0..8)
                .map(|player| {
                    number += 1;
                    Event {
                        id: format!("e-{number}"),
                        player: format!("player {player}"),
                        score: number * 7 % 13,
                    }
                })
                .collect();
            let answer = server.api.events(&events).await.expect("it lives");
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        server.kill();
    }
    let server = started(&site).await;
    let exported = until("all windows with scores are closed", || async {
        let exported = exported(&site);
        exported
            .closed
            .keys()
            .eq(exported.scored.keys())
            .then_some(exported)
    })
    .await;
    assert!(
        exported.closed.len() >= 8,
        "{} windows",
        exported.closed.len()
    );
    for (end, entries) in &exported.closed {
        let mut window: Vec<_> = exported.scored[end].clone().into_iter().collect();
        window.sort_by_key(|(_, score)| std::cmp::Reverse(*score));
        let best = |ranked: &[(String, i64)]| -> Vec<i64> {
            ranked.iter().map(|(_, score)| *score).collect()
        };
        assert_eq!(
            best(entries),
            best(&window[..window.len().min(3)]),
            "second {end}"
        );
        assert!(
            entries.iter().all(|entry| window.contains(entry)),
            "{entries:?}"
        );
    }
    assert!(server.stop().await.success());
    let verified = site.run(&["verify", "--data", "data", "--json"]);
    let report: Value = serde_json::from_str(&verified.stdout).expect("a report");
    assert!(verified.status.success(), "{report}");
    assert_eq!(
        report["results_compared"],
        exported.closed.len(),
        "{report}"
    );
}
