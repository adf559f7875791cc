//! The projection itself: batches and board versions in, feeds out.

use std::collections::BTreeMap;
use std::sync::Arc;

use huntcore_model::{
    Batch, BatchError, BatchHeader, BoardName, CorrectionRecord, HuntNumber, Position, Record,
    Sequence, ShardId, ShardMap, TimeMicros,
};
use huntcore_wire::HuntStateName;

use crate::BroadcastLimits;
use crate::board::{BoardFold, BoardUpdate};
use crate::corrections::PlacedCorrection;
use crate::feed::{Cut, FeedVersion, Feeds, Shown};
use crate::frame::{FrameContent, Ring};
use crate::hunt::HuntFold;
use crate::names::{Names, Roster};
use crate::unpack::{PlacedClaim, Unpacked};

/// Every hunt's live feed, folded from the log.
///
/// Invariant I5: what clients end up with equals the fold of the log up to `position`,
/// whatever the order in which streams were read and wherever ticks were cut.
///
/// A clone costs little whatever it holds, and is independent: take a checkpoint of one on
/// another thread.
#[derive(Clone, Debug)]
pub struct Broadcast {
    pub(crate) limits: BroadcastLimits,
    pub(crate) shards: ShardMap,
    pub(crate) position: Position,
    /// The players of each shard's stream.
    pub(crate) names: Vec<Names>,
    pub(crate) times: Vec<TimeMicros>,
    /// The minimum over all shards: what has opened or closed, has done so on every shard.
    pub(crate) time: TimeMicros,
    pub(crate) hunts: BTreeMap<HuntNumber, Hunt>,
    pub(crate) records_left_out: u64,
    unpacked: Unpacked,
    tick: u64,
    /// The names as of the last tick; `None` once there are more.
    roster: Option<Roster>,
    feeds: Feeds,
}

/// Why a batch cannot be folded in; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Batches between the last one and this one are missing.
    #[error("stream {shard} goes on at {found}, expected {expected}")]
    Gap {
        /// The stream.
        shard: ShardId,
        /// The first sequence not seen.
        expected: Sequence,
        /// The batch's first sequence.
        found: Sequence,
    },
    /// A stream that this deployment does not have.
    #[error("no stream {shard} among {shards} shards")]
    UnknownStream {
        /// The stream.
        shard: ShardId,
        /// How many shards there are.
        shards: u16,
    },
    /// A batch whose records cannot be read.
    #[error("batch at {first} of stream {shard}: {source}")]
    Batch {
        /// The stream.
        shard: ShardId,
        /// The batch's first sequence.
        first: Sequence,
        /// What is wrong with it.
        source: BatchError,
    },
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Hunt {
    pub(crate) fold: HuntFold,
    boards: BTreeMap<BoardName, BoardFold>,
    sent_state: Option<HuntStateName>,
}

impl Broadcast {
    /// An empty fold of a deployment's log.
    #[must_use]
    pub fn new(shards: ShardMap, limits: BroadcastLimits) -> Self {
        let count = usize::from(shards.count());
        Self {
            limits,
            shards,
            position: Position::start(),
            names: vec![Names::default(); count],
            times: vec![TimeMicros::ZERO; count],
            time: TimeMicros::ZERO,
            hunts: BTreeMap::new(),
            records_left_out: 0,
            unpacked: Unpacked::default(),
            tick: 0,
            roster: None,
            feeds: Feeds::new(),
        }
    }

    /// Folds a committed batch of any stream in; each stream's batches in order. One seen
    /// before changes nothing, and `false` says so.
    pub fn apply(&mut self, batch: &Batch) -> Result<bool, ApplyError> {
        let header = batch.header();
        let shard = header.shard;
        if !shard.is_control() && shard.get() >= self.shards.count() {
            return Err(ApplyError::UnknownStream {
                shard,
                shards: self.shards.count(),
            });
        }
        let expected = self.position.next(shard);
        if header.first_sequence > expected {
            return Err(ApplyError::Gap {
                shard,
                expected,
                found: header.first_sequence,
            });
        }
        if header.next_sequence() <= expected {
            return Ok(false);
        }
        // All or nothing: a record that cannot be read must not leave half a batch behind.
        let others = self
            .unpacked
            .fill(batch, expected)
            .map_err(|source| ApplyError::Batch {
                shard,
                first: header.first_sequence,
                source,
            })?;
        let mut folded = 0;
        for other in others {
            self.apply_claims(folded, other.claims_before);
            folded = other.claims_before;
            self.apply_record(header, other.sequence, other.record);
        }
        self.apply_claims(folded, self.unpacked.claims.len());
        self.position.advance(shard, header.next_sequence());
        if !shard.is_control() {
            self.times[usize::from(shard.get())] = header.time;
            self.advance();
        }
        Ok(true)
    }

