//! The projections of a node: from its checkpoint and its log, and ended with the node.

use std::iter::Peekable;
use std::sync::Arc;

use crossbeam_channel::Receiver;
use huntcore_board::{BoardLimits, Boards};
use huntcore_broadcast::Broadcast;
use huntcore_checkpoint::Checkpoint;
use huntcore_log::BatchReader;
use huntcore_model::{ShardId, Tail, TimeMicros};
pub(crate) use huntcore_projection::Views;
use huntcore_projection::{ProjectError, ProjectionSettings, ProjectorSnapshot, read_catalog};

use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::failure::Failure;
use crate::parts;
use crate::projector_snapshot::Snapshots;
use crate::recent::RecentBatches;
use crate::recovery::StartError;

/// See the module.
pub(crate) struct Projector(huntcore_projection::Projector);

impl Projector {
    /// Projections that have folded nothing.
    pub(crate) fn new(
        config: &NodeConfig,
        recent: Arc<RecentBatches>,
        clock: Arc<dyn Clock>,
    ) -> (Self, Snapshots) {
        let settings = settings(config);
        let (projector, snapshots) = huntcore_projection::Projector::new(&settings, recent, clock);
        (Self(projector), snapshots)
    }

    /// Takes over what a checkpoint says. An error says what is wrong with that.
    pub(crate) fn restore(
        &mut self,
        config: &NodeConfig,
        checkpoint: &Checkpoint,
    ) -> Result<(), String> {
        let stand = checkpoint.part(parts::CATALOG).map(|part| &part.stand);
        let tails = stand.map_or_else(Vec::new, |stand| stand.tails.clone());
        let catalog = parts::read(checkpoint, parts::CATALOG, read_catalog)?;
        let boards = parts::read(checkpoint, parts::BOARDS, |input| {
            Boards::restore(config.shards, BoardLimits::default(), input)
        })?;
        let limits = settings(config).broadcast_limits();
        let broadcast = parts::read(checkpoint, parts::BROADCAST, |input| {
            Broadcast::restore(config.shards, limits, input)
        })?;
        let snapshot = ProjectorSnapshot::new(tails, catalog, boards, broadcast);
        let restored = self.0.restore(snapshot);
        restored.map_err(|error| error.to_string())
    }

    /// The ends of all streams, as far as they are folded.
    pub(crate) fn tails(&self) -> &[(ShardId, Tail)] {
        self.0.tails()
    }

    /// Folds the rest of all streams, whose latest time is `last_time`, and makes the first
    /// view.
    pub(crate) fn catch_up(
        &mut self,
        rest: Vec<Peekable<BatchReader>>,
        last_time: TimeMicros,
    ) -> Result<Views, StartError> {
        self.0
            .catch_up(rest, last_time)
            .map_err(|error| match error {
                ProjectError::Read(error) => error.into(),
                error @ ProjectError::Follow { .. } => StartError::Project(error.to_string()),
            })
    }

    /// Runs until told to stop, or until a projection cannot follow.
    pub(crate) fn run(
        self,
        views: &Views,
        bell: &Receiver<()>,
        stop: &Receiver<()>,
        failure: &Failure,
    ) {
        if let Err(error) = self.0.run(views, bell, stop) {
            failure.report(&error.to_string());
        }
    }
}

fn settings(config: &NodeConfig) -> ProjectionSettings {
    ProjectionSettings {
        shards: config.shards,
        tick: config.tick,
        board_interval: config.board_interval,
        publish_interval: config.publish_interval,
    }
}
