//! A plan: what each part does, takes and costs.

use serde::Serialize;

use super::costs::UnitCosts;
use super::machines::{Machine, Prices};
use super::workload::{Door, Workload};
use crate::{Component, Part};

/// Machines and money for a workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// What each part does and takes, in the order of components.
    pub items: Vec<Item>,
    /// The machines: one for everything, or the node and its edges.
    pub groups: Vec<Group>,
    /// The money, for a month.
    pub money: Money,
    /// What the log grows to.
    pub storage_bytes: f64,
    /// What leaves the data centre in a second, at the peak.
    pub egress_bytes_per_s: f64,
    /// Into how many shards the log should be divided, so that each has a core for deciding
    /// that is not too busy. It is set before the first start.
    pub shards: f64,
    /// What this version cannot do, however many machines there are.
    pub limits: Vec<Limit>,
}

/// A part: what it does in a second, and what that takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// Its component.
    pub component: &'static str,
    /// Its name.
    pub part: &'static str,
    /// What it does, in words.
    pub what: &'static str,
    /// How many of those in a second.
    pub per_s: f64,
    /// What one costs, in microseconds of a core.
    pub unit_cpu_us: f64,
    /// Cores that are busy with it.
    pub cores: f64,
    /// Memory that it holds.
    pub memory_bytes: f64,
    /// Bytes a second that it sends to clients.
    pub egress_bytes_per_s: f64,
    /// The machines that it runs on.
    pub group: GroupName,
    /// Its share of what those cost in a month.
    pub machines_cost: f64,
    /// What its traffic costs in a month.
    pub egress_cost: f64,
}

/// Which machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupName {
    /// One process that does everything.
    All,
    /// The one that decides and stores.
    Node,
    /// Those that hold the connections.
    Edges,
}

/// Machines of one kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// Which.
    pub name: GroupName,
    /// How many, spare ones included.
    pub machines: f64,
    /// How many of them are spare.
    pub spare: f64,
    /// What decides how many.
    pub bound: Bound,
    /// Cores that are busy on all of them together.
    pub cores: f64,
    /// Memory held on all of them together.
    pub memory_bytes: f64,
    /// What they cost in a month.
    pub cost: f64,
}

/// What decides the number of machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Cores.
    Cores,
    /// Memory.
    Memory,
    /// Network.
    Network,
}

/// Money for a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Money {
    /// Machines.
    pub machines: f64,
    /// The log's disk.
    pub storage: f64,
    /// Traffic, counted apart: it is no machine's, and mostly the largest.
    pub egress: f64,
    /// All of it.
    pub total: f64,
    /// What the fan-out takes of it: its share of the machines, and its traffic.
    pub fan_out: f64,
}

/// What cannot be done, however many machines there are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limit {
    /// Where.
    pub component: &'static str,
    /// What it is, and what helps.
    pub what: String,
}

const GIB: f64 = 1_073_741_824.0;
const GB: f64 = 1e9;
/// What each machine of a group has to do besides its share.
#[derive(Clone, Copy, Debug, Default)]
struct Each {
    cores: f64,
    memory_bytes: f64,
    /// So many machines more than are needed.
    spare: f64,
}

/// The least part of a machine that is left beside that.
const LEFT_MIN: f64 = 0.05;
/// What a process holds with nothing to do.
const PROCESS_BYTES: f64 = 64.0 * 1_048_576.0;
/// Answers are kept so long, and so many for each shard.
const ANSWERS_KEPT_S: f64 = 6.0 * 3_600.0;
const ANSWERS_MAX: f64 = 20_000_000.0;

impl Plan {
    /// Makes a plan; `spare` machines are added to the edges.
    ///
    /// Everything goes into one process while that fits a machine; then the connections go to
    /// machines of their own.
    #[must_use]
    pub fn new(
        workload: &Workload,
        costs: &UnitCosts,
        machine: &Machine,
        prices: &Prices,
        spare: f64,
    ) -> Self {
        let mut items = items(workload, costs);
        let process = Each {
            memory_bytes: PROCESS_BYTES,
            ..Each::default()
        };
        let together = Group::of(GroupName::All, &items, process, machine, prices);
        let groups = if together.machines <= 1.0 {
            vec![together]
        } else {
            for item in &mut items {
                let holds_connections =
                    item.component == Component::Edge.name() || item.part == Part::FanOut.name();
                item.group = if holds_connections {
                    GroupName::Edges
                } else {
                    GroupName::Node
                };
            }
            // Edges fold the log as well, every one of them all of it.
            let mut each = folding(&items);
            each.memory_bytes += PROCESS_BYTES;
            each.spare = spare;
            vec![
                Group::of(GroupName::Node, &items, process, machine, prices),
                Group::of(GroupName::Edges, &items, each, machine, prices),
            ]
        };
        share_out(&mut items, &groups, workload, prices);
        let storage_bytes = log_bytes_per_s(workload, costs) * workload.busy_s_kept();
        let egress_bytes_per_s = items.iter().map(|item| item.egress_bytes_per_s).sum();
        let mut money = Money {
            machines: groups.iter().map(|group| group.cost).sum(),
            storage: storage_bytes / GB * prices.storage_gb,
            egress: items.iter().map(|item| item.egress_cost).sum(),
            ..Money::default()
        };
        money.total = money.machines + money.storage + money.egress;
        let fan_out = items.iter().filter(|item| item.part == Part::FanOut.name());
        money.fan_out = fan_out
            .map(|item| item.machines_cost + item.egress_cost)
            .sum();
        Self {
            shards: shards(&items, machine),
            limits: limits(&items, &groups, machine),
            items,
            groups,
            money,
            storage_bytes,
            egress_bytes_per_s,
        }
    }
}

