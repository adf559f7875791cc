//! `huntcore demo`: a hunt on real ground with simulated players, who play through the same
//! public doors as anybody else.

mod crowd;
mod player;
mod report;
mod scores;
mod tally;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use huntcore_edge::{AuthConfig, AuthSettings, EdgeConfig, PlayerKey, Secret};
use huntcore_log_file::FileLogOptions;
use huntcore_model::{HuntId, ShardMap};
use huntcore_node::{CheckpointHome, EventKeysHome, NodeConfig};
use huntcore_wire::{DurationText, HuntRequest, ValueRow};
use serde_json::json;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::commands::serve::{Running, Server, check_free, open_log, runtime, stop_signal};
use crate::keys;
use crate::output::{Failed, Output};
use crowd::Crowd;
use report::{Progress, Report};
use tally::Tally;

const AREA: &str = include_str!("../../../../../examples/areas/park.geojson");
const HUNT: &str = "park";
const SERVICE_KEY_FILE: &str = "service.key";
const GUEST_LIFETIME: Duration = Duration::from_secs(24 * 3_600);

/// Run a hunt with simulated players, and print where to watch and play.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Simulated players.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(0..=8_000))]
    players: u32,
    /// End by itself after so many seconds; without it, at Ctrl-C.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
    /// Where the log is kept; the hunt goes on where it ended.
    #[arg(long, default_value = "data/demo")]
    data: PathBuf,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:7070")]
    listen: SocketAddr,
    /// Each player's attempts a second, on average.
    #[arg(long, default_value_t = 1.0, value_parser = rate)]
    rate: f64,
    /// Shards of the log; fixed when the data directory is first used.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    shards: u16,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.01..=50.0).contains(&rate) => Ok(rate),
        _ => Err("expected a number from 0.01 to 50".to_owned()),
    }
}

impl Demo {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        let started = Instant::now();
        let hunt = HuntId::new(HUNT)?;
        let server = self.server(&hunt)?;
        let service_key = keys::kept(&self.data, SERVICE_KEY_FILE).map_err(Failed::new)?;
        let tally = Arc::new(Tally::new());
        let stop = CancellationToken::new();
        let (ready, running) = oneshot::channel();
        let runtime = runtime()?;
        let (served, report) = runtime.block_on(async {
            let serving = server.run(stop.clone().cancelled_owned(), |running| {
                // Gone only if the demo was given up.
                drop(ready.send(running));
            });
            let playing = async {
                let running = running.await.ok()?;
                let report = self
                    .play(&running, &hunt, &service_key, &tally, output, started)
                    .await;
                stop.cancel();
                Some(report)
            };
            tokio::join!(serving, playing)
        });
        let (ended_by, _) = served?;
        if let Some(reason) = ended_by {
            return Err(Failed::new(reason.as_ref()));
        }
        let Some(report) = report else {
            return Err(Failed::new("the server ended before it was ready"));
        };
        let mut report = report?;
        report.count_double_claims_in(&self.data)?;
        output.line(|| report.text(), || report.json());
        report.verdict()
    }

    fn server(&self, hunt: &HuntId) -> Result<Server, Failed> {
        check_free(self.listen)?;
        let log = open_log(&self.data, FileLogOptions::default())?;
        let key = |name| keys::kept(&self.data, name).map_err(Failed::new);
        let mut edge = EdgeConfig::new(AuthConfig::On(AuthSettings {
            player_key: PlayerKey::Hs256(Secret::new(key("player.key")?)),
            service_key: Some(Secret::new(key(SERVICE_KEY_FILE)?)),
            issuer: None,
            audience: None,
            guests: Some(GUEST_LIFETIME),
        }));
        edge.listen = self.listen;
        // All simulated guests come from one address, at once.
        edge.limits.guest_rate = None;
        let fairness_key = keys::kept_fairness(&self.data).map_err(Failed::new)?;
        let mut node = NodeConfig::new(fairness_key);
        node.shards = ShardMap::new(self.shards)?;
        node.checkpoints = Some(CheckpointHome::beside_log(&self.data));
        node.event_keys = Some(EventKeysHome::beside_log(&self.data));
        let park = HuntRequest {
            id: hunt.clone(),
            area: serde_json::from_str(AREA)?,
            resolution: 12,
            round: DurationText::from_millis(1_000),
            claim_window: DurationText::from_millis(10_000),
            tiles: 1_024,
            starts_at: None,
            ends_at: None,
            values: ValueRow::default_table(),
            values_hidden: false,
            boards: Vec::new(),
        };
        Ok(Server::new(edge, node, vec![park], log))
    }

    async fn play(
        &self,
        running: &Running,
        hunt: &HuntId,
        service_key: &str,
        tally: &Arc<Tally>,
        output: Output,
        started: Instant,
    ) -> Result<Report, Failed> {
        let start_ms = started.elapsed().as_millis();
        self.greet(running, hunt, output, start_ms);
        let mut crowd = Crowd::gather(
            crowd::Invitation {
                url: running.url.clone(),
                hunt: hunt.clone(),
                service_key: service_key.to_owned(),
                players: self.players,
                rate: self.rate,
            },
            tally.clone(),
        )?;
        let began = Instant::now();
        let until = self.seconds.map(Duration::from_secs);
        let mut progress = Progress::new(output, until);
        let mut failure = running.failure();
        let failed = failure.wait_for(Option::is_some);
        let end = async {
            match until {
                Some(until) => tokio::time::sleep(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = end => {}
            () = stop_signal() => {}
            () = progress.follow(tally) => {}
            _ = failed => {}
            () = crowd.failed() => {}
        }
        let played = began.elapsed();
        let memory_bytes = running.memory_bytes();
        crowd.disperse().await?;
        progress.finish();
        Ok(Report::new(
            self.players,
            played,
            tally.figures(),
            running,
            memory_bytes,
            start_ms,
        ))
    }

    fn greet(&self, running: &Running, hunt: &HuntId, output: Output, start_ms: u128) {
        let url = format!("{}/#/play/{hunt}", running.url);
        let key = self.data.join(SERVICE_KEY_FILE);
        output.line(
            || {
                format!(
                    "listening on {}\n\n  play and watch   {url}\n  players          {} simulated\n  \
                     service key      {}\n\nCtrl-C ends it; started in {start_ms} ms",
                    running.url,
                    self.players,
                    key.display(),
                )
            },
            || json!({"listening": running.url, "play": url, "start_ms": start_ms}),
        );
    }
}
