//! `claims`: attempts on tiles a second, durable, winners and losers mixed.
//!
//! huntcore runs whole but for the network: attempts go in batches through the node's door
//! into the arbiter and the embedded log, and count once their outcome may be told. The
//! peer is Redis with a script that does what a team would write there, synced always.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hdrhistogram::Histogram;
use huntcore_edge::{Backend, HuntCommand};
use huntcore_log_file::{FileLog, FileLogOptions};
use huntcore_map::FairnessKey;
use huntcore_model::{Attempt, HuntNumber, Outcome, PlayerId, RoundNumber, TileIndex};
use huntcore_node::{Node, NodeConfig, SystemClock};
use serde_json::json;

use crate::redis;
use crate::report::{BenchError, BenchReport, HUNTCORE, Row, resident_bytes};

/// Hunts that are there to be emptied one after the other; the run ends with the last.
const HUNTS: u32 = 8;
const BATCH: usize = 1_000;
/// Batches under way at one time: enough to keep the log busy, few enough to fit the queue.
const IN_FLIGHT: usize = 16;
const PLAYERS: u32 = 10_000;
const TILES: u32 = 500_000;
const LATENCY_MICROS_MAX: u64 = 60_000_000;

/// The names of [`claims`]' cases.
pub const CLAIMS_CASES: [&str; 2] = [CASES[0].0, CASES[1].0];

/// How to run [`claims`].
#[derive(Clone, Debug)]
pub struct ClaimsBench {
    /// For each case and system.
    pub seconds: u64,
    /// Only this case, if one is named.
    pub case: Option<String>,
    /// Whether peers run too.
    pub peers: bool,
}

/// Cases: of 100 attempts, how many are on tiles that nobody has.
const CASES: [(&str, u32); 2] = [("in-process-5", 5), ("in-process-50", 50)];

/// Runs every case, huntcore and the peer in turn.
pub fn claims(bench: &ClaimsBench) -> Result<BenchReport, BenchError> {
    let mut report = BenchReport::new("claims");
    let duration = Duration::from_secs(bench.seconds);
    for (case, winners) in CASES {
        if bench.case.as_deref().is_some_and(|only| only != case) {
            continue;
        }
        report.rows.push(huntcore(case, winners, duration)?);
        if !bench.peers {
            continue;
        }
        match redis::claims(case, winners, duration)? {
            Ok(peer) => {
                report.compare(case, &peer);
                report.rows.push(peer);
            }
            Err(missing) => {
                if !report.notes.contains(&missing) {
                    report.notes.push(missing);
                }
            }
        }
    }
    Ok(report)
}

