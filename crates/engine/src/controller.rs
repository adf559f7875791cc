//! Controller: the single writer of the control stream.
//!
//! Decides which hunts there are, what holds for them and which rounds are announced. It
//! knows no seeds and makes no maps: it says what is due, and is handed the facts.

use std::io::{self, Read, Write};

use huntcore_model::{
    Batch, BatchBuilder, Catalog, ControlRecord, Epoch, Record, Sequence, ShardId, SnapshotError,
    SnapshotReader, SnapshotWriter, Tail, TimeMicros,
};

use crate::exchange::Term;
use crate::fold::{ApplyError, check_order};
use crate::restore::read_tail;
use crate::snapshot::write_tail;

const CONTROLLER_MAGIC: [u8; 4] = *b"HCCO";
const CONTROLLER_VERSION: u16 = 1;

/// Decides for the control stream.
#[derive(Debug)]
pub struct Controller {
    epoch: Epoch,
    tail: Tail,
    durable: Sequence,
    pub(crate) catalog: Catalog,
    pub(crate) now: TimeMicros,
    batch: BatchBuilder,
}

impl Default for Controller {
    fn default() -> Self {
        Self::new()
    }
}

impl Controller {
    /// A controller that has folded nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            epoch: Epoch::default(),
            tail: Tail::default(),
            durable: Sequence::ZERO,
            catalog: Catalog::for_controller(),
            now: TimeMicros::ZERO,
            batch: BatchBuilder::new(),
        }
    }

    /// The hunts, with the decision under way.
    #[must_use]
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Where the stream ends with the last batch made or folded, durable or not.
    #[must_use]
    pub const fn tail(&self) -> Tail {
        self.tail
    }

    /// How many bytes the decision under way would make a batch of. Finish before a command
    /// or two could take it over [`BATCH_BYTES_MAX`](huntcore_model::BATCH_BYTES_MAX).
    #[must_use]
    pub const fn batch_bytes(&self) -> usize {
        self.batch.batch_bytes()
    }

    /// Takes ownership for a term.
    ///
    /// # Panics
    /// If the fold has not got to the term's tail: the caller must fold all of the log first.
    pub fn begin_term(&mut self, term: Term) {
        assert_eq!(
            term.tail, self.tail,
            "the fold must have reached the tail of the log"
        );
        self.epoch = term.epoch;
        self.durable = term.tail.sequence;
    }

    /// Takes note that every sequence below `durable` is durable.
    pub fn committed(&mut self, durable: Sequence) {
        self.durable = self.durable.max(durable);
    }

    /// Folds a stored batch of the control stream. On an error the controller is worthless.
    pub fn apply(&mut self, batch: &Batch) -> Result<(), ApplyError> {
        check_order(batch, ShardId::CONTROL, &self.tail)?;
        for item in batch.records() {
            if let (at, Record::Control { record, .. }) = item? {
                self.catalog.apply(at, &record)?;
            }
        }
        self.tail = batch.tail();
        Ok(())
    }

    /// Starts a decision at `now`, or at the tail's time if the clock is behind it.
    pub fn begin(&mut self, now: TimeMicros) {
        debug_assert!(
            self.batch.is_empty(),
            "the decision before must be finished"
        );
        self.now = now.max(self.tail.time);
    }

    /// Ends the decision: the batch to be stored, or nothing if nothing happened.
    pub fn finish(&mut self) -> Option<Batch> {
        if self.batch.is_empty() {
            return None;
        }
        let batch = self.batch.finish(
            ShardId::CONTROL,
            self.epoch,
            &self.tail,
            self.now,
            self.durable,
        );
        self.tail = batch.tail();
        Some(batch)
    }

    /// The state at [`Controller::tail`], for another thread to write.
    ///
    /// # Panics
    /// Within a decision: finish it first.
    #[must_use]
    pub fn snapshot(&self) -> ControllerSnapshot {
        assert!(
            self.batch.is_empty(),
            "a snapshot is of what the log will hold"
        );
        ControllerSnapshot {
            tail: self.tail,
            catalog: self.catalog.clone(),
        }
    }

    /// Makes the controller whose snapshot `base` is. Fold the log from its
    /// [`tail`](Self::tail) on before its term begins.
    pub fn restore<R: Read>(base: R) -> Result<Self, SnapshotError> {
        let mut input = SnapshotReader::new(base, CONTROLLER_MAGIC, CONTROLLER_VERSION)?;
        let mut controller = Self::new();
        controller.tail = read_tail(&mut input)?;
        controller.now = controller.tail.time;
        controller.catalog = Catalog::read(&mut input)?;
        input.finish()?;
        Ok(controller)
    }

    pub(crate) fn record(&mut self, record: &ControlRecord) {
        let at = self.tail.sequence.advanced(u64::from(self.batch.count()));
        self.catalog
            .apply(at, record)
            .expect("the controller knows its hunts");
        self.batch.push(&Record::Control {
            at,
            record: Box::new(record.clone()),
        });
    }
}

/// A controller's state as it was at one tail. It carries checksums of its own.
#[derive(Debug)]
pub struct ControllerSnapshot {
    tail: Tail,
    catalog: Catalog,
}

impl ControllerSnapshot {
    /// Where the control stream ends for this state. It may not be durable yet.
    #[must_use]
    pub const fn tail(&self) -> Tail {
        self.tail
    }

    /// Writes the state. The same state gives the same bytes.
    pub fn write<W: Write>(&self, out: &mut W) -> io::Result<()> {
        let mut out = SnapshotWriter::new(out, CONTROLLER_MAGIC, CONTROLLER_VERSION)?;
        write_tail(&self.tail, &mut out)?;
        self.catalog.write(&mut out)?;
        out.finish().map(|_| ())
    }
}
