//! What is known of each hunt's seed chains: anchors first, then seeds as they come.

use std::collections::BTreeMap;

use huntcore_map::{Seed, SeedPlace};
use huntcore_model::{Hash32, HuntNumber, RoundNumber};

/// For each chain the last seed that is known to belong to it.
#[derive(Debug, Default)]
pub(crate) struct Seeds {
    known: BTreeMap<(HuntNumber, u64), (u64, Seed)>,
}

impl Seeds {
    /// Takes note of a chain's anchor.
    pub(crate) fn anchor(&mut self, hunt: HuntNumber, chain: u64, anchor: Hash32) {
        self.known.insert((hunt, chain), (0, Seed::new(anchor)));
    }

    /// The chain of a round if its anchor is missing.
    pub(crate) fn missing_anchor(&self, hunt: HuntNumber, round: RoundNumber) -> Option<u64> {
        let chain = SeedPlace::of(round)?.chain;
        (!self.known.contains_key(&(hunt, chain))).then_some(chain)
    }

    /// Whether a round's seed belongs to its chain: hashed so many times, it gives the
    /// seed that was known before, or a known later one gives it.
    pub(crate) fn belongs(&mut self, hunt: HuntNumber, round: RoundNumber, seed: Seed) -> bool {
        let Some(SeedPlace { chain, index }) = SeedPlace::of(round) else {
            return false;
        };
        let Some((known_index, known)) = self.known.get_mut(&(hunt, chain)) else {
            return false;
        };
        if index <= *known_index {
            return known.earlier(*known_index - index) == seed;
        }
        let follows = seed.follows(known, index - *known_index);
        if follows {
            (*known_index, *known) = (index, seed);
        }
        follows
    }
}
