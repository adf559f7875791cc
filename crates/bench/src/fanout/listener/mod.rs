//! A process of listeners: one thread, one epoll, up to as many connections as a process may
//! open files.

mod connection;
mod ear;
mod history;
mod orders;

use std::io::ErrorKind;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};

use self::connection::{Connection, Stage};
use self::ear::{Ear, Heard};
use self::orders::Waiting;
use super::protocol::{ListenTask, Order};
use super::teller::now_nanos;
use crate::report::BenchError;

pub(crate) use self::orders::listen;

const EVENTS_MAX: usize = 4_096;
const READ_BYTES: usize = 256 << 10;
const WAKE: Token = Token(usize::MAX);
/// Handshakes under way at one time.
const KNOCKING_MAX: usize = 128;
/// A handshake's answer has at most so many bytes.
const ANSWER_BYTES_MAX: usize = 4_096;
/// Between looks at what is waited for.
const TURN: Duration = Duration::from_millis(5);
const IDLE: Duration = Duration::from_millis(200);
/// Before a connection that was lost on its way in is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// See the module.
struct Listeners {
    task: ListenTask,
    host: String,
    poll: Poll,
    orders: Receiver<Order>,
    connections: Vec<Connection>,
    ear: Ear,
    scratch: Vec<u8>,
    /// To be opened, last first.
    closed: Vec<u32>,
    /// To be opened again once their time has come.
    later: Vec<(Instant, u32)>,
    knocking: usize,
    fault: Option<String>,
    churn: Churn,
    waiting: Option<Waiting>,
}

/// Connections that come and go without being told to one by one.
#[derive(Clone, Copy, Debug)]
struct Churn {
    per_second: u32,
    since: Instant,
    done: u64,
    next: u32,
}

