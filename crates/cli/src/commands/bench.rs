//! `huntcore bench`: huntcore and its peers in turn, in one run.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use comfy_table::Table;
use huntcore_bench::{BenchReport, BoardsBench, BroadcastBench, ClaimsBench, Peers};

use crate::output::{Failed, Output};

/// Measure huntcore beside its peers on this machine.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// What to measure.
    #[arg(default_value = "claims")]
    name: Name,
    /// Only this case.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(cases()))]
    case: Option<String>,
    /// How long each system runs in each case.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Which peers run too.
    #[arg(long, default_value = "all")]
    peer: Peer,
    /// Attempts a second of the case `open-loop`.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=50_000_000))]
    rate: u64,
    /// Records in the log of the case `restart`.
    #[arg(long, default_value_t = 100_000_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
    records: u64,
    /// Connections of the case `fanout-max`.
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    connections: u32,
    /// How long the case `soak` goes on.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    minutes: u64,
    /// Players of the case `rank-10m`; other cases of `boards` have at most as many.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(1_000..=16_000_000))]
    players: u32,
    /// Score events kept in the largest run of the case `refresh-cost`, 30 million if not said,
    /// or among which the case `dedup` looks, a day of 1,200 a second if not said.
    #[arg(long, value_parser = clap::value_parser!(u64).range(10_000..=1_000_000_000))]
    events: Option<u64>,
    /// Write what `broadcast` shows of unit costs here as TOML, for `huntcore plan --costs`.
    #[arg(long, value_name = "FILE")]
    costs: Option<PathBuf>,
}

/// Of all benches.
fn cases() -> Vec<&'static str> {
    let mut cases = huntcore_bench::claims_cases();
    cases.extend(huntcore_bench::broadcast_cases());
    cases.extend(huntcore_bench::boards_cases());
    cases
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// Attempts on tiles a second, durable.
    Claims,
    /// Changes told to many sockets.
    Broadcast,
    /// Score events in, ranks and tops of boards out.
    Boards,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Peer {
    /// All that are installed.
    All,
    /// Redis with a script.
    Redis,
    /// PostgreSQL with a table.
    Postgres,
    /// A server that sends every message back.
    Echo,
    /// nats-server over its WebSocket listener.
    Nats,
    /// A server on Node's `ws`.
    Ws,
    /// Centrifugo.
    Centrifugo,
    /// None.
    None,
}

impl From<Peer> for Peers {
    fn from(peer: Peer) -> Self {
        match peer {
            Peer::All => Self::All,
            Peer::Redis => Self::Redis,
            Peer::Postgres => Self::Postgres,
            Peer::Echo => Self::Echo,
            Peer::Nats => Self::Nats,
            Peer::Ws => Self::Ws,
            Peer::Centrifugo => Self::Centrifugo,
            Peer::None => Self::None,
        }
    }
}

impl Bench {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        let program = std::env::current_exe()?;
        let report = match self.name {
            Name::Claims => huntcore_bench::claims(&ClaimsBench {
                seconds: self.seconds,
                case: self.case,
                peers: self.peer.into(),
                rate: self.rate,
                records: self.records,
                program,
            })?,
            Name::Broadcast => {
                let (report, costs) = huntcore_bench::broadcast(&BroadcastBench {
                    seconds: self.seconds,
                    case: self.case,
                    peers: self.peer.into(),
                    connections: self.connections,
                    minutes: self.minutes,
                    program,
                })?;
                if let Some(path) = &self.costs {
                    std::fs::write(path, toml::to_string(&costs)?).map_err(|error| {
                        Failed::new(format!("cannot write {}: {error}", path.display()))
                    })?;
                }
                report
            }
            Name::Boards => huntcore_bench::boards(&BoardsBench {
                seconds: self.seconds,
                case: self.case,
                peers: self.peer.into(),
                players: self.players,
                events: self.events,
                program,
            })?,
        };
        let json = serde_json::to_value(&report)?;
        output.line(|| table(&report), || json);
        Ok(())
    }
}

fn table(report: &BenchReport) -> String {
    let mut table = Table::new();
    table.set_header([
        "case",
        "system",
        "value",
        "unit",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "generator CPU %",
        "memory MiB",
    ]);
    let optional = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.2}"));
    for row in &report.rows {
        table.add_row([
            row.case.clone(),
            row.system.to_owned(),
            value_text(row.value),
            row.unit.to_owned(),
            optional(row.p50_ms),
            optional(row.p99_ms),
            optional(row.p999_ms),
            optional(row.max_ms),
            row.generator_cpu_percent
                .map_or(String::new(), |percent| format!("{percent:.0}")),
            row.rss_bytes
                .map_or(String::new(), |bytes| (bytes >> 20).to_string()),
        ]);
    }
    let mut text = table.to_string();
    for ratio in &report.ratios {
        text += &format!(
            "\n{}: {:.2} times {}",
            ratio.case, ratio.ratio, ratio.against
        );
    }
    for note in &report.notes {
        text += &format!("\n{note}");
    }
    text
}
/// Small values keep two digits behind the point: they are milliseconds.
fn value_text(value: f64) -> String {
    let digits = if value < 100.0 { 2 } else { 0 };
    format!("{value:.digits$}")
}
