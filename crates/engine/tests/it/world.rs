//! A whole deployment in one value: a control stream and its shards, each with a clock of its
//! own and a log that stores late and may lose what it has not stored.
//!
//! Everything that the engine says is compared with the naive model at once; what outsiders
//! are told is checked against the invariants of DESIGN.

use std::collections::{BTreeMap, BTreeSet};

use huntcore_engine::{
    AttemptRef, CorrectionAsk, EngineLimits, EventKey, EventRef, EventVerdict, id_time,
};
use huntcore_model::{
    BoardName, Correction, EventDigest, EventType, HuntNumber, Outcome, PlayerId, Record,
    RoundNumber, Sequence, ShardId, ShardMap, Slot, TileIndex, TimeMicros,
};

use crate::control_sim::ControlSim;
use crate::naive::RoundKey;
use crate::naive_hunts::Micros;
use crate::shard_sim::ShardSim;

/// A clock that started long ago, so that one that is behind is still after the epoch.
pub(crate) const START: Micros = 1_000_000_000_000;

/// Who asked for what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    pub(crate) hunt: HuntNumber,
    pub(crate) round: RoundNumber,
    pub(crate) tile: TileIndex,
    pub(crate) player: String,
}

impl Asked {
    pub(crate) fn as_ref(&self) -> AttemptRef<'_> {
        AttemptRef {
            hunt: self.hunt,
            round: self.round,
            tile: self.tile,
            player: &self.player,
        }
    }
}

/// What one caller of the engine is asked to decide.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Attempt(Asked),
    Event {
        hunt: HuntNumber,
        player: String,
        event_id: String,
        score: i64,
    },
    Correct(HuntNumber, Fix),
    Close {
        hunt: HuntNumber,
        board: BoardName,
        end: TimeMicros,
        entries: Vec<(PlayerId, i64)>,
    },
}

/// What an operator corrects.
#[derive(Clone, Debug)]
pub(crate) enum Fix {
    Void(RoundNumber, TileIndex),
    Disqualify(String),
    Reinstate(String),
}

impl Fix {
    pub(crate) fn as_ask(&self) -> CorrectionAsk<'_> {
        match self {
            Self::Void(round, tile) => CorrectionAsk::Void {
                round: *round,
                tile: *tile,
            },
            Self::Disqualify(player) => CorrectionAsk::Disqualify { player },
            Self::Reinstate(player) => CorrectionAsk::Reinstate { player },
        }
    }
}

pub(crate) struct World {
    pub(crate) clock: Micros,
    map: ShardMap,
    pub(crate) control: ControlSim,
    pub(crate) shards: Vec<ShardSim>,
    pub(crate) told: Told,
}

/// All that outsiders know.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) finals: BTreeMap<Asked, Outcome>,
    winners: BTreeMap<(RoundKey, TileIndex), String>,
    claims: BTreeMap<(RoundKey, TileIndex), (ShardId, Sequence, u32)>,
    /// Each hunt's newest published seed, which gives away all rounds up to it.
    pub(crate) revealed: BTreeMap<HuntNumber, RoundNumber>,
    events: BTreeMap<(HuntNumber, String, String), (Sequence, Micros)>,
    /// Claims that the logs void, by where they stand.
    voided: BTreeSet<(ShardId, Sequence)>,
    /// The end of each board's last window in the logs.
    closed: BTreeMap<(HuntNumber, BoardName), TimeMicros>,
    /// Where the logs hold corrections and results.
    results: BTreeSet<(ShardId, Sequence)>,
}

impl World {
    pub(crate) fn new(shards: u16, limits: EngineLimits) -> Self {
        let map = ShardMap::new(shards).expect("a few shards");
        Self {
            clock: START,
            map,
            control: ControlSim::new(),
            shards: map
                .shards()
                .map(|shard| ShardSim::new(shard, limits))
                .collect(),
            told: Told::default(),
        }
    }

