//! The control stream: hunts, configurations, rounds and seeds follow their rules.

use std::collections::BTreeSet;

use huntcore_map::{Seed, SeedPlace};
use huntcore_model::{
    Catalog, ConfigVersion, ControlRecord, Hash32, HuntCreated, HuntEntry, HuntNumber, RoundNumber,
    RoundOpened, Sequence, ShardId, TimeMicros,
};

use crate::fault::{Fault, Place};
use crate::maps::Maps;
use crate::report::Report;
use crate::rounds::Rounds;
use crate::seeds::{Belongs, Seeds};

/// The control stream, as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct Control {
    pub(crate) catalog: Catalog,
    /// The beginning was trimmed: hunts, chains and rounds may be missing by right.
    is_trimmed: bool,
    /// Entries before this one are not judged, as what they follow is not there.
    judged_from: Sequence,
    seeds: Seeds,
    /// Hunts whose anchor is not the one that the fairness key makes.
    foreign: BTreeSet<HuntNumber>,
}

/// What an entry is judged with.
pub(crate) struct Bench<'a> {
    pub(crate) rounds: &'a mut Rounds,
    pub(crate) maps: &'a mut Maps,
    pub(crate) report: &'a mut Report,
}

impl Control {
    /// Of a stream whose beginning was trimmed. From where `known` ends, if it is given,
    /// entries are judged by it; before that, and without it, they are taken on trust.
    pub(crate) fn trimmed(known: Option<Catalog>) -> Self {
        let mut control = Self {
            is_trimmed: true,
            judged_from: Sequence::new(u64::MAX),
            ..Self::default()
        };
        if let Some(catalog) = known {
            control.judged_from = catalog.next();
            for hunt in catalog.hunts() {
                for (chain, &anchor) in (0..).zip(&hunt.anchors) {
                    control.seeds.anchor(hunt.number, chain, anchor);
                }
            }
            control.catalog = catalog;
        }
        control
    }

    /// Judges an entry and folds it.
    pub(crate) fn entry(
        &mut self,
        sequence: Sequence,
        time: TimeMicros,
        record: &ControlRecord,
        bench: &mut Bench<'_>,
    ) {
        let at = Place::new(ShardId::CONTROL, sequence);
        if sequence < self.judged_from {
            self.trust(at, time, record, bench);
            return;
        }
        match record {
            ControlRecord::HuntCreated(created) => self.created(at, created, bench),
            ControlRecord::HuntChanged { hunt, version } => {
                self.changed(at, *hunt, version, bench);
            }
            ControlRecord::RoundOpened(opened) => self.opened(at, opened, bench),
            ControlRecord::SeedPublished { hunt, round, seed } => {
                self.published(at, time, *hunt, *round, Seed::new(*seed), bench);
            }
            ControlRecord::ChainAnchored {
                hunt,
                chain,
                anchor,
            } => self.anchored(at, *hunt, *chain, *anchor, bench),
            ControlRecord::HuntEndMoved { .. }
            | ControlRecord::HuntPaused { .. }
            | ControlRecord::HuntResumed { .. }
            | ControlRecord::HuntClosed { .. }
            | ControlRecord::BoardsChanged { .. }
            | ControlRecord::FlagSet(_) => {}
        }
        if let Err(error) = self.catalog.apply(sequence, record) {
            let reason = error.to_string();
            bench.report.fault(Fault::BadEntry { at, reason });
        }
    }

    /// Takes what can be used of an entry that cannot be judged.
    fn trust(
        &mut self,
        at: Place,
        time: TimeMicros,
        record: &ControlRecord,
        bench: &mut Bench<'_>,
    ) {
        match record {
            ControlRecord::HuntCreated(created) => {
                bench.report.hunts += 1;
                self.seeds.anchor(created.hunt, 0, created.anchor);
            }
            ControlRecord::ChainAnchored {
                hunt,
                chain,
                anchor,
            } => self.seeds.anchor(*hunt, *chain, *anchor),
            ControlRecord::RoundOpened(opened) => {
                bench.report.rounds += 1;
                bench.rounds.announce(at.sequence, opened);
                let known = self.catalog.by_number(opened.hunt);
                let id = known.map(|entry| entry.id.clone());
                let seed = id.and_then(|id| {
                    let seed = bench.maps.seed(&id, opened.round)?;
                    check_facts(at, id.as_str(), opened, &seed, bench.report);
                    Some(seed)
                });
                bench.rounds.announce_in_control(at, opened, seed);
            }
            ControlRecord::SeedPublished { hunt, round, seed } => {
                self.published(at, time, *hunt, *round, Seed::new(*seed), bench);
            }
            ControlRecord::HuntChanged { .. }
            | ControlRecord::HuntEndMoved { .. }
            | ControlRecord::HuntPaused { .. }
            | ControlRecord::HuntResumed { .. }
            | ControlRecord::HuntClosed { .. }
            | ControlRecord::BoardsChanged { .. }
            | ControlRecord::FlagSet(_) => {}
        }
    }

