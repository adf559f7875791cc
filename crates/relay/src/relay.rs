//! A running edge process: its threads and tasks, and how they start and stop.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use futures_util::FutureExt as _;
use huntcore_client::{Client, ClientError, RetryPolicy};
use huntcore_lane::{Bell, Entrance, EntranceLimits};
use huntcore_model::{ShardMap, TimeMicros};
use huntcore_projection::{
    Batches as _, Cells, Clock, ProjectionSettings, Projector, ProjectorSnapshot, Views,
};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::commands::Commands;
use crate::config::RelayConfig;
use crate::events::Events;
use crate::follow::{Backoff, Follow};
use crate::forward::{self, Forwarded};
use crate::inflow::Inflow;
use crate::link::Link;
use crate::maps::Maps;
use crate::trail::Trails;
use crate::upstream::{Upstream, UpstreamError, lost};

/// Commands that may be on their way at one time.
const COMMANDS_MAX: usize = 32;
/// How long the upstream may take for what it is asked: as long as an edge's own clients wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// An edge process, running. The edge's backend.
pub struct Relay {
    pub(crate) config: RelayConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) views: Arc<Views>,
    pub(crate) inflow: Arc<Inflow>,
    pub(crate) link: Arc<Link>,
    pub(crate) entrance: Entrance,
    pub(crate) forwarded: Arc<Forwarded>,
    pub(crate) commands: Commands,
    pub(crate) commands_room: Arc<Semaphore>,
    pub(crate) events: Events,
    pub(crate) maps: Arc<Maps>,
    pub(crate) trails: Arc<Trails>,
    pub(crate) cells: Arc<Cells>,
    pub(crate) started: Instant,
    failure: watch::Sender<Option<Arc<str>>>,
    stop_tasks: CancellationToken,
    stop_projector: Sender<()>,
    stopping: Arc<AtomicBool>,
    forwarder_bell: Bell,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Why an edge process does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The upstream's address is none.
    #[error("upstream {url:?} is no address of a server: {reason}")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The upstream does not hand its log on.
    #[error("upstream {url}: {reason}")]
    Upstream {
        /// Who.
        url: String,
        /// Why not.
        reason: String,
    },
    /// What the upstream handed on cannot be begun with.
    #[error(
        "upstream {url} sent a checkpoint that cannot be used: {reason}; do both run the same version?"
    )]
    Checkpoint {
        /// Who.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The client of the upstream cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The system gave no thread.
    #[error("the system gave no thread: {0}")]
    Thread(#[from] std::io::Error),
    /// It ended before it had caught up.
    #[error("{0}")]
    Failed(Arc<str>),
}

impl Relay {
    /// Begins with the upstream's checkpoint, follows its log, and returns once everything is
    /// shown that the upstream had when it was asked (I6). Waits for an upstream that is not
    /// reached, for as long as it takes: dropping the future ends that.
    pub async fn start(
        config: RelayConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, StartError> {
        let upstream = Upstream::new(&config).map_err(|reason| StartError::Address {
            url: config.upstream.clone(),
            reason,
        })?;
        let snapshot = begin(&config, &upstream).await?;
        let relay = Arc::new(Self::run(config, clock, upstream, snapshot)?);
        relay.caught_up().await?;
        Ok(relay)
    }

    fn run(
        config: RelayConfig,
        clock: Arc<dyn Clock>,
        upstream: Upstream,
        snapshot: ProjectorSnapshot,
    ) -> Result<Self, StartError> {
        let unusable = |reason: String| StartError::Checkpoint {
            url: config.upstream.clone(),
            reason,
        };
        let last_time = snapshot.tails().iter().map(|(_, tail)| tail.time).max();
        clock.advance_to(last_time.unwrap_or_default());
        let settings = settings(&config, snapshot.shards());
        let (inflow, bell) = Inflow::new(snapshot.tails());
        let inflow = Arc::new(inflow);
        let (mut projector, _snapshots) = Projector::new(&settings, inflow.clone(), clock.clone());
        let restored = projector.restore(snapshot);
        restored.map_err(|error| unusable(error.to_string()))?;
        let views = projector.catch_up(Vec::new(), TimeMicros::ZERO);
        let views = Arc::new(views.map_err(|error| unusable(error.to_string()))?);
        let link = Arc::new(Link::new());
        let failure = watch::Sender::new(None);
        let stop_tasks = CancellationToken::new();
        let mut threads = Vec::new();

        let (stop_projector, stopped) = crossbeam_channel::bounded(1);
        let projecting = {
            let (views, failure) = (views.clone(), failure.clone());
            move || {
                if let Err(error) = projector.run(&views, &bell, &stopped) {
                    report(&failure, &error.to_string());
                }
            }
        };
        threads.push(spawn("projector", &failure, projecting)?);

        let one = ShardMap::new(1).expect("one is allowed");
        let (entrance, mut ports) = huntcore_lane::exchange(one, EntranceLimits::default());
        let port = ports.pop().expect("one port for one queue");
        let forwarder_bell = port.bell();
        let stopping = Arc::new(AtomicBool::new(false));
        let (sender, written) = forward::channel();
        let writer = forward::Writer {
            port,
            link: link.clone(),
            views: views.clone(),
            written: sender,
            stopping: stopping.clone(),
        };
        threads.push(spawn("forward", &failure, move || writer.run())?);

        let client = client(&config, RetryPolicy::NEVER)?;
        let forwarded = Arc::new(Forwarded::default());
        let sender = forward::Sender {
            client: client.clone(),
            views: views.clone(),
            clock: clock.clone(),
            forwarded: forwarded.clone(),
            written,
        };
        guard(&failure, "forward", sender.run(stop_tasks.clone()));
        let follow = Follow {
            config: config.clone(),
            upstream: upstream.clone(),
            inflow: inflow.clone(),
            link: link.clone(),
            views: views.clone(),
            clock: clock.clone(),
        };
        let following = {
            let (failure, stop) = (failure.clone(), stop_tasks.clone());
            async move {
                if let Err(reason) = follow.run(stop).await {
                    report(&failure, &reason);
                }
            }
        };
        guard(&failure, "follow", following);

        Ok(Self {
            commands: Commands {
                client: client.clone(),
                upstream,
                views: views.clone(),
            },
            commands_room: Arc::new(Semaphore::new(COMMANDS_MAX)),
            events: Events {
                client: client.clone(),
                views: views.clone(),
            },
            trails: Arc::new(Trails::new(client.clone())),
            maps: Arc::new(Maps::new(client)),
            cells: Arc::new(Cells::default()),
            started: Instant::now(),
            config,
            clock,
            views,
            inflow,
            link,
            entrance,
            forwarded,
            failure,
            stop_tasks,
            stop_projector,
            stopping,
            forwarder_bell,
            threads: Mutex::new(threads),
        })
    }

    /// Waits until everything is shown that the upstream first told of.
    async fn caught_up(&self) -> Result<(), StartError> {
        let mut views = self.views.watch();
        let mut failure = self.failure.subscribe();
        loop {
            views.borrow_and_update();
            let ends = self.link.ends();
            // Before it is followed nothing has been told.
            if self.link.is_up() && self.views.newest().position.covers(&ends) {
                return Ok(());
            }
            if let Some(reason) = failure.borrow_and_update().clone() {
                return Err(StartError::Failed(reason));
            }
            self.views.ask();
            self.inflow.ring();
            tokio::select! {
                _ = views.changed() => {}
                _ = failure.changed() => {}
            }
        }
    }

    /// Tells when the process cannot go on, and why. It should then end with the message.
    #[must_use]
    pub fn failure(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.failure.subscribe()
    }

    /// Ends all threads and tasks. To be called when no edge sends anything any more; what is
    /// still on its way to the upstream is answered `outcome-unknown`. Stopping again does
    /// nothing.
    pub fn stop(&self) {
        self.stop_tasks.cancel();
        self.stopping.store(true, Ordering::Release);
        self.forwarder_bell.ring();
        // Full if it was told before, gone if it has ended.
        let _ = self.stop_projector.try_send(());
        self.inflow.ring();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // A panic has been reported by the thread itself.
            drop(thread.join());
        }
    }

    pub(crate) fn failed(&self) -> Option<String> {
        self.failure.borrow().as_ref().map(ToString::to_string)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Relay")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// The upstream's state as of now. Asks until there is one, or until it is clear that there
/// will be none.
async fn begin(config: &RelayConfig, upstream: &Upstream) -> Result<ProjectorSnapshot, StartError> {
    let mut backoff = Backoff::new(config);
    let mut told = String::new();
    loop {
        let error = match checkpoint(config, upstream).await {
            Ok(snapshot) => return Ok(snapshot),
            Err(Beginning::Unusable(reason)) => {
                let url = config.upstream.clone();
                return Err(StartError::Checkpoint { url, reason });
            }
            Err(Beginning::Upstream(error)) => error,
        };
        let url = config.upstream.clone();
        let reason = error.to_string();
        if !error.may_pass() {
            return Err(StartError::Upstream { url, reason });
        }
        if reason != told {
            tracing::warn!(upstream = %url, "waiting for the upstream: {reason}");
            told = reason;
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

enum Beginning {
    Upstream(UpstreamError),
    Unusable(String),
}

async fn checkpoint(
    config: &RelayConfig,
    upstream: &Upstream,
) -> Result<ProjectorSnapshot, Beginning> {
    let asked = upstream.checkpoint().await;
    let (mut response, mut chunks) = asked.map_err(Beginning::Upstream)?;
    let sender = chunks.sender();
    let settings = settings(config, ShardMap::new(1).expect("one is allowed"));
    let limits = settings.broadcast_limits();
    let reading = tokio::task::spawn_blocking(move || ProjectorSnapshot::read(&mut chunks, limits));
    let bringing = async {
        let sender = sender.expect("nobody else has taken it");
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if sender.send(chunk).await.is_err() {
                // All of it is read, or no good.
                break;
            }
        }
        Ok(())
    };
    bringing.await.map_err(Beginning::Upstream)?;
    match reading.await {
        Ok(Ok(snapshot)) => Ok(snapshot),
        Ok(Err(error)) => Err(Beginning::Unusable(error.to_string())),
        Err(_) => Err(Beginning::Unusable("reading it failed".to_owned())),
    }
}

fn settings(config: &RelayConfig, shards: ShardMap) -> ProjectionSettings {
    ProjectionSettings {
        shards,
        tick: config.tick,
        board_interval: config.board_interval,
        publish_interval: config.publish_interval,
    }
}

fn client(config: &RelayConfig, retry: RetryPolicy) -> Result<Client, StartError> {
    let mut builder = Client::builder(&config.upstream)
        .request_timeout(ANSWER_TIMEOUT)
        .retry(retry);
    if let Some(key) = &config.service_key {
        builder = builder.service_key(key);
    }
    Ok(builder.build()?)
}

/// Spawns a task whose panic is told: without it nothing would be forwarded, or followed.
fn guard(
    failure: &watch::Sender<Option<Arc<str>>>,
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let failure = failure.clone();
    tokio::spawn(async move {
        if AssertUnwindSafe(task).catch_unwind().await.is_err() {
            let what = format!("task {name} panicked: this is a bug; start again to recover");
            report(&failure, &what);
        }
    });
}

fn report(failure: &watch::Sender<Option<Arc<str>>>, what: &str) {
    let is_first = failure.send_if_modified(|first| {
        let is_first = first.is_none();
        if is_first {
            *first = Some(Arc::from(what));
        }
        is_first
    });
    if is_first {
        tracing::error!("{what}");
    }
}

/// Starts a named thread whose panic ends the process.
fn spawn(
    name: &'static str,
    failure: &watch::Sender<Option<Arc<str>>>,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let failure = failure.clone();
    let guarded = move || {
        if std::panic::catch_unwind(AssertUnwindSafe(body)).is_err() {
            let what = format!("thread {name} panicked: this is a bug; start again to recover");
            report(&failure, &what);
        }
    };
    let thread = std::thread::Builder::new().name(name.to_owned());
    Ok(thread.spawn(guarded)?)
}
