//! Scores being counted: a ranking, and beside it what has come since it was last brought
//! up to date.
//!
//! Nobody sees a ranking between two publications, so a player who scores a hundred times
//! in between is moved in it once, and a record costs a look into a small table.
//!
//! What came for whom is joined by the board's operator alone, so a tally is the same
//! whatever the order in which streams brought it, those set aside included.

use huntcore_model::{BoardOperator, BoardOrder};

use crate::beside::Beside;
use crate::contribution::Contribution;
use crate::key::{Key, Place, Ranked};
use crate::pending::Pending;
use crate::ranking::{Frozen, Ranking};

/// See the module. A clone costs what has come since the last flush.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    operator: BoardOperator,
    ranking: Ranking,
    pending: Pending,
    beside: Beside,
}

impl Tally {
    pub(crate) const fn new(operator: BoardOperator, order: BoardOrder) -> Self {
        Self::restored(operator, Ranking::new(order), Beside::new())
    }

    /// Goes on from a ranking of the same operator.
    pub(crate) const fn restored(
        operator: BoardOperator,
        ranking: Ranking,
        beside: Beside,
    ) -> Self {
        Self {
            operator,
            ranking,
            pending: Pending::new(),
            beside,
        }
    }

    /// How many players are ranked or wait for it, at most: those who wait may be ranked
    /// already. After a flush it is exact.
    pub(crate) const fn len_max(&self) -> usize {
        self.ranking.len() + self.pending.len()
    }

    /// How many players have scored since the last flush.
    pub(crate) const fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Takes what a record gives a player.
    #[inline]
    pub(crate) fn put(&mut self, player: u32, score: i64, place: Place) {
        self.take(player, Contribution::of(self.operator, score, place));
    }

    /// Takes away what a record gave a player; `false` if the operator can't.
    ///
    /// Only what was put may be taken away, later or (by another stream) earlier.
    pub(crate) fn subtract(&mut self, player: u32, score: i64) -> bool {
        let less = Contribution::taking_away(self.operator, score);
        if let Some(less) = less {
            self.take(player, less);
        }
        less.is_some()
    }

    #[inline]
    fn take(&mut self, player: u32, more: Contribution) {
        if let Some(carry) = self.pending.put(self.operator, player, more) {
            self.beside.carry(player, carry);
        }
    }

    /// From now on the player is not ranked, though scores go on being counted. Nothing
    /// changes for one who is set aside already.
    pub(crate) fn set_aside(&mut self, player: u32) {
        let ranking = &mut self.ranking;
        let aside = self.beside.aside.entry(player);
        aside.or_insert_with(|| ranking.remove(player));
    }

    /// Ranks the player again, with all that has come meanwhile.
    pub(crate) fn bring_back(&mut self, player: u32) {
        if let Some(Some(key)) = self.beside.aside.remove(&player) {
            self.ranking.insert(Ranked { key, player });
        }
    }

    /// Brings the ranking up to date.
    pub(crate) fn flush(&mut self) {
        if self.pending.len() == 0 {
            return;
        }
        let (operator, order) = (self.operator, self.ranking.order());
        let beside = &mut self.beside;
        let mut changes = self.pending.sorted();
        let ranked: Vec<_>;
        if !beside.aside.is_empty() {
            let unranked: Vec<_>;
            (unranked, ranked) = changes
                .iter()
                .partition(|(player, _)| beside.aside.contains_key(player));
            for (player, more) in unranked {
                let known = beside.aside.get(&player).copied().flatten();
                let key = joined(operator, order, beside, player, known, more);
                beside.aside.insert(player, Some(key));
            }
            changes = &ranked;
        }
        self.ranking
            .update(changes.iter().copied(), |player, known, more| {
                joined(operator, order, beside, player, known, more)
            });
        self.pending.clear();
    }

    /// As it was at the last flush.
    pub(crate) const fn ranking(&self) -> &Ranking {
        &self.ranking
    }

    /// As it was at the last flush.
    pub(crate) const fn beside(&self) -> &Beside {
        &self.beside
    }

    /// What it comes to, when nothing will come any more.
    pub(crate) fn freeze(mut self) -> Frozen {
        self.flush();
        self.ranking.freeze(self.beside)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.ranking.heap_bytes() + self.pending.heap_bytes() + self.beside.heap_bytes()
    }
}