    /// A hunt's id, or its number if that is all there is.
    pub(crate) fn name(&self, hunt: HuntNumber) -> String {
        self.catalog
            .by_number(hunt)
            .map_or_else(|| format!("number {hunt}"), |hunt| hunt.id.to_string())
    }

    fn created(&mut self, at: Place, created: &HuntCreated, bench: &mut Bench<'_>) {
        bench.report.hunts += 1;
        if self.catalog.hunt(&created.id).is_some() {
            let reason = format!("hunt {} is created again", created.id);
            bench.report.fault(Fault::BadEntry { at, reason });
        }
        let name = created.id.to_string();
        check_config(at, &name, created.hunt, &created.first_version(), bench);
        self.seeds.anchor(created.hunt, 0, created.anchor);
        let expected = bench.maps.anchor(&created.id, 0);
        self.check_key(at, created.hunt, &name, 0, expected, created.anchor, bench);
    }

    fn changed(
        &mut self,
        at: Place,
        hunt: HuntNumber,
        version: &ConfigVersion,
        bench: &mut Bench<'_>,
    ) {
        let Some(entry) = self.catalog.by_number(hunt) else {
            return;
        };
        let name = entry.id.to_string();
        let latest = entry.latest_version().version;
        let announced = entry.last_announced().map(|round| round.opened.round);
        let opens_at = entry
            .version_for(version.from_round)
            .and_then(|before| before.schedule(version.from_round))
            .map(|schedule| schedule.opens_at);
        let reason = if version.version != latest + 1 {
            Some(format!(
                "configuration {} follows {latest}",
                version.version
            ))
        } else if announced >= Some(version.from_round) {
            Some(format!(
                "it changes round {}, which was announced before",
                version.from_round
            ))
        } else if opens_at != Some(version.from_time) {
            Some(format!(
                "it moves the opening of round {}",
                version.from_round
            ))
        } else {
            None
        };
        if let Some(reason) = reason {
            let reason = format!("change of hunt {name}: {reason}");
            bench.report.fault(Fault::BadEntry { at, reason });
        }
        check_config(at, &name, hunt, version, bench);
    }

    fn opened(&mut self, at: Place, opened: &RoundOpened, bench: &mut Bench<'_>) {
        bench.report.rounds += 1;
        bench.rounds.announce(at.sequence, opened);
        let Some(entry) = self.catalog.by_number(opened.hunt) else {
            return;
        };
        check_round(at, opened, entry, bench.report);
        let (hunt, round) = (entry.id.to_string(), opened.round);
        if let Some(chain) = self.seeds.missing_anchor(opened.hunt, round) {
            bench.report.fault(Fault::AnchorMissing {
                at,
                hunt,
                round,
                chain,
            });
        }
        let id = entry.id.clone();
        let seed = (!self.foreign.contains(&opened.hunt))
            .then(|| bench.maps.seed(&id, round))
            .flatten();
        if let Some(seed) = &seed {
            check_facts(at, id.as_str(), opened, seed, bench.report);
        }
        bench.rounds.announce_in_control(at, opened, seed);
    }

    fn published(
        &mut self,
        at: Place,
        time: TimeMicros,
        hunt: HuntNumber,
        round: RoundNumber,
        seed: Seed,
        bench: &mut Bench<'_>,
    ) {
        let name = self.name(hunt);
        let known = bench.rounds.get((hunt, round));
        let facts = known.and_then(|known| known.facts);
        match facts.map(|facts| facts.schedule.closes_at) {
            None if self.is_trimmed => {}
            None => {
                let reason =
                    format!("seed of round {round} of hunt {name}, which was never announced");
                bench.report.fault(Fault::BadEntry { at, reason });
                return;
            }
            Some(closes_at) if time < closes_at => bench.report.fault(Fault::SeedTooEarly {
                at,
                hunt: name.clone(),
                round,
                published_at: time,
                closes_at,
            }),
            Some(_) => {}
        }
        match self.seeds.belongs(hunt, round, seed) {
            Belongs::Yes => bench.report.seeds_verified += 1,
            // The first of a chain whose anchor was trimmed is what later ones hash back to.
            Belongs::Unknown if self.is_trimmed => {
                self.seeds.trust(hunt, round, seed);
                bench.report.seeds_on_trust += 1;
            }
            Belongs::No | Belongs::Unknown => bench.report.fault(Fault::SeedNotInChain {
                at,
                hunt: name.clone(),
                round,
            }),
        }
        if let Some(opened) = bench.rounds.announced((hunt, round)) {
            check_facts(at, &name, &opened.clone(), &seed, bench.report);
        }
        if facts.is_some() && !bench.rounds.publish((hunt, round), seed) {
            let reason = format!("seed of round {round} of hunt {name} is published again");
            bench.report.fault(Fault::BadEntry { at, reason });
        }
    }

