//! huntcore in this process: a whole node on a real log, without an edge.

use std::sync::Arc;

use huntcore_edge::{Backend, HuntCommand};
use huntcore_log_file::{FileLog, FileLogOptions};
use huntcore_map::FairnessKey;
use huntcore_model::{HuntNumber, RoundNumber, ShardMap};
use huntcore_node::{Node, NodeConfig, SystemClock};
use tempfile::TempDir;

use crate::load::{HUNT_TILES, hunt_request};
use crate::report::BenchError;

/// A node with its hunts open; its log goes when it is dropped.
pub(crate) struct World {
    pub(crate) node: Arc<Node>,
    pub(crate) places: Vec<(HuntNumber, RoundNumber)>,
    _folder: TempDir,
}

impl World {
    /// Starts a node and opens so many hunts of [`HUNT_TILES`] tiles.
    pub(crate) fn open(hunts: u32, shards: u16) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
        let log = FileLog::open(folder.path(), FileLogOptions::default())
            .map_err(BenchError::huntcore)?;
        let mut config = NodeConfig::new(FairnessKey::new([7; 32]));
        config.shards = ShardMap::new(shards).map_err(BenchError::huntcore)?;
        let clock = Arc::new(SystemClock::default());
        let node = Node::start(config, Arc::new(log), clock).map_err(BenchError::huntcore)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(BenchError::io("start a runtime"))?;
        let places = runtime.block_on(open_rounds(&node, hunts))?;
        Ok(Self {
            node,
            places,
            _folder: folder,
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.node.stop();
    }
}

async fn open_rounds(
    node: &Node,
    hunts: u32,
) -> Result<Vec<(HuntNumber, RoundNumber)>, BenchError> {
    let mut open = Vec::new();
    for index in 0..hunts {
        let request = Box::new(hunt_request(index, HUNT_TILES)?);
        let created = node.command(HuntCommand::Create(request)).await;
        open.push(created.map_err(BenchError::huntcore)?.hunt);
    }
    let mut places = Vec::new();
    let mut views = node.views();
    for hunt in open {
        let round = loop {
            views.borrow_and_update();
            let view = node.view();
            if let Some(entry) = view.catalog.by_number(hunt)
                && let Some(round) = entry.newest_open_round(view.time)
            {
                break round.opened.round;
            }
            views.changed().await.map_err(BenchError::huntcore)?;
        };
        places.push((hunt, round));
    }
    Ok(places)
}
