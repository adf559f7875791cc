//! The server that a load is put on: a given one, or one of its own on a temporary folder.

use std::path::Path;
use std::time::{Duration, Instant};

use huntcore_client::{Client, RetryPolicy};
use huntcore_model::HuntId;

use crate::load::watched_hunt;
use crate::report::BenchError;
use crate::server::Server;

/// For a server that is being started again to answer.
const THERE_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Where score events are sent to, and where their boards are read.
pub struct ScoresTarget {
    pub(crate) client: Client,
    pub(crate) hunt: HuntId,
    pub(crate) url: String,
    /// Ended with this.
    own: Option<Server>,
}

impl std::fmt::Debug for ScoresTarget {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("ScoresTarget");
        shown.field("url", &self.url).field("hunt", &self.hunt);
        shown.finish_non_exhaustive()
    }
}

impl ScoresTarget {
    /// A server that runs: events are sent with its service key to a hunt that is there.
    pub fn given(url: &str, service_key: &str, hunt: HuntId) -> Result<Self, BenchError> {
        // The load repeats by itself what it has to, and counts that.
        let client = Client::builder(url)
            .service_key(service_key)
            .retry(RetryPolicy::NEVER)
            .build()
            .map_err(BenchError::huntcore)?;
        Ok(Self {
            client,
            hunt,
            url: url.to_owned(),
            own: None,
        })
    }

    /// Starts `program`, which is this one, as a server of its own with so many shards.
    pub async fn own(program: &Path, shards: u16) -> Result<Self, BenchError> {
        let server = Server::start(program, shards, "")?;
        let opened = server.open_hunt(&watched_hunt("1h", 64)?).await?;
        Ok(Self {
            client: server.client.clone(),
            hunt: opened.hunt,
            url: server.url.clone(),
            own: Some(server),
        })
    }

    /// The server's own process, if this started it.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.own.as_ref().map(Server::pid)
    }

    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        self.own.as_ref().and_then(Server::resident_bytes)
    }

    pub(crate) fn cpu(&self) -> Option<Duration> {
        self.own.as_ref().map(Server::cpu)
    }

    /// How many score events the server says that it has taken since it was started.
    pub(crate) async fn events_taken(&self) -> Result<u64, BenchError> {
        let deadline = Instant::now() + THERE_WITHIN;
        let text = loop {
            match self.client.metrics().await {
                Ok(text) => break text,
                Err(error) if !error.is_retryable() || Instant::now() > deadline => {
                    return Err(BenchError::huntcore(error));
                }
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(name, _)| *name == "huntcore_events_total");
        let number = found.and_then(|(_, value)| value.parse().ok());
        number.ok_or_else(|| {
            BenchError::Huntcore("/metrics names no huntcore_events_total".to_owned())
        })
    }
}
