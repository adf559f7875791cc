//! A place where servers run, one after the other: a configuration and a data directory that
//! outlive them. Nothing is slept for: a server is up when it says so, and gone when it is.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

use tempfile::TempDir;
use tokio::sync::oneshot;

use super::api::{Api, PLAYER_KEY, SERVICE_KEY};
use super::{PATIENCE, until};

/// A configuration, a data directory, and whatever else the servers there share.
pub(crate) struct Site {
    folder: TempDir,
    /// The hunt `park`, and what differs from test to test.
    pub(crate) shards: u16,
    pub(crate) round: &'static str,
    pub(crate) claim_window: &'static str,
    pub(crate) tiles: u32,
    pub(crate) guests: bool,
    /// Lines put at the top of the configuration.
    pub(crate) top: String,
    /// Lines put into its section `[log]`.
    pub(crate) log: String,
    /// Lines of its section `[limits]`.
    pub(crate) limits: String,
    /// Where the data directory lies; in the site's folder unless a test puts it elsewhere.
    pub(crate) data: PathBuf,
    /// A program and its arguments that runs the server, such as `nsenter …`.
    pub(crate) run_by: Vec<String>,
    /// 0 until a first server has taken a free port, which the later ones take again.
    port: AtomicU16,
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    stderr: PathBuf,
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    /// Talks to it.
    pub(crate) api: Api,
}

/// What a program left when it ended.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        Self {
            folder,
            shards: 1,
            round: "1s",
            claim_window: "10s",
            tiles: 64,
            guests: false,
            top: String::new(),
            log: String::new(),
            limits: String::new(),
            data,
            run_by: Vec::new(),
            port: AtomicU16::new(0),
        }
    }

    /// Keeps little of the log and takes checkpoints all the time, so that both matter within
    /// a test's seconds.
    pub(crate) fn keep_little(&mut self) {
        self.log = "segment_size = \"64KiB\"\nretention = \"1s\"\n\
                    checkpoint_every = \"150ms\"\ncheckpoint_bytes = \"64KiB\""
            .to_owned();
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.folder().join("huntcore.toml")
    }

    /// The configuration as a file's text.
    pub(crate) fn config(&self) -> String {
        let area = repository().join("examples/areas/park.geojson");
        let mut text = self.top.clone();
        let port = self.port.load(Ordering::Relaxed);
        writeln!(text, "listen = \"127.0.0.1:{port}\"").expect("a String takes all");
        writeln!(text, "shards = {}", self.shards).expect("a String takes all");
        writeln!(
            text,
            "[log]\nurl = \"file:{}\"\n{}\n[limits]\n{}",
            self.data.display(),
            self.log,
            self.limits
        )
        .expect("a String takes all");
        writeln!(
            text,
            "[auth]\nplayer_alg = \"HS256\"\nplayer_key = \"env:HUNTCORE_PLAYER_KEY\"\n\
             service_key = \"env:HUNTCORE_SERVICE_KEY\"\nguests = {}",
            self.guests
        )
        .expect("a String takes all");
        writeln!(
            text,
            "[[hunt]]\nid = \"park\"\narea = \"{}\"\nresolution = 12\nround = \"{}\"\n\
             claim_window = \"{}\"\ntiles = {}",
            area.display(),
            self.round,
            self.claim_window,
            self.tiles
        )
        .expect("a String takes all");
        text
    }

    /// Starts a server and waits until it is ready.
    ///
    /// # Panics
    /// When it ends instead.
    pub(crate) async fn start(&self) -> Server {
        match self.try_start().await {
            Ok(server) => server,
            Err(exit) => panic!("huntcore serve ended with {}: {}", exit.status, exit.stderr),
        }
    }

    /// Starts a server and waits until it is ready, or has ended.
    pub(crate) async fn try_start(&self) -> Result<Server, Exit> {
        std::fs::write(self.config_path(), self.config()).expect("the configuration is written");
        self.try_start_with(&self.config_path()).await
    }

    /// The same with a configuration from elsewhere.
    pub(crate) async fn try_start_with(&self, config: &Path) -> Result<Server, Exit> {
        let server = self.launch(config, &[]).await?;
        let port = server.url.rsplit(':').next().and_then(|p| p.parse().ok());
        self.port
            .store(port.expect("the address ends in a port"), Ordering::Relaxed);
        Ok(server)
    }

    /// Starts an edge process that follows the server at `upstream`, and waits until it is
    /// ready. It listens on `port`, shared with others of its kind; 0 takes a free one.
    ///
    /// # Panics
    /// When it ends instead.
    pub(crate) async fn start_edge(&self, upstream: &str, port: u16) -> Server {
        match self.try_start_edge(upstream, port).await {
            Ok(server) => server,
            Err(exit) => panic!(
                "the edge process ended with {}: {}",
                exit.status, exit.stderr
            ),
        }
    }

    /// The same, or until it has ended.
    pub(crate) async fn try_start_edge(&self, upstream: &str, port: u16) -> Result<Server, Exit> {
        let listen = format!("127.0.0.1:{port}");
        let arguments = [
            "--roles",
            "edge",
            "--upstream",
            upstream,
            "--listen",
            &listen,
            "--reuse-port",
        ];
        self.launch(&self.config_path(), &arguments).await
    }

    async fn launch(&self, config: &Path, arguments: &[&str]) -> Result<Server, Exit> {
        let stderr = self.folder().join("stderr.log");
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&stderr)
            .unwrap_or_else(|e| panic!("{}: {e}", stderr.display()));
        let before = log.metadata().map_or(0, |m| m.len());
        let mut child = self
            .command(log)
            .arg("--config")
            .arg(config)
            .args(arguments)
            .spawn()
            .expect("it starts");

        let stdout = child.stdout.take().expect("stdout is piped");
        let (said, listening) = oneshot::channel();
        let mut said = Some(said);
        // Reads on to the end, so that the server never blocks on a full pipe.
        let reader = thread::spawn(move || {
            let mut all = String::new();
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(url) = listening_url(&line)
                    && let Some(said) = said.take()
                {
                    // The test may have given up on it.
                    let _ = said.send(url);
                }
                all.push_str(&line);
                all.push('\n');
            }
            all
        });
        let url = tokio::time::timeout(PATIENCE, listening).await;
        let Ok(Ok(url)) = url else {
            if url.is_err() {
                // Neither an address nor an end: kill it, its stderr is in the report.
                let _ = child.kill();
            }
            let status = child.wait().expect("a child can be waited for");
            return Err(Exit {
                status,
                stdout: reader.join().unwrap_or_default(),
                stderr: text_from(&stderr, before),
            });
        };
        let api = Api::new(&url);
        let mut server = Server {
            child,
            stderr,
            url,
            api,
        };
        server.ready().await;
        Ok(server)
    }

    /// Runs another command on this site's data, as a person would beside or after a server.
    pub(crate) fn run(&self, arguments: &[&str]) -> Exit {
        run(arguments, self.folder())
    }

    fn command(&self, stderr: File) -> Command {
        let program = env!("CARGO_BIN_EXE_huntcore");
        let mut command = match self.run_by.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.arg("serve");
        surroundings(&mut command, self.folder());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr);
        command
    }
}

