//! Sinks: what they are started with, what the log keeps for them, and what is told of them.
//!
//! A sink has a thread of its own and nobody waits for it. Whatever becomes of it, the node goes
//! on: it is shown in metrics, in stats and by `/readyz`, and the log is kept for it for a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use huntcore_board::Numbered;
use huntcore_capacity::{Component, Part};
use huntcore_log::{Log, LogUsage, StreamUsage};
use huntcore_model::{HuntNumber, PlayerNumber, Sequence, ShardId, TimeMicros};
use huntcore_projection::{Snapshots, Views};
use huntcore_sink_postgres::{
    Known, KnownHunt, NumberedPlayers, Sink, SinkConfig, SinkShown, SinkState, SinkStatus, TABLES,
};
use huntcore_wire::{ComponentStats, ProjectionStats};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::config::NodeConfig;
use crate::metrics::Page;
use crate::node::Node;
use crate::recent::RecentBatches;
use crate::recovery::StartError;

/// A node's sinks, running.
pub(crate) struct Sinks {
    all: Vec<Running>,
    stop: watch::Sender<bool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Running {
    name: String,
    status: Arc<SinkStatus>,
}

impl Sinks {
    /// Up to where the last of them has taken a stream; `None`: there are no sinks.
    pub(crate) fn taken(&self, shard: ShardId) -> Option<Sequence> {
        let taken = self.all.iter().map(|sink| sink.status.taken(shard));
        taken.min()
    }

    /// Starts those that are configured.
    pub(crate) fn start(
        config: &NodeConfig,
        recent: &Arc<RecentBatches>,
        views: &Arc<Views>,
        snapshots: &Snapshots,
    ) -> Result<Self, StartError> {
        let (stop, stopped) = watch::channel(false);
        let mut sinks = Self {
            all: Vec::new(),
            stop,
            threads: Mutex::default(),
        };
        for config_of_sink in &config.sinks {
            let status = Arc::new(SinkStatus::default());
            let known = KnownToBoards {
                views: views.clone(),
                snapshots: snapshots.clone(),
            };
            let sink = Sink {
                config: config_of_sink.clone(),
                shards: config.shards,
                batches: recent.clone(),
                grown: recent.grown(),
                known: Some(Arc::new(known)),
                status: status.clone(),
                stop: stopped.clone(),
            };
            let name = sink.config.name.to_string();
            let thread = start_thread(sink, status.clone())?;
            sinks.threads.lock().push(thread);
            sinks.all.push(Running { name, status });
        }
        Ok(sinks)
    }

    /// What the log is kept for.
    pub(crate) fn holds(&self, config: &NodeConfig) -> Holds {
        let sinks = self.all.iter().zip(&config.sinks);
        let hold = |(running, config): (&Running, &SinkConfig)| Hold {
            name: running.name.clone(),
            status: running.status.clone(),
            beyond: config.hold,
        };
        Holds {
            sinks: sinks.map(hold).collect(),
            free_bytes_min: config.free_bytes_min,
            log_bytes_max: config.log_bytes_max,
        }
    }

    /// Ends them; each first writes what is committed, if it soon can.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
        for thread in std::mem::take(&mut *self.threads.lock()) {
            // A panic has been told by the thread itself.
            drop(thread.join());
        }
    }

    /// What `/readyz` says besides that the process is ready.
    pub(crate) fn notes(&self, node: &Node) -> Vec<String> {
        let note = |(name, shown): (&str, SinkShown)| {
            let behind = shown.lag_records;
            let reason = shown.reason?;
            let state = shown.state.name();
            Some(format!(
                "sink {name} is {state}, {behind} records behind: {reason}"
            ))
        };
        self.shown(node).filter_map(note).collect()
    }

    /// How far each is behind, for `/v1/stats`.
    pub(crate) fn projections(&self, node: &Node) -> Vec<ProjectionStats> {
        let stats = |(name, shown): (&str, SinkShown)| ProjectionStats {
            name: format!("sink:{name}"),
            lag_ms: lag(node, &shown).as_secs_f64() * 1_000.0,
            lag_records: shown.lag_records,
        };
        self.shown(node).map(stats).collect()
    }

