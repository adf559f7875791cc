//! What a server is measured against: the same bytes to as many sockets by a plain `send` for
//! each, and nothing else.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

use crate::crowd::{TEXT, WorkerTask, put_frame, spawn};
use crate::report::BenchError;

const BACKLOG: i32 = 4_096;

/// What the loop is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum LoopOrder {
    /// Take so many connections.
    Accept { count: u32 },
    /// Send each text, framed, to all; one of them begins every so often.
    Send {
        texts: Vec<String>,
        interval_micros: u64,
        /// Frames in one send.
        together: usize,
    },
}

/// The loop itself: does what standard input says, until that ends.
pub(crate) fn send_loop() -> Result<(), BenchError> {
    let io = BenchError::io("listen");
    let listener = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(&io)?;
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    listener.bind(&free.into()).map_err(&io)?;
    listener.listen(BACKLOG).map_err(&io)?;
    let address = listener.local_addr().map_err(&io)?.as_socket();
    say(&address)?;
    let mut sockets = Vec::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        match serde_json::from_str(&line).map_err(BenchError::huntcore)? {
            LoopOrder::Accept { count } => {
                for _ in 0..count {
                    let (socket, _) = listener.accept().map_err(BenchError::io("accept"))?;
                    socket
                        .set_tcp_nodelay(true)
                        .map_err(BenchError::io("accept"))?;
                    sockets.push(socket);
                }
            }
            LoopOrder::Send {
                texts,
                interval_micros,
                together,
            } => send(&sockets, &texts, interval_micros, together)?,
        }
        say(&())?;
    }
    Ok(())
}

fn send(
    sockets: &[Socket],
    texts: &[String],
    interval_micros: u64,
    together: usize,
) -> Result<(), BenchError> {
    let started = Instant::now();
    let mut framed = Vec::new();
    for (turn, texts) in (0..).zip(texts.chunks(together.max(1))) {
        let due = started + Duration::from_micros(interval_micros) * turn;
        std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
        framed.clear();
        for text in texts {
            put_frame(&mut framed, TEXT, text.as_bytes());
        }
        for socket in sockets {
            // The sockets block, so this is all of it, unless a buffer is full.
            let mut sent = 0;
            while sent < framed.len() {
                sent += socket
                    .send(&framed[sent..])
                    .map_err(BenchError::io("send"))?;
            }
        }
    }
    Ok(())
}

fn say(what: &impl Serialize) -> Result<(), BenchError> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, what).map_err(BenchError::huntcore)?;
    writeln!(out)
        .and_then(|()| out.flush())
        .map_err(BenchError::io("answer an order"))
}

/// The loop in a process of its own; ended when dropped.
pub(crate) struct SendLoop {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl SendLoop {
    pub(crate) fn start(program: &Path) -> Result<Self, BenchError> {
        let mut child = spawn(program, &WorkerTask::SendLoop)?;
        let orders = child.stdin.take().expect("it is piped");
        let mut answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        answers
            .read_line(&mut line)
            .map_err(BenchError::io("hear from the loop"))?;
        let address: Option<SocketAddr> =
            serde_json::from_str(&line).map_err(BenchError::huntcore)?;
        let address = address.ok_or_else(|| BenchError::huntcore("the loop has no address"))?;
        Ok(Self {
            child,
            orders,
            answers,
            address,
        })
    }

    /// Lets it take so many connections; [`Self::finish`] waits for that.
    pub(crate) fn accept(&mut self, count: u32) -> Result<(), BenchError> {
        self.order(&LoopOrder::Accept { count })
    }

    /// Lets it send texts, so many together in one send; [`Self::finish`] waits for that.
    pub(crate) fn send(
        &mut self,
        texts: Vec<String>,
        interval: Duration,
        together: usize,
    ) -> Result<(), BenchError> {
        self.order(&LoopOrder::Send {
            texts,
            interval_micros: u64::try_from(interval.as_micros()).unwrap_or(u64::MAX),
            together,
        })
    }

    /// Waits until what it was told is done.
    pub(crate) fn finish(&mut self) -> Result<(), BenchError> {
        let mut line = String::new();
        let answered = self.answers.read_line(&mut line);
        match answered.map_err(BenchError::io("hear from the loop"))? {
            0 => Err(BenchError::huntcore("the send loop ended early")),
            _ => Ok(()),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn order(&mut self, order: &LoopOrder) -> Result<(), BenchError> {
        let mut line = serde_json::to_vec(order).map_err(BenchError::huntcore)?;
        line.push(b'\n');
        self.orders
            .write_all(&line)
            .map_err(BenchError::io("tell the send loop"))
    }
}

impl Drop for SendLoop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
