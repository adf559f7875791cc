//! One hunt's fold: which rounds are shown, what was won in them, and what has changed since
//! the last tick.
//!
//! What is shown is a function of the position alone, and of a kind that only grows: rounds
//! are announced, closed and left behind, never the reverse. So a client that holds the
//! state at one position and receives the changes between two earlier and later ones ends
//! with the state at the later one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use huntcore_model::{
    ControlRecord, HuntId, HuntState, RoundNumber, RoundOpened, Sequence, TimeMicros,
};
use huntcore_wire::{HuntStateName, LiveClaim, LiveSeed, SnapshotClaim};

use crate::BroadcastLimits;
use crate::round::RoundFold;

#[derive(Debug)]
pub(crate) struct HuntFold {
    /// `None` until the hunt's creation was seen.
    pub(crate) id: Option<HuntId>,
    pub(crate) rounds: BTreeMap<RoundNumber, Arc<RoundFold>>,
    pub(crate) changes: Changes,
    starts_at: TimeMicros,
    // Each with the control entry that said so: copies of it arrive on every shard's stream,
    // some of them late.
    ends_at: Latest<Option<TimeMicros>>,
    paused: Latest<bool>,
    closed: bool,
    /// No round before it is shown: what the rounds announced so far leave room for.
    floor: RoundNumber,
    newest: RoundNumber,
    oldest: RoundNumber,
    /// The highest closed rounds, as many as are shown.
    closed_shown: BTreeSet<RoundNumber>,
    /// Nothing opens or closes by time alone before this.
    next_change: TimeMicros,
}

/// What has happened since the last tick.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) rounds: Vec<RoundNumber>,
    pub(crate) claims: Vec<LiveClaim>,
    pub(crate) closed: Vec<RoundNumber>,
    pub(crate) seeds: Vec<LiveSeed>,
    /// Something was said about the hunt's state. It is told even if all is as before: a
    /// client that comes from another process may have seen what was between.
    pub(crate) state: bool,
    /// More than the limit: they are no longer listed.
    pub(crate) overflowed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Latest<T> {
    at: Option<Sequence>,
    value: T,
}

impl<T> Latest<T> {
    /// Whether the entry is newer than what was known.
    fn set(&mut self, at: Sequence, value: T) -> bool {
        let newer = self.at.is_none_or(|known| known < at);
        if newer {
            *self = Self {
                at: Some(at),
                value,
            };
        }
        newer
    }
}

impl Default for HuntFold {
    fn default() -> Self {
        Self {
            id: None,
            rounds: BTreeMap::new(),
            changes: Changes::default(),
            starts_at: TimeMicros::MAX,
            ends_at: Latest {
                at: None,
                value: None,
            },
            paused: Latest {
                at: None,
                value: false,
            },
            closed: false,
            floor: RoundNumber::FIRST,
            newest: RoundNumber::new(0),
            oldest: RoundNumber::FIRST,
            closed_shown: BTreeSet::new(),
            next_change: TimeMicros::MAX,
        }
    }
}

impl HuntFold {
    /// Rounds before this one are not shown.
    pub(crate) const fn oldest(&self) -> RoundNumber {
        self.oldest
    }

    /// What the hunt is doing at `now`; the order of cases is the catalog's.
    pub(crate) fn state(&self, now: TimeMicros) -> HuntStateName {
        let state = if self.closed {
            HuntState::Closed
        } else if self.ends_at.value.is_some_and(|end| now >= end) {
            HuntState::Ended
        } else if self.paused.value {
            HuntState::Paused
        } else if now < self.starts_at {
            HuntState::Scheduled
        } else {
            HuntState::Running
        };
        state.into()
    }

    /// Takes in a control entry, from the control stream or a shard's copy of it.
    pub(crate) fn control(
        &mut self,
        at: Sequence,
        record: ControlRecord,
        now: TimeMicros,
        limits: &BroadcastLimits,
    ) {
        match record {
            ControlRecord::HuntCreated(created) => {
                self.id = Some(created.id);
                self.starts_at = created.starts_at;
                self.ends_at.set(at, created.ends_at);
            }
            ControlRecord::HuntEndMoved { ends_at, .. } => {
                self.changes.state |= self.ends_at.set(at, ends_at);
                self.next_change = TimeMicros::ZERO;
            }
            ControlRecord::HuntPaused { .. } => self.changes.state |= self.paused.set(at, true),
            ControlRecord::HuntResumed { .. } => self.changes.state |= self.paused.set(at, false),
            ControlRecord::HuntClosed { .. } => {
                self.closed = true;
                self.next_change = TimeMicros::ZERO;
            }
            ControlRecord::RoundOpened(opened) => self.open(opened),
            ControlRecord::SeedPublished { round, seed, .. } => {
                if let Some(fold) = self.rounds.get_mut(&round) {
                    let fold = Arc::make_mut(fold);
                    fold.seed = Some(seed);
                    if fold.announced {
                        self.changes.seeds.push(LiveSeed { round, seed });
                        self.changes.keep_limit(limits);
                    }
                }
            }
            ControlRecord::HuntChanged { .. } | ControlRecord::ChainAnchored { .. } => {}
        }
        self.advance(now, limits);
    }

