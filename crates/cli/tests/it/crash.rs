//! `kill -9` under load, over and over, while checkpoints are taken and the log is trimmed
//! behind them. Every answer that was ever given, over HTTP, in batches and over WebSockets,
//! must hold after each restart, and every board must equal the fold.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::{
    Api, Claim, Event, Ledger, Metrics, PATIENCE, Site, Socket, note, player_token, until,
};

/// After so many kills everything is asked again; after the others what is new or open, and
/// some of the rest.
const KILLS_TO_ALL: u32 = 50;
const SOME: usize = 200;
/// One in so many lives lasts for some checkpoints.
const LIVES_TO_TRIM: u32 = 20;
/// Few enough that they all stand on one page of a board, and often want the same tile.
const PLAYERS: u32 = 60;
const TILES: u32 = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_holds_through_kill_9_under_load_with_one_shard() {
    hold_through_kills(1, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_holds_through_kill_9_under_load_with_three_shards() {
    hold_through_kills(3, 200).await;
}

async fn hold_through_kills(shards: u16, kills: u32) {
    let seed = std::env::var("HUNTCORE_TEST_SEED").map_or_else(
        |_| rand::random(),
        |s| s.parse().expect("HUNTCORE_TEST_SEED is a number"),
    );
    // Shown when the test fails.
    let seed_shown = format!("HUNTCORE_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);

    let mut site = Site::new();
    site.shards = shards;
    site.round = "500ms";
    // Long enough that no round closes between two looks of the watcher, short enough that the
    // first rounds close while the test runs.
    site.claim_window = "60s";
    site.keep_little();
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let mut watch = Watch::default();
    let mut shown = BTreeMap::new();

    for life in 0..=kills {
        let server = site.start().await;
        let api = server.api.clone();
        let board = shown_board(&api).await;
        assert_only_forward(&shown, &board, &seed_shown);
        let all = life % KILLS_TO_ALL == 0 || life == kills;
        settle(&api, &ledger, (!all).then_some(&mut random)).await;

        if life == kills {
            let winners = locked(&ledger).winners();
            watch.until_it_shows(&server.url, &winners).await;
            let status = server.stop().await;
            assert!(
                status.success(),
                "asked to stop, it ended with {status}; {seed_shown}"
            );
            break;
        }
        let load = Load::start(&server.url, &api, &ledger, watch, life, random.random()).await;
        load.answers(random.random_range(20..300)).await;
        if life % LIVES_TO_TRIM == 0 {
            // Most lives are too short for what they wrote to be trimmed.
            until("three checkpoints", || async {
                let metrics = Metrics::of(&api).await;
                (metrics.get("huntcore_checkpoints_total") >= 3).then_some(())
            })
            .await;
        }
        server.kill();
        (watch, shown) = load.end().await;
    }

    let summary = format!(
        "{} after {kills} kills; {seed_shown}",
        locked(&ledger).summary()
    );
    note(&summary);
    let wins = locked(&ledger).winners().len();
    assert!(wins > 100, "too little load to prove anything: {summary}");
    let verified = site.run(&["verify", "--data", "data", "--json"]);
    assert!(
        verified.status.success(),
        "huntcore verify: {} {}",
        verified.stdout,
        verified.stderr
    );
    let verified: serde_json::Value = serde_json::from_str(&verified.stdout).expect("JSON");
    assert_eq!(verified["ok"], true, "{verified}; {seed_shown}");
    let trimmed = verified["begins"].as_array().expect("an array");
    assert!(
        !trimmed.is_empty(),
        "nothing was trimmed: {verified}; {seed_shown}"
    );
}

/// Asks everything again, or with `some` only what is new, in doubt, and some of the rest:
/// what was answered gets the same answer, what was not gets one now. Then the boards must
/// equal the fold of the ledger.
async fn settle(api: &Api, ledger: &Mutex<Ledger>, mut some: Option<&mut StdRng>) {
    let claims = locked(ledger).claims_to_ask(some.as_deref_mut().map(|random| (SOME, random)));
    for chunk in claims.chunks(2_000) {
        let mut open: Vec<Claim> = chunk.to_vec();
        let asking = async {
            while !open.is_empty() {
                let items = api.claims(&open).await.expect("the server lives");
                let mut ledger = locked(ledger);
                let mut items = items.iter();
                open.retain(|claim| {
                    let item = items.next().expect("one answer for each claim");
                    let outcome = item["outcome"].as_str().expect("an outcome");
                    !ledger.answered(claim, outcome, item)
                });
            }
        };
        tokio::time::timeout(PATIENCE, asking)
            .await
            .expect("every attempt gets its answer");
    }

    let known = locked(ledger).events_to_ask(some.map(|random| (SOME, random)));
    for chunk in known.chunks(1_000) {
        let answer = api.events(chunk).await.expect("the server lives");
        assert_eq!(
            answer.body["accepted"], 0,
            "an acknowledged event was lost: {}",
            answer.text
        );
        assert_eq!(answer.body["duplicates"], chunk.len(), "{}", answer.text);
    }
    let in_doubt = locked(ledger).events_in_doubt();
    for chunk in in_doubt.chunks(1_000) {
        let answer = api.events(chunk).await.expect("the server lives");
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.body["refused"], json!([]), "{}", answer.text);
        let mut ledger = locked(ledger);
        chunk
            .iter()
            .for_each(|event| ledger.event_answered(event.clone()));
    }
    if let Some(event) = known.first() {
        let other = Event {
            score: event.score + 1,
            ..event.clone()
        };
        let answer = api.events(&[other]).await.expect("the server lives");
        assert_eq!(
            answer.body["refused"][0]["outcome"], "event-conflict",
            "{}",
            answer.text
        );
    }

    locked(ledger).assert_settled();
    for name in ["total", "best"] {
        let fold = if name == "total" {
            locked(ledger).total()
        } else {
            locked(ledger).best()
        };
        until(
            &format!("{name} equals the fold of the ledger: {fold:?}"),
            || async {
                let board = api.board(name, None).await;
                let descending = board.windows(2).all(|pair| pair[0].1 >= pair[1].1);
                assert!(descending, "{name} is out of order: {board:?}");
                (BTreeMap::from_iter(board) == fold).then_some(())
            },
        )
        .await;
    }
}

/// The board `total` as it is right now.
async fn shown_board(api: &Api) -> BTreeMap<String, i64> {
    api.board("total", None).await.into_iter().collect()
}

fn assert_only_forward(before: &BTreeMap<String, i64>, now: &BTreeMap<String, i64>, seed: &str) {
    for (player, score) in before {
        let later = now.get(player);
        assert!(
            later >= Some(score),
            "I6: {player} had {score}, now {later:?}; {seed}"
        );
    }
}

fn locked(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().expect("no task found a contradiction")
}

/// What a client that only watches has seen, through all restarts.
#[derive(Default)]
struct Watch {
    resume: Option<String>,
    claims: BTreeMap<(u64, u32), String>,
}

impl Watch {
    /// Watches until the socket ends.
    async fn follow(&mut self, url: &str) {
        let Some(mut socket) = Socket::try_open(url, None).await else {
            return;
        };
        socket.subscribe(self.resume.as_deref()).await;
        while let Some(Ok(message)) = socket.next_within(PATIENCE).await {
            self.take(&message);
        }
    }

    /// Watches until all of `winners` have been shown, and fails if anything else was.
    async fn until_it_shows(&mut self, url: &str, winners: &BTreeMap<(u64, u32), String>) {
        let mut socket = Socket::open(url, None).await;
        socket.subscribe(self.resume.as_deref()).await;
        while self.claims.len() < winners.len() {
            let message = socket.next().await.expect("the socket stays open");
            self.take(&message);
        }
        assert_eq!(
            self.claims, *winners,
            "I2: what was broadcast is what was won, no more, no less"
        );
    }

    fn take(&mut self, message: &serde_json::Value) {
        if let Some(resume) = message["resume"].as_str() {
            self.resume = Some(resume.to_owned());
        }
        if message["type"] == "delta" {
            for claim in message["claims"].as_array().into_iter().flatten() {
                self.won(claim["round"].as_u64(), claim);
            }
        }
        if message["type"] == "snapshot" {
            for round in message["rounds"].as_array().into_iter().flatten() {
                for claim in round["claims"].as_array().into_iter().flatten() {
                    self.won(round["round"].as_u64(), claim);
                }
            }
        }
    }

    fn won(&mut self, round: Option<u64>, claim: &serde_json::Value) {
        let round = round.expect("a round");
        let tile = claim["tile"]
            .as_u64()
            .and_then(|t| u32::try_from(t).ok())
            .expect("a tile");
        let player = claim["player"].as_str().expect("a player").to_owned();
        let held = self
            .claims
            .entry((round, tile))
            .or_insert_with(|| player.clone());
        assert_eq!(
            *held, player,
            "I1: two winners of round {round}, tile {tile} were broadcast"
        );
    }
}

/// Everything that makes work while a server lives.
struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    watch: tokio::task::JoinHandle<Watch>,
    board: tokio::task::JoinHandle<BTreeMap<String, i64>>,
}

struct Shared {
    url: String,
    api: Api,
    ledger: Arc<Mutex<Ledger>>,
    /// The newest open round.
    round: AtomicU64,
    /// One permit for each answer.
    answers: Semaphore,
    ending: AtomicBool,
}

impl Load {
    async fn start(
        url: &str,
        api: &Api,
        ledger: &Arc<Mutex<Ledger>>,
        mut watch: Watch,
        life: u32,
        seed: u64,
    ) -> Self {
        let shared = Arc::new(Shared {
            url: url.to_owned(),
            api: api.clone(),
            ledger: Arc::clone(ledger),
            round: AtomicU64::new(api.open_round().await),
            answers: Semaphore::new(0),
            ending: AtomicBool::new(false),
        });
        let mut random = StdRng::seed_from_u64(seed);
        let mut tasks = JoinSet::new();
        tasks.spawn(follow_rounds(Arc::clone(&shared)));
        for _ in 0..8 {
            tasks.spawn(claim_over_http(Arc::clone(&shared), random.random()));
        }
        tasks.spawn(claim_in_batches(Arc::clone(&shared), random.random()));
        for player in 0..2 {
            tasks.spawn(claim_over_socket(
                Arc::clone(&shared),
                player,
                random.random(),
            ));
        }
        tasks.spawn(score(Arc::clone(&shared), life, random.random()));
        let at = url.to_owned();
        let watch = tokio::spawn(async move {
            watch.follow(&at).await;
            watch
        });
        let board = tokio::spawn(look_at_board(Arc::clone(&shared)));
        Self {
            shared,
            tasks,
            watch,
            board,
        }
    }

    /// Waits until so many answers have come.
    async fn answers(&self, count: u32) {
        let all = self.shared.answers.acquire_many(count);
        let all = tokio::time::timeout(PATIENCE, all).await;
        assert!(
            all.is_ok(),
            "{count} answers did not come within {PATIENCE:?}"
        );
    }

    /// Waits, once the server is gone, until every task has noticed.
    async fn end(mut self) -> (Watch, BTreeMap<String, i64>) {
        self.shared.ending.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no contradiction was found");
        }
        let watch = self.watch.await.expect("no contradiction was broadcast");
        (
            watch,
            self.board.await.expect("the board only moved forward"),
        )
    }
}

