//! Score events through a whole node in this process, on a real log: how many become durable a
//! second, and how soon after that a board shows them.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use huntcore_edge::{Backend as _, EventOutcome};
use huntcore_model::{EventId, EventType, HuntNumber, PlayerId, ScoreEvent, Sequence, ShardId};
use huntcore_node::Node;
use tokio::sync::mpsc;

use super::Run;
use crate::cases::{World, block_on};
use crate::load::{CpuShare, Latency, Pacer, Sleeper, ThreadCpu, rate, watched_hunt};
use crate::report::{BenchError, Row};

const PLAYERS: u64 = 10_000;
const SUBMITTERS: u64 = 2;
/// Events of one submission.
const EVENTS_TOGETHER: u64 = 1_000;
/// Submissions of one submitter that are not answered yet.
const UNANSWERED_MAX: usize = 8;
const TILES: u32 = 64;
/// For what was acknowledged last to be on the board.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);
/// Events that are due within this are handed over together.
const TURN: Duration = Duration::from_millis(1);

/// A place in the log that was acknowledged, and when.
type Acknowledged = (ShardId, Sequence, Instant);

/// Submitters hand over events as fast as they are answered; the quantiles are those of an
/// answer.
pub(super) fn batch(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let world = World::open_one(1, watched_hunt("1h", TILES)?)?;
    let hunt = world.places[0].0;
    let next = AtomicU64::new(0);
    let started = Instant::now();
    let end = started + run.duration();
    let (node, next, events) = (&world.node, &next, &Events::of(hunt));
    let submitters = std::thread::scope(|scope| {
        let submitters: Vec<_> = (0..SUBMITTERS)
            .map(|_| scope.spawn(move || submit(node, events, next, end)))
            .collect();
        let results = submitters.into_iter();
        let results = results.map(|submitter| submitter.join().expect("submitters do not panic"));
        results.collect::<Result<Vec<_>, _>>()
    })?;
    let taken = started.elapsed();
    let (mut latency, mut accepted, mut cpu) = (Latency::new(), 0, CpuShare::default());
    for submitter in submitters {
        latency.add(&submitter.latency);
        accepted += submitter.accepted;
        cpu.generator += submitter.cpu.generator;
        cpu.all = cpu.all.max(submitter.cpu.all);
    }
    let mut row = latency.fill(Row::new(case, rate(accepted, taken), "events/s"));
    row.generator_cpu_percent = Some(cpu.percent());
    run.report.rows.push(row);
    Ok(())
}

struct Submitted {
    latency: Latency,
    accepted: u64,
    cpu: CpuShare,
}

fn submit(
    node: &Arc<Node>,
    made: &Events,
    next: &AtomicU64,
    end: Instant,
) -> Result<Submitted, BenchError> {
    let cpu = ThreadCpu::start();
    let mut latency = Latency::new();
    let mut accepted = 0;
    block_on(async {
        let mut unanswered = FuturesUnordered::new();
        loop {
            while unanswered.len() < UNANSWERED_MAX && Instant::now() < end {
                let first = next.fetch_add(EVENTS_TOGETHER, Ordering::Relaxed);
                let events = made.range(first..first + EVENTS_TOGETHER);
                let sent = Instant::now();
                let answer = node.record_events(events);
                unanswered.push(async move { (sent, answer.await) });
            }
            let Some((sent, outcomes)) = unanswered.next().await else {
                return Ok(());
            };
            latency.record(sent.elapsed(), EVENTS_TOGETHER);
            for outcome in outcomes {
                place(outcome)?;
                accepted += 1;
            }
        }
    })?;
    Ok(Submitted {
        latency,
        accepted,
        cpu: cpu.taken(),
    })
}

/// Events come at a steady pace; the quantiles are of the time from an event's answer to the
/// first version of the boards that holds it.
pub(super) fn visible(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    for per_second in [1_200, 10_000] {
        let world = World::open_one(1, watched_hunt("1h", TILES)?)?;
        let latency = visible_at(&world, per_second, run.duration())?;
        let shown = latency.count();
        let case = format!("{case}-{per_second}");
        if shown == 0 {
            let reason = "no event that was acknowledged was shown".to_owned();
            return Err(BenchError::Promise { case, reason });
        }
        let row = Row::new(case, rate(shown, run.duration()), "events/s");
        run.report.rows.push(latency.fill(row));
    }
    Ok(())
}

