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
            closed_at: round.closes_at,
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

    /// Forgets rounds that closed before `keep_from`, and the oldest beyond `answers_max`.
    pub(crate) fn forget(&mut self, keep_from: TimeMicros, answers_max: usize) {
        while let Some(oldest) = self.by_age.front()
            && (oldest.closed_at < keep_from || self.counted > answers_max)
        {
            self.counted -= counted(oldest);
            self.by_key.remove(&oldest.key);
            self.by_age.pop_front();
        }
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
