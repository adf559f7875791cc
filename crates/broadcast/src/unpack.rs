//! A batch's records taken apart, before any of them changes anything.
//!
//! Claims, which nearly all records are, go into a list that is used again and again;
//! nothing is allocated for them.

use huntcore_model::{
    Batch, BatchError, ClaimRecord, HuntNumber, Record, RecordSink, RoundNumber, Sequence, ShardId,
};

use crate::round::Claim;

/// Claims that a list keeps room for; a longer batch gives its room back.
const CLAIMS_KEPT: usize = 1 << 16;

/// A claim and where it belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlacedClaim {
    pub(crate) hunt: HuntNumber,
    pub(crate) round: RoundNumber,
    pub(crate) claim: Claim,
}

/// The claims of the batch that is being applied.
#[derive(Debug, Default)]
pub(crate) struct Unpacked {
    pub(crate) claims: Vec<PlacedClaim>,
}

/// There is nothing in it between two batches.
impl Clone for Unpacked {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// A record that is no claim.
pub(crate) struct Other<'batch> {
    /// How many claims stand before it.
    pub(crate) claims_before: usize,
    pub(crate) sequence: Sequence,
    pub(crate) record: Record<'batch>,
}

struct Sink<'list, 'batch> {
    claims: &'list mut Vec<PlacedClaim>,
    others: Vec<Other<'batch>>,
    shard: ShardId,
    from: Sequence,
}

impl Unpacked {
    /// Takes a batch's claims from a sequence on in, and returns its other records that
    /// matter to clients.
    pub(crate) fn fill<'batch>(
        &mut self,
        batch: &'batch Batch,
        from: Sequence,
    ) -> Result<Vec<Other<'batch>>, BatchError> {
        self.claims.clear();
        self.claims.shrink_to(CLAIMS_KEPT);
        let mut sink = Sink {
            claims: &mut self.claims,
            others: Vec::new(),
            shard: batch.header().shard,
            from,
        };
        batch.scan(&mut sink)?;
        Ok(sink.others)
    }

    pub(crate) const fn heap_bytes(&self) -> usize {
        self.claims.capacity() * size_of::<PlacedClaim>()
    }
}

impl<'batch> RecordSink<'batch> for Sink<'_, 'batch> {
    #[inline]
    fn claim(&mut self, sequence: Sequence, claim: ClaimRecord) {
        if sequence >= self.from {
            self.claims.push(PlacedClaim {
                hunt: claim.hunt,
                round: claim.round,
                claim: Claim {
                    tile: claim.tile,
                    shard: self.shard,
                    player: claim.player,
                    points: claim.points,
                },
            });
        }
    }

    fn other(&mut self, sequence: Sequence, record: Record<'batch>) {
        let matters = matches!(
            record,
            Record::Player(_) | Record::Control { .. } | Record::Correction(_)
        );
        if matters && sequence >= self.from {
            self.others.push(Other {
                claims_before: self.claims.len(),
                sequence,
                record,
            });
        }
    }
}
