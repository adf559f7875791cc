//! A live socket over TLS: a pair of local sockets, of which a reactor has one end, and a task
//! that carries bytes between the other end and TLS.
//!
//! The reactor treats its end like any connection: what the peer does not take fills the pair
//! and is held back there, and whatever ends on one side ends on the other. That costs two
//! files, a task and a copy more than a socket without TLS.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::admission::ConnectionPlace;
use crate::config::Limits;

/// Bytes carried at once; room for them is there only while they are carried.
const PIECE_BYTES: usize = 4 << 10;

/// See the module.
pub(crate) struct Tunnel {
    near: UnixStream,
    far: UnixStream,
    outgoing_bytes_max: usize,
    /// For the peer to take one piece.
    write_timeout: Duration,
    /// For the peer to hang up once it has been told goodbye.
    close_timeout: Duration,
}

impl Tunnel {
    /// Makes the pair.
    pub(crate) fn new(limits: &Limits) -> io::Result<Self> {
        let (near, far) = UnixStream::pair()?;
        for end in [&near, &far] {
            end.set_nonblocking(true)?;
        }
        Ok(Self {
            near,
            far,
            outgoing_bytes_max: limits.outgoing_bytes_max,
            // The reactor gives up first, with a word; what it has given by then is less than
            // the pair holds, and may take a peer so long that it is not worth its place.
            write_timeout: limits.slow_client_timeout + limits.close_timeout,
            close_timeout: limits.close_timeout,
        })
    }

    /// The reactor's end, and what carries bytes between it and `tls`. The connection's place is
    /// held until the peer is gone, however early the reactor lets go.
    pub(crate) fn open(
        self,
        tls: Box<TlsStream<TcpStream>>,
        place: Option<ConnectionPlace>,
        kill: CancellationToken,
    ) -> io::Result<(std::net::TcpStream, impl Future<Output = ()> + Send)> {
        // As the reactor does with connections of its own: a slow reader is known early.
        let (tcp, _) = tls.get_ref();
        if let Err(error) = SockRef::from(tcp).set_send_buffer_size(self.outgoing_bytes_max) {
            tracing::debug!(%error, "the socket keeps the system's buffer size");
        }
        let far = tokio::net::UnixStream::from_std(self.far)?;
        let (write_timeout, close_timeout) = (self.write_timeout, self.close_timeout);
        let carrying = async move {
            let _place = place;
            tokio::select! {
                () = kill.cancelled() => {}
                () = carry(tls, far, write_timeout, close_timeout) => {}
            }
        };
        // To the reactor a file is a stream of bytes; that this one is not TCP shows in nothing
        // that it does.
        Ok((
            std::net::TcpStream::from(OwnedFd::from(self.near)),
            carrying,
        ))
    }
}

async fn carry(
    tls: Box<TlsStream<TcpStream>>,
    mut far: tokio::net::UnixStream,
    write_timeout: Duration,
    close_timeout: Duration,
) {
    let (from_peer, to_peer) = tokio::io::split(tls);
    let (from_reactor, to_reactor) = far.split();
    let mut inward = std::pin::pin!(pump(from_peer, to_reactor, Duration::MAX));
    let mut outward = std::pin::pin!(pump(from_reactor, to_peer, write_timeout));
    tokio::select! {
        ended = &mut inward => {
            // The reactor has the peer's end, and ends in turn; unless the peer is just gone.
            if ended.is_ok() {
                let _ = tokio::time::timeout(write_timeout, outward).await;
            }
        }
        ended = &mut outward => {
            // The peer has heard goodbye, and hangs up.
            if ended.is_ok() {
                let _ = tokio::time::timeout(close_timeout, inward).await;
            }
        }
    }
}

/// Carries bytes until their end, and passes that on.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    write_timeout: Duration,
) -> io::Result<()> {
    loop {
        let piece = read(&mut from).await;
        let writing = async {
            match &piece {
                Some(piece) => {
                    to.write_all(piece).await?;
                    to.flush().await
                }
                None => to.shutdown().await,
            }
        };
        match tokio::time::timeout(write_timeout, writing).await {
            Ok(written) => written?,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
        if piece.is_none() {
            return Ok(());
        }
    }
}

/// The next bytes; none at the end, however it came.
async fn read(from: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    poll_fn(|context| {
        let mut room = [0; PIECE_BYTES];
        let mut room = ReadBuf::new(&mut room);
        Pin::new(&mut *from)
            .poll_read(context, &mut room)
            .map(|read| {
                let piece = room.filled();
                (read.is_ok() && !piece.is_empty()).then(|| piece.to_vec())
            })
    })
    .await
}
