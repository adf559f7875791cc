//! What the projections give to a checkpoint, and the way to ask for it.

use std::io::{self, Read, Write};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use huntcore_board::Boards;
use huntcore_broadcast::Broadcast;
use huntcore_checkpoint::Stand;
use huntcore_model::{Catalog, ShardId, SnapshotError, SnapshotReader, SnapshotWriter, Tail};

use crate::recent::RecentBatches;

/// What the catalog's part of a checkpoint starts with.
const CATALOG_MAGIC: [u8; 4] = *b"HCPC";
const CATALOG_VERSION: u16 = 1;

/// The way to ask the projections' thread for a snapshot.
pub(crate) struct Snapshots {
    ask: Sender<Sender<ProjectorSnapshot>>,
    recent: Arc<RecentBatches>,
}

impl Snapshots {
    /// The way, and its other end, where those arrive who wait for one.
    pub(crate) fn new(recent: Arc<RecentBatches>) -> (Self, Receiver<Sender<ProjectorSnapshot>>) {
        let (ask, asked) = bounded(1);
        (Self { ask, recent }, asked)
    }

    /// Asks; `None` if the thread has ended.
    pub(crate) fn ask(&self) -> Option<Receiver<ProjectorSnapshot>> {
        let (reply, snapshot) = bounded(1);
        self.ask.send(reply).ok()?;
        self.recent.ring();
        Some(snapshot)
    }
}

/// All projections as they were at one position, all of it durable.
pub(crate) struct ProjectorSnapshot {
    pub(crate) tails: Vec<(ShardId, Tail)>,
    pub(crate) catalog: Catalog,
    pub(crate) boards: Boards,
    pub(crate) broadcast: Broadcast,
}

impl ProjectorSnapshot {
    /// Up to where in the log all of them stand.
    pub(crate) fn stand(&self) -> Stand {
        Stand {
            tails: self.tails.clone(),
            also_reads: Vec::new(),
        }
    }

    pub(crate) fn write_catalog(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut out = SnapshotWriter::new(out, CATALOG_MAGIC, CATALOG_VERSION)?;
        self.catalog.write(&mut out)?;
        out.finish().map(drop)
    }

    pub(crate) fn write_boards(&self, mut out: &mut dyn Write) -> io::Result<()> {
        self.boards.checkpoint(&mut out)
    }

    pub(crate) fn write_broadcast(&self, mut out: &mut dyn Write) -> io::Result<()> {
        self.broadcast.checkpoint(&mut out)
    }
}

/// Reads what [`ProjectorSnapshot::write_catalog`] has written.
pub(crate) fn read_catalog(input: &mut impl Read) -> Result<Catalog, SnapshotError> {
    let mut input = SnapshotReader::new(input, CATALOG_MAGIC, CATALOG_VERSION)?;
    let catalog = Catalog::read(&mut input)?;
    input.finish()?;
    Ok(catalog)
}
