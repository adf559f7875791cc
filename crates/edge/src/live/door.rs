//! The door between HTTP and the sockets.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{SendError, Sender};
use huntcore_lane::LaneOptions;
use huntcore_model::{HuntId, HuntNumber, PlayerId};
use huntcore_wire::LiveForm;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::asks::SUBMISSIONS_MAX;
use super::classes::Classes;
use super::farewell::Farewell;
use super::frames::push_close;
use super::layouts;
use super::making::Making;
use super::reactor::Reactor;
use super::wakeup::{Handle, Phase};
use crate::admission::{ConnectionPlace, SocketPlace};
use crate::auth::Player;
use crate::backend::Backend;
use crate::config::{EdgeConfig, Limits};
use crate::counts::Counts;
use crate::rate::Rates;
use crate::state::Lifetime;

/// Takes sockets over from HTTP.
///
/// Whoever stands behind it owes each socket: outcomes ahead of everything else; every change
/// of the hunt's feed, merged or as a snapshot if it reads slowly, never skipped; bounded
/// memory; a close code that says why it ends; and at shutdown the outcomes of what it has
/// sent before the close.
pub(crate) trait LiveDoor: Send + Sync {
    /// Takes over a socket whose handshake has been answered. Never waits.
    fn enter(&self, arrival: Arrival);
}

/// A socket just after its handshake.
pub(crate) struct Arrival {
    /// Its bytes, with nothing between: TCP, or one end of a tunnel.
    pub(crate) stream: std::net::TcpStream,
    /// What the peer sent along with its request.
    pub(crate) read_before: Bytes,
    /// What it speaks.
    pub(crate) form: LiveForm,
    pub(crate) hunt: HuntNumber,
    pub(crate) hunt_id: HuntId,
    /// Nobody, for those who only watch.
    pub(crate) player: Option<Player>,
    pub(crate) place: Place,
}

/// A socket's place; free again when dropped.
pub(crate) struct Place {
    _socket: SocketPlace,
    _connection: Option<ConnectionPlace>,
}

impl Place {
    /// `connection` is none where somebody else holds it: a tunnel.
    pub(crate) const fn new(socket: SocketPlace, connection: Option<ConnectionPlace>) -> Self {
        Self {
            _socket: socket,
            _connection: connection,
        }
    }
}

/// A reactor for each core, on a thread of its own.
pub(crate) struct ReactorDoor {
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
    pub(super) form: LiveForm,
    pub(super) hunt: HuntNumber,
    pub(super) hunt_id: HuntId,
    pub(super) player: Option<Player>,
    pub(super) place: Place,
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
    pub(super) classes: Arc<Classes>,
    pub(super) making: Making,
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
            classes: Classes::new(config.limits.interest_classes_max),
            making: Making::start()?,
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
        shared.making.done().wakes(started.0.clone());
        let layouts = layouts::tend(
            Arc::clone(backend),
            backend.views(),
            Arc::clone(&shared.classes),
            Arc::clone(shared.making.done()),
        );
        tokio::spawn(watch(
            Arc::clone(backend),
            lifetime.clone(),
            open.clone(),
            started,
            layouts,
        ));
        Ok(Self {
            lifetime: lifetime.clone(),
            reactors,
            _open: open.drop_guard(),
        })
    }
}

impl LiveDoor for ReactorDoor {
    fn enter(&self, arrival: Arrival) {
        let handed_over = HandedOver {
            stream: arrival.stream,
            // Copied, so that hyper's buffer of many kilobytes is freed.
            read_before: arrival.read_before.to_vec(),
            form: arrival.form,
            hunt: arrival.hunt,
            hunt_id: arrival.hunt_id,
            player: arrival.player,
            place: arrival.place,
            running: self.lifetime.tasks.token(),
        };
        let alive = self
            .reactors
            .iter()
            .filter(|entry| entry.handle.phase() != Phase::Ended);
        let fewest = alive.min_by_key(|entry| entry.handle.sockets.load(Ordering::Relaxed));
        let Some(entry) = fewest else {
            return turn_away(&handed_over.stream);
        };
        entry.handle.sockets.fetch_add(1, Ordering::Relaxed);
        match entry.arrivals.send(handed_over) {
            Ok(()) => entry.handle.wake(),
            Err(SendError(returned)) => turn_away(&returned.stream),
        }
    }
}

/// Says goodbye to a socket that there is nobody for.
fn turn_away(mut stream: &std::net::TcpStream) {
    let farewell = Farewell::busy();
    let mut goodbye = Vec::new();
    push_close(&mut goodbye, farewell.code, farewell.reason);
    // It has been sent nothing yet but its handshake: there is room. If not, it is gone.
    let _ = stream.write(&goodbye);
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
    layouts: impl Future<Output = ()>,
) {
    // They are drawn for as long as there is somebody to look at them.
    let mut layouts = std::pin::pin!(layouts);
    let mut layouts_last = true;
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
            () = &mut layouts, if layouts_last => layouts_last = false,
            changed = views.changed(), if views_last => {
                views_last = changed.is_ok();
                reactors.0.iter().for_each(|handle| handle.wake());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn whom_there_is_nobody_for_is_told_1013_and_when_to_come_again() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let mut peer = TcpStream::connect(address).expect("a backlog");
        let (stream, _) = listener.accept().expect("one waits");
        turn_away(&stream);
        drop(stream);
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).expect("it closes");
        assert_eq!(
            heard[..4],
            [0x88, u8::try_from(heard.len() - 2).expect("short"), 3, 0xf5]
        );
        let reason = std::str::from_utf8(&heard[4..]).expect("text");
        let (_, wait) = reason.split_once("retry_after_ms=").expect("a hint");
        assert!(
            wait.parse::<u32>().is_ok_and(|wait| wait >= 1_000),
            "{reason}"
        );
    }
}
