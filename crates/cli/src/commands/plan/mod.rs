//! `huntcore plan`: from unit costs to machines and money.

mod costs;
mod page;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use huntcore_capacity::{Door, Machine, Plan as Reckoned, Prices, Workload, sensitivities};
use serde_json::json;

use crate::output::{Failed, Output};

/// Reckon what a hunt takes: machines and money for each component, the fan-out apart.
///
/// Plans for the peak. What is not given is assumed, and every assumption is printed with the
/// plan; `huntcore plan costs` takes the unit costs from a running server.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Plan {
    #[command(subcommand)]
    command: Option<Command>,
    /// Players that take part.
    #[arg(long, value_name = "N", required = true)]
    players: Option<f64>,
    /// Attempts on tiles a second, at the peak.
    #[arg(long, value_name = "R", required = true)]
    rate: Option<f64>,
    /// Live sockets that are open at the peak; one for each player if not given.
    #[arg(long, value_name = "C")]
    connections: Option<f64>,
    /// The share of attempts that win, as long as there are tiles.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    win_share: f64,
    /// Hunts that run beside each other; a socket follows one.
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    hunts: f64,
    /// Tiles of a round: no more are won.
    #[arg(long, value_name = "N", default_value_t = 1_024.0)]
    tiles: f64,
    /// How claims come in.
    #[arg(long, default_value = "socket")]
    door: DoorName,
    /// Score events a second, at the peak.
    #[arg(long, value_name = "E", default_value_t = 0.0)]
    events: f64,
    /// How long a socket stays open, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 1_800.0)]
    session_s: f64,
    /// Ticks a second.
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    ticks_per_s: f64,
    /// The share of all changes that a socket subscribes to: 1 is everything, a viewport less.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    interest_share: f64,
    /// Boards that a socket is sent a second; as many as there are ticks if not given.
    #[arg(long, value_name = "N")]
    boards_per_s: Option<f64>,
    /// Entries of such a board; at most as many as there are players.
    #[arg(long, value_name = "N", default_value_t = 100.0)]
    board_entries: f64,
    /// How long a round lasts, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    round_s: f64,
    /// Hours of a month in which it is as busy as this: what traffic and the log are paid for.
    #[arg(long, value_name = "HOURS", default_value_t = 60.0)]
    busy_hours: f64,
    /// Days for which the log is kept.
    #[arg(long, value_name = "DAYS", default_value_t = 30.0)]
    retention_days: f64,
    #[command(flatten)]
    machine: MachineOptions,
    #[command(flatten)]
    prices: PriceOptions,
    /// Unit costs as TOML or JSON, from `huntcore plan costs`; the program's own if not given.
    #[arg(long, value_name = "FILE")]
    costs: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Costs(costs::Costs),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DoorName {
    /// One request for each.
    Http,
    /// One message for each, on live sockets.
    Socket,
    /// Many at once, from game servers.
    Stream,
}

#[derive(Debug, Args)]
struct MachineOptions {
    /// Cores of a machine.
    #[arg(long, value_name = "N", default_value_t = 8.0)]
    cores_per_machine: f64,
    /// Memory of a machine, in GiB.
    #[arg(long, value_name = "GIB", default_value_t = 32.0)]
    memory_per_machine: f64,
    /// What a machine's network carries, in Gbit/s.
    #[arg(long, value_name = "GBIT", default_value_t = 10.0)]
    network_per_machine: f64,
    /// The share of a machine that may be used at the peak.
    #[arg(long, value_name = "SHARE", default_value_t = 0.6)]
    utilisation: f64,
    /// Machines for connections beyond those needed, so that one may fail.
    #[arg(long, value_name = "N", default_value_t = 1)]
    spare: u16,
}

#[derive(Debug, Args)]
struct PriceOptions {
    /// What a core costs in a month. An assumption like all prices here: put in your own.
    #[arg(long, value_name = "PRICE", default_value_t = 20.0)]
    price_per_core_month: f64,
    /// What a GiB of memory costs in a month.
    #[arg(long, value_name = "PRICE", default_value_t = 3.0)]
    price_per_memory_gib_month: f64,
    /// What a GB of disk costs in a month.
    #[arg(long, value_name = "PRICE", default_value_t = 0.1)]
    price_per_storage_gb_month: f64,
    /// What a GB costs that leaves the data centre.
    #[arg(long, value_name = "PRICE", default_value_t = 0.05)]
    price_per_egress_gb: f64,
    /// The currency's sign; nothing is converted.
    #[arg(long, value_name = "SIGN", default_value = "$")]
    currency: String,
}

