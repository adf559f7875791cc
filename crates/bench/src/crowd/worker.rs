//! Work in a process of its own: told what to do on its standard input, tells what came of
//! it on its standard output, one JSON object each.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::connect::Peer;
use super::echo::Echo;
use super::reactor::{Load, Loaded, Reactor};
use super::speech::Speech;
use crate::fanout::{self, ListenTask};
use crate::hot_path::Piece;
use crate::load::{Latency, rate};
use crate::report::{BenchError, Row};

/// The hidden command that does a task.
pub(crate) const WORKER_COMMAND: &str = "bench-client";

/// What a process of its own is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum WorkerTask {
    /// Echo frames until standard input ends; says where first.
    Echo,
    /// Send claims over many sockets.
    Sockets(SocketsTask),
    /// Work through a piece of the hot path, for whoever counts what it takes.
    HotPath { piece: Piece, attempts: usize },
    /// Listen to broadcasts, as orders on standard input say.
    Listen(ListenTask),
    /// Send to many sockets what standard input says, one after the other.
    SendLoop,
}

/// Claims over many sockets: first as fast as answers come, then at half that rate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SocketsTask {
    pub(crate) address: SocketAddr,
    pub(crate) sockets: u32,
    /// The hunt and what signs its players' tokens; without it, frames go to an echo.
    pub(crate) hunt: Option<(String, String)>,
    pub(crate) round: u64,
    pub(crate) seconds: u64,
}

/// What came of one phase.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct PhaseFigures {
    pub(crate) decided: u64,
    pub(crate) refused: u64,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

/// Does what standard input says. The whole of the hidden command.
///
/// # Errors
/// If the task cannot be read or done.
pub fn run() -> Result<(), BenchError> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(BenchError::io("read the task"))?;
    match serde_json::from_str(&line).map_err(BenchError::huntcore)? {
        WorkerTask::Echo => echo(),
        WorkerTask::Sockets(task) => {
            let figures = sockets(&task)?;
            say(&figures)
        }
        WorkerTask::HotPath { piece, attempts } => {
            piece.work(attempts);
            Ok(())
        }
        WorkerTask::Listen(task) => fanout::listen(task),
        WorkerTask::SendLoop => fanout::send_loop(),
    }
}

fn echo() -> Result<(), BenchError> {
    let echo = Echo::bind()?;
    say(&echo.address()?)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    // Ends with the parent, however that ends.
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        drop(std::io::stdin().lock().read_to_end(&mut rest));
        stopped.store(true, Ordering::Relaxed);
    });
    echo.run(&stop)
}

fn sockets(task: &SocketsTask) -> Result<[PhaseFigures; 2], BenchError> {
    let (peer, speech) = match &task.hunt {
        Some((hunt, player_key)) => (Peer::Live { hunt, player_key }, Speech::socket(task.round)),
        None => (Peer::Plain, Speech::echo(task.round)),
    };
    let mut reactor = Reactor::connect(task.address, task.sockets, peer, speech)?;
    let duration = Duration::from_secs(task.seconds);
    let full = PhaseFigures::of(&reactor.run(Load::Closed, duration)?);
    let half = Load::Open(half_of(full.per_second));
    let half = PhaseFigures::of(&reactor.run(half, duration)?);
    Ok([full, half])
}

/// Half a measured rate, in whole requests.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive rate"
)]
pub(crate) fn half_of(per_second: f64) -> u64 {
    ((per_second / 2.0) as u64).max(1)
}

fn say(what: &impl Serialize) -> Result<(), BenchError> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, what).map_err(BenchError::huntcore)?;
    writeln!(out)
        .and_then(|()| out.flush())
        .map_err(BenchError::io("tell what came of the task"))
}

impl PhaseFigures {
    pub(crate) fn of(loaded: &Loaded) -> Self {
        let latency: &Latency = &loaded.latency;
        Self {
            decided: loaded.decided,
            refused: loaded.refused,
            per_second: rate(loaded.decided, loaded.elapsed),
            p50_ms: latency.quantile_ms(0.5),
            p99_ms: latency.quantile_ms(0.99),
            p999_ms: latency.quantile_ms(0.999),
            max_ms: latency.quantile_ms(1.0),
        }
    }

    pub(crate) fn row(&self, case: &str, unit: &'static str) -> Row {
        let mut row = Row::new(case, self.per_second, unit);
        row.p50_ms = Some(self.p50_ms);
        row.p99_ms = Some(self.p99_ms);
        row.p999_ms = Some(self.p999_ms);
        row.max_ms = Some(self.max_ms);
        row
    }
}

/// Runs a crowd of sockets in a process of its own: its figures at full and at half load.
pub(crate) fn drive_sockets(
    program: &Path,
    task: SocketsTask,
) -> Result<[PhaseFigures; 2], BenchError> {
    let mut child = spawn(program, &WorkerTask::Sockets(task))?;
    drop(child.stdin.take());
    let output = child
        .wait_with_output()
        .map_err(BenchError::io("wait for the crowd"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(BenchError::Huntcore(format!(
            "the crowd: {}",
            stderr.trim()
        )));
    }
    serde_json::from_slice(&output.stdout).map_err(BenchError::huntcore)
}

/// An echo in a process of its own; ended when dropped.
pub(crate) struct EchoServer {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl EchoServer {
    pub(crate) fn start(program: &Path) -> Result<Self, BenchError> {
        let mut child = spawn(program, &WorkerTask::Echo)?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(BenchError::io("hear from the echo"))?;
        let address = serde_json::from_str(&line).map_err(BenchError::huntcore)?;
        Ok(Self { child, address })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A task as it is told.
pub(crate) fn task_line(task: &WorkerTask) -> Result<Vec<u8>, BenchError> {
    let mut line = serde_json::to_vec(task).map_err(BenchError::huntcore)?;
    line.push(b'\n');
    Ok(line)
}

/// Starts a process of its own on a task; its three streams are piped.
pub(crate) fn spawn(program: &Path, task: &WorkerTask) -> Result<Child, BenchError> {
    let mut child = Command::new(program)
        .arg(WORKER_COMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(BenchError::io("start a crowd"))?;
    let line = task_line(task)?;
    child
        .stdin
        .as_mut()
        .expect("it is piped")
        .write_all(&line)
        .map_err(BenchError::io("tell a crowd its task"))?;
    Ok(child)
}
