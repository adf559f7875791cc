//! A server with a hunt, a crowd that watches it, and somebody who claims tiles.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::fanout::{Crowd, CrowdOptions, Dialect, Figures, Teller, private_bytes};
use crate::load::{WATCHED_TILES, process_cpu, rate, threads_cpu, watched_hunt};
use crate::report::{BenchError, Row};
use crate::server::Server;

/// For connections to be open.
pub(super) const OPEN_WITHIN: Duration = Duration::from_secs(60);
/// For the last of what was told to arrive.
pub(super) const HEARD_WITHIN: Duration = Duration::from_secs(20);
/// Threads whose work is the sockets'.
const REACTORS: &str = "live-";
const MICROS_MAX: u64 = 120_000_000;

/// How a stage is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct StageOptions<'a> {
    /// How often the server tells what has changed.
    pub(super) tick: Duration,
    /// How often there is a change.
    pub(super) pace: Duration,
    /// More lines of the configuration's `[limits]`.
    pub(super) limits: &'a str,
}

/// See the module.
pub(super) struct Stage {
    pub(super) server: Server,
    pub(super) teller: Teller,
    pub(super) pace: Duration,
    pub(super) runtime: tokio::runtime::Runtime,
    /// Of a delta with nothing in it, and of each claim more; once messages were aimed at.
    pub(super) delta_bytes: (f64, f64),
    /// What the server alone held before anybody came.
    bare_bytes: u64,
}

/// What came of a time of telling.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    pub(super) figures: Figures,
    /// CPU time of the whole server, and of the threads that serve sockets.
    pub(super) cpu: Duration,
    pub(super) reactors_cpu: Duration,
    /// Of the listeners.
    pub(super) crowd_cpu: Duration,
}

impl Stage {
    /// Starts a server and opens a hunt with a round of an hour.
    pub(super) fn open(program: &Path, options: StageOptions<'_>) -> Result<Self, BenchError> {
        let sections = format!(
            "[limits]\nsockets_max = 19500\nconnections_max = 19700\n{}\n[live]\ntick = \"{}ms\"\n\
             board_interval = \"60s\"\n",
            options.limits,
            options.tick.as_millis()
        );
        let server = Server::start_with(program, 1, &sections)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(BenchError::io("start a runtime"))?;
        let hunt = watched_hunt("1h", WATCHED_TILES)?;
        let place = runtime.block_on(server.open_hunt(&hunt))?;
        let teller = Teller::new(server.patient_client()?, place, WATCHED_TILES);
        let bare_bytes = private_bytes(server.pid()).unwrap_or_default();
        Ok(Self {
            server,
            teller,
            pace: options.pace,
            runtime,
            delta_bytes: (0.0, 0.0),
            bare_bytes,
        })
    }

    /// Lets so many listeners in.
    pub(super) fn crowd(
        &self,
        program: &Path,
        sockets: u32,
        first_source: u8,
        receive_bytes: Option<usize>,
    ) -> Result<Crowd, BenchError> {
        let options = CrowdOptions {
            dialect: Dialect::Huntcore {
                hunt: "watched".to_owned(),
            },
            first_source,
            receive_bytes,
        };
        let address: SocketAddr = self.server.address()?;
        let mut crowd = Crowd::start(program, &[address], &options)?;
        crowd.connect(sockets, OPEN_WITHIN)?.expect(sockets)?;
        Ok(crowd)
    }

    /// What the server's own memory has grown by since nobody was there.
    pub(super) fn grown_bytes(&self) -> u64 {
        let now = private_bytes(self.server.pid()).unwrap_or_default();
        now.saturating_sub(self.bare_bytes)
    }

    /// Makes messages about so long.
    pub(super) fn aim_at(&mut self, crowd: &mut Crowd, bytes: usize) -> Result<(), BenchError> {
        let mut lengths = [0; 2];
        for (claims, length) in (1..).zip(&mut lengths) {
            crowd.begin()?;
            let stamp = self.runtime.block_on(self.teller.tell_of(claims))?;
            let heard = crowd.hear_texts(stamp, HEARD_WITHIN)?;
            *length = heard.texts.last().map_or(0, String::len);
        }
        let [of_one, of_two] = lengths;
        let each = of_two.saturating_sub(of_one);
        self.delta_bytes = (
            float(of_one.saturating_sub(each) as u64),
            float(each as u64),
        );
        self.teller.aim_at(bytes, of_one, of_two);
        Ok(())
    }