    /// Takes in a claim.
    pub(crate) fn claim(
        &mut self,
        number: RoundNumber,
        claim: SnapshotClaim,
        limits: &BroadcastLimits,
    ) {
        if number < self.oldest {
            return;
        }
        let round = Arc::make_mut(self.rounds.entry(number).or_default());
        if round.announced {
            self.changes.claims.push(live_claim(number, &claim));
        }
        round.claims.push(claim);
        self.changes.keep_limit(limits);
    }

    /// Announces and closes rounds as far as every shard's time has come.
    pub(crate) fn advance(&mut self, now: TimeMicros, limits: &BroadcastLimits) {
        if now < self.next_change {
            return;
        }
        self.next_change = TimeMicros::MAX;
        let ends_at = self.ends_at.value;
        for (&number, round) in &mut self.rounds {
            let Some((schedule, tiles)) = round
                .opened
                .as_ref()
                .map(|opened| (opened.schedule, opened.tiles))
            else {
                continue;
            };
            if round.closed {
                continue;
            }
            if now < schedule.opens_at {
                self.next_change = self.next_change.min(schedule.opens_at);
                continue;
            }
            if !round.announced {
                let round = Arc::make_mut(round);
                round.announced = true;
                self.newest = self.newest.max(number);
                let shown = (limits.tiles_shown / u64::from(tiles.max(1)))
                    .clamp(1, limits.rounds_shown.max(1));
                let floor = RoundNumber::new((number.get() + 1).saturating_sub(shown));
                self.floor = self.floor.max(floor);
                self.changes.announce(number, round);
            }
            // A round written ahead of an end that was then moved before it never runs.
            let cancelled = ends_at.is_some_and(|end| schedule.opens_at >= end);
            if self.closed || cancelled || now >= schedule.closes_at {
                Arc::make_mut(round).closed = true;
                self.changes.closed.push(number);
                self.closed_shown.insert(number);
                if self.closed_shown.len() > limits.closed_shown {
                    self.closed_shown.pop_first();
                }
            } else {
                self.next_change = self.next_change.min(schedule.closes_at);
            }
        }
        self.leave_behind(limits);
        self.changes.keep_limit(limits);
    }

    fn open(&mut self, opened: RoundOpened) {
        if opened.round < self.oldest {
            return;
        }
        let round = self.rounds.entry(opened.round).or_default();
        if round.opened.is_none() {
            self.next_change = self.next_change.min(opened.schedule.opens_at);
            Arc::make_mut(round).opened = Some(opened);
        }
    }

    /// Raises `oldest`: open rounds above the floor are shown, and the last closed ones.
    fn leave_behind(&mut self, limits: &BroadcastLimits) {
        let lowest_open = self
            .rounds
            .range(self.floor..)
            .find(|(_, round)| round.announced && !round.closed)
            .map_or(self.newest.next(), |(&number, _)| number);
        let lowest_closed = match self.closed_shown.first() {
            Some(&number) if self.closed_shown.len() >= limits.closed_shown => number,
            _ if limits.closed_shown == 0 => lowest_open,
            _ => RoundNumber::FIRST,
        };
        let oldest = self.floor.max(lowest_open.min(lowest_closed));
        if oldest > self.oldest {
            self.oldest = oldest;
            self.rounds = self.rounds.split_off(&oldest);
        }
    }
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0 && !self.overflowed && !self.state
    }

    fn len(&self) -> usize {
        self.rounds.len() + self.claims.len() + self.closed.len() + self.seeds.len()
    }

    /// Claims may have been committed, and a seed published, on streams that were read
    /// ahead; clients learn of them with the round.
    fn announce(&mut self, number: RoundNumber, round: &RoundFold) {
        self.rounds.push(number);
        let claims = round.claims.iter().map(|claim| live_claim(number, claim));
        self.claims.extend(claims);
        if let Some(seed) = round.seed {
            self.seeds.push(LiveSeed {
                round: number,
                seed,
            });
        }
    }

    fn keep_limit(&mut self, limits: &BroadcastLimits) {
        if self.overflowed || self.len() > limits.changes {
            *self = Self {
                overflowed: true,
                ..Self::default()
            };
        }
    }
}

fn live_claim(round: RoundNumber, claim: &SnapshotClaim) -> LiveClaim {
    LiveClaim {
        round,
        tile: claim.tile,
        player: claim.player.clone(),
        points: claim.points,
    }
}
