//! What checkpoints cost a node that is busy, and what they save at its start.
//!
//! ```text
//! checkpoints path DIR RATE SECONDS CHECKPOINT_MILLIS   an open loop at RATE attempts a second,
//!                                                       half of them winners; 0: no checkpoints
//! checkpoints build DIR RECORDS                         a log of so many claims, and checkpoints
//! checkpoints start DIR                                 starts from what `build` has left
//! checkpoints replay DIR                                the same without the checkpoints
//! ```
//! Prints one line. Build it optimised, and have the machine to yourself.

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measuring program tells its figures"
)]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use huntcore_edge::{Backend, HuntCommand};
use huntcore_lane::{ATTEMPTS_MAX, Lane, LaneOptions, Submission};
use huntcore_log_file::{FileLog, FileLogOptions};
use huntcore_map::FairnessKey;
use huntcore_model::{AttemptRef, HuntNumber, RoundNumber, TileIndex};
use huntcore_node::{CheckpointHome, Node, NodeConfig, SystemClock};
use serde_json::json;

const TILES: u32 = 1_000_000;
const PLAYERS: u64 = 10_000;
const TURN: Duration = Duration::from_micros(200);

type Failed = Box<dyn Error>;

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["path", directory, rate, seconds, millis] => path(
            Path::new(directory),
            rate.parse()?,
            seconds.parse()?,
            millis.parse()?,
        ),
        ["build", directory, records] => build(Path::new(directory), records.parse()?),
        ["start", directory] => start(Path::new(directory), true),
        ["replay", directory] => start(Path::new(directory), false),
        _ => {
            Err("path DIR RATE SECONDS MILLIS | build DIR RECORDS | start DIR | replay DIR".into())
        }
    }
}

fn open(directory: &Path, every: Option<Duration>) -> Result<Arc<Node>, Failed> {
    let log = FileLog::open(directory, FileLogOptions::default())?;
    let mut config = NodeConfig::new(FairnessKey::new([7; 32]));
    if let Some(every) = every {
        config.checkpoints = Some(CheckpointHome::beside_log(directory));
        config.checkpoint_every = every;
    }
    let clock = Arc::new(SystemClock::default());
    Ok(Node::start(config, Arc::new(log), clock)?)
}