    fn anchored(
        &mut self,
        at: Place,
        hunt: HuntNumber,
        chain: u64,
        anchor: Hash32,
        bench: &mut Bench<'_>,
    ) {
        let Some(entry) = self.catalog.by_number(hunt) else {
            return;
        };
        let id = entry.id.clone();
        let due = entry.anchors.len() as u64;
        if chain != due {
            let reason = format!("anchor of chain {chain} of hunt {id}, but chain {due} is next");
            bench.report.fault(Fault::BadEntry { at, reason });
            return;
        }
        self.seeds.anchor(hunt, chain, anchor);
        if !self.foreign.contains(&hunt) {
            let expected = bench.maps.anchor(&id, chain);
            self.check_key(at, hunt, id.as_str(), chain, expected, anchor, bench);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all of them stand in the fault")]
    fn check_key(
        &mut self,
        at: Place,
        number: HuntNumber,
        hunt: &str,
        chain: u64,
        expected: Option<Hash32>,
        found: Hash32,
        bench: &mut Bench<'_>,
    ) {
        if let Some(expected) = expected
            && expected != found
        {
            // One fault says it; the hunt's seeds are then judged by what is published.
            self.foreign.insert(number);
            bench.report.fault(Fault::WrongKey {
                at,
                hunt: hunt.to_owned(),
                chain,
                expected,
                found,
            });
        }
    }
}

fn check_config(
    at: Place,
    hunt: &str,
    number: HuntNumber,
    version: &ConfigVersion,
    bench: &mut Bench<'_>,
) {
    let config = match bench.maps.config(number, version) {
        Ok(config) => config,
        Err(reason) => {
            let reason = format!("configuration {} of hunt {hunt}: {reason}", version.version);
            bench.report.fault(Fault::BadEntry { at, reason });
            return;
        }
    };
    let logged = &version.config;
    let cells = config.cells();
    let facts = [
        (
            "cell count",
            cells.count().to_string(),
            logged.cells.to_string(),
        ),
        (
            "cell list",
            cells.hash().to_string(),
            logged.cells_hash.to_string(),
        ),
        (
            "hash",
            config.hash().to_string(),
            logged.config_hash.to_string(),
        ),
    ];
    for (what, expected, found) in facts {
        if expected != found {
            bench.report.fault(Fault::ConfigDiffers {
                at,
                hunt: hunt.to_owned(),
                version: version.version,
                what,
                expected,
                found,
            });
        }
    }
}

/// A round is what its hunt's configuration and clock say.
fn check_round(at: Place, opened: &RoundOpened, entry: &HuntEntry, report: &mut Report) {
    let (hunt, round) = (entry.id.to_string(), opened.round);
    let mut differs = |what, expected: String, found: String| {
        if expected != found {
            report.fault(Fault::RoundDiffers {
                at,
                hunt: hunt.clone(),
                round,
                what,
                expected,
                found,
            });
        }
    };
    let last = entry.last_announced().map(|last| last.opened.round);
    if last >= Some(round) {
        let least = last.map_or(RoundNumber::FIRST, RoundNumber::next);
        differs("number", format!("at least {least}"), round.to_string());
    }
    if SeedPlace::of(round).is_none() {
        differs(
            "number",
            "one that a seed chain covers".to_owned(),
            round.to_string(),
        );
    }
    if entry.closed_at.is_some() {
        differs(
            "hunt",
            "one that is not closed".to_owned(),
            "a closed one".to_owned(),
        );
    }
    let version = entry.version_for(round);
    let number = version.map_or_else(|| "none".to_owned(), |known| known.version.to_string());
    differs("configuration", number, opened.config_version.to_string());
    if let Some(version) = version {
        let tiles = version.config.tiles;
        differs("tiles", tiles.to_string(), opened.tiles.to_string());
    }
    let schedule = entry.schedule(round);
    let window =
        |opens: TimeMicros, closes: TimeMicros| format!("{} to {} µs", opens.get(), closes.get());
    differs(
        "window",
        schedule.map_or_else(
            || "none".to_owned(),
            |schedule| window(schedule.opens_at, schedule.closes_at),
        ),
        window(opened.schedule.opens_at, opened.schedule.closes_at),
    );
}

/// What was announced follows from the seed; the map is left for later.
fn check_facts(at: Place, hunt: &str, opened: &RoundOpened, seed: &Seed, report: &mut Report) {
    let facts = [
        (
            "commitment",
            seed.commitment(opened.round),
            opened.commitment,
        ),
        ("layout", seed.layout(), opened.layout),
    ];
    for (what, expected, found) in facts {
        if expected != found {
            report.fault(Fault::NotBySeed {
                at,
                hunt: hunt.to_owned(),
                round: opened.round,
                what,
                expected,
                found,
            });
        }
    }
}
