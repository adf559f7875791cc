//! What a node is told before it starts.

use std::time::Duration;

use huntcore_engine::EngineLimits;
use huntcore_map::FairnessKey;
use huntcore_model::ShardMap;

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
}

impl NodeConfig {
    /// Everything at its default: one shard, ticks of 100 ms, versions every 20 ms.
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
        }
    }
}
