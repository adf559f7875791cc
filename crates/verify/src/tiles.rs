//! A round's tiles: who claimed which while it is open, and only which once it is over.

use huntcore_map::TILES_MAX;
use huntcore_model::{Sequence, ShardId, TileIndex};

use crate::fault::Place;

/// Tiles of a page: what one claim takes at most, and a full map shares.
const PAGE: usize = 256;

/// The claims of a round that is open, by tile.
#[derive(Debug, Default)]
pub(crate) struct TileTable {
    pages: Vec<Option<Box<[Taken; PAGE]>>>,
    /// Of tiles that no map has.
    beyond: Vec<(TileIndex, Claim)>,
    len: u64,
}

/// The first claim of a tile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) at: Place,
    pub(crate) points: u32,
}

/// A claim, packed; `after` is its sequence and one, or 0 for none.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    after: u64,
    points: u32,
    shard: u16,
}

impl TileTable {
    /// A tile's claim.
    pub(crate) fn get(&self, tile: TileIndex) -> Option<Claim> {
        let index = tile.get() as usize;
        let page = self.pages.get(index / PAGE)?.as_ref()?;
        let taken = page[index % PAGE];
        (taken.after != 0).then(|| taken.claim())
    }

    /// Takes a tile's claim, unless it has one: then that.
    pub(crate) fn claim(&mut self, tile: TileIndex, claim: Claim) -> Option<Claim> {
        let index = tile.get() as usize;
        if tile.get() >= TILES_MAX {
            let known = self.beyond.iter().find(|(known, _)| *known == tile);
            if let Some((_, first)) = known {
                return Some(*first);
            }
            // Each is reported, so that a few will do.
            if self.beyond.len() < PAGE {
                self.beyond.push((tile, claim));
                self.len += 1;
            }
            return None;
        }
        let page = index / PAGE;
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        let page = self.pages[page].get_or_insert_with(|| Box::new([Taken::default(); PAGE]));
        let taken = &mut page[index % PAGE];
        if taken.after != 0 {
            return Some(taken.claim());
        }
        *taken = Taken {
            after: claim.at.sequence.get().saturating_add(1),
            points: claim.points,
            shard: claim.at.stream.get(),
        };
        self.len += 1;
        None
    }

    /// How many tiles were claimed.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// The claims in order of their tiles.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TileIndex, Claim)> {
        let pages = self.pages.iter().enumerate();
        let pages = pages.filter_map(|(number, page)| Some((number, page.as_ref()?)));
        let on_map = pages.flat_map(|(number, page)| {
            let taken = page
                .iter()
                .enumerate()
                .filter(|(_, taken)| taken.after != 0);
            taken.map(move |(index, taken)| {
                let tile = u32::try_from(number * PAGE + index).expect("below 2^20");
                (TileIndex::new(tile), taken.claim())
            })
        });
        on_map.chain(self.beyond.iter().copied())
    }
}

impl Taken {
    const fn claim(self) -> Claim {
        let sequence = Sequence::new(self.after - 1);
        Claim {
            at: Place::new(ShardId::new(self.shard), sequence),
            points: self.points,
        }
    }
}

/// Which of a round's tiles were claimed; for rounds that are over.
#[derive(Debug)]
pub(crate) enum TileSet {
    /// In order.
    Few(Box<[u32]>),
    /// One bit each.
    Many(Box<[u64]>),
}

impl TileSet {
    /// Of a map with `tiles` tiles; claimed tiles that it does not have are kept too.
    pub(crate) fn new(tiles: u32, claimed: impl Iterator<Item = TileIndex>) -> Self {
        let mut claimed: Vec<u32> = claimed.map(TileIndex::get).collect();
        claimed.sort_unstable();
        let all_on_map = claimed.last().is_none_or(|&last| last < tiles);
        let words = (tiles as usize).div_ceil(64);
        if claimed.len() <= words * 2 || !all_on_map {
            return Self::Few(claimed.into());
        }
        let mut bits = vec![0_u64; words];
        for tile in claimed {
            bits[tile as usize / 64] |= 1 << (tile % 64);
        }
        Self::Many(bits.into())
    }

    pub(crate) fn contains(&self, tile: TileIndex) -> bool {
        let tile = tile.get();
        match self {
            Self::Few(claimed) => claimed.binary_search(&tile).is_ok(),
            Self::Many(bits) => bits
                .get(tile as usize / 64)
                .is_some_and(|word| word >> (tile % 64) & 1 == 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_keeps_its_first_claim_wherever_it_lies() {
        let tiles = [0, 255, 256, 70_000, u32::MAX, 1 << 20].map(TileIndex::new);
        let mut table = TileTable::default();
        let claim = |sequence, points| Claim {
            at: Place::new(ShardId::new(3), Sequence::new(sequence)),
            points,
        };
        for (sequence, tile) in (0..).zip(tiles) {
            assert!(table.claim(tile, claim(sequence, 5)).is_none(), "{tile}");
        }
        for (sequence, tile) in (0..).zip(tiles) {
            let first = table.claim(tile, claim(99, 6)).expect("claimed before");
            assert_eq!(
                (first.at, first.points),
                (claim(sequence, 5).at, 5),
                "{tile}"
            );
        }
        assert_eq!((table.len(), table.iter().count()), (6, 6));
        assert!(table.iter().all(|(_, claim)| claim.points == 5));
    }

    #[test]
    fn few_and_many_tiles_are_told_apart_from_those_that_are_not_there() {
        for step in [1, 7, 300] {
            let set = TileSet::new(1_000, (0..1_000).step_by(step).map(TileIndex::new));
            for tile in 0..1_100 {
                let expected = tile < 1_000 && (tile as usize).is_multiple_of(step);
                assert_eq!(
                    set.contains(TileIndex::new(tile)),
                    expected,
                    "{step} {tile}"
                );
            }
        }
        assert!(TileSet::new(8, [TileIndex::new(9)].into_iter()).contains(TileIndex::new(9)));
    }
}
