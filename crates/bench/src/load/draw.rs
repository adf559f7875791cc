//! Which attempt comes next: one cheap random number for each.

use super::ground::{CROWD, HUNT_TILES};

/// Neighbours in the order of asking are far apart on the map; prime to [`HUNT_TILES`].
const STRIDE: u64 = 618_033;

/// Of 1,024 attempts, how many are on tiles that nobody has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Winners(u32);

impl Winners {
    pub(crate) const ALL: Self = Self(1_024);
    pub(crate) const HALF: Self = Self(512);

    pub(crate) const fn percent(percent: u32) -> Self {
        Self((percent * 1_024 + 50) / 100)
    }

    /// As a part of one.
    pub(crate) fn share(self) -> f64 {
        f64::from(self.0) / 1_024.0
    }
}

/// An attempt, as indices of hunt, tile and player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drawn {
    pub(crate) hunt: u32,
    pub(crate) tile: u32,
    pub(crate) player: u32,
}

/// Draws attempts; the same from the same seed.
///
/// Fresh tiles are used up hunt by hunt; the others were asked for before in the same hunt,
/// each as likely as any.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    state: u64,
    winners: Winners,
    hunt: u32,
    hunts: u32,
    fresh: u32,
    /// Of each hunt the only tiles asked for; empty for all of them.
    only: Vec<Vec<u32>>,
}

impl Source {
    /// A source on so many hunts, from the first on.
    pub(crate) const fn new(hunts: u32, winners: Winners) -> Self {
        Self::within(0, hunts, winners)
    }

    /// A source on the hunts from `first` to before `end`.
    pub(crate) const fn within(first: u32, end: u32, winners: Winners) -> Self {
        Self {
            state: 0x9e37_79b9_7f4a_7c15 ^ ((first as u64) << 32),
            winners,
            hunt: first,
            hunts: end,
            fresh: 0,
            only: Vec::new(),
        }
    }

    /// A source on chosen tiles of each hunt.
    pub(crate) fn on_tiles(only: Vec<Vec<u32>>, winners: Winners) -> Self {
        let hunts = u32::try_from(only.len()).expect("few hunts");
        Self {
            only,
            ..Self::new(hunts, winners)
        }
    }

    /// A source on one tile of the first hunt, without end.
    pub(crate) fn on_tile(tile: u32) -> Self {
        // Nothing but the first attempt is on a fresh tile.
        Self::on_tiles(vec![vec![tile; 2]], Winners(0))
    }

    /// On how many hunts it asks, from the first on.
    pub(crate) const fn hunts(&self) -> u32 {
        self.hunts
    }

    /// The next attempt; `None` once every tile of every hunt was asked for.
    pub(crate) fn draw(&mut self) -> Option<Drawn> {
        if self.fresh == self.hunt_tiles() {
            self.hunt += 1;
            self.fresh = 0;
        }
        if self.hunt >= self.hunts {
            return None;
        }
        let random = self.step();
        // Three independent parts of one number: 10 bits, 22 bits, 32 bits.
        let on_fresh = part(random & 0x3ff) < self.winners.0 || self.fresh == 0;
        let player = part(((random >> 10 & 0x3f_ffff) * u64::from(CROWD)) >> 22);
        let tile = if on_fresh {
            self.fresh += 1;
            self.fresh - 1
        } else {
            part(((random >> 32) * u64::from(self.fresh)) >> 32)
        };
        Some(Drawn {
            hunt: self.hunt,
            tile: match self.only.get(self.hunt as usize) {
                Some(only) => only[tile as usize],
                None => part(u64::from(tile) * STRIDE % u64::from(HUNT_TILES)),
            },
            player,
        })
    }

    fn hunt_tiles(&self) -> u32 {
        let only = self.only.get(self.hunt as usize);
        only.map_or(HUNT_TILES, |only| part(only.len() as u64))
    }

    /// xorshift64*, whose upper bits are good and whose lower ten serve for a share.
    const fn step(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// A part of a random number, which is small by its making.
#[expect(clippy::cast_possible_truncation, reason = "at most 32 bits are left")]
const fn part(bits: u64) -> u32 {
    bits as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_share_of_fresh_tiles_is_the_one_asked_for() {
        for percent in [5, 50, 100] {
            let mut source = Source::new(1, Winners::percent(percent));
            let mut seen = HashSet::new();
            let attempts = 400_000;
            for _ in 0..attempts {
                let drawn = source.draw().expect("tiles are left");
                assert!(drawn.tile < HUNT_TILES && drawn.player < CROWD);
                seen.insert(drawn.tile);
            }
            let expected = attempts * percent as usize / 100;
            assert!(
                seen.len().abs_diff(expected) < attempts / 200,
                "{percent}: {} of {expected}",
                seen.len()
            );
        }
    }

    #[test]
    fn only_chosen_tiles_come_up_if_there_are_any() {
        let mut source = Source::on_tiles(vec![vec![3, 5], vec![7]], Winners::ALL);
        let drawn = std::iter::from_fn(|| source.draw());
        let tiles: Vec<(u32, u32)> = drawn.map(|drawn| (drawn.hunt, drawn.tile)).collect();
        assert_eq!(tiles, [(0, 3), (0, 5), (1, 7)]);
        let mut hot = Source::on_tile(9);
        assert!((0..10_000).all(|_| hot.draw().is_some_and(|drawn| drawn.tile == 9)));
    }

    #[test]
    fn every_tile_comes_up_before_the_source_ends() {
        let mut source = Source::within(3, 5, Winners::ALL);
        let mut seen = HashSet::new();
        while let Some(drawn) = source.draw() {
            seen.insert((drawn.hunt, drawn.tile));
        }
        assert_eq!(seen.len(), 2 * HUNT_TILES as usize);
        assert!(seen.iter().all(|(hunt, _)| (3..5).contains(hunt)));
    }
}
