//! Score events and the top 100 over HTTP, on a server of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use huntcore_client::Client;
use huntcore_model::{BoardName, EventId, EventType, HuntId, PlayerId};
use huntcore_wire::{BoardQuery, EventRequest, PositionText};
use tokio::runtime::Runtime;

use super::Run;
use super::refresh::{TOP, bounded};
use super::sorted_set;
use crate::claims::Peers;
use crate::load::{Latency, Pacer, Sleeper, rate, watched_hunt};
use crate::report::{BenchError, Row};
use crate::server::Server;

const PLAYERS: u64 = 10_000;
const TILES: u32 = 64;
const CONNECTIONS: u64 = 4;
/// Events of one request, when as many are sent as are taken.
const EVENTS_A_REQUEST: u64 = 2_000;
const READS_A_SECOND: u64 = 200;
/// Score events are gathered for so long, as a game server does.
const GATHERED: Duration = Duration::from_millis(10);

/// NDJSON as fast as it is answered; the quantiles are those of a request.
pub(super) fn ingest(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let server = Server::start(&run.bench.program, 1, "")?;
    let runtime = runtime()?;
    let opened = runtime.block_on(server.open_hunt(&watched_hunt("1h", TILES)?))?;
    let started = Instant::now();
    let end = started + run.duration();
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let (client, hunt) = (server.client.clone(), opened.hunt.clone());
            runtime.spawn(async move {
                let mut latency = Latency::new();
                // No two connections send the same event.
                let mut first = connection << 40;
                while Instant::now() < end {
                    let request = events(first..first + EVENTS_A_REQUEST);
                    first += EVENTS_A_REQUEST;
                    let sent = Instant::now();
                    send(&client, &hunt, &request).await?;
                    latency.record(sent.elapsed(), 1);
                }
                Ok::<_, BenchError>(latency)
            })
        })
        .collect();
    let mut latency = Latency::new();
    for connection in connections {
        let ended = runtime.block_on(connection).map_err(BenchError::huntcore)?;
        latency.add(&ended?);
    }
    let events = latency.count() * EVENTS_A_REQUEST;
    let row = Row::new(case, rate(events, started.elapsed()), "events/s");
    let row = latency.fill(row).holding(server.resident_bytes());
    run.report.rows.push(row);
    Ok(())
}

/// Reads of the top 100 at a steady pace while events come at theirs; times count from when a
/// read was due. As many are answered as are asked, so that the figure is how long one takes: 99
/// of 100 no longer.
pub(super) fn top(run: &mut Run<'_>, case: &str, per_second: u64) -> Result<(), BenchError> {
    let server = Server::start(&run.bench.program, 1, "")?;
    let runtime = runtime()?;
    let hunt = runtime
        .block_on(server.open_hunt(&watched_hunt("1h", TILES)?))?
        .hunt;
    for first in (0..PLAYERS).step_by(1_000) {
        runtime.block_on(send(&server.client, &hunt, &events(first..first + 1_000)))?;
    }
    let ours = Ours {
        runtime: &runtime,
        client: server.client.clone(),
        hunt,
        next: PLAYERS,
        latency: Arc::new(Mutex::new(Ok(Latency::new()))),
    };
    let latency = paced(ours, per_second, run.duration())?;
    let row = read_row(case, &latency).holding(server.resident_bytes());
    run.report.rows.push(row);
    if run.wants(Peers::Redis) {
        match sorted_set::rival(PLAYERS)? {
            Ok(rival) => {
                let latency = paced(rival, per_second, run.duration())?;
                let row = read_row(case, &latency).by(sorted_set::REDIS);
                run.report.compare(case, row);
                run.report.note_less_is_better();
            }
            Err(missing) => run.report.note(missing),
        }
    }
    Ok(())
}

fn read_row(case: &str, latency: &Latency) -> Row {
    latency.fill(Row::new(case, latency.quantile_ms(0.99), "ms p99 a read"))
}

/// What a client of the API waits for, by how many events are kept already: some are sent, are
/// answered as durable, and then a top 100 is read that covers them.
pub(super) fn refreshes(
    run: &Run<'_>,
    kept: &[u64],
    events_a_refresh: u64,
) -> Result<Vec<Latency>, BenchError> {
    let server = Server::start(&run.bench.program, 1, "")?;
    let runtime = runtime()?;
    let hunt = runtime
        .block_on(server.open_hunt(&watched_hunt("1h", TILES)?))?
        .hunt;
    let client = &server.client;
    let mut fed = 0;
    let mut found = Vec::new();
    for &wanted in kept {
        while fed < wanted {
            let here = EVENTS_A_REQUEST.min(wanted - fed);
            runtime.block_on(send(client, &hunt, &events(fed..fed + here)))?;
            fed += here;
        }
        found.push(bounded(run.duration(), || {
            let request = events(fed..fed + events_a_refresh);
            fed += events_a_refresh;
            let started = Instant::now();
            runtime.block_on(async {
                let position = send(client, &hunt, &request).await?;
                read_top(client, &hunt, Some(position)).await
            })?;
            Ok(started.elapsed())
        })?);
    }
    Ok(found)
}