impl Server {
    /// Ends it at once, as a power cut would end the process.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Asks it to shut down and waits until it has.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM)
            .expect("it was running");
        self.exited().await
    }

    /// Waits until it ends by itself.
    pub(crate) async fn exited(&mut self) -> ExitStatus {
        let child = &mut self.child;
        until("the server ends", || {
            let status = child.try_wait().expect("a child can be asked");
            async move { status }
        })
        .await
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("a child can be asked")
            .is_none()
    }

    /// What this and the servers before it wrote to stderr.
    pub(crate) fn stderr(&self) -> String {
        text_from(&self.stderr, 0)
    }

    async fn ready(&mut self) {
        let api = self.api.clone();
        let child = &mut self.child;
        let stderr = &self.stderr;
        until("the server is ready", || {
            if let Some(status) = child.try_wait().expect("a child can be asked") {
                panic!(
                    "huntcore serve ended with {status}: {}",
                    text_from(stderr, 0)
                );
            }
            let api = api.clone();
            async move {
                let ready = api.get("/readyz").await.ok()?;
                (ready.status == 200).then_some(())
            }
        })
        .await;
    }

    fn end(&mut self) {
        // It may have ended by itself; either way it is gone after the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        if thread::panicking() {
            let all = self.stderr();
            let lines: Vec<&str> = all.lines().collect();
            let tail = lines[lines.len().saturating_sub(40)..].join("\n");
            super::note(&format!("the server's last words were:\n{tail}"));
        }
    }
}

/// Runs `huntcore` to its end in `folder`.
pub(crate) fn run(arguments: &[&str], folder: &Path) -> Exit {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huntcore"));
    surroundings(&mut command, folder);
    let output = command
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    Exit {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The repository's root.
pub(crate) fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("crates/cli lies two folders down")
        .to_path_buf()
}

fn surroundings(command: &mut Command, folder: &Path) {
    command
        .current_dir(folder)
        .env("HUNTCORE_PLAYER_KEY", PLAYER_KEY)
        .env("HUNTCORE_SERVICE_KEY", SERVICE_KEY)
        .env("RUST_BACKTRACE", "0")
        .env("NO_COLOR", "1");
}

fn listening_url(line: &str) -> Option<String> {
    let rest = line.split_once("listening on ")?.1;
    rest.split_whitespace()
        .next()
        .map(|url| url.trim_end_matches('/').to_owned())
}

fn text_from(path: &Path, start: u64) -> String {
    let all = std::fs::read(path).unwrap_or_default();
    let start = usize::try_from(start).unwrap_or(0).min(all.len());
    String::from_utf8_lossy(&all[start..]).into_owned()
}
