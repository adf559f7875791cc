//! Which rounds are to be announced, and what may be published of their seeds, when.

use huntcore_model::{
    ControlRecord, Hash32, HuntEntry, HuntNumber, RoundNumber, RoundOpened, RoundSchedule,
    TimeMicros,
};

use crate::controller::Controller;

/// A round is announced to the shards this long before it opens, so that it opens on time.
const ANNOUNCE_AHEAD_MS: u64 = 1_000;
/// At most this many rounds of a hunt are announced in one go.
const ROUNDS_AT_ONCE: usize = 16;
/// At most this many rounds of all hunts, and as many seeds, go into one batch.
const DUE_AT_ONCE: usize = 1_024;

/// A round to be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundDue {
    /// Which hunt.
    pub hunt: HuntNumber,
    /// Which round.
    pub round: RoundNumber,
    /// The configuration that it has.
    pub config_version: u32,
    /// When it opens and closes.
    pub schedule: RoundSchedule,
}

/// What the map generator says of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundFacts {
    /// The map's name.
    pub map: Hash32,
    /// Binds the seed.
    pub commitment: Hash32,
    /// Gives the tiles' places.
    pub layout: Hash32,
}

/// A seed to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedDue {
    /// Which hunt.
    pub hunt: HuntNumber,
    /// Which round's.
    pub round: RoundNumber,
}

impl Controller {
    /// Rounds that should be announced now, in order for each hunt. Rounds whose window passed
    /// unannounced, because nothing ran, are skipped: they count, but never were.
    ///
    /// Ask again until nothing is due: there is a limit to what is announced in one go.
    #[must_use]
    pub fn rounds_due(&self) -> Vec<RoundDue> {
        let horizon = self.now.plus_millis(ANNOUNCE_AHEAD_MS);
        let due = self.open_hunts().flat_map(|entry| {
            self.unannounced(entry)
                .take_while(|due| due.schedule.opens_at <= horizon)
                .take(ROUNDS_AT_ONCE)
        });
        due.take(DUE_AT_ONCE).collect()
    }

    fn open_hunts(&self) -> impl Iterator<Item = &HuntEntry> {
        self.catalog
            .hunts()
            .map(AsRef::as_ref)
            .filter(|entry: &&HuntEntry| entry.closed_at.is_none())
    }

    /// The rounds that have not been announced and whose window has not passed, in order.
    fn unannounced(&self, entry: &HuntEntry) -> impl Iterator<Item = RoundDue> {
        let after_last = entry
            .last_announced()
            .map_or(RoundNumber::FIRST, |last| last.opened.round.next());
        let first = after_last.max(self.oldest_open(entry));
        let rounds = (first.get()..).map(RoundNumber::new).map_while(|round| {
            Some(RoundDue {
                hunt: entry.number,
                round,
                config_version: entry.version_for(round)?.version,
                schedule: entry.schedule(round)?,
            })
        });
        rounds.filter(|due| due.schedule.closes_at > self.now)
    }

    /// A round at or before the first whose window has not passed.
    fn oldest_open(&self, entry: &HuntEntry) -> RoundNumber {
        let longest_window = entry
            .versions
            .iter()
            .map(|version| version.config.claim_window_ms)
            .max()
            .unwrap_or(0);
        entry
            .newest_round(self.now.minus_millis(longest_window))
            .unwrap_or(RoundNumber::FIRST)
    }

    /// Announces a round that was due; changes nothing if it no longer is as it was.
    pub fn open_round(&mut self, due: &RoundDue, facts: &RoundFacts) {
        let still_due = self.catalog.by_number(due.hunt).and_then(|entry| {
            let version = entry.version_for(due.round)?;
            let last = entry.last_announced().map(|last| last.opened.round);
            let same = entry.closed_at.is_none()
                && last < Some(due.round)
                && version.version == due.config_version
                && entry.schedule(due.round) == Some(due.schedule);
            same.then_some(version.config.tiles)
        });
        let Some(tiles) = still_due else { return };
        self.record(&ControlRecord::RoundOpened(RoundOpened {
            hunt: due.hunt,
            round: due.round,
            config_version: due.config_version,
            map: facts.map,
            commitment: facts.commitment,
            layout: facts.layout,
            tiles,
            schedule: due.schedule,
        }));
    }

    /// Seeds that may be known once every shard's log has got to `shards_time`, in order for
    /// each hunt.
    ///
    /// A seed gives away all earlier ones of its chain, so it also waits for those. Ask again
    /// until nothing is due: there is a limit to what is published in one go.
    #[must_use]
    pub fn seeds_due(&self, shards_time: TimeMicros) -> Vec<SeedDue> {
        let due = self.catalog.hunts().flat_map(|entry| {
            entry
                .rounds_without_seed()
                .take_while(|round| round.opened.schedule.closes_at <= shards_time)
                .map(|round| SeedDue {
                    hunt: entry.number,
                    round: round.opened.round,
                })
        });
        due.take(DUE_AT_ONCE).collect()
    }

    /// Publishes a seed that is due; changes nothing if it has been published.
    pub fn publish_seed(&mut self, due: &SeedDue, seed: Hash32) {
        let round = self
            .catalog
            .by_number(due.hunt)
            .and_then(|entry| entry.round(due.round));
        if round.is_none_or(|round| round.seed.is_some()) {
            return;
        }
        self.record(&ControlRecord::SeedPublished {
            hunt: due.hunt,
            round: due.round,
            seed,
        });
    }

    /// Chains whose anchor should be published because their first round is less than
    /// `rounds_ahead` rounds away, given how many rounds a chain covers.
    #[must_use]
    pub fn anchors_due(&self, chain_rounds: u64, rounds_ahead: u64) -> Vec<(HuntNumber, u64)> {
        let due = self.open_hunts().filter_map(|entry| {
            let newest = entry.newest_round(self.now)?.get();
            let next_chain = entry.anchors.len() as u64;
            let needed = (newest - 1 + rounds_ahead) / chain_rounds;
            (needed >= next_chain).then_some((entry.number, next_chain))
        });
        due.collect()
    }

    /// Publishes the anchor of a hunt's next chain; changes nothing if it is not the next.
    pub fn publish_anchor(&mut self, hunt: HuntNumber, chain: u64, anchor: Hash32) {
        let entry = self.catalog.by_number(hunt);
        if entry.is_none_or(|entry| entry.anchors.len() as u64 != chain) {
            return;
        }
        self.record(&ControlRecord::ChainAnchored {
            hunt,
            chain,
            anchor,
        });
    }

    /// When the next round should be announced, if any hunt has one.
    #[must_use]
    pub fn next_announcement(&self) -> Option<TimeMicros> {
        self.open_hunts()
            .filter_map(|entry| self.unannounced(entry).next())
            .map(|next| next.schedule.opens_at.minus_millis(ANNOUNCE_AHEAD_MS))
            .min()
    }
}