impl Shared {
    fn some_claim(&self, random: &mut StdRng) -> Claim {
        let newest = self.round.load(Ordering::Relaxed);
        Claim {
            round: newest.saturating_sub(random.random_range(0..3)).max(1),
            tile: random.random_range(0..TILES),
            player: format!("player {}", random.random_range(0..PLAYERS)),
        }
    }

    fn goes_on(&self) -> bool {
        !self.ending.load(Ordering::Relaxed)
    }
}

async fn follow_rounds(shared: Arc<Shared>) {
    while let Ok(round) = shared.api.round().await {
        shared.round.fetch_max(round, Ordering::Relaxed);
    }
}

async fn claim_over_http(shared: Arc<Shared>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    while shared.goes_on() {
        let claim = shared.some_claim(&mut random);
        let answer = shared.api.claim(&claim).await;
        let mut ledger = locked(&shared.ledger);
        match answer {
            Ok(answer) => {
                ledger.answered(&claim, answer.outcome(), &answer.body);
                shared.answers.add_permits(1);
            }
            Err(_) => return ledger.unanswered(&claim),
        }
    }
}

async fn claim_in_batches(shared: Arc<Shared>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    while shared.goes_on() {
        let claims: Vec<Claim> = (0..20).map(|_| shared.some_claim(&mut random)).collect();
        let items = shared.api.claims(&claims).await;
        let mut ledger = locked(&shared.ledger);
        let Ok(items) = items else {
            return claims.iter().for_each(|claim| ledger.unanswered(claim));
        };
        for (claim, item) in claims.iter().zip(&items) {
            ledger.answered(claim, item["outcome"].as_str().expect("an outcome"), item);
        }
        shared.answers.add_permits(claims.len());
    }
}

