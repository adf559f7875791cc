//! The edge as a whole: bound, serving, drained.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use super::accept::{Accepting, Acceptor, Listening};
use super::tls::{Tls, Watch};
use crate::backend::Backend;
use crate::config::{BindError, EdgeConfig};
use crate::counts::Counts;
use crate::routes;
use crate::state::{App, Lifetime};
use axum::Router;
use tokio::net::TcpSocket;

/// Connections that the kernel completes ahead of the accept loop.
const BACKLOG: u32 = 4_096;

/// A bound listener and all that stands behind it.
pub struct Edge {
    listening: Listening,
    local_addr: SocketAddr,
    app: Arc<App>,
    router: Router,
    tls: Option<(Arc<Tls>, Watch)>,
    lifetime: Lifetime,
}

/// How a shutdown went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that had not finished what they had accepted when time was up.
    pub unfinished: usize,
}

impl Edge {
    /// Checks the settings and takes the address; nobody is served yet.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn bind(config: EdgeConfig, backend: Arc<dyn Backend>) -> Result<Self, BindError> {
        config.check()?;
        let counts = Counts::default();
        let tls = match &config.tls {
            None => None,
            Some(files) => {
                let (tls, watch) = Tls::new(files.clone(), counts.clone())?;
                Some((Arc::new(tls), watch))
            }
        };
        let fault = |source| BindError::Listen {
            address: config.listen,
            source,
        };
        let listener = listen(config.listen, config.reuse_port)?;
        let local_addr = listener.local_addr().map_err(fault)?;
        let listening = Listening::new(listener).map_err(fault)?;
        let lifetime = Lifetime::default();
        let app = Arc::new(App::new(config, backend, counts, lifetime.clone())?);
        let router = routes::router(&app);
        Ok(Self {
            listening,
            local_addr,
            app,
            router,
            tls,
            lifetime,
        })
    }

    /// Where it listens; tells the port if the settings left it open.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Where it is asked: `http://` or, with TLS, `https://` and the address.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.local_addr)
    }

    /// Its counters; the handle stays good after the edge is gone.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.app.counts.clone()
    }

    /// Serves until `shutdown`, then stops accepting, closes live sockets (1001) one after the
    /// other and finishes what it has accepted, for no longer than the drain limit.
    ///
    /// Dropping the future ends everything at once.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Drained {
        let Lifetime { stop, kill, tasks } = self.lifetime;
        let _kill_on_drop = kill.clone().drop_guard();
        let app = Arc::clone(&self.app);
        let (tls, watching) = match self.tls {
            None => (None, None),
            Some((tls, watch)) => (Some(Arc::clone(&tls)), Some(tls.watch(watch))),
        };
        let acceptor = Acceptor {
            app: self.app,
            router: self.router,
            tls,
        };
        match Accepting::start(self.listening, acceptor) {
            Ok(mut accepting) => {
                let watching = async {
                    match watching {
                        Some(watching) => watching.await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = accepting.ended() => {}
                    () = shutdown => {}
                    () = watching => {}
                }
                accepting.stop().await;
            }
            Err(error) => tracing::error!(%error, "cannot accept connections"),
        }
        let limits = app.limits();
        let drain_timeout = limits.leaving_spread(app.counts.sockets()) + limits.drain_timeout;
        stop.cancel();
        tasks.close();
        let drained = tokio::time::timeout(drain_timeout, tasks.wait()).await;
        let unfinished = if drained.is_ok() { 0 } else { tasks.len() };
        kill.cancel();
        if unfinished > 0 {
            tracing::warn!(unfinished, "connections were cut off at the drain limit");
            // They see `kill` at their next poll.
            let _ = tokio::time::timeout(Duration::from_secs(1), tasks.wait()).await;
        }
        Drained { unfinished }
    }
}

fn listen(address: SocketAddr, reuse_port: bool) -> Result<TcpListener, BindError> {
    let fault = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AddrInUse => BindError::AddressInUse { address },
        _ => BindError::Listen { address, source },
    };
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }
    .map_err(fault)?;
    // A restart must not wait for the last one's connections to be forgotten.
    socket.set_reuseaddr(true).map_err(fault)?;
    if reuse_port {
        socket.set_reuseport(true).map_err(fault)?;
    }
    socket.bind(address).map_err(fault)?;
    let listener = socket.listen(BACKLOG).map_err(fault)?;
    // The accept loop judges a connection before tokio knows of it.
    listener.into_std().map_err(fault)
}
