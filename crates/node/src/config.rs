//! What a node is told before it starts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use huntcore_disk::{Disk, RealDisk};
use huntcore_engine::EngineLimits;
use huntcore_map::FairnessKey;
use huntcore_model::ShardMap;
use huntcore_sink_postgres::SinkConfig;

/// All settings of a node.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// How many shards decide; fixed when the log is first used.
    pub shards: ShardMap,
    /// What seeds are derived from; the same for as long as the log lives.
    pub fairness_key: FairnessKey,
    /// What each arbiter keeps.
    pub limits: EngineLimits,
    /// From one delta to the next.
    pub tick: Duration,
    /// A live board is pushed at most this often.
    pub board_interval: Duration,
    /// While something changes, a new version is published this often.
    pub publish_interval: Duration,
    /// New work is refused while the log's file system has less space than this.
    pub free_bytes_min: u64,
    /// Where checkpoints are kept. Without a place for them a start folds the whole log, and
    /// nothing of it is ever trimmed.
    pub checkpoints: Option<CheckpointHome>,
    /// Where score events are kept that have left memory, so that repetitions are told for the
    /// whole horizon. Without a place for them all stay in memory, up to their limit.
    pub event_keys: Option<EventKeysHome>,
    /// While the log grows, a checkpoint is taken at least this often,
    pub checkpoint_every: Duration,
    /// and whenever the log has grown by so many bytes since the last.
    pub checkpoint_log_bytes: u64,
    /// So much of the log is kept at least. Older records go when two good checkpoints stand
    /// behind them.
    pub retention: Duration,
    /// New work is refused while the log takes this much space or more; nothing within the
    /// retention is dropped for it.
    pub log_bytes_max: Option<u64>,
    /// Where what is committed is written to besides.
    pub sinks: Vec<SinkConfig>,
}

/// A place for the events that have left memory.
#[derive(Clone)]
pub struct EventKeysHome {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
}

impl EventKeysHome {
    /// The folder `event-keys` in the log's directory.
    #[must_use]
    pub fn beside_log(directory: &Path) -> Self {
        Self::on(Arc::new(RealDisk), directory.join("event-keys"))
    }

    /// A directory on a file system of one's own.
    #[must_use]
    pub fn on(disk: Arc<dyn Disk>, directory: PathBuf) -> Self {
        Self { disk, directory }
    }
}

impl fmt::Debug for EventKeysHome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("EventKeysHome")
            .field(&self.directory)
            .finish()
    }
}

/// A place for checkpoints.
#[derive(Clone)]
pub struct CheckpointHome {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
}

impl CheckpointHome {
    /// The folder `checkpoints` in the log's directory.
    #[must_use]
    pub fn beside_log(directory: &Path) -> Self {
        Self::on(Arc::new(RealDisk), directory.join("checkpoints"))
    }

    /// A directory on a file system of one's own.
    #[must_use]
    pub fn on(disk: Arc<dyn Disk>, directory: PathBuf) -> Self {
        Self { disk, directory }
    }
}

impl fmt::Debug for CheckpointHome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("CheckpointHome")
            .field(&self.directory)
            .finish()
    }
}

impl NodeConfig {
    /// Everything at its default: one shard, ticks of 100 ms, versions every 20 ms; 30 days of
    /// log and no cap; no place for checkpoints.
    #[must_use]
    pub fn new(fairness_key: FairnessKey) -> Self {
        Self {
            shards: ShardMap::new(1).expect("one shard is allowed"),
            fairness_key,
            limits: EngineLimits::default(),
            tick: Duration::from_millis(100),
            board_interval: Duration::from_millis(100),
            publish_interval: Duration::from_millis(20),
            free_bytes_min: 256 << 20,
            checkpoints: None,
            event_keys: None,
            checkpoint_every: Duration::from_mins(1),
            checkpoint_log_bytes: 256 << 20,
            retention: Duration::from_hours(30 * 24),
            log_bytes_max: None,
            sinks: Vec::new(),
        }
    }
}
