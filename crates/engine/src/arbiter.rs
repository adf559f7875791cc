//! Arbiter: the first valid attempt to reach a shard wins the tile.
//!
//! A decision is a run of calls between [`Arbiter::begin`] and [`Arbiter::finish`]; it takes
//! effect in memory at once and becomes one batch. Later decisions may build on it before
//! it is durable, so every answer says what it needs: it may be told when the log is
//! durable up to there. If a batch is not stored, the arbiter is worthless: throw it away
//! and fold the log anew.

use std::sync::Arc;

use huntcore_model::{
    Batch, BatchBuilder, Catalog, CatalogError, ControlRecord, Epoch, HuntNumber, PlayerNumber,
    Record, RoundNumber, Salt, Sequence, ShardId, Tail, TimeMicros,
};

use crate::answers::Answers;
use crate::closings::Closings;
use crate::corrections::Corrections;
use crate::decide::Scratch;
use crate::events::Events;
use crate::exchange::{ClosedOrdinal, Term};
use crate::heartbeat::Heartbeat;
use crate::limits::{BATCH_FULL_BYTES, EngineLimits};
use crate::open_rounds::{KeptExpired, OpenRound, OpenRounds};
use crate::players::Players;

/// Decides for one shard. One writer: whoever owns the shard owns its arbiter.
#[derive(Debug)]
pub struct Arbiter {
    pub(crate) shard: ShardId,
    pub(crate) limits: EngineLimits,
    secret: [u8; 32],
    epoch: Epoch,
    pub(crate) tail: Tail,
    durable: Sequence,
    pub(crate) catalog: Catalog,
    pub(crate) players: Players,
    pub(crate) open: OpenRounds,
    pub(crate) answers: Answers,
    pub(crate) kept_expired: KeptExpired,
    pub(crate) corrections: Corrections,
    pub(crate) closings: Closings,
    pub(crate) events: Events,
    /// The ordinal of the next round or bucket of events that closes.
    pub(crate) closed_next: ClosedOrdinal,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) now: TimeMicros,
    pub(crate) storage_full: bool,
    pub(crate) batch: BatchBuilder,
    pub(crate) scratch: Option<Box<Scratch>>,
}

impl Arbiter {
    /// An arbiter that has folded nothing.
    ///
    /// `secret` salts players' fingerprints and seeds hashing; it must not be guessable,
    /// need not be the same in another term, and does not influence any decision.
    #[must_use]
    pub fn new(shard: ShardId, limits: EngineLimits, secret: [u8; 32]) -> Self {
        let seed: [u8; 8] = secret[..8].try_into().expect("8 of 32");
        Self {
            shard,
            limits,
            secret,
            epoch: Epoch::default(),
            tail: Tail::default(),
            durable: Sequence::ZERO,
            catalog: Catalog::for_arbiter(),
            players: Players::new(u64::from_le_bytes(seed)),
            open: OpenRounds::default(),
            answers: Answers::default(),
            kept_expired: KeptExpired::default(),
            corrections: Corrections::default(),
            closings: Closings::default(),
            events: Events::new(&limits),
            closed_next: ClosedOrdinal::ZERO,
            heartbeat: Heartbeat::default(),
            now: TimeMicros::ZERO,
            storage_full: false,
            batch: BatchBuilder::new(),
            scratch: None,
        }
    }

    /// The shard.
    #[must_use]
    pub const fn shard(&self) -> ShardId {
        self.shard
    }

    /// Where the stream ends with the last batch made or folded, durable or not.
    #[must_use]
    pub const fn tail(&self) -> Tail {
        self.tail
    }

