//! `huntcore serve`: the server, until it is told to stop. It decides and stores, or it is an
//! edge process that follows another server which does.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};
use huntcore_edge::{Backend, CommandError, Counts, Edge, EdgeConfig, HuntCommand};
use huntcore_log::Log;
use huntcore_log_file::{FileLog, FileLogOptions};
use huntcore_model::HuntId;
use huntcore_node::{Node, NodeConfig, SystemClock, has_boards};
use huntcore_relay::{Relay, RelayConfig};
use huntcore_wire::{BoardSpec, HuntRequest};
use serde_json::json;
use tokio::sync::{oneshot, watch};

use crate::config::{ConfigFile, LogHome, Roles};
use crate::files;
use crate::flag_file::FlagFile;
use crate::output::{Failed, Output};

/// Run the server.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The configuration file.
    #[arg(long, default_value = "huntcore.toml")]
    config: PathBuf,
    /// Listen here instead of where the configuration says; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// With `off` everybody may do everything; only on loopback addresses.
    #[arg(long, default_value = "on")]
    auth: AuthSwitch,
    /// What this process does, instead of what the configuration says.
    #[arg(long)]
    roles: Option<Roles>,
    /// The server that an edge process follows, such as http://10.0.0.1:7070.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Share the port with other processes that do so too; the kernel deals connections out.
    #[arg(long)]
    reuse_port: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AuthSwitch {
    On,
    Off,
}

impl Serve {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        let mut config = ConfigFile::read(&self.config)?;
        if let Some(listen) = self.listen {
            config.listen = listen;
        }
        if let Some(roles) = self.roles {
            config.roles = roles;
        }
        if let Some(upstream) = self.upstream {
            config.upstream = Some(upstream);
        }
        config.reuse_port |= self.reuse_port;
        let server = Server::prepare(&config, self.auth == AuthSwitch::Off)?;
        let runtime = runtime()?;
        runtime.block_on(async {
            let (failed, _) = server
                .run(stop_signal(), |running| {
                    output.line(
                        || format!("listening on {}", running.url),
                        || json!({"listening": running.url}),
                    );
                })
                .await?;
            failed.map_or(Ok(()), |reason| Err(Failed::new(reason.as_ref())))
        })
    }
}

/// Everything that a server is made of, not running yet.
pub(crate) struct Server {
    edge: EdgeConfig,
    behind: Behind,
}

/// What stands behind the edge, not running yet.
enum Behind {
    Node {
        config: Box<NodeConfig>,
        hunts: Vec<HuntRequest>,
        log: Arc<dyn Log>,
        /// Where flags are told, if there is a file.
        flags: Option<FlagFile>,
    },
    Upstream(RelayConfig),
}

/// What stands behind the edge, running.
#[derive(Clone)]
enum Stands {
    Node(Arc<Node>),
    Relay(Arc<Relay>),
}

/// A server that runs.
pub(crate) struct Running {
    /// `http://ADDRESS`.
    pub(crate) url: String,
    pub(crate) counts: Counts,
    stands: Stands,
}

impl Running {
    /// Memory that the process holds.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.stands.backend().stats().memory_bytes
    }

    /// Tells when the server cannot go on, and why.
    pub(crate) fn failure(&self) -> watch::Receiver<EndedBy> {
        self.stands.failure()
    }
}

/// Why a server ended by itself, if it did.
pub(crate) type EndedBy = Option<Arc<str>>;

impl Stands {
    fn backend(&self) -> Arc<dyn Backend> {
        match self {
            Self::Node(node) => node.clone(),
            Self::Relay(relay) => relay.clone(),
        }
    }

    fn failure(&self) -> watch::Receiver<EndedBy> {
        match self {
            Self::Node(node) => node.failure(),
            Self::Relay(relay) => relay.failure(),
        }
    }

    fn stop(&self) {
        match self {
            Self::Node(node) => node.stop(),
            Self::Relay(relay) => relay.stop(),
        }
    }
}

impl Behind {
    /// Starts it; `stop` ends what follows the configuration file.
    async fn start(self, stop: watch::Receiver<bool>) -> Result<Stands, Failed> {
        let clock = Arc::new(SystemClock::default());
        match self {
            Self::Upstream(config) => Ok(Stands::Relay(Relay::start(config, clock).await?)),
            Self::Node {
                config,
                hunts,
                log,
                flags,
            } => {
                let starting = move || Node::start(*config, log, clock);
                let node = tokio::task::spawn_blocking(starting)
                    .await
                    .map_err(|_| Failed::new("the start was interrupted"))??;
                for request in hunts {
                    create(&node, request).await?;
                }
                if let Some(mut flags) = flags {
                    flags.apply(node.as_ref()).await;
                    tokio::spawn(flags.follow(node.clone(), stop));
                }
                Ok(Stands::Node(node))
            }
        }
    }
}

impl Server {
    /// Checks the configuration, and opens the log if there is to be one.
    pub(crate) fn prepare(config: &ConfigFile, auth_off: bool) -> Result<Self, Failed> {
        let edge = config.edge(auth_off)?;
        if !edge.reuse_port {
            check_free(edge.listen)?;
        }
        if let Some(upstream) = config.relay(auth_off)? {
            return Ok(Self {
                edge,
                behind: Behind::Upstream(upstream),
            });
        }
        let LogHome::File(data) = config.log_home()?;
        let hunts = config.hunts()?;
        let log = open_log(&data, config.log_options()?)?;
        let node = config.node(&data)?;
        let mut server = Self::new(edge, node, hunts, log);
        if let Behind::Node { flags, .. } = &mut server.behind {
            *flags = Some(config.flag_file()?);
        }
        Ok(server)
    }

