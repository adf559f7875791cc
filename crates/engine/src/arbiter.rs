//! Arbiter: the first valid attempt to reach a shard wins the tile.
//!
//! A decision is a run of calls between [`Arbiter::begin`] and [`Arbiter::finish`]; it takes
//! effect in memory at once and becomes one batch. Later decisions may build on it before
//! it is durable, so every answer says what it needs: it may be told when the log is
//! durable up to there. If a batch is not stored, the arbiter is worthless: throw it away
//! and fold the log anew.

use std::collections::HashMap;
use std::sync::Arc;

use huntcore_model::{
    AttemptList, AttemptRef, Batch, BatchBuilder, Catalog, CatalogError, ClaimRecord,
    ControlRecord, Epoch, HuntNumber, Outcome, PlayerNumber, Record, RoundNumber, Salt,
    ScoreRecord, Sequence, ShardId, Tail, TimeMicros,
};

use crate::claims::{Claim, HuntClaims};
use crate::events::{EventKey, EventSeen, Events};
use crate::exchange::{Decided, EventRef, EventVerdict, Term};
use crate::heartbeat::next_time_record;
use crate::limits::{BATCH_FULL_BYTES, EngineLimits};
use crate::players::Players;

/// Decides for one shard. One writer: whoever owns the shard owns its arbiter.
#[derive(Debug)]
pub struct Arbiter {
    pub(crate) shard: ShardId,
    limits: EngineLimits,
    secret: [u8; 32],
    epoch: Epoch,
    pub(crate) tail: Tail,
    durable: Sequence,
    pub(crate) catalog: Catalog,
    pub(crate) players: Players,
    pub(crate) claims: Vec<HuntClaims>,
    values: HashMap<(HuntNumber, RoundNumber), RoundValues>,
    pub(crate) events: Events,
    pub(crate) now: TimeMicros,
    storage_full: bool,
    batch: BatchBuilder,
}

