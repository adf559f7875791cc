//! Connections that are refused as soon as they are accepted: told why, given a moment to hear
//! it, and closed. A refusal costs a few system calls and, for that moment, a file.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::canned;
use crate::admission::Limit;

/// Refused peers that are waited for at one time; beyond that the first have to have heard.
const LINGERING_MAX: usize = 1_024;
/// How long a refused peer has to take its refusal. Closing while its request is on its way
/// would reset the connection, and the refusal could be lost with it.
const LINGER: Duration = Duration::from_secs(1);
/// Refusals of one kind, each with another time to come again, used in turn.
const VARIANTS: u32 = 16;
/// Reads of what a peer had sent before it is closed, at most.
const SWEEPS_MAX: usize = 4;

/// See the module.
pub(super) struct Refusals {
    /// By limit; empty where a peer would not understand them.
    told: Vec<Vec<Bytes>>,
    next: usize,
    /// In the order in which they were refused.
    lingering: VecDeque<(Instant, TcpStream)>,
}

impl Refusals {
    /// Those who speak TLS are refused without a word: saying it would cost a handshake.
    pub(super) fn new(speaks_plainly: bool) -> Self {
        let of_limit = |limit: &Limit| {
            let problems = limit.problems(VARIANTS);
            problems.map(|problem| canned::refused(&problem)).collect()
        };
        Self {
            told: match speaks_plainly {
                true => Limit::ALL.iter().map(of_limit).collect(),
                false => Vec::new(),
            },
            next: 0,
            lingering: VecDeque::new(),
        }
    }

    /// Tells a peer that it is refused, and why; `tcp` does not block.
    pub(super) fn refuse(&mut self, mut tcp: TcpStream, limit: Limit) {
        let Some(variants) = self.told.get(limit as usize) else {
            return;
        };
        self.next = (self.next + 1) % variants.len();
        // A new connection's buffer takes a few hundred bytes at once, or the peer has gone.
        let said = tcp.write_all(&variants[self.next]);
        if said.and_then(|()| tcp.shutdown(Shutdown::Write)).is_err() {
            return;
        }
        if self.lingering.len() >= LINGERING_MAX
            && let Some((_, first)) = self.lingering.pop_front()
        {
            close(first);
        }
        self.lingering.push_back((Instant::now() + LINGER, tcp));
    }

    /// How long until there is one to let go; none if there is nobody.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let (until, _) = self.lingering.front()?;
        Some(until.saturating_duration_since(now))
    }

    /// Closes those whose time has passed.
    pub(super) fn let_go(&mut self, now: Instant) {
        while let Some((_, tcp)) = self.lingering.pop_front_if(|(until, _)| *until <= now) {
            close(tcp);
        }
    }

    /// Closes all; whether there were any.
    pub(super) fn let_all_go(&mut self) -> bool {
        let were_any = !self.lingering.is_empty();
        self.lingering.drain(..).for_each(|(_, tcp)| close(tcp));
        were_any
    }
}

impl Drop for Refusals {
    fn drop(&mut self) {
        self.let_all_go();
    }
}

/// Reads what has come, so that closing does not reset the connection.
fn close(mut tcp: TcpStream) {
    let mut sink = [0; 4 << 10];
    for _ in 0..SWEEPS_MAX {
        match tcp.read(&mut sink) {
            Ok(count) if count > 0 => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return,
        }
    }
}
