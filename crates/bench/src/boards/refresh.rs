//! What it costs to bring a top 100 up to date after one more second of score events, by how many
//! are kept already: huntcore, a materialized view of PostgreSQL, a sorted set of Redis.
//!
//! Each is fed the same shape: 1,200 events a second of 10,000 players, the highest score counts.
//! What a figure includes is not the same for all, and the report says so. Making up the events is
//! in none.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::Run;
use super::stage::{Counted, Stage};
use super::{http, materialized_view, sorted_set};
use crate::claims::Peers;
use crate::load::Latency;
use crate::report::{BenchError, Row};

const PLAYERS: u32 = 10_000;
pub(super) const EVENTS_A_SECOND: u32 = 1_200;
pub(super) const TOP: usize = 100;
const KEPT: [u64; 4] = [10_000, 100_000, 1_440_000, 30_000_000];
/// Fed at once.
const EVENTS_AT_ONCE: u32 = 240_000;
/// At most so many refreshes of each.
const REFRESHES_MAX: u32 = 200;
const UNIT: &str = "ms a refresh";
/// No more events are fed over HTTP.
const KEPT_OVER_HTTP_MAX: u64 = 1_440_000;

/// One refresh, timed over and over; `value` is the mean.
pub(super) fn refresh(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let kept: Vec<u64> = KEPT
        .into_iter()
        .filter(|&kept| run.bench.events.is_none_or(|most| kept <= most))
        .collect();
    let named = |part: &str| -> Vec<(u64, String)> {
        let name = |&kept: &u64| (kept, format!("{case}{part}-{kept}"));
        kept.iter().map(name).collect()
    };
    let (in_process, over_http) = (named(""), named("-http"));
    huntcore(run, &in_process)?;
    let fed = kept.partition_point(|&kept| kept <= KEPT_OVER_HTTP_MAX);
    let heard = http::refreshes(run, &kept[..fed], u64::from(EVENTS_A_SECOND))?;
    for ((_, name), latency) in over_http.iter().zip(&heard) {
        run.report.rows.push(row(name, latency));
    }
    if run.wants(Peers::Redis) {
        let found = sorted_set::refreshes(&kept, PLAYERS, run.duration())?;
        // As over HTTP, the way there and back is in its figure.
        peers(run, &over_http[..fed], sorted_set::REDIS, &found);
        peers(run, &in_process, sorted_set::REDIS, &found);
        notes(run, found);
        run.report.note(REDIS_INCLUDES.to_owned());
    }
    if run.wants(Peers::Postgres) {
        let found = materialized_view::refreshes(&kept, PLAYERS, run.duration())?;
        peers(run, &in_process, materialized_view::POSTGRES, &found);
        notes(run, found);
        run.report.note(POSTGRES_INCLUDES.to_owned());
    }
    for includes in HUNTCORE_INCLUDES {
        run.report.note(format!("{case}{includes}"));
    }
    run.report.note_less_is_better();
    Ok(())
}

const HUNTCORE_INCLUDES: [&str; 2] = [
    ": huntcore in this process, on one thread: a second's events are counted in, a version is \
     published and its top 100 taken; no log, no sockets",
    "-http: huntcore as a client sees it: a second's events are sent in one request and answered \
     when they are on disk, then a top 100 is read that covers them",
];
const REDIS_INCLUDES: &str = "redis: a second's events are sent over a socket in one pipeline, all \
     answers read, then the top 100; nothing is kept on disk";
const POSTGRES_INCLUDES: &str = "postgres: the view is refreshed and its top 100 read; inserting \
     the second's events is not included";

fn huntcore(run: &mut Run<'_>, named: &[(u64, String)]) -> Result<(), BenchError> {
    let mut stage = Stage::new(Counted::Scores, PLAYERS)?;
    let mut kept = u64::from(PLAYERS);
    let second = Duration::from_secs(1);
    for (wanted, name) in named {
        while kept < *wanted {
            let left = u32::try_from(wanted - kept).unwrap_or(u32::MAX);
            let here = left.min(EVENTS_AT_ONCE);
            // One second of events is one batch's time apart, whatever a batch holds.
            for batch in stage.scores(here, second) {
                stage.apply(&batch)?;
            }
            kept += u64::from(here);
        }
        stage.boards.publish();
        let refreshes = bounded(run.duration(), || {
            let batches = stage.scores(EVENTS_A_SECOND, second);
            let started = Instant::now();
            for batch in &batches {
                stage.apply(batch)?;
            }
            let version = stage.boards.publish();
            black_box(stage.board(&version)?.top(TOP));
            Ok(started.elapsed())
        })?;
        run.report.rows.push(row(name, &refreshes));
    }
    Ok(())
}

/// Refreshes until the time is up, at least one.
pub(super) fn bounded(
    duration: Duration,
    mut refresh: impl FnMut() -> Result<Duration, BenchError>,
) -> Result<Latency, BenchError> {
    let mut latency = Latency::new();
    let started = Instant::now();
    for _ in 0..REFRESHES_MAX {
        latency.record(refresh()?, 1);
        if started.elapsed() > duration {
            break;
        }
    }
    Ok(latency)
}

/// What a peer came to, one for each number of events kept, as far as it got.
#[derive(Debug, Default)]
pub(super) struct Refreshes {
    pub(super) each: Vec<Latency>,
    /// What was left out, and why.
    pub(super) notes: Vec<String>,
}

fn peers(run: &mut Run<'_>, named: &[(u64, String)], system: &'static str, found: &Refreshes) {
    for ((_, name), latency) in named.iter().zip(&found.each) {
        run.report.compare(name, row(name, latency).by(system));
    }
}

fn notes(run: &mut Run<'_>, found: Refreshes) {
    for note in found.notes {
        run.report.note(note);
    }
}

fn row(name: &str, latency: &Latency) -> Row {
    latency.fill(Row::new(name, latency.mean_ms(), UNIT))
}
