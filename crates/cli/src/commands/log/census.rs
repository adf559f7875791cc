//! What a log's batches hold, counted on all cores.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use huntcore_log::ReadError;
use huntcore_log_file::Inspection;
use huntcore_model::{Batch, Epoch, Record, Sequence, ShardId};

use crate::output::Failed;
use crate::progress::Progress;

/// What one stream's batches hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    pub(super) batches: u64,
    /// Of those batches; files hold more.
    pub(super) bytes: u64,
    pub(super) time: u64,
    pub(super) player: u64,
    pub(super) claim: u64,
    pub(super) score: u64,
    pub(super) control: u64,
    pub(super) board_closed: u64,
    pub(super) correction: u64,
    /// The first and the last term that wrote anything.
    pub(super) epochs: Option<(Epoch, Epoch)>,
    /// Everything before it is called durable by a later batch.
    pub(super) durable: Sequence,
}

/// A part of a stream that is counted by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// The stream, by its place among those that are counted.
    pub(super) stream: usize,
    pub(super) shard: ShardId,
    pub(super) first: Sequence,
    pub(super) next: Sequence,
}

impl Census {
    pub(super) const fn records(&self) -> u64 {
        let of_players = self.player + self.claim + self.score;
        self.time + of_players + self.control + self.board_closed + self.correction
    }

    fn take(&mut self, batch: &Batch) -> Result<(), Failed> {
        let header = batch.header();
        self.batches += 1;
        self.bytes += batch.bytes().len() as u64;
        let epoch = header.epoch;
        let (first, last) = self.epochs.unwrap_or((epoch, epoch));
        self.epochs = Some((first.min(epoch), last.max(epoch)));
        self.durable = self.durable.max(header.durable);
        for item in batch.records() {
            let (_, record) = item?;
            *match record {
                Record::Time => &mut self.time,
                Record::Player(_) => &mut self.player,
                Record::Claim(_) => &mut self.claim,
                Record::Score(_) => &mut self.score,
                Record::Control { .. } => &mut self.control,
                Record::BoardClosed(_) => &mut self.board_closed,
                Record::Correction(_) => &mut self.correction,
            } += 1;
        }
        Ok(())
    }

    fn add(&mut self, other: &Self) {
        self.batches += other.batches;
        self.bytes += other.bytes;
        self.time += other.time;
        self.player += other.player;
        self.claim += other.claim;
        self.score += other.score;
        self.control += other.control;
        self.board_closed += other.board_closed;
        self.correction += other.correction;
        self.durable = self.durable.max(other.durable);
        self.epochs = match (self.epochs, other.epochs) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
    }
}

/// Counts so many streams by their stretches.
pub(super) fn count(
    inspection: &Inspection,
    streams: usize,
    stretches: &[Stretch],
    progress: &Progress,
) -> Result<Vec<Census>, Failed> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new((vec![Census::default(); streams], None));
    let work = || {
        while let Some(stretch) = stretches.get(next.fetch_add(1, Ordering::Relaxed)) {
            let counted = count_stretch(inspection, stretch, progress);
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            match counted {
                Ok(census) => found.0[stretch.stream].add(&census),
                Err(failed) => {
                    found.1.get_or_insert(failed);
                    return;
                }
            }
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        for _ in 1..threads.min(stretches.len()) {
            scope.spawn(work);
        }
        work();
    });
    let (censuses, failed) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.map_or(Ok(censuses), Err)
}

fn count_stretch(
    inspection: &Inspection,
    stretch: &Stretch,
    progress: &Progress,
) -> Result<Census, Failed> {
    let mut census = Census::default();
    let batches = match inspection.read(stretch.shard, stretch.first) {
        // A server has trimmed it meanwhile.
        Err(ReadError::Trimmed { .. }) => return Ok(census),
        batches => batches?,
    };
    for batch in batches {
        let batch = match batch {
            Err(ReadError::Trimmed { .. }) => break,
            batch => batch?,
        };
        if batch.header().first_sequence >= stretch.next {
            break;
        }
        census.take(&batch)?;
        progress.advance(u64::from(batch.header().count));
    }
    Ok(census)
}
