//! Listeners come, go and stop reading for minutes: the server's memory stays flat.

use std::time::{Duration, Instant};

use super::Run;
use super::stage::{HEARD_WITHIN, OPEN_WITHIN, Stage, StageOptions, check, float};
use crate::fanout::private_bytes;
use crate::report::{BenchError, Row};

const STEADY: u32 = 4_000;
const COMING_AND_GOING: u32 = 2_000;
const CHURN_PER_SECOND: u32 = 100;
const STALLING: u32 = 200;
const STALLED_RECEIVE_BYTES: usize = 4_096;
const TICK: Duration = Duration::from_millis(100);
const MESSAGE_BYTES: usize = 256;
/// Between looks at the memory; listeners stall every second time.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Growth from the second quarter of the time to the last that is still flat.
const GROWTH_MAX: f64 = 0.05;
/// What players, claims and answers of the soak itself may add for each claim.
const BYTES_A_CLAIM: u64 = 1_024;

/// See the module.
pub(super) fn soak(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let options = StageOptions {
        tick: TICK,
        pace: TICK,
        limits: "slow_client_timeout = \"120s\"",
    };
    let program = &run.bench.program;
    let mut stage = Stage::open(program, options)?;
    let mut steady = stage.crowd(program, STEADY, 2, None)?;
    let mut moving = stage.crowd(program, COMING_AND_GOING, 3, None)?;
    let mut stalling = stage.crowd(program, STALLING, 4, Some(STALLED_RECEIVE_BYTES))?;
    stage.aim_at(&mut steady, MESSAGE_BYTES)?;
    for crowd in [&mut steady, &mut moving, &mut stalling] {
        crowd.begin()?;
    }
    moving.churn(CHURN_PER_SECOND)?;
    let pid = stage.server.pid();
    let won = stage.teller.won;
    let mut held = Vec::new();
    let end = Instant::now() + Duration::from_secs(60 * run.bench.minutes);
    let mut stamp = 0;
    while Instant::now() < end {
        stalling.stall(if held.len() % 2 == 0 { STALLING } else { 0 })?;
        let told = stage.teller.tell_for(TICK, LOOK_EVERY);
        stamp = stage.runtime.block_on(told)?;
        let heard = steady.hear(stamp, HEARD_WITHIN)?;
        check(case, &heard, Some(stage.teller.won - won))?;
        held.push(private_bytes(pid).unwrap_or_default());
    }
    moving.churn(0)?;
    stalling.stall(0)?;
    let moved = moving.come_back(0, OPEN_WITHIN)?;
    moved.expect(COMING_AND_GOING)?;
    for crowd in [&mut moving, &mut stalling] {
        check(case, &crowd.hear(stamp, HEARD_WITHIN)?, None)?;
    }
    let quarter = held.len() / 4;
    let early = median(&held[quarter..2 * quarter]);
    let late = median(&held[3 * quarter..]);
    let of_claims = (stage.teller.won - won) * BYTES_A_CLAIM / 2;
    let grown = float(late.saturating_sub(early + of_claims)) / float(early.max(1));
    if grown > GROWTH_MAX {
        return Err(BenchError::Promise {
            case: case.to_owned(),
            reason: format!("memory grew from {early} to {late} bytes"),
        });
    }
    let row = Row::new(
        case,
        float(late) / float(early.max(1)),
        "memory, late over early",
    );
    run.report.rows.push(row.holding(held.last().copied()));
    run.report.note(format!(
        "{case}: {} minutes with {CHURN_PER_SECOND} of {COMING_AND_GOING} listeners coming and \
         going each second, {STALLING} stalling in turn and {STEADY} steady ones; memory of its \
         own {early} bytes in the second quarter, {late} in the last",
        run.bench.minutes
    ));
    Ok(())
}

fn median(values: &[u64]) -> u64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
