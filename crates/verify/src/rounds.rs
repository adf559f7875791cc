//! Every round that was announced, and which of its tiles were claimed.

use std::collections::{BTreeMap, BTreeSet};

use huntcore_map::Seed;
use huntcore_model::{
    Catalog, HuntNumber, RoundNumber, RoundOpened, RoundSchedule, TileIndex, TimeMicros,
};

use crate::fault::{Fault, Place};
use crate::maps::Maps;
use crate::report::Report;
use crate::tiles::TileSet;

/// Rounds by their number; those that are over in little space.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    rounds: BTreeMap<Key, Round>,
    /// Rounds that are not over, by the end of their window.
    open: BTreeSet<(TimeMicros, Key)>,
    /// Those whose window has passed everywhere, but whose seed or announcement is missing.
    waiting: BTreeSet<(TimeMicros, Key)>,
}

type Key = (HuntNumber, RoundNumber);

/// A round, from whichever was seen first: its announcement, or a copy of it.
#[derive(Debug)]
pub(crate) struct Round {
    /// Its announcement's number among the control entries that concern shards.
    pub(crate) entry: u64,
    pub(crate) schedule: RoundSchedule,
    pub(crate) tiles: u32,
    state: State,
    has_seed: bool,
}

#[derive(Debug)]
enum State {
    Open(Box<Open>),
    Over(TileSet),
}

#[derive(Debug, Default)]
struct Open {
    /// The announcement itself, once it was seen in the control stream.
    announced: Option<(Place, RoundOpened)>,
    seed: Option<Seed>,
    claims: BTreeMap<TileIndex, Claim>,
}

#[derive(Clone, Copy, Debug)]
struct Claim {
    at: Place,
    points: u32,
}

/// What became of a claim's tile.
pub(crate) enum Claimed {
    /// It is the first.
    First,
    /// It is not; the first is known while the round is not over.
    Again(Option<Place>),
}

impl Rounds {
    /// Takes note of a round; false if it was known.
    pub(crate) fn announce(&mut self, entry: u64, opened: &RoundOpened) -> bool {
        let key = (opened.hunt, opened.round);
        if self.rounds.contains_key(&key) {
            return false;
        }
        let round = Round {
            entry,
            schedule: opened.schedule,
            tiles: opened.tiles,
            state: State::Open(Box::default()),
            has_seed: false,
        };
        self.rounds.insert(key, round);
        self.open.insert((opened.schedule.closes_at, key));
        true
    }

    /// Takes note of the announcement in the control stream; `seed` if the key tells it.
    pub(crate) fn announce_in_control(
        &mut self,
        at: Place,
        opened: &RoundOpened,
        seed: Option<Seed>,
    ) {
        let key = (opened.hunt, opened.round);
        if let Some(open) = self.open_round(key) {
            open.announced = Some((at, opened.clone()));
            open.seed = seed;
        }
        self.stop_waiting(key);
    }

    pub(crate) fn get(&self, hunt: HuntNumber, round: RoundNumber) -> Option<&Round> {
        self.rounds.get(&(hunt, round))
    }

    /// The announcement in the control stream, while the round is not over.
    pub(crate) fn announced(&self, hunt: HuntNumber, round: RoundNumber) -> Option<&RoundOpened> {
        match &self.rounds.get(&(hunt, round))?.state {
            State::Open(open) => open.announced.as_ref().map(|(_, opened)| opened),
            State::Over(_) => None,
        }
    }

    /// Takes note of a published seed; false if the round had one.
    pub(crate) fn publish(&mut self, hunt: HuntNumber, round: RoundNumber, seed: Seed) -> bool {
        let key = (hunt, round);
        let Some(known) = self.rounds.get_mut(&key) else {
            return false;
        };
        if let State::Open(open) = &mut known.state {
            // The key's own seed, if there is one, is what the log is judged by.
            open.seed.get_or_insert(seed);
        }
        let is_new = !std::mem::replace(&mut known.has_seed, true);
        self.stop_waiting(key);
        is_new
    }

    /// Takes a claim on a round that is known.
    pub(crate) fn claim(
        &mut self,
        at: Place,
        (hunt, round): Key,
        tile: TileIndex,
        points: u32,
    ) -> Claimed {
        match self
            .rounds
            .get_mut(&(hunt, round))
            .map(|known| &mut known.state)
        {
            None => Claimed::First,
            Some(State::Over(tiles)) if tiles.contains(tile) => Claimed::Again(None),
            Some(State::Over(_)) => Claimed::First,
            Some(State::Open(open)) => match open.claims.get(&tile) {
                Some(first) => Claimed::Again(Some(first.at)),
                None => {
                    open.claims.insert(tile, Claim { at, points });
                    Claimed::First
                }
            },
        }
    }

