//! Who was told to have won which tile: nobody but one (I1), and that one as often as it asks
//! (I3).

use super::draw::Drawn;
use super::ground::{CROWD, HUNT_TILES};

const _: () = assert!(CROWD < u16::MAX as u32, "a player takes two bytes");

/// The winner of every tile of every hunt.
#[derive(Clone, Debug)]
pub(crate) struct WonTiles {
    /// The player and 1; 0 for nobody.
    winners: Vec<u16>,
    tiles: u64,
    told: u64,
}

impl WonTiles {
    pub(crate) fn new(hunts: u32) -> Self {
        Self {
            winners: vec![0; hunts as usize * HUNT_TILES as usize],
            tiles: 0,
            told: 0,
        }
    }

    /// Takes note of a `won`; `false` if somebody else had the tile.
    pub(crate) fn insert(&mut self, drawn: Drawn) -> bool {
        let index = drawn.hunt as usize * HUNT_TILES as usize + drawn.tile as usize;
        let player = u16::try_from(drawn.player + 1).expect("a small crowd");
        let winner = &mut self.winners[index];
        self.told += 1;
        self.tiles += u64::from(*winner == 0);
        if *winner == 0 {
            *winner = player;
        }
        *winner == player
    }

    /// Tiles won.
    pub(crate) const fn tiles(&self) -> u64 {
        self.tiles
    }

    /// How often somebody was told `won`.
    pub(crate) const fn told(&self) -> u64 {
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_winner_is_noticed_and_the_first_may_hear_it_again() {
        let mut won = WonTiles::new(2);
        let drawn = |hunt, tile, player| Drawn { hunt, tile, player };
        assert!(won.insert(drawn(0, HUNT_TILES - 1, CROWD - 1)));
        assert!(won.insert(drawn(1, 0, 7)));
        assert!(won.insert(drawn(1, 0, 7)));
        assert!(!won.insert(drawn(1, 0, 8)));
        assert_eq!((won.tiles(), won.told()), (2, 4));
    }
}
