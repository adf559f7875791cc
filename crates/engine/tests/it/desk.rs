//! One shard without a node: an arbiter, the log that it wrote, and a clock in milliseconds.

use std::sync::Arc;

use huntcore_engine::{
    Arbiter, AttemptRef, CloseVerdict, CorrectionAsk, CorrectionRef, CorrectionVerdict, Decided,
    EngineLimits, EventRef, EventVerdict, Looked, Term, WindowResults,
};
use huntcore_model::{
    Batch, BoardClock, BoardDefinition, BoardName, BoardOperator, BoardOrder, BoardSource,
    ConfigVersion, ControlRecord, Epoch, Hash32, HuntConfig, HuntCreated, HuntId, HuntNumber,
    Outcome, PlayerId, RoundNumber, RoundOpened, RoundSchedule, Sequence, ShardId, TileIndex,
    TimeMicros, WindowRule,
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

/// A board of windows of a second that writes what they come to.
pub(crate) fn board(name: &str) -> BoardDefinition {
    BoardDefinition {
        name: BoardName::new(name).expect("a name"),
        from: BoardSource::Both,
        operator: BoardOperator::Sum,
        order: BoardOrder::Descending,
        window: WindowRule::Tumbling { length_ms: 1_000 },
        clock: BoardClock::Server,
        event_types: Vec::new(),
        keep_ms: 60_000,
        results: 10,
    }
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
            .score_event(&event(HUNT, player, event_id, score), &Looked::default())
            .expect("nothing has left memory");
        self.finish();
        decided.answer
    }

    pub(crate) fn score_large(&mut self, event_id: &str, payload: &str) -> EventVerdict {
        let event = EventRef {
            payload,
            ..event(HUNT, "ada", event_id, 1)
        };
        let decided = self.arbiter.score_event(&event, &Looked::default());
        decided.expect("nothing has left memory").answer
    }

    /// Gives the hunt boards of this name that write results, and no others.
    pub(crate) fn give_boards(&mut self, now_ms: i64, names: &[&str]) {
        let boards = names.iter().map(|name| board(name)).collect();
        self.copy(now_ms, &ControlRecord::BoardsChanged { hunt: HUNT, boards });
    }

    pub(crate) fn void(&mut self, now_ms: i64, round: u64, tile: u32) -> CorrectionVerdict {
        let what = CorrectionAsk::Void {
            round: RoundNumber::new(round),
            tile: TileIndex::new(tile),
        };
        self.correct(now_ms, what)
    }

    pub(crate) fn disqualify(&mut self, now_ms: i64, player: &str) -> CorrectionVerdict {
        self.correct(now_ms, CorrectionAsk::Disqualify { player })
    }

    pub(crate) fn reinstate(&mut self, now_ms: i64, player: &str) -> CorrectionVerdict {
        self.correct(now_ms, CorrectionAsk::Reinstate { player })
    }

    fn correct(&mut self, now_ms: i64, what: CorrectionAsk<'_>) -> CorrectionVerdict {
        self.arbiter.begin(at(now_ms));
        let decided = self.arbiter.correct(&CorrectionRef {
            hunt: HUNT,
            what,
            reason: "seen cheating",
        });
        self.finish();
        assert!(decided.needs <= self.records(), "it waits for nothing more");
        decided.answer
    }

    /// Closes the window of a board that ends at `end_ms`.
    pub(crate) fn close_board(
        &mut self,
        now_ms: i64,
        board: &str,
        end_ms: i64,
        entries: &[(&str, i64)],
    ) -> CloseVerdict {
        let entries: Vec<_> = entries
            .iter()
            .map(|(player, score)| (PlayerId::new(player).expect("an id"), *score))
            .collect();
        self.arbiter.begin(at(now_ms));
        let decided = self.arbiter.close_board(&WindowResults {
            hunt: HUNT,
            board: BoardName::new(board).expect("a name"),
            start: at(end_ms - 1_000),
            end: at(end_ms),
            players: entries.len() as u64,
            entries: &entries,
        });
        self.finish();
        assert!(decided.needs <= self.records(), "it waits for nothing more");
        decided.answer
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
