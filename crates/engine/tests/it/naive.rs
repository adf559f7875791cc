//! What an arbiter should decide, written a second time and as plainly as can be: maps that
//! are searched from end to end, nothing compact, nothing forgotten early.
//!
//! Shares the model's plain data with the engine, and no code.

mod results;

use std::collections::{BTreeMap, BTreeSet};

use huntcore_engine::{AttemptRef, EngineLimits, EventRef, EventVerdict};
use huntcore_model::{
    Batch, BoardClosedRecord, BoardName, ControlRecord, CorrectionRecord, HuntNumber, Outcome,
    PlayerNumber, Record, RoundNumber, Sequence, ShardId, TimeMicros,
};

use crate::naive_hunts::{Hunts, Micros};

pub(crate) type RoundKey = (HuntNumber, RoundNumber);

/// A record as the naive model writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Time,
    Player(u32, String),
    Claim {
        round: RoundKey,
        tile: u32,
        player: u32,
        points: u32,
    },
    Score {
        hunt: HuntNumber,
        player: u32,
        event_id: String,
        score: i64,
    },
    Control(u64, ControlRecord),
    BoardClosed(Box<BoardClosedRecord>),
    Correction(Box<CorrectionRecord>),
}

impl Written {
    /// What a batch of the engine's holds, in the same words.
    pub(crate) fn of(batch: &Batch) -> Vec<Self> {
        let records = batch
            .records()
            .map(|item| item.expect("the engine's own records").1);
        records.map(|record| Self::of_record(&record)).collect()
    }

    fn of_record(record: &Record<'_>) -> Self {
        match record {
            Record::Time => Self::Time,
            Record::Player(player) => {
                let id = player.id.expect("nobody was erased").to_owned();
                Self::Player(player.number.get(), id)
            }
            Record::Claim(claim) => Self::Claim {
                round: (claim.hunt, claim.round),
                tile: claim.tile.get(),
                player: claim.player.get(),
                points: claim.points,
            },
            Record::Score(score) => Self::Score {
                hunt: score.hunt,
                player: score.player.get(),
                event_id: score.event_id.to_owned(),
                score: score.score,
            },
            Record::Control { at, record } => Self::Control(at.get(), (**record).clone()),
            Record::BoardClosed(closed) => Self::BoardClosed(closed.clone()),
            Record::Correction(correction) => Self::Correction(correction.clone()),
        }
    }
}

/// What a tile is worth in these tests.
pub(crate) fn points(hunt: HuntNumber, round: RoundNumber, tile: u32) -> u32 {
    let mixed = u64::from(hunt.get()) * 31 + round.get() % 1_000 * 7 + u64::from(tile);
    u32::try_from(mixed % 97 + 1).expect("below 98")
}

#[derive(Clone, Debug)]
struct Held {
    player: String,
    points: u32,
    sequence: u64,
}

#[derive(Clone, Debug)]
struct Seen {
    digest: [u8; 16],
    sequence: u64,
    taken_at: Micros,
}

#[derive(Clone, Debug)]
pub(crate) struct Naive {
    shard: ShardId,
    limits: EngineLimits,
    pub(crate) hunts: Hunts,
    pub(crate) sequence: u64,
    pub(crate) time: Micros,
    pub(crate) now: Micros,
    players: Vec<String>,
    claims: BTreeMap<RoundKey, BTreeMap<u32, Held>>,
    events: BTreeMap<(HuntNumber, String, String), Seen>,
    values: BTreeSet<RoundKey>,
    kept_expired: BTreeSet<RoundKey>,
    voided: BTreeMap<(RoundKey, u32), u64>,
    disqualified: BTreeMap<(HuntNumber, String), u64>,
    /// The end of each board's last closed window, and its record.
    closings: BTreeMap<(HuntNumber, BoardName), (Micros, u64)>,
    /// When this shard heard that a hunt has closed.
    closed: BTreeMap<HuntNumber, Micros>,
    pub(crate) storage_full: bool,
    batch: Vec<Written>,
}

type Answer<T> = (T, Sequence);

impl Naive {
    pub(crate) fn new(shard: ShardId, limits: EngineLimits) -> Self {
        Self {
            shard,
            limits,
            hunts: Hunts::default(),
            sequence: 0,
            time: 0,
            now: 0,
            players: Vec::new(),
            claims: BTreeMap::new(),
            events: BTreeMap::new(),
            values: BTreeSet::new(),
            kept_expired: BTreeSet::new(),
            voided: BTreeMap::new(),
            disqualified: BTreeMap::new(),
            closings: BTreeMap::new(),
            closed: BTreeMap::new(),
            storage_full: false,
            batch: Vec::new(),
        }
    }

    /// What is left when the process ends: all but the values, which the log does not hold.
    pub(crate) fn without_values(mut self) -> Self {
        self.values.clear();
        self.storage_full = false;
        self.now = self.time;
        self
    }