    /// Takes a hunt's board version in; it goes out with a later tick.
    pub fn push_board(&mut self, hunt: HuntNumber, update: BoardUpdate) {
        let Some(hunt) = self.hunts.get_mut(&hunt) else {
            return;
        };
        // What the hunt no longer has, or not yet as far as is folded in, is not shown.
        if hunt.fold.listed.generation(update.board) == Some(update.generation) {
            let board = hunt.boards.entry(update.board).or_default();
            board.push(update, &self.limits);
        }
    }

    /// Whether a version of that board pushed now would go out at a tick at `now`; saves the
    /// caller making one in vain.
    #[must_use]
    pub fn wants_board(&self, hunt: HuntNumber, board: BoardName, now: TimeMicros) -> bool {
        self.hunts.get(&hunt).is_some_and(|hunt| {
            let is_listed = hunt.fold.listed.generation(board).is_some();
            let board = hunt.boards.get(&board);
            is_listed && board.is_none_or(|board| board.is_due(now, &self.limits))
        })
    }

    /// Cuts a frame for each hunt in which something has changed since the last tick.
    ///
    /// `now` is the clock's time, for `server_time` and the boards' interval. A process that
    /// rebuilds from the log may cut ticks while it folds the last stretch, with the batches'
    /// times: then clients that were connected before can resume.
    pub fn cut_tick(&mut self, now: TimeMicros) {
        self.tick += 1;
        let roster = self.roster.get_or_insert_with(|| Roster::new(&self.names));
        let cut = Cut {
            tick: self.tick,
            time: now,
            position: Arc::new(self.position.clone()),
            roster: roster.clone(),
        };
        for (&number, hunt) in &mut self.hunts {
            let feed = self.feeds.get(&number);
            if let Some(version) = hunt.cut(feed.map(Arc::as_ref), &cut, self.time, &self.limits) {
                self.feeds.insert(number, Arc::new(version));
            }
        }
    }

    /// Every hunt's feed as of the last tick.
    #[must_use]
    pub fn publish(&self) -> Feeds {
        self.feeds.clone()
    }

    /// How far the log is folded in.
    #[must_use]
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// The time that every shard's stream has reached.
    #[must_use]
    pub const fn time(&self) -> TimeMicros {
        self.time
    }

    /// The last tick, in this process's own count.
    #[must_use]
    pub const fn tick(&self) -> u64 {
        self.tick
    }

    /// Records about hunts over the limit, which have no feed.
    #[must_use]
    pub const fn records_left_out(&self) -> u64 {
        self.records_left_out
    }

    /// What the fold takes on the heap, with its frames and their texts, counted from
    /// capacities; without boards and snapshots' texts.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let hunts = self.hunts.values().map(|hunt| hunt.fold.heap_bytes());
        let frames = self.feeds.values().map(|feed| feed.ring().heap_bytes());
        let names = self.names.iter().map(Names::heap_bytes);
        self.unpacked.heap_bytes() + hunts.chain(frames).chain(names).sum::<usize>()
    }

    /// Folds unpacked claims in, as many at once as are of one hunt and round.
    fn apply_claims(&mut self, from: usize, to: usize) {
        let claims = &self.unpacked.claims[from..to];
        for of_hunt in claims.chunk_by(|one, next| one.hunt == next.hunt) {
            let count = of_hunt.len() as u64;
            let (limits, left_out) = (&self.limits, &mut self.records_left_out);
            let hunt = hunt_mut(&mut self.hunts, of_hunt[0].hunt, limits, left_out, count);
            let Some(hunt) = hunt else { continue };
            for of_round in of_hunt.chunk_by(|one, next| one.round == next.round) {
                let claims = of_round.iter().map(|placed: &PlacedClaim| placed.claim);
                hunt.fold.claims(of_round[0].round, claims, limits);
            }
        }
    }

    fn apply_record(&mut self, header: &BatchHeader, sequence: Sequence, record: Record<'_>) {
        let shard = header.shard;
        match record {
            Record::Player(player) => {
                if let Some(names) = self.names.get_mut(usize::from(shard.get()))
                    && names.meet(&player)
                {
                    self.roster = None;
                }
            }
            Record::Control { at, record } => {
                let (limits, left_out) = (&self.limits, &mut self.records_left_out);
                let Some(number) = record.hunt() else { return };
                let hunt = hunt_mut(&mut self.hunts, number, limits, left_out, 1);
                if let Some(hunt) = hunt {
                    hunt.fold.control(at, *record, self.time, limits);
                }
            }
            Record::Correction(correction) => {
                let (limits, left_out) = (&self.limits, &mut self.records_left_out);
                let CorrectionRecord {
                    hunt,
                    player,
                    what,
                    reason,
                } = *correction;
                if let Some(hunt) = hunt_mut(&mut self.hunts, hunt, limits, left_out, 1) {
                    let placed = PlacedCorrection {
                        shard,
                        sequence,
                        time: TimeMicros::from_millis(header.time.millis()),
                        player,
                        what,
                        reason,
                    };
                    hunt.fold.correct(placed, limits);
                }
            }
            Record::Time | Record::Score(_) | Record::Claim(_) | Record::BoardClosed(_) => {}
        }
    }

    fn advance(&mut self) {
        let time = self.times.iter().copied().min().unwrap_or_default();
        if time > self.time {
            self.time = time;
            for hunt in self.hunts.values_mut() {
                hunt.fold.advance(time, &self.limits);
            }
        }
    }
}

