//! A hunt's announced rounds in chunks that copies of the hunt share.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::{RoundEntry, RoundNumber};

/// Long enough that six hours of one-second rounds are a few hundred chunks, short enough
/// that copying the last one for each new round costs little.
const CHUNK_ROUNDS: usize = 64;

/// Rounds in ascending order; only ever added at the end and dropped at the start.
///
/// A clone shares all chunks; writing to one of the two copies one chunk.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoundList {
    // All but the last are full.
    chunks: VecDeque<Arc<Vec<Arc<RoundEntry>>>>,
    // Rounds of the first chunk that have been dropped.
    skipped: usize,
    len: usize,
}

impl RoundList {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn front(&self) -> Option<&Arc<RoundEntry>> {
        self.get(0)
    }

    pub(crate) fn back(&self) -> Option<&Arc<RoundEntry>> {
        self.get(self.len.checked_sub(1)?)
    }

    pub(crate) fn push_back(&mut self, round: Arc<RoundEntry>) {
        match self.chunks.back_mut() {
            Some(last) if last.len() < CHUNK_ROUNDS => Arc::make_mut(last).push(round),
            _ => self.chunks.push_back(Arc::new(vec![round])),
        }
        self.len += 1;
    }

    pub(crate) fn pop_front(&mut self) {
        if self.len == 0 {
            return;
        }
        self.len -= 1;
        self.skipped += 1;
        if self.skipped == CHUNK_ROUNDS || self.len == 0 {
            self.chunks.pop_front();
            self.skipped = 0;
        }
    }

    pub(crate) fn iter_from(
        &self,
        first: usize,
    ) -> impl DoubleEndedIterator<Item = &Arc<RoundEntry>> + ExactSizeIterator {
        (first..self.len).map(|index| self.get(index).expect("below the length"))
    }

    /// How many of the first rounds `holds` is true for; it must hold for none after those.
    pub(crate) fn partition_point(&self, holds: impl Fn(&RoundEntry) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle).is_some_and(|round| holds(round)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    pub(crate) fn find(&self, round: RoundNumber) -> Option<&Arc<RoundEntry>> {
        let found = self.get(self.place(round))?;
        (found.opened.round == round).then_some(found)
    }

    pub(crate) fn find_mut(&mut self, round: RoundNumber) -> Option<&mut RoundEntry> {
        self.find(round)?;
        let place = self.skipped + self.place(round);
        let chunk = Arc::make_mut(&mut self.chunks[place / CHUNK_ROUNDS]);
        Some(Arc::make_mut(&mut chunk[place % CHUNK_ROUNDS]))
    }

    fn place(&self, round: RoundNumber) -> usize {
        self.partition_point(|known| known.opened.round < round)
    }

    fn get(&self, index: usize) -> Option<&Arc<RoundEntry>> {
        if index >= self.len {
            return None;
        }
        let place = self.skipped + index;
        self.chunks[place / CHUNK_ROUNDS].get(place % CHUNK_ROUNDS)
    }
}

impl PartialEq for RoundList {
    /// Whether the rounds are the same, however they lie in chunks.
    fn eq(&self, other: &Self) -> bool {
        self.iter_from(0).eq(other.iter_from(0))
    }
}

impl Eq for RoundList {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Hash32, HuntNumber, RoundOpened, RoundSchedule, TimeMicros};

    fn round(number: u64) -> RoundEntry {
        RoundEntry {
            opened: RoundOpened {
                hunt: HuntNumber::new(0),
                round: RoundNumber::new(number),
                config_version: 1,
                map: Hash32::ZERO,
                commitment: Hash32::ZERO,
                layout: Hash32::ZERO,
                tiles: 4,
                schedule: RoundSchedule {
                    opens_at: TimeMicros::new(number),
                    closes_at: TimeMicros::new(number + 1),
                },
            },
            seed: None,
        }
    }

    proptest! {
        #[test]
        fn a_list_is_what_a_plain_queue_is_and_its_clones_do_not_change(
            steps in proptest::collection::vec((0..4_u8, 1..90_usize), 1..12),
        ) {
            let (mut list, mut plain) = (RoundList::default(), VecDeque::new());
            let (mut next, mut clones) = (0, Vec::new());
            for (kind, count) in steps {
                for _ in 0..count {
                    match kind {
                        0 | 1 => {
                            next += 2;
                            list.push_back(Arc::new(round(next)));
                            plain.push_back(round(next));
                        }
                        2 => {
                            list.pop_front();
                            plain.pop_front();
                        }
                        _ => {
                            let number = next.saturating_sub(count as u64);
                            let seed = Some(Hash32::new([7; 32]));
                            let wanted = RoundNumber::new(number);
                            let known = plain.iter_mut().find(|r| r.opened.round == wanted);
                            let found = list.find_mut(wanted);
                            prop_assert_eq!(found.is_some(), known.is_some());
                            if let (Some(found), Some(known)) = (found, known) {
                                (found.seed, known.seed) = (seed, seed);
                            }
                        }
                    }
                }
                clones.push((list.clone(), plain.clone()));
            }
            for (list, plain) in clones {
                prop_assert!(list.iter_from(0).map(AsRef::as_ref).eq(&plain));
                prop_assert!(list.iter_from(0).rev().map(AsRef::as_ref).eq(plain.iter().rev()));
                prop_assert_eq!(list.len(), plain.len());
                for number in (0..=next + 1).step_by(13) {
                    let number = RoundNumber::new(number);
                    let known = plain.iter().find(|r| r.opened.round == number);
                    prop_assert_eq!(list.find(number).map(AsRef::as_ref), known);
                    let before = plain.iter().filter(|r| r.opened.round < number).count();
                    prop_assert_eq!(list.partition_point(|r| r.opened.round < number), before);
                }
            }
        }
    }
}