    /// Whether the winner of any tile of the round is still known.
    pub(crate) fn keeps_answers(&self, round: RoundKey) -> bool {
        self.claims.contains_key(&round)
    }

    /// Whether this state alone proves that nobody can win in the round any more.
    pub(crate) fn proves_expired(&self, (hunt, round): RoundKey) -> bool {
        let known = self.hunts.get(hunt).expect("an expired round's hunt");
        let passed = known
            .schedule(round)
            .is_some_and(|(_, closes)| closes <= self.time);
        known.closed.is_some() || passed || self.kept_expired.contains(&(hunt, round))
    }

    pub(crate) fn begin(&mut self, now: Micros) {
        assert!(self.batch.is_empty());
        self.now = now.max(self.time);
    }

    pub(crate) fn copy(&mut self, at: u64, record: &ControlRecord) {
        if at < self.hunts.next || !record.concerns_arbiters() {
            return;
        }
        if matches!(
            record,
            ControlRecord::HuntChanged { .. } | ControlRecord::HuntEndMoved { .. }
        ) {
            let hunt = record.hunt().expect("both are of a hunt");
            let known = self.hunts.get(hunt).expect("created before");
            let first = known.last_announced() + 1;
            let opened = (first..).take_while(|&round| {
                let schedule = known.schedule(RoundNumber::new(round));
                schedule.is_some_and(|(opens, _)| opens <= self.now)
            });
            let passed = opened.filter(|&round| {
                let schedule = known.schedule(RoundNumber::new(round));
                schedule.is_some_and(|(_, closes)| closes <= self.now)
            });
            if let Some(last) = passed.max() {
                let run = first..=last;
                self.kept_expired
                    .extend(run.map(|round| (hunt, RoundNumber::new(round))));
            }
        }
        if let ControlRecord::HuntClosed { hunt, .. } = record {
            self.closed.insert(*hunt, self.now);
        }
        self.hunts.fold(at, record);
        self.batch.push(Written::Control(at, record.clone()));
    }

    pub(crate) fn provide_values(&mut self, round: RoundKey) {
        self.values.insert(round);
    }

    pub(crate) fn rounds_without_values(&self) -> Vec<RoundKey> {
        let time = self.time.max(self.now);
        let mut lacking = Vec::new();
        for (number, hunt) in self.hunts.iter().filter(|(_, hunt)| hunt.closed.is_none()) {
            for (&round, &(_, closes)) in &hunt.announced {
                let key = (number, RoundNumber::new(round));
                if closes > time && !self.values.contains(&key) {
                    lacking.push(key);
                }
            }
        }
        lacking
    }

    pub(crate) fn attempt(&mut self, attempt: &AttemptRef<'_>) -> Answer<Outcome> {
        let at_once = |outcome| (outcome, Sequence::ZERO);
        let (key, tile) = ((attempt.hunt, attempt.round), attempt.tile.get());
        let Some(hunt) = self.hunts.get(attempt.hunt) else {
            return at_once(Outcome::UnknownHunt);
        };
        if self.kept_expired.contains(&key) {
            return (Outcome::Expired, self.end());
        }
        let unknown_tile = hunt
            .version(attempt.round)
            .is_none_or(|version| tile >= version.tiles);
        if unknown_tile {
            return at_once(Outcome::UnknownTile);
        }
        if let Some(held) = self.claims.get(&key).and_then(|round| round.get(&tile)) {
            return self.answer(held, attempt.player);
        }
        let Some((opens, closes)) = hunt.schedule(attempt.round) else {
            return at_once(Outcome::UnknownTile);
        };
        if hunt.closed.is_some() || closes <= self.now {
            if self.batch.is_empty() && self.time < closes && closes <= self.now {
                self.batch.push(Written::Time);
            }
            return (Outcome::Expired, self.end());
        }
        if hunt.paused {
            return at_once(Outcome::HuntPaused);
        }
        if self.now < opens || !self.values.contains(&key) {
            let opens_at = TimeMicros::new(opens);
            return at_once(Outcome::NotYetOpen { opens_at });
        }
        if self.storage_full {
            return at_once(Outcome::StorageFull);
        }
        let Some(player) = self.number(attempt.player) else {
            return at_once(Outcome::Overloaded);
        };
        let held = Held {
            player: attempt.player.to_owned(),
            points: points(attempt.hunt, attempt.round, tile),
            sequence: self.end().get(),
        };
        self.batch.push(Written::Claim {
            round: key,
            tile,
            player: player.get(),
            points: held.points,
        });
        let answer = self.answer(&held, attempt.player);
        self.claims.entry(key).or_default().insert(tile, held);
        answer
    }

