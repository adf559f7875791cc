//! Deciding attempts, a block at a time.
//!
//! A block is gone through in strides, and each stride four times: what holds for an
//! attempt's round, what is known of its tile, what of its player, and then the decision. All
//! but the last only read, in few instructions, and no read waits for another attempt's: so
//! the processor fetches what lies scattered in memory for many attempts at once.

use std::ops::Range;

use huntcore_model::{
    AttemptList, AttemptRef, ClaimRecord, Outcome, PlayerNumber, Record, Sequence, TileIndex,
    TimeMicros,
};

use crate::arbiter::Arbiter;
use crate::claims::Held;
use crate::exchange::Decided;
use crate::open_rounds::{RoundKey, RoundPlace};

/// Attempts looked at together: their reads overlap, and what they read stays near.
const STRIDE: usize = 64;

/// A block's rounds are remembered until there are this many.
const RUNS_MAX: usize = 64;

/// Room for a stride, kept from block to block.
#[derive(Debug)]
pub(crate) struct Scratch {
    runs: Runs,
    // For each attempt the place of its run, and that of its tile's claim.
    places: [(u8, u32); STRIDE],
    tiles: [TileProbe; STRIDE],
    players: [PlayerProbe; STRIDE],
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            runs: Runs::default(),
            places: [(0, 0); STRIDE],
            tiles: [TileProbe::Unknown; STRIDE],
            players: [PlayerProbe::Nobody; STRIDE],
        }
    }
}

/// What holds for the rounds that a block has been about.
#[derive(Debug)]
struct Runs {
    runs: Vec<Run>,
    // By a few bits of the round: one more than its place in `runs`, or 0.
    recent: [u8; RUNS_MAX],
}

impl Default for Runs {
    fn default() -> Self {
        Self {
            runs: Vec::with_capacity(RUNS_MAX + STRIDE),
            recent: [0; RUNS_MAX],
        }
    }
}

impl Runs {
    fn clear(&mut self) {
        self.runs.clear();
        self.recent = [0; RUNS_MAX];
    }

    /// The place of what holds for a round; finds it out if it is not remembered.
    #[inline]
    fn place(&mut self, arbiter: &Arbiter, key: RoundKey) -> u8 {
        let [low, ..] = (key.1.get() ^ u64::from(key.0.get()) << 3).to_le_bytes();
        let recent = &mut self.recent[usize::from(low) % RUNS_MAX];
        let known = self.runs.get(usize::from(*recent).wrapping_sub(1));
        if known.is_none_or(|run| run.key != key) {
            self.runs.push(arbiter.run(key));
            let count = self.runs.len();
            *recent = u8::try_from(count).expect("at most RUNS_MAX and a stride's");
        }
        *recent - 1
    }
}

/// What holds for all attempts on one round during a decision.
#[derive(Clone, Copy, Debug)]
struct Run {
    key: RoundKey,
    claims: Claims,
    /// A tile from this number on is unknown, whatever else holds.
    tiles: u64,
    unclaimed: Unclaimed,
}

/// Where a round's claims are.
#[derive(Clone, Copy, Debug)]
enum Claims {
    Open(RoundPlace),
    Closed,
    Nothing,
}

/// What an attempt on a tile that nobody holds is told.
#[derive(Clone, Copy, Debug)]
enum Unclaimed {
    /// It wins, if there is room.
    Free,
    /// This.
    Told(Outcome),
    /// That nobody can win it since then.
    Expired { passed: TimeMicros },
}

/// What is known of an attempt's tile before any of its stride is decided.
#[derive(Clone, Copy, Debug)]
enum TileProbe {
    /// The round has no such tile.
    Unknown,
    /// Somebody holds it.
    Held(Held),
    /// Nobody holds it yet; it may be won, if it is worth something.
    Vacant(Option<u32>),
    /// Nobody holds it, and it cannot be won.
    Refused,
}

/// What is known of an attempt's player before any of its stride is decided.
#[derive(Clone, Copy, Debug)]
enum PlayerProbe {
    /// Whether the player is the one who holds the tile.
    IsWinner(bool),
    /// The player's number.
    Number(Option<PlayerNumber>),
    /// Nothing: it does not matter who asks.
    Nobody,
}

