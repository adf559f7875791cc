//! One server, from its making to its end.

use std::io::{ErrorKind, Write as _};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::programs::{Programs, USER};

const READY_WITHIN: Duration = Duration::from_secs(30);
/// Stands between this process and the server, so that the server ends and its folder goes
/// whichever way this process ends. A line on its input is the signal that stops the server and
/// leaves the folder.
const KEEPER: &str = r#"folder=$1; shift; "$@" & server=$!
if read -r signal; then kill "-$signal" "$server"; wait "$server"
else kill -INT "$server"; wait "$server"; rm -rf "$folder"; fi"#;

/// How a server is to be.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Settings, such as `fsync=on`. Without it nothing is synced, and a crash of the machine
    /// may cost everything.
    pub settings: Vec<String>,
    /// Whether it listens on 127.0.0.1 too.
    pub tcp: bool,
    /// A certificate and its key, for TLS.
    pub tls: Option<(String, String)>,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// PostgreSQL is not there.
    #[error("PostgreSQL is not installed: scripts/setup test brings it")]
    NotInstalled,
    /// A step failed.
    #[error("failed to {what}: {reason}")]
    Failed {
        /// Which step.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

/// A running server; it ends when this is dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub struct Server {
    programs: Programs,
    options: Options,
    folder: TempDir,
    port: u16,
    running: Option<(Child, ChildStdin)>,
}

impl Server {
    /// Makes and starts one, and waits until it answers.
    pub fn start(options: Options) -> Result<Self, ServerError> {
        let programs = Programs::find().ok_or(ServerError::NotInstalled)?;
        let folder = tempfile::Builder::new().prefix("pg-").tempdir();
        let folder = folder.map_err(|error| failed("make a folder", &error))?;
        let port = match options.tcp {
            true => free_port()?,
            false => 5432,
        };
        let mut server = Self {
            programs,
            options,
            folder,
            port,
            running: None,
        };
        server.make()?;
        server.resume()?;
        Ok(server)
    }

    /// How a client reaches a database, through the folder's socket.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://{USER}@{folder}:{}/{database}", self.port)
    }

    /// How a client reaches a database over TCP, if the server listens there.
    #[must_use]
    pub fn tcp_url(&self, database: &str) -> String {
        format!("postgres://{USER}@localhost:{}/{database}", self.port)
    }

    /// Runs statements by `psql` and gives what they print, columns divided by `|`.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String, ServerError> {
        let mut command = self.programs.command("psql");
        command
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set", "ON_ERROR_STOP=1", "--dbname"])
            .arg(self.url(database))
            .args(["--command", statements])
            .current_dir(self.folder.path());
        run("run a statement", &mut command)
    }

    /// Stops it in a hurry, as if it had crashed: what was committed is there when it resumes.
    pub fn crash(&mut self) -> Result<(), ServerError> {
        self.end("QUIT")
    }

    /// Stops it; clients are told.
    pub fn stop(&mut self) -> Result<(), ServerError> {
        self.end("INT")
    }

    /// The process that starts all others of the server.
    pub fn process_id(&self) -> Result<u32, ServerError> {
        let file = self.folder.path().join("data/postmaster.pid");
        let text = std::fs::read_to_string(file).map_err(|error| failed("find it", &error))?;
        let id = text.lines().next().and_then(|line| line.parse().ok());
        id.ok_or_else(|| failed("find it", &format!("its file of ids has {text:?}")))
    }

    /// Starts it again after [`Self::crash`] or [`Self::stop`].
    pub fn resume(&mut self) -> Result<(), ServerError> {
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "sh"]).arg(self.folder.path());
        command.args(self.programs.words("postgres"));
        command.arg("-D").arg(self.folder.path().join("data"));
        command.arg("-k").arg(self.folder.path());
        command.args(["-p", &self.port.to_string()]);
        let listen = if self.options.tcp { "127.0.0.1" } else { "" };
        let listen = format!("listen_addresses={listen}");
        let mut settings = vec![listen, "fsync=off".to_owned()];
        if self.options.tls.is_some() {
            let in_folder = |file: &str| self.folder.path().join(file).display().to_string();
            settings.push("ssl=on".to_owned());
            settings.push(format!("ssl_cert_file={}", in_folder("server.crt")));
            settings.push(format!("ssl_key_file={}", in_folder("server.key")));
        }
        settings.extend_from_slice(&self.options.settings);
        for setting in settings {
            command.args(["-c", &setting]);
        }
        let child = command
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.map_err(|error| failed("start postgres", &error))?;
        let input = child.stdin.take().expect("it was asked for");
        self.running = Some((child, input));
        let started = Instant::now();
        while self.sql("postgres", "SELECT 1").is_err() {
            if started.elapsed() > READY_WITHIN {
                let reason = format!("it did not answer within {READY_WITHIN:?}");
                return Err(failed("start postgres", &reason));
            }
        }
        Ok(())
    }

    fn make(&self) -> Result<(), ServerError> {
        if self.programs.is_root() {
            let mut owned = Command::new("chown");
            run(
                "hand over a folder",
                owned.arg(USER).arg(self.folder.path()),
            )?;
        }
        let data = self.folder.path().join("data");
        let mut make = self.programs.command("initdb");
        make.args(["--auth", "trust", "--username", USER, "--encoding", "UTF8"])
            .args(["--locale", "C", "--no-sync", "--pgdata"])
            .arg(&data)
            .current_dir(self.folder.path());
        run("make a database", &mut make)?;
        if let Some((certificate, key)) = &self.options.tls {
            for (file, text) in [("server.crt", certificate), ("server.key", key)] {
                let path = self.folder.path().join(file);
                let written = std::fs::write(&path, text);
                written.map_err(|error| failed("write a certificate", &error))?;
                run("keep a key", Command::new("chmod").arg("600").arg(&path))?;
                if self.programs.is_root() {
                    run("keep a key", Command::new("chown").arg(USER).arg(&path))?;
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, signal: &str) -> Result<(), ServerError> {
        let Some((mut child, mut input)) = self.running.take() else {
            return Ok(());
        };
        let told = writeln!(input, "{signal}");
        told.map_err(|error| failed("stop postgres", &error))?;
        let ended = child.wait();
        ended.map_err(|error| failed("stop postgres", &error))?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The keeper hears that nobody is there any more, and ends the server.
        if let Some((mut child, input)) = self.running.take() {
            drop(input);
            let _ = child.wait();
        }
    }
}

fn free_port() -> Result<u16, ServerError> {
    let listener = TcpListener::bind("127.0.0.1:0");
    let address = listener.and_then(|listener| listener.local_addr());
    let address = address.map_err(|error| failed("find a free port", &error))?;
    Ok(address.port())
}

fn failed(what: &'static str, reason: &dyn std::fmt::Display) -> ServerError {
    ServerError::Failed {
        what,
        reason: reason.to_string(),
    }
}

fn run(what: &'static str, command: &mut Command) -> Result<String, ServerError> {
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let program = command.get_program().to_string_lossy().into_owned();
            return Err(failed(what, &format!("{program} is not installed")));
        }
        Err(error) => return Err(failed(what, &error)),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(failed(
        what,
        &String::from_utf8_lossy(&output.stderr).trim(),
    ))
}
