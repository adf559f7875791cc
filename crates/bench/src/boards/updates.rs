//! How many scores a board takes on one thread, with a version for readers every 20 ms, and what
//! it holds.

use std::time::{Duration, Instant};

use super::Run;
use super::sorted_set;
use super::stage::{BATCH_RECORDS, Counted, Stage};
use crate::claims::Peers;
use crate::load::{Latency, rate};
use crate::report::{BenchError, Row};

const PLAYERS_MAX: u32 = 1_000_000;
/// The rate that the batches' times belong to.
const PER_SECOND: u32 = 3_000_000;
const VERSION_EVERY: Duration = Duration::from_millis(20);
/// Made and then applied at once, so that making them is not in the figure.
const SCORES_AT_ONCE: u32 = PER_SECOND / 2;

/// Scores of players drawn at random; the quantiles are those of publishing a version.
pub(super) fn updates(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let players = run.bench.players.min(PLAYERS_MAX);
    let mut stage = Stage::new(Counted::Claims, players)?;
    let interval = Duration::from_secs(1) * BATCH_RECORDS / PER_SECOND;
    let mut publishing = Latency::new();
    let mut took = Duration::ZERO;
    let mut scored = 0;
    while took < run.duration() {
        let batches = stage.scores(SCORES_AT_ONCE, interval);
        let mut since_version = Duration::ZERO;
        let started = Instant::now();
        for batch in &batches {
            stage.apply(batch)?;
            since_version += interval;
            if since_version >= VERSION_EVERY {
                since_version = Duration::ZERO;
                let publishes = Instant::now();
                stage.boards.publish();
                publishing.record(publishes.elapsed(), 1);
            }
        }
        took += started.elapsed();
        scored += u64::from(SCORES_AT_ONCE);
    }
    let row = Row::new(case, rate(scored, took), "updates/s");
    run.report.rows.push(publishing.fill(row));
    if run.wants(Peers::Redis) {
        match sorted_set::updates(players, run.duration())? {
            Ok(row) => run.report.compare(case, row),
            Err(missing) => run.report.note(missing),
        }
    }
    Ok(())
}

/// Bytes for each player beyond the id, of a board that everybody has scored on twice.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub(super) fn memory(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let players = run.bench.players.min(PLAYERS_MAX);
    let mut stage = Stage::new(Counted::Claims, players)?;
    let batches = stage.scores(players, Duration::from_millis(1));
    for batch in &batches {
        stage.apply(batch)?;
    }
    stage.boards.publish();
    let bytes = stage.boards.heap_bytes() as f64 / f64::from(players);
    let row = Row::new(case, bytes, "bytes a player");
    run.report.rows.push(row);
    Ok(())
}
