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
    BoardDefinition, BoardName, ControlRecord, Correction, DefinedBoard, HuntId, HuntState,
    RoundNumber, RoundOpened, Sequence, TileIndex, TimeMicros,
};
use huntcore_wire::{HuntStateName, LiveBoard, LiveBoards, LiveSeed};

use crate::BroadcastLimits;
use crate::corrections::{LastCorrections, PlacedCorrection};
use crate::round::{Claim, RoundFold};

#[derive(Clone, Debug)]
pub(crate) struct HuntFold {
    /// `None` until the hunt's creation was seen.
    pub(crate) id: Option<HuntId>,
    pub(crate) rounds: BTreeMap<RoundNumber, RoundFold>,
    pub(crate) changes: Changes,
    pub(crate) starts_at: TimeMicros,
    // Each with the control entry that said so: copies of it arrive on every shard's stream,
    // some of them late.
    pub(crate) ends_at: Latest<Option<TimeMicros>>,
    pub(crate) paused: Latest<bool>,
    /// The boards that it was given, besides the built-in ones.
    pub(crate) boards: Latest<Vec<DefinedBoard>>,
    /// All its boards, as clients are told them.
    pub(crate) listed: Arc<LiveBoards>,
    pub(crate) corrections: LastCorrections,
    pub(crate) closed: bool,
    /// No round before it is shown: what the rounds announced so far leave room for.
    pub(crate) floor: RoundNumber,
    pub(crate) newest: RoundNumber,
    pub(crate) oldest: RoundNumber,
    /// The highest closed rounds, as many as are shown.
    pub(crate) closed_shown: BTreeSet<RoundNumber>,
    /// Nothing opens or closes by time alone before this.
    pub(crate) next_change: TimeMicros,
}

