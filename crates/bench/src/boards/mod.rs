//! `boards`: score events in, ranks and the top 100 out, beside what a team would build of
//! PostgreSQL or of Redis.

mod dedup;
mod http;
mod ingest;
mod materialized_view;
mod ranks;
mod refresh;
mod sink;
mod sorted_set;
mod stage;
mod updates;

use std::path::PathBuf;
use std::time::Duration;

use crate::choice::chosen;
use crate::claims::Peers;
use crate::report::{BenchError, BenchReport};

/// How to run [`boards`].
#[derive(Clone, Debug)]
pub struct BoardsBench {
    /// For each system in each case that goes on for a time.
    pub seconds: u64,
    /// Only this case, if one is named.
    pub case: Option<String>,
    /// Which peers run too.
    pub peers: Peers,
    /// Players of the case `rank-10m`; others have at most as many.
    pub players: u32,
    /// Score events kept in the largest run of the case `refresh-cost`, or among which the case
    /// `dedup` looks; each has its own number if none is named.
    pub events: Option<u64>,
    /// The huntcore program, for cases that run a server of their own.
    pub program: PathBuf,
}

/// A case: what it is called, and how it runs.
struct Case {
    name: &'static str,
    run: fn(&mut Run<'_>, &str) -> Result<(), BenchError>,
}

const fn case(name: &'static str, run: fn(&mut Run<'_>, &str) -> Result<(), BenchError>) -> Case {
    Case { name, run }
}

/// In the order in which they run.
const CASES: &[Case] = &[
    case("ingest-batch", ingest::batch),
    case("ingest-http", http::ingest),
    case("rank-10m", ranks::ranks),
    case("update-1m", updates::updates),
    case("memory-per-player", updates::memory),
    case("top100-1200", |run, case| http::top(run, case, 1_200)),
    case("top100-10000", |run, case| http::top(run, case, 10_000)),
    case("visible", ingest::visible),
    case("refresh-cost", refresh::refresh),
    case("dedup", dedup::dedup),
    case("sink", sink::sink),
];

/// The names of [`boards`]' cases.
#[must_use]
pub fn boards_cases() -> Vec<&'static str> {
    CASES.iter().map(|case| case.name).collect()
}

/// Runs every case, huntcore and its peers in turn.
///
/// # Errors
/// If something does not start or go on, or huntcore breaks a promise.
pub fn boards(bench: &BoardsBench) -> Result<BenchReport, BenchError> {
    let cases = chosen(CASES, bench.case.as_deref(), |case| (case.name, true))?;
    let mut run = Run {
        bench,
        report: BenchReport::new("boards"),
    };
    for case in cases {
        (case.run)(&mut run, case.name)?;
    }
    Ok(run.report)
}

/// One run of the benchmark: what it has found so far.
struct Run<'a> {
    bench: &'a BoardsBench,
    report: BenchReport,
}

impl Run<'_> {
    /// For each system in each case that goes on for a time.
    const fn duration(&self) -> Duration {
        Duration::from_secs(self.bench.seconds)
    }

    /// Whether a peer is wanted.
    fn wants(&self, peer: Peers) -> bool {
        self.bench.peers == Peers::All || self.bench.peers == peer
    }
}