fn items(workload: &Workload, costs: &UnitCosts) -> Vec<Item> {
    let item = |part: Part, what, per_s: f64, unit_cpu_us: f64| Item {
        component: part.component().map_or("other", Component::name),
        part: part.name(),
        what,
        per_s,
        unit_cpu_us,
        cores: per_s * unit_cpu_us / 1e6,
        memory_bytes: 0.0,
        egress_bytes_per_s: 0.0,
        group: GroupName::All,
        machines_cost: 0.0,
        egress_cost: 0.0,
    };
    let (attempts, wins) = (workload.attempts_per_s, workload.wins_per_s());
    let (records, connections) = (workload.records_per_s(), workload.connections);
    let (claims_part, claims_what, claim_cpu_us) = match workload.door {
        Door::Http => (
            Part::Http,
            "claims as requests",
            costs.edge.http_claim_cpu_us,
        ),
        Door::Socket => (
            Part::Sockets,
            "claims on sockets",
            costs.edge.socket_claim_cpu_us,
        ),
        Door::Stream => (
            Part::Http,
            "claims in streams",
            costs.edge.stream_claim_cpu_us,
        ),
    };
    let outcomes = match workload.door {
        Door::Http | Door::Socket => {
            Workload::on_the_wire(attempts, attempts * costs.edge.outcome_bytes)
        }
        // They stay within the data centre, between servers.
        Door::Stream => 0.0,
    };
    let broadcast = &costs.broadcast;
    let frames_bytes = workload.deltas_per_s() * broadcast.delta_bytes
        + workload.wins_sent_per_s() * broadcast.claim_bytes
        + workload.boards_per_s
            * (broadcast.board_bytes + workload.board_entries * broadcast.entry_bytes)
        + broadcast.round_bytes / workload.round_s;
    let writes = workload.writes_per_s();
    let write_cpu_us = broadcast.write_cpu_us
        + broadcast.kib_cpu_us * frames_bytes / writes.max(f64::MIN_POSITIVE) / 1_024.0;
    let decide_cpu_us =
        costs.arbiter.attempt_cpu_us + costs.arbiter.won_cpu_us * wins / attempts.max(1.0);
    let answers = (wins * ANSWERS_KEPT_S).min(ANSWERS_MAX);
    vec![
        Item {
            egress_bytes_per_s: outcomes,
            ..item(claims_part, claims_what, attempts, claim_cpu_us)
        },
        Item {
            memory_bytes: connections * costs.edge.connection_memory_bytes,
            ..item(
                Part::Http,
                "connects",
                workload.connects_per_s(),
                costs.edge.handshake_cpu_us,
            )
        },
        Item {
            memory_bytes: answers * costs.arbiter.claim_memory_bytes,
            ..item(Part::Deciding, "attempts", attempts, decide_cpu_us)
        },
        item(
            Part::Deciding,
            "score events",
            workload.events_per_s,
            costs.arbiter.event_cpu_us,
        ),
        item(Part::Writing, "records", records, costs.log.record_cpu_us),
        item(
            Part::Writing,
            "batches, from deciding to publishing",
            workload.batches_per_s(costs.log.batches_per_s),
            costs.log.batch_cpu_us,
        ),
        Item {
            memory_bytes: workload.players * costs.boards.player_memory_bytes,
            ..item(
                Part::Ranking,
                "records",
                records,
                costs.boards.record_cpu_us,
            )
        },
        item(Part::Framing, "records", records, broadcast.record_cpu_us),
        Item {
            egress_bytes_per_s: Workload::on_the_wire(writes, frames_bytes) * connections,
            ..item(
                Part::FanOut,
                "writes to sockets",
                writes * connections,
                write_cpu_us,
            )
        },
        item(Part::Sinking, "records", records, costs.sinks.record_cpu_us),
    ]
}

