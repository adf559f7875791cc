//! Claims that may still be voided, for boards that cannot subtract them.
//!
//! A sum over a whole hunt takes a voided claim's points away again. A window has to be found
//! by the claim's time, and a highest, lowest or last score by the player's other claims. So
//! claims of hunts with such boards are remembered for a while, by stream and in order: which
//! of them are remembered depends on their own stream alone, and so does which correction
//! comes too late (I5).

use std::collections::VecDeque;
use std::sync::Arc;

use huntcore_model::{HuntNumber, Sequence, TimeMicros};

use crate::key::Place;

const CHUNK_CLAIMS: usize = 1_024;

/// A claim that may still be voided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecentClaim {
    pub(crate) sequence: Sequence,
    pub(crate) time: TimeMicros,
    pub(crate) place: Place,
    pub(crate) hunt: HuntNumber,
    /// As a player index.
    pub(crate) player: u32,
    pub(crate) points: u32,
    pub(crate) is_voided: bool,
}

/// One stream's recent claims, oldest first. A clone shares them.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecentClaims {
    chunks: VecDeque<Arc<Vec<RecentClaim>>>,
    // Of the first chunk; they were forgotten.
    skipped: usize,
    len: usize,
}

impl RecentClaims {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push(&mut self, claim: RecentClaim) {
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < CHUNK_CLAIMS => Arc::make_mut(chunk).push(claim),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK_CLAIMS);
                chunk.push(claim);
                self.chunks.push_back(Arc::new(chunk));
            }
        }
        self.len += 1;
    }

    /// Takes out the oldest one, if there are more than `max` or it is older than `since`.
    pub(crate) fn pop_old(&mut self, max: usize, since: TimeMicros) -> Option<RecentClaim> {
        let first = self.chunks.front()?;
        let &oldest = first.get(self.skipped)?;
        if self.len <= max && oldest.time >= since {
            return None;
        }
        self.len -= 1;
        self.skipped += 1;
        if self.skipped == first.len() {
            self.chunks.pop_front();
            self.skipped = 0;
        }
        Some(oldest)
    }

    /// Finds a claim that is not voided, and marks it so.
    pub(crate) fn void(&mut self, sequence: Sequence) -> Option<RecentClaim> {
        let after = |chunk: &Arc<Vec<RecentClaim>>| {
            chunk.last().is_some_and(|claim| claim.sequence < sequence)
        };
        let at = self.chunks.partition_point(after);
        let skipped = if at == 0 { self.skipped } else { 0 };
        let chunk = self.chunks.get_mut(at)?;
        let place = chunk.binary_search_by_key(&sequence, |claim| claim.sequence);
        let place = place.ok().filter(|&place| place >= skipped)?;
        if chunk[place].is_voided {
            return None;
        }
        let found = &mut Arc::make_mut(chunk)[place];
        found.is_voided = true;
        Some(*found)
    }

    /// All of them, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &RecentClaim> {
        let claims = self.chunks.iter().flat_map(|chunk| chunk.iter());
        claims.skip(self.skipped)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.chunks.len() * CHUNK_CLAIMS * size_of::<RecentClaim>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(number: u64) -> RecentClaim {
        RecentClaim {
            sequence: Sequence::new(number * 3),
            time: TimeMicros::new(number / 10),
            place: Place::from_raw(number, 0),
            hunt: HuntNumber::new(1),
            player: 7,
            points: 5,
            is_voided: false,
        }
    }

    #[test]
    fn claims_are_found_until_they_are_too_old_or_too_many() {
        let mut claims = RecentClaims::default();
        (0..5_000).for_each(|number| claims.push(claim(number)));
        let clone = claims.clone();
        let mut gone = Vec::new();
        while let Some(old) = claims.pop_old(4_000, TimeMicros::new(150)) {
            gone.push(old);
        }
        assert!(gone.into_iter().eq((0..1_500).map(claim)));
        assert_eq!(claims.len(), 3_500);
        assert!(claims.iter().copied().eq((1_500..5_000).map(claim)));
        let void = |claims: &mut RecentClaims, sequence| claims.void(Sequence::new(sequence));
        for missing in [0, 3 * 1_499, 3 * 1_500 + 1, 3 * 5_000] {
            assert_eq!(void(&mut claims, missing), None, "{missing}");
        }
        for number in [1_500, 2_047, 2_048, 4_999] {
            let voided = void(&mut claims, number * 3).expect("is there");
            assert_eq!(voided.place, claim(number).place);
            assert_eq!(void(&mut claims, number * 3), None, "only once");
        }
        while claims.pop_old(0, TimeMicros::ZERO).is_some() {}
        assert_eq!(claims.iter().count(), 0);
        assert!(clone.iter().copied().eq((0..5_000).map(claim)));
    }
}
