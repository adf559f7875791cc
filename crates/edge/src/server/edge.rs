//! The edge as a whole: bound, serving, drained.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::accept::Acceptor;
use crate::backend::Backend;
use crate::config::{BindError, EdgeConfig};
use crate::counts::Counts;
use crate::routes;
use crate::state::{App, Lifetime};
use axum::Router;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that the kernel completes ahead of the accept loop.
const BACKLOG: u32 = 4_096;

/// A bound listener and all that stands behind it.
pub struct Edge {
    listener: TcpListener,
    local_addr: SocketAddr,
    app: Arc<App>,
    router: Router,
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
        let listener = listen(config.listen)?;
        let local_addr = listener.local_addr().map_err(|source| BindError::Listen {
            address: config.listen,
            source,
        })?;
        let lifetime = Lifetime::default();
        let app = Arc::new(App::new(config, backend, lifetime.clone())?);
        let router = routes::router(&app);
        Ok(Self {
            listener,
            local_addr,
            app,
            router,
            lifetime,
        })
    }

    /// Where it listens; tells the port if the settings left it open.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Its counters; the handle stays good after the edge is gone.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.app.counts.clone()
    }

    /// Serves until `shutdown`, then stops accepting, closes live sockets (1001) and finishes
    /// what it has accepted, for no longer than the drain limit.
    ///
    /// Dropping the future ends everything at once.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Drained {
        let Lifetime { stop, kill, tasks } = self.lifetime;
        let _kill_on_drop = kill.clone().drop_guard();
        let drain_timeout = self.app.limits().drain_timeout;
        let acceptor = Acceptor {
            app: self.app,
            router: self.router,
        };
        {
            let accepting = std::pin::pin!(acceptor.run(self.listener));
            tokio::select! {
                () = accepting => {}
                () = shutdown => {}
            }
        }
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

fn listen(address: SocketAddr) -> Result<TcpListener, BindError> {
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
    socket.bind(address).map_err(fault)?;
    socket.listen(BACKLOG).map_err(fault)
}
