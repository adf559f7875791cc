//! One HTTP/1.1 connection, from its first byte to its last, or to its upgrade.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tower::Service as _;

use super::canned;
use super::reads::{ReadMode, WideReads};
use super::stream::EdgeStream;
use super::tls::Tls;
use super::transport::Transport;
use crate::admission::ConnectionPlace;
use crate::batch::Asker;
use crate::routes::quick;
use crate::state::App;

/// A last word may take this long to be taken.
const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(1);

/// hyper's buffer for what comes in grows up to this, but only where reads are wide; it is
/// also how much of an answer may wait for its reader before more of it is made.
const BUFFER_BYTES_MAX: usize = 256 << 10;

/// What a request knows of its connection. The place among the connections is free again once
/// the last handle is dropped, unless a live socket has taken it along.
#[derive(Clone)]
pub(crate) struct ConnectionHandle {
    pub(crate) peer: SocketAddr,
    pub(crate) is_tls: bool,
    shared: Arc<Shared>,
}

struct Shared {
    reads: Arc<ReadMode>,
    kept: Mutex<Kept>,
}

/// What a connection holds for its next request.
struct Kept {
    place: Option<ConnectionPlace>,
    /// In a box of its own, since most connections never ask.
    asker: Option<Box<Asker>>,
}

impl ConnectionHandle {
    pub(super) fn new(peer: SocketAddr, is_tls: bool, place: ConnectionPlace) -> Self {
        let kept = Kept {
            place: Some(place),
            asker: None,
        };
        Self {
            peer,
            is_tls,
            shared: Arc::new(Shared {
                reads: Arc::default(),
                kept: Mutex::new(kept),
            }),
        }
    }

    /// Reads in big pieces from here on, as long as what it gives lives.
    pub(crate) fn read_wide(&self) -> WideReads {
        self.shared.reads.widen()
    }

    /// What was kept of the connection's last attempt.
    pub(crate) fn take_asker(&self) -> Option<Box<Asker>> {
        self.kept().asker.take()
    }

    /// Keeps an idle asker for the next attempt.
    pub(crate) fn keep_asker(&self, asker: Box<Asker>) {
        self.kept().asker = Some(asker);
    }

    /// The connection's place, for what it has become.
    pub(crate) fn take_place(&self) -> Option<ConnectionPlace> {
        self.kept().place.take()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // HTTP/1.1 has one request at a time, so nobody waits here.
        let kept = self.shared.kept.lock();
        kept.unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Connection {
    pub(super) app: Arc<App>,
    pub(super) router: Router,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) handle: ConnectionHandle,
}

impl Connection {
    /// Serves `tcp`, which does not block.
    pub(super) async fn run(self, tcp: std::net::TcpStream) {
        // Without it an answer may wait 40 ms for the peer's acknowledgement.
        let tcp = tcp
            .set_nodelay(true)
            .and_then(|()| TcpStream::from_std(tcp));
        let tcp = match tcp {
            Ok(tcp) => tcp,
            Err(error) => {
                tracing::debug!(%error, "connection was gone before it was served");
                return;
            }
        };
        let limits = self.app.limits();
        let lifetime = &self.app.lifetime;
        let transport = match &self.tls {
            None => Transport::Plain(tcp),
            Some(tls) => {
                let timeout = limits.tls_handshake_timeout;
                let shaken = tls.accept(tcp, timeout, &lifetime.stop).await;
                let Some(stream) = shaken else {
                    return;
                };
                Transport::Tls(stream)
            }
        };
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_read_timeout)
            .max_headers(limits.header_count_max)
            .max_header_size(limits.header_bytes_max)
            .max_buf_size(limits.header_bytes_max.max(BUFFER_BYTES_MAX));
        let reads = Arc::clone(&self.handle.shared.reads);
        let stream = EdgeStream::new(transport, reads, limits.response_write_timeout);
        let served = Arc::new(AtomicBool::new(false));
        let service = {
            let (handle, router, served) = (self.handle, self.router, Arc::clone(&served));
            let app = Arc::clone(&self.app);
            service_fn(move |request: Request<Incoming>| {
                served.store(true, Ordering::Relaxed);
                let (app, handle, mut router) = (app.clone(), handle.clone(), router.clone());
                async move {
                    match quick::answer(&app, &handle, request).await {
                        Ok(response) => Ok(response),
                        Err(mut request) => {
                            request.extensions_mut().insert(handle);
                            router.call(request.map(Body::new)).await
                        }
                    }
                }
            })
        };
        let mut connection = builder
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut stopping = false;
        let ended = loop {
            tokio::select! {
                ended = &mut connection => break ended,
                () = lifetime.kill.cancelled() => return,
                () = lifetime.stop.cancelled(), if !stopping => {}
            }
            stopping = true;
            // hyper would wait for a first request, which nobody has accepted yet.
            if !served.load(Ordering::Relaxed) {
                return;
            }
            std::pin::Pin::new(&mut connection).graceful_shutdown();
        };
        let Err(error) = ended else {
            return;
        };
        tracing::debug!(%error, "connection ended badly");
        if !error.is_timeout() {
            return;
        }
        // Silence on an idle connection is no fault; half a request is.
        if let Some(parts) = connection
            .into_parts()
            .filter(|parts| !parts.read_buf.is_empty())
        {
            let mut transport = parts.io.into_inner().into_transport();
            let said = async {
                transport.write_all(&canned::head_timeout()).await?;
                transport.shutdown().await
            };
            // The peer is being given up; whether it hears why is its own affair.
            let _ = tokio::time::timeout(LAST_WORD_TIMEOUT, said).await;
        }
    }
}
