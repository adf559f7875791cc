//! The door between HTTP and the sockets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use huntcore_model::{HuntId, HuntNumber, PlayerId};
use huntcore_wire::{Problem, ProblemKind};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::socket::Socket;
use crate::auth::Player;
use crate::backend::Backend;
use crate::config::{EdgeConfig, Limits};
use crate::counts::{Counts, Gauge};
use crate::problem::Refusal;
use crate::rate::Rates;
use crate::server::ConnectionHandle;
use crate::state::Lifetime;

/// Takes sockets over from HTTP.
///
/// Whoever stands behind it owes each socket: outcomes ahead of everything else; every change
/// of the hunt's feed, merged or as a snapshot if it reads slowly, never skipped; bounded
/// memory; a close code that says why it ends; and at shutdown the outcomes of what it has
/// sent before the close.
pub(crate) trait LiveDoor: Send + Sync {
    /// Keeps a place for one more socket, before its handshake is answered.
    fn admit(&self) -> Result<Place, Refusal>;

    /// Takes over a socket whose handshake has been answered. Never waits.
    fn enter(&self, arrival: Arrival);
}

/// A socket just after its handshake.
pub(crate) struct Arrival {
    pub(crate) tcp: TcpStream,
    /// What the peer sent along with its request.
    pub(crate) read_before: Bytes,
    pub(crate) hunt: HuntNumber,
    pub(crate) hunt_id: HuntId,
    /// Nobody, for those who only watch.
    pub(crate) player: Option<Player>,
    pub(crate) place: Place,
    /// Holds the place among the connections.
    pub(crate) connection: ConnectionHandle,
}

/// One place among the sockets; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _gauge: Gauge,
}

/// A task for each socket.
pub(crate) struct TaskDoor {
    places: Arc<Semaphore>,
    shared: Arc<Shared>,
}

/// What every socket needs.
pub(super) struct Shared {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) limits: Limits,
    pub(super) tick: Duration,
    pub(super) counts: Counts,
    pub(super) players: Arc<Rates<PlayerId>>,
    pub(super) lifetime: Lifetime,
}

impl TaskDoor {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        config: &EdgeConfig,
        counts: Counts,
        players: Arc<Rates<PlayerId>>,
        lifetime: Lifetime,
    ) -> Self {
        Self {
            places: Arc::new(Semaphore::new(
                config.limits.sockets_max.min(Semaphore::MAX_PERMITS),
            )),
            shared: Arc::new(Shared {
                backend,
                limits: config.limits.clone(),
                tick: config.tick,
                counts,
                players,
                lifetime,
            }),
        }
    }
}

impl LiveDoor for TaskDoor {
    fn admit(&self) -> Result<Place, Refusal> {
        let stopping = self.shared.lifetime.stop.is_cancelled();
        let permit = Arc::clone(&self.places).try_acquire_owned().ok();
        let refuse = |kind, detail: &str| Problem::new(kind, detail).retry_after_ms(1_000).into();
        match permit {
            _ if stopping => Err(refuse(ProblemKind::Unavailable, "the server is stopping")),
            None => {
                let detail = "every live socket that this server has is taken";
                Err(refuse(ProblemKind::TooManyConnections, detail))
            }
            Some(permit) => Ok(Place {
                _permit: permit,
                _gauge: self.shared.counts.socket(),
            }),
        }
    }

    fn enter(&self, arrival: Arrival) {
        let socket = Socket::new(Arc::clone(&self.shared), arrival);
        self.shared.lifetime.tasks.spawn(socket.run());
    }
}
