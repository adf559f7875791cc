//! Scores being added up: a ranking, and beside it what has come since it was last brought
//! up to date.
//!
//! Nobody sees a ranking between two publications, so a player who scores a hundred times
//! in between is moved in it once. A record costs a look into a dense table; only a
//! player's first one since the ranking was brought up to date looks at the ranking.

use std::marker::PhantomData;

use crate::key::Key;
use crate::ranking::Ranking;

/// The highest total; JSON readers lose exactness past it.
const TOTAL_MAX: i64 = huntcore_model::SCORE_MAGNITUDE_MAX;
const CHUNK_PLAYERS: usize = 32;

/// How two keys of one player become one. The result of many does not depend on the order
/// in which they are taken.
pub(crate) trait Rule {
    fn merge(known: Key, more: Key) -> Key;
}

/// Points add up. The sum is reached with the last claim that raised it: a claim worth
/// nothing moves nobody, though it puts its player on the board.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sum;

/// The highest score counts; of equal ones the earliest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Highest;

/// See the module. A clone costs what has come since the last flush.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally<R> {
    ranking: Ranking,
    pending: Pending,
    len: usize,
    rule: PhantomData<R>,
}

/// The new keys of those whose key is another than in the ranking.
#[derive(Clone, Debug, Default)]
struct Pending {
    // By player. Chunks are there only where somebody is, so a few players of a large
    // deployment's hunt take little.
    chunks: Vec<Option<Box<[Option<Key>; CHUNK_PLAYERS]>>>,
    len: usize,
}

impl Rule for Sum {
    #[inline]
    fn merge(known: Key, more: Key) -> Key {
        let total = known.score().saturating_add(more.score()).min(TOTAL_MAX);
        let reached = match (known.score() > 0, more.score() > 0) {
            (true, true) => known.place().max(more.place()),
            (true, false) => known.place(),
            (false, true) => more.place(),
            (false, false) => known.place().min(more.place()),
        };
        Key::new(total, reached)
    }
}

impl Rule for Highest {
    #[inline]
    fn merge(known: Key, more: Key) -> Key {
        known.min(more)
    }
}

impl<R: Rule> Tally<R> {
    /// How many players are on it.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// How many players' keys are not in the ranking yet.
    pub(crate) const fn pending(&self) -> usize {
        self.pending.len
    }

    /// Takes what a record gives a player.
    #[inline]
    pub(crate) fn put(&mut self, player: u32, key: Key) {
        match self.pending.get_mut(player) {
            Some(known) => *known = R::merge(*known, key),
            None => self.put_first(player, key),
        }
    }

    #[inline(never)]
    fn put_first(&mut self, player: u32, key: Key) {
        let known = self.ranking.key(player);
        let merged = known.map_or(key, |known| R::merge(known, key));
        if known != Some(merged) {
            self.pending.insert(player, merged);
            self.len += usize::from(known.is_none());
        }
    }

    /// Brings the ranking up to date.
    pub(crate) fn flush(&mut self) {
        if self.pending.len > 0 {
            let pending = std::mem::take(&mut self.pending);
            self.ranking.update(pending.into_keys());
        }
    }

    /// As it was at the last flush.
    pub(crate) const fn ranking(&self) -> &Ranking {
        &self.ranking
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.ranking.heap_bytes() + self.pending.heap_bytes()
    }
}

impl<R> From<Ranking> for Tally<R> {
    fn from(ranking: Ranking) -> Self {
        Self {
            len: ranking.len(),
            ranking,
            pending: Pending::default(),
            rule: PhantomData,
        }
    }
}

impl Pending {
    #[inline]
    fn get_mut(&mut self, player: u32) -> Option<&mut Key> {
        let player = player as usize;
        let chunk = self.chunks.get_mut(player / CHUNK_PLAYERS)?.as_mut()?;
        chunk[player % CHUNK_PLAYERS].as_mut()
    }