/// A player's key with what has come.
#[inline]
fn joined(
    operator: BoardOperator,
    order: BoardOrder,
    beside: &mut Beside,
    player: u32,
    known: Option<Key>,
    more: Contribution,
) -> Key {
    let mut joined = more;
    if let Some(known) = known {
        let known = Contribution {
            score: known.score(order),
            place: known.place(),
        };
        if let Some(carry) = joined.join(operator, known) {
            beside.carry(player, carry);
        }
    }
    let shown = beside.shown(player, joined.score);
    Key::new(order, shown, joined.place)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use huntcore_model::SCORE_MAGNITUDE_MAX;
    use proptest::prelude::*;

    use super::*;
    use crate::ranking::Ranks;

    const MOST: i64 = SCORE_MAGNITUDE_MAX;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Put {
            player: u32,
            score: i64,
            place: Place,
        },
        /// Of the record that was put as the so-manyeth of those that were.
        TakeAway(usize),
        SetAside(u32),
        BringBack(u32),
        Flush,
    }

    /// Everybody who is ranked, by a walk through the records that count, in order.
    fn ranked_naively(
        operator: BoardOperator,
        order: BoardOrder,
        puts: &[(u32, i64, Place)],
        away: &BTreeSet<usize>,
        aside: &BTreeSet<u32>,
    ) -> Vec<(u32, i64, Place)> {
        let mut by_player = BTreeMap::<u32, Vec<(Place, i64, bool)>>::new();
        for (at, &(player, score, place)) in puts.iter().enumerate() {
            if !aside.contains(&player) {
                let records = by_player.entry(player).or_default();
                records.push((place, score, away.contains(&at)));
            }
        }
        let mut ranked: Vec<_> = by_player
            .into_iter()
            .map(|(player, mut records)| {
                records.sort_unstable();
                let (score, place) = result(operator, &records);
                (player, score, place)
            })
            .collect();
        ranked.sort_by_key(|&(player, score, place)| {
            let score = match order {
                BoardOrder::Descending => -score,
                BoardOrder::Ascending => score,
            };
            (score, place.raw().0, place.raw().1 >> 1, player)
        });
        ranked
    }

    /// What one player's records come to, and the place of the one that it is reached with.
    fn result(operator: BoardOperator, records: &[(Place, i64, bool)]) -> (i64, Place) {
        let &(first, ..) = records.first().expect("at least one");
        let &(last, newest, _) = records.last().expect("at least one");
        let left = || records.iter().filter(|(.., is_away)| !is_away);
        let reaching = |score| {
            let mut reaching = records.iter().filter(|record| record.1 == score);
            reaching.next().map_or(first, |record| record.0)
        };
        match operator {
            BoardOperator::Sum => {
                let sum: i128 = left().map(|&(_, score, _)| i128::from(score)).sum();
                let shown = sum.clamp(-i128::from(MOST), i128::from(MOST));
                let moving = records.iter().rfind(|record| record.1 != 0);
                let place = moving.map_or(first, |record| record.0);
                (i64::try_from(shown).expect("within"), place)
            }
            BoardOperator::Count => {
                let count = i64::try_from(left().count()).expect("few");
                (count, last)
            }
            BoardOperator::Last => (newest, last),
            BoardOperator::Max => {
                let highest = records.iter().map(|record| record.1).max();
                let highest = highest.expect("at least one");
                (highest, reaching(highest))
            }
            BoardOperator::Min => {
                let lowest = records.iter().map(|record| record.1).min();
                let lowest = lowest.expect("at least one");
                (lowest, reaching(lowest))
            }
        }
    }

    fn shown(ranks: Ranks<'_>) -> Vec<(u32, i64, (u64, u32))> {
        let entries: Vec<_> = ranks.iter_from(0).copied().collect();
        assert_eq!(entries.len(), ranks.len());
        for (rank, entry) in entries.iter().enumerate() {
            assert_eq!(ranks.find(entry.player), Some((rank, *entry)));
            let score = entry.key.score(ranks.order());
            let better = ranks.count_better(score);
            assert!(better <= rank);
            let first = entries[better].key.score(ranks.order());
            assert_eq!(first, score);
            assert!(better == 0 || entries[better - 1].key.score(ranks.order()) != score);
        }
        let order = ranks.order();
        entries
            .into_iter()
            .map(|entry| {
                let (when, offset) = entry.key.place().raw();
                (entry.player, entry.key.score(order), (when, offset >> 1))
            })
            .collect()
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let player = || prop_oneof![0_u32..5, 0_u32..200];
        let score = prop_oneof![-4_i64..5, Just(0), Just(MOST), Just(-MOST), Just(MOST - 2)];
        let put = (player(), score).prop_map(|(player, score)| Step::Put {
            player,
            score,
            place: Place::NOWHERE,
        });
        let step = prop_oneof![
            20 => put,
            3 => any::<prop::sample::Index>().prop_map(|index| Step::TakeAway(index.index(1 << 20))),
            1 => player().prop_map(Step::SetAside),
            1 => player().prop_map(Step::BringBack),
            1 => Just(Step::Flush),
        ];
        // Places are dealt in another order than records come: streams run apart.
        let steps = prop::collection::vec((step, any::<u32>()), 0..300);
        steps.prop_map(|steps| {
            let place = |at: usize, chance: u32| {
                Place::new(
                    huntcore_model::TimeMicros::new(u64::from(chance % 16)),
                    huntcore_model::ShardId::new(u16::try_from(chance / 16 % 2).expect("0 or 1")),
                    at as u64,
                )
            };
            let placed = steps.into_iter().enumerate();
            placed
                .map(|(at, (step, chance))| match step {
                    Step::Put { player, score, .. } => Step::Put {
                        player,
                        score,
                        place: place(at, chance),
                    },
                    step => step,
                })
                .collect()
        })
    }

    fn any_operator() -> impl Strategy<Value = BoardOperator> {
        prop::sample::select(vec![
            BoardOperator::Sum,
            BoardOperator::Max,
            BoardOperator::Last,
            BoardOperator::Count,
            BoardOperator::Min,
        ])
    }

    fn any_order() -> impl Strategy<Value = BoardOrder> {
        prop::sample::select(vec![BoardOrder::Descending, BoardOrder::Ascending])
    }

    proptest! {
        #[test]
        fn every_operator_ranks_as_a_walk_through_all_records(operator in any_operator(), order in any_order(), steps in steps()) {
            let mut tally = Tally::new(operator, order);
            let mut puts = Vec::new();
            let mut away = BTreeSet::new();
            let mut aside = BTreeSet::new();
            for step in steps {
                match step {
                    Step::Put { player, score, place } => {
                        tally.put(player, score, place);
                        puts.push((player, score, place));
                    }
                    Step::TakeAway(index) => {
                        let at = index % puts.len().max(1);
                        if at < puts.len() && away.insert(at) {
                            let (player, score, _) = puts[at];
                            let can = matches!(operator, BoardOperator::Sum | BoardOperator::Count);
                            prop_assert_eq!(tally.subtract(player, score), can);
                        }
                    }
                    Step::SetAside(player) => {
                        aside.insert(player);
                        tally.set_aside(player);
                    }
                    Step::BringBack(player) => {
                        aside.remove(&player);
                        tally.bring_back(player);
                    }
                    Step::Flush => tally.flush(),
                }
            }
            tally.flush();
            prop_assert_eq!((tally.pending(), tally.len_max()), (0, tally.ranking().len()));
            let expected: Vec<_> = ranked_naively(operator, order, &puts, &away, &aside)
                .into_iter()
                .map(|(player, score, place)| (player, score, (place.raw().0, place.raw().1 >> 1)))
                .collect();
            prop_assert_eq!(&shown(Ranks::Growing(tally.ranking())), &expected);

            // The other way round, and all at once.
            let mut backwards = Tally::new(operator, order);
            aside.iter().for_each(|&player| backwards.set_aside(player));
            for at in away {
                let (player, score, _) = puts[at];
                backwards.subtract(player, score);
            }
            for &(player, score, place) in puts.iter().rev() {
                backwards.put(player, score, place);
            }
            backwards.flush();
            prop_assert_eq!(backwards.beside(), tally.beside());
            prop_assert_eq!(shown(Ranks::Growing(backwards.ranking())), shown(Ranks::Growing(tally.ranking())));
            let frozen = tally.freeze();
            prop_assert_eq!(shown(Ranks::Frozen(&frozen)), expected);
            let mut thawed = frozen.thaw(operator);
            aside.iter().for_each(|&player| thawed.bring_back(player));
            aside.iter().for_each(|&player| backwards.bring_back(player));
            prop_assert_eq!(shown(Ranks::Growing(thawed.ranking())), shown(Ranks::Growing(backwards.ranking())));
        }
    }
}
