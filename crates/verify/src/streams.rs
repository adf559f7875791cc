//! Each stream by itself: sequence, chain, time, term.

use huntcore_model::{Batch, Epoch, Tail};

use crate::fault::{Fault, Place};
use crate::report::Report;

/// One stream, as far as it was read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) tail: Tail,
    epoch: Epoch,
}

impl Stream {
    /// Checks that `batch` follows; false if its records were read before.
    pub(crate) fn follow(&mut self, batch: &Batch, report: &mut Report) -> bool {
        let header = batch.header();
        let at = Place::new(header.shard, header.first_sequence);
        let Self { tail, epoch } = *self;
        if header.first_sequence != tail.sequence {
            let expected = tail.sequence;
            report.fault(Fault::SequenceBroken { at, expected });
            if header.next_sequence() <= tail.sequence {
                return false;
            }
        } else if header.previous_chain != tail.chain {
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
        let time = header.time.max(tail.time);
        self.tail = Tail {
            time,
            ..batch.tail()
        };
        self.epoch = header.epoch.max(epoch);
        true
    }
}
