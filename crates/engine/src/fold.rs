//! Folding stored batches back into an arbiter: changes its state exactly as deciding did.

use huntcore_model::{
    Batch, BatchError, BoardName, CatalogError, ClaimRecord, Record, RoundNumber, Sequence,
    ShardId, Tail, TileIndex, TimeMicros,
};

use crate::arbiter::Arbiter;
use crate::claims::Held;
use crate::open_rounds::{RoundKey, RoundPlace};

/// Why a batch cannot be folded: the log holds what no arbiter writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The batch does not follow what has been folded.
    #[error(
        "batch of stream {shard} at {found} is not the one that follows {expected}: another \
         stream, sequence or chain, or an earlier time"
    )]
    OutOfOrder {
        /// The batch's stream.
        shard: ShardId,
        /// Its first sequence.
        found: Sequence,
        /// The sequence that is due.
        expected: Sequence,
    },
    /// The batch's records cannot be read.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A control record that does not fit.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// I1 is broken in the log itself.
    #[error(
        "record {at} claims tile {tile} of round {round} again, first claimed by record {first}"
    )]
    ClaimedTwice {
        /// The second claim.
        at: Sequence,
        /// The first claim.
        first: Sequence,
        /// Which round.
        round: RoundNumber,
        /// Which tile.
        tile: TileIndex,
    },
    /// A window's results again, or those of one before.
    #[error(
        "record {at} closes board {board} up to {}, which record {last} has closed before",
        end.get()
    )]
    ClosedTwice {
        /// The later record.
        at: Sequence,
        /// Which board.
        board: BoardName,
        /// The end of the window that it closes.
        end: TimeMicros,
        /// The earlier record.
        last: Sequence,
    },
    /// A record about a hunt, round, tile or player that was never introduced.
    #[error("record {at} names {what}, which the log has not introduced before it")]
    Unknown {
        /// The record.
        at: Sequence,
        /// What it names.
        what: &'static str,
    },
}

impl Arbiter {
    /// Folds a stored batch, exactly as the decision that made it changed the state.
    ///
    /// On an error the arbiter is worthless.
    pub fn apply(&mut self, batch: &Batch) -> Result<(), ApplyError> {
        check_order(batch, self.shard, &self.tail)?;
        self.now = batch.header().time;
        let mut run = None;
        for item in batch.records() {
            let (at, record) = item?;
            if let Record::Claim(claim) = &record {
                self.apply_claim(at, claim, &mut run)?;
            } else {
                run = None;
                self.apply_record(at, &record)?;
            }
        }
        self.tail = batch.tail();
        self.pass_time();
        Ok(())
    }

    fn apply_record(&mut self, at: Sequence, record: &Record<'_>) -> Result<(), ApplyError> {
        match record {
            Record::Time => {}
            Record::Player(player) => {
                let given = self.players.insert(player.id);
                if given != player.number {
                    return Err(ApplyError::Unknown {
                        at,
                        what: "a player number out of turn",
                    });
                }
            }
            Record::Claim(claim) => self.apply_claim(at, claim, &mut None)?,
            Record::Score(score) => self.apply_score(at, score)?,
            Record::Control { at: entry, record } => self.note_control(*entry, record)?,
            Record::BoardClosed(closed) => self.apply_closing(at, closed)?,
            Record::Correction(correction) => self.apply_correction(at, correction)?,
        }
        Ok(())
    }

    /// Folds a claim. `run` is the round of the claim before it: claims come in runs.
    #[inline]
    fn apply_claim(
        &mut self,
        at: Sequence,
        claim: &ClaimRecord,
        run: &mut Option<(RoundKey, RoundPlace)>,
    ) -> Result<(), ApplyError> {
        let unknown = |what| ApplyError::Unknown { at, what };
        let key = (claim.hunt, claim.round);
        let place = match *run {
            Some((known, place)) if known == key => place,
            _ => self.open_round(key).map_err(unknown)?,
        };
        *run = Some((key, place));
        let open = self.open.at(place);
        if claim.tile.get() >= open.tiles {
            return Err(unknown("a tile"));
        }
        if claim.player.get() as usize >= self.players.count() {
            return Err(unknown("a player number"));
        }
        if let Some(first) = open.claims.at(open.claims.place(claim.tile)) {
            return Err(ApplyError::ClaimedTwice {
                at,
                first: first.sequence,
                round: claim.round,
                tile: claim.tile,
            });
        }
        let held = Held {
            sequence: at,
            tile: claim.tile,
            player: claim.player,
            points: claim.points,
        };
        let open = self.open.at_mut(place);
        if open.claims.insert(open.tiles, &held) {
            Ok(())
        } else {
            Err(unknown("a claim so long after its round's first"))
        }
    }

    /// The round, if it can be claimed at the time of the batch.
    fn open_round(&self, key: RoundKey) -> Result<RoundPlace, &'static str> {
        self.catalog.by_number(key.0).ok_or("a hunt")?;
        let place = self.open.find(key).ok_or("an open round")?;
        let round = self.open.at(place);
        let open = round.closes_at > self.now && !round.kept_expired;
        open.then_some(place).ok_or("an open round")
    }
}

/// Whether `batch` is the one that follows `tail` in the stream of `shard`.
pub(crate) fn check_order(batch: &Batch, shard: ShardId, tail: &Tail) -> Result<(), ApplyError> {
    let header = batch.header();
    if header.shard == shard && batch.follows(tail) {
        return Ok(());
    }
    Err(ApplyError::OutOfOrder {
        shard: header.shard,
        found: header.first_sequence,
        expected: tail.sequence,
    })
}
