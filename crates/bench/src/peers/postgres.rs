//! PostgreSQL as a peer: a real server in a temporary folder, loaded by pgbench, every commit
//! synced.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tempfile::TempDir;

use super::keys_for;
use crate::load::Winners;
use crate::report::{BenchError, Row, resident_bytes};

const ONE_A_STATEMENT: &str = "postgres";
const BATCHES: &str = "postgres, batches of 1,000";
const CLIENTS: u64 = 32;
const BATCH: u64 = 1_000;
const READY_WITHIN: Duration = Duration::from_secs(30);
/// It refuses to run as root; Debian's package makes this user.
const USER: &str = "postgres";

const TABLE: &str = "CREATE TABLE claims (hunt int, round int, tile int, player text NOT NULL, \
                     claimed_at timestamptz NOT NULL DEFAULT now(), \
                     PRIMARY KEY (hunt, round, tile))";
const ONE: &str = "\\set tile random(1, :keys)\n\
                   INSERT INTO claims (hunt, round, tile, player) \
                   VALUES (1, 1, :tile, 'player-0000000000042') ON CONFLICT DO NOTHING;\n";
/// The array is made on the server: what it would take to send and parse is spared it.
const MANY: &str = "INSERT INTO claims (hunt, round, tile, player) \
                    SELECT 1, 1, tile, 'player-0000000000042' FROM unnest(ARRAY(\
                    SELECT 1 + floor(random() * :keys)::int FROM generate_series(1, 1000))) tile \
                    ORDER BY tile ON CONFLICT DO NOTHING;\n";

/// Claims a second, one row a statement and 1,000 rows a statement; `Ok(Err)` says that
/// PostgreSQL is not installed.
pub(crate) fn claims(
    winners: Winners,
    duration: Duration,
) -> Result<Result<Vec<Row>, String>, BenchError> {
    let Some(programs) = Programs::find() else {
        return Ok(Err("PostgreSQL is not installed: left out".to_owned()));
    };
    let server = Server::start(programs)?;
    server.sql(TABLE)?;
    let one = server.load(ONE_A_STATEMENT, ONE, 1, winners, duration)?;
    let many = server.load(BATCHES, MANY, BATCH, winners, duration)?;
    Ok(Ok(vec![one, many]))
}

/// Where the programs are, and how to run them without being root.
#[derive(Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
    is_root: bool,
}

impl Programs {
    /// On the path, or where Debian has them; the newest version.
    pub(crate) fn find() -> Option<Self> {
        let on_path = std::env::var_os("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&on_path);
        let versions = std::fs::read_dir("/usr/lib/postgresql");
        let mut versions: Vec<(u32, PathBuf)> = versions
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let version = entry.file_name().to_str()?.parse().ok()?;
                Some((version, entry.path().join("bin")))
            })
            .collect();
        versions.sort();
        let versions = versions.into_iter().rev().map(|(_, folder)| folder);
        let has_all = |folder: &PathBuf| {
            let programs = ["initdb", "postgres", "psql", "pgbench"];
            programs.iter().all(|name| folder.join(name).exists())
        };
        let folder = versions.chain(on_path).find(has_all)?;
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        Some(Self { folder, is_root })
    }

    fn command(&self, program: &str) -> Command {
        let path = self.folder.join(program);
        if !self.is_root {
            return Command::new(path);
        }
        // Unlike su, setpriv leaves no process between this one and the server.
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"])
            .arg(path);
        command
    }
}

/// A server that runs; ended when dropped.
pub(crate) struct Server {
    child: Child,
    programs: Programs,
    folder: TempDir,
}