fn hunt_mut<'a>(
    hunts: &'a mut BTreeMap<HuntNumber, Hunt>,
    number: HuntNumber,
    limits: &BroadcastLimits,
    left_out: &mut u64,
    records: u64,
) -> Option<&'a mut Hunt> {
    // Hunts are numbered from 0 without gaps, so which ones have a feed depends on no order.
    if number.get() as usize >= limits.hunts {
        *left_out += records;
        return None;
    }
    Some(hunts.entry(number).or_default())
}

impl Hunt {
    /// The feed after a tick; `None` if nothing has changed, or the hunt is not known yet.
    fn cut(
        &mut self,
        feed: Option<&FeedVersion>,
        cut: &Cut,
        time: TimeMicros,
        limits: &BroadcastLimits,
    ) -> Option<FeedVersion> {
        let id = self.fold.id.clone()?;
        let listed = &self.fold.listed;
        self.boards
            .retain(|&name, board| listed.generation(name) == Some(board.generation()));
        let boards: Vec<_> = self
            .boards
            .values_mut()
            .filter_map(|board| board.cut(cut.time, &cut.position, limits))
            .collect();
        let state = self.fold.state(time);
        let told = self.fold.changes.state || self.sent_state != Some(state);
        self.sent_state = Some(state);
        let unchanged = !told && self.fold.changes.is_empty() && boards.is_empty();
        if unchanged && feed.is_some() {
            return None;
        }
        let changes = std::mem::take(&mut self.fold.changes);
        let ring = match feed {
            // Nobody can have read a feed before its first version, nor follow a flood.
            None => Ring::new(0, Arc::clone(&cut.position)),
            Some(feed) if changes.overflowed => {
                Ring::new(feed.ring().next_number() + 1, Arc::clone(&cut.position))
            }
            Some(feed) => {
                // One that was left behind within the tick is gone.
                let opened = |number| self.fold.rounds.get(number)?.opened.clone();
                let mut content = FrameContent {
                    hunt: id.clone(),
                    time: cut.time,
                    oldest: self.fold.oldest(),
                    rounds: changes.rounds.iter().filter_map(opened).collect(),
                    claims: changes.claims,
                    closed: changes.closed,
                    seeds: changes.seeds,
                    corrections: changes.corrections,
                    voided: changes.voided,
                    listed: changes.boards.then(|| Arc::clone(&self.fold.listed)),
                    state: told.then_some(state),
                    boards,
                    roster: cut.roster.clone(),
                    leaves_behind: feed.oldest() != self.fold.oldest(),
                };
                content.forget_old_rounds();
                let mut ring = feed.ring().clone();
                ring.push(cut.tick, Arc::clone(&cut.position), content, limits);
                ring
            }
        };
        Some(FeedVersion::new(id, cut.clone(), ring, self.shown(state)))
    }

    fn shown(&mut self, state: HuntStateName) -> Shown {
        let oldest = self.fold.oldest();
        let rounds = self.fold.rounds.iter_mut();
        Shown {
            state,
            oldest,
            rounds: rounds
                .filter_map(|(&number, round)| Some((number, round.shown()?)))
                .collect(),
            boards: self
                .boards
                .values()
                .filter_map(|board| board.sent().cloned())
                .collect(),
            listed: Arc::clone(&self.fold.listed),
            corrections: self.fold.corrections.clone(),
        }
    }
}
