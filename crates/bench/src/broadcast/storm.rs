//! Ten thousand listeners come back at once: what that does to the others' ticks.

use std::time::{Duration, Instant};

use super::Run;
use super::latency::{by_tick, slowest_tick_ms};
use super::stage::{HEARD_WITHIN, OPEN_WITHIN, Stage, StageOptions, check};
use crate::report::{BenchError, Row};

const OTHERS: u32 = 5_000;
const STORM: u32 = 10_000;
const TICK: Duration = Duration::from_millis(100);
const MESSAGE_BYTES: usize = 256;

/// Others are told every tick while a crowd hangs up, and comes back with what it has seen.
pub(super) fn storm(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let options = StageOptions {
        tick: TICK,
        pace: TICK,
        limits: "",
    };
    let program = &run.bench.program;
    let mut stage = Stage::open(program, options)?;
    let mut others = stage.crowd(program, OTHERS, 2, None)?;
    let mut crowd = stage.crowd(program, STORM, 3, None)?;
    stage.aim_at(&mut others, MESSAGE_BYTES)?;
    let before = stage.measure(case, &mut others, run.duration() / 2)?;
    crowd.begin()?;
    let started = Instant::now();
    crowd.send_away(STORM, OPEN_WITHIN)?;
    let during = stage.measure(case, &mut others, run.duration())?;
    crowd.come_in()?.expect(STORM)?;
    let back = started.elapsed();
    let stamp = stage.runtime.block_on(stage.teller.tell())?;
    let heard = crowd.hear(stamp, HEARD_WITHIN)?;
    check(case, &heard, None)?;
    let calm = format!("{case}-before");
    run.report.rows.push(by_tick(&calm, &before.figures));
    run.report.rows.push(by_tick(case, &during.figures));
    let late =
        slowest_tick_ms(&during.figures) - by_tick("", &before.figures).p50_ms.unwrap_or_default();
    let ticks = late.max(0.0) / (TICK.as_secs_f64() * 1_000.0);
    run.report.rows.push(Row::new(
        format!("{case}-latest"),
        ticks,
        "ticks late at most",
    ));
    run.report.note(format!(
        "{case}: {STORM} listeners hung up at once, every second one by a reset, and were back \
         within {:.1} s at the latest; {} handshakes were refused and tried again",
        back.as_secs_f64(),
        heard.refused
    ));
    Ok(())
}
