//! As many listeners as the machine holds, each told of every round.

use std::time::{Duration, Instant};

use super::Run;
use super::fanout::UNIT;
use super::stage::{check, cpu_of, float, with_latency};
use crate::fanout::{Crowd, CrowdOptions, Dialect, Figures, KernelMemory, private_bytes};
use crate::load::{rate, watched_hunt};
use crate::report::{BenchError, Row};
use crate::server::Server;

/// A process may open some 20,000 files.
const SOCKETS_A_PROCESS: u32 = 18_750;
const ROUND: Duration = Duration::from_secs(10);
const ROUNDS: u64 = 3;
const TILES: u32 = 64;
/// Connections are opened in portions; when one is not filled, that is all there are.
const PORTION: u32 = 60_000;
const PORTION_WITHIN: Duration = Duration::from_secs(90);
/// What all connections may take, on the servers' side and in the kernel.
const TOTAL_MAX: u64 = 4 << 30;
const FIRST_SOURCE: u8 = 2;

/// See the module.
pub(super) fn most(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let wanted = run.bench.connections;
    let fleet = Fleet::start(run, wanted.div_ceil(SOCKETS_A_PROCESS))?;
    let before = fleet.held();
    let kernel_before = KernelMemory::now();
    let options = CrowdOptions {
        dialect: Dialect::Huntcore {
            hunt: "watched".to_owned(),
        },
        first_source: FIRST_SOURCE,
        receive_bytes: None,
    };
    let mut crowd = Crowd::start(&run.bench.program, &fleet.addresses()?, &options)?;
    let crowd_before: u64 = crowd.pids().into_iter().filter_map(private_bytes).sum();
    let bare_cpu = cpu_of(&fleet.pids());
    let started = Instant::now();
    let open = fill(run, case, &mut crowd, wanted)?;
    let opening = started.elapsed();
    let opening_cpu = cpu_of(&fleet.pids()).saturating_sub(bare_cpu);
    fleet.wait_between_rounds()?;
    crowd.begin()?;
    let (cpu, node_cpu) = (cpu_of(&fleet.pids()), fleet.node.cpu());
    let figures = crowd.hear_rounds(ROUNDS, ROUND * u32::try_from(ROUNDS + 1).expect("few"))?;
    let cpu = cpu_of(&fleet.pids()).saturating_sub(cpu);
    let node_cpu = fleet.node.cpu().saturating_sub(node_cpu);
    check_rounds(case, &figures, open)?;
    let value = rate(figures.messages, cpu);
    let row = with_latency(
        Row::new(case, value, UNIT),
        figures.round_micros.iter().map(|&micros| (micros, 1)),
    );
    let user = fleet.held().saturating_sub(before);
    let kernel = KernelMemory::now().since(kernel_before);
    let both_ends = kernel.slab_bytes + kernel.buffer_bytes;
    let total = fleet.held() + both_ends / 2;
    run.report.rows.push(row.holding(Some(fleet.held())));
    let each = |bytes: u64| float(bytes) / f64::from(open.max(1));
    for (what, value, unit) in [
        ("connections", f64::from(open), "connections"),
        ("user", each(user), "bytes/connection"),
        ("kernel", each(both_ends / 2), "bytes/connection"),
        ("total", float(total) / float(1 << 20), "MiB"),
        ("opening", rate(u64::from(open), opening), "connections/s"),
    ] {
        let row = Row::new(format!("{case}-{what}"), value, unit);
        run.report.rows.push(row);
    }
    run.costs.connection(
        each(user + both_ends / 2),
        opening_cpu.div_f64(f64::from(open.max(1))),
    );
    run.costs.case(case);
    let crowd_now: u64 = crowd.pids().into_iter().filter_map(private_bytes).sum();
    run.report.note(format!(
        "{case}: {open} connections to {} edge processes were told of {} rounds of {ROUND:?}, in \
         {} messages; latencies are from a round's opening to its last listener. The node that \
         they follow took {:.2} CPU s besides. The kernel's memory is half of what both ends of \
         loopback take ({} bytes); listeners took {} bytes of their own. {} the {} MiB that all \
         may take.",
        fleet.edges.len(),
        figures.rounds / u64::from(open.max(1)),
        figures.messages,
        node_cpu.as_secs_f64(),
        both_ends,
        crowd_now.saturating_sub(crowd_before),
        if total <= TOTAL_MAX { "Within" } else { "Over" },
        TOTAL_MAX >> 20
    ));
    Ok(())
}

