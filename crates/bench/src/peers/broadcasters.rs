//! Servers that tell many listeners the same: nats-server, Node's `ws`, Centrifugo.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::fanout::{Dialect, SUBJECT};
use crate::report::BenchError;

pub(crate) const NATS: &str = "nats-server";
pub(crate) const WS: &str = "node ws";
pub(crate) const CENTRIFUGO: &str = "centrifugo";
const READY_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A server that runs; ended when dropped.
pub(crate) trait Broadcaster {
    fn name(&self) -> &'static str;
    fn dialect(&self) -> Dialect;
    fn address(&self) -> SocketAddr;
    fn pid(&self) -> u32;

    /// Has every text told to all listeners, one every so often.
    fn publish(&mut self, texts: &[String], interval: Duration) -> Result<(), BenchError>;
}

/// `Ok(Err)` says that the peer is not installed.
pub(crate) type Started = Result<Result<Box<dyn Broadcaster>, String>, BenchError>;

/// A process and the folder that it works in; both go when it is dropped.
struct Process {
    child: Child,
    _folder: TempDir,
}

impl Process {
    /// `None` if there is no such program.
    fn start(command: &mut Command, folder: TempDir) -> Result<Option<Self>, BenchError> {
        match command.current_dir(folder.path()).spawn() {
            Ok(child) => Ok(Some(Self {
                child,
                _folder: folder,
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BenchError::io("start a peer")(error)),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// nats-server with its WebSocket listener; published to over plain TCP.
struct Nats {
    process: Process,
    address: SocketAddr,
    publisher: TcpStream,
}

/// Starts nats-server, if it is installed.
pub(crate) fn nats(_: &Path) -> Started {
    let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
    let (plain, sockets) = (free_port()?, free_port()?);
    let config = format!(
        "host: 127.0.0.1\nport: {}\nwebsocket {{ host: 127.0.0.1, port: {}, no_tls: true, \
         compression: false }}\n",
        plain.port(),
        sockets.port()
    );
    std::fs::write(folder.path().join("nats.conf"), config)
        .map_err(BenchError::io("write a configuration"))?;
    let mut command = Command::new("nats-server");
    silent(command.args(["--config", "nats.conf"]));
    let Some(process) = Process::start(&mut command, folder)? else {
        return Ok(Err("nats-server is not installed: left out".to_owned()));
    };
    let mut publisher = connect(NATS, plain)?;
    connect(NATS, sockets)?;
    let io = BenchError::io("speak to nats-server");
    publisher
        .write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n")
        .map_err(&io)?;
    await_pong(&mut publisher)?;
    Ok(Ok(Box::new(Nats {
        process,
        address: sockets,
        publisher,
    })))
}

/// Reads up to the answer to a ping.
fn await_pong(publisher: &mut TcpStream) -> Result<(), BenchError> {
    let mut lines = BufReader::new(publisher);
    let mut line = String::new();
    while line.trim_end() != "PONG" {
        line.clear();
        let count = lines.read_line(&mut line);
        if count.map_err(BenchError::io("hear from nats-server"))? == 0 {
            return Err(BenchError::Peer {
                peer: NATS,
                reason: "hung up on the publisher".to_owned(),
            });
        }
    }
    Ok(())
}

impl Broadcaster for Nats {
    fn name(&self) -> &'static str {
        NATS
    }

    fn dialect(&self) -> Dialect {
        Dialect::Nats
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn pid(&self) -> u32 {
        self.process.child.id()
    }

    fn publish(&mut self, texts: &[String], interval: Duration) -> Result<(), BenchError> {
        let publisher = &mut self.publisher;
        paced(texts, interval, |text| {
            let message = format!("PUB {SUBJECT} {}\r\n{text}\r\n", text.len());
            publisher.write_all(message.as_bytes())
        })?;
        publisher
            .write_all(b"PING\r\n")
            .map_err(BenchError::io("publish"))?;
        await_pong(publisher)
    }
}

/// A few lines of JavaScript on the npm package `ws`.
struct NodeWs {
    process: Process,
    address: SocketAddr,
}

/// Starts a server on `ws`, if the setup has installed it beside the program.
pub(crate) fn node_ws(program: &Path) -> Started {
    let installed = beside(program, "ws");
    let missing = || Ok(Err("npm's ws is not set up: left out".to_owned()));
    if !installed.join("node_modules/ws").is_dir() {
        return missing();
    }
    let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
    let mut command = Command::new("node");
    command
        .arg(installed.join("broadcast.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let Some(mut process) = Process::start(&mut command, folder)? else {
        return missing();
    };
    let stdout = process.child.stdout.take().expect("it is piped");
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .map_err(BenchError::io("hear from node"))?;
    let port = line.trim().parse().map_err(|_| BenchError::Peer {
        peer: WS,
        reason: format!("said no port but {line:?}"),
    })?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Ok(Ok(Box::new(NodeWs { process, address })))
}

impl Broadcaster for NodeWs {
    fn name(&self) -> &'static str {
        WS
    }

    fn dialect(&self) -> Dialect {
        Dialect::WebSocket
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn pid(&self) -> u32 {
        self.process.child.id()
    }

    fn publish(&mut self, texts: &[String], interval: Duration) -> Result<(), BenchError> {
        let stdin = self.process.child.stdin.as_mut().expect("it is piped");
        paced(texts, interval, |text| {
            stdin.write_all(format!("{text}\n").as_bytes())
        })
    }
}

/// Centrifugo; published to over its HTTP API.
struct Centrifugo {
    process: Process,
    address: SocketAddr,
}

/// Starts Centrifugo, if it is installed.
pub(crate) fn centrifugo(program: &Path) -> Started {
    let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
    let address = free_port()?;
    let config = serde_json::json!({
        "http_server": {"address": "127.0.0.1", "port": address.port()},
        "client": {"insecure": true, "allowed_origins": ["*"]},
        "http_api": {"insecure": true},
        "channel": {"without_namespace": {"allow_subscribe_for_client": true}},
        "log": {"level": "error"},
    });
    std::fs::write(folder.path().join("config.json"), config.to_string())
        .map_err(BenchError::io("write a configuration"))?;
    let own = beside(program, "bin/centrifugo");
    let name = if own.is_file() {
        own
    } else {
        PathBuf::from("centrifugo")
    };
    let mut command = Command::new(name);
    silent(command.args(["--config", "config.json"]));
    let Some(process) = Process::start(&mut command, folder)? else {
        return Ok(Err("centrifugo is not installed: left out".to_owned()));
    };
    connect(CENTRIFUGO, address)?;
    Ok(Ok(Box::new(Centrifugo { process, address })))
}

impl Broadcaster for Centrifugo {
    fn name(&self) -> &'static str {
        CENTRIFUGO
    }

    fn dialect(&self) -> Dialect {
        Dialect::Centrifugo
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn pid(&self) -> u32 {
        self.process.child.id()
    }

    fn publish(&mut self, texts: &[String], interval: Duration) -> Result<(), BenchError> {
        let address = self.address;
        paced(texts, interval, |text| {
            let body = format!(r#"{{"channel":"{SUBJECT}","data":{text}}}"#);
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(ANSWER_WITHIN))?;
            write!(
                stream,
                "POST /api/publish HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            match answer.starts_with("HTTP/1.1 200 ") && !answer.contains("\"error\"") {
                true => Ok(()),
                false => Err(std::io::Error::other(answer)),
            }
        })
    }
}

/// Where the setup puts peers: beside the folder that the program is in.
fn beside(program: &Path, what: &str) -> PathBuf {
    let target = program.parent().and_then(Path::parent);
    target.unwrap_or(program).join("peers").join(what)
}

fn silent(command: &mut Command) {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
}

fn free_port() -> Result<SocketAddr, BenchError> {
    let io = BenchError::io("find a free port");
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(&io)?;
    free.local_addr().map_err(&io)
}

/// Connects once the server listens.
fn connect(peer: &'static str, address: SocketAddr) -> Result<TcpStream, BenchError> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => {
                stream
                    .set_read_timeout(Some(ANSWER_WITHIN))
                    .map_err(BenchError::io("connect"))?;
                return Ok(stream);
            }
            Err(_) if Instant::now() < deadline => std::thread::park_timeout(LOOK_EVERY),
            Err(error) => {
                return Err(BenchError::Peer {
                    peer,
                    reason: format!("did not listen within {READY_WITHIN:?}: {error}"),
                });
            }
        }
    }
}

/// Says texts at a steady pace.
fn paced(
    texts: &[String],
    interval: Duration,
    mut say: impl FnMut(&str) -> std::io::Result<()>,
) -> Result<(), BenchError> {
    let started = Instant::now();
    for (turn, text) in (0..).zip(texts) {
        let due = started + interval * turn;
        std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
        say(text).map_err(BenchError::io("publish"))?;
    }
    Ok(())
}