    /// Claims tiles at the stage's pace for so long; what the crowd heard of it, and at what cost.
    pub(super) fn measure(
        &mut self,
        case: &str,
        crowd: &mut Crowd,
        duration: Duration,
    ) -> Result<Measured, BenchError> {
        crowd.begin()?;
        let won = self.teller.won;
        let pid = self.server.pid();
        let (reactors, all) = threads_cpu(pid, REACTORS);
        let crowd_cpu = cpu_of(&crowd.pids());
        let told = self.teller.tell_for(self.pace, duration);
        let stamp = self.runtime.block_on(told)?;
        let figures = crowd.hear_texts(stamp, HEARD_WITHIN)?;
        let (reactors_after, all_after) = threads_cpu(pid, REACTORS);
        check(case, &figures, Some(self.teller.won - won))?;
        Ok(Measured {
            figures,
            cpu: all_after.saturating_sub(all),
            reactors_cpu: reactors_after.saturating_sub(reactors),
            crowd_cpu: cpu_of(&crowd.pids()).saturating_sub(crowd_cpu),
        })
    }
}

impl Measured {
    /// Adds another time of telling.
    pub(super) fn add(&mut self, other: Self) {
        self.figures.add(other.figures);
        self.cpu += other.cpu;
        self.reactors_cpu += other.reactors_cpu;
        self.crowd_cpu += other.crowd_cpu;
    }

    /// Messages for each CPU second of the server.
    pub(super) fn per_cpu_second(&self) -> f64 {
        rate(self.figures.messages, self.cpu)
    }

    /// What the listeners took of the CPU time of both.
    pub(super) fn crowd_percent(&self) -> f64 {
        let all = self.crowd_cpu + self.cpu;
        100.0 * self.crowd_cpu.as_secs_f64() / all.as_secs_f64().max(f64::EPSILON)
    }
}

/// CPU time of processes.
pub(super) fn cpu_of(pids: &[u32]) -> Duration {
    pids.iter().copied().map(process_cpu).sum()
}

/// Puts the latencies of deliveries into a row.
pub(super) fn with_latency(mut row: Row, micros: impl IntoIterator<Item = (u64, u64)>) -> Row {
    let mut histogram = Histogram::<u64>::new_with_max(MICROS_MAX, 3).expect("a valid range");
    for (micros, count) in micros {
        histogram.saturating_record_n(micros.max(1), count);
    }
    if histogram.is_empty() {
        return row;
    }
    let quantile = |quantile| {
        Duration::from_micros(histogram.value_at_quantile(quantile)).as_secs_f64() * 1_000.0
    };
    row.p50_ms = Some(quantile(0.5));
    row.p99_ms = Some(quantile(0.99));
    row.max_ms = Some(quantile(1.0));
    row
}

/// A number of figures' for a row.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

/// An error unless everybody heard everything, or was told; `claims` were made meanwhile.
pub(super) fn check(case: &str, figures: &Figures, claims: Option<u64>) -> Result<(), BenchError> {
    let broken = |reason: String| {
        Err(BenchError::Promise {
            case: case.to_owned(),
            reason,
        })
    };
    if let Some(fault) = figures.faults.first() {
        return broken(fault.clone());
    }
    if figures.late > 0 {
        let late = figures.late;
        return broken(format!(
            "{late} listeners had not heard the last tick within {HEARD_WITHIN:?}"
        ));
    }
    if let Some((reason, count)) = figures.ended.iter().next() {
        return broken(format!("{count} connections ended unasked: {reason}"));
    }
    let told = (figures.claims_least, figures.claims_most);
    match (claims, told) {
        (Some(claims), (Some(least), Some(most)))
            if figures.snapshots == 0 && (least != claims || most != claims) =>
        {
            broken(format!(
                "{claims} claims were won, and connections were told of {least} to {most}"
            ))
        }
        _ => Ok(()),
    }
}
