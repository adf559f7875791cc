//! Who has scored since a ranking was last brought up to date, and what.

use huntcore_model::BoardOperator;

use crate::contribution::Contribution;
use crate::sort::sort;

/// One contribution for each player: a hash table of places in a list. It takes space for
/// those who have scored, however many players there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    entries: Vec<(u32, Contribution)>,
    // Open addressing: one higher than a place in `entries`, 0 where nothing is. A power of
    // two of them, at least twice the entries.
    slots: Vec<u32>,
}

const SLOTS_MIN: usize = 16;
/// Room for so many players is kept from one flush to the next.
const KEPT_MAX: usize = 1 << 16;

impl Pending {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            slots: Vec::new(),
        }
    }

    /// How many players have scored.
    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Joins what a player is given to what is there. Returns what is to be counted
    /// elsewhere, if a number does not hold it all.
    #[inline]
    pub(crate) fn put(
        &mut self,
        operator: BoardOperator,
        player: u32,
        more: Contribution,
    ) -> Option<i64> {
        if self.entries.len() * 2 >= self.slots.len() {
            self.grow(self.slots.len() * 2);
        }
        let slot = self.slot(player);
        match self.slots[slot].checked_sub(1) {
            Some(at) => self.entries[at as usize].1.join(operator, more),
            None => {
                self.entries.push((player, more));
                self.slots[slot] = place(self.entries.len());
                None
            }
        }
    }

    /// Everything in the order of the players' indexes.
    ///
    /// To be cleared next: players are not found any more.
    pub(crate) fn sorted(&mut self) -> &[(u32, Contribution)] {
        sort(&mut self.entries, |&(player, _)| u64::from(player));
        &self.entries
    }

    /// Forgets everything, and keeps room for as much again, within bounds.
    pub(crate) fn clear(&mut self) {
        let len = self.entries.len().min(KEPT_MAX);
        self.entries.clear();
        self.entries.shrink_to(2 * len);
        self.slots.clear();
        self.slots.shrink_to(4 * len);
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<(u32, Contribution)>()
            + self.slots.capacity() * size_of::<u32>()
    }

    /// The player's slot, or the free one that it would take.
    #[inline]
    fn slot(&self, player: u32) -> usize {
        let mut slot = first_slot(player, self.slots.len());
        loop {
            match self.slots[slot].checked_sub(1) {
                Some(at) if self.entries[at as usize].0 != player => {
                    slot = (slot + 1) & (self.slots.len() - 1);
                }
                _ => return slot,
            }
        }
    }

    /// Makes a table of at least so many slots.
    #[cold]
    fn grow(&mut self, slots: usize) {
        self.slots.clear();
        self.slots
            .resize(slots.next_power_of_two().max(SLOTS_MIN), 0);
        for at in 0..self.entries.len() {
            let slot = self.slot(self.entries[at].0);
            self.slots[slot] = place(at + 1);
        }
    }
}

fn place(at: usize) -> u32 {
    u32::try_from(at).expect("no more than player indexes")
}

/// Spreads neighbours, of which players' indexes have many, over the whole table.
#[inline]
const fn first_slot(player: u32, slots: usize) -> usize {
    const GOLDEN: u32 = 0x9e37_79b1;
    (player.wrapping_mul(GOLDEN) >> (u32::BITS - slots.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::key::Place;

    proptest! {
        #[test]
        fn what_came_for_each_player_is_added_up(rounds in proptest::collection::vec(proptest::collection::vec((prop_oneof![0_u32..8, 0_u32..100_000, any::<u32>()], -9_i64..9), 0..200), 1..5)) {
            let mut pending = Pending::default();
            for round in rounds {
                let mut model = BTreeMap::new();
                for (player, score) in round {
                    let more = Contribution::of(BoardOperator::Sum, score, Place::from_raw(0, 0));
                    prop_assert_eq!(pending.put(BoardOperator::Sum, player, more), None);
                    *model.entry(player).or_insert(0) += score;
                }
                prop_assert_eq!(pending.len(), model.len());
                let sorted = pending.sorted().iter();
                let found: Vec<_> = sorted.map(|&(player, sum)| (player, sum.score)).collect();
                prop_assert_eq!(found, model.into_iter().collect::<Vec<_>>());
                pending.clear();
                prop_assert_eq!(pending.len(), 0);
            }
        }
    }
}
