//! A round as broadcast folds it, and as a version shows it.

use std::sync::Arc;

use huntcore_model::{Hash32, PlayerNumber, RoundNumber, RoundOpened, ShardId, TileIndex};
use huntcore_wire::{SnapshotClaim, SnapshotRound};

use crate::class::{NoLayout, Sight};
use crate::names::Roster;

/// A version copies what is in the last chunk, and a pointer to the list of all others.
const CHUNK_CLAIMS: usize = 1_024;

/// A tile won, its player by the shard's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claim {
    pub(crate) tile: TileIndex,
    pub(crate) shard: ShardId,
    pub(crate) player: PlayerNumber,
    pub(crate) points: u32,
}

const _: () = assert!(size_of::<Claim>() == 16);

/// What the log says of a round so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoundFold {
    /// `None` while only claims of it were seen, which precede it on another stream.
    pub(crate) opened: Option<Arc<RoundOpened>>,
    /// Whether clients know of it: every shard's time has passed its opening.
    pub(crate) announced: bool,
    pub(crate) closed: bool,
    pub(crate) seed: Option<Hash32>,
    pub(crate) claims: Claims,
    /// Tiles whose claims count no more, in order: hardly ever any.
    pub(crate) voided: Arc<Vec<TileIndex>>,
    // As the last version shows it, until something changes.
    shown: Option<Arc<RoundShown>>,
    changed: bool,
}

/// A round in a version; never changes.
#[derive(Debug)]
pub(crate) struct RoundShown {
    opened: Arc<RoundOpened>,
    closed: bool,
    seed: Option<Hash32>,
    claims: ClaimList,
    voided: Arc<Vec<TileIndex>>,
}

/// Claims of a round in the order seen, to be added to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    full: Arc<Vec<Arc<Vec<Claim>>>>,
    last: Vec<Claim>,
}

/// Claims of a round up to one tick; shares all full chunks with what is folded on.
#[derive(Clone, Debug)]
struct ClaimList {
    full: Arc<Vec<Arc<Vec<Claim>>>>,
    last: Box<[Claim]>,
}

impl RoundFold {
    #[inline]
    pub(crate) fn claim(&mut self, claim: Claim) {
        self.claims.push(claim);
        self.changed = true;
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.changed = true;
    }

    pub(crate) fn void(&mut self, tile: TileIndex) {
        if let Err(place) = self.voided.binary_search(&tile) {
            Arc::make_mut(&mut self.voided).insert(place, tile);
            self.changed = true;
        }
    }

    pub(crate) fn reveal(&mut self, seed: Hash32) {
        self.seed = Some(seed);
        self.changed = true;
    }

    /// The round as the next version shows it; `None` for one that clients do not know of.
    pub(crate) fn shown(&mut self) -> Option<Arc<RoundShown>> {
        let opened = self.opened.as_ref().filter(|_| self.announced)?;
        if self.changed || self.shown.is_none() {
            self.changed = false;
            self.shown = Some(Arc::new(RoundShown {
                opened: Arc::clone(opened),
                closed: self.closed,
                seed: self.seed,
                claims: self.claims.list(),
                voided: Arc::clone(&self.voided),
            }));
        }
        self.shown.clone()
    }
}

impl RoundShown {
    pub(crate) fn opened(&self) -> &RoundOpened {
        &self.opened
    }

    pub(crate) fn claims(&self) -> usize {
        self.claims.full.len() * CHUNK_CLAIMS + self.claims.last.len()
    }

    /// The round in a snapshot, with the claims that are in sight.
    pub(crate) fn message(
        &self,
        number: RoundNumber,
        roster: &Roster,
        sight: Sight<'_>,
    ) -> Result<SnapshotRound, NoLayout> {
        let full = self.claims.full.iter().flat_map(|chunk| chunk.iter());
        let mut claims = Vec::new();
        for claim in full.chain(&self.claims.last) {
            if sight.sees(number, claim.tile)? {
                claims.push(SnapshotClaim {
                    tile: claim.tile,
                    player: roster.player(claim.shard, claim.player),
                    points: claim.points,
                    voided: self.voided.binary_search(&claim.tile).is_ok(),
                });
            }
        }
        Ok(SnapshotRound {
            round: number,
            config_version: self.opened.config_version,
            map: self.opened.map,
            commitment: self.opened.commitment,
            layout: self.opened.layout,
            tiles: self.opened.tiles,
            opens_at: self.opened.schedule.opens_at.into(),
            closes_at: self.opened.schedule.closes_at.into(),
            closed: self.closed,
            seed: self.seed,
            claims,
        })
    }
}

impl Claims {
    #[inline]
    pub(crate) fn push(&mut self, claim: Claim) {
        self.last.push(claim);
        if self.last.len() == CHUNK_CLAIMS {
            self.seal();
        }
    }

    #[cold]
    fn seal(&mut self) {
        let next = Vec::with_capacity(CHUNK_CLAIMS);
        let full = std::mem::replace(&mut self.last, next);
        Arc::make_mut(&mut self.full).push(Arc::new(full));
    }

    pub(crate) fn len(&self) -> usize {
        self.full.len() * CHUNK_CLAIMS + self.last.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Claim> {
        let full = self.full.iter().flat_map(|chunk| chunk.iter());
        full.chain(&self.last)
    }

    fn list(&self) -> ClaimList {
        ClaimList {
            full: Arc::clone(&self.full),
            last: self.last.as_slice().into(),
        }
    }

    /// What it takes on the heap, with the copy of the last chunk that a version holds.
    pub(crate) fn heap_bytes(&self) -> usize {
        let full = self.full.len() * (CHUNK_CLAIMS * size_of::<Claim>() + 2 * size_of::<Self>());
        full + (self.last.capacity() + self.last.len()) * size_of::<Claim>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(tile: u32) -> Claim {
        Claim {
            tile: TileIndex::new(tile),
            shard: ShardId::new(0),
            player: PlayerNumber::new(0),
            points: 1,
        }
    }

    #[test]
    fn claims_keep_their_order_over_chunks_and_a_version_what_it_had() {
        let mut claims = Claims::default();
        let mut versions = Vec::new();
        for tile in 0..5_000 {
            versions.extend((tile % 500 == 0).then(|| (tile, claims.list())));
            claims.push(claim(tile));
        }
        assert_eq!(claims.len(), 5_000);
        assert!(claims.iter().map(|claim| claim.tile.get()).eq(0..5_000));
        for (count, list) in versions {
            let full = list.full.iter().flat_map(|chunk| chunk.iter());
            assert!(
                full.chain(&list.last)
                    .map(|claim| claim.tile.get())
                    .eq(0..count)
            );
        }
    }

    #[test]
    fn versions_share_all_full_chunks() {
        let mut claims = Claims::default();
        for tile in 0..3_000 {
            claims.push(claim(tile));
        }
        let before = claims.list();
        for tile in 3_000..6_000 {
            claims.push(claim(tile));
        }
        let after = claims.list();
        let shared = before.full.iter().zip(&*after.full);
        assert_eq!(before.full.len(), 2);
        assert!(
            shared
                .into_iter()
                .all(|(one, other)| Arc::ptr_eq(one, other))
        );
    }
}