async fn claim_over_socket(shared: Arc<Shared>, number: u32, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let player = format!("player {number}");
    let opened = Socket::try_open(&shared.url, Some(&player_token(&player))).await;
    let Some(mut socket) = opened else { return };
    for id in 0_u64.. {
        let claim = Claim {
            player: player.clone(),
            ..shared.some_claim(&mut random)
        };
        let id = id.to_string();
        let message =
            json!({ "type": "claim", "id": id, "round": claim.round, "tile": claim.tile });
        socket.send(&message).await;
        let outcome = loop {
            match socket
                .next_within(PATIENCE)
                .await
                .expect("an outcome in time")
            {
                Ok(message) if message["type"] == "outcome" && message["id"] == *id => {
                    break message;
                }
                Ok(message) => assert_ne!(message["type"], "error", "{message}"),
                Err(_) => return locked(&shared.ledger).unanswered(&claim),
            }
        };
        let kind = outcome["outcome"].as_str().expect("an outcome");
        locked(&shared.ledger).answered(&claim, kind, &outcome);
        shared.answers.add_permits(1);
    }
}

async fn score(shared: Arc<Shared>, life: u32, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut sent = Vec::<Event>::new();
    for number in 0_u32.. {
        let mut events: Vec<Event> = (0..10)
            .map(|item| Event {
                id: format!("{life}-{number}-{item}"),
                player: format!("player {}", random.random_range(0..PLAYERS)),
                score: random.random_range(-1_000..1_000),
            })
            .collect();
        // One is sent twice, and must count once.
        let again = sent.first().cloned();
        events.extend(again.clone());
        let answer = shared.api.events(&events).await;
        let mut ledger = locked(&shared.ledger);
        let Ok(answer) = answer else {
            return events
                .into_iter()
                .for_each(|event| ledger.event_unanswered(event));
        };
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.body["refused"], json!([]), "{}", answer.text);
        assert_eq!(
            answer.body["duplicates"],
            usize::from(again.is_some()),
            "{}",
            answer.text
        );
        sent = events.clone();
        events
            .into_iter()
            .for_each(|event| ledger.event_answered(event));
        shared.answers.add_permits(1);
    }
}

/// Reads the board again and again until the server is gone; returns it as last shown (I6).
async fn look_at_board(shared: Arc<Shared>) -> BTreeMap<String, i64> {
    let mut shown = BTreeMap::new();
    while let Ok(answer) = shared
        .api
        .get("/v1/hunts/park/boards/total?limit=100")
        .await
    {
        let entries = answer.body["entries"].as_array().expect("entries");
        let board = entries.iter().map(|entry| {
            let player = entry["player"].as_str().expect("a player").to_owned();
            (player, entry["score"].as_i64().expect("a score"))
        });
        let board = board.collect();
        assert_only_forward(&shown, &board, "while the server lives");
        shown = board;
    }
    shown
}
