//! The least that a WebSocket server can do: reads frames, sends their payload back.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::frames::{Frame, put_echo};
use crate::report::BenchError;

const EVENTS_MAX: usize = 1_024;
const READ_BYTES: usize = 64 << 10;
const LISTENER: Token = Token(usize::MAX);
const TURN: Duration = Duration::from_millis(100);

/// An echo on a free port of loopback.
pub(super) struct Echo {
    poll: Poll,
    listener: TcpListener,
    streams: Vec<Option<(TcpStream, Vec<u8>)>>,
    scratch: Vec<u8>,
    reply: Vec<u8>,
}

impl Echo {
    pub(super) fn bind() -> Result<Self, BenchError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut listener = TcpListener::bind(address).map_err(BenchError::io("listen"))?;
        let poll = Poll::new().map_err(BenchError::io("make an epoll"))?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)
            .map_err(BenchError::io("listen"))?;
        Ok(Self {
            poll,
            listener,
            streams: Vec::new(),
            scratch: vec![0; READ_BYTES],
            reply: Vec::new(),
        })
    }

    pub(super) fn address(&self) -> Result<SocketAddr, BenchError> {
        self.listener.local_addr().map_err(BenchError::io("listen"))
    }

    /// Echoes until told to stop.
    pub(super) fn run(mut self, stop: &Arc<AtomicBool>) -> Result<(), BenchError> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !stop.load(Ordering::Relaxed) {
            match self.poll.poll(&mut events, Some(TURN)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other.map_err(BenchError::io("wait for sockets"))?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(index) => self.serve(index)?,
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<(), BenchError> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(BenchError::io("accept")(error)),
            };
            stream.set_nodelay(true).map_err(BenchError::io("accept"))?;
            let token = Token(self.streams.len());
            self.poll
                .registry()
                .register(&mut stream, token, Interest::READABLE)
                .map_err(BenchError::io("accept"))?;
            self.streams.push(Some((stream, Vec::new())));
        }
    }

    fn serve(&mut self, index: usize) -> Result<(), BenchError> {
        let Some((stream, partial)) = &mut self.streams[index] else {
            return Ok(());
        };
        loop {
            let count = match stream.read(&mut self.scratch) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // Whoever was there has gone, as with 0.
                Err(_) => 0,
            };
            if count == 0 {
                self.streams[index] = None;
                return Ok(());
            }
            let carried = !partial.is_empty();
            if carried {
                partial.extend(&self.scratch[..count]);
            }
            let bytes = match carried {
                true => partial.as_slice(),
                false => &self.scratch[..count],
            };
            self.reply.clear();
            let mut used = 0;
            while let Some(frame) = Frame::first(&bytes[used..]) {
                put_echo(&mut self.reply, &bytes[used..], &frame);
                used += frame.end;
            }
            if carried {
                partial.drain(..used);
            } else if used < count {
                partial.extend(&self.scratch[used..count]);
            }
            // One small message is out for each socket: its buffer takes the answer whole.
            stream
                .write_all(&self.reply)
                .map_err(BenchError::io("echo"))?;
            if count < self.scratch.len() {
                return Ok(());
            }
        }
    }
}
