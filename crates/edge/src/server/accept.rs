//! The accept loop, on a thread of its own: judges each connection before anything is allocated
//! for it, and survives a full file table.
//!
//! It waits for nothing but the kernel, so a crowd that connects at once is let in or refused at
//! the same pace however busy those are who serve it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use mio::{Events, Interest, Poll, Token, Waker};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::connection::{Connection, ConnectionHandle};
use super::refusals::Refusals;
use super::tls::Tls;
use crate::admission::ConnectionPlace;
use crate::state::App;

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
/// Connections taken from the kernel before it is asked whether to stop.
const ACCEPTS_MAX: usize = 64;
/// Without files or memory for another connection, accepting rests for this long.
const PAUSE: Duration = Duration::from_millis(100);

/// What every connection needs.
pub(super) struct Acceptor {
    pub(super) app: Arc<App>,
    pub(super) router: Router,
    pub(super) tls: Option<Arc<Tls>>,
}

/// A listener that is ready to be accepted from.
pub(super) struct Listening {
    poll: Poll,
    listener: mio::net::TcpListener,
}

/// The accept loop's thread. It ends when this is dropped.
pub(super) struct Accepting {
    stop: Arc<AtomicBool>,
    waker: Waker,
    /// None once it has come.
    ended: Option<oneshot::Receiver<()>>,
}

/// What came of taking connections from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// As many as are taken in one go.
    Some,
    /// All that there were.
    All,
    /// None: the process may open no more files, or there is no memory.
    NoRoom,
}

impl Listening {
    pub(super) fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let mut listener = mio::net::TcpListener::from_std(listener);
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self { poll, listener })
    }
}

impl Accepting {
    /// Starts accepting.
    ///
    /// # Panics
    /// Outside a tokio runtime, on which connections are served.
    pub(super) fn start(listening: Listening, acceptor: Acceptor) -> io::Result<Self> {
        let waker = Waker::new(listening.poll.registry(), WAKER)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (ending, ended) = oneshot::channel();
        let stopped = Arc::clone(&stop);
        let runtime = Handle::current();
        std::thread::Builder::new()
            .name("accept".to_owned())
            .spawn(move || {
                let Listening { poll, listener } = listening;
                let mut accepting = Loop {
                    refusals: Refusals::new(acceptor.tls.is_none()),
                    acceptor,
                    listener,
                    runtime,
                    paused_at: None,
                };
                accepting.run(poll, &stopped);
                drop(accepting);
                // Whoever waited for it may have gone.
                let _ = ending.send(());
            })?;
        Ok(Self {
            stop,
            waker,
            ended: Some(ended),
        })
    }

    /// Resolves once nobody listens any more.
    pub(super) async fn ended(&mut self) {
        if let Some(ended) = &mut self.ended {
            // It says so, or is gone by a bug.
            let _ = ended.await;
            self.ended = None;
        }
    }

    /// Stops accepting and closes the listener.
    pub(super) async fn stop(mut self) {
        self.tell_to_stop();
        self.ended().await;
    }

    fn tell_to_stop(&self) {
        self.stop.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "cannot stop accepting connections");
        }
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.tell_to_stop();
    }
}

/// The thread's own.
struct Loop {
    acceptor: Acceptor,
    listener: mio::net::TcpListener,
    runtime: Handle,
    refusals: Refusals,
    /// Since when there has been no room.
    paused_at: Option<Instant>,
}

impl Loop {
    fn run(&mut self, mut poll: Poll, stop: &AtomicBool) {
        let mut events = Events::with_capacity(2);
        let mut taken = Taken::All;
        loop {
            let wait = match taken {
                Taken::Some => Some(Duration::ZERO),
                Taken::All => self.refusals.wait(Instant::now()),
                Taken::NoRoom => Some(PAUSE),
            };
            let polled = poll.poll(&mut events, wait);
            if stop.load(Ordering::Acquire) {
                return;
            }
            if let Err(error) = polled
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "connections are not accepted any more");
                return;
            }
            self.refusals.let_go(Instant::now());
            // An event comes once; what it came for is there until all of it is taken.
            let has_come = events.iter().any(|event| event.token() == LISTENER);
            if has_come || taken != Taken::All {
                taken = self.take();
            }
        }
    }

    fn take(&mut self) -> Taken {
        for _ in 0..ACCEPTS_MAX {
            let fault = match self.listener.accept() {
                Ok((tcp, peer)) => {
                    self.judge(tcp.into(), peer);
                    continue;
                }
                Err(fault) => fault,
            };
            match fault.kind() {
                io::ErrorKind::WouldBlock => return Taken::All,
                _ if is_of_one_connection(&fault) => {}
                _ => {
                    self.acceptor.app.counts.accept_paused();
                    self.log_paused(&fault);
                    // Whoever was refused has files that others need more.
                    return match self.refusals.let_all_go() {
                        true => Taken::Some,
                        false => Taken::NoRoom,
                    };
                }
            }
        }
        Taken::Some
    }

    fn judge(&mut self, tcp: std::net::TcpStream, peer: SocketAddr) {
        if let Some(since) = self.paused_at.take() {
            let paused_ms = since.elapsed().as_millis();
            tracing::info!(paused_ms, "accepting connections again");
        }
        match self.acceptor.app.admission.connection(peer.ip()) {
            Ok(place) => self.open(tcp, peer, place),
            Err(limit) => self.refusals.refuse(tcp, limit),
        }
    }

    fn open(&self, tcp: std::net::TcpStream, peer: SocketAddr, place: ConnectionPlace) {
        let Acceptor { app, router, tls } = &self.acceptor;
        let connection = Connection {
            app: Arc::clone(app),
            router: router.clone(),
            tls: tls.clone(),
            handle: ConnectionHandle::new(peer, tls.is_some(), place),
        };
        let task = app.lifetime.tasks.track_future(connection.run(tcp));
        self.runtime.spawn(task);
    }

    /// Says once what may go on for long.
    fn log_paused(&mut self, fault: &io::Error) {
        if self.paused_at.is_none() {
            tracing::error!(error = %fault, "cannot accept connections; pausing until there is room");
            self.paused_at = Some(Instant::now());
        }
    }
}

/// Whether only the connection just tried is lost, and the next may be fine.
fn is_of_one_connection(fault: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        fault.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
