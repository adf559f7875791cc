//! Which tiles somebody was told to have won: no tile twice (I1).

use super::draw::Drawn;
use super::ground::HUNT_TILES;

/// A bit for every tile of every hunt.
#[derive(Clone, Debug)]
pub(crate) struct WonTiles {
    words: Vec<u64>,
    count: u64,
}

impl WonTiles {
    pub(crate) fn new(hunts: u32) -> Self {
        let tiles = hunts as usize * HUNT_TILES as usize;
        Self {
            words: vec![0; tiles.div_ceil(64)],
            count: 0,
        }
    }

    /// Takes note of a winner; `false` if the tile had one already.
    pub(crate) fn insert(&mut self, drawn: Drawn) -> bool {
        let index = drawn.hunt as usize * HUNT_TILES as usize + drawn.tile as usize;
        let (word, bit) = (&mut self.words[index / 64], 1 << (index % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        self.count += u64::from(is_new);
        is_new
    }

    /// Tiles won.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_winner_is_noticed() {
        let mut won = WonTiles::new(2);
        let drawn = |hunt, tile| Drawn {
            hunt,
            tile,
            player: 0,
        };
        assert!(won.insert(drawn(0, HUNT_TILES - 1)));
        assert!(won.insert(drawn(1, 0)));
        assert!(!won.insert(drawn(1, 0)));
        assert_eq!(won.count(), 2);
    }
}
