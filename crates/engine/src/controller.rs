//! Controller: the single writer of the control stream.
//!
//! Decides which hunts there are, what holds for them and which rounds are announced. It
//! knows no seeds and makes no maps: it says what is due, and is handed the facts.

use huntcore_model::{
    Batch, BatchBuilder, Catalog, ConfigVersion, ControlRecord, Epoch, Hash32, HuntConfig,
    HuntCreated, HuntEntry, HuntId, HuntNumber, Record, RoundNumber, RoundOpened, RoundSchedule,
    Sequence, ShardId, Tail, TimeMicros,
};

use crate::arbiter::{ApplyError, Term};

/// The most hunts of one deployment.
pub const HUNTS_MAX: usize = 1_000;
/// The most configurations of one hunt.
pub const VERSIONS_MAX: usize = 1_000;
/// A round is announced to the shards this long before it opens, so that it opens on time.
const ANNOUNCE_AHEAD_MS: u64 = 1_000;
/// At most this many rounds of a hunt are announced in one go.
const ROUNDS_AT_ONCE: usize = 16;

/// Decides for the control stream.
#[derive(Debug)]
pub struct Controller {
    epoch: Epoch,
    tail: Tail,
    durable: Sequence,
    catalog: Catalog,
    now: TimeMicros,
    batch: BatchBuilder,
}

/// A hunt to be created, its configuration checked and hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHunt {
    /// Its public name.
    pub id: HuntId,
    /// When round 1 opens; at once if absent.
    pub starts_at: Option<TimeMicros>,
    /// No round opens at this time or later.
    pub ends_at: Option<TimeMicros>,
    /// Its configuration.
    pub config: HuntConfig,
    /// seed(0) of its first seed chain.
    pub anchor: Hash32,
}

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

/// Why a command is refused; nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Another hunt has that id.
    #[error(
        "hunt {hunt} exists already with another configuration: choose another id, or change it"
    )]
    HuntExists {
        /// The id.
        hunt: HuntId,
    },
    /// No hunt has that number.
    #[error("there is no such hunt")]
    UnknownHunt,
    /// The hunt was closed for ever.
    #[error("hunt {hunt} is closed and cannot be changed any more")]
    HuntClosed {
        /// The id.
        hunt: HuntId,
    },
    /// A schedule that cannot be.
    #[error("{reason}")]
    Schedule {
        /// In what way.
        reason: &'static str,
    },
    /// The deployment has as many hunts, or the hunt as many versions, as it may.
    #[error("there are {max} {what} already, which is the limit")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
}

impl Default for Controller {
    fn default() -> Self {
        Self::new()
    }
}