    /// Lets every shard that is concerned, or all of them, make one decision.
    pub(crate) fn decide(&mut self, asks: &[Ask]) {
        let clock = self.clock;
        for (index, shard) in self.shards.iter_mut().enumerate() {
            let own = asks.iter().filter(|ask| shard_of(self.map, ask) == index);
            shard.decide(clock, own, &mut self.told);
        }
    }

    pub(crate) fn copy(&mut self, shard: usize, count: usize) {
        let clock = self.clock;
        self.shards[shard].copy(clock, &self.control.entries, count, &mut self.told);
    }

    pub(crate) fn commit(&mut self, shard: usize, count: usize) {
        self.shards[shard].commit(count, &mut self.told);
    }

    pub(crate) fn crash(&mut self, shard: usize, offset_ms: i64, checkpoint: usize) {
        self.shards[shard].crash(offset_ms, checkpoint);
    }

    pub(crate) fn fork(&mut self, shard: usize, checkpoint: usize) {
        self.shards[shard].fork(checkpoint, &mut self.told);
    }

    /// The newest round of a hunt by the clock.
    pub(crate) fn newest_round(&self, hunt: HuntNumber) -> u64 {
        self.control
            .naive
            .get(hunt)
            .map_or(0, |known| known.newest(self.clock))
    }

    /// Announces and publishes what is due.
    pub(crate) fn announce(&mut self) {
        let times = self.shards.iter().map(ShardSim::stored_time);
        let least = times.min().expect("at least one shard");
        self.control
            .announce(self.clock, least, &mut self.told.revealed);
    }

    /// Everything goes as it should for a while: what a running node does all the time.
    pub(crate) fn run_well(&mut self, millis: u64) {
        self.clock += millis * 1_000;
        self.announce();
        self.control.commit(usize::MAX);
        for shard in 0..self.shards.len() {
            self.copy(shard, usize::MAX);
            self.commit(shard, usize::MAX);
            self.shards[shard].provide_values(usize::MAX);
        }
    }

    /// Lets everything settle and checks what the whole log says.
    pub(crate) fn settle(&mut self) {
        self.control.commit(usize::MAX);
        for shard in 0..self.shards.len() {
            self.commit(shard, usize::MAX);
            assert!(
                self.shards[shard].nobody_waits(),
                "all that is decided is stored and told"
            );
            self.shards[shard].check_replay();
        }
        self.control.check_replay();
    }
}

fn shard_of(map: ShardMap, ask: &Ask) -> usize {
    let slot = match ask {
        Ask::Attempt(asked) => Slot::of_tile(asked.hunt, asked.round, asked.tile),
        Ask::Event { hunt, player, .. } => {
            Slot::of_player(*hunt, &PlayerId::new(player).expect("a short name"))
        }
        Ask::Correct(hunt, Fix::Void(round, tile)) => Slot::of_tile(*hunt, *round, *tile),
        Ask::Correct(hunt, Fix::Disqualify(player) | Fix::Reinstate(player)) => {
            Slot::of_player(*hunt, &PlayerId::new(player).expect("a short name"))
        }
        Ask::Close { hunt, board, .. } => Slot::of_board(*hunt, *board),
    };
    usize::from(map.shard_of(slot).get())
}

impl Told {
    /// Takes note of what a stored batch claims (I1).
    pub(crate) fn stored(&mut self, shard: ShardId, sequence: Sequence, record: &Record<'_>) {
        match record {
            Record::Correction(correction) => {
                self.results.insert((shard, sequence));
                if let Correction::ClaimVoided {
                    round,
                    tile,
                    points,
                    claimed,
                } = correction.what
                {
                    let claim = self.claims.get(&((correction.hunt, round), tile));
                    assert_eq!(claim, Some(&(shard, claimed, points)), "no such claim");
                    let is_first = self.voided.insert((shard, claimed));
                    assert!(is_first, "a claim is voided twice in the logs");
                }
            }
            Record::BoardClosed(closed) => {
                self.results.insert((shard, sequence));
                let key = (closed.hunt, closed.board);
                let before = self.closed.insert(key, closed.end);
                assert!(before < Some(closed.end), "{key:?} is closed again or late");
            }
            _ => {}
        }
        let Record::Claim(claim) = record else { return };
        let key = ((claim.hunt, claim.round), claim.tile);
        let before = self.claims.insert(key, (shard, sequence, claim.points));
        assert_eq!(before, None, "I1: {key:?} is claimed twice in the logs");
        let revealed = self.revealed.get(&claim.hunt);
        assert!(
            revealed < Some(&claim.round),
            "{key:?} was won after its seed was known"
        );
    }