impl Group {
    /// As many machines as these items take, if each has to do `each` besides its share.
    fn of(name: GroupName, items: &[Item], each: Each, machine: &Machine, prices: &Prices) -> Self {
        let sum = |of: fn(&Item) -> f64| -> f64 {
            let own = items.iter().filter(|item| item.group == name);
            own.map(of).sum()
        };
        let cores = sum(|item| item.cores);
        let memory_bytes = sum(|item| item.memory_bytes);
        // However much each has to do besides, some of it is left.
        let left = |whole: f64, each: f64| {
            let usable = whole * machine.utilisation;
            (usable - each).max(usable * LEFT_MIN)
        };
        let network = machine.network_gbit_per_s * 1e9 / 8.0;
        let needs = [
            (Bound::Cores, cores / left(machine.cores, each.cores)),
            (
                Bound::Memory,
                memory_bytes / left(machine.memory_gib * GIB, each.memory_bytes),
            ),
            (
                Bound::Network,
                sum(|item| item.egress_bytes_per_s) / left(network, 0.0),
            ),
        ];
        let most = needs
            .into_iter()
            .reduce(|a, b| if b.1 > a.1 { b } else { a });
        let (bound, needed) = most.expect("three of them");
        let busy = needed.ceil().max(1.0);
        let machines = busy + each.spare;
        Self {
            name,
            machines,
            spare: each.spare,
            bound,
            cores: cores + each.cores * busy,
            memory_bytes: memory_bytes + each.memory_bytes * machines,
            cost: machines * machine.price(prices),
        }
    }

    /// What an item takes of that which decides the number of machines.
    fn taken_by(&self, item: &Item) -> f64 {
        match self.bound {
            Bound::Cores => item.cores,
            Bound::Memory => item.memory_bytes,
            Bound::Network => item.egress_bytes_per_s,
        }
    }
}

/// Each part pays its share of the machines that it runs on, and all of its traffic.
fn share_out(items: &mut [Item], groups: &[Group], workload: &Workload, prices: &Prices) {
    for group in groups {
        let own = || items.iter().filter(|item| item.group == group.name);
        let all: f64 = own().map(|item| group.taken_by(item)).sum();
        let count = own().count().max(1) as f64;
        for item in items.iter_mut().filter(|item| item.group == group.name) {
            let share = if all > 0.0 {
                group.taken_by(item) / all
            } else {
                1.0 / count
            };
            item.machines_cost = group.cost * share;
            let bytes = item.egress_bytes_per_s * workload.busy_s_per_month();
            item.egress_cost = bytes / GB * prices.egress_gb;
        }
    }
}

/// What the log grows by in a second.
fn log_bytes_per_s(workload: &Workload, costs: &UnitCosts) -> f64 {
    let batches = workload.batches_per_s(costs.log.batches_per_s);
    workload.wins_per_s() * costs.log.claim_bytes
        + workload.events_per_s * costs.log.event_bytes
        + batches.min(workload.records_per_s()) * costs.log.batch_bytes
}

fn shards(items: &[Item], machine: &Machine) -> f64 {
    let deciding = items
        .iter()
        .filter(|item| item.part == Part::Deciding.name());
    let cores: f64 = deciding.map(|item| item.cores).sum();
    (cores / machine.utilisation).ceil().max(1.0)
}

fn limits(items: &[Item], groups: &[Group], machine: &Machine) -> Vec<Limit> {
    let mut limits = Vec::new();
    let node = groups.iter().find(|group| group.name == GroupName::Node);
    if let Some(node) = node.filter(|node| node.machines > 1.0) {
        limits.push(Limit {
            component: Component::Arbiter.name(),
            what: format!(
                "deciding, storing and ranking take {:.1} cores and {:.1} GiB, and this version \
                 does them on one machine: take a larger one, or divide the hunts over several \
                 deployments",
                node.cores,
                node.memory_bytes / GIB
            ),
        });
    }
    let folding = folding(items).cores;
    if folding > machine.utilisation {
        limits.push(Limit {
            component: Component::Boards.name(),
            what: format!(
                "ranking and framing take {folding:.1} cores, and this version does them on one \
                 thread in each process: divide the hunts over several deployments"
            ),
        });
    }
    limits
}

/// What each process that folds the log has to do, however many there are.
fn folding(items: &[Item]) -> Each {
    let folds =
        |item: &&Item| item.part == Part::Ranking.name() || item.part == Part::Framing.name();
    let folding = items.iter().filter(folds);
    folding.fold(Each::default(), |sum, item| Each {
        cores: sum.cores + item.cores,
        memory_bytes: sum.memory_bytes + item.memory_bytes,
        spare: 0.0,
    })
}