    fn insert(&mut self, player: u32, key: Key) {
        let player = player as usize;
        let at = player / CHUNK_PLAYERS;
        if at >= self.chunks.len() {
            self.chunks.resize_with(at + 1, || None);
        }
        let chunk = self.chunks[at].get_or_insert_with(|| Box::new([None; CHUNK_PLAYERS]));
        chunk[player % CHUNK_PLAYERS] = Some(key);
        self.len += 1;
    }

    /// Players and keys in the order of the players' indexes.
    fn into_keys(self) -> impl Iterator<Item = (u32, Key)> {
        let chunks = (0_u32..).step_by(CHUNK_PLAYERS).zip(self.chunks);
        chunks.flat_map(|(first, chunk)| {
            let slots = chunk.into_iter().flat_map(|chunk| *chunk);
            (first..)
                .zip(slots)
                .filter_map(|(player, key)| Some((player, key?)))
        })
    }

    fn heap_bytes(&self) -> usize {
        let chunk_bytes = size_of::<[Option<Key>; CHUNK_PLAYERS]>();
        self.chunks.capacity() * size_of::<usize>()
            + self.chunks.iter().flatten().count() * chunk_bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::{Place, Ranked};
    use crate::ranking::Ranks;

    /// Every record at once, each player moved for each.
    fn one_by_one<R: Rule>(records: &[(u32, Key)]) -> Vec<Ranked> {
        let mut keys = std::collections::BTreeMap::new();
        for &(player, key) in records {
            let known = keys.get(&player).copied();
            keys.insert(player, known.map_or(key, |known| R::merge(known, key)));
        }
        let ranked = keys.into_iter().map(|(player, key)| Ranked { key, player });
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_unstable();
        ranked
    }

    fn gathered<R: Rule + Default>(records: &[(u32, Key)], flush_every: usize) -> Vec<Ranked> {
        let mut tally = Tally::<R>::default();
        for (at, &(player, key)) in records.iter().enumerate() {
            tally.put(player, key);
            if at % flush_every == 0 {
                tally.flush();
            }
        }
        tally.flush();
        assert_eq!(tally.pending(), 0);
        assert_eq!(tally.len(), tally.ranking().len());
        let ranks = Ranks::Growing(tally.ranking());
        let ranked: Vec<_> = ranks.iter_from(0).copied().collect();
        for (rank, entry) in ranked.iter().enumerate() {
            assert_eq!(ranks.find(entry.player), Some((rank, *entry)));
        }
        ranked
    }

    fn any_records(scores: std::ops::Range<i64>) -> impl Strategy<Value = Vec<(u32, Key)>> {
        let player = prop_oneof![0_u32..6, 0_u32..200];
        let score = prop_oneof![Just(scores.start), scores.clone(), Just(TOTAL_MAX)];
        let place = (0_u64..9, 0_u32..9).prop_map(|(when, offset)| Place::from_raw(when, offset));
        let record = (player, score, place);
        let record = record.prop_map(|(player, score, place)| (player, Key::new(score, place)));
        prop::collection::vec(record, 0..300)
    }

    proptest! {
        #[test]
        fn sums_gathered_first_rank_as_sums_taken_one_by_one(records in any_records(0..4), flush_every in 1_usize..120) {
            prop_assert_eq!(gathered::<Sum>(&records, flush_every), one_by_one::<Sum>(&records));
            let backwards: Vec<_> = records.iter().rev().copied().collect();
            prop_assert_eq!(gathered::<Sum>(&backwards, flush_every), one_by_one::<Sum>(&records));
        }

        #[test]
        fn highest_scores_gathered_first_rank_as_taken_one_by_one(records in any_records(-3..4), flush_every in 1_usize..120) {
            prop_assert_eq!(gathered::<Highest>(&records, flush_every), one_by_one::<Highest>(&records));
            let backwards: Vec<_> = records.iter().rev().copied().collect();
            prop_assert_eq!(gathered::<Highest>(&backwards, flush_every), one_by_one::<Highest>(&records));
        }
    }
}
