//! What is known of each hunt's seed chains: anchors first, then seeds as they come.

use std::collections::BTreeMap;

use huntcore_map::{Seed, SeedPlace};
use huntcore_model::{Hash32, HuntNumber, RoundNumber};

/// For each chain the last seed that is known to belong to it.
#[derive(Debug, Default)]
pub(crate) struct Seeds {
    known: BTreeMap<(HuntNumber, u64), (u64, Seed)>,
}

/// Whether a seed is one of its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Belongs {
    Yes,
    No,
    /// Nothing of the chain is known.
    Unknown,
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

    /// Takes a seed for what its chain is known by.
    pub(crate) fn trust(&mut self, hunt: HuntNumber, round: RoundNumber, seed: Seed) {
        if let Some(SeedPlace { chain, index }) = SeedPlace::of(round) {
            self.known.insert((hunt, chain), (index, seed));
        }
    }

    /// Whether a round's seed belongs to its chain: hashed so many times, it gives the
    /// seed that was known before, or a known later one gives it.
    pub(crate) fn belongs(&mut self, hunt: HuntNumber, round: RoundNumber, seed: Seed) -> Belongs {
        let Some(SeedPlace { chain, index }) = SeedPlace::of(round) else {
            return Belongs::No;
        };
        let Some((known_index, known)) = self.known.get_mut(&(hunt, chain)) else {
            return Belongs::Unknown;
        };
        let belongs = if index <= *known_index {
            known.earlier(*known_index - index) == seed
        } else {
            seed.follows(known, index - *known_index)
        };
        if belongs && index > *known_index {
            (*known_index, *known) = (index, seed);
        }
        if belongs { Belongs::Yes } else { Belongs::No }
    }
}