/// Opens connections until there are as many as wanted, or there is no room for more.
fn fill(run: &mut Run<'_>, case: &str, crowd: &mut Crowd, wanted: u32) -> Result<u32, BenchError> {
    let mut asked = 0;
    loop {
        let portion = PORTION.min(wanted - asked);
        let opened = crowd.connect(portion, PORTION_WITHIN)?;
        asked += portion;
        if opened.open < asked {
            run.report.note(format!(
                "{case}: no more than {} of {wanted} connections could be opened: {}",
                opened.open,
                opened.fault.as_deref().unwrap_or("no reason was given")
            ));
            return Ok(opened.open);
        }
        if asked == wanted {
            return Ok(opened.open);
        }
    }
}

fn check_rounds(case: &str, figures: &Figures, open: u32) -> Result<(), BenchError> {
    check(case, figures, None)?;
    let least = ROUNDS * u64::from(open);
    if figures.rounds >= least {
        return Ok(());
    }
    Err(BenchError::Promise {
        case: case.to_owned(),
        reason: format!("{} rounds were announced of {least}", figures.rounds),
    })
}

/// A node that decides, and edge processes that follow it.
struct Fleet {
    // First, so that they are ended before what they follow.
    edges: Vec<Server>,
    node: Server,
    runtime: tokio::runtime::Runtime,
}

impl Fleet {
    fn start(run: &Run<'_>, count: u32) -> Result<Self, BenchError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(BenchError::io("start a runtime"))?;
        let hunt = watched_hunt("10s", TILES)?;
        let sections = "[limits]\nsockets_max = 19500\nconnections_max = 19700\n\
                        [live]\nboard_interval = \"60s\"\n";
        let program = &run.bench.program;
        let node = Server::start_with(program, 1, sections)?;
        runtime.block_on(node.open_hunt(&hunt))?;
        let mut edges = Vec::new();
        for _ in 0..count {
            edges.push(Server::start_edge(program, &node, sections)?);
        }
        Ok(Self {
            edges,
            node,
            runtime,
        })
    }

    fn addresses(&self) -> Result<Vec<std::net::SocketAddr>, BenchError> {
        self.edges.iter().map(Server::address).collect()
    }

    fn pids(&self) -> Vec<u32> {
        self.edges.iter().map(Server::pid).collect()
    }

    /// Memory of their own, of all edges.
    fn held(&self) -> u64 {
        self.pids().into_iter().filter_map(private_bytes).sum()
    }

    /// Waits until the last round has been told of and the next has not opened.
    fn wait_between_rounds(&self) -> Result<(), BenchError> {
        let hunt = watched_hunt("10s", TILES)?;
        let client = self.node.patient_client()?;
        let round = self
            .runtime
            .block_on(client.current_round(&hunt.id))
            .map_err(BenchError::huntcore)?;
        let now = huntcore_model::TimeMicros::from(round.server_time);
        let opened = huntcore_model::TimeMicros::from(round.opens_at);
        let since = Duration::from_micros(now.micros_since(opened));
        // A second before the next one opens, or before the one after that.
        let before_next = (ROUND - Duration::from_secs(1)).checked_sub(since);
        let wait = before_next.unwrap_or(ROUND);
        self.runtime.block_on(async {
            tokio::time::sleep(wait).await;
        });
        Ok(())
    }
}