impl Listeners {
    fn turn(&mut self, events: &mut Events) -> Result<(), BenchError> {
        self.knock();
        let has_work = self.waiting.is_some() || self.churn.per_second > 0;
        let timeout = if has_work { TURN } else { IDLE };
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other.map_err(BenchError::io("wait for sockets"))?,
        }
        for event in &*events {
            if event.token() != WAKE {
                self.on_event(event);
            }
        }
        self.churn();
        Ok(())
    }

    /// Opens connections that are to be open, a bounded number of them at one time.
    fn knock(&mut self) {
        let now = Instant::now();
        let mut index = 0;
        while index < self.later.len() {
            if self.later[index].0 <= now {
                self.closed.push(self.later.swap_remove(index).1);
            } else {
                index += 1;
            }
        }
        while self.knocking < KNOCKING_MAX
            && let Some(index) = self.closed.pop()
        {
            if let Err(error) = self.open(index) {
                self.fault = Some(error.to_string());
                // Without a file or a port there is no use in trying at once.
                self.later.push((now + TRY_AGAIN_AFTER, index));
                return;
            }
            self.knocking += 1;
        }
    }

    fn open(&mut self, index: u32) -> std::io::Result<()> {
        let addresses = &self.task.addresses;
        let address = addresses[index as usize % addresses.len()];
        let connection = &mut self.connections[index as usize];
        let stream = connection.open(index, address, self.task.source, self.task.receive_bytes)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        let registered = self
            .poll
            .registry()
            .register(stream, Token(index as usize), both);
        if registered.is_err() {
            connection.hang_up(false);
        }
        registered
    }

    fn on_event(&mut self, event: &Event) {
        let Ok(index) = u32::try_from(event.token().0) else {
            return;
        };
        if self.connections[index as usize].stage == Stage::Connecting {
            self.connected(index);
        }
        if event.is_readable() || event.is_read_closed() {
            self.read(index, event.is_read_closed());
        }
    }

    fn connected(&mut self, index: u32) {
        let connection = &mut self.connections[index as usize];
        let opened = match connection.is_connected() {
            Ok(false) => return,
            Ok(true) => connection.say(self.ear.dialect.opening(&self.host).as_bytes()),
            Err(error) => Err(error),
        };
        match opened {
            Err(error) => self.come_back(index, TRY_AGAIN_AFTER, error.to_string()),
            // Nothing is said at first.
            Ok(()) if self.task.dialect == super::Dialect::Plain => self.begin_following(index),
            Ok(()) => connection.stage = Stage::Knocking,
        }
    }

    fn begin_following(&mut self, index: u32) {
        self.connections[index as usize].stage = Stage::Following;
        self.knocking -= 1;
    }

    /// A connection that is not open yet is tried again.
    fn come_back(&mut self, index: u32, after: Duration, reason: String) {
        self.connections[index as usize].hang_up(false);
        self.knocking -= 1;
        self.fault = Some(reason);
        self.later.push((Instant::now() + after, index));
    }

    fn read(&mut self, index: u32, is_ending: bool) {
        loop {
            let connection = &mut self.connections[index as usize];
            if connection.is_stalled {
                connection.is_waiting = true;
                return;
            }
            let count = match connection.read(&mut self.scratch) {
                Ok(0) => return self.end(index, "lost"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return self.end(index, &error.kind().to_string()),
            };
            if !self.take(index, count) {
                return;
            }
            // Less than asked for is all there was, unless the end comes after it.
            if count < self.scratch.len() && !is_ending {
                return;
            }
        }
    }

    /// A connection has ended, unasked.
    fn end(&mut self, index: u32, reason: &str) {
        let connection = &mut self.connections[index as usize];
        match connection.stage {
            Stage::Shut => {}
            Stage::Following => {
                connection.hang_up(false);
                self.fault = Some(format!("a listener was hung up on: {reason}"));
                self.ear.ended(reason.to_owned());
            }
            // Sent away at the door.
            Stage::Connecting | Stage::Knocking | Stage::Waiting => {
                self.ear.refused();
                self.come_back(
                    index,
                    TRY_AGAIN_AFTER,
                    format!("ended at the door: {reason}"),
                );
            }
        }
    }

    /// Takes what was read; `false` if the connection has ended by it.
    fn take(&mut self, index: u32, count: usize) -> bool {
        let now = now_nanos();
        self.ear.count_bytes(count);
        let connection = &mut self.connections[index as usize];
        let mut carried = connection.partial.take();
        if let Some(carried) = &mut carried {
            carried.extend(&self.scratch[..count]);
        }
        let bytes = match &carried {
            Some(carried) => carried.as_slice(),
            None => &self.scratch[..count],
        };
        let mut start = 0;
        if connection.stage == Stage::Knocking {
            match answer_end(bytes) {
                Some(end) if bytes.starts_with(b"HTTP/1.1 101 ") => {
                    start = end;
                    let resume = connection
                        .resumes
                        .then(|| self.ear.history.resume(connection.seen))
                        .flatten();
                    self.ear.reply = self.ear.dialect.greeting(resume);
                    connection.stage = Stage::Waiting;
                    if self.ear.dialect.begins_by_itself() {
                        connection.stage = Stage::Following;
                        self.knocking -= 1;
                    }
                }
                Some(end) => {
                    let answer = String::from_utf8_lossy(&bytes[..end]).into_owned();
                    self.ear.refused();
                    let status = answer.lines().next().unwrap_or_default().to_owned();
                    self.come_back(index, retry_after(&answer), status);
                    return false;
                }
                None if bytes.len() > ANSWER_BYTES_MAX => {
                    self.come_back(index, TRY_AGAIN_AFTER, "an endless answer".to_owned());
                    return false;
                }
                None => {
                    let rest = bytes.to_vec();
                    connection.partial = Some(Box::new(rest));
                    return true;
                }
            }
        }
        let was_waiting = connection.stage == Stage::Waiting;
        let heard = self.ear.hear(connection, &bytes[start..], now);
        let used = match heard {
            Heard::Used(used) => start + used,
            Heard::Closed(code) => {
                self.end(index, &format!("closed with {code}"));
                return false;
            }
        };
        if used < bytes.len() {
            let rest = bytes[used..].to_vec();
            connection.partial = Some(Box::new(rest));
        }
        if was_waiting && connection.stage == Stage::Following {
            self.knocking -= 1;
        }
        let reply = std::mem::take(&mut self.ear.reply);
        if let Err(error) = connection.say(&reply) {
            self.end(index, &error.kind().to_string());
            return false;
        }
        true
    }

    /// Lets as many connections as are due hang up and come back, every second one abruptly.
    fn churn(&mut self) {
        let due =
            self.churn.since.elapsed().as_millis() * u128::from(self.churn.per_second) / 1_000;
        while u128::from(self.churn.done) < due {
            self.churn.done += 1;
            let count = u32::try_from(self.connections.len()).expect("counted by u32");
            self.churn.next = (self.churn.next + 1) % count.max(1);
            let index = self.churn.next;
            if self.connections[index as usize].stage == Stage::Following {
                self.return_later(index);
            }
        }
    }

    fn return_later(&mut self, index: u32) {
        let connection = &mut self.connections[index as usize];
        connection.hang_up(index.is_multiple_of(2));
        connection.resumes = true;
        connection.is_patched = true;
        connection.is_stalled = false;
        self.closed.push(index);
    }
}

/// Where a handshake's answer ends.
fn answer_end(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, b"\r\n\r\n").map(|end| end + 4)
}

/// When to come again, as the server says.
fn retry_after(answer: &str) -> Duration {
    let lower = answer.to_ascii_lowercase();
    let header = lower
        .lines()
        .find_map(|line| line.strip_prefix("retry-after:"));
    let seconds = header.and_then(|value| value.trim().parse().ok());
    seconds.map_or(TRY_AGAIN_AFTER, Duration::from_secs)
}
