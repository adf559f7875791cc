//! `claims`: attempts on tiles, from the arbiter's door to a socket's far end, durable.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::cases;
use crate::choice::chosen;
use crate::load::Winners;
use crate::peers::redis::Pipeline;
use crate::peers::{postgres, redis};
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
    /// Attempts a second of the case `open-loop`.
    pub rate: u64,
    /// Records in the log of the case `restart`.
    pub records: u64,
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
    /// PostgreSQL alone.
    Postgres,
    /// The bare echo alone.
    Echo,
    /// nats-server alone.
    Nats,
    /// Node's `ws` alone.
    Ws,
    /// Centrifugo alone.
    Centrifugo,
    /// None.
    None,
}

/// A case: what it is called, what it measures, and how.
struct Case {
    name: &'static str,
    /// Whether it runs without being named.
    by_default: bool,
    run: fn(&mut Run<'_>, &str) -> Result<(), BenchError>,
}

const fn case(
    name: &'static str,
    by_default: bool,
    run: fn(&mut Run<'_>, &str) -> Result<(), BenchError>,
) -> Case {
    Case {
        name,
        by_default,
        run,
    }
}

/// In the order in which they run.
const CASES: &[Case] = &[
    case("in-process-5", true, |run, case| {
        cases::closed(run, case, Winners::percent(5))
    }),
    case("in-process-50", true, |run, case| {
        cases::closed(run, case, Winners::HALF)
    }),
    case("open-loop-2m", true, |run, case| {
        cases::open(run, case, 2_000_000)
    }),
    case("open-loop", false, |run, case| {
        cases::open(run, case, run.bench.rate)
    }),
    case("socket-protobuf", true, cases::socket_protobuf),
    case("socket-ndjson", true, cases::socket_ndjson),
    case("http-single", true, cases::http_single),
    case("websocket", true, cases::websocket),
    case("memory", true, cases::memory),
    case("overload", true, cases::overload),
    case("hot-tile", true, cases::hot_tile),
    case("hot-shard", true, cases::hot_shard),
    case("one-connection", true, cases::one_connection),
    case("flood", true, cases::flood),
    case("checkpoint", true, cases::checkpoint),
    case("restart", false, cases::restart),
    case("instructions", true, cases::instructions),
];

/// The names of [`claims`]' cases.
#[must_use]
pub fn claims_cases() -> Vec<&'static str> {
    CASES.iter().map(|case| case.name).collect()
}

/// Runs every case, huntcore and its peers in turn.
pub fn claims(bench: &ClaimsBench) -> Result<BenchReport, BenchError> {
    let cases = chosen(CASES, bench.case.as_deref(), |case| {
        (case.name, case.by_default)
    })?;
    let mut run = Run {
        bench,
        report: BenchReport::new("claims"),
        redis: HashMap::new(),
        postgres: None,
    };
    for case in cases {
        (case.run)(&mut run, case.name)?;
    }
    Ok(run.report)
}

/// One run of the benchmark: what it has found so far.
pub(crate) struct Run<'a> {
    pub(crate) bench: &'a ClaimsBench,
    pub(crate) report: BenchReport,
    /// A peer that several cases are compared with runs once; `None` if it is not there.
    redis: HashMap<(Winners, Pipeline), Option<Row>>,
    postgres: Option<Vec<Row>>,
}

impl Run<'_> {
    /// For each case and system.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs(self.bench.seconds)
    }

    /// Whether a peer is wanted.
    pub(crate) fn wants(&self, peer: Peers) -> bool {
        self.bench.peers == Peers::All || self.bench.peers == peer
    }

    /// Compares a case with Redis.
    pub(crate) fn against_redis(
        &mut self,
        case: &str,
        winners: Winners,
        pipeline: Pipeline,
    ) -> Result<(), BenchError> {
        if !self.wants(Peers::Redis) {
            return Ok(());
        }
        if !self.redis.contains_key(&(winners, pipeline)) {
            let row = match redis::claims(winners, pipeline, self.duration())? {
                Ok(row) => Some(row),
                Err(missing) => {
                    self.report.note(missing);
                    None
                }
            };
            self.redis.insert((winners, pipeline), row);
        }
        if let Some(Some(row)) = self.redis.get(&(winners, pipeline)) {
            self.report.compare(case, row.clone());
        }
        Ok(())
    }

    /// Compares a case, half of whose attempts win, with PostgreSQL.
    pub(crate) fn against_postgres(&mut self, case: &str) -> Result<(), BenchError> {
        if !self.wants(Peers::Postgres) {
            return Ok(());
        }
        if self.postgres.is_none() {
            let rows = match postgres::claims(Winners::HALF, self.duration())? {
                Ok(rows) => rows,
                Err(missing) => {
                    self.report.note(missing);
                    Vec::new()
                }
            };
            self.postgres = Some(rows);
        }
        for row in self.postgres.iter().flatten() {
            self.report.compare(case, row.clone());
        }
        Ok(())
    }
}
