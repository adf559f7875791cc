//! What durability costs beside the path and at a start: checkpoints while attempts go on, and
//! restarts with a long log.

use std::time::{Duration, Instant};

use super::in_process::{Offer, Raced, hunts_for, race, race_on};
use super::world::{World, WorldOptions, start};
use crate::claims::Run;
use crate::load::{HUNT_TILES, Source, Winners, rate};
use crate::report::{BenchError, Ratio, Row};

/// Attempts a second while checkpoints are taken: far below the most there can be, so that
/// latency is not the queue's.
const OFFERED: u64 = 500_000;
/// Claims made before anything is measured, so that a checkpoint has something to hold.
const FILL: Duration = Duration::from_secs(2);
/// One checkpoint behind the other.
const OFTEN: Duration = Duration::from_millis(250);
/// Measurements with checkpoints, each beside one without.
const PAIRS: usize = 5;
/// After a load of the case `restart` has ended.
const SOON: Duration = Duration::from_secs(5);
/// Hunts of the case `restart` that are open together.
const HUNTS_AT_ONCE: u32 = 32;
/// For the log of the case `restart`.
const BUILD_MAX: Duration = Duration::from_secs(600);

/// Latency while checkpoints are taken against latency while none is: pairs in turn, of which the
/// one in the middle counts.
pub(crate) fn checkpoint(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let without = measure(run, case, None)?;
        let with = measure(run, case, Some(OFTEN))?;
        let ratio = with.latency.quantile_ms(0.99) / without.latency.quantile_ms(0.99);
        pairs.push((ratio, with, without));
    }
    pairs.sort_by(|(one, ..), (other, ..)| one.total_cmp(other));
    let ratios: Vec<String> = pairs.iter().map(|pair| format!("{:.2}", pair.0)).collect();
    let note = format!("{case}: the ratio of each pair was {}", ratios.join(", "));
    run.report.note(note);
    let (ratio, with, without) = pairs.swap_remove(PAIRS / 2);
    run.report.rows.push(with.row(case));
    run.report.rows.push(without.row(&format!("{case}-none")));
    run.report.ratios.push(Ratio {
        case: format!("{case}: p99"),
        against: "no checkpoint",
        ratio,
    });
    Ok(())
}

fn measure(
    run: &Run<'_>,
    case: &str,
    checkpoint_every: Option<Duration>,
) -> Result<Raced, BenchError> {
    let offer = Offer::Open(OFFERED);
    let filling = hunts_for(Winners::HALF, Offer::Closed, FILL);
    let measuring = hunts_for(Winners::HALF, offer, run.duration());
    let world = World::open(WorldOptions {
        checkpoint_every,
        ..WorldOptions::new(filling + measuring)
    })?;
    let fill = Source::within(0, filling, Winners::HALF);
    race_on(&world, fill, Offer::Closed, FILL)?;
    let source = Source::within(filling, filling + measuring, Winners::HALF);
    let raced = race_on(&world, source, offer, run.duration())?;
    if checkpoint_every.is_some() && world.checkpoints_taken() == 0 {
        let reason = "no checkpoint was taken".to_owned();
        return Err(BenchError::Promise {
            case: case.to_owned(),
            reason,
        });
    }
    Ok(raced)
}

/// How long a start takes with a long log: from the newest checkpoint, and from the log alone.
pub(crate) fn restart(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let hunts = run.bench.records.div_ceil(u64::from(HUNT_TILES));
    let hunts = u32::try_from(hunts).map_err(BenchError::huntcore)?;
    let at_once = hunts.min(HUNTS_AT_ONCE);
    let options = WorldOptions {
        checkpoint_every: Some(SOON),
        ..WorldOptions::new(at_once)
    };
    let started = Instant::now();
    let mut world = World::open(options)?;
    let mut records = 0;
    let mut left = hunts - at_once;
    loop {
        let time_left = BUILD_MAX.saturating_sub(started.elapsed());
        records += race(&world, Winners::ALL, Offer::Closed, time_left)?.decided;
        if left == 0 || time_left.is_zero() {
            break;
        }
        let next = left.min(HUNTS_AT_ONCE);
        world.reopen(next)?;
        left -= next;
    }
    if records < run.bench.records {
        let wanted = run.bench.records;
        run.report.note(format!(
            "{case}: {records} of {wanted} records within {BUILD_MAX:?}"
        ));
    }
    // The first to end may have begun before the last record was written.
    if !(world.await_checkpoint()? && world.await_checkpoint()?) {
        run.report
            .note(format!("{case}: no checkpoint was taken after the load"));
    }
    let folder = world.close();
    let (node, took) = start(&folder, options)?;
    node.stop();
    drop(node);
    let unit = "s to serve, from a checkpoint";
    run.report
        .rows
        .push(Row::new(case, took.as_secs_f64(), unit));
    let (node, took) = start(&folder, WorldOptions::new(0))?;
    node.stop();
    let row = Row::new(
        format!("{case}-replay"),
        rate(records, took),
        "records/s, from the log alone",
    );
    run.report.rows.push(row);
    Ok(())
}
