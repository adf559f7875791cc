//! The claims of closed rounds, kept so that an attempt gets the same answer again (I3).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use huntcore_model::{TileIndex, TimeMicros};

use crate::claims::{Held, SealedClaims};
use crate::exchange::ClosedOrdinal;
use crate::open_rounds::{OpenRound, RoundKey};

/// A round counts as at least this many answers, so that what it takes itself (about 300
/// bytes) is within 40 bytes for each answer that counts.
pub(crate) const ROUND_ANSWERS_MIN: usize = 16;

/// A closed round; never changed, only dropped as a whole.
#[derive(Debug)]
pub(crate) struct ClosedRound {
    pub(crate) ordinal: ClosedOrdinal,
    pub(crate) key: RoundKey,
    /// When nobody could win in it any more.
    pub(crate) closed_at: TimeMicros,
    pub(crate) tiles: u32,
    pub(crate) claims: SealedClaims,
}

/// All closed rounds that have claims and are remembered.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    by_key: BTreeMap<RoundKey, Arc<ClosedRound>>,
    // In the order in which they closed, which is that of their ordinals.
    by_age: VecDeque<Arc<ClosedRound>>,
    // Each round's claims, or ROUND_ANSWERS_MIN.
    counted: usize,
}

impl Answers {
    pub(crate) fn round(&self, key: RoundKey) -> Option<&ClosedRound> {
        self.by_key.get(&key).map(AsRef::as_ref)
    }

    pub(crate) fn get(&self, key: RoundKey, tile: TileIndex) -> Option<Held> {
        self.by_key.get(&key)?.claims.get(tile)
    }

    /// Takes over a round that has closed.
    pub(crate) fn close(&mut self, ordinal: ClosedOrdinal, round: OpenRound) {
        self.keep(ClosedRound {
            ordinal,
            key: round.key,
            closed_at: round.over_at,
            tiles: round.tiles,
            claims: round.claims.sealed(),
        });
    }

    pub(crate) fn keep(&mut self, round: ClosedRound) {
        let round = Arc::new(round);
        self.counted += counted(&round);
        self.by_age.push_back(round.clone());
        self.by_key.insert(round.key, round);
    }

    /// Forgets the oldest round if it closed before `keep_from`, or there are more than
    /// `answers_max` answers, and says which that was.
    pub(crate) fn forget_oldest(
        &mut self,
        keep_from: TimeMicros,
        answers_max: usize,
    ) -> Option<RoundKey> {
        let counted_now = self.counted;
        let is_past = |oldest: &mut Arc<ClosedRound>| {
            oldest.closed_at < keep_from || counted_now > answers_max
        };
        let oldest = self.by_age.pop_front_if(is_past)?;
        self.counted -= counted(&oldest);
        self.by_key.remove(&oldest.key);
        Some(oldest.key)
    }

    /// When the oldest round that is remembered closed.
    pub(crate) fn oldest_closed_at(&self) -> Option<TimeMicros> {
        self.by_age.front().map(|oldest| oldest.closed_at)
    }

    /// The rounds that closed at `since` or later.
    pub(crate) fn since(&self, since: ClosedOrdinal) -> impl Iterator<Item = &Arc<ClosedRound>> {
        let first = self.by_age.partition_point(|round| round.ordinal < since);
        self.by_age.range(first..)
    }

    /// The newest round's ordinal, if there is one.
    pub(crate) fn newest(&self) -> Option<ClosedOrdinal> {
        self.by_age.back().map(|round| round.ordinal)
    }

    /// The oldest round's ordinal, if there is one, and how many rounds there are.
    pub(crate) fn extent(&self) -> (Option<ClosedOrdinal>, usize) {
        let oldest = self.by_age.front().map(|round| round.ordinal);
        (oldest, self.by_age.len())
    }
}

fn counted(round: &ClosedRound) -> usize {
    round.claims.len().max(ROUND_ANSWERS_MIN)
}

#[cfg(test)]
mod tests {
    use huntcore_model::{HuntNumber, PlayerNumber, RoundNumber, Sequence};

    use super::*;
    use crate::claims::OpenClaims;

    /// A closed round with `count` claims, at the time of its number.
    fn closed(round: u64, count: u32) -> OpenRound {
        let mut claims = OpenClaims::default();
        for tile in 0..count {
            let held = Held {
                sequence: Sequence::new(round * 1_000 + u64::from(tile)),
                tile: TileIndex::new(tile),
                player: PlayerNumber::new(0),
                points: 1,
            };
            assert!(claims.insert(100, &held));
        }
        let closes_at = TimeMicros::new(round);
        OpenRound {
            key: (HuntNumber::new(0), RoundNumber::new(round)),
            opens_at: TimeMicros::ZERO,
            closes_at,
            over_at: closes_at,
            tiles: 100,
            kept_expired: false,
            points: None,
            claims,
        }
    }

    #[test]
    fn a_round_s_own_bytes_are_within_what_it_counts_as_more_than_its_claims() {
        // Itself with its counters, its entries in both collections, which may be half full, the
        // list of its one chunk and that chunk's counters; and the allocator's share.
        let own = 16 + size_of::<ClosedRound>();
        let entries = 2 * (size_of::<RoundKey>() + 2 * size_of::<Arc<ClosedRound>>());
        let bytes = own + entries + 16 + 16 + 4 * 16;
        assert!(bytes <= 300, "{bytes}");
        // Up to 64 claims take 20 bytes each, from there on 32.
        for claims in 1..10_000 {
            let per_claim = if claims < 64 { 20 } else { 32 };
            let counted = claims.max(ROUND_ANSWERS_MIN);
            assert!(300 + claims * per_claim <= counted * 40, "{claims}");
        }
    }

    #[test]
    fn the_oldest_rounds_go_first_and_the_others_are_found() {
        let mut answers = Answers::default();
        for round in 1..=4_u32 {
            let ordinal = ClosedOrdinal::new(u64::from(round));
            answers.close(ordinal, closed(u64::from(round), round * 10));
        }
        // 16, 20, 30 and 40.
        let kept = |answers: &Answers| -> Vec<u64> {
            let found = (1..=4).filter(|&round| {
                let key = (HuntNumber::new(0), RoundNumber::new(round));
                answers.get(key, TileIndex::new(3)).is_some()
            });
            found.collect()
        };
        let forget = |answers: &mut Answers, keep_from, answers_max| {
            while answers.forget_oldest(keep_from, answers_max).is_some() {}
        };
        forget(&mut answers, TimeMicros::ZERO, 106);
        assert_eq!(kept(&answers), [1, 2, 3, 4]);
        forget(&mut answers, TimeMicros::ZERO, 105);
        assert_eq!(kept(&answers), [2, 3, 4]);
        forget(&mut answers, TimeMicros::new(3), 105);
        assert_eq!(kept(&answers), [3, 4]);
        let since: Vec<_> = answers.since(ClosedOrdinal::new(4)).collect();
        assert_eq!(since.len(), 1);
        assert_eq!(answers.extent(), (Some(ClosedOrdinal::new(3)), 2));
        forget(&mut answers, TimeMicros::ZERO, 0);
        assert_eq!((kept(&answers), answers.extent()), (vec![], (None, 0)));
    }
}