#[derive(Debug)]
struct RoundValues {
    points: Arc<[u32]>,
    closes_at: TimeMicros,
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
            catalog: Catalog::new(),
            players: Players::new(u64::from_le_bytes(seed)),
            claims: Vec::new(),
            values: HashMap::new(),
            events: Events::new(limits.event_horizon_ms),
            now: TimeMicros::ZERO,
            storage_full: false,
            batch: BatchBuilder::new(),
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
        self.claims
            .resize_with(self.catalog.hunts().len(), HuntClaims::default);
        Ok(())
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
        let Some(hunt) = self.catalog.by_number(record.hunt()) else {
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
            self.claims[hunt.number.get() as usize].keep_expired(first, last);
        }
    }

    /// Rounds that may still be claimed but whose tiles' values this arbiter lacks: after
    /// a replay, and after the copy of a round's announcement.
    #[must_use]
    pub fn rounds_without_values(&self) -> Vec<(HuntNumber, RoundNumber)> {
        let time = self.tail.time.max(self.now);
        self.catalog
            .hunts()
            .filter(|hunt| hunt.closed_at.is_none())
            .flat_map(|hunt| {
                hunt.rounds_closing_after(time)
                    .map(|round| (hunt.number, round.opened.round))
            })
            .filter(|key| !self.values.contains_key(key))
            .collect()
    }

    /// Hands over what each tile of an announced round is worth. Until then attempts on
    /// the round are answered `not-yet-open`.
    pub fn provide_values(&mut self, hunt: HuntNumber, round: RoundNumber, points: Arc<[u32]>) {
        let known = self
            .catalog
            .by_number(hunt)
            .and_then(|hunt| hunt.round(round));
        if let Some(known) = known {
            let closes_at = known.opened.schedule.closes_at;
            self.values
                .insert((hunt, round), RoundValues { points, closes_at });
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

    /// Decides attempts one after another and appends their outcomes, one each, in order.
    ///
    /// Returns what all of them need together: they may be told when every sequence below it
    /// is durable.
    pub fn decide(&mut self, attempts: &AttemptList, outcomes: &mut Vec<Outcome>) -> Sequence {
        let mut needs = Sequence::ZERO;
        outcomes.reserve(attempts.len());
        for attempt in attempts.iter() {
            let decided = self.attempt(&attempt);
            needs = needs.max(decided.needs);
            outcomes.push(decided.answer);
        }
        needs
    }

    /// Decides an attempt.
    pub fn attempt(&mut self, attempt: &AttemptRef<'_>) -> Decided<Outcome> {
        let told_at_once = |answer| Decided {
            answer,
            needs: Sequence::ZERO,
        };
        let Some(hunt) = self.catalog.by_number(attempt.hunt) else {
            return told_at_once(Outcome::UnknownHunt);
        };
        let claims = &self.claims[attempt.hunt.get() as usize];
        if claims.is_kept_expired(attempt.round) {
            return Decided {
                answer: Outcome::Expired,
                needs: self.next_sequence(),
            };
        }
        let Some(version) = hunt.version_for(attempt.round) else {
            return told_at_once(Outcome::UnknownTile);
        };
        let tiles = version.config.tiles;
        if attempt.tile.get() >= tiles {
            return told_at_once(Outcome::UnknownTile);
        }
        if let Some(claim) = claims.get(attempt.round, attempt.tile) {
            return self.answer_from(claim, attempt.player);
        }
        let Some(schedule) = hunt.schedule(attempt.round) else {
            return told_at_once(Outcome::UnknownTile);
        };
        if hunt.closed_at.is_some() || schedule.closes_at <= self.now {
            return Decided {
                answer: Outcome::Expired,
                needs: self.pass_in_log(schedule.closes_at),
            };
        }
        if hunt.paused {
            return told_at_once(Outcome::HuntPaused);
        }
        let not_yet_open = Outcome::NotYetOpen {
            opens_at: schedule.opens_at,
        };
        if self.now < schedule.opens_at {
            return told_at_once(not_yet_open);
        }
        let Some(values) = self.values.get(&(attempt.hunt, attempt.round)) else {
            return told_at_once(not_yet_open);
        };
        let Some(&points) = values.points.get(attempt.tile.get() as usize) else {
            return told_at_once(Outcome::UnknownTile);
        };
        if self.storage_full {
            return told_at_once(Outcome::StorageFull);
        }
        if self.is_full() {
            return told_at_once(Outcome::Overloaded);
        }
        let Some(player) = self.number_of(attempt.player) else {
            return told_at_once(Outcome::Overloaded);
        };
        let sequence = self.next_sequence();
        let record = ClaimRecord {
            hunt: attempt.hunt,
            round: attempt.round,
            tile: attempt.tile,
            player,
            points,
        };
        self.batch.push(&Record::Claim(record));
        let claim = Claim {
            sequence,
            tile: attempt.tile,
            player,
            points,
        };
        let claims = &mut self.claims[attempt.hunt.get() as usize];
        claims.insert(attempt.round, tiles, schedule.closes_at, claim);
        Decided {
            answer: Outcome::Won {
                shard: self.shard,
                sequence,
                points,
            },
            needs: sequence.advanced(1),
        }
    }

    fn answer_from(&self, claim: &Claim, player: &str) -> Decided<Outcome> {
        let (shard, sequence) = (self.shard, claim.sequence);
        let answer = if self.players.find(player) == Some(claim.player) {
            Outcome::Won {
                shard,
                sequence,
                points: claim.points,
            }
        } else {
            Outcome::Taken { shard, sequence }
        };
        Decided {
            answer,
            needs: sequence.advanced(1),
        }
    }

    /// Makes sure that the log itself says that `time` has passed (or, for a closed hunt,
    /// that it was closed), so that whoever owns the shard next answers `expired` too,
    /// whatever its clock (I3).
    fn pass_in_log(&mut self, time: TimeMicros) -> Sequence {
        if self.tail.time < time && self.now >= time && self.batch.is_empty() {
            self.batch.push(&Record::Time);
        }
        self.next_sequence()
    }

    /// Takes a score event, once for each (hunt, player, event id) within the horizon.
    pub fn score_event(&mut self, event: &EventRef<'_>) -> Decided<EventVerdict> {
        let told_at_once = |answer| Decided {
            answer,
            needs: Sequence::ZERO,
        };
        let Some(hunt) = self.catalog.by_number(event.hunt) else {
            return told_at_once(EventVerdict::UnknownHunt);
        };
        // Outside a hunt's time its shards do not tell each other that time passes, so no
        // window with such an event in it would ever be final.
        let begun = hunt.starts_at <= self.now;
        let over = hunt.closed_at.is_some() || hunt.ends_at.is_some_and(|end| end <= self.now);
        let key = EventKey::new(event.hunt, event.player, event.event_id);
        if let Some(seen) = self.events.get(&key) {
            let answer = if seen.digest == event.digest {
                EventVerdict::Duplicate(seen.sequence)
            } else {
                EventVerdict::Conflict(seen.sequence)
            };
            return Decided {
                answer,
                needs: seen.sequence.advanced(1),
            };
        }
        if over {
            return told_at_once(EventVerdict::HuntClosed);
        }
        if !begun {
            return told_at_once(EventVerdict::HuntNotBegun);
        }
        if self.storage_full {
            return told_at_once(EventVerdict::StorageFull);
        }
        if self.is_full() || self.events.count() >= self.limits.events_max {
            return told_at_once(EventVerdict::Overloaded);
        }
        let Some(player) = self.number_of(event.player) else {
            return told_at_once(EventVerdict::Overloaded);
        };
        let sequence = self.next_sequence();
        self.batch.push(&Record::Score(ScoreRecord {
            hunt: event.hunt,
            player,
            event_id: event.event_id,
            event_type: event.event_type,
            score: event.score,
            sent_at: event.sent_at,
            payload: event.payload,
            digest: event.digest,
        }));
        self.events.insert(
            self.now,
            key,
            EventSeen {
                digest: event.digest,
                sequence,
            },
        );
        Decided {
            answer: EventVerdict::Accepted(sequence),
            needs: sequence.advanced(1),
        }
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
        next_time_record(&self.catalog, self.tail.time)
    }

    /// Whether the batch under way takes no more, so that it stays within the log's limit.
    const fn is_full(&self) -> bool {
        self.batch.batch_bytes() >= BATCH_FULL_BYTES
    }

    fn next_sequence(&self) -> Sequence {
        self.tail.sequence.advanced(u64::from(self.batch.count()))
    }

    /// The player's number, a new one if need be; `None` at the limit.
    fn number_of(&mut self, id: &str) -> Option<PlayerNumber> {
        if let Some(number) = self.players.find(id) {
            return Some(number);
        }
        if self.players.count() >= self.limits.players_max as usize {
            return None;
        }
        let number = self.players.insert(Some(id));
        self.batch.push_player(number, id, self.salt(number));
        Some(number)
    }

    fn salt(&self, number: PlayerNumber) -> Salt {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(&self.shard.get().to_le_bytes());
        hasher.update(&number.get().to_le_bytes());
        let mut salt = [0; 16];
        salt.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Salt(salt)
    }

    /// Lets go of what the tail's time has left behind.
    pub(crate) fn pass_time(&mut self) {
        let now = self.tail.time;
        self.values.retain(|_, values| values.closes_at > now);
        self.events.forget(now);
        let keep_from = now.minus_millis(self.limits.answer_ttl_ms);
        for claims in &mut self.claims {
            claims.close_until(now);
            claims.drop_before(keep_from);
        }
        while self
            .claims
            .iter()
            .map(HuntClaims::closed_claims)
            .sum::<usize>()
            > self.limits.answers_max
        {
            let oldest = self
                .claims
                .iter_mut()
                .filter_map(|claims| claims.oldest_closed_at().map(|at| (at, claims)))
                .min_by_key(|(at, _)| *at);
            let Some((_, claims)) = oldest else { break };
            claims.drop_oldest();
        }
    }
}
