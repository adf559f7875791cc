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
        }
    }

    /// The next attempt; `None` once every tile of every hunt was asked for.
    pub(crate) fn draw(&mut self) -> Option<Drawn> {
        if self.fresh == HUNT_TILES {
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
            tile: part(u64::from(tile) * STRIDE % u64::from(HUNT_TILES)),
            player,
        })
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
