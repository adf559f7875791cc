//! `claims`: attempts on tiles, from the arbiter's door to a socket's far end, durable.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::cases::in_process::{self, Offer};
use crate::load::Winners;
use crate::peers::redis;
use crate::report::{BenchError, BenchReport, Row};

/// How to run [`claims`].
#[derive(Clone, Debug)]
pub struct ClaimsBench {
    /// For each case and system.
    pub seconds: u64,
    /// Only this case, if one is named.
    pub case: Option<String>,
    /// Which peers run too.
    pub peers: Peers,
    /// Attempts a second of the cases that take a rate.
    pub rate: u64,
    /// The huntcore program, for cases that run a server of their own.
    pub program: PathBuf,
}

/// Which peers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// All that are installed.
    All,
    /// Redis alone.
    Redis,
    /// None.
    None,
}

/// Names of [`claims`]' cases, in their order; `open-loop` runs only when it is named.
pub const CLAIMS_CASES: [&str; 4] = ["in-process-5", "in-process-50", "open-loop-2m", "open-loop"];
const ONLY_WHEN_NAMED: [&str; 1] = ["open-loop"];

/// Runs every case, huntcore and its peers in turn.
pub fn claims(bench: &ClaimsBench) -> Result<BenchReport, BenchError> {
    let wanted = |case: &&str| match &bench.case {
        None => !ONLY_WHEN_NAMED.contains(case),
        Some(only) => only == case,
    };
    let cases: Vec<&str> = CLAIMS_CASES.into_iter().filter(wanted).collect();
    if let Some(only) = &bench.case
        && cases.is_empty()
    {
        return Err(BenchError::UnknownCase {
            case: only.clone(),
            known: CLAIMS_CASES.join(", "),
        });
    }
    let mut run = Run {
        bench,
        report: BenchReport::new("claims"),
        peers: HashMap::new(),
    };
    for case in cases {
        run.case(case)?;
    }
    Ok(run.report)
}

/// One run of the benchmark: what it has found so far.
pub(crate) struct Run<'a> {
    pub(crate) bench: &'a ClaimsBench,
    pub(crate) report: BenchReport,
    /// A peer that several cases are compared with runs once.
    peers: HashMap<Winners, Option<Row>>,
}

impl Run<'_> {
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs(self.bench.seconds)
    }

    fn case(&mut self, case: &'static str) -> Result<(), BenchError> {
        match case {
            "in-process-5" => self.in_process(case, Winners::percent(5)),
            "in-process-50" => self.in_process(case, Winners::HALF),
            "open-loop-2m" => self.open_loop(case, 2_000_000),
            "open-loop" => self.open_loop(case, self.bench.rate),
            _ => unreachable!("every name in the list has its case"),
        }
    }

    fn in_process(&mut self, case: &'static str, winners: Winners) -> Result<(), BenchError> {
        let raced = in_process::run(case, winners, Offer::Closed, self.duration())?;
        self.report.rows.push(raced.row(case));
        self.against_redis(case, winners)
    }

    fn open_loop(&mut self, case: &'static str, rate: u64) -> Result<(), BenchError> {
        let raced = in_process::run(case, Winners::HALF, Offer::Open(rate), self.duration())?;
        if raced.refused > 0 {
            let refused = raced.refused;
            self.report.note(format!(
                "{case}: {refused} attempts were refused as overloaded"
            ));
        }
        self.report.rows.push(raced.row(case));
        Ok(())
    }

    /// Compares a case with Redis, pipelined.
    pub(crate) fn against_redis(&mut self, case: &str, winners: Winners) -> Result<(), BenchError> {
        if self.bench.peers == Peers::None {
            return Ok(());
        }
        if !self.peers.contains_key(&winners) {
            let row = match redis::claims(winners, self.duration())? {
                Ok(row) => Some(row),
                Err(missing) => {
                    self.report.note(missing);
                    None
                }
            };
            self.peers.insert(winners, row);
        }
        if let Some(Some(row)) = self.peers.get(&winners) {
            self.report.compare(case, row.clone());
        }
        Ok(())
    }
}