impl Controller {
    /// A controller that has folded nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            epoch: Epoch::default(),
            tail: Tail::default(),
            durable: Sequence::ZERO,
            catalog: Catalog::new(),
            now: TimeMicros::ZERO,
            batch: BatchBuilder::new(),
        }
    }

    /// The hunts, with the decision under way.
    #[must_use]
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Where the stream ends with the last batch made or folded, durable or not.
    #[must_use]
    pub const fn tail(&self) -> Tail {
        self.tail
    }

    /// Takes ownership for a term.
    ///
    /// # Panics
    /// If the fold has not got to the term's tail: the caller must fold all of the log first.
    pub fn begin_term(&mut self, term: Term) {
        assert_eq!(
            term.tail, self.tail,
            "the fold must have reached the tail of the log"
        );
        self.epoch = term.epoch;
        self.durable = term.tail.sequence;
    }

    /// Takes note that every sequence below `durable` is durable.
    pub fn committed(&mut self, durable: Sequence) {
        self.durable = self.durable.max(durable);
    }

    /// Folds a stored batch of the control stream. On an error the controller is worthless.
    pub fn apply(&mut self, batch: &Batch) -> Result<(), ApplyError> {
        if !batch.follows(&self.tail) {
            return Err(ApplyError::OutOfOrder {
                shard: batch.header().shard,
                found: batch.header().first_sequence,
                expected: self.tail.sequence,
            });
        }
        for item in batch.records() {
            if let (at, Record::Control { record, .. }) = item? {
                self.catalog.apply(at, &record)?;
            }
        }
        self.tail = batch.tail();
        Ok(())
    }

    /// Starts a decision at `now`, or at the tail's time if the clock is behind it.
    pub fn begin(&mut self, now: TimeMicros) {
        debug_assert!(
            self.batch.is_empty(),
            "the decision before must be finished"
        );
        self.now = now.max(self.tail.time);
    }

    /// Ends the decision: the batch to be stored, or nothing if nothing happened.
    pub fn finish(&mut self) -> Option<Batch> {
        if self.batch.is_empty() {
            return None;
        }
        let batch = self.batch.finish(
            ShardId::CONTROL,
            self.epoch,
            &self.tail,
            self.now,
            self.durable,
        );
        self.tail = batch.tail();
        Some(batch)
    }

    /// Creates a hunt. The same creation again is answered with the hunt that exists.
    pub fn create(&mut self, new: &NewHunt) -> Result<HuntNumber, CommandError> {
        if let Some(known) = self.catalog.hunt(&new.id) {
            let same = known.latest_version().config == new.config
                && known.ends_at == new.ends_at
                && new
                    .starts_at
                    .is_none_or(|starts_at| starts_at == known.starts_at)
                && known.closed_at.is_none();
            return if same {
                Ok(known.number)
            } else {
                Err(CommandError::HuntExists {
                    hunt: new.id.clone(),
                })
            };
        }
        let count = self.catalog.hunts().len();
        if count >= HUNTS_MAX {
            return Err(CommandError::TooMany {
                what: "hunts",
                max: HUNTS_MAX,
            });
        }
        // Whole milliseconds, so that every time that is shown is exact.
        let soonest = TimeMicros::from_millis(self.now.millis() + 1);
        let starts_at = new.starts_at.unwrap_or(soonest).max(soonest);
        if new.ends_at.is_some_and(|ends_at| ends_at <= starts_at) {
            return Err(CommandError::Schedule {
                reason: "the hunt would end before it starts",
            });
        }
        let hunt = HuntNumber::new(u32::try_from(count).expect("limited"));
        self.record(&ControlRecord::HuntCreated(HuntCreated {
            hunt,
            id: new.id.clone(),
            created_at: self.now,
            starts_at,
            ends_at: new.ends_at,
            config: new.config.clone(),
            anchor: new.anchor,
        }));
        Ok(hunt)
    }

    /// Lets another configuration hold from the first round on that has not been announced.
    pub fn change(&mut self, hunt: HuntNumber, config: HuntConfig) -> Result<(), CommandError> {
        let entry = self.changeable(hunt)?;
        let latest = entry.latest_version();
        if latest.config == config {
            return Ok(());
        }
        if entry.versions.len() >= VERSIONS_MAX {
            return Err(CommandError::TooMany {
                what: "configurations of this hunt",
                max: VERSIONS_MAX,
            });
        }
        let announced = entry
            .last_announced()
            .map_or(0, |round| round.opened.round.get());
        let by_clock = entry.newest_round(self.now).map_or(0, RoundNumber::get);
        let from_round = RoundNumber::new(announced.max(by_clock) + 1);
        let schedule = entry
            .version_for(from_round)
            .and_then(|version| version.schedule(from_round))
            .ok_or(CommandError::Schedule {
                reason: "the hunt has no later round",
            })?;
        let version = ConfigVersion {
            version: latest.version + 1,
            from_round,
            from_time: schedule.opens_at,
            config,
        };
        self.record(&ControlRecord::HuntChanged { hunt, version });
        Ok(())
    }

    /// Sets, moves or removes a hunt's end. Rounds that have been announced still open.
    pub fn move_end(
        &mut self,
        hunt: HuntNumber,
        ends_at: Option<TimeMicros>,
    ) -> Result<(), CommandError> {
        let entry = self.changeable(hunt)?;
        if entry.ends_at == ends_at {
            return Ok(());
        }
        let announced = entry
            .last_announced()
            .map_or(entry.starts_at, |round| round.opened.schedule.opens_at);
        if ends_at.is_some_and(|ends_at| ends_at <= announced.max(self.now)) {
            return Err(CommandError::Schedule {
                reason: "the hunt cannot end before a round that has been announced: close it instead",
            });
        }
        self.record(&ControlRecord::HuntEndMoved { hunt, ends_at });
        Ok(())
    }

    /// Refuses attempts on unclaimed tiles from now on. Pausing again changes nothing.
    pub fn pause(&mut self, hunt: HuntNumber) -> Result<(), CommandError> {
        if !self.changeable(hunt)?.paused {
            self.record(&ControlRecord::HuntPaused { hunt });
        }
        Ok(())
    }

    /// Takes attempts again. Resuming again changes nothing.
    pub fn resume(&mut self, hunt: HuntNumber) -> Result<(), CommandError> {
        if self.changeable(hunt)?.paused {
            self.record(&ControlRecord::HuntResumed { hunt });
        }
        Ok(())
    }

    /// Ends a hunt for ever. Closing again changes nothing.
    pub fn close(&mut self, hunt: HuntNumber) -> Result<(), CommandError> {
        let entry = self
            .catalog
            .by_number(hunt)
            .ok_or(CommandError::UnknownHunt)?;
        if entry.closed_at.is_none() {
            self.record(&ControlRecord::HuntClosed {
                hunt,
                closed_at: self.now,
            });
        }
        Ok(())
    }

    /// Rounds that should be announced now, in order. Rounds whose window passed unannounced,
    /// because nothing ran, are skipped: they count, but never were.
    #[must_use]
    pub fn rounds_due(&self) -> Vec<RoundDue> {
        let horizon = self.now.plus_millis(ANNOUNCE_AHEAD_MS);
        let mut due = Vec::new();
        for entry in self
            .catalog
            .hunts()
            .filter(|entry| entry.closed_at.is_none())
        {
            let after_last = entry
                .last_announced()
                .map_or(RoundNumber::FIRST, |last| last.opened.round.next());
            let first = after_last.max(self.oldest_open(entry));
            let rounds = (first.get()..).map(RoundNumber::new).map_while(|round| {
                let schedule = entry.schedule(round)?;
                let config_version = entry.version_for(round)?.version;
                (schedule.opens_at <= horizon).then_some(RoundDue {
                    hunt: entry.number,
                    round,
                    config_version,
                    schedule,
                })
            });
            let still_open = |due: &RoundDue| due.schedule.closes_at > self.now;
            due.extend(rounds.filter(still_open).take(ROUNDS_AT_ONCE));
        }
        due
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

    /// Announces a round that is due.
    pub fn open_round(&mut self, due: &RoundDue, facts: &RoundFacts) {
        let tiles = self
            .catalog
            .by_number(due.hunt)
            .and_then(|entry| entry.version(due.config_version))
            .map_or(0, |version| version.config.tiles);
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

    /// Seeds that may be known once every shard's log has got to `shards_time`, in order.
    ///
    /// A seed gives away all earlier ones of its chain, so it also waits for those.
    #[must_use]
    pub fn seeds_due(&self, shards_time: TimeMicros) -> Vec<SeedDue> {
        let mut due = Vec::new();
        for entry in self.catalog.hunts() {
            let mut waiting: Vec<_> = entry
                .rounds()
                .rev()
                .take_while(|round| round.seed.is_none())
                .collect();
            waiting.reverse();
            let passed = waiting
                .into_iter()
                .take_while(|round| round.opened.schedule.closes_at <= shards_time);
            due.extend(passed.map(|round| SeedDue {
                hunt: entry.number,
                round: round.opened.round,
            }));
        }
        due
    }

    /// Publishes a seed that is due.
    pub fn publish_seed(&mut self, due: &SeedDue, seed: Hash32) {
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
        let open = self
            .catalog
            .hunts()
            .filter(|entry| entry.closed_at.is_none());
        open.filter_map(|entry| {
            let newest = entry.newest_round(self.now)?.get();
            let next_chain = entry.anchors.len() as u64;
            let needed = (newest - 1 + rounds_ahead) / chain_rounds;
            (needed >= next_chain).then_some((entry.number, next_chain))
        })
        .collect()
    }

    /// Publishes the anchor of a hunt's next chain.
    pub fn publish_anchor(&mut self, hunt: HuntNumber, chain: u64, anchor: Hash32) {
        self.record(&ControlRecord::ChainAnchored {
            hunt,
            chain,
            anchor,
        });
    }

    /// When the next round should be announced, if any hunt has one.
    #[must_use]
    pub fn next_announcement(&self) -> Option<TimeMicros> {
        let open = self
            .catalog
            .hunts()
            .filter(|entry| entry.closed_at.is_none());
        open.filter_map(|entry| {
            let next = entry
                .last_announced()
                .map_or(RoundNumber::FIRST, |last| last.opened.round.next());
            let next = next.max(self.oldest_open(entry));
            Some(
                entry
                    .schedule(next)?
                    .opens_at
                    .minus_millis(ANNOUNCE_AHEAD_MS),
            )
        })
        .min()
    }

    fn changeable(&self, hunt: HuntNumber) -> Result<&HuntEntry, CommandError> {
        let entry = self
            .catalog
            .by_number(hunt)
            .ok_or(CommandError::UnknownHunt)?;
        if entry.closed_at.is_some() {
            return Err(CommandError::HuntClosed {
                hunt: entry.id.clone(),
            });
        }
        Ok(entry)
    }

    fn record(&mut self, record: &ControlRecord) {
        let at = self.tail.sequence.advanced(u64::from(self.batch.count()));
        self.catalog
            .apply(at, record)
            .expect("the controller knows its hunts");
        self.batch.push(&Record::Control {
            at,
            record: Box::new(record.clone()),
        });
    }
}
