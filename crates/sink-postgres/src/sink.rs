//! A sink's life: reach the server, look where the tables stand, write what comes, begin anew.

use std::sync::Arc;
use std::time::{Duration, Instant};

use huntcore_model::ShardMap;
use huntcore_projection::Batches;
use tokio::sync::watch;

use crate::backoff::{Backoff, Retry};
use crate::error::{Remedy, SinkError};
use crate::incoming::Incoming;
use crate::names::Known;
use crate::session::{Session, within};
use crate::stand::Stand;
use crate::status::{SinkState, SinkStatus};
use crate::target::{SchemaName, SinkName, Target};
use crate::transaction::Writer;

/// When told to stop, it writes what is committed for so long at most. The rest is written after
/// the next start.
const FINISH_WITHIN: Duration = Duration::from_secs(3);

/// Settings of one sink.
#[derive(Clone, Debug)]
pub struct SinkConfig {
    /// In metrics and messages.
    pub name: SinkName,
    /// Where it writes.
    pub target: Target,
    /// The schema that holds its tables.
    pub schema: SchemaName,
    /// Records of one transaction, about: a batch of the log is never cut.
    pub batch: u64,
    /// From one transaction to the next, unless there is enough for one sooner.
    pub interval: Duration,
    /// Days that ended earlier than this before the last final window are dropped.
    pub retention: Duration,
    /// For so long beyond its own retention the log keeps what the tables lack.
    pub hold: Duration,
    /// How it tries again.
    pub retry: Retry,
}

impl SinkConfig {
    /// Everything at its default.
    #[must_use]
    pub fn new(name: SinkName, target: Target) -> Self {
        Self {
            name,
            target,
            schema: "huntcore".parse().expect("a good name"),
            batch: 20_000,
            interval: Duration::from_millis(200),
            retention: Duration::from_hours(30 * 24),
            hold: Duration::from_hours(7 * 24),
            retry: Retry::default(),
        }
    }
}

/// A sink, ready to run.
pub struct Sink {
    /// What it was told.
    pub config: SinkConfig,
    /// The log's streams.
    pub shards: ShardMap,
    /// What is committed.
    pub batches: Arc<dyn Batches>,
    /// Changes whenever there is more.
    pub grown: watch::Receiver<()>,
    /// Who was named in what was trimmed. Without it, empty tables cannot begin with a log whose
    /// beginning is gone.
    pub known: Option<Arc<dyn Known>>,
    /// How it fares.
    pub status: Arc<SinkStatus>,
    /// Turns true when it is to end.
    pub stop: watch::Receiver<bool>,
}

impl Sink {
    /// Runs on this thread until told to stop.
    ///
    /// Reading the log may block the thread for a moment; nobody else is on it.
    pub fn run(mut self) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut stop = self.stop.clone();
        runtime.block_on(async {
            let late = async {
                // A sender that has gone means the same.
                let _ = stop.wait_for(|stop| *stop).await;
                tokio::time::sleep(FINISH_WITHIN).await;
            };
            tokio::select! {
                () = self.live() => {}
                () = late => {}
            }
        });
        Ok(())
    }

    async fn live(&mut self) {
        let mut backoff = Backoff::new(self.config.retry);
        let mut told = None;
        loop {
            if matches!(self.status.state(), SinkState::Running) {
                self.status.set(SinkState::Connecting, None);
            }
            let Err(error) = self.session(&mut backoff, &mut told).await else {
                return;
            };
            self.status.failed();
            let reason = error.to_string();
            let (state, wait) = match error.remedy() {
                Remedy::Wait => (SinkState::Waiting, backoff.next()),
                Remedy::Operator => (SinkState::Stopped, backoff.stopped()),
            };
            let name = self.config.name.as_str();
            let target = &self.config.target;
            // Once for each reason, not for each try.
            if told.as_ref() != Some(&reason) {
                match state {
                    SinkState::Stopped => {
                        tracing::error!(sink = name, %target, "sink stopped: {reason}");
                    }
                    _ => tracing::warn!(sink = name, %target, "sink waits: {reason}"),
                }
            }
            told = Some(reason.clone());
            self.status.set(state, Some(reason));
            let stopped = async { drop(self.stop.wait_for(|stop| *stop).await) };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stopped => return,
            }
        }
    }

    /// One connection, up to its failure or to being told to stop.
    async fn session(
        &mut self,
        backoff: &mut Backoff,
        told: &mut Option<String>,
    ) -> Result<(), SinkError> {
        let mut session = Session::open(&self.config).await?;
        let known = self.known.clone();
        let stand = Stand::load(
            &mut session.client,
            self.shards,
            &self.batches,
            known.as_deref(),
        );
        let stand = within("asking how far the tables are", stand).await?;
        self.status.stands(&stand);
        let mut incoming = Incoming::after(&stand, self.batches.clone());
        let (config, status) = (&self.config, &*self.status);
        let client = &mut session.client;
        let writer = Writer::new(config, status, client, stand, known.as_deref());
        let mut writer = within("setting up", writer).await?;
        if told.take().is_some() {
            let behind = incoming.pending();
            tracing::info!(sink = config.name.as_str(), behind, "sink runs again");
        }
        status.set(SinkState::Running, None);
        loop {
            let began = Instant::now();
            self.grown.borrow_and_update();
            let batches = incoming.take(config.batch)?;
            if batches.is_empty() {
                if *self.stop.borrow() {
                    return Ok(());
                }
                tokio::select! {
                    // Nothing grows any more when the sender has gone.
                    grown = self.grown.changed() => if grown.is_err() { return Ok(()) },
                    stopped = self.stop.changed() => if stopped.is_err() { return Ok(()) },
                }
                continue;
            }
            let written = within("writing", writer.write(&batches)).await;
            if let Err(error) = written {
                return Err(self.explain(error).await);
            }
            backoff.succeeded();
            let rest = config.interval.saturating_sub(began.elapsed());
            if incoming.pending() < config.batch && !rest.is_zero() && !*self.stop.borrow() {
                tokio::select! {
                    () = tokio::time::sleep(rest) => {}
                    _ = self.stop.changed() => {}
                }
            }
        }
    }

    /// An error of rows or names may come from tables that somebody changed: then that is what to
    /// tell. A new session looks at them first of all.
    async fn explain(&self, error: SinkError) -> SinkError {
        if error.remedy() == Remedy::Wait || !matches!(error, SinkError::Postgres(_)) {
            return error;
        }
        match Session::open(&self.config).await {
            Err(found @ SinkError::Changed { .. }) => found,
            _ => error,
        }
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Sink")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
