//! One board's players in order, with each one's key: the part that grows and its frozen
//! form.

use crate::key::{Key, Ranked};
use crate::order::Order;
use crate::radix::Radix;

/// A ranking that goes on changing. Cloning it is cloning two `Arc`s.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranking {
    order: Order,
    keys: Radix<Key>,
}

/// A ranking that will not change any more, in the least space.
#[derive(Debug)]
pub(crate) struct Frozen {
    order: Box<[Ranked]>,
    // Every player with the rank from 0, by player.
    ranks: Box<[(u32, u32)]>,
}

/// Either form, to read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ranks<'a> {
    Growing(&'a Ranking),
    Frozen(&'a Frozen),
}

impl Ranking {
    pub(crate) const fn new() -> Self {
        Self {
            order: Order::new(),
            keys: Radix::new(),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn key(&self, player: u32) -> Option<Key> {
        self.keys.get(player).copied()
    }

    /// Gives players, in the order of their indexes, new keys.
    pub(crate) fn update(&mut self, changes: impl Iterator<Item = (u32, Key)>) {
        let mut gone = Vec::new();
        let mut come = Vec::with_capacity(changes.size_hint().0);
        let changes = changes.inspect(|&(player, key)| come.push(Ranked { key, player }));
        self.keys.insert_all(changes, |player, old| {
            gone.extend(old.map(|key| Ranked { key, player }));
        });
        gone.sort_unstable();
        come.sort_unstable();
        self.order.update(&gone, &come);
    }

    pub(crate) fn freeze(&self) -> Frozen {
        let order: Box<[Ranked]> = Ranks::Growing(self).iter_from(0).copied().collect();
        let rank = |rank| u32::try_from(rank).expect("no more entries than player indexes");
        let mut ranks: Box<[(u32, u32)]> = order
            .iter()
            .enumerate()
            .map(|(place, ranked)| (ranked.player, rank(place)))
            .collect();
        ranks.sort_unstable();
        Frozen { order, ranks }
    }

    /// Takes entries best first; `None` if they are out of order or name a player twice.
    pub(crate) fn from_sorted(entries: &[Ranked]) -> Option<Self> {
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
            order: Order::from_sorted(entries),
            keys,
        })
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.order.heap_bytes() + self.keys.heap_bytes()
    }
}

impl Frozen {
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.order) + size_of_val(&*self.ranks)
    }
}

impl<'a> Ranks<'a> {
    pub(crate) const EMPTY: Ranks<'static> = {
        static NOBODY: Ranking = Ranking::new();
        Ranks::Growing(&NOBODY)
    };

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
        let probe = Ranked::after(key);
        match self {
            Self::Growing(ranking) => ranking.order.rank(&probe),
            Self::Frozen(frozen) => frozen.order.partition_point(|ranked| *ranked < probe),
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