    /// Tells an outcome that has become durable; `forgotten` if the answers of its round are.
    pub(crate) fn tell(&mut self, asked: &Asked, outcome: Outcome, forgotten: bool) {
        let key = ((asked.hunt, asked.round), asked.tile);
        match outcome {
            Outcome::Won {
                shard,
                sequence,
                points,
            } => {
                let winner = self
                    .winners
                    .entry(key)
                    .or_insert_with(|| asked.player.clone());
                assert_eq!(
                    *winner, asked.player,
                    "I1: two players were told that they won"
                );
                let stored = self.claims.get(&key);
                assert_eq!(
                    stored,
                    Some(&(shard, sequence, points)),
                    "I2: won is not stored"
                );
            }
            Outcome::Taken { shard, sequence } => {
                let stored = self.claims.get(&key).map(|claim| (claim.0, claim.1));
                assert_eq!(
                    stored,
                    Some((shard, sequence)),
                    "I2: the winner is not stored"
                );
                assert_ne!(
                    self.winners.get(&key),
                    Some(&asked.player),
                    "the winner was told taken"
                );
            }
            _ => {}
        }
        if let Some(&before) = self.finals.get(asked) {
            let lapsed = forgotten && outcome == Outcome::Expired;
            assert!(
                outcome == before || lapsed,
                "I3: {asked:?} was told {before:?} and then {outcome:?}"
            );
        }
        if outcome.kind().is_final() {
            self.finals.insert(asked.clone(), outcome);
        }
    }
}

impl Told {
    /// Tells that something was corrected or closed now (I2).
    pub(crate) fn tell_result(&self, shard: ShardId, sequence: Sequence) {
        let is_stored = self.results.contains(&(shard, sequence));
        assert!(is_stored, "I2: what was told to be written is not stored");
    }

    /// Tells what became of an event, decided at `now`.
    pub(crate) fn tell_event(
        &mut self,
        event: &EventRef<'_>,
        verdict: EventVerdict,
        now: Micros,
        limits: &EngineLimits,
    ) {
        let key = (
            event.hunt,
            event.player.to_owned(),
            event.event_id.to_owned(),
        );
        let before = self.events.get(&key);
        match verdict {
            EventVerdict::Accepted(sequence) => {
                if let Some((_, taken_at)) = before {
                    let horizon = limits.event_horizon_ms * 1_000;
                    assert!(now >= taken_at + horizon, "{key:?} was taken twice");
                }
                self.events.insert(key, (sequence, now));
            }
            EventVerdict::Duplicate(sequence) | EventVerdict::Conflict(sequence) => {
                let taken = before.map(|(sequence, _)| *sequence);
                assert_eq!(
                    taken.unwrap_or(sequence),
                    sequence,
                    "{key:?} is another record now"
                );
            }
            _ => {}
        }
    }
}

/// A score event's parts that these tests vary.
pub(crate) fn event<'a>(
    hunt: HuntNumber,
    player: &'a str,
    event_id: &'a str,
    score: i64,
) -> EventRef<'a> {
    let event_type = EventType::new("run").expect("short");
    EventRef {
        hunt,
        player,
        event_id,
        event_type: "run",
        score,
        sent_at: None,
        payload: "",
        digest: EventDigest::of(&event_type, score, None, ""),
        key: EventKey::new(hunt, player, event_id),
        id_time: id_time(event_id),
    }
}
