//! How a sink fares, for whoever asks: metrics, stats, the log's retention.

use std::sync::atomic::{AtomicU64, Ordering};

use huntcore_model::{Sequence, ShardId, TimeMicros};
use huntcore_projection::Batches;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::stand::{Stand, Standing};

/// The tables that rows are counted of.
pub const TABLES: [&str; 6] = [
    "players",
    "events",
    "claims",
    "leaderboard_1s",
    "board_results",
    "corrections",
];

/// A table's place in [`TABLES`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Table {
    Players,
    Events,
    Claims,
    Leaderboard,
    BoardResults,
    Corrections,
}

/// What a sink does now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SinkState {
    /// It reaches for the server, and looks at the tables.
    #[default]
    Connecting,
    /// It writes what comes.
    Running,
    /// The server is away or takes no writes; it is tried again.
    Waiting,
    /// Somebody has to do something; it looks now and then whether that is done.
    Stopped,
}

impl SinkState {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Connecting,
        Self::Running,
        Self::Waiting,
        Self::Stopped,
    ];

    /// As in labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
        }
    }
}

/// What a sink says of itself; it never waits for whoever reads it.
#[derive(Debug, Default)]
pub struct SinkStatus {
    now: Mutex<Now>,
    rows: [AtomicU64; TABLES.len()],
    transactions: AtomicU64,
    refreshes: AtomicU64,
    failures: AtomicU64,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Now {
    state: SinkState,
    reason: Option<String>,
    /// What is committed; unknown until the tables were asked.
    streams: Option<Vec<Standing>>,
}

/// A sink's figures at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkShown {
    /// What it does.
    pub state: SinkState,
    /// Why it does not run.
    pub reason: Option<String>,
    /// Records committed to the log and not to the tables. While the tables could not be asked
    /// yet, all that the log has had.
    pub lag_records: u64,
    /// From the time of what comes next to now; 0 if nothing does. While the tables could not be
    /// asked yet, unknown.
    pub lag_micros: Option<u64>,
    /// Rows written by this process, in the order of [`TABLES`].
    pub rows: [u64; TABLES.len()],
    /// Transactions committed.
    pub transactions: u64,
    /// Of them those that changed what boards show, and so told listeners.
    pub refreshes: u64,
    /// Connections and transactions that failed.
    pub failures: u64,
}

impl SinkStatus {
    /// The figures.
    #[must_use]
    pub fn show(&self, batches: &dyn Batches, streams: &[ShardId], time: TimeMicros) -> SinkShown {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let now = self.now.lock();
        let mut lag_records = 0;
        let mut lag_micros = now.streams.is_some().then_some(0);
        for shard in streams {
            let stands = now.streams.iter().flatten();
            let stands = stands.into_iter().find(|stands| stands.shard == *shard);
            let taken = stands.map_or(Sequence::ZERO, |stands| stands.tail.sequence);
            let behind = batches.next(*shard).get().saturating_sub(taken.get());
            lag_records += behind;
            if behind > 0
                && let Some(stands) = stands
            {
                let since = time.micros_since(stands.tail.time);
                // Nothing was taken yet of a stream whose time is 0.
                let since = if stands.tail.time == TimeMicros::ZERO {
                    0
                } else {
                    since
                };
                lag_micros = lag_micros.map(|most: u64| most.max(since));
            }
        }
        SinkShown {
            state: now.state,
            reason: now.reason.clone(),
            lag_records,
            lag_micros,
            rows: std::array::from_fn(|table| load(&self.rows[table])),
            transactions: load(&self.transactions),
            refreshes: load(&self.refreshes),
            failures: load(&self.failures),
        }
    }

    /// Up to where the tables have a stream: before that nothing of the log is needed. All of it
    /// is while the tables could not be asked yet.
    #[must_use]
    pub fn taken(&self, shard: ShardId) -> Sequence {
        let now = self.now.lock();
        let stands = now.streams.iter().flatten();
        let found = stands.into_iter().find(|stands| stands.shard == shard);
        found.map_or(Sequence::ZERO, |stands| stands.tail.sequence)
    }

    /// Changes whenever the figures do, but for the lag.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Takes note that the sink's thread has ended by itself, and why.
    pub fn ended(&self, reason: String) {
        self.set(SinkState::Stopped, Some(reason));
    }

    pub(crate) fn state(&self) -> SinkState {
        self.now.lock().state
    }

    pub(crate) fn set(&self, state: SinkState, reason: Option<String>) {
        let mut now = self.now.lock();
        now.state = state;
        now.reason = reason;
        drop(now);
        self.changed.send_replace(());
    }

    pub(crate) fn stands(&self, stand: &Stand) {
        self.now.lock().streams = Some(stand.streams.clone());
        self.changed.send_replace(());
    }

    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn committed(&self, stand: &Stand, rows: [u64; TABLES.len()], refreshed: bool) {
        for (counter, rows) in self.rows.iter().zip(rows) {
            counter.fetch_add(rows, Ordering::Relaxed);
        }
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.refreshes
            .fetch_add(u64::from(refreshed), Ordering::Relaxed);
        self.stands(stand);
    }
}