    /// What they cost and do, all together; nothing if there are none.
    pub(crate) fn component(&self, node: &Node) -> Option<ComponentStats> {
        let count = u32::try_from(self.all.len())
            .ok()
            .filter(|&count| count > 0)?;
        let mut all = ComponentStats {
            component: Component::Sinks.name().to_owned(),
            part: Part::Sinking.name().to_owned(),
            count,
            ..ComponentStats::default()
        };
        for (_, shown) in self.shown(node) {
            all.messages_total += shown.rows.iter().sum::<u64>();
            all.lag_messages = all.lag_messages.max(shown.lag_records);
            all.lag_s = all.lag_s.max(lag(node, &shown).as_secs_f64());
        }
        Some(all)
    }

    /// Appends their metrics.
    pub(crate) fn render(&self, node: &Node, page: &mut Page<'_>) {
        if self.all.is_empty() {
            return;
        }
        let all: Vec<_> = self.shown(node).collect();
        let mut each = |name: &str, kind: &str, help: &str, value: &dyn Fn(&SinkShown) -> f64| {
            page.head(name, kind, help);
            for (sink, shown) in &all {
                page.line(name, &format!("{{sink=\"{sink}\"}}"), value(shown));
            }
        };
        each(
            "huntcore_sink_lag_records",
            "gauge",
            "Records committed to the log and not to the sink's tables.",
            &|shown| float(shown.lag_records),
        );
        each(
            "huntcore_sink_lag_seconds",
            "gauge",
            "From the last record in the tables to now, while more has been committed.",
            &|shown| lag(node, shown).as_secs_f64(),
        );
        each(
            "huntcore_sink_transactions_total",
            "counter",
            "Transactions that the sink committed.",
            &|shown| float(shown.transactions),
        );
        each(
            "huntcore_sink_refreshes_total",
            "counter",
            "Of them those that changed a board, and so told listeners.",
            &|shown| float(shown.refreshes),
        );
        each(
            "huntcore_sink_failures_total",
            "counter",
            "Connections and transactions that failed and were tried again.",
            &|shown| float(shown.failures),
        );
        let name = "huntcore_sink_rows_total";
        page.head(name, "counter", "Rows written, by table.");
        for (sink, shown) in &all {
            for (table, rows) in TABLES.iter().zip(shown.rows) {
                page.line(
                    name,
                    &format!("{{sink=\"{sink}\",table=\"{table}\"}}"),
                    rows,
                );
            }
        }
        let name = "huntcore_sink_state";
        page.head(
            name,
            "gauge",
            "1 for what the sink does now, 0 for all else.",
        );
        for (sink, shown) in &all {
            for state in SinkState::ALL {
                let labels = format!("{{sink=\"{sink}\",state=\"{}\"}}", state.name());
                page.line(name, &labels, u8::from(shown.state == state));
            }
        }
    }

    fn shown<'s>(&'s self, node: &Node) -> impl Iterator<Item = (&'s str, SinkShown)> {
        let streams: Vec<ShardId> = node.config.shards.streams().collect();
        let (recent, now) = (node.recent.clone(), node.clock.now());
        self.all.iter().map(move |sink| {
            let shown = sink.status.show(recent.as_ref(), &streams, now);
            (sink.name.as_str(), shown)
        })
    }
}

/// Until the tables were asked how far they are, they are as far behind as the process is old.
fn lag(node: &Node, shown: &SinkShown) -> Duration {
    let known = shown.lag_micros.map(Duration::from_micros);
    known.unwrap_or_else(|| node.gauge.started.elapsed())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus' numbers are floats; counts stay far below 2^53"
)]
fn float(count: u64) -> f64 {
    count as f64
}

fn start_thread(sink: Sink, status: Arc<SinkStatus>) -> Result<JoinHandle<()>, StartError> {
    let name = sink.config.name.to_string();
    let thread = std::thread::Builder::new().name(format!("sink-{name}"));
    let body = move || {
        let ended = match catch_unwind(AssertUnwindSafe(|| sink.run())) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                "it panicked: this is a bug; a restart of huntcore starts it again".to_owned()
            }
        };
        tracing::error!(sink = name, "sink ended: {ended}");
        status.ended(ended);
    };
    thread.spawn(body).map_err(|error| StartError::System {
        what: "thread",
        reason: error.to_string(),
    })
}

