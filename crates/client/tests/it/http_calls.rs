//! Calls over HTTP: what is sent, what is repeated, what comes back.

use std::time::Duration;

use huntcore_client::{Client, ClientError, RetryPolicy};
use huntcore_model::{BoardName, Hash32, HuntId, OutcomeKind, PlayerId, RoundNumber, TileIndex};
use huntcore_wire::{
    BoardQuery, ClaimFor, ClaimRequest, EventRequest, LateQuery, PositionText, ProblemKind,
    ScoreRankQuery, StandingQuery, WindowQuery,
};

use crate::server::{Reply, Scripted, answer, hunt, timely};

const WON: &str = r#"{"outcome":"won","receipt":{"position":"AQEAKg"},"points":25}"#;
const OVERLOADED: &str = r#"{"type":"/problems/overloaded","title":"","status":503,"outcome":"overloaded","retry_after_ms":1}"#;
const TAKEN: &str = r#"{"type":"/problems/taken","title":"","status":409,"outcome":"taken","winner_position":"AQEAKg"}"#;

fn attempt() -> ClaimRequest {
    ClaimRequest {
        round: RoundNumber::new(3),
        tile: TileIndex::new(7),
        answer: None,
    }
}

fn event(id: &str) -> EventRequest {
    let json = format!(
        r#"{{"event_id":"{id}","player":"ada","event_type":"quest","score":5,"payload":{{ "a":1 }}}}"#
    );
    serde_json::from_str(&json).expect("valid")
}

