//! Each stream by itself: sequence, chain, time, term.

use huntcore_model::{Batch, Epoch, Hash32, Sequence, Tail, TimeMicros};

use crate::fault::{Fault, Place};
use crate::report::Report;

/// One stream, as far as it was read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) tail: Tail,
    epoch: Epoch,
    /// Where the log begins, if what came before was trimmed.
    trimmed_to: Option<Sequence>,
    has_begun: bool,
}

impl Stream {
    /// A stream that begins at `sequence`, because what came before was trimmed.
    pub(crate) fn trimmed(sequence: Sequence) -> Self {
        let mut stream = Self::default();
        if sequence > Sequence::ZERO {
            stream.tail.sequence = sequence;
            stream.trimmed_to = Some(sequence);
        }
        stream
    }

    /// Whether the beginning is missing by right.
    pub(crate) const fn is_trimmed(&self) -> bool {
        self.trimmed_to.is_some()
    }

    /// Whether any batch was read.
    pub(crate) const fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Checks that `batch` follows; false if its records were read before.
    pub(crate) fn follow(&mut self, batch: &Batch, report: &mut Report) -> bool {
        let header = batch.header();
        let at = Place::new(header.shard, header.first_sequence);
        let Self { tail, epoch, .. } = *self;
        // What the first batch of a trimmed stream follows is not there to compare.
        let on_trust = self.is_trimmed() && !self.has_begun;
        if header.first_sequence != tail.sequence {
            let expected = tail.sequence;
            report.fault(Fault::SequenceBroken { at, expected });
            if header.next_sequence() <= tail.sequence {
                return false;
            }
        } else if header.previous_chain != tail.chain && !on_trust {
            report.fault(Fault::ChainBroken {
                at,
                expected: tail.chain,
                found: header.previous_chain,
            });
        }
        if header.time < tail.time {
            report.fault(Fault::TimeWentBack {
                at,
                before: tail.time,
                found: header.time,
            });
        }
        if header.epoch < epoch {
            report.fault(Fault::EpochWentBack {
                at,
                before: epoch,
                found: header.epoch,
            });
        }
        if header.durable > header.first_sequence {
            report.fault(Fault::DurableAhead {
                at,
                found: header.durable,
            });
        }
        self.has_begun = true;
        let time = header.time.max(tail.time);
        self.tail = Tail {
            time,
            ..batch.tail()
        };
        self.epoch = header.epoch.max(epoch);
        true
    }
}

/// Where a trimmed stream begins.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Beginning {
    /// The stream's name.
    pub stream: String,
    /// The oldest record that is there.
    pub sequence: Sequence,
    /// When its batch was written, in microseconds since the Unix epoch.
    pub time: TimeMicros,
    /// The chain before it, which nothing that is left can prove.
    pub chain: Hash32,
}

impl Beginning {
    pub(crate) fn of(batch: &Batch) -> Self {
        let header = batch.header();
        Self {
            stream: huntcore_log::stream_name(header.shard).into_owned(),
            sequence: header.first_sequence,
            time: header.time,
            chain: header.previous_chain,
        }
    }
}
