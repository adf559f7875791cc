//! huntcore as its users run it: `huntcore serve` as a child process, on a real log in a
//! temporary folder, asked through its public face alone.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use huntcore_client::{Client, RetryPolicy};
use huntcore_model::{HuntId, OutcomeKind, RoundNumber};
use huntcore_wire::HuntRequest;
use tempfile::TempDir;

use crate::load::{hunt_request, process_cpu};
use crate::report::{BenchError, resident_bytes};

/// Signs the tokens of simulated players; 32 bytes, as any key.
pub(crate) const PLAYER_KEY: &str = "bench-player-key-of-thirty-2-bytes";
/// Lines of `[limits]` that let a few players stand for many.
pub(crate) const NO_PLAYER_RATE: &str = "player_rate = 0";
const SERVICE_KEY: &str = "bench-service-key-of-thirty2-bytes";
/// For a round to open once its hunt is there.
const OPEN_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running server; ended when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    pub(crate) client: Client,
    // Goes last: the server writes into it.
    folder: TempDir,
}

/// What the server counts (I10).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerCounts {
    pub(crate) received: u64,
    pub(crate) outcomes: HashMap<String, u64>,
    pub(crate) unanswered: u64,
}

/// A hunt's round that is open.
#[derive(Clone, Debug)]
pub(crate) struct OpenRound {
    pub(crate) hunt: HuntId,
    pub(crate) round: RoundNumber,
}

impl Server {
    /// Starts a server with so many shards; `limits` are lines of the configuration's
    /// `[limits]`.
    pub(crate) fn start(program: &Path, shards: u16, limits: &str) -> Result<Self, BenchError> {
        Self::start_with(program, shards, &format!("[limits]\n{limits}\n"))
    }

    /// Starts a server with so many shards; `sections` end its configuration.
    pub(crate) fn start_with(
        program: &Path,
        shards: u16,
        sections: &str,
    ) -> Result<Self, BenchError> {
        let role = format!("shards = {shards}\n[log]\nurl = \"file:data\"");
        Self::start_as(program, &role, sections)
    }

    /// Starts an edge process that follows another server.
    pub(crate) fn start_edge(
        program: &Path,
        upstream: &Self,
        sections: &str,
    ) -> Result<Self, BenchError> {
        let role = format!("roles = \"edge\"\nupstream = \"{}\"", upstream.url);
        Self::start_as(program, &role, sections)
    }