#[tokio::test]
async fn an_attempt_is_repeated_unchanged_until_it_has_an_outcome() {
    let server = Scripted::start(vec![
        answer("503 Service Unavailable", OVERLOADED),
        Reply::HangUp,
        answer("502 Bad Gateway", "<html>"),
        Reply::Answer {
            status: "503 Service Unavailable",
            headers: "retry-after: 0\r\n",
            body: r#"{"type":"/problems/outcome-unknown","title":"","status":503,"outcome":"outcome-unknown"}"#.to_owned(),
        },
        answer("200 OK", WON),
    ])
    .await;
    let client = server.client().build().expect("a good URL");
    let item = timely(client.claim(&hunt(), &attempt()))
        .await
        .expect("an outcome");
    assert_eq!((item.outcome, item.points), (OutcomeKind::Won, Some(25)));
    let seen = server.seen();
    assert_eq!(seen.len(), 5);
    for request in seen {
        assert_eq!(request.line, "POST /v1/hunts/park/claims HTTP/1.1");
        assert_eq!(request.body, r#"{"round":3,"tile":7}"#);
        assert!(
            request
                .head
                .contains("authorization: Bearer player-token\r\n")
        );
    }
}

#[tokio::test]
async fn a_final_outcome_is_not_asked_for_again() {
    let server = Scripted::start(vec![answer("409 Conflict", TAKEN)]).await;
    let client = server.client().build().expect("a good URL");
    let item = timely(client.claim(&hunt(), &attempt()))
        .await
        .expect("an outcome");
    assert_eq!(item.outcome, OutcomeKind::Taken);
    assert_eq!(
        item.winner_position,
        Some(PositionText::new("AQEAKg".to_owned()))
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn who_never_repeats_gets_the_first_outcome() {
    let server = Scripted::start(vec![
        answer("503 Service Unavailable", OVERLOADED),
        Reply::HangUp,
    ])
    .await;
    let client = server
        .client()
        .retry(RetryPolicy::NEVER)
        .build()
        .expect("a good URL");
    let item = timely(client.claim(&hunt(), &attempt()))
        .await
        .expect("an outcome");
    assert_eq!(
        (item.outcome, item.retry_after_ms),
        (OutcomeKind::Overloaded, Some(1))
    );
    let error = timely(client.claim(&hunt(), &attempt()))
        .await
        .expect_err("hung up");
    assert!(
        matches!(error, ClientError::Transport { .. }) && error.is_retryable(),
        "{error}"
    );
}

#[tokio::test]
async fn a_problem_that_is_no_outcome_is_an_error() {
    let problem = r#"{"type":"/problems/unauthorized","title":"a token is required","status":401,"detail":"token has expired"}"#;
    let server = Scripted::start(vec![
        answer("401 Unauthorized", problem),
        answer("400 Bad Request", "no"),
    ])
    .await;
    let client = server.client().build().expect("a good URL");
    let error = timely(client.claim(&hunt(), &attempt()))
        .await
        .expect_err("refused");
    assert_eq!(
        (error.kind(), error.status()),
        (Some(ProblemKind::Unauthorized), Some(401))
    );
    assert_eq!(
        error.to_string(),
        "server refused with unauthorized: token has expired"
    );
    assert!(!error.is_retryable());
    let error = timely(client.hunts()).await.expect_err("refused");
    assert!(matches!(error, ClientError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_transport_error() {
    let server = Scripted::start(Vec::new()).await;
    let base = server.base.clone();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let free = listener.local_addr().expect("bound").port();
    drop(listener);
    let client = Client::builder(format!("http://127.0.0.1:{free}"))
        .retry(RetryPolicy::NEVER)
        .connect_timeout(Duration::from_secs(5))
        .build()
        .expect("a good URL");
    let error = timely(client.stats()).await.expect_err("nobody there");
    assert!(error.is_retryable(), "{error}");
    for bad in ["", "park", "ftp://x", "http:"] {
        assert!(
            matches!(
                Client::builder(bad).build(),
                Err(ClientError::Request { .. })
            ),
            "{bad}"
        );
    }
    assert!(Client::builder(base).build().is_ok());
}

#[tokio::test]
async fn a_batch_goes_with_the_service_key_and_comes_back_whole() {
    let items = format!(r#"[{WON},{{"outcome":"overloaded","retry_after_ms":9}}]"#);
    let server = Scripted::start(vec![
        Reply::HangUp,
        answer("200 OK", items),
        answer("200 OK", "[]"),
    ])
    .await;
    let client = server.client().build().expect("a good URL");
    let attempt = ClaimFor {
        hunt: hunt(),
        round: RoundNumber::new(1),
        tile: TileIndex::new(0),
        player: PlayerId::new("ada").expect("valid"),
        answer: None,
    };
    let attempts = [attempt.clone(), attempt];
    let items = timely(client.claim_batch(&attempts))
        .await
        .expect("answered");
    assert_eq!(items[1].outcome, OutcomeKind::Overloaded);
    assert!(
        server.seen()[1]
            .head
            .contains("authorization: Bearer the-service-key\r\n")
    );
    let error = timely(client.claim_batch(&attempts))
        .await
        .expect_err("items are missing");
    assert!(matches!(error, ClientError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn events_go_as_lines_and_keep_their_payload() {
    let counted = r#"{"accepted":1,"duplicates":1,"refused":[],"position":"AQEAKg"}"#;
    let server = Scripted::start(vec![
        Reply::HangUp,
        answer("200 OK", counted),
        answer("200 OK", counted),
    ])
    .await;
    let client = server.client().build().expect("a good URL");
    let answer = timely(client.send_events(&hunt(), &[event("e1"), event("e2")]))
        .await
        .expect("answered");
    assert_eq!((answer.accepted, answer.duplicates), (1, 1));
    timely(client.send_events(&hunt(), &[event("e1")]))
        .await
        .expect("answered");
    let seen = server.seen();
    assert_eq!(seen[0].body, seen[1].body);
    let lines: Vec<_> = seen[1].body.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains(r#""payload":{ "a":1 }"#), "{}", lines[0]);
    assert!(seen[1].head.contains("content-type: application/x-ndjson"));
    assert!(seen[2].head.contains("content-type: application/json"));
}

#[tokio::test]
async fn lists_of_boards_are_asked_for_by_path_and_query() {
    let lists = [
        r#"{"hunt":"park","position":"AQ","boards":[{"definition":{"name":"best","from":"events","operator":"max"},"players":3}]}"#,
        r#"{"board":"week","generation":7,"position":"AQ","windows":[{"start":"2026-11-22T10:00:00Z","end":"2026-11-22T10:00:02Z","final":false,"provisional":true,"players":2,"recorded":false}],"next_cursor":"week.7.1"}"#,
        r#"{"board":"week","generation":7,"position":"AQ","count":1,"events":[{"event_id":"e","player":"ada","score":-2,"ts":"2026-11-22T10:00:00Z","taken_at":"2026-11-22T10:00:09Z"}]}"#,
        r#"{"board":"week","window":{"start":null,"end":null,"final":false},"position":"AQ","score":-2,"rank":4,"better":2,"equal":1,"of":9}"#,
    ];
    let server = Scripted::start(lists.map(|list| answer("200 OK", list)).into()).await;
    let client = server.client().build().expect("a good URL");
    let week = BoardName::new("week").expect("a name");
    let boards = timely(client.boards(&hunt())).await.expect("answered");
    assert_eq!(boards.boards[0].definition.name, BoardName::BEST);
    let query = WindowQuery {
        limit: Some(1),
        cursor: Some("week.7.9".to_owned()),
    };
    let windows = timely(client.windows(&hunt(), week, &query)).await;
    let windows = windows.expect("answered");
    assert!(windows.windows[0].is_provisional && windows.generation == 7);
    let query = LateQuery { limit: Some(5) };
    let late = timely(client.late_events(&hunt(), week, &query)).await;
    assert_eq!(late.expect("answered").events[0].score, -2);
    let query = ScoreRankQuery {
        score: -2,
        window: None,
        at_least: Some(PositionText::new("AQ".to_owned())),
    };
    let rank = timely(client.rank_at(&hunt(), week, &query)).await;
    assert_eq!(rank.expect("answered").rank, 4);
    let lines: Vec<_> = server.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/hunts/park/boards HTTP/1.1",
            "GET /v1/hunts/park/boards/week/windows?limit=1&cursor=week.7.9 HTTP/1.1",
            "GET /v1/hunts/park/boards/week/late?limit=5 HTTP/1.1",
            "GET /v1/hunts/park/boards/week/rank?score=-2&at_least=AQ HTTP/1.1",
        ]
    );
}

#[tokio::test]
async fn boards_are_asked_for_by_path_and_query() {
    let standing = r#"{"board":"best","window":{"start":null,"end":null,"final":false},"position":"AQ","player":"a/b ?","rank":1,"score":2,"of":3,"neighbours":[]}"#;
    let behind =
        r#"{"type":"/problems/projection-behind","title":"","status":503,"retry_after_ms":50}"#;
    let server = Scripted::start(vec![
        answer("503 Service Unavailable", behind),
        answer("200 OK", standing),
    ])
    .await;
    let client = server.client().build().expect("a good URL");
    let query = BoardQuery {
        limit: Some(10),
        at_least: Some(PositionText::new("AQEAKg".to_owned())),
        ..BoardQuery::default()
    };
    let error = timely(client.board(&hunt(), BoardName::TOTAL, &query))
        .await
        .expect_err("behind");
    assert_eq!(error.kind(), Some(ProblemKind::ProjectionBehind));
    assert_eq!(error.retry_after(), Some(Duration::from_millis(50)));
    let player = PlayerId::new("a/b ?").expect("valid");
    let query = StandingQuery {
        around: Some(2),
        ..StandingQuery::default()
    };
    let view = timely(client.standing(&hunt(), BoardName::BEST, &player, &query))
        .await
        .expect("answered");
    assert_eq!(view.player, player);
    let lines: Vec<_> = server.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/hunts/park/boards/total?limit=10&at_least=AQEAKg HTTP/1.1",
            "GET /v1/hunts/park/boards/best/players/a%2Fb%20%3F?around=2 HTTP/1.1",
        ]
    );
    let dots = PlayerId::new("..").expect("valid");
    let error = timely(client.standing(&hunt(), BoardName::BEST, &dots, &query))
        .await
        .expect_err("no such path");
    assert!(matches!(error, ClientError::Request { .. }), "{error}");
}

#[tokio::test]
async fn cells_are_fetched_once_and_tiles_drawn_from_them() {
    // Seven neighbours at resolution 9, ascending.
    let parent = 0x0881_94ad_305f_ffff_u64;
    let cells: Vec<u64> = (0..7_u64)
        .map(|digit| (parent & !(0xf << 52) & !(0x7 << 18)) | (9 << 52) | (digit << 18))
        .collect();
    let list = cells
        .iter()
        .map(|&cell| huntcore_map::Cell::new(cell).expect("a cell"))
        .collect();
    let list = huntcore_map::CellList::new(list).expect("ascending");
    let names: Vec<String> = cells.iter().map(|cell| format!("\"{cell:x}\"")).collect();
    let view = |hash: Hash32| {
        format!(
            r#"{{"hunt":"park","config_version":2,"resolution":9,"count":7,"hash":"{hash}","cells":[{}]}}"#,
            names.join(",")
        )
    };
    let server = Scripted::start(vec![
        Reply::Answer {
            status: "200 OK",
            headers: "etag: \"abc-2\"\r\n",
            body: view(list.hash()),
        },
        Reply::Answer {
            status: "304 Not Modified",
            headers: "",
            body: String::new(),
        },
        answer("200 OK", view(Hash32::ZERO)),
    ])
    .await;
    let client = server.client().build().expect("a good URL");
    let first = timely(client.cells(&hunt(), None)).await.expect("fetched");
    assert_eq!(*first, list);
    let again = timely(client.cells(&hunt(), None))
        .await
        .expect("not modified");
    assert!(std::sync::Arc::ptr_eq(&first, &again));
    let other = client.with_token("another-player");
    let tiles = timely(other.draw(&hunt(), 2, &Hash32::new([7; 32]), 3))
        .await
        .expect("drawn");
    assert_eq!(
        tiles,
        huntcore_map::draw_tiles(list.as_slice(), &Hash32::new([7; 32]), 3).expect("enough cells")
    );
    let seen = server.seen();
    assert_eq!(seen.len(), 2, "a known version needs no request");
    assert!(seen[1].head.contains("if-none-match: \"abc-2\"\r\n"));

    let strange = HuntId::new("other").expect("a slug");
    let error = timely(client.cells(&strange, Some(1)))
        .await
        .expect_err("hash differs");
    assert!(matches!(error, ClientError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn secrets_stay_out_of_debug_output() {
    let server = Scripted::start(Vec::new()).await;
    let client = server.client().build().expect("a good URL");
    let shown = format!("{client:?} {:?}", client.live(&hunt()));
    assert!(
        !shown.contains("player-token") && !shown.contains("the-service-key"),
        "{shown}"
    );
}