    pub(crate) fn score_event(&mut self, event: &EventRef<'_>) -> Answer<EventVerdict> {
        let at_once = |verdict| (verdict, Sequence::ZERO);
        let Some(hunt) = self.hunts.get(event.hunt) else {
            return at_once(EventVerdict::UnknownHunt);
        };
        let key = (
            event.hunt,
            event.player.to_owned(),
            event.event_id.to_owned(),
        );
        if let Some(seen) = self.events.get(&key) {
            let sequence = Sequence::new(seen.sequence);
            let verdict = if seen.digest == event.digest.0 {
                EventVerdict::Duplicate(sequence)
            } else {
                EventVerdict::Conflict(sequence)
            };
            return (verdict, Sequence::new(seen.sequence + 1));
        }
        if hunt.closed.is_some() || hunt.ends.is_some_and(|end| end <= self.now) {
            return at_once(EventVerdict::HuntClosed);
        }
        if self.now < hunt.starts {
            return at_once(EventVerdict::HuntNotBegun);
        }
        if self.storage_full {
            return at_once(EventVerdict::StorageFull);
        }
        if self.events.len() >= self.limits.events_max {
            return at_once(EventVerdict::Overloaded);
        }
        let Some(player) = self.number(event.player) else {
            return at_once(EventVerdict::Overloaded);
        };
        let sequence = self.end();
        self.batch.push(Written::Score {
            hunt: event.hunt,
            player: player.get(),
            event_id: event.event_id.to_owned(),
            score: event.score,
        });
        let seen = Seen {
            digest: event.digest.0,
            sequence: sequence.get(),
            taken_at: self.now,
        };
        self.events.insert(key, seen);
        (EventVerdict::Accepted(sequence), self.end())
    }

    /// The records of the batch and its time, if there is one.
    pub(crate) fn finish(&mut self) -> Option<Vec<Written>> {
        if self.batch.is_empty() {
            if self.next_time_record().is_none_or(|due| due > self.now) {
                return None;
            }
            self.batch.push(Written::Time);
        }
        let batch = std::mem::take(&mut self.batch);
        self.sequence += batch.len() as u64;
        self.time = self.now;
        self.forget();
        Some(batch)
    }

    pub(crate) fn next_time_record(&self) -> Option<Micros> {
        self.hunts
            .iter()
            .filter_map(|(_, hunt)| hunt.next_time_record(self.time))
            .min()
    }

    fn forget(&mut self) {
        let bucket = (self.limits.event_horizon_ms / 24).max(1) * 1_000;
        let horizon = self.limits.event_horizon_ms * 1_000;
        let now = self.time;
        self.events.retain(|_, seen| {
            let bucket_ends = seen.taken_at / bucket * bucket + bucket;
            now < bucket_ends + horizon
        });
        let keep_from = now.saturating_sub(self.limits.answer_ttl_ms * 1_000);
        while let Some((closes, round)) = self.oldest_closed()
            && (closes < keep_from || self.closed_answers() > self.limits.answers_max)
        {
            self.claims.remove(&round);
            self.voided.retain(|(key, _), _| *key != round);
        }
    }

    fn closes(&self, (hunt, round): RoundKey) -> Micros {
        let closes = self.hunts.get(hunt).expect("claimed").announced[&round.get()].1;
        let closed = self.closed.get(&hunt).copied();
        closed.map_or(closes, |closed| closes.min(closed))
    }

    fn oldest_closed(&self) -> Option<(Micros, RoundKey)> {
        let rounds = self.claims.keys().map(|&key| (self.closes(key), key));
        rounds.filter(|&(at, _)| at <= self.time).min()
    }

    /// A closed round counts as its claims, and as at least 16.
    fn closed_answers(&self) -> usize {
        let closed = self
            .claims
            .iter()
            .filter(|(key, _)| self.closes(**key) <= self.time);
        closed.map(|(_, tiles)| tiles.len().max(16)).sum()
    }

    fn answer(&self, held: &Held, player: &str) -> Answer<Outcome> {
        let (shard, sequence) = (self.shard, Sequence::new(held.sequence));
        let outcome = if held.player == player {
            Outcome::Won {
                shard,
                sequence,
                points: held.points,
            }
        } else {
            Outcome::Taken { shard, sequence }
        };
        (outcome, Sequence::new(held.sequence + 1))
    }

    fn number(&mut self, id: &str) -> Option<PlayerNumber> {
        let known = self.players.iter().position(|player| player == id);
        let index = known.unwrap_or(self.players.len());
        let number = u32::try_from(index).expect("a handful of players");
        if known.is_none() {
            if number >= self.limits.players_max {
                return None;
            }
            self.players.push(id.to_owned());
            self.batch.push(Written::Player(number, id.to_owned()));
        }
        Some(PlayerNumber::new(number))
    }

    fn end(&self) -> Sequence {
        Sequence::new(self.sequence + self.batch.len() as u64)
    }
}