    fn start_as(program: &Path, role: &str, sections: &str) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
        let config = format!(
            "listen = \"127.0.0.1:0\"\n{role}\n\
             [auth]\nplayer_alg = \"HS256\"\nplayer_key = \"{PLAYER_KEY}\"\n\
             service_key = \"{SERVICE_KEY}\"\n{sections}"
        );
        std::fs::write(folder.path().join("huntcore.toml"), config)
            .map_err(BenchError::io("write a configuration"))?;
        Self::serve(program, folder)
    }

    fn serve(program: &Path, folder: TempDir) -> Result<Self, BenchError> {
        let stderr = std::fs::File::create(folder.path().join("stderr.log"))
            .map_err(BenchError::io("make a file"))?;
        let mut child = Command::new(program)
            .args(["serve", "--json", "--config", "huntcore.toml"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(BenchError::io("start huntcore serve"))?;
        let stdout = child.stdout.take().expect("it is piped");
        let mut line = String::new();
        let said = BufReader::new(stdout).read_line(&mut line);
        let mut server = Self {
            child,
            url: String::new(),
            client: client("http://127.0.0.1:1", RetryPolicy::NEVER)?,
            folder,
        };
        said.map_err(BenchError::io("hear from the server"))?;
        let said: Option<serde_json::Value> = serde_json::from_str(&line).ok();
        let url = said.as_ref().and_then(|said| said["listening"].as_str());
        let Some(url) = url else {
            return Err(server.failed("did not start"));
        };
        url.clone_into(&mut server.url);
        server.client = client(url, RetryPolicy::NEVER)?;
        Ok(server)
    }

    /// Opens so many hunts of `tiles` tiles, with one round of an hour each.
    pub(crate) async fn open_hunts(
        &self,
        count: u32,
        tiles: u32,
    ) -> Result<Vec<OpenRound>, BenchError> {
        let mut open = Vec::new();
        for index in 0..count {
            let request = hunt_request(index, tiles)?;
            let created = self.client.create_hunt(&request).await;
            created.map_err(BenchError::huntcore)?;
            open.push(request.id);
        }
        let mut rounds = Vec::new();
        for hunt in open {
            let round = self.open_round(&hunt).await?;
            rounds.push(OpenRound { hunt, round });
        }
        Ok(rounds)
    }

    /// Opens one hunt, and waits for its first round.
    pub(crate) async fn open_hunt(&self, request: &HuntRequest) -> Result<OpenRound, BenchError> {
        let created = self.client.create_hunt(request).await;
        created.map_err(BenchError::huntcore)?;
        let round = self.open_round(&request.id).await?;
        Ok(OpenRound {
            hunt: request.id.clone(),
            round,
        })
    }

    async fn open_round(&self, hunt: &HuntId) -> Result<RoundNumber, BenchError> {
        let deadline = Instant::now() + OPEN_WITHIN;
        loop {
            if let Ok(round) = self.client.current_round(hunt).await {
                return Ok(round.round);
            }
            if Instant::now() > deadline {
                return Err(BenchError::Huntcore(format!(
                    "no round of {hunt} opened within {OPEN_WITHIN:?}"
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// A client that asks again if its idle connection has been closed meanwhile.
    pub(crate) fn patient_client(&self) -> Result<Client, BenchError> {
        client(&self.url, RetryPolicy::default())
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Result<SocketAddr, BenchError> {
        let host = self.url.trim_start_matches("http://");
        host.parse().map_err(BenchError::huntcore)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time that it has taken.
    pub(crate) fn cpu(&self) -> Duration {
        process_cpu(self.child.id())
    }

    /// Memory that it holds.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        resident_bytes(&self.child.id().to_string())
    }

    /// What it has counted so far.
    pub(crate) async fn counts(&self) -> Result<ServerCounts, BenchError> {
        let text = self.client.metrics().await.map_err(BenchError::huntcore)?;
        Ok(ServerCounts::read(&text))
    }

    fn failed(&self, what: &str) -> BenchError {
        let path = self.folder.path().join("stderr.log");
        let stderr = std::fs::read_to_string(path).unwrap_or_default();
        let last = stderr.lines().last().unwrap_or_default();
        BenchError::Huntcore(format!("huntcore serve {what}: {last}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its log goes with it; either way it is gone after the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl ServerCounts {
    fn read(text: &str) -> Self {
        let mut counts = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let value = || value.parse().unwrap_or_default();
            if name == "huntcore_attempts_total" {
                counts.received = value();
            } else if name.starts_with("huntcore_unanswered_total") {
                counts.unanswered += value();
            } else if let Some(labels) = name.strip_prefix("huntcore_outcomes_total{outcome=\"") {
                let kind = labels.trim_end_matches("\"}").to_owned();
                counts.outcomes.insert(kind, value());
            }
        }
        counts
    }

    /// Outcomes told of a kind.
    pub(crate) fn told(&self, kind: OutcomeKind) -> u64 {
        self.outcomes.get(kind.name()).copied().unwrap_or_default()
    }

    /// Whether every attempt is accounted for (I10).
    pub(crate) fn is_reconciled(&self) -> bool {
        let told: u64 = self.outcomes.values().sum();
        self.received == told + self.unanswered
    }
}

fn client(url: &str, retry: RetryPolicy) -> Result<Client, BenchError> {
    Client::builder(url)
        .service_key(SERVICE_KEY)
        .retry(retry)
        .request_timeout(Duration::from_secs(60))
        .build()
        .map_err(BenchError::huntcore)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_the_metrics_text() {
        let text = "# HELP huntcore_attempts_total Attempts received.\n\
                    huntcore_attempts_total 9\n\
                    huntcore_outcomes_total{outcome=\"won\"} 3\n\
                    huntcore_outcomes_total{outcome=\"taken\"} 4\n\
                    huntcore_unanswered_total{reason=\"connection-lost\"} 1\n\
                    huntcore_unanswered_total{reason=\"outcome-unknown\"} 1\n";
        let counts = ServerCounts::read(text);
        assert_eq!(counts.told(OutcomeKind::Won), 3);
        assert_eq!(counts.unanswered, 2);
        assert!(counts.is_reconciled());
        let short = ServerCounts {
            received: 10,
            ..counts
        };
        assert!(!short.is_reconciled());
    }
}
