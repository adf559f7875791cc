//! The projections' state as it stands at one position: what a checkpoint keeps, and what an
//! edge process begins with.

use std::io::{self, Read, Write};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use huntcore_board::{BoardLimits, Boards};
use huntcore_broadcast::{Broadcast, BroadcastLimits};
use huntcore_model::{
    Catalog, Hash32, Sequence, ShardId, ShardMap, SnapshotError, SnapshotReader, SnapshotWriter,
    Tail, TimeMicros,
};

use crate::batches::Batches;

/// What the catalog's part starts with.
const CATALOG_MAGIC: [u8; 4] = *b"HCPC";
const CATALOG_VERSION: u16 = 1;
/// What stands ahead of the parts when they travel together.
const HEAD_MAGIC: [u8; 4] = *b"HCPH";
const HEAD_VERSION: u16 = 1;

/// The way to ask the projections' thread for a snapshot.
#[derive(Clone)]
pub struct Snapshots {
    ask: Sender<Sender<ProjectorSnapshot>>,
    batches: Arc<dyn Batches>,
}

impl Snapshots {
    /// The way, and its other end, where those arrive who wait for one.
    pub(crate) fn new(batches: Arc<dyn Batches>) -> (Self, Receiver<Sender<ProjectorSnapshot>>) {
        let (ask, asked) = bounded(1);
        (Self { ask, batches }, asked)
    }

    /// Asks; `None` if the thread has ended.
    #[must_use]
    pub fn ask(&self) -> Option<Receiver<ProjectorSnapshot>> {
        let (reply, snapshot) = bounded(1);
        self.ask.send(reply).ok()?;
        self.batches.ring();
        Some(snapshot)
    }
}

impl std::fmt::Debug for Snapshots {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Snapshots").finish_non_exhaustive()
    }
}

/// All projections as they were at one position, all of it durable.
#[derive(Debug)]
pub struct ProjectorSnapshot {
    pub(crate) tails: Vec<(ShardId, Tail)>,
    pub(crate) catalog: Catalog,
    pub(crate) boards: Boards,
    pub(crate) broadcast: Broadcast,
}

/// Why projections do not begin with what is given.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// What is common to all parts cannot be read.
    #[error("head: {0}")]
    Head(SnapshotError),
    /// The catalog cannot be read.
    #[error("catalog: {0}")]
    Catalog(SnapshotError),
    /// The boards cannot be read.
    #[error("boards: {0}")]
    Boards(huntcore_board::RestoreError),
    /// Broadcast cannot be read.
    #[error("broadcast: {0}")]
    Broadcast(huntcore_broadcast::RestoreError),
    /// It is of a log with other streams.
    #[error("its projections are of other streams")]
    OtherStreams,
}

impl ProjectorSnapshot {
    /// The boards.
    #[must_use]
    pub const fn boards(&self) -> &Boards {
        &self.boards
    }

    /// The state that these parts make together.
    #[must_use]
    pub const fn new(
        tails: Vec<(ShardId, Tail)>,
        catalog: Catalog,
        boards: Boards,
        broadcast: Broadcast,
    ) -> Self {
        Self {
            tails,
            catalog,
            boards,
            broadcast,
        }
    }

    /// The ends of all streams, as far as they are folded in.
    #[must_use]
    pub fn tails(&self) -> &[(ShardId, Tail)] {
        &self.tails
    }

    /// Writes the catalog.
    pub fn write_catalog(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut out = SnapshotWriter::new(out, CATALOG_MAGIC, CATALOG_VERSION)?;
        self.catalog.write(&mut out)?;
        out.finish().map(drop)
    }

    /// Writes the boards.
    pub fn write_boards(&self, mut out: &mut dyn Write) -> io::Result<()> {
        self.boards.checkpoint(&mut out)
    }

    /// Writes broadcast.
    pub fn write_broadcast(&self, mut out: &mut dyn Write) -> io::Result<()> {
        self.broadcast.checkpoint(&mut out)
    }

    /// Writes all of it, one part behind the other, each with its own checksums.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut head = SnapshotWriter::new(&mut *out, HEAD_MAGIC, HEAD_VERSION)?;
        head.number(self.tails.len() as u64)?;
        for (shard, tail) in &self.tails {
            head.number(u64::from(shard.get()))?;
            head.number(tail.sequence.get())?;
            head.number(tail.time.get())?;
            head.raw(tail.chain.bytes())?;
        }
        head.finish()?;
        self.write_catalog(out)?;
        self.write_boards(out)?;
        self.write_broadcast(out)
    }

    /// Reads what [`Self::write`] has written, and no byte beyond.
    pub fn read(mut input: &mut dyn Read, limits: BroadcastLimits) -> Result<Self, RestoreError> {
        let tails = read_head(&mut input).map_err(RestoreError::Head)?;
        let shards = tails.iter().filter(|(shard, _)| !shard.is_control());
        let shards = u16::try_from(shards.count()).ok();
        let shards = shards.and_then(|count| ShardMap::new(count).ok());
        let shards = shards.ok_or(RestoreError::OtherStreams)?;
        let catalog = read_catalog(&mut input).map_err(RestoreError::Catalog)?;
        let boards = Boards::restore(shards, BoardLimits::default(), &mut input);
        let boards = boards.map_err(RestoreError::Boards)?;
        let broadcast = Broadcast::restore(shards, limits, &mut input);
        let broadcast = broadcast.map_err(RestoreError::Broadcast)?;
        let snapshot = Self::new(tails, catalog, boards, broadcast);
        snapshot.check_streams(shards)?;
        Ok(snapshot)
    }

    /// How many shards the log has that this is of.
    #[must_use]
    pub fn shards(&self) -> ShardMap {
        let shards = self.tails.iter().filter(|(shard, _)| !shard.is_control());
        let count = u16::try_from(shards.count()).unwrap_or(u16::MAX);
        ShardMap::new(count).expect("checked when it was read")
    }

    pub(crate) fn check_streams(&self, shards: ShardMap) -> Result<(), RestoreError> {
        let found = self.tails.iter().map(|(shard, _)| *shard);
        match found.eq(shards.streams()) {
            true => Ok(()),
            false => Err(RestoreError::OtherStreams),
        }
    }
}

fn read_head(input: &mut impl Read) -> Result<Vec<(ShardId, Tail)>, SnapshotError> {
    let mut input = SnapshotReader::new(input, HEAD_MAGIC, HEAD_VERSION)?;
    let streams_max = u64::from(ShardMap::SHARDS_MAX) + 1;
    let count = input.number_up_to(streams_max, "number of streams")?;
    let mut tails = Vec::new();
    for _ in 0..count {
        let shard = input.number_up_to(u64::from(u16::MAX), "stream")?;
        let sequence = Sequence::new(input.number("sequence")?);
        let time = TimeMicros::new(input.number("time")?);
        let tail = Tail {
            sequence,
            chain: Hash32::new(input.array()?),
            time,
        };
        let shard = u16::try_from(shard).expect("at most 65,535");
        tails.push((ShardId::new(shard), tail));
    }
    input.finish()?;
    Ok(tails)
}

/// Reads what [`ProjectorSnapshot::write_catalog`] has written.
pub fn read_catalog(input: &mut impl Read) -> Result<Catalog, SnapshotError> {
    let mut input = SnapshotReader::new(input, CATALOG_MAGIC, CATALOG_VERSION)?;
    let catalog = Catalog::read(&mut input)?;
    input.finish()?;
    Ok(catalog)
}
