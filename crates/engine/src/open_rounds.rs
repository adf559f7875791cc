//! The rounds that have been announced and whose claim windows the log has not passed.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;
use huntcore_model::{HuntNumber, RoundNumber, RoundOpened, RoundSchedule, TimeMicros};

use crate::claims::{OpenClaims, ShownClaims, TILES_MAX};

/// A round of a hunt.
pub(crate) type RoundKey = (HuntNumber, RoundNumber);

/// One such round.
#[derive(Debug)]
pub(crate) struct OpenRound {
    pub(crate) key: RoundKey,
    pub(crate) opens_at: TimeMicros,
    pub(crate) closes_at: TimeMicros,
    /// From when on nobody can win in it any more: when its window or its hunt closes.
    pub(crate) over_at: TimeMicros,
    pub(crate) tiles: u32,
    /// It passed before it was announced, and stays passed.
    pub(crate) kept_expired: bool,
    /// What each tile is worth, once somebody has handed it over.
    pub(crate) points: Option<Arc<[u32]>>,
    pub(crate) claims: OpenClaims,
}

/// A round as it was when it was shown.
#[derive(Debug)]
pub(crate) struct ShownRound {
    pub(crate) key: RoundKey,
    pub(crate) opens_at: TimeMicros,
    pub(crate) closes_at: TimeMicros,
    pub(crate) tiles: u32,
    pub(crate) kept_expired: bool,
    pub(crate) claims: ShownClaims,
}

impl OpenRound {
    /// A round that has just been announced.
    pub(crate) fn announced(opened: &RoundOpened, kept_expired: bool) -> Self {
        Self {
            key: (opened.hunt, opened.round),
            opens_at: opened.schedule.opens_at,
            closes_at: opened.schedule.closes_at,
            over_at: opened.schedule.closes_at,
            tiles: opened.tiles.min(TILES_MAX),
            kept_expired,
            points: None,
            claims: OpenClaims::default(),
        }
    }

    pub(crate) const fn schedule(&self) -> RoundSchedule {
        RoundSchedule {
            opens_at: self.opens_at,
            closes_at: self.closes_at,
        }
    }

    /// The round without what its tiles are worth, for as long as somebody wants it.
    pub(crate) fn show(&mut self) -> ShownRound {
        ShownRound {
            key: self.key,
            opens_at: self.opens_at,
            closes_at: self.closes_at,
            tiles: self.tiles,
            kept_expired: self.kept_expired,
            claims: self.claims.show(),
        }
    }
}

/// Where a round lies for as long as no round is added or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoundPlace(u32);

/// All such rounds of a shard.
#[derive(Debug, Default)]
pub(crate) struct OpenRounds {
    rounds: Vec<OpenRound>,
    places: HashMap<RoundKey, u32>,
    by_end: BTreeSet<(TimeMicros, RoundKey)>,
}

impl OpenRounds {
    #[inline]
    pub(crate) fn find(&self, key: RoundKey) -> Option<RoundPlace> {
        self.places.get(&key).copied().map(RoundPlace)
    }

    #[inline]
    pub(crate) fn at(&self, place: RoundPlace) -> &OpenRound {
        &self.rounds[place.0 as usize]
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, place: RoundPlace) -> &mut OpenRound {
        &mut self.rounds[place.0 as usize]
    }

    /// Takes a round in; one that is known already stays as it is.
    pub(crate) fn add(&mut self, round: OpenRound) {
        if self.places.contains_key(&round.key) {
            return;
        }
        let place = u32::try_from(self.rounds.len()).expect("as many as have been announced");
        self.places.insert(round.key, place);
        self.by_end.insert((round.over_at, round.key));
        self.rounds.push(round);
    }

    /// Ends all rounds of a hunt that has closed, at `now` if their windows have not passed.
    pub(crate) fn end_all(&mut self, hunt: HuntNumber, now: TimeMicros) {
        let of_hunt = |round: &&mut OpenRound| round.key.0 == hunt && round.over_at > now;
        for round in self.rounds.iter_mut().filter(of_hunt) {
            self.by_end.remove(&(round.over_at, round.key));
            round.over_at = now;
            self.by_end.insert((now, round.key));
        }
    }

