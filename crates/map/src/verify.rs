//! Checks what a hunt has published against itself: the check that `docs/fairness.md`
//! describes, for anyone who doubts that the maps were fixed beforehand.
//!
//! It fetches nothing and trusts nothing but the anchors and the cell list: it needs no key,
//! and cannot tell whether the anchors it is given are those of the day the hunt was made.

mod report;

use std::collections::BTreeMap;

use huntcore_model::{Hash32, HuntId, RoundNumber};

use crate::cells::Cell;
use crate::config::MapConfig;
use crate::layout::draw_tiles;
use crate::round_map::{MapTile, RoundMap};
use crate::seeds::{Seed, SeedPlace};

pub use report::{FAULTS_MAX, FairnessFault, FairnessReport, RoundFact};

/// What a hunt has published, as its public API gives it.
#[derive(Clone, Debug)]
pub struct PublishedHunt {
    /// The hunt's id.
    pub hunt: HuntId,
    /// seed(0) of its chains, by chain number.
    pub anchors: BTreeMap<u64, Hash32>,
    /// Its configurations.
    pub configs: Vec<PublishedConfig>,
    /// Its rounds in any order. One may be there several times, as it was seen at different
    /// times: what was said of it must never have changed.
    pub rounds: Vec<PublishedRound>,
}

/// A configuration, rebuilt from the published cells and values, and what was said of it.
#[derive(Clone, Debug)]
pub struct PublishedConfig {
    /// The first round that it holds for.
    pub from_round: RoundNumber,
    /// Rebuilt from the published parts.
    pub config: MapConfig,
    /// The published hash of the cell list.
    pub cells_hash: Hash32,
    /// The published hash of the configuration.
    pub config_hash: Hash32,
}

/// What was said of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedRound {
    /// Which round.
    pub round: RoundNumber,
    /// The configuration that its map was made by.
    pub config_version: u32,
    /// What bound its seed.
    pub commitment: Hash32,
    /// What its tiles were drawn from.
    pub layout: Hash32,
    /// Its map's name.
    pub map: Hash32,
    /// Its seed, if it was published already.
    pub seed: Option<Hash32>,
    /// Its map's tiles in order, if they were looked at.
    pub tiles: Option<Vec<PublishedTile>>,
}

/// A tile as a published map shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedTile {
    /// Where it is.
    pub cell: Cell,
    /// What it is worth, if that is shown.
    pub points: Option<u32>,
}

/// Checks all that `published` allows to check.
///
/// At most 65,536 hashes per chain and one map per round, as long as the seeds are right.
#[must_use]
pub fn verify_hunt(published: &PublishedHunt) -> FairnessReport {
    let mut report = FairnessReport::default();
    for config in &published.configs {
        check_config(config, &mut report);
    }
    let mut rounds: Vec<&PublishedRound> = published.rounds.iter().collect();
    // A seen seed and seen tiles say more: they come first among sightings of one round.
    rounds.sort_by_key(|seen| (seen.round, seen.seed.is_none(), seen.tiles.is_none()));
    let anchors = published.anchors.iter();
    let mut checker = Checker {
        published,
        known: anchors
            .map(|(&chain, &anchor)| (chain, (0, Seed::new(anchor))))
            .collect(),
        report,
    };
    for sightings in rounds.chunk_by(|a, b| a.round == b.round) {
        checker.check_round(sightings);
    }
    checker.report
}

fn check_config(published: &PublishedConfig, report: &mut FairnessReport) {
    let version = published.config.version();
    let (expected, found) = (published.config.cells().hash(), published.cells_hash);
    if expected != found {
        report.fault(FairnessFault::CellsHash {
            version,
            expected,
            found,
        });
    }
    let (expected, found) = (published.config.hash(), published.config_hash);
    if expected != found {
        report.fault(FairnessFault::ConfigHash {
            version,
            expected,
            found,
        });
    }
}

struct Checker<'hunt> {
    published: &'hunt PublishedHunt,
    /// Per chain the index and value of the last seed that is known to belong to it.
    known: BTreeMap<u64, (u64, Seed)>,
    report: FairnessReport,
}