    /// Puts a server together from its parts.
    pub(crate) fn new(
        edge: EdgeConfig,
        node: NodeConfig,
        hunts: Vec<HuntRequest>,
        log: Arc<dyn Log>,
    ) -> Self {
        let behind = Behind::Node {
            config: Box::new(node),
            hunts,
            log,
            flags: None,
        };
        Self { edge, behind }
    }

    /// Runs until `stop`, or until it cannot go on; `ready` is told once it listens.
    pub(crate) async fn run(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
        ready: impl FnOnce(Running),
    ) -> Result<(EndedBy, Counts), Failed> {
        let started = Instant::now();
        let Self { mut edge, behind } = self;
        files::fit(&mut edge);
        let follows = matches!(behind, Behind::Upstream(_));
        let mut stop = Box::pin(stop);
        // Dropped at the end.
        let (_following, stopping_seen) = watch::channel(false);
        let stands = tokio::select! {
            stands = behind.start(stopping_seen) => stands?,
            // It waits for its upstream for as long as that takes.
            () = &mut stop, if follows => return Ok((None, Counts::default())),
        };
        let mut failure = stands.failure();
        let edge = Edge::bind(edge, stands.backend())?;
        let counts = edge.counts();
        let url = edge.url();
        tracing::info!(%url, start_ms = started.elapsed().as_millis(), "ready");
        let (stopping, stopped) = oneshot::channel();
        let shutdown = async move {
            let reason = tokio::select! {
                () = stop => None,
                reason = failure.wait_for(Option::is_some) => reason.ok().and_then(|r| r.clone()),
            };
            drop(stopping.send(reason));
        };
        ready(Running {
            url,
            counts: counts.clone(),
            stands: stands.clone(),
        });
        let drained = edge.serve(shutdown).await;
        tracing::info!(unfinished = drained.unfinished, "stopped listening");
        // The threads finish what was accepted; joining them is not for a runtime's thread.
        let failure = stands.failure();
        tokio::task::spawn_blocking(move || stands.stop())
            .await
            .map_err(|_| Failed::new("the stop was interrupted"))?;
        // What was accepted last may not have been stored.
        let failed_late = failure.borrow().clone();
        Ok((stopped.await.ok().flatten().or(failed_late), counts))
    }
}

/// The runtime that serves; as many threads as there are cores.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::new(format!("cannot start the runtime: {error}")))
}

/// Resolves when the process is asked to end.
pub(crate) async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            // Then only Ctrl-C is heard.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminate => {}
        interrupted = tokio::signal::ctrl_c() => {
            if let Err(error) = interrupted {
                tracing::warn!("cannot hear Ctrl-C: {error}");
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Finds out whether an address is in use, before a long log is read.
pub(crate) fn check_free(listen: SocketAddr) -> Result<(), Failed> {
    let bound = TcpListener::bind(listen).map_err(|error| {
        Failed::new(format!(
            "cannot listen on {listen}: {error}; stop what listens there or set another `listen` \
             address"
        ))
    })?;
    drop(bound);
    Ok(())
}

/// Opens a log in a directory, or makes one there.
pub(crate) fn open_log(data: &Path, options: FileLogOptions) -> Result<Arc<dyn Log>, Failed> {
    Ok(Arc::new(FileLog::open(data, options)?))
}

/// Creates a configured hunt; one that exists with the same configuration is left as it is.
async fn create(node: &Arc<Node>, request: HuntRequest) -> Result<(), Failed> {
    let (id, boards) = (request.id.clone(), request.boards.clone());
    let known = node.view().catalog.hunt(&id).is_some();
    match node.command(HuntCommand::Create(Box::new(request))).await {
        Ok(_) => Ok(()),
        // Hunts are changed through the API; the file only says how they begin.
        Err(CommandError::HuntExists { .. }) if known => {
            tracing::info!(hunt = %id, "exists and was changed since; left as it is");
            tell_of_boards(node, &id, &boards);
            Ok(())
        }
        // Answers are given and boards shown whether or not there is space.
        Err(CommandError::StorageFull) if known => Ok(()),
        Err(error) => Err(Failed::new(format!("hunt {id}: {error}"))),
    }
}

/// Says so if a hunt has other boards than the file gives it: boards go on from before, and
/// whoever edits the file may not expect that.
fn tell_of_boards(node: &Node, id: &HuntId, boards: &[BoardSpec]) {
    let view = node.view();
    let Some(hunt) = view
        .catalog
        .hunt(id)
        .filter(|hunt| !has_boards(hunt, boards))
    else {
        return;
    };
    let names = |names: Vec<String>| match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    };
    let has = hunt.boards.iter();
    let has = names(has.map(|board| board.definition.name.to_string()).collect());
    let says = names(boards.iter().map(|board| board.name.to_string()).collect());
    tracing::warn!(
        hunt = %id,
        %has,
        %says,
        "the hunt's boards are not those of the configuration file, and stay as they are: \
         `huntcore hunt change {id} --boards FILE` gives it the file's"
    );
}
