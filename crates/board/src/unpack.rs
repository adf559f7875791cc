//! A batch's records taken apart and checked, before any of them changes anything.
//!
//! Claims, which nearly all records are, go into a list that is used again and again;
//! nothing is allocated for them.

use huntcore_model::{
    Batch, ClaimRecord, HuntNumber, PlayerNumber, Record, RecordSink, Sequence, ShardId,
};

use crate::apply_error::ApplyError;
use crate::fold::changes_boards;
use crate::key::Place;

/// Claims that a list keeps room for; a longer batch gives its room back.
const CLAIMS_KEPT: usize = 1 << 16;

/// What boards need of a claim.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) hunt: HuntNumber,
    pub(crate) player: PlayerNumber,
    pub(crate) points: u32,
    /// Which record of its batch.
    pub(crate) index: u32,
}

/// The claims of the batch that is being applied.
#[derive(Debug, Default)]
pub(crate) struct Unpacked {
    pub(crate) claims: Vec<Claim>,
    /// Claims of one hunt whose players are known: by index, with points and place.
    pub(crate) known: Vec<(u32, u32, Place)>,
}

/// There is nothing in it between two batches.
impl Clone for Unpacked {
    fn clone(&self) -> Self {
        Self::default()
    }
}

struct Sink<'list, 'batch> {
    claims: &'list mut Vec<Claim>,
    others: Vec<(Sequence, Record<'batch>)>,
    shard: ShardId,
    first: Sequence,
    given: u32,
    fault: Option<ApplyError>,
}

impl Unpacked {
    /// Takes a batch's claims in and returns its other records that concern boards, or else what is
    /// wrong with it, for a stream that has given out so many numbers.
    pub(crate) fn fill<'batch>(
        &mut self,
        batch: &'batch Batch,
        given: u32,
    ) -> Result<Vec<(Sequence, Record<'batch>)>, ApplyError> {
        let header = batch.header();
        self.claims.clear();
        self.claims.shrink_to(CLAIMS_KEPT);
        self.known.clear();
        self.known.shrink_to(CLAIMS_KEPT);
        let mut sink = Sink {
            claims: &mut self.claims,
            others: Vec::new(),
            shard: header.shard,
            first: header.first_sequence,
            given,
            fault: None,
        };
        batch.scan(&mut sink).map_err(|source| ApplyError::Batch {
            shard: header.shard,
            sequence: header.first_sequence,
            source,
        })?;
        match sink.fault {
            None => Ok(sink.others),
            Some(fault) => Err(fault),
        }
    }

    pub(crate) const fn heap_bytes(&self) -> usize {
        self.claims.capacity() * size_of::<Claim>()
            + self.known.capacity() * size_of::<(u32, u32, Place)>()
    }
}

impl<'batch> RecordSink<'batch> for Sink<'_, 'batch> {
    #[inline]
    fn claim(&mut self, sequence: Sequence, claim: ClaimRecord) {
        if claim.player.get() >= self.given {
            self.unknown(sequence, claim.player);
        }
        let index = sequence.get() - self.first.get();
        self.claims.push(Claim {
            hunt: claim.hunt,
            player: claim.player,
            points: claim.points,
            index: u32::try_from(index).expect("a batch counts its records in 32 bits"),
        });
    }

    fn other(&mut self, sequence: Sequence, record: Record<'batch>) {
        match &record {
            Record::Player(player) if player.number.get() == self.given => {
                self.given = self.given.saturating_add(1);
            }
            Record::Player(player) if player.number.get() > self.given => {
                self.unknown(sequence, player.number);
            }
            Record::Score(score) if score.player.get() >= self.given => {
                self.unknown(sequence, score.player);
            }
            Record::Correction(correction) if correction.player.get() >= self.given => {
                self.unknown(sequence, correction.player);
            }
            Record::BoardClosed(closed) => {
                let mut players = closed.entries.iter().map(|(player, _)| *player);
                if let Some(player) = players.find(|player| player.get() >= self.given) {
                    self.unknown(sequence, player);
                }
            }
            Record::Time => return,
            Record::Control { .. } if !changes_boards(&record) => return,
            Record::Player(_)
            | Record::Score(_)
            | Record::Correction(_)
            | Record::Control { .. }
            | Record::Claim(_) => {}
        }
        self.others.push((sequence, record));
    }
}

impl Sink<'_, '_> {
    #[cold]
    fn unknown(&mut self, sequence: Sequence, number: PlayerNumber) {
        let (shard, given) = (self.shard, self.given);
        self.fault.get_or_insert(ApplyError::PlayerNumber {
            shard,
            sequence,
            number,
            given,
        });
    }
}
