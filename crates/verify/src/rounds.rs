//! Every round that was announced, and which of its tiles were claimed.

use std::collections::{BTreeMap, BTreeSet};

use huntcore_map::{RoundMap, Seed};
use huntcore_model::{
    Catalog, HuntNumber, RoundNumber, RoundOpened, RoundSchedule, Sequence, TileIndex, TimeMicros,
};

use crate::fault::{Fault, Place};
use crate::maps::Maps;
use crate::report::Report;
use crate::tiles::{Claim, TileSet, TileTable};

/// Claims come to a few rounds at a time: so many are found without a search.
const RECENT: usize = 64;

/// Rounds by their number; those that are over in little space.
#[derive(Debug)]
pub(crate) struct Rounds {
    /// In the order in which they were met.
    rounds: Vec<Round>,
    indexes: BTreeMap<Key, u32>,
    /// By some bits of the key, where it was found last.
    recent: Box<[Option<(Key, u32)>; RECENT]>,
    /// Rounds that are not over, by the end of their window.
    open: BTreeSet<(TimeMicros, Key)>,
    /// Those whose window has passed everywhere, but whose seed or announcement is missing.
    waiting: BTreeSet<(TimeMicros, Key)>,
}

type Key = (HuntNumber, RoundNumber);

/// A round, from whichever was seen first: its announcement, a copy of it, or, where the log
/// was trimmed, a claim.
#[derive(Debug)]
pub(crate) struct Round {
    /// What was announced; `None` if that was trimmed.
    pub(crate) facts: Option<Facts>,
    state: State,
    has_seed: bool,
}

/// What a claim on a round is judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// The announcement's place in the control stream.
    pub(crate) entry: Sequence,
    pub(crate) schedule: RoundSchedule,
    pub(crate) tiles: u32,
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
    claims: TileTable,
}

/// What became of a claim's tile.
pub(crate) enum Claimed {
    /// It is the first.
    First,
    /// It is not; the first is known while the round is not over.
    Again(Option<Place>),
}

/// What is known of a tile's claim.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known {
    /// Nobody has claimed it.
    Nobody,
    /// Somebody has, there, for so much.
    Claim(Place, u32),
    /// Somebody has; its round is over.
    Somebody,
    /// Its round, or the beginning of its claims, was trimmed.
    Trimmed,
}

impl Default for Rounds {
    fn default() -> Self {
        Self {
            rounds: Vec::new(),
            indexes: BTreeMap::new(),
            recent: Box::new([None; RECENT]),
            open: BTreeSet::new(),
            waiting: BTreeSet::new(),
        }
    }
}

impl Rounds {
    /// Takes note of a round that the control entry at `entry` announces.
    pub(crate) fn announce(&mut self, entry: Sequence, opened: &RoundOpened) {
        let key = (opened.hunt, opened.round);
        let facts = Facts {
            entry,
            schedule: opened.schedule,
            tiles: opened.tiles,
        };
        let index = self.meet(key);
        if let Some(round) = self.rounds.get_mut(index)
            && round.facts.is_none()
        {
            round.facts = Some(facts);
            self.open.insert((opened.schedule.closes_at, key));
        }
    }