impl Checker<'_> {
    fn check_round(&mut self, sightings: &[&PublishedRound]) {
        let first = sightings[0];
        let round = first.round;
        self.report.rounds += 1;
        for second in &sightings[1..] {
            self.check_unchanged(first, second);
        }
        let Some(place) = SeedPlace::of(round) else {
            self.report.fault(FairnessFault::NoSuchRound { round });
            return;
        };
        if let Some(seed) = first.seed {
            self.check_seed(round, place, Seed::new(seed));
        } else {
            self.report.seeds_pending += 1;
        }
        let Some(config) = self.config_of(first) else {
            return;
        };
        let map = first
            .seed
            .map(|seed| RoundMap::generate(&self.published.hunt, round, &config, &Seed::new(seed)));
        if let (Some(seed), Some(map)) = (first.seed, &map) {
            self.check_facts(first, &Seed::new(seed), map);
        }
        for seen in sightings {
            if let Some(tiles) = &seen.tiles {
                self.check_tiles(seen, tiles, &config, map.as_ref());
            }
        }
    }

    fn check_unchanged(&mut self, first: &PublishedRound, second: &PublishedRound) {
        let facts = [
            (RoundFact::Commitment, first.commitment, second.commitment),
            (RoundFact::Layout, first.layout, second.layout),
            (RoundFact::Map, first.map, second.map),
        ];
        let round = first.round;
        for (fact, first, second) in facts {
            if first != second {
                self.report.fault(FairnessFault::Changed {
                    round,
                    fact,
                    first,
                    second,
                });
            }
        }
        // A second seed is checked like a first one: one of the two is not in the chain.
        if let (Some(place), Some(seed)) = (SeedPlace::of(round), second.seed)
            && first.seed.is_some_and(|first| first != seed)
        {
            self.check_seed(round, place, Seed::new(seed));
        }
    }

    fn check_seed(&mut self, round: RoundNumber, place: SeedPlace, seed: Seed) {
        let SeedPlace { chain, index } = place;
        let Some(&(known_index, known)) = self.known.get(&chain) else {
            self.report
                .fault(FairnessFault::AnchorMissing { round, chain });
            return;
        };
        // Rounds come in order, so the known seed is never a later one.
        let steps = index - known_index;
        let found = seed.earlier(steps);
        if found == known {
            self.report.seeds_verified += 1;
            self.known.insert(chain, (index, seed));
        } else {
            self.report.fault(FairnessFault::SeedNotInChain {
                round,
                steps,
                expected: known.reveal(),
                found: found.reveal(),
            });
        }
    }

    /// The configuration that holds for the round; a fault if it shows another one.
    fn config_of(&mut self, seen: &PublishedRound) -> Option<MapConfig> {
        let configs = self.published.configs.iter();
        let in_force = configs
            .filter(|config| config.from_round <= seen.round)
            .max_by_key(|config| (config.from_round, config.config.version()));
        let expected = in_force.map(|published| published.config.version());
        if expected != Some(seen.config_version) {
            self.report.fault(FairnessFault::ConfigNotInForce {
                round: seen.round,
                expected,
                found: seen.config_version,
            });
        }
        in_force.map(|published| published.config.clone())
    }

    fn check_facts(&mut self, seen: &PublishedRound, seed: &Seed, map: &RoundMap) {
        let round = seen.round;
        let facts = [
            (
                RoundFact::Commitment,
                seed.commitment(round),
                seen.commitment,
            ),
            (RoundFact::Layout, seed.layout(), seen.layout),
            (RoundFact::Map, map.name(), seen.map),
        ];
        for (fact, expected, found) in facts {
            if expected != found {
                self.report.fault(FairnessFault::NotBySeed {
                    round,
                    fact,
                    expected,
                    found,
                });
            }
        }
        if map.name() == seen.map {
            self.report.maps_verified += 1;
        }
    }

    fn check_tiles(
        &mut self,
        seen: &PublishedRound,
        tiles: &[PublishedTile],
        config: &MapConfig,
        map: Option<&RoundMap>,
    ) {
        let round = seen.round;
        if tiles.len() != config.tiles() as usize {
            self.report.fault(FairnessFault::TileCount {
                round,
                expected: config.tiles(),
                found: tiles.len(),
            });
            return;
        }
        let drawn: Vec<Cell> = match map {
            Some(map) => map.tiles().iter().map(|tile| tile.cell).collect(),
            None => draw_tiles(config.cells().as_slice(), &seen.layout, config.tiles())
                .expect("a configuration has enough cells for its tiles"),
        };
        for (tile, (published, &expected)) in tiles.iter().zip(&drawn).enumerate() {
            self.report.tiles_compared += 1;
            let found = published.cell;
            if expected != found {
                self.report.fault(FairnessFault::TileCell {
                    round,
                    tile,
                    expected,
                    found,
                });
            }
            let drawn_points = map.map(|map| map.tiles()[tile].points);
            if let (Some(expected), Some(found)) = (drawn_points, published.points)
                && expected != found
            {
                self.report.fault(FairnessFault::TilePoints {
                    round,
                    tile,
                    expected,
                    found,
                });
            }
        }
        if map.is_none() {
            self.check_open_map(seen, tiles, config);
        }
    }

    /// Before the seed is known, a map whose values are open still has to have its name.
    fn check_open_map(
        &mut self,
        seen: &PublishedRound,
        tiles: &[PublishedTile],
        config: &MapConfig,
    ) {
        let whole = |tile: &PublishedTile| {
            let cell = tile.cell;
            tile.points.map(|points| MapTile { cell, points })
        };
        let Some(tiles) = tiles.iter().map(whole).collect::<Option<Vec<MapTile>>>() else {
            return;
        };
        let hunt = self.published.hunt.clone();
        let expected = RoundMap::assemble(hunt, seen.round, config.hash(), tiles).name();
        if expected != seen.map {
            self.report.fault(FairnessFault::NotByTiles {
                round: seen.round,
                expected,
                found: seen.map,
            });
        }
    }
}
