//! `huntcore plan costs`: unit costs from a running server, or out of a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use huntcore_capacity::{FromObserved, Observed, Part, PartWork, UnitCosts};
use huntcore_wire::Stats;
use serde_json::json;

use crate::commands::server::{ServerPlace, block_on};
use crate::output::{Failed, Output};

/// Take the unit costs from a running server: what it did and took between two looks.
///
/// Look while the server is as busy as it will be; what it does too little of keeps the cost
/// that was known before, and is named.
#[derive(Debug, Args)]
pub(crate) struct Costs {
    #[command(flatten)]
    place: ServerPlace,
    /// Between the two looks.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// What was known before; the program's own if not given.
    #[arg(long, value_name = "FILE")]
    costs: Option<PathBuf>,
    /// Write them here as TOML, for `huntcore plan --costs`.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

impl Costs {
    pub(super) fn run(self, output: Output) -> Result<(), Failed> {
        let before = read(self.costs.as_deref())?;
        let client = self.place.client()?;
        let (first, second) = block_on(async {
            let look = || async {
                client
                    .stats()
                    .await
                    .map_err(|error| self.place.explain(error))
            };
            let first = look().await?;
            tokio::time::sleep(Duration::from_secs(self.seconds)).await;
            Ok((first, look().await?))
        })?;
        let observed = observed(&first, &second)?;
        let FromObserved { mut costs, kept } = observed.costs(&before);
        costs.measured_with = vec![format!(
            "huntcore plan costs --url {} --seconds {}",
            client.base(),
            self.seconds
        )];
        if !kept.is_empty() {
            let kept_from = format!(
                "too little of it was seen, kept as before: {}",
                kept.join(", ")
            );
            costs.measured_with.push(kept_from);
            costs.measured_with.extend(before.measured_with);
        }
        costs.machine = machine();
        let toml = toml::to_string(&costs)?;
        if let Some(path) = &self.write {
            fs::write(path, &toml).map_err(|error| {
                Failed::new(format!("cannot write {}: {error}", path.display()))
            })?;
        }
        output.line(
            || toml.trim_end().to_owned(),
            || json!({"costs": costs, "kept": kept, "win_share": observed.win_share}),
        );
        Ok(())
    }
}

/// Unit costs out of a file, TOML or JSON by its ending; the program's own without one.
pub(super) fn read(path: Option<&Path>) -> Result<UnitCosts, Failed> {
    let Some(path) = path else {
        return Ok(UnitCosts::default());
    };
    let shown = path.display();
    let fault = |error: &dyn std::fmt::Display| Failed::new(format!("{shown}: {error}"));
    let text = fs::read_to_string(path).map_err(|error| fault(&error))?;
    let is_json = path.extension().is_some_and(|ending| ending == "json");
    let costs: UnitCosts = if is_json {
        serde_json::from_str(&text).map_err(|error| fault(&error))?
    } else {
        toml::from_str(&text).map_err(|error| fault(&error))?
    };
    costs.check().map_err(|error| fault(&error))?;
    Ok(costs)
}

/// What was done between two looks.
fn observed(first: &Stats, second: &Stats) -> Result<Observed, Failed> {
    if second.uptime_s < first.uptime_s {
        return Err(Failed::new(
            "the server was started anew between the two looks",
        ));
    }
    let parts = Part::ALL.into_iter().filter_map(|part| {
        let of = |stats: &Stats| {
            let mut components = stats.components.iter();
            let found = components.find(|one| one.part == part.name());
            found.map(|one| PartWork {
                cpu_s: one.cpu_s,
                messages: one.messages_total as f64,
                bytes: one.bytes_total as f64,
            })
        };
        let (before, after) = (of(first).unwrap_or_default(), of(second)?);
        let work = PartWork {
            cpu_s: (after.cpu_s - before.cpu_s).max(0.0),
            messages: (after.messages - before.messages).max(0.0),
            bytes: (after.bytes - before.bytes).max(0.0),
        };
        Some((part, work))
    });
    let won = second.won_total.saturating_sub(first.won_total) as f64;
    let attempts = second.attempts_total.saturating_sub(first.attempts_total) as f64;
    let batches = second
        .log
        .batches_total
        .saturating_sub(first.log.batches_total) as f64;
    Ok(Observed {
        parts: parts.collect(),
        batches,
        win_share: if attempts > 0.0 { won / attempts } else { 0.0 },
    })
}

/// What the program runs on, as far as it can tell.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} cores where this command ran")
}
