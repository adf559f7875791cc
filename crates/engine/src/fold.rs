//! Folding stored batches back into an arbiter: changes its state exactly as deciding did.

use huntcore_model::{
    Batch, BatchError, CatalogError, ClaimRecord, Record, RoundNumber, ScoreRecord, Sequence,
    ShardId, Tail, TileIndex,
};

use crate::arbiter::Arbiter;
use crate::claims::Claim;
use crate::events::{EventKey, EventSeen};

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
        for item in batch.records() {
            let (at, record) = item?;
            self.apply_record(at, &record)?;
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
            Record::Claim(claim) => self.apply_claim(at, claim)?,
            Record::Score(score) => self.apply_score(at, score)?,
            Record::Control { at: entry, record } => self.note_control(*entry, record)?,
        }
        Ok(())
    }

    fn apply_score(&mut self, at: Sequence, score: &ScoreRecord<'_>) -> Result<(), ApplyError> {
        let unknown = |what| ApplyError::Unknown { at, what };
        self.catalog
            .by_number(score.hunt)
            .ok_or(unknown("a hunt"))?;
        if score.player.get() as usize >= self.players.count() {
            return Err(unknown("a player number"));
        }
        // What an erased player's id was is known no more, nor is what it makes a key with.
        if let Some(id) = self.players.text(score.player) {
            let key = EventKey::new(score.hunt, id, score.event_id);
            let seen = EventSeen {
                digest: score.digest,
                sequence: at,
            };
            self.events.insert(self.now, key, seen);
        }
        Ok(())
    }

    fn apply_claim(&mut self, at: Sequence, claim: &ClaimRecord) -> Result<(), ApplyError> {
        let unknown = |what| ApplyError::Unknown { at, what };
        let hunt = self
            .catalog
            .by_number(claim.hunt)
            .ok_or(unknown("a hunt"))?;
        let version = hunt.version_for(claim.round).ok_or(unknown("a round"))?;
        let schedule = version.schedule(claim.round).ok_or(unknown("a round"))?;
        let tiles = version.config.tiles;
        if claim.tile.get() >= tiles {
            return Err(unknown("a tile"));
        }
        if claim.player.get() as usize >= self.players.count() {
            return Err(unknown("a player number"));
        }
        let claims = &mut self.claims[claim.hunt.get() as usize];
        if let Some(first) = claims.get(claim.round, claim.tile) {
            return Err(ApplyError::ClaimedTwice {
                at,
                first: first.sequence,
                round: claim.round,
                tile: claim.tile,
            });
        }
        let kept = Claim {
            sequence: at,
            tile: claim.tile,
            player: claim.player,
            points: claim.points,
        };
        claims.insert(claim.round, tiles, schedule.closes_at, kept);
        Ok(())
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
