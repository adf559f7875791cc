//! `huntcore verify fairness`: whether every map was fixed beforehand, checked as any
//! stranger could.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use huntcore_client::Client;
use huntcore_map::{FairnessReport, verify_hunt};
use huntcore_model::{HuntId, RoundNumber, TimeMicros};
use huntcore_wire::{HuntView, Timestamp};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use super::public::{GatherError, gather, last_rounds, sighting};
use crate::commands::server::{ServerPlace, block_on};
use crate::output::{Failed, Output};
use crate::progress::Progress;
use crate::show;

/// A seed is published soon after its round has closed; past this the server is not well.
const SEED_PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);
const FAULTS_SHOWN: usize = 50;

/// Check maps, seeds and commitments from the public API alone, without any key.
#[derive(Debug, Args)]
pub(super) struct Fairness {
    #[command(flatten)]
    server: ServerPlace,
    /// This hunt only; otherwise all.
    #[arg(long, value_name = "HUNT")]
    hunt: Option<HuntId>,
    /// How many of the last rounds.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Note what the open rounds show now, wait until their seeds are published, and check
    /// that these were bound by what was shown.
    #[arg(long)]
    wait: bool,
}

impl Fairness {
    pub(super) fn run(self, output: Output) -> Result<(), Failed> {
        let reports = block_on(self.check(output))?;
        output.line(|| text(&reports), || object(&reports));
        let faults: u64 = reports.iter().map(|(_, report)| report.faults_total).sum();
        match faults {
            0 => Ok(()),
            faults => Err(Failed::new(format!(
                "{faults} things were published that do not fit"
            ))),
        }
    }

    async fn check(&self, output: Output) -> Result<Vec<(HuntId, FairnessReport)>, Failed> {
        let client = self.server.client()?;
        let hunts = match &self.hunt {
            Some(hunt) => vec![hunt.clone()],
            None => {
                let list = client.hunts().await;
                let list = list.map_err(|error| self.server.explain(error))?;
                list.hunts.into_iter().map(|hunt| hunt.hunt).collect()
            }
        };
        let mut reports = Vec::new();
        for hunt in hunts {
            match self.check_hunt(&client, &hunt, output).await {
                Ok(report) => reports.push((hunt, report)),
                // Of all hunts, one that has not begun has nothing to check yet.
                Err(GatherError::NoRound { .. }) if self.hunt.is_none() => {}
                Err(GatherError::Client(error)) => return Err(self.server.explain(error)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(reports)
    }

    async fn check_hunt(
        &self,
        client: &Client,
        hunt: &HuntId,
        output: Output,
    ) -> Result<FairnessReport, GatherError> {
        let view: HuntView = client.hunt(hunt).await?;
        let progress = Progress::new(output, "rounds", self.rounds);
        let mut rounds = last_rounds(client, &view, self.rounds, now(), &progress).await?;
        progress.finish();
        let pending = rounds.iter().filter(|round| round.seed.is_none());
        let pending: Vec<RoundNumber> = pending.map(|round| round.round).collect();
        if let Some(&newest) = pending.last()
            && self.wait
        {
            reveal(client, hunt, newest).await?;
            for number in pending {
                rounds.extend(sighting(client, hunt, number).await?);
            }
        }
        // Anchors and versions may have grown meanwhile.
        let view = client.hunt(hunt).await?;
        Ok(verify_hunt(&gather(client, &view, rounds).await?))
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since_epoch.map_or(0, |since| since.as_millis());
    TimeMicros::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).into()
}

/// Waits until a round's seed is published, but not for ever: a pending seed is told as such.
async fn reveal(client: &Client, hunt: &HuntId, number: RoundNumber) -> Result<(), GatherError> {
    let round = client.round(hunt, number).await?;
    let left = round
        .closes_at
        .micros()
        .micros_since(round.server_time.micros());
    let closes = Instant::now() + Duration::from_micros(left);
    tokio::time::sleep_until(closes).await;
    let asking = async {
        while client.round(hunt, number).await?.seed.is_none() {
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    };
    timeout_at(closes + SEED_PATIENCE, asking)
        .await
        .unwrap_or(Ok(()))
}

fn text(reports: &[(HuntId, FairnessReport)]) -> String {
    let rows = reports.iter().map(|(hunt, report)| {
        let counts = [
            report.rounds,
            report.seeds_verified,
            report.seeds_pending,
            report.maps_verified,
            report.tiles_compared,
            report.faults_total,
        ];
        let [rounds, seeds, pending, maps, tiles, faults] = counts.map(show::count);
        [
            hunt.to_string(),
            rounds,
            seeds,
            pending,
            maps,
            tiles,
            faults,
        ]
    });
    let header = [
        "hunt", "rounds", "seeds", "pending", "maps", "tiles", "faults",
    ];
    let mut text = show::table(header, |column| column >= 1, rows);
    for (hunt, report) in reports {
        for fault in report.faults.iter().take(FAULTS_SHOWN) {
            text += &format!("\n{hunt}: {fault}");
        }
    }
    if reports.iter().all(|(_, report)| report.is_fair()) {
        text += "\n\nok";
    }
    text
}

fn object(reports: &[(HuntId, FairnessReport)]) -> Value {
    let ok = reports.iter().all(|(_, report)| report.is_fair());
    let hunts: Vec<Value> = reports
        .iter()
        .map(|(hunt, report)| {
            let mut object = json!({"hunt": hunt, "ok": report.is_fair()});
            let counts = serde_json::to_value(report).unwrap_or_default();
            if let (Some(object), Value::Object(counts)) = (object.as_object_mut(), counts) {
                object.extend(counts);
            }
            if let Some(faults) = object["faults"].as_array_mut() {
                for (json, fault) in faults.iter_mut().zip(&report.faults) {
                    json["message"] = fault.to_string().into();
                }
            }
            object
        })
        .collect();
    json!({"ok": ok, "hunts": hunts})
}