impl Arbiter {
    /// Decides attempts one after another and appends their outcomes, one each, in order.
    ///
    /// Returns what all of them need together: they may be told when every sequence below it
    /// is durable.
    pub fn decide(&mut self, attempts: &AttemptList, outcomes: &mut Vec<Outcome>) -> Sequence {
        let mut needs = Sequence::ZERO;
        outcomes.reserve(attempts.len());
        let mut scratch = self.scratch.take().unwrap_or_default();
        scratch.runs.clear();
        let mut start = 0;
        while start < attempts.len() {
            let stride = start..attempts.len().min(start + STRIDE);
            self.look(attempts, &stride, &mut scratch);
            let looked = scratch.places.iter().zip(&scratch.tiles);
            let looked = looked.zip(&scratch.players);
            for (index, ((&(run, _), tile), player)) in stride.zip(looked) {
                let run = &scratch.runs.runs[usize::from(run)];
                let decided = self.settle(run, tile, *player, || attempts.get(index));
                needs = needs.max(decided.needs);
                outcomes.push(decided.answer);
            }
            start += STRIDE;
        }
        self.scratch = Some(scratch);
        needs
    }

    /// Decides a single attempt.
    pub fn attempt(&mut self, attempt: &AttemptRef<'_>) -> Decided<Outcome> {
        let run = self.run((attempt.hunt, attempt.round));
        let (tile, player) = self.probe(&run, attempt);
        self.settle(&run, &tile, player, || Some(*attempt))
    }

    /// Finds out what can be known of a stride's attempts before any is decided.
    fn look(&self, attempts: &AttemptList, stride: &Range<usize>, scratch: &mut Scratch) {
        let Scratch {
            runs,
            places,
            tiles,
            players,
        } = scratch;
        if runs.runs.len() >= RUNS_MAX {
            runs.clear();
        }
        for (index, known) in stride.clone().zip(places.iter_mut()) {
            if let Some((hunt, round, tile)) = attempts.tile(index) {
                let run = runs.place(self, (hunt, round));
                *known = (run, self.place(&runs.runs[usize::from(run)], tile));
            }
        }
        let with_places = stride.clone().zip(places.iter());
        for ((index, &(run, place)), known) in with_places.zip(tiles.iter_mut()) {
            if let Some((.., tile)) = attempts.tile(index) {
                *known = self.probe_tile(&runs.runs[usize::from(run)], place, tile);
            }
        }
        for ((index, tile), known) in stride.clone().zip(tiles.iter()).zip(players.iter_mut()) {
            if let Some(attempt) = attempts.get(index) {
                *known = self.probe_player(tile, attempt.player);
            }
        }
    }

    /// Where an open round's claim on a tile is; 0 if there is none.
    #[inline]
    fn place(&self, run: &Run, tile: TileIndex) -> u32 {
        match run.claims {
            Claims::Open(round) => self.open.at(round).claims.place(tile),
            Claims::Closed | Claims::Nothing => 0,
        }
    }

    #[inline]
    fn probe_tile(&self, run: &Run, place: u32, tile: TileIndex) -> TileProbe {
        if u64::from(tile.get()) >= run.tiles {
            return TileProbe::Unknown;
        }
        let held = match run.claims {
            Claims::Open(round) if place != 0 => self.open.at(round).claims.at(place),
            Claims::Open(_) | Claims::Nothing => None,
            Claims::Closed => self.answers.get(run.key, tile),
        };
        match (held, run.claims, run.unclaimed) {
            (Some(held), ..) => TileProbe::Held(held),
            (None, Claims::Open(round), Unclaimed::Free) => {
                let points = self.open.at(round).points.as_ref();
                let points = points.and_then(|points| points.get(tile.get() as usize));
                TileProbe::Vacant(points.copied())
            }
            _ => TileProbe::Refused,
        }
    }

    #[inline]
    fn probe_player(&self, tile: &TileProbe, player: &str) -> PlayerProbe {
        match tile {
            TileProbe::Held(held) => PlayerProbe::IsWinner(self.players.is(held.player, player)),
            TileProbe::Vacant(_) => PlayerProbe::Number(self.players.find(player)),
            TileProbe::Unknown | TileProbe::Refused => PlayerProbe::Nobody,
        }
    }

    fn probe(&self, run: &Run, attempt: &AttemptRef<'_>) -> (TileProbe, PlayerProbe) {
        let tile = self.probe_tile(run, self.place(run, attempt.tile), attempt.tile);
        (tile, self.probe_player(&tile, attempt.player))
    }

