//! Deciding attempts, a block at a time.
//!
//! A block is gone through in strides, and each stride three times: what holds for an
//! attempt's round, then what is known of its tile and its player, then the decision. The
//! first two only read, and no read waits for another attempt's, so the processor fetches
//! what lies scattered in memory for many attempts at once.

use huntcore_model::{
    AttemptList, AttemptRef, ClaimRecord, Outcome, PlayerNumber, Record, Sequence, TimeMicros,
};

use crate::arbiter::Arbiter;
use crate::claims::Held;
use crate::exchange::Decided;
use crate::open_rounds::{RoundKey, RoundPlace};

/// Attempts looked at together: their reads overlap, and what they read stays near.
const STRIDE: usize = 64;

/// Room for a stride, kept from block to block.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    runs: Vec<Run>,
    // For each attempt the place of its run, and that of its tile's claim.
    places: Vec<(u32, u32)>,
    probes: Vec<Probe>,
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

/// What is known of one attempt before it is decided.
#[derive(Clone, Copy, Debug)]
enum Probe {
    /// The round has no such tile.
    Unknown,
    /// Somebody holds it.
    Held { held: Held, is_winner: bool },
    /// Nobody holds it yet, and it may be won.
    Vacant {
        points: Option<u32>,
        player: Option<PlayerNumber>,
    },
    /// Nobody holds it, and it cannot be won.
    Refused,
}

impl Run {
    #[inline]
    fn is_of(&self, attempt: &AttemptRef<'_>) -> bool {
        self.key == (attempt.hunt, attempt.round)
    }
}

impl Arbiter {
    /// Decides attempts one after another and appends their outcomes, one each, in order.
    ///
    /// Returns what all of them need together: they may be told when every sequence below it
    /// is durable.
    pub fn decide(&mut self, attempts: &AttemptList, outcomes: &mut Vec<Outcome>) -> Sequence {
        let mut needs = Sequence::ZERO;
        outcomes.reserve(attempts.len());
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut rest = attempts.iter();
        while rest.len() > 0 {
            let stride = rest.clone().take(STRIDE);
            self.look(stride.clone(), &mut scratch);
            for (attempt, (&(run, _), probe)) in
                stride.zip(scratch.places.iter().zip(&scratch.probes))
            {
                let run = &scratch.runs[run as usize];
                let decided = self.settle(run, probe, &attempt);
                needs = needs.max(decided.needs);
                outcomes.push(decided.answer);
            }
            rest.nth(STRIDE - 1);
        }
        self.scratch = scratch;
        needs
    }

    /// Decides a single attempt.
    pub fn attempt(&mut self, attempt: &AttemptRef<'_>) -> Decided<Outcome> {
        let run = self.run((attempt.hunt, attempt.round));
        let probe = self.probe(&run, self.place(&run, attempt), attempt);
        self.settle(&run, &probe, attempt)
    }

    /// Finds out what can be known of a stride's attempts before any is decided.
    fn look<'a>(
        &self,
        stride: impl Iterator<Item = AttemptRef<'a>> + Clone,
        scratch: &mut Scratch,
    ) {
        let Scratch {
            runs,
            places,
            probes,
        } = scratch;
        runs.clear();
        places.clear();
        probes.clear();
        for attempt in stride.clone() {
            if !runs.last().is_some_and(|run| run.is_of(&attempt)) {
                runs.push(self.run((attempt.hunt, attempt.round)));
            }
            let index = runs.len() - 1;
            let place = self.place(&runs[index], &attempt);
            places.push((u32::try_from(index).expect("a stride is short"), place));
        }
        let looked = stride.zip(places.iter());
        probes.extend(
            looked.map(|(attempt, &(run, place))| self.probe(&runs[run as usize], place, &attempt)),
        );
    }

    /// Where an open round's claim on the attempt's tile is; 0 if there is none.
    #[inline]
    fn place(&self, run: &Run, attempt: &AttemptRef<'_>) -> u32 {
        match run.claims {
            Claims::Open(round) => self.open.at(round).claims.place(attempt.tile),
            Claims::Closed | Claims::Nothing => 0,
        }
    }

    #[inline]
    fn probe(&self, run: &Run, place: u32, attempt: &AttemptRef<'_>) -> Probe {
        if u64::from(attempt.tile.get()) >= run.tiles {
            return Probe::Unknown;
        }
        let held = match run.claims {
            Claims::Open(round) if place != 0 => self.open.at(round).claims.at(place),
            Claims::Open(_) | Claims::Nothing => None,
            Claims::Closed => self.answers.get(run.key, attempt.tile),
        };
        if let Some(held) = held {
            let is_winner = self.players.is(held.player, attempt.player);
            return Probe::Held { held, is_winner };
        }
        match (run.claims, run.unclaimed) {
            (Claims::Open(round), Unclaimed::Free) => {
                let points = self.open.at(round).points.as_ref();
                let points = points.and_then(|points| points.get(attempt.tile.get() as usize));
                Probe::Vacant {
                    points: points.copied(),
                    player: self.players.find(attempt.player),
                }
            }
            _ => Probe::Refused,
        }
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

    #[inline]
    fn settle(&mut self, run: &Run, probe: &Probe, attempt: &AttemptRef<'_>) -> Decided<Outcome> {
        match *probe {
            Probe::Unknown => told_at_once(Outcome::UnknownTile),
            Probe::Held { held, is_winner } => self.answer(&held, is_winner),
            Probe::Vacant { points, player } => self.claim(run, points, player, attempt),
            Probe::Refused => match run.unclaimed {
                Unclaimed::Told(outcome) => told_at_once(outcome),
                Unclaimed::Expired { passed } => Decided {
                    answer: Outcome::Expired,
                    needs: self.pass_in_log(passed),
                },
                Unclaimed::Free => unreachable!("a tile that may be won is vacant or held"),
            },
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
        let place = self.place(run, attempt);
        if place != 0
            && let probe @ Probe::Held { .. } = self.probe(run, place, attempt)
        {
            return self.settle(run, &probe, attempt);
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
