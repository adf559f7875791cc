//! What readers get, and how it reaches them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use huntcore_board::BoardsVersion;
use huntcore_broadcast::FeedVersion;
use huntcore_model::{Catalog, HuntNumber, Position, TimeMicros};
use tokio::sync::watch;

use crate::work::ProjectionWork;

/// All that can be read, as of one moment; never changes.
#[derive(Clone, Debug)]
pub struct View {
    /// Which hunts there are.
    pub catalog: Arc<Catalog>,
    /// Their boards.
    pub boards: Arc<BoardsVersion>,
    /// What is sent to each hunt's live sockets.
    pub feeds: HashMap<HuntNumber, Arc<FeedVersion>>,
    /// How far the log is counted in.
    pub position: Position,
    /// Every shard has passed this time.
    pub time: TimeMicros,
}

/// The newest view, for any number of readers.
#[derive(Debug)]
pub struct Views {
    newest: ArcSwap<View>,
    count: watch::Sender<u64>,
    asked: AtomicBool,
    lag_micros: AtomicU64,
    /// Up to where sockets were told, by the last tick.
    told: ArcSwap<Position>,
    told_lag_micros: AtomicU64,
    /// What the projections' thread has done since it runs.
    pub work: ProjectionWork,
}

impl Views {
    pub(crate) fn new(view: View) -> Self {
        Self {
            told: ArcSwap::from_pointee(view.position.clone()),
            told_lag_micros: AtomicU64::new(0),
            newest: ArcSwap::from_pointee(view),
            count: watch::Sender::new(0),
            asked: AtomicBool::new(false),
            lag_micros: AtomicU64::new(0),
            work: ProjectionWork::default(),
        }
    }

    /// The newest view. Cheap; never waits.
    #[must_use]
    pub fn newest(&self) -> Arc<View> {
        self.newest.load_full()
    }

    /// Changes with every new view; the value is a count of them and means nothing else.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }

    /// Asks for a version without waiting for the next interval; ring the bell after it.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Release);
    }

    pub(crate) fn take_asked(&self) -> bool {
        self.asked.swap(false, Ordering::AcqRel)
    }

    /// From the time of the oldest batch that the newest version was the first to show, to
    /// that version's publication.
    #[must_use]
    pub fn lag(&self) -> Duration {
        Duration::from_micros(self.lag_micros.load(Ordering::Relaxed))
    }

    /// How far the log is in the frames that sockets are sent.
    #[must_use]
    pub fn told(&self) -> Arc<Position> {
        self.told.load_full()
    }

    /// From the time of the oldest batch in the last tick's frames to their being ready.
    #[must_use]
    pub fn told_lag(&self) -> Duration {
        Duration::from_micros(self.told_lag_micros.load(Ordering::Relaxed))
    }

    pub(crate) fn tell(&self, position: Position, lag_micros: u64) {
        self.told.store(Arc::new(position));
        self.told_lag_micros.store(lag_micros, Ordering::Relaxed);
    }

    pub(crate) fn publish(&self, view: View, lag_micros: u64) {
        self.newest.store(Arc::new(view));
        self.lag_micros.store(lag_micros, Ordering::Relaxed);
        self.count.send_modify(|count| *count += 1);
    }
}
