//! Redis as a peer: a real server in a temporary folder, loaded by its own benchmark tool.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::keys_for;
use crate::load::Winners;
use crate::report::{BenchError, Row, resident_bytes};

pub(crate) const REDIS: &str = "redis";

/// Requests that a connection sends before it waits for the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pipeline(u32);

/// As a batching service would.
pub(crate) const PIPELINED: Pipeline = Pipeline(32);
/// As one request after the other would.
pub(crate) const ONE_BY_ONE: Pipeline = Pipeline(1);
const READY_WITHIN: Duration = Duration::from_secs(20);
const CLIENTS: u32 = 50;
/// Attempts in a first short run that finds out how many fill the time.
const PROBE: u64 = 100_000;

/// What a team would write: the tile goes to the first, and the stream gets the claim.
const SCRIPT: &str = "if redis.call('SET',KEYS[1],ARGV[1],'NX','EX',21600) then \
                      redis.call('XADD','claims','*','t',KEYS[1],'p',ARGV[1]) return 1 end return 0";

/// Claims a second by a script, synced always; `Ok(Err)` says that Redis is not installed.
pub(crate) fn claims(
    winners: Winners,
    pipeline: Pipeline,
    duration: Duration,
) -> Result<Result<Row, String>, BenchError> {
    let folder = tempfile::tempdir().map_err(|source| BenchError::Io {
        what: "make a folder",
        source,
    })?;
    let mut server = match Server::start(folder.path(), Kept::Synced)? {
        Ok(server) => server,
        Err(missing) => return Ok(Err(missing)),
    };
    let script = server.cli(&["script", "load", SCRIPT])?;
    let keys = |attempts| keys_for(attempts, winners.share());
    let probe = server.load(script.trim(), PROBE, keys(PROBE), pipeline)?;
    server.cli(&["flushall"])?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive count of requests"
    )]
    let attempts = (probe.value * duration.as_secs_f64()) as u64;
    let attempts = attempts.max(PROBE);
    let mut row = server.load(script.trim(), attempts, keys(attempts), pipeline)?;
    server.check_share(attempts, winners)?;
    row.rss_bytes = resident_bytes(&server.child.id().to_string());
    Ok(Ok(row))
}

/// A server that runs; ended when dropped.
pub(crate) struct Server {
    child: Child,
    port: String,
}

/// What a server does with what it is told, besides holding it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Nothing is answered before it is on disk.
    Synced,
    /// It is held in memory alone.
    InMemory,
}

impl Server {
    /// `Ok(Err)` says that Redis is not installed.
    pub(crate) fn start(folder: &Path, kept: Kept) -> Result<Result<Self, String>, BenchError> {
        let free = TcpListener::bind("127.0.0.1:0");
        let free = free.map_err(BenchError::io("find a free port"))?;
        let port = free.local_addr();
        let port = port.map_err(BenchError::io("find a free port"))?.port();
        let port = port.to_string();
        drop(free);
        let log: &[&str] = match kept {
            Kept::Synced => &["--appendonly", "yes", "--appendfsync", "always"],
            Kept::InMemory => &["--appendonly", "no"],
        };
        let child = Command::new("redis-server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", ""])
            .args(log)
            .args(["--maxmemory-policy", "noeviction"])
            .arg("--dir")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Err("redis-server is not installed: left out".to_owned()));
            }
            Err(source) => return Err(BenchError::io("start redis")(source)),
        };
        let mut server = Self { child, port };
        let started = Instant::now();
        while server.cli(&["ping"])?.trim() != "PONG" {
            if started.elapsed() > READY_WITHIN {
                return Err(BenchError::Peer {
                    peer: REDIS,
                    reason: "did not answer within 20 s".to_owned(),
                });
            }
        }
        Ok(Ok(server))
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> Result<TcpStream, BenchError> {
        let address = format!("127.0.0.1:{}", self.port);
        let stream = TcpStream::connect(address).map_err(BenchError::io("connect"))?;
        let set = stream.set_nodelay(true);
        set.map_err(BenchError::io("connect"))?;
        Ok(stream)
    }

    /// The stream holds a claim for each winner: as many as the case says.
    fn check_share(&mut self, attempts: u64, winners: Winners) -> Result<(), BenchError> {
        let won = self.cli(&["xlen", "claims"])?;
        let won: f64 = won.trim().parse().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let share = won / attempts as f64;
        let wanted = winners.share();
        if (share - wanted).abs() > 0.02 {
            let reason = format!("{share:.3} of the attempts won, not {wanted:.3}");
            return Err(BenchError::Peer {
                peer: REDIS,
                reason,
            });
        }
        Ok(())
    }

    fn cli(&mut self, arguments: &[&str]) -> Result<String, BenchError> {
        run(Command::new("redis-cli")
            .args(["-p", &self.port])
            .args(arguments))
    }

    fn load(
        &mut self,
        script: &str,
        attempts: u64,
        keys: u64,
        pipeline: Pipeline,
    ) -> Result<Row, BenchError> {
        let out = run(Command::new("redis-benchmark")
            .args(["-p", &self.port, "--csv"])
            .args(["-c", &CLIENTS.to_string(), "-P", &pipeline.0.to_string()])
            .args(["-n", &attempts.to_string(), "-r", &keys.to_string()])
            .args([
                "evalsha",
                script,
                "1",
                "tile:__rand_int__",
                "player-0000000000042",
            ]))?;
        // "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
        let last = out
            .lines()
            .rfind(|line| line.starts_with('"'))
            .unwrap_or_default();
        let fields: Vec<&str> = last
            .rsplit(',')
            .map(|field| field.trim_matches('"'))
            .collect();
        let field = |from_the_end: usize| fields.get(from_the_end).and_then(|f| f.parse().ok());
        let (Some(value), p50_ms, p99_ms) = (field(6), field(3), field(1)) else {
            let reason = format!("redis-benchmark answered {last:?}");
            return Err(BenchError::Peer {
                peer: REDIS,
                reason,
            });
        };
        let mut row = Row::new("", value, "attempts/s").by(REDIS);
        (row.p50_ms, row.p99_ms) = (p50_ms, p99_ms);
        Ok(row)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to keep; either way it is gone after the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(command: &mut Command) -> Result<String, BenchError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| BenchError::Io {
            what: "run a tool of redis",
            source,
        })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
