//! A set of tiles in the least space.

use huntcore_model::TileIndex;

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