/// What has happened since the last tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) rounds: Vec<RoundNumber>,
    pub(crate) claims: Vec<(RoundNumber, Claim)>,
    pub(crate) closed: Vec<RoundNumber>,
    pub(crate) seeds: Vec<LiveSeed>,
    pub(crate) corrections: Vec<Arc<PlacedCorrection>>,
    /// Of the claims above, those that had been voided before their round was announced.
    pub(crate) voided: Vec<(RoundNumber, TileIndex)>,
    /// Something was said about which boards there are; told even if all is as before, as the
    /// state is.
    pub(crate) boards: bool,
    /// Something was said about the hunt's state. It is told even if all is as before: a
    /// client that comes from another process may have seen what was between.
    pub(crate) state: bool,
    /// More than the limit: they are no longer listed.
    pub(crate) overflowed: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Latest<T> {
    pub(crate) at: Option<Sequence>,
    pub(crate) value: T,
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
            boards: Latest {
                at: None,
                value: Vec::new(),
            },
            listed: Arc::new(listed(None, &[])),
            corrections: LastCorrections::default(),
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
                    fold.reveal(seed);
                    if fold.announced {
                        self.changes.seeds.push(LiveSeed { round, seed });
                        self.changes.keep_limit(limits);
                    }
                }
            }
            ControlRecord::BoardsChanged { boards, .. } => self.define(at, &boards),
            ControlRecord::HuntChanged { .. }
            | ControlRecord::ChainAnchored { .. }
            | ControlRecord::FlagSet(_) => {}
        }
        self.advance(now, limits);
    }

    /// Takes in claims of one round.
    #[inline]
    pub(crate) fn claims(
        &mut self,
        number: RoundNumber,
        claims: impl ExactSizeIterator<Item = Claim>,
        limits: &BroadcastLimits,
    ) {
        if number < self.oldest {
            return;
        }
        let round = self.rounds.entry(number).or_default();
        let is_told = round.announced && self.changes.make_room(claims.len(), limits);
        for claim in claims {
            round.claim(claim);
            if is_told {
                self.changes.claims.push((number, claim));
            }
        }
    }

    /// Takes in what an operator has corrected.
    pub(crate) fn correct(&mut self, correction: PlacedCorrection, limits: &BroadcastLimits) {
        if let Correction::ClaimVoided { round, tile, .. } = correction.what
            && let Some(round) = self.rounds.get_mut(&round)
        {
            round.void(tile);
        }
        let correction = Arc::new(correction);
        self.corrections.insert(Arc::clone(&correction));
        if self.changes.make_room(1, limits) {
            self.changes.corrections.push(correction);
        }
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
                round.announced = true;
                self.newest = self.newest.max(number);
                let shown = (limits.tiles_shown / u64::from(tiles.max(1)))
                    .clamp(1, limits.rounds_shown.max(1));
                let floor = RoundNumber::new((number.get() + 1).saturating_sub(shown));
                self.floor = self.floor.max(floor);
                self.changes.announce(number, round, limits);
            }
            // A round written ahead of an end that was then moved before it never runs.
            let cancelled = ends_at.is_some_and(|end| schedule.opens_at >= end);
            if self.closed || cancelled || now >= schedule.closes_at {
                round.close();
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

    pub(crate) fn heap_bytes(&self) -> usize {
        let rounds = self.rounds.values();
        let claims: usize = rounds.map(|round| round.claims.heap_bytes()).sum();
        claims + self.changes.claims.capacity() * size_of::<(RoundNumber, Claim)>()
    }

    fn define(&mut self, at: Sequence, boards: &[BoardDefinition]) {
        // On every stream changes come in their order, so none between is missing.
        let boards = DefinedBoard::redefined(&self.boards.value, at, boards);
        if self.boards.set(at, boards) {
            self.changes.boards = true;
            self.list_boards();
        }
    }

    /// Lists the boards anew after they were set.
    pub(crate) fn list_boards(&mut self) {
        self.listed = Arc::new(listed(self.boards.at, &self.boards.value));
    }

    fn open(&mut self, opened: RoundOpened) {
        if opened.round < self.oldest {
            return;
        }
        let round = self.rounds.entry(opened.round).or_default();
        if round.opened.is_none() {
            self.next_change = self.next_change.min(opened.schedule.opens_at);
            round.opened = Some(Arc::new(opened));
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
        let lowest_closed = lowest_closed.max(self.closed_with_room(limits));
        let oldest = self.floor.max(lowest_open.min(lowest_closed));
        if oldest > self.oldest {
            self.oldest = oldest;
            self.rounds = self.rounds.split_off(&oldest);
        }
    }
}

/// The built-in boards and those given at `at`.
fn listed(at: Option<Sequence>, boards: &[DefinedBoard]) -> LiveBoards {
    let built_in = BoardName::BUILT_IN.into_iter().map(|board| LiveBoard {
        board,
        generation: 0,
    });
    let own = boards.iter().map(|board| LiveBoard {
        board: board.definition.name,
        generation: board.defined_at.get(),
    });
    LiveBoards {
        version: at.map_or(0, Sequence::get),
        list: built_in.chain(own).collect(),
    }
}

impl HuntFold {
    /// The lowest round from which on all closed ones have room for their tiles. It only
    /// rises: more rounds close, above it or below.
    fn closed_with_room(&self, limits: &BroadcastLimits) -> RoundNumber {
        let mut tiles_left = limits.closed_tiles_shown;
        for number in self.closed_shown.iter().rev() {
            let round = self.rounds.get(number);
            let opened = round.and_then(|round| round.opened.as_ref());
            let tiles = opened.map_or(0, |opened| u64::from(opened.tiles));
            match tiles_left.checked_sub(tiles) {
                Some(left) => tiles_left = left,
                None => return number.next(),
            }
        }
        RoundNumber::FIRST
    }
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0 && !self.overflowed && !self.state && !self.boards
    }

    fn len(&self) -> usize {
        let told = self.rounds.len() + self.claims.len() + self.closed.len();
        told + self.seeds.len() + self.corrections.len()
    }

    /// Claims may have been committed, and a seed published, on streams that were read
    /// ahead; clients learn of them with the round.
    fn announce(&mut self, number: RoundNumber, round: &RoundFold, limits: &BroadcastLimits) {
        if self.make_room(1 + round.claims.len(), limits) {
            self.rounds.push(number);
            let claims = round.claims.iter().map(|&claim| (number, claim));
            self.claims.extend(claims);
            let voided = round.voided.iter().map(|&tile| (number, tile));
            self.voided.extend(voided);
        }
        if let Some(seed) = round.seed {
            self.seeds.push(LiveSeed {
                round: number,
                seed,
            });
        }
    }

    /// Whether there is room for so many changes more; from where there is none, changes are
    /// no longer listed.
    #[inline]
    fn make_room(&mut self, more: usize, limits: &BroadcastLimits) -> bool {
        if !self.overflowed && self.len() + more > limits.changes {
            self.overflow();
        }
        !self.overflowed
    }

    fn keep_limit(&mut self, limits: &BroadcastLimits) {
        if self.overflowed || self.len() > limits.changes {
            self.overflow();
        }
    }

    fn overflow(&mut self) {
        *self = Self {
            overflowed: true,
            ..Self::default()
        };
    }
}
