//! What it takes to tell a new score event from a repetition, among all events of a horizon.
//!
//! Runs are written as they stand after a day's merging, opened again, and asked for events that
//! are there and that are not, in requests of a thousand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use huntcore_disk::RealDisk;
use huntcore_engine::{EventFact, EventKey, EventSeen, EventSpan};
use huntcore_event_keys::{Asked, EventKeys, KeysOptions, Runs};
use huntcore_model::{EventDigest, Hash32, HuntNumber, Sequence, ShardId, TimeMicros};

use super::Run;
use crate::load::{Latency, rate};
use crate::report::{BenchError, Row};

/// 24 hours of 1,200 a second.
const EVENTS: u64 = 24 * 3_600 * 1_200;
const HORIZON_MS: u64 = 24 * 3_600 * 1_000;
/// Runs of a horizon's eighths, and some that are younger.
const RUNS: u64 = 12;
/// Events of one request.
const TOGETHER: u64 = 1_000;
/// From one event that is looked up to the next: about the golden part of 2^64, so that they
/// are spread over all runs.
const STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

/// Look-ups of events that were never taken and of such as were, then what the filters hold in
/// memory, and the time until runs can be asked. The quantiles are those of a request.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub(super) fn dedup(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
    let open = || {
        let options = KeysOptions::new(HORIZON_MS);
        let shard = ShardId::new(0);
        EventKeys::open(Arc::new(RealDisk), folder.path(), shard, options)
            .map_err(BenchError::huntcore)
    };
    let each = run.bench.events.unwrap_or(EVENTS) / RUNS;
    let events = each * RUNS;
    write(&mut open()?, each)?;
    let opens = Instant::now();
    let keys = open()?;
    let opened = opens.elapsed();
    let runs = keys.runs();
    let held = runs.memory_bytes();
    for (what, first) in [("absent", events), ("present", 0)] {
        let case = format!("{case}-{what}");
        let asking = Asking {
            first,
            events,
            are_there: first == 0,
        };
        let row = asking.ask(run, &case, &runs)?;
        run.report.rows.push(row.holding(Some(held)));
    }
    let each_holds = held as f64 / events as f64;
    let rows = &mut run.report.rows;
    rows.push(Row::new(format!("{case}-memory"), each_holds, "bytes an event").holding(Some(held)));
    let opened = opened.as_secs_f64() * 1_000.0;
    rows.push(Row::new(format!("{case}-open"), opened, "ms"));
    Ok(())
}

/// Writes all runs, of so many events each.
fn write(keys: &mut EventKeys, each: u64) -> Result<(), BenchError> {
    for run in 0..RUNS {
        let (first, end) = (run * each, (run + 1) * each);
        let facts = (first..end).map(|number| EventFact {
            key: key(number),
            seen: seen(number),
        });
        let span = EventSpan {
            first: Sequence::new(first),
            end: Sequence::new(end),
            newest: TimeMicros::from_millis((run + 1) * (HORIZON_MS / RUNS)),
        };
        keys.write_facts(span, Hash32::ZERO, facts.collect())
            .map_err(BenchError::huntcore)?;
    }
    Ok(())
}

/// Which events are looked up.
struct Asking {
    first: u64,
    events: u64,
    are_there: bool,
}

impl Asking {
    /// Asks for as long as a case runs; whether each is found is held against what was written.
    fn ask(&self, run: &Run<'_>, case: &str, runs: &Runs) -> Result<Row, BenchError> {
        let mut latency = Latency::new();
        let mut took = Duration::ZERO;
        let (mut next, mut found) = (0, Vec::new());
        while took < run.duration() {
            let numbers: Vec<u64> = (next..next + TOGETHER)
                .map(|index| self.first + index.wrapping_mul(STRIDE) % self.events)
                .collect();
            next += TOGETHER;
            let asked: Vec<Asked> = numbers
                .iter()
                .map(|&number| Asked {
                    key: key(number),
                    id_time: None,
                })
                .collect();
            found.clear();
            let asks = Instant::now();
            runs.look_up(&asked, &mut found)
                .map_err(BenchError::huntcore)?;
            let answered = asks.elapsed();
            latency.record(answered, 1);
            took += answered;
            let expected = if self.are_there { asked.len() } else { 0 };
            let is_right = |(index, found): &(usize, EventSeen)| *found == seen(numbers[*index]);
            if found.len() != expected || !found.iter().all(is_right) {
                return Err(BenchError::Promise {
                    case: case.to_owned(),
                    reason: format!(
                        "{} of {} events were found, {expected} were written",
                        found.len(),
                        asked.len()
                    ),
                });
            }
        }
        let row = Row::new(case, rate(next, took), "look-ups/s");
        Ok(latency.fill(row))
    }
}

fn key(number: u64) -> EventKey {
    EventKey::new(HuntNumber::new(0), "player", &number.to_string())
}

/// What is known of the event of that number.
fn seen(number: u64) -> EventSeen {
    EventSeen {
        digest: EventDigest((u128::from(number) << 64).to_le_bytes()),
        sequence: Sequence::new(number),
    }
}