fn visible_at(world: &World, per_second: u64, duration: Duration) -> Result<Latency, BenchError> {
    let made = Events::of(world.places[0].0);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(BenchError::io("start a runtime"))?;
    let (acknowledged, waiting) = mpsc::unbounded_channel();
    let watching = runtime.spawn(watch(Arc::clone(&world.node), waiting));
    let pacer = Pacer::new(Instant::now(), per_second);
    let total = per_second * duration.as_secs();
    let sleeper = Sleeper::new();
    let mut sent = 0;
    while sent < total {
        let due = pacer.due(Instant::now()).min(total);
        if due > sent {
            let answer = world.node.record_events(made.range(sent..due));
            let acknowledged = acknowledged.clone();
            runtime.spawn(async move {
                let outcomes = answer.await;
                let now = Instant::now();
                for outcome in outcomes {
                    // Whoever watches has gone if it failed, and says why.
                    let _ = acknowledged.send(place(outcome).map(|at| (at.0, at.1, now)));
                }
            });
            sent = due;
        }
        sleeper.sleep_until(pacer.due_at(sent).max(Instant::now() + TURN));
    }
    drop(acknowledged);
    runtime
        .block_on(watching)
        .map_err(|error| BenchError::Huntcore(error.to_string()))?
}

/// Waits for versions until all that was acknowledged has been shown.
async fn watch(
    node: Arc<Node>,
    mut acknowledged: mpsc::UnboundedReceiver<Result<Acknowledged, BenchError>>,
) -> Result<Latency, BenchError> {
    let mut views = node.views();
    let mut waiting = VecDeque::new();
    let mut latency = Latency::new();
    let mut is_open = true;
    while is_open || !waiting.is_empty() {
        tokio::select! {
            biased;
            // What was acknowledged is looked at before the version that may hold it.
            event = acknowledged.recv(), if is_open => match event {
                Some(event) => waiting.push_back(event?),
                None => is_open = false,
            },
            changed = tokio::time::timeout(VISIBLE_WITHIN, views.changed()) => {
                let now = Instant::now();
                changed.map_err(BenchError::huntcore)?.map_err(BenchError::huntcore)?;
                let view = node.view();
                let shown = view.boards.position();
                waiting.retain(|&(shard, sequence, at)| {
                    let is_shown = sequence < shown.next(shard);
                    if is_shown {
                        latency.record(now.saturating_duration_since(at), 1);
                    }
                    !is_shown
                });
            }
        }
    }
    Ok(latency)
}

/// Score events as a game server reports them: it knows its players, and each event has an id
/// of its own.
struct Events {
    hunt: HuntNumber,
    players: Vec<PlayerId>,
    event_type: EventType,
}

impl Events {
    fn of(hunt: HuntNumber) -> Self {
        let player = |number| PlayerId::new(&format!("player-{number:013}")).expect("plain ids");
        Self {
            hunt,
            players: (0..PLAYERS).map(player).collect(),
            event_type: EventType::new("score").expect("a plain name"),
        }
    }

    fn range(&self, indices: Range<u64>) -> Vec<ScoreEvent> {
        indices.map(|index| self.event(index)).collect()
    }

    fn event(&self, index: u64) -> ScoreEvent {
        let spread = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let player = usize::try_from(spread % PLAYERS).expect("few players");
        ScoreEvent {
            hunt: self.hunt,
            event_id: EventId::new(&format!("event-{index:014}")).expect("plain ids"),
            player: self.players[player].clone(),
            event_type: self.event_type.clone(),
            score: i64::try_from(index % 1_000_003).expect("small"),
            sent_at: None,
            payload: String::new(),
        }
    }
}

/// Where an event is that was taken.
fn place(outcome: EventOutcome) -> Result<(ShardId, Sequence), BenchError> {
    match outcome {
        EventOutcome::Accepted { shard, sequence } => Ok((shard, sequence)),
        other => Err(BenchError::Huntcore(format!(
            "an event was not taken: {other:?}"
        ))),
    }
}
