//! One listener: as little as a connection can be.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Addresses of a process's own loopback network that connections come from: each has some
/// 28,000 ports, and one that was hung up keeps its port for a minute.
const HOSTS: u32 = 8;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not open.
    Shut,
    /// The kernel is connecting.
    Connecting,
    /// The handshake is out.
    Knocking,
    /// Subscribed, and not told so yet.
    Waiting,
    /// Changes follow.
    Following,
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts about one connection"
)]
pub(super) struct Connection {
    pub(super) stream: Option<TcpStream>,
    pub(super) stage: Stage,
    /// The last tick that it was told.
    pub(super) seen: u64,
    /// Claims that it was told one by one.
    pub(super) claims: u32,
    /// Reads nothing.
    pub(super) is_stalled: bool,
    /// There is something that it has not read.
    pub(super) is_waiting: bool,
    /// Was told everything at once, or again: its claims do not add up.
    pub(super) is_patched: bool,
    /// Goes on from what it has seen.
    pub(super) resumes: bool,
    /// The beginning of what has not come to its end.
    #[expect(
        clippy::box_collection,
        reason = "nearly always absent, and then a pointer"
    )]
    pub(super) partial: Option<Box<Vec<u8>>>,
}

impl Connection {
    pub(super) const fn new() -> Self {
        Self {
            stream: None,
            stage: Stage::Shut,
            seen: 0,
            claims: 0,
            is_stalled: false,
            is_waiting: false,
            is_patched: false,
            resumes: false,
            partial: None,
        }
    }

    /// Begins to connect.
    pub(super) fn open(
        &mut self,
        index: u32,
        address: SocketAddr,
        source: u8,
        receive_bytes: Option<usize>,
    ) -> io::Result<&mut TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        let host = u8::try_from(index % HOSTS).expect("below a u8") + 1;
        let from = IpAddr::V4(Ipv4Addr::new(127, 0, source, host));
        // Ports of connections that were hung up may be used again.
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
        if let Some(bytes) = receive_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.set_nonblocking(true)?;
        match socket.connect(&address.into()) {
            Ok(()) => {}
            Err(error)
                if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        socket.set_tcp_nodelay(true)?;
        self.stage = Stage::Connecting;
        self.partial = None;
        self.is_waiting = false;
        Ok(self.stream.insert(TcpStream::from_std(socket.into())))
    }

    /// Whether the kernel has connected it; an error if it could not.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        let Some(stream) = &self.stream else {
            return Ok(false);
        };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends a few bytes; an empty socket takes them all.
    pub(super) fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Some(stream) if !bytes.is_empty() => stream.write_all(bytes),
            _ => Ok(()),
        }
    }

    pub(super) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let Some(stream) = &mut self.stream else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        loop {
            match stream.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Hangs up without a word; with a reset if `abruptly`.
    pub(super) fn hang_up(&mut self, abruptly: bool) {
        if let Some(stream) = self.stream.take() {
            if abruptly {
                // It goes away either way.
                let _ = SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO));
            }
            drop(stream);
        }
        self.stage = Stage::Shut;
        self.partial = None;
        self.is_waiting = false;
    }
}
