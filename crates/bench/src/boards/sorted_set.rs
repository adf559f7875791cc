//! A top 100 in Redis: a sorted set that each event is put into, keeping the higher score.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::http::Asked;
use super::refresh::{EVENTS_A_SECOND, Refreshes, TOP, bounded};
use crate::load::{Latency, rate};
pub(super) use crate::peers::redis::REDIS;
use crate::peers::redis::{Kept, Server};
use crate::report::{BenchError, Row};
use tempfile::TempDir;

/// Events sent before answers are read.
const PIPELINE: u64 = 1_000;
/// The set holds players and no events, so that more make no difference.
const FILL_MAX: u64 = 2_000_000;
const REPLY_BYTES_MAX: usize = 1 << 20;

/// Refreshes after each number of events.
pub(super) fn refreshes(
    kept: &[u64],
    players: u32,
    duration: Duration,
) -> Result<Refreshes, BenchError> {
    let mut found = Refreshes::default();
    let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
    let server = match Server::start(folder.path(), Kept::InMemory)? {
        Ok(server) => server,
        Err(missing) => {
            found.notes.push(missing);
            return Ok(found);
        }
    };
    let mut set = SortedSet::new(server.connect()?, players);
    let mut fed = 0;
    for &wanted in kept {
        while fed < wanted.min(FILL_MAX) {
            let here = PIPELINE.min(wanted - fed);
            set.draw(here);
            set.add()?;
            fed += here;
        }
        if fed < wanted {
            found.notes.push(format!(
                "redis: fed {fed} events and not {wanted}, as its set holds players and no events"
            ));
        }
        found.each.push(bounded(duration, || {
            set.draw(u64::from(EVENTS_A_SECOND));
            let started = Instant::now();
            set.add()?;
            set.read_top()?;
            Ok(started.elapsed())
        })?);
    }
    Ok(found)
}

/// How many events a second a set of so many players takes over one connection, sent in
/// pipelines; the quantiles are those of a pipeline. `Ok(Err)` says that Redis is missing.
pub(super) fn updates(players: u32, duration: Duration) -> Result<Result<Row, String>, BenchError> {
    let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
    let server = match Server::start(folder.path(), Kept::InMemory)? {
        Ok(server) => server,
        Err(missing) => return Ok(Err(missing)),
    };
    let mut set = SortedSet::new(server.connect()?, players);
    let mut latency = Latency::new();
    for _ in 0..u64::from(players) / PIPELINE {
        set.draw(PIPELINE);
        set.add()?;
    }
    let mut took = Duration::ZERO;
    while took < duration {
        set.draw(PIPELINE);
        let sent = Instant::now();
        set.add()?;
        let here = sent.elapsed();
        latency.record(here, 1);
        took += here;
    }
    let added = latency.count() * PIPELINE;
    let row = Row::new("", rate(added, took), "updates/s");
    Ok(Ok(latency.fill(row.by(REDIS))))
}

/// A set to be asked like huntcore: events over one connection, reads over another.
pub(super) struct Rival {
    events: SortedSet,
    reads: SortedSet,
    latency: Latency,
    _server: Server,
    _folder: TempDir,
}

/// One whose players have all scored; `Ok(Err)` says that Redis is missing.
pub(super) fn rival(players: u64) -> Result<Result<Rival, String>, BenchError> {
    let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
    let server = match Server::start(folder.path(), Kept::Synced)? {
        Ok(server) => server,
        Err(missing) => return Ok(Err(missing)),
    };
    let players = u32::try_from(players).unwrap_or(u32::MAX);
    let mut events = SortedSet::new(server.connect()?, players);
    for _ in 0..10 {
        events.draw(u64::from(players));
        events.add()?;
    }
    Ok(Ok(Rival {
        reads: SortedSet::new(server.connect()?, players),
        events,
        latency: Latency::new(),
        _server: server,
        _folder: folder,
    }))
}

impl Asked for Rival {
    fn events(&mut self, count: u64) -> Result<(), BenchError> {
        self.events.hear_all()?;
        self.events.draw(count);
        self.events.send()
    }

    fn read(&mut self, due: Instant) -> Result<(), BenchError> {
        self.reads.read_top()?;
        self.latency.record(due.elapsed(), 1);
        Ok(())
    }

    fn finish(self) -> Result<Latency, BenchError> {
        Ok(self.latency)
    }
}

/// One connection, and the set behind it.
struct SortedSet {
    stream: BufReader<TcpStream>,
    players: u32,
    random: ChaCha8Rng,
    /// Drawn beforehand, so that making them is in no figure.
    scores: String,
    scores_drawn: u64,
    top: String,
    unheard: u64,
}

impl SortedSet {
    fn new(stream: TcpStream, players: u32) -> Self {
        Self {
            stream: BufReader::new(stream),
            players,
            random: ChaCha8Rng::seed_from_u64(4),
            scores: String::new(),
            scores_drawn: 0,
            top: format!("ZREVRANGE board 0 {} WITHSCORES\r\n", TOP - 1),
            unheard: 0,
        }
    }

    /// Draws so many random scores, to be put in.
    fn draw(&mut self, count: u64) {
        self.scores.clear();
        for _ in 0..count {
            let score = self.random.random_range(0..1_000_000_u32);
            let player = self.random.random_range(0..self.players);
            writeln!(self.scores, "ZADD board GT {score} player-{player:013}\r")
                .expect("a String takes all");
        }
        self.scores_drawn = count;
    }

    /// Puts the scores in that were drawn, all at once.
    fn add(&mut self) -> Result<(), BenchError> {
        self.send()?;
        self.hear_all()
    }

    /// The same, without hearing what came of it.
    fn send(&mut self) -> Result<(), BenchError> {
        let sent = self.stream.get_mut().write_all(self.scores.as_bytes());
        sent.map_err(BenchError::io("ask redis"))?;
        self.unheard += self.scores_drawn;
        Ok(())
    }

    fn read_top(&mut self) -> Result<(), BenchError> {
        let sent = self.stream.get_mut().write_all(self.top.as_bytes());
        sent.map_err(BenchError::io("ask redis"))?;
        self.unheard += 1;
        self.hear_all()
    }

    /// Reads all that was asked for.
    fn hear_all(&mut self) -> Result<(), BenchError> {
        while self.unheard > 0 {
            self.unheard += self.read_reply()?;
            self.unheard -= 1;
        }
        Ok(())
    }

    /// Reads a reply and says how many are part of it.
    fn read_reply(&mut self) -> Result<u64, BenchError> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line);
        read.map_err(BenchError::io("hear from redis"))?;
        let unexpected = || BenchError::Peer {
            peer: REDIS,
            reason: format!("answered {line:?}"),
        };
        let (kind, rest) = line.trim_end().split_at_checked(1).ok_or_else(unexpected)?;
        match kind {
            ":" | "+" => Ok(0),
            "*" => rest.parse().map_err(|_| unexpected()),
            "$" => {
                let bytes = rest.parse::<usize>().ok();
                let bytes = bytes.filter(|bytes| *bytes <= REPLY_BYTES_MAX);
                let mut text = vec![0; bytes.ok_or_else(unexpected)? + "\r\n".len()];
                let read = self.stream.read_exact(&mut text);
                read.map_err(BenchError::io("hear from redis"))?;
                Ok(0)
            }
            _ => Err(unexpected()),
        }
    }
}