    /// Makes rounds over whose window every shard has passed and whose seed is known.
    pub(crate) fn pass(
        &mut self,
        time: TimeMicros,
        catalog: &Catalog,
        maps: &mut Maps,
        report: &mut Report,
    ) {
        while let Some(&place) = self.open.first()
            && place.0 <= time
        {
            self.open.pop_first();
            if self.rounds.get(&place.1).is_some_and(Round::is_ready) {
                self.finish_round(place.1, catalog, maps, report);
            } else {
                self.waiting.insert(place);
            }
        }
    }

    /// At the end of the log: what can be checked of the rounds that are not over.
    pub(crate) fn finish(mut self, catalog: &Catalog, maps: &mut Maps, report: &mut Report) {
        let waiting = std::mem::take(&mut self.waiting);
        for (_, key) in waiting.into_iter().chain(std::mem::take(&mut self.open)) {
            self.finish_round(key, catalog, maps, report);
        }
    }

    /// Rounds whose seed was published, of those that are not over, and their window's end.
    pub(crate) fn published_open(&self) -> impl Iterator<Item = (Key, TimeMicros)> {
        let published = |key: &Key| self.rounds.get(key).is_some_and(|round| round.has_seed);
        self.open
            .iter()
            .filter(move |(_, key)| published(key))
            .map(|&(closes_at, key)| (key, closes_at))
    }

    fn finish_round(&mut self, key: Key, catalog: &Catalog, maps: &mut Maps, report: &mut Report) {
        let Some(round) = self.rounds.get_mut(&key) else {
            return;
        };
        let State::Open(open) = &round.state else {
            return;
        };
        open.check(catalog, maps, report);
        let tiles = open.claims.keys().copied();
        round.state = State::Over(TileSet::new(round.tiles, tiles));
    }

    /// The next [`Self::pass`] looks at the round again.
    fn stop_waiting(&mut self, key: Key) {
        let closes_at = self.rounds.get(&key).map(|round| round.schedule.closes_at);
        if let Some(closes_at) = closes_at
            && self.waiting.remove(&(closes_at, key))
        {
            self.open.insert((closes_at, key));
        }
    }

    fn open_round(&mut self, key: Key) -> Option<&mut Open> {
        match &mut self.rounds.get_mut(&key)?.state {
            State::Open(open) => Some(open),
            State::Over(_) => None,
        }
    }
}

impl Round {
    fn is_ready(&self) -> bool {
        match &self.state {
            State::Open(open) => open.announced.is_some() && open.seed.is_some(),
            State::Over(_) => false,
        }
    }
}

impl Open {
    /// The map's name and every claim's points, by the seed.
    fn check(&self, catalog: &Catalog, maps: &mut Maps, report: &mut Report) {
        let Some((at, opened, map)) = self.map(catalog, maps) else {
            report.points_pending += self.claims.len() as u64;
            return;
        };
        let hunt = catalog
            .by_number(opened.hunt)
            .map_or_else(String::new, |hunt| hunt.id.to_string());
        let round = opened.round;
        if map.name() == opened.map {
            report.maps_verified += 1;
        } else {
            report.fault(Fault::NotBySeed {
                at,
                hunt: hunt.clone(),
                round,
                what: "map",
                expected: map.name(),
                found: opened.map,
            });
        }
        for (&tile, claim) in &self.claims {
            match map.tile(tile) {
                Some(expected) if expected.points == claim.points => report.points_verified += 1,
                Some(expected) => report.fault(Fault::WrongPoints {
                    at: claim.at,
                    hunt: hunt.clone(),
                    round,
                    tile,
                    expected: expected.points,
                    found: claim.points,
                }),
                // Reported when the claim was read.
                None => {}
            }
        }
    }

    fn map<'a>(
        &'a self,
        catalog: &Catalog,
        maps: &mut Maps,
    ) -> Option<(Place, &'a RoundOpened, huntcore_map::RoundMap)> {
        let (at, opened) = self.announced.as_ref()?;
        let seed = self.seed.as_ref()?;
        let hunt = catalog.by_number(opened.hunt)?;
        let version = hunt.version(opened.config_version)?;
        let map = maps.map(hunt, version, opened.round, seed)?;
        Some((*at, opened, map))
    }
}