    /// Takes note of a round whose announcement was trimmed.
    pub(crate) fn take_on_trust(&mut self, key: Key, report: &mut Report) {
        if !self.indexes.contains_key(&key) {
            self.meet(key);
            report.rounds_on_trust += 1;
        }
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

    pub(crate) fn get(&self, key: Key) -> Option<&Round> {
        let index = *self.indexes.get(&key)?;
        self.rounds.get(index as usize)
    }

    /// The announcement in the control stream, while the round is not over.
    pub(crate) fn announced(&self, key: Key) -> Option<&RoundOpened> {
        match &self.get(key)?.state {
            State::Open(open) => open.announced.as_ref().map(|(_, opened)| opened),
            State::Over(_) => None,
        }
    }

    /// Takes note of a published seed; false if the round had one.
    pub(crate) fn publish(&mut self, key: Key, seed: Seed) -> bool {
        let Some(known) = self.find(key) else {
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

    /// The round of a claim.
    pub(crate) fn find(&mut self, key: Key) -> Option<&mut Round> {
        let (hunt, round) = key;
        let bits = round.get().to_le_bytes()[0] ^ hunt.get().to_le_bytes()[0].wrapping_mul(17);
        let recent = &mut self.recent[usize::from(bits) % RECENT];
        let index = match *recent {
            Some((known, index)) if known == key => index,
            _ => {
                let index = *self.indexes.get(&key)?;
                *recent = Some((key, index));
                index
            }
        };
        self.rounds.get_mut(index as usize)
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
            if self.get(place.1).is_some_and(Round::is_ready) {
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
        for round in self.rounds.iter().filter(|round| round.facts.is_none()) {
            if let State::Open(open) = &round.state {
                report.points_pending += open.claims.len();
            }
        }
    }

    /// Rounds whose seed was published, of those that are not over, and their window's end.
    pub(crate) fn published_open(&self) -> impl Iterator<Item = (Key, TimeMicros)> {
        let published = |key: &Key| self.get(*key).is_some_and(|round| round.has_seed);
        self.open
            .iter()
            .filter(move |(_, key)| published(key))
            .map(|&(closes_at, key)| (key, closes_at))
    }

    /// A round's place, a new one if it is new.
    fn meet(&mut self, key: Key) -> usize {
        if let Some(&index) = self.indexes.get(&key) {
            return index as usize;
        }
        let index = u32::try_from(self.rounds.len()).expect("rounds fit memory");
        self.indexes.insert(key, index);
        self.rounds.push(Round {
            facts: None,
            state: State::Open(Box::default()),
            has_seed: false,
        });
        index as usize
    }

    fn finish_round(&mut self, key: Key, catalog: &Catalog, maps: &mut Maps, report: &mut Report) {
        let Some(round) = self.find(key) else {
            return;
        };
        let (State::Open(open), Some(facts)) = (&round.state, round.facts) else {
            return;
        };
        open.check(catalog, maps, report);
        let tiles = open.claims.iter().map(|(tile, _)| tile);
        round.state = State::Over(TileSet::new(facts.tiles, tiles));
    }

    /// The next [`Self::pass`] looks at the round again.
    fn stop_waiting(&mut self, key: Key) {
        let facts = self.get(key).and_then(|round| round.facts);
        if let Some(closes_at) = facts.map(|facts| facts.schedule.closes_at)
            && self.waiting.remove(&(closes_at, key))
        {
            self.open.insert((closes_at, key));
        }
    }

    fn open_round(&mut self, key: Key) -> Option<&mut Open> {
        match &mut self.find(key)?.state {
            State::Open(open) => Some(open),
            State::Over(_) => None,
        }
    }
}

impl Round {
    /// Takes a claim of one of its tiles.
    pub(crate) fn claim(&mut self, at: Place, tile: TileIndex, points: u32) -> Claimed {
        match &mut self.state {
            State::Over(tiles) if tiles.contains(tile) => Claimed::Again(None),
            State::Over(_) => Claimed::First,
            State::Open(open) => match open.claims.claim(tile, Claim { at, points }) {
                Some(first) => Claimed::Again(Some(first.at)),
                None => Claimed::First,
            },
        }
    }

    /// What is known of a tile's claim.
    pub(crate) fn known(&self, tile: TileIndex) -> Known {
        match &self.state {
            State::Over(tiles) if tiles.contains(tile) => Known::Somebody,
            State::Over(_) => Known::Nobody,
            State::Open(open) => match open.claims.get(tile) {
                Some(claim) => Known::Claim(claim.at, claim.points),
                None => Known::Nobody,
            },
        }
    }

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
            report.points_pending += self.claims.len();
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
        for (tile, claim) in self.claims.iter() {
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
    ) -> Option<(Place, &'a RoundOpened, RoundMap)> {
        let (at, opened) = self.announced.as_ref()?;
        let seed = self.seed.as_ref()?;
        let hunt = catalog.by_number(opened.hunt)?;
        let version = hunt.version(opened.config_version)?;
        let map = maps.map(hunt, version, opened.round, seed)?;
        Some((*at, opened, map))
    }
}