/// Everything that a plan was made of, and the plan.
struct Planned {
    workload: Workload,
    machine: Machine,
    prices: Prices,
    spare: f64,
    currency: String,
    costs: huntcore_capacity::UnitCosts,
    plan: Reckoned,
    sensitivities: Vec<huntcore_capacity::Sensitivity>,
}

impl Plan {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        if let Some(Command::Costs(costs)) = self.command {
            return costs.run(output);
        }
        let planned = self.reckon()?;
        output.line(|| page::render(&planned), || planned.json());
        Ok(())
    }

    fn reckon(self) -> Result<Planned, Failed> {
        let machine = self.machine.checked()?;
        let prices = self.prices.checked()?;
        let spare = f64::from(self.machine.spare);
        let costs = costs::read(self.costs.as_deref())?;
        let currency = self.prices.currency.clone();
        let workload = self.workload()?;
        Ok(Planned {
            plan: Reckoned::new(&workload, &costs, &machine, &prices, spare),
            sensitivities: sensitivities(&workload, &costs, &machine, &prices, spare),
            workload,
            machine,
            prices,
            spare,
            currency,
            costs,
        })
    }

    fn workload(&self) -> Result<Workload, Failed> {
        let missing = || Failed::new("--players and --rate are needed");
        let players = self.players.ok_or_else(missing)?;
        let workload = Workload {
            players,
            attempts_per_s: self.rate.ok_or_else(missing)?,
            win_share: self.win_share,
            hunts: self.hunts,
            tiles: self.tiles,
            events_per_s: self.events,
            door: match self.door {
                DoorName::Http => Door::Http,
                DoorName::Socket => Door::Socket,
                DoorName::Stream => Door::Stream,
            },
            connections: self.connections.unwrap_or(players),
            session_s: self.session_s,
            ticks_per_s: self.ticks_per_s,
            interest_share: self.interest_share,
            boards_per_s: self.boards_per_s.unwrap_or(self.ticks_per_s),
            board_entries: self.board_entries.min(players),
            round_s: self.round_s,
            busy_hours_per_month: self.busy_hours,
            retention_days: self.retention_days,
        };
        workload
            .check()
            .map_err(|error| Failed::new(format!("--{error}")))?;
        Ok(workload)
    }
}

impl MachineOptions {
    fn checked(&self) -> Result<Machine, Failed> {
        let machine = Machine {
            cores: self.cores_per_machine,
            memory_gib: self.memory_per_machine,
            network_gbit_per_s: self.network_per_machine,
            utilisation: self.utilisation,
        };
        let sizes = [
            ("cores-per-machine", machine.cores),
            ("memory-per-machine", machine.memory_gib),
            ("network-per-machine", machine.network_gbit_per_s),
        ];
        if let Some((name, value)) = sizes
            .iter()
            .find(|(_, value)| !(value.is_finite() && *value > 0.0))
        {
            return Err(Failed::new(format!(
                "--{name} is {value}, and has to be a number above 0"
            )));
        }
        if !(machine.utilisation > 0.0 && machine.utilisation <= 1.0) {
            let value = machine.utilisation;
            return Err(Failed::new(format!(
                "--utilisation is {value}, and has to be above 0, at most 1"
            )));
        }
        Ok(machine)
    }
}

impl PriceOptions {
    fn checked(&self) -> Result<Prices, Failed> {
        let prices = Prices {
            core: self.price_per_core_month,
            memory_gib: self.price_per_memory_gib_month,
            storage_gb: self.price_per_storage_gb_month,
            egress_gb: self.price_per_egress_gb,
        };
        let all = [
            ("price-per-core-month", prices.core),
            ("price-per-memory-gib-month", prices.memory_gib),
            ("price-per-storage-gb-month", prices.storage_gb),
            ("price-per-egress-gb", prices.egress_gb),
        ];
        match all
            .iter()
            .find(|(_, value)| !(value.is_finite() && *value >= 0.0))
        {
            Some((name, value)) => Err(Failed::new(format!(
                "--{name} is {value}, and has to be a number from 0 up"
            ))),
            None => Ok(prices),
        }
    }
}

impl Planned {
    fn json(&self) -> serde_json::Value {
        json!({
            "workload": self.workload,
            "machine": self.machine,
            "spare": self.spare,
            "prices": self.prices,
            "currency": self.currency,
            "costs": self.costs,
            "plan": self.plan,
            "sensitivities": self.sensitivities,
            "assumptions": page::assumptions(self),
        })
    }
}
