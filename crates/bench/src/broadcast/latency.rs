//! How long a tick takes to the last listener, and what listeners that do not read do to it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Run;
use super::stage::{HEARD_WITHIN, Measured, Stage, StageOptions, check, float, with_latency};
use crate::fanout::{Crowd, Figures};
use crate::report::{BenchError, Ratio, Row};

const UNIT: &str = "ms, p99 of ticks to the last listener";
const EACH: &str = "ms, p99 of deliveries";
const READERS: u32 = 13_500;
/// One in ten.
const STALLED: u32 = 1_500;
/// Short, so that what is measured is the way and not the wait.
const TICK: Duration = Duration::from_millis(10);
const PACE: Duration = Duration::from_millis(250);
const MESSAGE_BYTES: usize = 1_024;
/// A small buffer is full soon.
const STALLED_RECEIVE_BYTES: usize = 4_096;
/// What fills the buffers of whoever does not read: ticks, and claims of each.
const FLOOD: (u32, u32) = (6, 500);
const WITHOUT: &str = "none stalled";

/// Ticks to 15,000 listeners; first all read, then one in ten does not, then all again.
pub(super) fn latency(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let options = StageOptions {
        tick: TICK,
        pace: PACE,
        limits: "slow_client_timeout = \"120s\"",
    };
    let program = &run.bench.program;
    let mut stage = Stage::open(program, options)?;
    let mut readers = stage.crowd(program, READERS, 2, None)?;
    let mut others = stage.crowd(program, STALLED, 3, Some(STALLED_RECEIVE_BYTES))?;
    stage.aim_at(&mut readers, MESSAGE_BYTES)?;
    others.begin()?;
    let half = run.duration() / 2;
    let mut without = stage.measure(case, &mut readers, half)?;
    others.stall(STALLED)?;
    flood(&mut stage, case, &mut readers)?;
    let with = stage.measure(case, &mut readers, run.duration())?;
    let last = stage.runtime.block_on(stage.teller.tell())?;
    others.stall(0)?;
    let caught_up = others.hear(last, HEARD_WITHIN)?;
    check_caught_up(case, &caught_up)?;
    without.add(stage.measure(case, &mut readers, half)?);
    let stalled = format!("{case}-stalled");
    run.report.rows.push(by_tick(case, &without.figures));
    run.report.rows.push(by_delivery(case, &without));
    run.report.rows.push(by_tick(&stalled, &with.figures));
    run.report.rows.push(by_delivery(&stalled, &with));
    let p99 = |measured: &Measured| {
        let row = Row::new("", 0.0, EACH);
        let row = with_latency(row, measured.figures.latency_micros.clone());
        row.p99_ms.unwrap_or_default()
    };
    run.report.ratios.push(Ratio {
        case: format!("{stalled}-deliveries"),
        against: WITHOUT,
        ratio: p99(&with) / p99(&without).max(f64::EPSILON),
    });
    run.report.note(format!(
        "{case}: from handing in the claims, every {PACE:?}, so deciding, the disk's sync and the \
         wait for the tick ({TICK:?}) are in it; {STALLED} of {} listeners stalled, and were told in the end \
         by {} merged deltas and {} snapshots",
        READERS + STALLED,
        caught_up.merged,
        caught_up.snapshots
    ));
    Ok(())
}

/// Fills the buffers of those who do not read.
fn flood(stage: &mut Stage, case: &str, readers: &mut Crowd) -> Result<(), BenchError> {
    readers.begin()?;
    let won = stage.teller.won;
    for _ in 0..FLOOD.0 {
        let stamp = stage.runtime.block_on(stage.teller.tell_of(FLOOD.1))?;
        check(
            case,
            &readers.hear(stamp, HEARD_WITHIN)?,
            Some(stage.teller.won - won),
        )?;
    }
    Ok(())
}

/// Whoever did not read must have been told all the same, and must have been behind.
fn check_caught_up(case: &str, figures: &Figures) -> Result<(), BenchError> {
    check(case, figures, None)?;
    if figures.merged + figures.snapshots < u64::from(STALLED) {
        return Err(BenchError::huntcore(
            "the stalled listeners were not behind: nothing was merged for them",
        ));
    }
    Ok(())
}

/// Ticks by how long they took to the last listener.
pub(super) fn by_tick(case: &str, figures: &Figures) -> Row {
    let mut counted: BTreeMap<u64, u64> = BTreeMap::new();
    for tick in figures.ticks.values() {
        *counted.entry(tick.last_micros).or_default() += 1;
    }
    let mut row = with_latency(Row::new(case, 0.0, UNIT), counted);
    row.value = row.p99_ms.unwrap_or_default();
    row
}

fn by_delivery(case: &str, measured: &Measured) -> Row {
    let row = Row::new(format!("{case}-deliveries"), 0.0, EACH);
    let mut row = with_latency(row, measured.figures.latency_micros.clone());
    row.value = row.p99_ms.unwrap_or_default();
    row.generator_cpu_percent = Some(measured.crowd_percent());
    row
}

/// The longest that a tick took to the last listener, in milliseconds.
pub(super) fn slowest_tick_ms(figures: &Figures) -> f64 {
    let slowest = figures.ticks.values().map(|tick| tick.last_micros).max();
    float(slowest.unwrap_or_default()) / 1_000.0
}