    /// What holds for a round now.
    fn run(&self, key: RoundKey) -> Run {
        let nothing = |unclaimed| Run {
            key,
            claims: Claims::Nothing,
            tiles: u64::MAX,
            unclaimed,
        };
        let Some(hunt) = self.catalog.by_number(key.0) else {
            return nothing(Unclaimed::Told(Outcome::UnknownHunt));
        };
        let place = self.open.find(key);
        let open = place.map(|place| self.open.at(place));
        let kept_expired = open.map_or_else(
            || self.kept_expired.contains(key),
            |round| round.kept_expired,
        );
        if kept_expired {
            let passed = TimeMicros::ZERO;
            return nothing(Unclaimed::Expired { passed });
        }
        let times = match open {
            Some(round) => Some((round.opens_at, round.closes_at)),
            None => hunt
                .schedule(key.1)
                .map(|schedule| (schedule.opens_at, schedule.closes_at)),
        };
        let has_values = open.is_some_and(|round| round.points.is_some());
        let unclaimed = match times {
            None => Unclaimed::Told(Outcome::UnknownTile),
            Some((_, closes_at)) if hunt.closed_at.is_some() || closes_at <= self.now => {
                Unclaimed::Expired { passed: closes_at }
            }
            Some(_) if hunt.paused => Unclaimed::Told(Outcome::HuntPaused),
            Some((opens_at, _)) if self.now < opens_at || !has_values => {
                Unclaimed::Told(Outcome::NotYetOpen { opens_at })
            }
            Some(_) => Unclaimed::Free,
        };
        let tiles = match open {
            Some(round) => Some(round.tiles),
            None => hunt.version_for(key.1).map(|version| version.config.tiles),
        };
        let Some(tiles) = tiles else {
            return nothing(Unclaimed::Told(Outcome::UnknownTile));
        };
        let claims = match place {
            Some(place) => Claims::Open(place),
            None if self.answers.round(key).is_some() => Claims::Closed,
            None => Claims::Nothing,
        };
        Run {
            key,
            claims,
            tiles: u64::from(tiles),
            unclaimed,
        }
    }

    /// Decides an attempt of which that much is known.
    #[inline]
    fn settle<'a>(
        &mut self,
        run: &Run,
        tile: &TileProbe,
        player: PlayerProbe,
        attempt: impl FnOnce() -> Option<AttemptRef<'a>>,
    ) -> Decided<Outcome> {
        match (tile, player) {
            (TileProbe::Held(held), PlayerProbe::IsWinner(is_winner)) => {
                self.answer(held, is_winner)
            }
            (TileProbe::Vacant(points), PlayerProbe::Number(player)) => {
                let attempt = attempt().expect("it has been looked at");
                self.claim(run, *points, player, &attempt)
            }
            (TileProbe::Refused, _) => match run.unclaimed {
                Unclaimed::Told(outcome) => told_at_once(outcome),
                Unclaimed::Expired { passed } => Decided {
                    answer: Outcome::Expired,
                    needs: self.pass_in_log(passed),
                },
                Unclaimed::Free => unreachable!("a tile that may be won is vacant or held"),
            },
            _ => told_at_once(Outcome::UnknownTile),
        }
    }

    /// Lets a player win a tile that nobody held when it was looked at.
    #[inline]
    fn claim(
        &mut self,
        run: &Run,
        points: Option<u32>,
        player: Option<PlayerNumber>,
        attempt: &AttemptRef<'_>,
    ) -> Decided<Outcome> {
        // An attempt of the same stride may have won it since.
        if self.place(run, attempt.tile) != 0
            && let (TileProbe::Held(held), PlayerProbe::IsWinner(is_winner)) =
                self.probe(run, attempt)
        {
            return self.answer(&held, is_winner);
        }
        let (Claims::Open(round), Some(points)) = (run.claims, points) else {
            return told_at_once(Outcome::UnknownTile);
        };
        if self.storage_full {
            return told_at_once(Outcome::StorageFull);
        }
        if self.is_full() {
            return told_at_once(Outcome::Overloaded);
        }
        let Some(player) = player.or_else(|| self.number_of(attempt.player)) else {
            return told_at_once(Outcome::Overloaded);
        };
        let held = Held {
            sequence: self.next_sequence(),
            tile: attempt.tile,
            player,
            points,
        };
        let open = self.open.at_mut(round);
        if !open.claims.insert(open.tiles, &held) {
            return told_at_once(Outcome::Overloaded);
        }
        let (hunt, round) = run.key;
        self.batch.push_claim(&ClaimRecord {
            hunt,
            round,
            tile: held.tile,
            player,
            points,
        });
        self.answer(&held, true)
    }

    #[inline]
    fn answer(&self, held: &Held, is_winner: bool) -> Decided<Outcome> {
        let (shard, sequence) = (self.shard, held.sequence);
        let answer = if is_winner {
            Outcome::Won {
                shard,
                sequence,
                points: held.points,
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
}

const fn told_at_once(answer: Outcome) -> Decided<Outcome> {
    Decided {
        answer,
        needs: Sequence::ZERO,
    }
}