impl Server {
    pub(crate) fn start(programs: Programs) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
        if programs.is_root {
            let owned = Command::new("chown").arg(USER).arg(folder.path()).status();
            if !owned.is_ok_and(|status| status.success()) {
                return Err(failed(format!("there is no user {USER} to run it as")));
            }
        }
        let data = folder.path().join("data");
        run(programs
            .command("initdb")
            .args(["--auth", "trust", "--username", USER, "--encoding", "UTF8"])
            .arg("--pgdata")
            .arg(&data)
            .current_dir(folder.path()))?;
        let mut command = programs.command("postgres");
        command.arg("-D").arg(&data).arg("-k").arg(folder.path());
        for setting in [
            "listen_addresses=",
            "fsync=on",
            "synchronous_commit=on",
            "shared_buffers=1GB",
            "max_wal_size=8GB",
            "max_connections=64",
        ] {
            command.args(["-c", setting]);
        }
        let child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(BenchError::io("start postgres"))?;
        let server = Self {
            child,
            programs,
            folder,
        };
        let started = Instant::now();
        while server.sql("SELECT 1").is_err() {
            if started.elapsed() > READY_WITHIN {
                return Err(failed(format!("did not answer within {READY_WITHIN:?}")));
            }
        }
        Ok(server)
    }

    pub(crate) fn sql(&self, statement: &str) -> Result<String, BenchError> {
        let mut command = self.client("psql");
        run(command.args(["--no-psqlrc", "--tuples-only", "--command", statement]))
    }

    /// Runs statements one after the other in one session, and says how long they took
    /// together, by the client's own clock.
    pub(crate) fn timed(&self, statements: &[&str]) -> Result<Duration, BenchError> {
        let mut command = self.client("psql");
        command.args(["--no-psqlrc", "--tuples-only", "--command", "\\timing on"]);
        for statement in statements {
            command.args(["--command", statement]);
        }
        let output = run(&mut command)?;
        let times: Vec<f64> = output
            .lines()
            .filter_map(|line| line.strip_prefix("Time: ")?.split(' ').next()?.parse().ok())
            .collect();
        if times.len() != statements.len() {
            return Err(failed(format!("psql answered {output:?}")));
        }
        Ok(Duration::from_secs_f64(times.iter().sum::<f64>() / 1_000.0))
    }

    fn client(&self, program: &str) -> Command {
        let mut command = self.programs.command(program);
        command
            .arg("--host")
            .arg(self.folder.path())
            .args(["--username", USER])
            .current_dir(self.folder.path())
            .env("PGDATABASE", "postgres");
        command
    }

    /// A short run finds out how many statements fill the time, so that keys can be drawn
    /// from as many as give the share of winners.
    fn load(
        &self,
        system: &'static str,
        script: &str,
        rows: u64,
        winners: Winners,
        duration: Duration,
    ) -> Result<Row, BenchError> {
        self.sql("TRUNCATE claims")?;
        let probe = self.pgbench(script, 1_000_000, &["-T", "1"])?;
        self.sql("TRUNCATE claims; CHECKPOINT")?;
        let statements = (probe.per_second() * duration.as_secs_f64()).max(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive count"
        )]
        let each = (statements as u64 / CLIENTS).max(1);
        let attempts = each * CLIENTS * rows;
        let keys = keys_for(attempts, winners.share());
        let done = self.pgbench(script, keys, &["-t", &each.to_string()])?;
        let claims = self.sql("SELECT count(*) FROM claims")?;
        let claims: f64 = claims
            .trim()
            .parse()
            .map_err(|_| failed(format!("counts {claims:?} claims")))?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let share = claims / attempts as f64;
        if (share - winners.share()).abs() > 0.02 {
            let wanted = winners.share();
            return Err(failed(format!(
                "{share:.3} of the attempts won, not {wanted:.3}"
            )));
        }
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let value = done.per_second() * rows as f64;
        let mut row = Row::new("", value, "attempts/s").by(system);
        row.p50_ms = Some(done.quantile_ms(0.5));
        row.p99_ms = Some(done.quantile_ms(0.99));
        // Its processes share most of what each is said to hold, so no sum is given.
        Ok(row.holding(resident_bytes(&self.child.id().to_string())))
    }

    fn pgbench(&self, script: &str, keys: u64, until: &[&str]) -> Result<Done, BenchError> {
        let logs = self.folder.path().join("logs");
        drop(std::fs::remove_dir_all(&logs));
        std::fs::create_dir(&logs).map_err(BenchError::io("make a folder"))?;
        let file = self.folder.path().join("script.sql");
        std::fs::write(&file, script).map_err(BenchError::io("write a script"))?;
        if self.programs.is_root {
            run(Command::new("chown").arg(USER).arg(&logs).arg(&file))?;
        }
        let clients = CLIENTS.to_string();
        let output = run(self
            .client("pgbench")
            .args(["--no-vacuum", "-M", "prepared", "-j", "2", "-c", &clients])
            .args(["-D", &format!("keys={keys}")])
            .args(until)
            .args(["--log", "--log-prefix"])
            .arg(logs.join("pgbench"))
            .arg("--file")
            .arg(&file))?;
        Done::read(&output, &logs)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to keep. SIGINT lets it end its own children; it is gone after the
        // wait either way.
        let pid = rustix::process::Pid::from_child(&self.child);
        if rustix::process::kill_process(pid, rustix::process::Signal::INT).is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// What a run of pgbench came to.
struct Done {
    tps: f64,
    latency: Histogram<u64>,
}

impl Done {
    /// Its output has the rate, its logs a line with the time of each statement.
    fn read(output: &str, logs: &Path) -> Result<Self, BenchError> {
        let tps = output
            .lines()
            .find_map(|line| line.strip_prefix("tps = "))
            .and_then(|rest| rest.split(' ').next()?.parse().ok())
            .ok_or_else(|| failed(format!("pgbench answered {output:?}")))?;
        let mut latency = Histogram::new_with_max(120_000_000, 3).expect("a valid range");
        for entry in std::fs::read_dir(logs)
            .map_err(BenchError::io("read a log"))?
            .flatten()
        {
            let text = std::fs::read_to_string(entry.path());
            for line in text.map_err(BenchError::io("read a log"))?.lines() {
                let micros = line.split(' ').nth(2).and_then(|field| field.parse().ok());
                latency.saturating_record(micros.unwrap_or(0).max(1));
            }
        }
        Ok(Self { tps, latency })
    }

    const fn per_second(&self) -> f64 {
        self.tps
    }

    fn quantile_ms(&self, quantile: f64) -> f64 {
        Duration::from_micros(self.latency.value_at_quantile(quantile)).as_secs_f64() * 1_000.0
    }
}

fn failed(reason: String) -> BenchError {
    BenchError::Peer {
        peer: ONE_A_STATEMENT,
        reason,
    }
}

fn run(command: &mut Command) -> Result<String, BenchError> {
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let program = command.get_program().to_string_lossy().into_owned();
            return Err(failed(format!("{program} is not installed")));
        }
        Err(error) => return Err(BenchError::io("run a tool of postgres")(error)),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(failed(stderr.trim().to_owned()))
}
