//! One shard without a node: an arbiter, the log that it wrote, and a clock in milliseconds.

use std::sync::Arc;

use huntcore_engine::{Arbiter, AttemptRef, Decided, EngineLimits, EventRef, EventVerdict, Term};
use huntcore_model::{
    Batch, ConfigVersion, ControlRecord, Epoch, Hash32, HuntConfig, HuntCreated, HuntId,
    HuntNumber, Outcome, RoundNumber, RoundOpened, RoundSchedule, Sequence, ShardId, TileIndex,
    TimeMicros,
};

use crate::configs::config_of;
use crate::world::event;

pub(crate) const HUNT: HuntNumber = HuntNumber::new(0);
/// When the hunt of these tests starts.
pub(crate) const START_MS: u64 = 1_000_000;
const SECRET: [u8; 32] = [9; 32];

pub(crate) struct Desk {
    pub(crate) arbiter: Arbiter,
    pub(crate) log: Vec<Batch>,
    limits: EngineLimits,
    epoch: Epoch,
    versions: Vec<ConfigVersion>,
}

/// A point in time, in milliseconds from the start of the hunt.
pub(crate) fn at(millis: i64) -> TimeMicros {
    TimeMicros::from_millis(START_MS.saturating_add_signed(millis))
}

impl Desk {
    /// A desk with a hunt: rounds of a second, open for three, of four tiles.
    pub(crate) fn new(limits: EngineLimits) -> Self {
        Self::with_config(limits, config_of(1_000, 3_000, 4))
    }

    pub(crate) fn with_config(limits: EngineLimits, config: HuntConfig) -> Self {
        let created = HuntCreated {
            hunt: HUNT,
            id: HuntId::new("park").expect("a slug"),
            created_at: at(-5_000),
            starts_at: at(0),
            ends_at: None,
            config,
            anchor: Hash32::ZERO,
        };
        let mut desk = Self {
            arbiter: Arbiter::new(ShardId::new(0), limits, SECRET),
            log: Vec::new(),
            limits,
            epoch: Epoch::new(1),
            versions: vec![created.first_version()],
        };
        desk.begin_term();
        desk.copy(-5_000, &ControlRecord::HuntCreated(created));
        desk
    }

    /// Ends the decision; its batch is stored at once.
    pub(crate) fn finish(&mut self) -> Option<Batch> {
        let batch = self.arbiter.finish()?;
        self.arbiter.committed(batch.tail().sequence);
        self.log.push(batch.clone());
        Some(batch)
    }

    pub(crate) fn copy(&mut self, now_ms: i64, record: &ControlRecord) {
        self.arbiter.begin(at(now_ms));
        let next = self.arbiter.catalog().next();
        self.arbiter
            .copy_control(next, record)
            .expect("a good entry");
        self.finish();
    }

    /// Announces `round` and hands over its values.
    pub(crate) fn open(&mut self, now_ms: i64, round: u64) {
        self.announce(now_ms, round);
        self.provide();
    }

    pub(crate) fn announce(&mut self, now_ms: i64, round: u64) {
        let round = RoundNumber::new(round);
        let holds = |version: &&ConfigVersion| version.from_round <= round;
        let version = self
            .versions
            .iter()
            .rfind(holds)
            .expect("version 1 holds from round 1");
        let schedule: RoundSchedule = version.schedule(round).expect("it holds");
        let opened = RoundOpened {
            hunt: HUNT,
            round,
            config_version: version.version,
            map: Hash32::ZERO,
            commitment: Hash32::ZERO,
            layout: Hash32::ZERO,
            tiles: version.config.tiles,
            schedule,
        };
        self.copy(now_ms, &ControlRecord::RoundOpened(opened));
    }

    /// Hands over all values that are missing; each tile is worth ten points.
    pub(crate) fn provide(&mut self) -> Vec<u64> {
        let lacking = self.arbiter.rounds_without_values();
        for &(hunt, round) in &lacking {
            self.arbiter.provide_values(hunt, round, Arc::new([10; 32]));
        }
        lacking.iter().map(|(_, round)| round.get()).collect()
    }

    /// Lets rounds of another length and window hold from `from_round` on.
    pub(crate) fn change(
        &mut self,
        now_ms: i64,
        from_round: u64,
        from_ms: i64,
        config: HuntConfig,
    ) {
        let version = ConfigVersion {
            version: self.versions.last().expect("never empty").version + 1,
            from_round: RoundNumber::new(from_round),
            from_time: at(from_ms),
            config,
        };
        self.versions.push(version.clone());
        let hunt = HUNT;
        self.copy(now_ms, &ControlRecord::HuntChanged { hunt, version });
    }

    /// One attempt, decided and stored alone.
    pub(crate) fn attempt(&mut self, now_ms: i64, round: u64, tile: u32, player: &str) -> Outcome {
        self.arbiter.begin(at(now_ms));
        let decided = self.attempt_now(round, tile, player);
        self.finish();
        assert!(
            decided.needs <= self.arbiter.tail().sequence,
            "it waits for nothing more"
        );
        decided.answer
    }

    pub(crate) fn attempt_now(&mut self, round: u64, tile: u32, player: &str) -> Decided<Outcome> {
        self.arbiter.attempt(&AttemptRef {
            hunt: HUNT,
            round: RoundNumber::new(round),
            tile: TileIndex::new(tile),
            player,
        })
    }

    /// One score event, decided and stored alone.
    pub(crate) fn score(
        &mut self,
        now_ms: i64,
        player: &str,
        event_id: &str,
        score: i64,
    ) -> EventVerdict {
        self.arbiter.begin(at(now_ms));
        let decided = self
            .arbiter
            .score_event(&event(HUNT, player, event_id, score));
        self.finish();
        decided.answer
    }

    pub(crate) fn score_large(&mut self, event_id: &str, payload: &str) -> EventVerdict {
        let event = EventRef {
            payload,
            ..event(HUNT, "ada", event_id, 1)
        };
        self.arbiter.score_event(&event).answer
    }

    /// Another owner folds the log, as it is or as `mend` leaves it.
    pub(crate) fn restart_with(&mut self, mend: impl Fn(&Batch) -> Batch) {
        self.arbiter = Arbiter::new(ShardId::new(0), self.limits, SECRET);
        for batch in &mut self.log {
            *batch = mend(batch);
            self.arbiter
                .apply(batch)
                .expect("what an arbiter wrote can be folded");
        }
        self.begin_term();
    }

    pub(crate) fn restart(&mut self) {
        self.restart_with(Clone::clone);
    }

    /// How many records the log has.
    pub(crate) fn records(&self) -> Sequence {
        self.arbiter.tail().sequence
    }

    fn begin_term(&mut self) {
        self.epoch = self.epoch.next();
        let tail = self.arbiter.tail();
        let epoch = self.epoch;
        self.arbiter.begin_term(Term { epoch, tail });
    }
}
