//! One thread, one epoll, many connections with one request out each.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::connect::{Peer, connect};
use super::speech::{Heard, Speech};
use crate::load::{Crowd, Latency, Pacer};
use crate::report::BenchError;

const EVENTS_MAX: usize = 1_024;
const READ_BYTES: usize = 64 << 10;
/// For the answers still missing at the end.
const DRAIN_MAX: Duration = Duration::from_secs(20);
/// An open loop looks at the clock this often.
const TURN: Duration = Duration::from_millis(1);

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// Each connection its next, once it has its answer.
    Closed,
    /// So many a second over all connections, whatever comes back.
    Open(u64),
}

/// What came of a load.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) decided: u64,
    pub(crate) refused: u64,
    pub(crate) elapsed: Duration,
    /// Of those decided; of an open loop from when they were due.
    pub(crate) latency: Latency,
}

/// Open connections to one server.
pub(crate) struct Reactor {
    poll: Poll,
    connections: Vec<Connection>,
    speech: Speech,
    scratch: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// Not yet taken by the kernel.
    unsent: Vec<u8>,
    /// The beginning of an answer whose end has not come yet.
    partial: Vec<u8>,
    /// When the request that is out was due or sent.
    asked: Option<Instant>,
    /// Requests that are due and must wait for the one that is out.
    queue: VecDeque<Instant>,
}

/// A load under way.
struct Tally {
    out: usize,
    decided: u64,
    refused: u64,
    latency: Latency,
}

impl Reactor {
    /// Opens so many connections, one after the other.
    pub(crate) fn connect(
        address: SocketAddr,
        count: u32,
        peer: Peer<'_>,
        speech: Speech,
    ) -> Result<Self, BenchError> {
        let poll = Poll::new().map_err(BenchError::io("make an epoll"))?;
        let crowd = Crowd::new();
        let mut connections = Vec::new();
        for index in 0..count {
            let stream = connect(address, index, peer, crowd.id(index % crate::load::CROWD))?;
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry()
                .register(&mut stream, Token(index as usize), interest)
                .map_err(BenchError::io("register a socket"))?;
            connections.push(Connection {
                stream,
                unsent: Vec::new(),
                partial: Vec::new(),
                asked: None,
                queue: VecDeque::new(),
            });
        }
        Ok(Self {
            poll,
            connections,
            speech,
            scratch: vec![0; READ_BYTES],
        })
    }

    /// Sends requests for so long, and waits for every answer.
    pub(crate) fn run(&mut self, load: Load, duration: Duration) -> Result<Loaded, BenchError> {
        let mut tally = Tally {
            out: 0,
            decided: 0,
            refused: 0,
            latency: Latency::new(),
        };
        let started = Instant::now();
        let deadline = started + duration;
        let pacer = match load {
            Load::Closed => {
                for index in 0..self.connections.len() {
                    self.ask(index, Instant::now(), &mut tally)?;
                }
                None
            }
            Load::Open(per_second) => Some(Pacer::new(started, per_second)),
        };
        let all = pacer.map_or(0, |pacer| pacer.due(deadline));
        let mut sent = 0;
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            let now = Instant::now();
            if let Some(pacer) = &pacer {
                while sent < pacer.due(now).min(all) {
                    let count = self.connections.len() as u64;
                    let index = usize::try_from(sent % count).expect("an index");
                    self.ask(index, pacer.due_at(sent), &mut tally)?;
                    sent += 1;
                }
            }
            let ended = now >= deadline && sent == all;
            if ended && tally.out == 0 {
                break;
            }
            if now > deadline + DRAIN_MAX {
                return Err(BenchError::Huntcore(format!(
                    "{} requests are unanswered after {DRAIN_MAX:?}",
                    tally.out
                )));
            }
            match self.poll.poll(&mut events, Some(TURN)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other.map_err(BenchError::io("wait for sockets"))?,
            }
            for event in &events {
                let index = event.token().0;
                if event.is_writable() {
                    self.connections[index].flush()?;
                }
                if event.is_readable() {
                    let repeat = pacer.is_none() && Instant::now() < deadline;
                    self.read(index, repeat, &mut tally)?;
                }
            }
        }
        Ok(Loaded {
            decided: tally.decided,
            refused: tally.refused,
            elapsed: started.elapsed(),
            latency: tally.latency,
        })
    }

    /// Sends a connection's next request, or lets it wait for the one that is out.
    fn ask(&mut self, index: usize, since: Instant, tally: &mut Tally) -> Result<(), BenchError> {
        let connection = &mut self.connections[index];
        tally.out += 1;
        if connection.asked.is_some() {
            connection.queue.push_back(since);
            return Ok(());
        }
        connection.asked = Some(since);
        self.speech.say(index, &mut connection.unsent);
        connection.flush()
    }

    /// Reads all that has come; with `repeat` every answer is followed by a request.
    fn read(&mut self, index: usize, repeat: bool, tally: &mut Tally) -> Result<(), BenchError> {
        loop {
            let connection = &mut self.connections[index];
            let count = match connection.stream.read(&mut self.scratch) {
                Ok(0) => return Err(BenchError::Huntcore("a connection was closed".to_owned())),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(BenchError::io("read from a connection")(error)),
            };
            let answers = self.take(index, count, tally)?;
            for _ in 0..answers {
                let next = self.connections[index].queue.pop_front();
                match next {
                    Some(since) => {
                        tally.out -= 1;
                        self.ask(index, since, tally)?;
                    }
                    None if repeat => self.ask(index, Instant::now(), tally)?,
                    None => {}
                }
            }
            if count < self.scratch.len() {
                return Ok(());
            }
        }
    }

    /// Counts the answers in what was read; how many there are.
    fn take(&mut self, index: usize, count: usize, tally: &mut Tally) -> Result<usize, BenchError> {
        let connection = &mut self.connections[index];
        let carried = !connection.partial.is_empty();
        if carried {
            connection.partial.extend(&self.scratch[..count]);
        }
        let bytes = match carried {
            true => connection.partial.as_slice(),
            false => &self.scratch[..count],
        };
        let (mut used, mut answers) = (0, 0);
        while let Some((end, heard)) = self.speech.hear(&bytes[used..])? {
            used += end;
            match heard {
                Heard::Aside => continue,
                Heard::Refused => tally.refused += 1,
                Heard::Decided => tally.decided += 1,
            }
            let since = connection.asked.take();
            let since = since.ok_or_else(|| {
                BenchError::Huntcore("an answer came that nobody waits for".to_owned())
            })?;
            tally.out -= 1;
            answers += 1;
            if heard == Heard::Decided {
                tally.latency.record(since.elapsed(), 1);
            }
        }
        if carried {
            connection.partial.drain(..used);
        } else if used < count {
            connection.partial.extend(&self.scratch[used..count]);
        }
        Ok(answers)
    }
}

impl Connection {
    fn flush(&mut self) -> Result<(), BenchError> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) if count == self.unsent.len() => self.unsent.clear(),
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(BenchError::io("write to a connection")(error)),
            }
        }
        Ok(())
    }
}
