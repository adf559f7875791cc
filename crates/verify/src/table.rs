//! Who stands where, counted naively: a score for each player, sorted when somebody asks.

use std::cmp::Reverse;

use hashbrown::HashMap;
use huntcore_model::{SCORE_MAGNITUDE_MAX, Sequence, ShardId, TimeMicros};

use crate::fault::Place;
use crate::players::PlayerIndex;

/// A table for this many is dense if it holds a quarter of all places up to its last one.
const DENSE_MIN: usize = 1_024;

/// A board's players. Those of a few are found by a hash, those of many by their index.
#[derive(Debug)]
pub(crate) enum Table {
    Sparse(HashMap<PlayerIndex, Standing>),
    Dense(Vec<Option<Standing>>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    score: i64,
    reached: Moment,
    /// Whether anything that counted was worth anything.
    is_worth: bool,
}

/// The order of all records of all streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) time: TimeMicros,
    shard: ShardId,
    sequence: Sequence,
}

impl Moment {
    pub(crate) const fn new(time: TimeMicros, at: Place) -> Self {
        Self {
            time,
            shard: at.stream,
            sequence: at.sequence,
        }
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::Sparse(HashMap::new())
    }
}

impl Table {
    /// Counts a claim: the sum is reached with the last claim that was worth anything, or
    /// else with the first.
    pub(crate) fn add(&mut self, player: PlayerIndex, points: u32, at: Moment) {
        let nothing = Standing {
            score: 0,
            reached: at,
            is_worth: false,
        };
        let standing = self.entry(player, nothing);
        standing.reached = match (standing.is_worth, points) {
            (false, 0) => standing.reached.min(at),
            (false, _) => at,
            (true, 0) => standing.reached,
            (true, _) => standing.reached.max(at),
        };
        standing.is_worth |= points > 0;
        let sum = standing.score.saturating_add(i64::from(points));
        standing.score = sum.min(SCORE_MAGNITUDE_MAX);
    }

    /// Counts a score event: the highest counts, of equal ones the earliest.
    pub(crate) fn raise(&mut self, player: PlayerIndex, score: i64, at: Moment) {
        let new = Standing {
            score,
            reached: at,
            is_worth: true,
        };
        let standing = self.entry(player, new);
        if (score, Reverse(at)) > (standing.score, Reverse(standing.reached)) {
            *standing = new;
        }
    }

    /// Takes a voided claim's points away again; what is left counts as reached where the higher
    /// sum was.
    pub(crate) fn take_away(&mut self, player: PlayerIndex, points: u32) {
        let known = match self {
            Self::Sparse(standings) => standings.get_mut(&player),
            Self::Dense(standings) => standings.get_mut(player.index()).and_then(Option::as_mut),
        };
        if let Some(standing) = known {
            standing.score -= i64::from(points);
        }
    }

    /// Everybody with their score, best first; of equals, who reached it first.
    pub(crate) fn ranked(&self) -> Vec<(PlayerIndex, i64)> {
        let mut all: Vec<(PlayerIndex, Standing)> = match self {
            Self::Sparse(standings) => standings.iter().map(|(&player, &s)| (player, s)).collect(),
            Self::Dense(standings) => {
                let known = (0..)
                    .zip(standings)
                    .filter_map(|(index, s)| Some((index, (*s)?)));
                known
                    .map(|(index, s)| (PlayerIndex::new(index), s))
                    .collect()
            }
        };
        all.sort_unstable_by_key(|(_, standing)| (Reverse(standing.score), standing.reached));
        all.into_iter()
            .map(|(player, standing)| (player, standing.score))
            .collect()
    }

    fn entry(&mut self, player: PlayerIndex, new: Standing) -> &mut Standing {
        if let Self::Sparse(standings) = self
            && standings.len() >= DENSE_MIN
            && player.index() < standings.len() * 4
        {
            let mut dense = Vec::new();
            for (player, &standing) in standings.iter() {
                Self::grow(&mut dense, player.index());
                dense[player.index()] = Some(standing);
            }
            *self = Self::Dense(dense);
        }
        match self {
            Self::Sparse(standings) => standings.entry(player).or_insert(new),
            Self::Dense(standings) => {
                Self::grow(standings, player.index());
                standings[player.index()].get_or_insert(new)
            }
        }
    }

    fn grow(standings: &mut Vec<Option<Standing>>, index: usize) {
        if standings.len() <= index {
            standings.resize(index + 1, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sequence: u64) -> Moment {
        let place = Place::new(ShardId::new(0), Sequence::new(sequence));
        Moment::new(TimeMicros::ZERO, place)
    }

    #[test]
    fn a_table_ranks_alike_however_many_it_holds() {
        let (mut few, mut many) = (Table::default(), Table::default());
        for number in 0..5_000_u32 {
            let player = PlayerIndex::new(number * 7 % 5_000);
            let points = number % 90;
            many.add(player, points, at(u64::from(number)));
            if player.index() < 1_000 {
                few.add(player, points, at(u64::from(number)));
            }
        }
        assert!(matches!(few, Table::Sparse(_)));
        assert!(matches!(many, Table::Dense(_)));
        let mut ranked = many.ranked();
        assert_eq!(ranked.len(), 5_000);
        ranked.retain(|(player, _)| player.index() < 1_000);
        assert_eq!(ranked, few.ranked());
    }
}
