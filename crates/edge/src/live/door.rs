//! The door between HTTP and the sockets.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::Sender;
use huntcore_lane::LaneOptions;
use huntcore_model::{HuntId, HuntNumber, PlayerId};
use huntcore_wire::{Problem, ProblemKind};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::asks::SUBMISSIONS_MAX;
use super::reactor::Reactor;
use super::wakeup::{Handle, Phase};
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

/// A reactor for each core, on a thread of its own.
pub(crate) struct ReactorDoor {
    places: Arc<Semaphore>,
    counts: Counts,
    lifetime: Lifetime,
    reactors: Vec<Entry>,
    /// Ends the reactors when nobody can come in any more.
    _open: DropGuard,
}

/// The way to one reactor.
struct Entry {
    handle: Arc<Handle>,
    /// Holds as many as there are places at most.
    arrivals: Sender<HandedOver>,
}

/// A socket on its way to a reactor.
pub(super) struct HandedOver {
    pub(super) stream: std::net::TcpStream,
    pub(super) read_before: Vec<u8>,
    pub(super) hunt: HuntNumber,
    pub(super) hunt_id: HuntId,
    pub(super) player: Option<Player>,
    pub(super) place: Place,
    pub(super) connection: ConnectionHandle,
    /// The edge has not ended before this is dropped.
    pub(super) running: TaskTrackerToken,
}

/// What every socket needs.
pub(super) struct Shared {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) limits: Limits,
    pub(super) tick: Duration,
    pub(super) counts: Counts,
    pub(super) players: Arc<Rates<PlayerId>>,
}

impl ReactorDoor {
    /// Starts the reactors.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn new(
        backend: &Arc<dyn Backend>,
        config: &EdgeConfig,
        counts: &Counts,
        players: &Arc<Rates<PlayerId>>,
        lifetime: &Lifetime,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            backend: Arc::clone(backend),
            limits: config.limits.clone(),
            tick: config.tick,
            counts: counts.clone(),
            players: Arc::clone(players),
        });
        // From here on, whatever fails, those that have started end.
        let mut started = Started(Vec::new());
        let mut reactors = Vec::new();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for number in 0..cores {
            let (arrivals, arriving) = crossbeam_channel::unbounded();
            let lane = backend.lane(LaneOptions {
                submissions_max: SUBMISSIONS_MAX,
            });
            let reactor = Reactor::new(Arc::clone(&shared), lane, arriving)?;
            let handle = Arc::clone(reactor.handle());
            std::thread::Builder::new()
                .name(format!("live-{number}"))
                .spawn(move || reactor.run())?;
            started.0.push(Arc::clone(&handle));
            reactors.push(Entry { handle, arrivals });
        }
        let open = CancellationToken::new();
        tokio::spawn(watch(
            Arc::clone(backend),
            lifetime.clone(),
            open.clone(),
            started,
        ));
        Ok(Self {
            places: Arc::new(Semaphore::new(
                config.limits.sockets_max.min(Semaphore::MAX_PERMITS),
            )),
            counts: counts.clone(),
            lifetime: lifetime.clone(),
            reactors,
            _open: open.drop_guard(),
        })
    }
}

impl LiveDoor for ReactorDoor {
    fn admit(&self) -> Result<Place, Refusal> {
        let stopping = self.lifetime.stop.is_cancelled();
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
                _gauge: self.counts.socket(),
            }),
        }
    }

    fn enter(&self, arrival: Arrival) {
        let stream = match arrival.tcp.into_std() {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "socket was gone before it was handed over");
                return;
            }
        };
        let handed_over = HandedOver {
            stream,
            // Copied, so that hyper's buffer of many kilobytes is freed.
            read_before: arrival.read_before.to_vec(),
            hunt: arrival.hunt,
            hunt_id: arrival.hunt_id,
            player: arrival.player,
            place: arrival.place,
            connection: arrival.connection,
            running: self.lifetime.tasks.token(),
        };
        let alive = self
            .reactors
            .iter()
            .filter(|entry| entry.handle.phase() != Phase::Ended);
        // Without any the edge is being killed, and the socket with it.
        if let Some(entry) = alive.min_by_key(|entry| entry.handle.sockets.load(Ordering::Relaxed))
        {
            entry.handle.sockets.fetch_add(1, Ordering::Relaxed);
            if entry.arrivals.send(handed_over).is_ok() {
                entry.handle.wake();
            }
        }
    }
}

/// Reactors that run; told to end when this is dropped, be it with the runtime.
struct Started(Vec<Arc<Handle>>);

impl Started {
    fn enter_phase(&self, phase: Phase) {
        for handle in &self.0 {
            handle.enter_phase(phase);
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.enter_phase(Phase::Ended);
    }
}

/// Wakes the reactors for what tokio knows: new views, and the end.
async fn watch(
    backend: Arc<dyn Backend>,
    lifetime: Lifetime,
    closed: CancellationToken,
    reactors: Started,
) {
    let mut views = backend.views();
    drop(backend);
    let mut views_last = true;
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            () = lifetime.kill.cancelled() => return,
            () = closed.cancelled() => return,
            () = lifetime.stop.cancelled(), if !stopping => {
                stopping = true;
                reactors.enter_phase(Phase::Stopping);
            }
            changed = views.changed(), if views_last => {
                views_last = changed.is_ok();
                reactors.0.iter().for_each(|handle| handle.wake());
            }
        }
    }
}