fn create_hunts(node: &Node, count: u32, round: &str) -> Result<(), Failed> {
    let side = 0.365;
    let square = [
        [0.0, 0.0],
        [side, 0.0],
        [side, side],
        [0.0, side],
        [0.0, 0.0],
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for index in 0..count {
        let request = serde_json::from_value(json!({
            "id": format!("hunt-{index}"),
            "area": {"type": "Polygon", "coordinates": [square]},
            "resolution": 11,
            "round": round,
            "claim_window": round,
            "tiles": TILES,
        }))?;
        runtime.block_on(node.command(HuntCommand::Create(request)))?;
    }
    Ok(())
}

/// The round that can be claimed of each hunt.
fn open_rounds(node: &Node) -> Vec<(HuntNumber, RoundNumber)> {
    let view = node.view();
    let open = view.catalog.hunts().filter_map(|hunt| {
        let round = hunt.newest_open_round(view.time)?;
        Some((hunt.number, round.opened.round))
    });
    open.collect()
}

struct Generator {
    lane: Lane,
    ids: Vec<String>,
    drawn: u64,
}

impl Generator {
    fn new(node: &Node, submissions_max: usize) -> Self {
        Self {
            lane: node.lane(LaneOptions { submissions_max }),
            ids: (0..PLAYERS)
                .map(|index| format!("player-{index:013}"))
                .collect(),
            drawn: 0,
        }
    }

    fn id(&mut self) -> &str {
        self.drawn = self
            .drawn
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let player = (self.drawn >> 33) % PLAYERS;
        &self.ids[usize::try_from(player).expect("few")]
    }

    fn push(&mut self, submission: &mut Submission, place: (HuntNumber, RoundNumber), tile: u32) {
        let (hunt, round) = place;
        let player = self.id();
        submission.push(AttemptRef {
            hunt,
            round,
            tile: TileIndex::new(tile),
            player,
        });
    }

    fn poll(&mut self) -> Option<Submission> {
        match self
            .lane
            .poll_answered(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(answered) => answered,
            Poll::Pending => None,
        }
    }
}

fn path(directory: &Path, rate: u64, seconds: u64, millis: u64) -> Result<(), Failed> {
    let every = (millis > 0).then(|| Duration::from_millis(millis));
    let node = open(directory, every)?;
    let hunts = u32::try_from((rate * seconds / 2).div_ceil(u64::from(TILES)))?;
    create_hunts(&node, hunts, "1h")?;
    let places = loop {
        let places = open_rounds(&node);
        if places.len() == hunts as usize {
            break places;
        }
        std::thread::park_timeout(TURN);
    };
    let mut generator = Generator::new(&node, 4_096);
    let mut latencies = Vec::new();
    let (mut sent, mut answered_until) = (0_u64, 0_u64);
    let all = rate * seconds;
    let started = Instant::now();
    let due_at = |index: u64| started + Duration::from_nanos(index * 1_000_000_000 / rate);
    while answered_until < all {
        let now = Instant::now();
        let nanos = u64::try_from((now - started).as_nanos())?;
        let due = (nanos / 1_000 * rate / 1_000_000).min(all);
        while sent < due
            && let Some(mut submission) = generator.lane.start()
        {
            let count = (due - sent).min(ATTEMPTS_MAX as u64);
            submission.tag = sent;
            for index in sent..sent + count {
                // Each tile is asked for twice, the second time a thousand later.
                let place = if index % 2 == 0 {
                    index / 2
                } else {
                    (index / 2).saturating_sub(500)
                };
                let tile = u32::try_from(place % u64::from(TILES))?;
                let hunt = usize::try_from(place / u64::from(TILES))?;
                generator.push(&mut submission, places[hunt], tile);
            }
            sent += count;
            generator.lane.submit(submission);
        }
        while let Some(answered) = generator.poll() {
            let now = Instant::now();
            let count = answered.len() as u64;
            for index in (answered.tag..answered.tag + count).step_by(16) {
                latencies.push(now - due_at(index));
            }
            answered_until = answered.tag + count;
            generator.lane.recycle(answered);
        }
        std::thread::park_timeout(TURN);
    }
    latencies.sort_unstable();
    let quantile = |permille: usize| {
        let index = (latencies.len() * permille / 1_000).min(latencies.len() - 1);
        latencies[index].as_secs_f64() * 1_000.0
    };
    println!(
        "rate {rate} checkpoints every {millis} ms: taken {} of {} bytes in {} s; p50 {:.2} ms p99 \
         {:.2} ms p99.9 {:.2} ms max {:.2} ms",
        metric(&node, "huntcore_checkpoints_total"),
        metric(&node, "huntcore_checkpoint_bytes"),
        metric(&node, "huntcore_checkpoint_duration_seconds"),
        quantile(500),
        quantile(990),
        quantile(999),
        quantile(1_000),
    );
    node.stop();
    Ok(())
}

fn build(directory: &Path, records: u64) -> Result<(), Failed> {
    let node = open(directory, Some(Duration::from_secs(20)))?;
    create_hunts(&node, 10, "5s")?;
    let mut generator = Generator::new(&node, 32);
    let started = Instant::now();
    let mut claimed = 0_u64;
    let mut places: Vec<((HuntNumber, RoundNumber), u32)> = Vec::new();
    while claimed < records {
        let is_exhausted = places.iter().all(|(_, next)| *next >= TILES);
        if is_exhausted || claimed.is_multiple_of(1_000_000) {
            for place in open_rounds(&node) {
                match places.iter_mut().find(|((hunt, _), _)| *hunt == place.0) {
                    Some(known) if known.0 != place => *known = (place, 0),
                    Some(_) => {}
                    None => places.push((place, 0)),
                }
            }
        }
        while let Some(answered) = generator.poll() {
            generator.lane.recycle(answered);
        }
        let Some((place, next)) = places.iter_mut().find(|(_, next)| *next < TILES) else {
            std::thread::park_timeout(TURN);
            continue;
        };
        let Some(mut submission) = generator.lane.start() else {
            std::thread::park_timeout(TURN);
            continue;
        };
        let (place, from) = (*place, *next);
        *next += 4_000;
        for tile in from..from + 4_000 {
            generator.push(&mut submission, place, tile);
        }
        claimed += 4_000;
        generator.lane.submit(submission);
    }
    while generator.lane.in_flight() > 0 {
        if let Some(answered) = generator.poll() {
            generator.lane.recycle(answered);
        }
        std::thread::park_timeout(TURN);
    }
    println!(
        "{claimed} claims asked for in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    node.stop();
    Ok(())
}

fn start(directory: &Path, from_checkpoint: bool) -> Result<(), Failed> {
    let started = Instant::now();
    let log = FileLog::open(directory, FileLogOptions::default())?;
    let opened = started.elapsed();
    drop(log);
    let started = Instant::now();
    let node = open(
        directory,
        from_checkpoint.then_some(Duration::from_hours(1)),
    )?;
    let taken = started.elapsed().as_secs_f64();
    let records: u64 = node
        .view()
        .position
        .streams()
        .map(|(_, next)| next.get())
        .sum();
    println!(
        "{records} records: log opened in {:.3} s, node started in {taken:.3} s, {:.1} million \
         records/s, {} bytes resident",
        opened.as_secs_f64(),
        records as f64 / taken / 1e6,
        metric(&node, "huntcore_memory_bytes"),
    );
    node.stop();
    Ok(())
}

/// What a metric says.
fn metric(node: &Node, name: &str) -> f64 {
    let mut page = String::new();
    node.render_metrics(&mut page);
    let values = page
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values
        .filter_map(|value| value.parse::<f64>().ok())
        .fold(0.0, |sum, value| sum + value)
}