    /// The hunts as far as this shard has copied them.
    #[must_use]
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// How many bytes the decision under way would make a batch of. Past 8 MiB attempts and
    /// events are answered `overloaded`; finish before copying control entries on top.
    #[must_use]
    pub const fn batch_bytes(&self) -> usize {
        self.batch.batch_bytes()
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

    /// Refuses whatever would need space in the log, or takes it again. Answers that are
    /// known already are given either way.
    pub fn set_storage_full(&mut self, storage_full: bool) {
        self.storage_full = storage_full;
    }

    /// Folds a control entry into the state, at the time of the batch that holds it.
    pub(crate) fn note_control(
        &mut self,
        at: Sequence,
        record: &ControlRecord,
    ) -> Result<(), CatalogError> {
        self.keep_expired(record);
        self.catalog.apply(at, record)?;
        self.watch(record);
        self.forget_closings(record);
        Ok(())
    }

    /// Takes note of what an entry that the catalog has folded means for rounds and times.
    fn watch(&mut self, record: &ControlRecord) {
        let hunt = record.hunt().and_then(|hunt| self.catalog.by_number(hunt));
        let Some(hunt) = hunt else {
            return;
        };
        if let ControlRecord::RoundOpened(opened) = record {
            let key = (opened.hunt, opened.round);
            let kept_expired = self.kept_expired.contains(key);
            self.open.add(OpenRound::announced(opened, kept_expired));
            self.heartbeat
                .note_round(hunt, opened.schedule, self.tail.time);
        } else {
            self.heartbeat.note_hunt(hunt, self.tail.time);
        }
        if hunt.closed_at.is_some() {
            // What was won is kept like that of any closed round, and within the same limits.
            self.open.end_all(hunt.number, self.now);
        }
    }

    /// Takes note of the times of all hunts and rounds, of which it knows none yet.
    pub(crate) fn watch_all(&mut self) {
        let time = self.tail.time;
        for hunt in self.catalog.hunts() {
            self.heartbeat.note_hunt(hunt, time);
            for round in hunt.rounds() {
                self.heartbeat.note_round(hunt, round.opened.schedule, time);
            }
        }
        for round in self.open.iter() {
            if let Some(hunt) = self.catalog.by_number(round.key.0) {
                self.heartbeat.note_round(hunt, round.schedule(), time);
            }
        }
        self.heartbeat.pass(time);
    }

    /// Keeps rounds `expired` whose window had passed here before `record` moves it.
    ///
    /// Only rounds that have not been announced can be moved. That one of them has passed
    /// takes a controller whose clock is behind this shard's log, or one that slept.
    fn keep_expired(&mut self, record: &ControlRecord) {
        let moves_rounds = matches!(
            record,
            ControlRecord::HuntChanged { .. } | ControlRecord::HuntEndMoved { .. }
        );
        if !moves_rounds {
            return;
        }
        let hunt = record.hunt().and_then(|hunt| self.catalog.by_number(hunt));
        let Some(hunt) = hunt else {
            return;
        };
        let Some(newest) = hunt.newest_round(self.now) else {
            return;
        };
        let first = hunt
            .last_announced()
            .map_or(RoundNumber::FIRST, |last| last.opened.round.next());
        let passed = |round: &RoundNumber| {
            let schedule = hunt.schedule(*round);
            schedule.is_some_and(|schedule| schedule.closes_at <= self.now)
        };
        let mut rounds = (first.get()..=newest.get()).rev().map(RoundNumber::new);
        if let Some(last) = rounds.find(passed) {
            self.kept_expired.keep(hunt.number, first, last);
        }
    }

    /// Rounds that may still be claimed but whose tiles' values this arbiter lacks: after
    /// a replay, and after the copy of a round's announcement.
    #[must_use]
    pub fn rounds_without_values(&self) -> Vec<(HuntNumber, RoundNumber)> {
        let time = self.tail.time.max(self.now);
        let lacks = self.open.iter().filter(|round| {
            let hunt = self.catalog.by_number(round.key.0);
            let closed = hunt.is_none_or(|hunt| hunt.closed_at.is_some());
            round.points.is_none() && round.closes_at > time && !closed
        });
        let mut keys: Vec<_> = lacks.map(|round| round.key).collect();
        keys.sort_unstable();
        keys
    }

    /// Hands over what each tile of an announced round is worth. Until then attempts on
    /// the round are answered `not-yet-open`.
    pub fn provide_values(&mut self, hunt: HuntNumber, round: RoundNumber, points: Arc<[u32]>) {
        if let Some(place) = self.open.find((hunt, round)) {
            self.open.at_mut(place).points = Some(points);
        }
    }

    /// Starts a decision at `now`, or at the tail's time if the clock is behind it.
    pub fn begin(&mut self, now: TimeMicros) {
        debug_assert!(
            self.batch.is_empty(),
            "the decision before must be finished"
        );
        self.now = now.max(self.tail.time);
    }

    /// Copies a committed entry of the control stream; entries already copied are skipped.
    pub fn copy_control(
        &mut self,
        at: Sequence,
        record: &ControlRecord,
    ) -> Result<(), CatalogError> {
        if at < self.catalog.next() || !record.concerns_arbiters() {
            return Ok(());
        }
        self.note_control(at, record)?;
        self.batch.push(&Record::Control {
            at,
            record: Box::new(record.clone()),
        });
        Ok(())
    }

    /// Ends the decision: the batch to be stored after the tail before it, or nothing if
    /// nothing happened and no time record is due.
    pub fn finish(&mut self) -> Option<Batch> {
        if self.batch.is_empty() {
            if self.next_time_record().is_none_or(|due| due > self.now) {
                return None;
            }
            self.batch.push(&Record::Time);
        }
        let batch = self
            .batch
            .finish(self.shard, self.epoch, &self.tail, self.now, self.durable);
        self.tail = batch.tail();
        self.pass_time();
        Some(batch)
    }

    /// When the log should next hear that time has passed; `None` while no hunt needs it.
    ///
    /// At least every 100 ms, and exactly when a round opens or closes.
    #[must_use]
    pub fn next_time_record(&self) -> Option<TimeMicros> {
        self.heartbeat.next(self.tail.time)
    }

    /// Whether the batch under way takes no more, so that it stays within the log's limit.
    pub(crate) const fn is_full(&self) -> bool {
        self.batch.batch_bytes() >= BATCH_FULL_BYTES
    }

    pub(crate) fn next_sequence(&self) -> Sequence {
        self.tail.sequence.advanced(u64::from(self.batch.count()))
    }

    /// The player's number, a new one if need be; `None` at the limit.
    pub(crate) fn number_of(&mut self, id: &str) -> Option<PlayerNumber> {
        self.players.find(id).or_else(|| self.new_number(id))
    }

    /// A number for a player who has none; `None` at the limit.
    pub(crate) fn new_number(&mut self, id: &str) -> Option<PlayerNumber> {
        let has_room = self.players.count() < self.limits.players_max as usize;
        has_room.then(|| self.push_player(id))
    }

    pub(crate) fn push_player(&mut self, id: &str) -> PlayerNumber {
        let number = self.players.insert(Some(id));
        self.batch.push_player(number, id, self.salt(number));
        number
    }

    fn salt(&self, number: PlayerNumber) -> Salt {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(&self.shard.get().to_le_bytes());
        hasher.update(&number.get().to_le_bytes());
        let mut salt = [0; 16];
        salt.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Salt(salt)
    }

    /// Lets go of what the tail's time has left behind. Costs next to nothing while nothing
    /// is due: it is called for every batch.
    pub(crate) fn pass_time(&mut self) {
        let now = self.tail.time;
        while let Some(round) = self.open.take_over(now) {
            if round.claims.len() > 0 {
                self.answers.close(self.closed_next, round);
                self.closed_next = self.closed_next.next();
            }
        }
        let keep_from = now.minus_millis(self.limits.answer_ttl_ms);
        while let Some(round) = self
            .answers
            .forget_oldest(keep_from, self.limits.answers_max)
        {
            self.corrections.forget(round);
        }
        self.events.seal_full(&self.tail, &mut self.closed_next);
        self.events.forget(now);
        self.heartbeat.pass(now);
    }
}
