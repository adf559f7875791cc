//! huntcore in this process: a whole node on a real log, without an edge.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use huntcore_edge::{Backend, HuntCommand};
use huntcore_log_file::{FileLog, FileLogOptions};
use huntcore_map::FairnessKey;
use huntcore_model::{HuntNumber, RoundNumber, ShardMap};
use huntcore_node::{CheckpointHome, EventKeysHome, Node, NodeConfig, SystemClock};
use huntcore_wire::HuntRequest;
use tempfile::TempDir;

use super::public_face::block_on;
use crate::load::{HUNT_TILES, hunt_request};
use crate::report::BenchError;

/// The metric that counts checkpoints.
const TAKEN: &str = "huntcore_checkpoints_total ";
const CHECKPOINT_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What differs from the default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorldOptions {
    pub(crate) hunts: u32,
    pub(crate) shards: u16,
    /// How often a checkpoint is taken; `None` for never.
    pub(crate) checkpoint_every: Option<Duration>,
}

impl WorldOptions {
    pub(crate) const fn new(hunts: u32) -> Self {
        Self {
            hunts,
            shards: 1,
            checkpoint_every: None,
        }
    }
}

/// A node with its hunts open; its log goes when it is dropped.
pub(crate) struct World {
    pub(crate) node: Arc<Node>,
    pub(crate) places: Vec<(HuntNumber, RoundNumber)>,
    /// Hunts opened so far.
    opened: u32,
    /// `None` once it was taken out.
    folder: Option<TempDir>,
}

impl World {
    /// Starts a node on an empty log and opens hunts of [`HUNT_TILES`] tiles.
    pub(crate) fn open(options: WorldOptions) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
        let (node, _) = start(&folder, options)?;
        let mut world = Self {
            node,
            places: Vec::new(),
            opened: 0,
            folder: Some(folder),
        };
        world.reopen(options.hunts)?;
        Ok(world)
    }

    /// Starts a node on an empty log, with checkpoints as a server takes them, and opens one
    /// hunt.
    pub(crate) fn open_one(shards: u16, request: HuntRequest) -> Result<Self, BenchError> {
        let options = WorldOptions {
            shards,
            checkpoint_every: Some(Duration::from_mins(1)),
            ..WorldOptions::new(0)
        };
        let mut world = Self::open(options)?;
        let node = world.node.clone();
        let requests = std::iter::once(Ok(request));
        world.places = block_on(async move { open_requested(&node, requests).await })?;
        Ok(world)
    }

    /// Closes the hunts that are open, and opens others: only so many tiles may be open at one
    /// time.
    pub(crate) fn reopen(&mut self, hunts: u32) -> Result<(), BenchError> {
        let end = self.opened + hunts;
        let names = self.opened..end;
        let closing = std::mem::take(&mut self.places);
        let node = self.node.clone();
        self.places = block_on(async move {
            for (hunt, _) in closing {
                let closed = node.command(HuntCommand::Close { hunt }).await;
                closed.map_err(BenchError::huntcore)?;
            }
            open_rounds(&node, names).await
        })?;
        self.opened = end;
        Ok(())
    }

    /// Stops the node; its log is left.
    pub(crate) fn close(mut self) -> TempDir {
        self.node.stop();
        self.folder.take().expect("taken out once")
    }

    /// Checkpoints taken so far.
    pub(crate) fn checkpoints_taken(&self) -> u64 {
        let mut text = String::new();
        self.node.render_metrics(&mut text);
        let mut values = text.lines().filter_map(|line| line.strip_prefix(TAKEN));
        values
            .next()
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or_default()
    }

    /// Waits until another checkpoint is taken; `false` if none is within a bounded time.
    pub(crate) fn await_checkpoint(&self) -> Result<bool, BenchError> {
        let before = self.checkpoints_taken();
        let deadline = Instant::now() + CHECKPOINT_WITHIN;
        block_on(async {
            while self.checkpoints_taken() == before {
                if Instant::now() > deadline {
                    return Ok(false);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(true)
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.node.stop();
    }
}

/// Starts a node on a folder's log, and says how long that took until it could serve.
pub(crate) fn start(
    folder: &TempDir,
    options: WorldOptions,
) -> Result<(Arc<Node>, Duration), BenchError> {
    let started = Instant::now();
    let log = FileLog::open(folder.path(), FileLogOptions::default());
    let log = log.map_err(BenchError::huntcore)?;
    let mut config = NodeConfig::new(FairnessKey::new([7; 32]));
    config.shards = ShardMap::new(options.shards).map_err(BenchError::huntcore)?;
    // Events leave memory as they do on a server.
    config.event_keys = Some(EventKeysHome::beside_log(folder.path()));
    if let Some(every) = options.checkpoint_every {
        config.checkpoints = Some(CheckpointHome::beside_log(folder.path()));
        config.checkpoint_every = every;
    }
    let clock = Arc::new(SystemClock::default());
    let node = Node::start(config, Arc::new(log), clock).map_err(BenchError::huntcore)?;
    Ok((node, started.elapsed()))
}

async fn open_rounds(
    node: &Node,
    hunts: Range<u32>,
) -> Result<Vec<(HuntNumber, RoundNumber)>, BenchError> {
    let requests = hunts.map(|index| hunt_request(index, HUNT_TILES));
    open_requested(node, requests).await
}

/// Opens hunts one after the other, and waits for their first rounds.
async fn open_requested(
    node: &Node,
    requests: impl Iterator<Item = Result<HuntRequest, BenchError>>,
) -> Result<Vec<(HuntNumber, RoundNumber)>, BenchError> {
    let mut open = Vec::new();
    for request in requests {
        let created = node.command(HuntCommand::Create(Box::new(request?))).await;
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
