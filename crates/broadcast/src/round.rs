//! A round as broadcast knows it: its announcement and its claims, cheap to copy on write.

use std::sync::Arc;

use huntcore_model::{Hash32, RoundNumber, RoundOpened};
use huntcore_wire::{SnapshotClaim, SnapshotRound};

// A copy on write copies one chunk and a pointer for each other.
const CHUNK_CLAIMS: usize = 256;

/// What the log says of a round so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoundFold {
    /// `None` while only claims of it were seen, which precede it on another stream.
    pub(crate) opened: Option<RoundOpened>,
    /// Whether clients know of it: every shard's time has passed its opening.
    pub(crate) announced: bool,
    pub(crate) closed: bool,
    pub(crate) seed: Option<Hash32>,
    pub(crate) claims: Claims,
}

/// Claims of a round in the order seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    full: Vec<Arc<[SnapshotClaim]>>,
    last: Vec<SnapshotClaim>,
}

impl RoundFold {
    /// The round in a snapshot; `None` for one that clients do not know of.
    pub(crate) fn shown(&self, number: RoundNumber) -> Option<SnapshotRound> {
        let opened = self.opened.as_ref().filter(|_| self.announced)?;
        Some(SnapshotRound {
            round: number,
            config_version: opened.config_version,
            map: opened.map,
            commitment: opened.commitment,
            layout: opened.layout,
            tiles: opened.tiles,
            opens_at: opened.schedule.opens_at.into(),
            closes_at: opened.schedule.closes_at.into(),
            closed: self.closed,
            seed: self.seed,
            claims: self.claims.iter().cloned().collect(),
        })
    }
}

impl Claims {
    pub(crate) fn push(&mut self, claim: SnapshotClaim) {
        self.last.push(claim);
        if self.last.len() == CHUNK_CLAIMS {
            self.full.push(std::mem::take(&mut self.last).into());
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.full.len() * CHUNK_CLAIMS + self.last.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SnapshotClaim> {
        let full = self.full.iter().flat_map(|chunk| chunk.iter());
        full.chain(&self.last)
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::TileIndex;

    use super::*;

    #[test]
    fn claims_keep_their_order_over_chunks() {
        let mut claims = Claims::default();
        for tile in 0..1_000 {
            claims.push(SnapshotClaim {
                tile: TileIndex::new(tile),
                player: None,
                points: 1,
            });
        }
        assert_eq!(claims.len(), 1_000);
        assert!(claims.iter().map(|claim| claim.tile.get()).eq(0..1_000));
    }
}
