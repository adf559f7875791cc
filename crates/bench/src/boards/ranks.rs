//! What it takes to say where somebody stands among very many, read by read.

use std::hint::black_box;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::Run;
use super::stage::{Counted, Stage, timed};
use crate::report::{BenchError, Row};

/// Reads of each kind; enough for the slowest of a thousand to be known.
const READS: usize = 200_000;
/// Applied between two versions.
const SCORES_AT_ONCE: u32 = 500_000;
const NEIGHBOURS: usize = 5;
const PAGE: usize = 100;
const NANOS_MAX: u64 = 1_000_000_000;

/// Rank, neighbours, rank at a score and a page at any depth.
pub(super) fn ranks(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let mut stage = Stage::new(Counted::Claims, run.bench.players)?;
    // As a board stands in the middle of a hunt: most have scored again since they came.
    let mut left = run.bench.players;
    while left > 0 {
        let here = left.min(SCORES_AT_ONCE);
        left -= here;
        for batch in stage.scores(here, Duration::from_millis(1)) {
            stage.apply(&batch)?;
        }
        stage.boards.publish();
    }
    let version = stage.boards.publish();
    let view = stage.board(&version)?;
    let found = stage.any_player();
    if view.standing(&found).is_none() {
        return Err(BenchError::Promise {
            case: case.to_owned(),
            reason: format!("{found:?} has scored and is on no board"),
        });
    }
    let mut read = |what: &str, mut one: Box<dyn FnMut(&mut Stage) -> Duration + '_>| {
        let mut nanos = Histogram::<u64>::new_with_max(NANOS_MAX, 3).expect("a valid range");
        for _ in 0..READS {
            let took = u64::try_from(one(&mut stage).as_nanos()).unwrap_or(NANOS_MAX);
            nanos.saturating_record(took.max(1));
        }
        run.report.rows.push(row(&format!("{case}-{what}"), &nanos));
    };
    read(
        "rank",
        Box::new(|stage| {
            let player = stage.any_player();
            timed(|| black_box(view.standing(&player))).1
        }),
    );
    read(
        "neighbours",
        Box::new(|stage| {
            let player = stage.any_player();
            timed(|| black_box(view.around(&player, NEIGHBOURS))).1
        }),
    );
    read(
        "at-score",
        Box::new(|stage| {
            let score = stage.any_score();
            timed(|| black_box(view.rank_at(score))).1
        }),
    );
    read(
        "page",
        Box::new(|stage| {
            let rank = stage.any_rank();
            timed(|| black_box(view.entries(rank).take(PAGE).last())).1
        }),
    );
    Ok(())
}

/// The mean in microseconds, and the quantiles.
#[expect(
    clippy::cast_precision_loss,
    reason = "at most a second in nanoseconds"
)]
fn row(case: &str, nanos: &Histogram<u64>) -> Row {
    let millis = |quantile| Some(nanos.value_at_quantile(quantile) as f64 / 1e6);
    let mut row = Row::new(case, nanos.mean() / 1e3, "µs a read");
    row.p50_ms = millis(0.5);
    row.p99_ms = millis(0.99);
    row.p999_ms = millis(0.999);
    row.max_ms = millis(1.0);
    row
}
