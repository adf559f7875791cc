//! More than the server can take, from every side at once: whoever is refused is told why and
//! when to come again, memory stays flat, and every attempt is accounted for (I8, I10).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{
    Answer, Api, Claim, Metrics, PATIENCE, Site, Socket, note, open_door, player_token, send, until,
};

const TILES: u32 = 512;
/// Connections of the batch door, and lines on each: together more than fit the queues.
const DOORS: u32 = 6;
const LINES: u32 = 20_000;
const SOCKETS: u32 = 12;
const SOCKET_CLAIMS: u32 = 200;
const SINGLES: u32 = 300;

/// What was told, by outcome.
type Told = BTreeMap<String, u64>;

fn site(shards: u16) -> Site {
    let mut site = Site::new();
    site.shards = shards;
    site.tiles = TILES;
    site.claim_window = "15m";
    site.limits = "player_rate = 0".to_owned();
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_through_every_door_is_told_and_accounted_for_with_one_shard() {
    flood_twice(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_through_every_door_is_told_and_accounted_for_with_three_shards() {
    flood_twice(3).await;
}

async fn flood_twice(shards: u16) {
    let site = site(shards);
    let server = site.start().await;
    let round = server.api.open_round().await;
    let mut told = Told::new();
    let mut peaks = Vec::new();
    for _ in 0..2 {
        let watch = tokio::spawn(peak_while_claiming(server.api.clone()));
        let of_flood = flood(&server.url, &server.api, round).await;
        for (outcome, count) in of_flood {
            *told.entry(outcome).or_default() += count;
        }
        watch.abort();
        let metrics = at_rest(&server.api).await;
        peaks.push(
            watch
                .await
                .unwrap_or_else(|_| metrics.get("huntcore_memory_bytes")),
        );
        assert_eq!(metrics.unanswered(), 0, "nobody hung up");
        for (outcome, count) in &told {
            assert_eq!(metrics.told(outcome), *count, "{outcome} as it was told");
        }
        assert_eq!(metrics.attempts(), told.values().sum::<u64>(), "I10");
    }
    note(&format!("{shards} shards: {told:?}, memory {peaks:?}"));
    assert!(told["taken"] > 0 && told["won"] > 0, "{told:?}");
    // The same once more takes no more: nothing piles up.
    let allowed = peaks[0] + peaks[0] / 4 + (32 << 20);
    assert!(
        peaks[1] <= allowed,
        "memory grew from {} to {}",
        peaks[0],
        peaks[1]
    );
    assert!(server.stop().await.success());
    let verified = site.run(&["verify"]);
    assert!(
        verified.status.success(),
        "{} {}",
        verified.stdout,
        verified.stderr
    );
}

/// Everybody at once, without waiting for anything; what was told.
async fn flood(url: &str, api: &Api, round: u64) -> Told {
    let mut tasks = JoinSet::new();
    for number in 0..DOORS {
        tasks.spawn(flood_door(url.to_owned(), round, number));
    }
    for number in 0..SOCKETS {
        tasks.spawn(flood_socket(url.to_owned(), round, number));
    }
    for number in 0..SINGLES {
        tasks.spawn(flood_single(api.clone(), round, number));
    }
    let mut all = Told::new();
    while let Some(told) = tasks.join_next().await {
        for (outcome, count) in told.expect("every refusal is typed") {
            *all.entry(outcome).or_default() += count;
        }
    }
    all
}

async fn flood_door(url: String, round: u64, number: u32) -> Told {
    let (mut writer, mut reader) = open_door(&url).await;
    let writing = async move {
        for from in (0..LINES).step_by(1_000) {
            let mut lines = String::new();
            for line in from..from + 1_000 {
                let (tile, player) = ((line * 7 + number) % TILES, (line + number) % 997);
                writeln!(
                    lines,
                    "{{\"hunt\":\"park\",\"round\":{round},\"tile\":{tile},\"player\":\"p{player}\"}}"
                )
                .expect("a String takes all");
            }
            assert!(writer.send(&lines).await, "the server reads on");
        }
        writer.finish().await;
    };
    let reading = async {
        let mut told = Told::new();
        loop {
            let outcomes = reader.outcomes().await;
            if outcomes.is_empty() {
                return told;
            }
            outcomes.iter().for_each(|outcome| tell(&mut told, outcome));
        }
    };
    let (told, ()) = tokio::join!(reading, writing);
    assert_eq!(
        told.values().sum::<u64>(),
        u64::from(LINES),
        "one outcome for each line"
    );
    told
}

async fn flood_socket(url: String, round: u64, number: u32) -> Told {
    let token = player_token(&format!("socket {number}"));
    let mut socket = Socket::open(&url, Some(&token)).await;
    for id in 0..SOCKET_CLAIMS {
        let tile = (id + number * 31) % TILES;
        let message = json!({"type": "claim", "id": id.to_string(), "round": round, "tile": tile});
        socket.send(&message).await;
    }
    let mut told = Told::new();
    for _ in 0..SOCKET_CLAIMS {
        tell(&mut told, &socket.next_of("outcome").await);
    }
    told
}

/// All want the same tile.
async fn flood_single(api: Api, round: u64, number: u32) -> Told {
    let claim = Claim {
        round,
        tile: 0,
        player: format!("single {number}"),
    };
    let answer = api.claim(&claim).await.expect("the server answers");
    if answer.status == 429 || answer.status == 503 {
        comes_again(&answer);
    }
    Told::from([(answer.outcome().to_owned(), 1)])
}

/// Takes down an outcome; one that may be otherwise later says when.
fn tell(told: &mut Told, outcome: &Value) {
    let kind = outcome["outcome"].as_str().expect("an outcome");
    match kind {
        "won" | "taken" => {}
        "overloaded" | "rate-limited" => {
            let after = outcome["retry_after_ms"].as_u64();
            assert!(after.is_some_and(|millis| millis > 0), "{outcome}");
        }
        other => panic!("{other}: {outcome}"),
    }
    *told.entry(kind.to_owned()).or_default() += 1;
}

fn comes_again(answer: &Answer) {
    let after = answer.headers.get("retry-after");
    let after = after.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    assert!(
        after.is_some_and(|seconds| seconds > 0),
        "{:?}",
        answer.headers
    );
}

/// The most memory that the server is seen to hold until the flood is over.
async fn peak_while_claiming(api: Api) -> u64 {
    let mut peak = 0;
    let mut streams_before = 0;
    loop {
        let metrics = Metrics::of(&api).await;
        peak = peak.max(metrics.get("huntcore_memory_bytes"));
        let streams = metrics.get("huntcore_claim_streams");
        if streams == 0 && streams_before > 0 {
            return peak;
        }
        streams_before = streams;
        tokio::task::yield_now().await;
    }
}

/// Once nothing is under way any more.
async fn at_rest(api: &Api) -> Metrics {
    until("every attempt is accounted for", || async {
        let metrics = Metrics::of(api).await;
        let quiet = metrics.get("huntcore_claim_streams") == 0;
        (quiet && metrics.is_reconciled()).then_some(metrics)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tile_that_everybody_wants_is_won_once_through_all_doors() {
    let site = site(3);
    let server = site.start().await;
    let round = server.api.open_round().await;
    let mut tasks = JoinSet::new();
    for number in 0..SINGLES {
        let api = server.api.clone();
        tasks.spawn(async move {
            let player = format!("player {number}");
            let claim = Claim {
                round,
                tile: 7,
                player,
            };
            let answer = api.claim(&claim).await.expect("the server answers");
            vec![(answer.outcome().to_owned(), answer.body)]
        });
    }
    for number in 0..4 {
        let api = server.api.clone();
        tasks.spawn(async move {
            let claim = |at: u32| Claim {
                round,
                tile: 7,
                player: format!("door {number} {at}"),
            };
            let claims: Vec<Claim> = (0..500).map(claim).collect();
            let items = api.claims(&claims).await.expect("the server answers");
            let outcome = |item: &Value| item["outcome"].as_str().expect("an outcome").to_owned();
            items
                .into_iter()
                .map(|item| (outcome(&item), item))
                .collect()
        });
    }
    let mut told = Told::new();
    let mut places = BTreeMap::new();
    while let Some(answers) = tasks.join_next().await {
        for (outcome, body) in answers.expect("no contradiction") {
            let place = match outcome.as_str() {
                "won" => &body["receipt"]["position"],
                "taken" => &body["winner_position"],
                other => panic!("{other}: {body}"),
            };
            *told.entry(outcome).or_default() += 1;
            *places.entry(place.to_string()).or_insert(0_u64) += 1;
        }
    }
    assert_eq!(told["won"], 1, "I1: {told:?}");
    assert_eq!(told["taken"], u64::from(SINGLES) + 2_000 - 1);
    assert_eq!(
        places.len(),
        1,
        "all were told of the same claim: {places:?}"
    );
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_who_floods_is_held_back_and_nobody_else_is() {
    let mut site = site(3);
    site.limits = "player_rate = 5\nplayer_burst = 10".to_owned();
    let server = site.start().await;
    let round = server.api.open_round().await;
    let mut flooding = JoinSet::new();
    for tile in 0..SINGLES {
        let api = server.api.clone();
        flooding.spawn(async move {
            let player = "flooder".to_owned();
            let answer = api
                .claim(&Claim {
                    round,
                    tile,
                    player,
                })
                .await;
            answer.expect("the server answers")
        });
    }
    let mut others = JoinSet::new();
    for number in 0..40_u32 {
        let api = server.api.clone();
        others.spawn(async move {
            let mut outcomes = Vec::new();
            for turn in 0..5 {
                let claim = Claim {
                    round,
                    tile: (number * 5 + turn) % TILES,
                    player: format!("player {number}"),
                };
                let answer = api.claim(&claim).await.expect("the server answers");
                outcomes.push(answer.outcome().to_owned());
            }
            outcomes
        });
    }
    while let Some(outcomes) = others.join_next().await {
        for outcome in outcomes.expect("no contradiction") {
            assert!(["won", "taken"].contains(&outcome.as_str()), "{outcome}");
        }
    }
    let mut held_back = 0;
    while let Some(answer) = flooding.join_next().await {
        let answer = answer.expect("no contradiction");
        if answer.status == 429 {
            assert_eq!(answer.outcome(), "rate-limited");
            comes_again(&answer);
            held_back += 1;
        }
    }
    assert!(held_back > SINGLES / 2, "only {held_back} were held back");
    let metrics = at_rest(&server.api).await;
    assert_eq!(metrics.told("rate-limited"), u64::from(held_back));
    assert_eq!(metrics.attempts(), u64::from(SINGLES) + 200);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_reading_outcomes_is_paused_then_dropped_and_loses_nothing() {
    let mut site = site(3);
    site.tiles = 4_000;
    site.limits += "\nresponse_write_timeout = \"1s\"\nstream_attempts_max = 1024";
    let server = site.start().await;
    let round = server.api.open_round().await;

    // Each tile is wanted by one player, so that each attempt wins, whenever it is decided.
    let line = |tile: u32| {
        json!({"hunt": "park", "round": round, "tile": tile, "player": "p"}).to_string() + "\n"
    };
    let (mut writer, reader) = open_door(&server.url).await;
    let mut sent = 0;
    let writing = async {
        // The same over again: more than all buffers between here and there can hold.
        for chunk in 0_u32.. {
            let from = chunk * 500 % site.tiles;
            let lines: String = (from..from + 500).map(|at| line(at % site.tiles)).collect();
            if !writer.send(&lines).await {
                return;
            }
            sent += 500_u64;
        }
    };
    let dropped = tokio::time::timeout(PATIENCE, writing).await;
    dropped.expect("a peer that never reads is dropped");
    drop(reader);
    let metrics = at_rest(&server.api).await;
    // It was paused first: what it sent last was not even read.
    assert!(
        metrics.attempts() < sent,
        "{} of {sent}",
        metrics.attempts()
    );
    assert!(
        metrics.get("huntcore_memory_bytes") < 1 << 30,
        "bounded, however much was sent"
    );

    // What it had asked is decided; asked again it gets its answers, and each tile is won once.
    let asked = u32::try_from(metrics.attempts().min(u64::from(site.tiles))).expect("few");
    let lines: String = (0..asked).map(line).collect();
    let answer = send(server.api.lines("/v1/claims", lines))
        .await
        .expect("it answers");
    assert_eq!(answer.status, 200, "{}", answer.text);
    let items: Vec<Value> = answer
        .text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(items.len(), asked as usize);
    assert!(
        items.iter().all(|item| item["outcome"] == "won"),
        "{}",
        answer.text
    );
    let hunts = server
        .api
        .service(Method::GET, "/v1/hunts/park", None)
        .await;
    assert_eq!(hunts.expect("it answers").status, 200, "others are served");
    assert!(server.stop().await.success());
    let verified = site.run(&["verify", "--json"]);
    let verified: Value = serde_json::from_str(&verified.stdout).expect("JSON");
    assert_eq!(
        (&verified["ok"], &verified["claims"]),
        (&json!(true), &json!(asked))
    );
}
