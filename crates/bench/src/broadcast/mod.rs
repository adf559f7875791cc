//! `broadcast`: what it takes to tell many listeners of every change, beside a plain loop of
//! sends and beside peers.

mod costs;
mod fanout;
mod latency;
mod most;
mod rivals;
mod soak;
mod stage;
mod storm;

use std::path::PathBuf;
use std::time::Duration;

use huntcore_capacity::UnitCosts;

use self::costs::CostsSeen;
use crate::choice::chosen;
use crate::claims::Peers;
use crate::report::{BenchError, BenchReport};

/// How to run [`broadcast`].
#[derive(Clone, Debug)]
pub struct BroadcastBench {
    /// For each system in each case.
    pub seconds: u64,
    /// Only this case, if one is named.
    pub case: Option<String>,
    /// Which peers run too.
    pub peers: Peers,
    /// Connections of the case `fanout-max`.
    pub connections: u32,
    /// How long the case `soak` goes on.
    pub minutes: u64,
    /// The huntcore program.
    pub program: PathBuf,
}

/// A case: what it is called, whether it runs unasked, and how.
struct Case {
    name: &'static str,
    by_default: bool,
    run: fn(&mut Run<'_>, &str) -> Result<(), BenchError>,
}

/// In the order in which they run.
const CASES: &[Case] = &[
    Case {
        name: "fanout-1k",
        by_default: true,
        run: |run, case| fanout::fanout(run, case, fanout::Crowding::ONE_THOUSAND),
    },
    Case {
        name: "fanout-15k",
        by_default: true,
        run: |run, case| fanout::fanout(run, case, fanout::Crowding::FIFTEEN_THOUSAND),
    },
    Case {
        name: "fanout-behind",
        by_default: true,
        run: fanout::behind,
    },
    Case {
        name: "latency",
        by_default: true,
        run: latency::latency,
    },
    Case {
        name: "storm",
        by_default: true,
        run: storm::storm,
    },
    Case {
        name: "peers",
        by_default: true,
        run: rivals::peers,
    },
    Case {
        name: "fanout-max",
        by_default: true,
        run: most::most,
    },
    Case {
        name: "soak",
        by_default: false,
        run: soak::soak,
    },
];

/// The names of [`broadcast`]'s cases.
#[must_use]
pub fn broadcast_cases() -> Vec<&'static str> {
    CASES.iter().map(|case| case.name).collect()
}

/// Runs every case, huntcore and what it is measured against in turn; and says what one of each
/// thing costs, as far as the cases show it.
///
/// # Errors
/// If a server does not start or does not go on, or breaks a promise: a listener missed a
/// tick and was not told.
pub fn broadcast(bench: &BroadcastBench) -> Result<(BenchReport, UnitCosts), BenchError> {
    let cases = chosen(CASES, bench.case.as_deref(), |case| {
        (case.name, case.by_default)
    })?;
    let mut run = Run {
        bench,
        report: BenchReport::new("broadcast"),
        costs: CostsSeen::default(),
    };
    for case in cases {
        (case.run)(&mut run, case.name)?;
    }
    let costs = run.costs.over(UnitCosts::default());
    Ok((run.report, costs))
}

/// One run of the benchmark: what it has found so far.
struct Run<'a> {
    bench: &'a BroadcastBench,
    report: BenchReport,
    costs: CostsSeen,
}

impl Run<'_> {
    /// For each system in each case.
    fn duration(&self) -> Duration {
        Duration::from_secs(self.bench.seconds)
    }

    /// Whether a peer is wanted.
    fn wants(&self, peer: Peers) -> bool {
        self.bench.peers == Peers::All || self.bench.peers == peer
    }
}