fn huntcore(case: &str, winners: u32, duration: Duration) -> Result<Row, BenchError> {
    let io = |what| move |source| BenchError::Io { what, source };
    let folder = tempfile::tempdir().map_err(io("make a folder"))?;
    let failed = |error: &dyn std::fmt::Display| BenchError::Huntcore(error.to_string());
    let log = FileLog::open(folder.path(), FileLogOptions::default()).map_err(|e| failed(&e))?;
    let config = NodeConfig::new(FairnessKey::new([7; 32]));
    let clock = Arc::new(SystemClock::default());
    let node = Node::start(config, Arc::new(log), clock).map_err(|error| failed(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(io("start a runtime"))?;
    let (attempts, elapsed, latency) = runtime.block_on(async {
        let rounds = open_rounds(&node).await?;
        race(&node, &rounds, winners, duration).await
    })?;
    let row = Row {
        case: case.to_owned(),
        system: HUNTCORE,
        value: rate(attempts, elapsed),
        unit: "attempts/s",
        p50_ms: Some(millis(latency.value_at_quantile(0.5))),
        p99_ms: Some(millis(latency.value_at_quantile(0.99))),
        rss_bytes: resident_bytes("self"),
    };
    node.stop();
    Ok(row)
}

/// Hunts of one long round each, with as many tiles as a map may have.
async fn open_rounds(node: &Node) -> Result<Vec<(HuntNumber, RoundNumber)>, BenchError> {
    let failed = |error: &dyn std::fmt::Display| BenchError::Huntcore(error.to_string());
    let square = [
        [0.0, 0.0],
        [0.32, 0.0],
        [0.32, 0.32],
        [0.0, 0.32],
        [0.0, 0.0],
    ];
    let mut open = Vec::new();
    for index in 0..HUNTS {
        let request = json!({
            "id": format!("bench-{index}"),
            "area": {"type": "Polygon", "coordinates": [square]},
            "resolution": 11,
            "round": "1h",
            "claim_window": "1h",
            "tiles": TILES,
        });
        let request = serde_json::from_value(request).map_err(|error| failed(&error))?;
        let created = node.command(HuntCommand::Create(Box::new(request))).await;
        let hunt = created.map_err(|error| failed(&error))?.hunt;
        let mut views = node.views();
        let round = loop {
            views.borrow_and_update();
            let view = node.view();
            if let Some(entry) = view.catalog.by_number(hunt)
                && let Some(round) = entry.newest_open_round(view.time)
            {
                break round.opened.round;
            }
            views.changed().await.map_err(|error| failed(&error))?;
        };
        open.push((hunt, round));
    }
    Ok(open)
}

type Raced = (u64, Duration, Histogram<u64>);

async fn race(
    node: &Node,
    rounds: &[(HuntNumber, RoundNumber)],
    winners: u32,
    duration: Duration,
) -> Result<Raced, BenchError> {
    let players: Vec<PlayerId> = (0..PLAYERS)
        .map(|index| PlayerId::new(&format!("player-{index:013}")).expect("20 bytes"))
        .collect();
    let mut latency = Histogram::<u64>::new_with_max(LATENCY_MICROS_MAX, 3).expect("valid range");
    let mut under_way = FuturesUnordered::new();
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    let mut fresh = 0;
    let mut attempts = 0;
    let started = Instant::now();
    let mut rounds = rounds.iter().copied();
    let mut place = rounds.next();
    loop {
        while under_way.len() < IN_FLIGHT
            && started.elapsed() < duration
            && let Some((hunt, round)) = place
        {
            let batch = (0..BATCH).map(|_| {
                let on_fresh = draw.below(100) < winners || fresh == 0;
                let tile = if on_fresh { fresh } else { draw.below(fresh) };
                fresh += u32::from(on_fresh);
                let player = draw.below(PLAYERS) as usize;
                Attempt {
                    hunt,
                    round,
                    tile: TileIndex::new(tile),
                    player: players[player].clone(),
                }
            });
            let batch: Vec<Attempt> = batch.collect();
            if fresh as usize + BATCH > TILES as usize {
                fresh = 0;
                place = rounds.next();
            }
            let sent = Instant::now();
            let answer = node.claim(batch);
            under_way.push(async move { (sent, answer.await) });
        }
        let Some((sent, outcomes)) = under_way.next().await else {
            break;
        };
        let micros = u64::try_from(sent.elapsed().as_micros()).unwrap_or(LATENCY_MICROS_MAX);
        latency.saturating_record_n(micros.max(1), outcomes.len() as u64);
        let unfit = |outcome: &&Outcome| !outcome.kind().is_final();
        if let Some(outcome) = outcomes.iter().find(unfit) {
            return Err(BenchError::Huntcore(format!(
                "an attempt was answered {outcome:?}"
            )));
        }
        attempts += outcomes.len() as u64;
    }
    Ok((attempts, started.elapsed(), latency))
}

/// A small generator, so that drawing costs next to nothing beside what is measured.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let scaled = ((self.0 >> 32) * u64::from(limit)) >> 32;
        u32::try_from(scaled).expect("below a u32")
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn rate(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

fn millis(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64() * 1_000.0
}