    /// Takes out the first round, by its end, hunt and number, that is over at `now`.
    pub(crate) fn take_over(&mut self, now: TimeMicros) -> Option<OpenRound> {
        let &(over_at, key) = self.by_end.first()?;
        if over_at > now {
            return None;
        }
        self.by_end.pop_first();
        let place = self.places.remove(&key).expect("each round has its place");
        let closed = self.rounds.swap_remove(place as usize);
        if let Some(moved) = self.rounds.get(place as usize) {
            self.places.insert(moved.key, place);
        }
        Some(closed)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &OpenRound> {
        self.rounds.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut OpenRound> {
        self.rounds.iter_mut()
    }
}

/// Rounds that were never announced while they were open, and stay expired whatever is
/// announced later: for each hunt the first and last of runs of them.
#[derive(Debug, Default)]
pub(crate) struct KeptExpired(Vec<Vec<(RoundNumber, RoundNumber)>>);

impl KeptExpired {
    /// From now on `first` to `last` count as passed.
    pub(crate) fn keep(&mut self, hunt: HuntNumber, first: RoundNumber, last: RoundNumber) {
        let hunt = hunt.get() as usize;
        if self.0.len() <= hunt {
            self.0.resize_with(hunt + 1, Vec::new);
        }
        match self.0[hunt].last_mut() {
            Some(run) if first.get() <= run.1.get().saturating_add(1) => run.1 = run.1.max(last),
            _ => self.0[hunt].push((first, last)),
        }
    }

    pub(crate) fn contains(&self, (hunt, round): RoundKey) -> bool {
        let in_run = |&(first, last): &(RoundNumber, RoundNumber)| first <= round && round <= last;
        let runs = self.0.get(hunt.get() as usize);
        runs.is_some_and(|runs| runs.iter().any(in_run))
    }

    /// All runs, those of a hunt in order.
    pub(crate) fn runs(
        &self,
    ) -> impl Iterator<Item = (HuntNumber, RoundNumber, RoundNumber)> + Clone {
        let hunts = (0..).map(HuntNumber::new).zip(&self.0);
        hunts.flat_map(|(hunt, runs)| runs.iter().map(move |&(first, last)| (hunt, first, last)))
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::Hash32;

    use super::*;

    fn opened(hunt: u32, round: u64, closes_ms: u64) -> RoundOpened {
        RoundOpened {
            hunt: HuntNumber::new(hunt),
            round: RoundNumber::new(round),
            config_version: 1,
            map: Hash32::ZERO,
            commitment: Hash32::ZERO,
            layout: Hash32::ZERO,
            tiles: 4,
            schedule: RoundSchedule {
                opens_at: TimeMicros::ZERO,
                closes_at: TimeMicros::from_millis(closes_ms),
            },
        }
    }

    #[test]
    fn rounds_are_taken_by_closing_and_the_others_are_still_found() {
        let mut rounds = OpenRounds::default();
        for (hunt, round, closes_ms) in [(1, 1, 30), (0, 1, 20), (0, 2, 10), (1, 2, 20)] {
            rounds.add(OpenRound::announced(&opened(hunt, round, closes_ms), false));
        }
        assert!(rounds.take_over(TimeMicros::from_millis(9)).is_none());
        let mut taken = Vec::new();
        while let Some(round) = rounds.take_over(TimeMicros::from_millis(20)) {
            taken.push((round.key.0.get(), round.key.1.get()));
            for round in rounds.iter() {
                let place = rounds.find(round.key).expect("it is there");
                assert_eq!(rounds.at(place).key, round.key);
            }
        }
        assert_eq!(taken, [(0, 2), (0, 1), (1, 2)]);
        assert_eq!(rounds.iter().count(), 1);
        // Of the last round the hunt closes before the window does.
        rounds.end_all(HuntNumber::new(0), TimeMicros::from_millis(21));
        assert!(rounds.take_over(TimeMicros::from_millis(29)).is_none());
        rounds.end_all(HuntNumber::new(1), TimeMicros::from_millis(25));
        assert!(rounds.take_over(TimeMicros::from_millis(24)).is_none());
        let last = rounds.take_over(TimeMicros::from_millis(25));
        let last = last.expect("its hunt has closed");
        assert_eq!(last.closes_at, TimeMicros::from_millis(30));
        assert!(rounds.take_over(TimeMicros::MAX).is_none());
    }
}
