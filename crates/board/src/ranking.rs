//! One board's players in order, with each one's key: the part that grows and its frozen
//! form.

use huntcore_model::{BoardOperator, BoardOrder};

use crate::beside::Beside;
use crate::key::{Key, Ranked};
use crate::order::Order;
use crate::radix::Radix;
use crate::sort::sort;
use crate::tally::Tally;

/// A ranking that goes on changing. Cloning it is cloning two `Arc`s.
#[derive(Clone, Debug)]
pub(crate) struct Ranking {
    best_first: BoardOrder,
    order: Order,
    keys: Radix<Key>,
}

/// A ranking that will not change any more, in the least space.
#[derive(Debug)]
pub(crate) struct Frozen {
    best_first: BoardOrder,
    order: Box<[Ranked]>,
    // Every player with the rank from 0, by player.
    ranks: Box<[(u32, u32)]>,
    beside: Beside,
}

/// Either form, to read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ranks<'a> {
    Growing(&'a Ranking),
    Frozen(&'a Frozen),
}

impl Ranking {
    pub(crate) const fn new(order: BoardOrder) -> Self {
        Self {
            best_first: order,
            order: Order::new(),
            keys: Radix::new(),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.order.len()
    }

    /// Which end is the best.
    pub(crate) const fn order(&self) -> BoardOrder {
        self.best_first
    }

    /// Gives players new keys, made of those they have and of `changes`, which are in the
    /// order of the players' indexes.
    pub(crate) fn update<C>(
        &mut self,
        changes: impl Iterator<Item = (u32, C)>,
        mut changed: impl FnMut(u32, Option<Key>, C) -> Key,
    ) {
        let mut gone = Vec::with_capacity(changes.size_hint().0);
        let mut come = Vec::with_capacity(changes.size_hint().0);
        self.keys.change_all(changes, |player, old, change| {
            let key = changed(player, old.copied(), change);
            if old != Some(&key) {
                gone.extend(old.map(|&key| Ranked { key, player }));
                come.push(Ranked { key, player });
            }
            key
        });
        sort(&mut gone, Ranked::measure);
        sort(&mut come, Ranked::measure);
        self.order.update(&gone, &come);
    }

    /// Ranks a player who is not ranked.
    pub(crate) fn insert(&mut self, ranked: Ranked) {
        let old = self.keys.insert(ranked.player, ranked.key);
        debug_assert!(old.is_none(), "whoever is ranked is updated");
        self.order.update(&[], &[ranked]);
    }

    /// Takes a player out, with what is told of a player who was ranked.
    pub(crate) fn remove(&mut self, player: u32) -> Option<Key> {
        let key = self.keys.remove(player)?;
        self.order.update(&[Ranked { key, player }], &[]);
        Some(key)
    }

    pub(crate) fn freeze(&self, beside: Beside) -> Frozen {
        let order = Ranks::Growing(self).iter_from(0).copied();
        Frozen::of(self.best_first, order.collect(), beside)
    }

    /// Everybody ranked anew by their keys alone, whatever the order says.
    pub(crate) fn ranked_anew(&self) -> Frozen {
        let ranked = self.keys.iter();
        let ranked = ranked.map(|(player, &key)| Ranked { key, player });
        let mut ranked: Box<[Ranked]> = ranked.collect();
        ranked.sort_unstable();
        Frozen::of(self.best_first, ranked, Beside::new())
    }

    /// Takes entries best first; `None` if they are out of order or name a player twice.
    pub(crate) fn from_sorted(order: BoardOrder, entries: &[Ranked]) -> Option<Self> {
        if !entries.is_sorted_by(|left, right| left < right) {
            return None;
        }
        let mut by_player: Vec<_> = entries
            .iter()
            .map(|entry| (entry.player, entry.key))
            .collect();
        by_player.sort_unstable_by_key(|&(player, _)| player);
        let mut keys = Radix::new();
        let mut is_twice = false;
        keys.insert_all(by_player.into_iter(), |_, old| is_twice |= old.is_some());
        if is_twice {
            return None;
        }
        Some(Self {
            best_first: order,
            order: Order::from_sorted(entries),
            keys,
        })
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.order.heap_bytes() + self.keys.heap_bytes()
    }
}

impl Frozen {
    /// Of entries that are in order.
    fn of(best_first: BoardOrder, order: Box<[Ranked]>, beside: Beside) -> Self {
        let rank = |rank| u32::try_from(rank).expect("no more entries than player indexes");
        let ranks = order.iter().enumerate();
        let mut ranks: Box<[(u32, u32)]> = ranks
            .map(|(place, ranked)| (ranked.player, rank(place)))
            .collect();
        ranks.sort_unstable();
        Self {
            best_first,
            order,
            ranks,
            beside,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// What is kept beside it.
    pub(crate) const fn beside(&self) -> &Beside {
        &self.beside
    }

    /// To be counted on, for a correction.
    pub(crate) fn thaw(&self, operator: BoardOperator) -> Tally {
        let ranking = Ranking::from_sorted(self.best_first, &self.order);
        let ranking = ranking.expect("it was made of a ranking");
        Tally::restored(operator, ranking, self.beside.clone())
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.order) + size_of_val(&*self.ranks) + self.beside.heap_bytes()
    }
}

impl<'a> Ranks<'a> {
    /// Nobody, best first as told.
    pub(crate) fn empty(order: BoardOrder) -> Ranks<'static> {
        static DESCENDING: Ranking = Ranking::new(BoardOrder::Descending);
        static ASCENDING: Ranking = Ranking::new(BoardOrder::Ascending);
        Ranks::Growing(match order {
            BoardOrder::Descending => &DESCENDING,
            BoardOrder::Ascending => &ASCENDING,
        })
    }

    /// Which end is the best.
    pub(crate) const fn order(self) -> BoardOrder {
        match self {
            Self::Growing(ranking) => ranking.best_first,
            Self::Frozen(frozen) => frozen.best_first,
        }
    }

    pub(crate) fn len(self) -> usize {
        match self {
            Self::Growing(ranking) => ranking.len(),
            Self::Frozen(frozen) => frozen.len(),
        }
    }

    /// The player's rank, from 0, and entry.
    pub(crate) fn find(self, player: u32) -> Option<(usize, Ranked)> {
        match self {
            Self::Growing(ranking) => {
                let ranked = Ranked {
                    key: *ranking.keys.get(player)?,
                    player,
                };
                Some((ranking.order.rank(&ranked), ranked))
            }
            Self::Frozen(frozen) => {
                let at = frozen
                    .ranks
                    .binary_search_by_key(&player, |&(player, _)| player)
                    .ok()?;
                let rank = frozen.ranks[at].1 as usize;
                Some((rank, frozen.order[rank]))
            }
        }
    }

    /// How many entries have this key or a better one.
    pub(crate) fn count_through(self, key: Key) -> usize {
        self.count_before(&Ranked::after(key))
    }

    /// How many entries have a better score.
    pub(crate) fn count_better(self, score: i64) -> usize {
        self.count_before(&Ranked::first(Key::first(self.order(), score)))
    }

    fn count_before(self, probe: &Ranked) -> usize {
        match self {
            Self::Growing(ranking) => ranking.order.rank(probe),
            Self::Frozen(frozen) => frozen.order.partition_point(|ranked| ranked < probe),
        }
    }

    /// The entries from a rank on, which counts from 0.
    pub(crate) fn iter_from(self, rank: usize) -> impl Iterator<Item = &'a Ranked> {
        let mut next = rank;
        let mut run: &'a [Ranked] = &[];
        std::iter::from_fn(move || {
            if run.is_empty() {
                run = match self {
                    Self::Growing(ranking) => ranking.order.run_from(next),
                    Self::Frozen(frozen) => frozen.order.get(next..).unwrap_or(&[]),
                };
            }
            let (first, rest) = run.split_first()?;
            run = rest;
            next += 1;
            Some(first)
        })
    }
}