/// Who the boards know: for tables that begin with a log whose beginning was trimmed.
struct KnownToBoards {
    views: Arc<Views>,
    snapshots: Snapshots,
}

impl Known for KnownToBoards {
    fn hunts(&self) -> Vec<KnownHunt> {
        let view = self.views.newest();
        let boards_next = view.position.next(ShardId::CONTROL);
        let hunts = view.catalog.hunts().map(|hunt| {
            let boards = hunt.boards.iter();
            KnownHunt {
                number: hunt.number,
                id: hunt.id.to_string(),
                boards: boards.map(|board| board.definition.clone()).collect(),
                boards_next,
            }
        });
        hunts.collect()
    }

    fn players(&self, shard: ShardId) -> NumberedPlayers<'_> {
        let snapshot = self.snapshots.ask().and_then(|asked| asked.recv().ok());
        // Without projections the node is ending, and what is written now is not committed.
        let Some(roster) = snapshot.map(|snapshot| snapshot.boards().roster()) else {
            return Box::new(std::iter::empty());
        };
        Box::new((0..).map(PlayerNumber::new).map_while(move |number| {
            match roster.get(shard, number) {
                Numbered::Player(id) => Some((number, Some(id.to_string()))),
                Numbered::Erased => Some((number, None)),
                Numbered::Unknown => None,
            }
        }))
    }

    fn disqualified(&self) -> Vec<(HuntNumber, String)> {
        let snapshot = self.snapshots.ask().and_then(|asked| asked.recv().ok());
        // As for players.
        let Some(snapshot) = snapshot else {
            return Vec::new();
        };
        let aside = snapshot.boards().disqualified();
        aside
            .map(|(hunt, player)| (hunt, player.to_string()))
            .collect()
    }
}

/// What the log is kept for, beyond its own retention.
#[derive(Default)]
pub(crate) struct Holds {
    sinks: Vec<Hold>,
    free_bytes_min: u64,
    log_bytes_max: Option<u64>,
}

struct Hold {
    name: String,
    status: Arc<SinkStatus>,
    beyond: Duration,
}

impl Holds {
    /// How far a stream may be cut that may be cut up to `before` but for the sinks: not beyond
    /// what a sink has, unless that is older than it may hold, or there is little space left. A
    /// sink that is away never costs the hunt its log.
    pub(crate) fn limit(
        &self,
        log: &dyn Log,
        usage: &LogUsage,
        stream: &StreamUsage,
        before: Sequence,
        keep_from: TimeMicros,
    ) -> Sequence {
        let mut limited = before;
        for sink in &self.sinks {
            let taken = sink.status.taken(stream.shard);
            if taken >= before {
                continue;
            }
            let beyond_ms = u64::try_from(sink.beyond.as_millis()).unwrap_or(u64::MAX);
            let held_from = match self.is_short_of_space(usage) {
                true => Ok(before),
                false => log.oldest_since(stream.shard, keep_from.minus_millis(beyond_ms)),
            };
            match held_from {
                Ok(held_from) => limited = limited.min(taken.max(held_from)),
                // Nothing is cut for now.
                Err(_) => limited = limited.min(taken),
            }
            if limited > taken {
                tracing::warn!(
                    sink = sink.name,
                    stream = %huntcore_log::stream_name(stream.shard),
                    from = taken.get(),
                    until = limited.get(),
                    "the log is not kept any longer for a sink that is far behind: its tables \
                     will have a gap"
                );
            }
        }
        limited
    }

    fn is_short_of_space(&self, usage: &LogUsage) -> bool {
        let is_low = |free: u64| free < self.free_bytes_min.saturating_mul(2);
        let is_near = |max: u64| usage.bytes >= max / 10 * 9;
        usage.free_bytes.is_some_and(is_low) || self.log_bytes_max.is_some_and(is_near)
    }
}
