//! What holds across a restart, seen by those who were there before it.

use serde_json::{Value, json};

use crate::support::{Claim, Event, Server, Site, Socket, player_token};

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_gets_the_same_answer_after_an_orderly_restart() {
    same_answers(1, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_gets_the_same_answer_after_kill_9_with_three_shards() {
    same_answers(3, false).await;
}

async fn same_answers(shards: u16, orderly: bool) {
    let mut site = Site::new();
    site.shards = shards;
    let server = site.start().await;
    let round = server.api.open_round().await;
    let mut before = Vec::new();
    for tile in 0..8 {
        for player in ["ana", "ben"] {
            let claim = Claim {
                round,
                tile,
                player: player.into(),
            };
            let answer = server.api.claim(&claim).await.expect("the server answers");
            assert_eq!(
                answer.status,
                if player == "ana" { 200 } else { 409 },
                "{}",
                answer.text
            );
            before.push((claim, answer.body));
        }
    }
    let event = Event {
        id: "e1".into(),
        player: "ana".into(),
        score: 7,
    };
    let recorded = server
        .api
        .events(std::slice::from_ref(&event))
        .await
        .expect("it answers");
    assert_eq!(recorded.body["accepted"], 1, "{}", recorded.text);
    let positions = (before[0].1.clone(), recorded.body["position"].clone());

    end(server, orderly).await;
    let server = site.start().await;
    for (claim, told) in &before {
        let answer = server.api.claim(claim).await.expect("the server answers");
        for part in ["outcome", "receipt", "points", "winner_position"] {
            assert_eq!(answer.body[part], told[part], "{claim:?}: {}", answer.text);
        }
    }
    let again = server
        .api
        .events(&[event])
        .await
        .expect("the server answers");
    assert_eq!(again.body["duplicates"], 1, "{}", again.text);

    // Positions from before are positions of now.
    let claimed = positions.0["receipt"]["position"]
        .as_str()
        .expect("a position");
    let total = server.api.board("total", Some(claimed)).await;
    assert_eq!(total.len(), 1);
    let recorded = positions.1.as_str().expect("a position");
    assert_eq!(
        server.api.board("best", Some(recorded)).await,
        [("ana".to_owned(), 7)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_resumes_after_a_restart_and_misses_nothing() {
    for orderly in [true, false] {
        let mut site = Site::new();
        site.shards = 3;
        site.claim_window = "60s";
        let server = site.start().await;
        let round = server.api.open_round().await;
        let mut watcher = Socket::open(&server.url, None).await;
        watcher.subscribe(None).await;
        let subscribed = watcher.next_of("subscribed").await;
        assert_eq!(subscribed["resumed"], false, "{subscribed}");
        watcher.next_of("snapshot").await;
        win(&server, round, 1).await;
        let delta = watcher
            .next_where("the first claim", |m| shows(m, round, 1))
            .await;
        let resume = delta["resume"]
            .as_str()
            .expect("a resume string")
            .to_owned();
        drop(watcher);

        // Won while nobody looked, and before the end of this process.
        win(&server, round, 2).await;
        end(server, orderly).await;
        let server = site.start().await;
        win(&server, round, 3).await;

        let mut watcher = Socket::open(&server.url, None).await;
        watcher.subscribe(Some(&resume)).await;
        let mut missing = vec![2, 3];
        while !missing.is_empty() {
            let message = watcher.next().await.expect("the socket stays open");
            missing.retain(|tile| !shows(&message, round, *tile));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_claims_over_the_socket_and_learns_that_the_server_restarts() {
    let site = Site::new();
    let server = site.start().await;
    let round = server.api.open_round().await;
    let mut player = Socket::open(&server.url, Some(&player_token("ana"))).await;
    player.subscribe(None).await;
    assert_eq!(player.next_of("subscribed").await["player"], "ana");
    player
        .send(&json!({ "type": "claim", "id": "a", "round": round, "tile": 5 }))
        .await;
    let outcome = player.next_of("outcome").await;
    assert_eq!(
        (&outcome["id"], &outcome["outcome"]),
        (&json!("a"), &json!("won")),
        "{outcome}"
    );

    let closing = tokio::spawn(async move { player.closed().await });
    assert!(server.stop().await.success());
    assert_eq!(closing.await.expect("the socket was read"), Some(1001));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hunt_made_paused_and_changed_over_http_is_so_after_a_restart() {
    let site = Site::new();
    let server = site.start().await;
    let area = json!({ "type": "Polygon", "coordinates": [
        [[-0.17, 51.505], [-0.16, 51.505], [-0.16, 51.51], [-0.17, 51.51], [-0.17, 51.505]]
    ] });
    let hunt = json!({
        "id": "second", "area": area, "resolution": 11, "round": "1s", "claim_window": "5s",
        "tiles": 8,
    });
    let post = reqwest::Method::POST;
    let made = server
        .api
        .service(post.clone(), "/v1/hunts", Some(hunt))
        .await
        .expect("answers");
    assert_eq!(made.status, 201, "{}", made.text);
    let paused = server
        .api
        .service(post, "/v1/hunts/second/pause", None)
        .await
        .expect("answers");
    assert_eq!(paused.status, 200, "{}", paused.text);
    let before = server
        .api
        .get("/v1/hunts/second")
        .await
        .expect("answers")
        .body;
    server.kill();

    let server = site.start().await;
    let after = server
        .api
        .get("/v1/hunts/second")
        .await
        .expect("answers")
        .body;
    for part in [
        "state",
        "created_at",
        "config_hash",
        "anchor",
        "cells",
        "tiles",
        "versions",
    ] {
        assert_eq!(after[part], before[part], "{part}");
    }
    assert_eq!(after["state"], "paused");
}

async fn win(server: &Server, round: u64, tile: u32) {
    let claim = Claim {
        round,
        tile,
        player: format!("player {tile}"),
    };
    let answer = server.api.claim(&claim).await.expect("the server answers");
    assert_eq!(answer.outcome(), "won", "{}", answer.text);
}

async fn end(server: Server, orderly: bool) {
    if orderly {
        assert!(server.stop().await.success());
    } else {
        server.kill();
    }
}

/// Whether a delta or a snapshot shows that this tile is claimed.
fn shows(message: &Value, round: u64, tile: u32) -> bool {
    let deltas = message["claims"].as_array().into_iter().flatten();
    let mut in_delta = deltas.filter(|claim| claim["round"] == round);
    let rounds = message["rounds"].as_array().into_iter().flatten();
    let mut in_snapshot = rounds
        .filter(|shown| shown["round"] == round)
        .flat_map(|shown| shown["claims"].as_array().into_iter().flatten());
    in_delta.any(|claim| claim["tile"] == tile) || in_snapshot.any(|claim| claim["tile"] == tile)
}