/// The top 100, at least as new as asked.
async fn read_top(
    client: &Client,
    hunt: &HuntId,
    at_least: Option<PositionText>,
) -> Result<(), BenchError> {
    let query = BoardQuery {
        limit: Some(u32::try_from(TOP).expect("a hundred")),
        at_least,
        ..BoardQuery::default()
    };
    let page = client.board(hunt, BoardName::BEST, &query).await;
    match page.map_err(BenchError::huntcore)?.entries.len() {
        TOP => Ok(()),
        found => Err(BenchError::Huntcore(format!(
            "a page of {TOP} has {found} entries"
        ))),
    }
}

/// Whoever takes events and is asked for the top 100.
pub(super) trait Asked {
    /// Hands over so many events, of which the answers are not waited for.
    fn events(&mut self, count: u64) -> Result<(), BenchError>;

    /// Asks for the top 100, which was due then.
    fn read(&mut self, due: Instant) -> Result<(), BenchError>;

    /// How long reads took, once all are answered.
    fn finish(self) -> Result<Latency, BenchError>;
}

fn paced(
    mut asked: impl Asked,
    per_second: u64,
    duration: Duration,
) -> Result<Latency, BenchError> {
    let started = Instant::now();
    let (events, reads) = (
        Pacer::new(started, per_second),
        Pacer::new(started, READS_A_SECOND),
    );
    let sleeper = Sleeper::new();
    let total = READS_A_SECOND * duration.as_secs();
    let (mut sent, mut gathered_until, mut read) = (0, started + GATHERED, 0);
    while read < total {
        let now = Instant::now();
        if now >= gathered_until {
            let due = events.due(now);
            asked.events(due - sent)?;
            sent = due;
            gathered_until = now + GATHERED;
        }
        while read < total && reads.due_at(read) <= now {
            asked.read(reads.due_at(read))?;
            read += 1;
        }
        sleeper.sleep_until(gathered_until.min(reads.due_at(read)));
    }
    asked.finish()
}

/// A server of huntcore's, each request a task of its own.
struct Ours<'a> {
    runtime: &'a Runtime,
    client: Client,
    hunt: HuntId,
    next: u64,
    /// Or the first fault.
    latency: Arc<Mutex<Result<Latency, BenchError>>>,
}

impl Asked for Ours<'_> {
    fn events(&mut self, count: u64) -> Result<(), BenchError> {
        let (client, hunt) = (self.client.clone(), self.hunt.clone());
        let request = events(self.next..self.next + count);
        self.next += count;
        let latency = Arc::clone(&self.latency);
        self.runtime.spawn(async move {
            if let Err(error) = send(&client, &hunt, &request).await {
                *locked(&latency) = Err(error);
            }
        });
        Ok(())
    }

    fn read(&mut self, due: Instant) -> Result<(), BenchError> {
        let (client, hunt) = (self.client.clone(), self.hunt.clone());
        let latency = Arc::clone(&self.latency);
        self.runtime.spawn(async move {
            let read = read_top(&client, &hunt, None).await;
            let took = due.elapsed();
            let mut latency = locked(&latency);
            match (read, &mut *latency) {
                (Ok(()), Ok(latency)) => latency.record(took, 1),
                (Err(error), Ok(_)) => *latency = Err(error),
                (_, Err(_)) => {}
            }
        });
        Ok(())
    }

    fn finish(self) -> Result<Latency, BenchError> {
        // Tasks hold the other ends: all have ended when this one is the last.
        let sleeper = Sleeper::new();
        let mut latency = self.latency;
        loop {
            match Arc::try_unwrap(latency) {
                Ok(last) => return last.into_inner().unwrap_or_else(PoisonError::into_inner),
                Err(shared) => latency = shared,
            }
            sleeper.sleep_until(Instant::now() + GATHERED);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has all of them taken; the position that covers them.
async fn send(
    client: &Client,
    hunt: &HuntId,
    events: &[EventRequest],
) -> Result<PositionText, BenchError> {
    let answer = client.send_events(hunt, events).await;
    let answer = answer.map_err(BenchError::huntcore)?;
    if answer.accepted == events.len() as u64 {
        return Ok(answer.position);
    }
    Err(BenchError::Huntcore(format!(
        "of {} events {} were taken: {:?}",
        events.len(),
        answer.accepted,
        answer.refused.first()
    )))
}

/// Events of those indexes, each with an id of its own; the first [`PLAYERS`] are one of each
/// player's.
fn events(indexes: std::ops::Range<u64>) -> Vec<EventRequest> {
    indexes
        .map(|index| EventRequest {
            event_id: EventId::new(&format!("event-{index:014}")).expect("plain ids"),
            player: PlayerId::new(&format!("player-{:013}", index % PLAYERS)).expect("plain ids"),
            event_type: EventType::new("score").expect("a plain name"),
            score: i64::try_from(index.wrapping_mul(0x9e37_79b9) % 1_000_003).expect("small"),
            payload: None,
            ts: None,
        })
        .collect()
}

fn runtime() -> Result<Runtime, BenchError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(BenchError::io("start a runtime"))
}
