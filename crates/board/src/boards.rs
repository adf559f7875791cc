//! The writer: takes batches of all streams, in order for each.

use std::collections::{BTreeMap, BTreeSet};

use huntcore_model::{
    Batch, BatchHeader, BoardName, HuntNumber, Position, Record, Sequence, ShardId, ShardMap, Tail,
    TimeMicros,
};

use crate::agenda::{Agenda, BoardKey, Deed, Due};
use crate::apply_error::ApplyError;
use crate::board::Board;
use crate::hunt::Hunt;
use crate::key::TIME_MAX;
use crate::limits::{BoardCounters, BoardLimits};
use crate::numbers::{ERASED, LEFT_OUT, Numbers};
use crate::players::Players;
use crate::publish::Published;
use crate::recall::RecentClaims;
use crate::unpack::Unpacked;

/// Scores that wait for the rankings to be brought up to date, at least; with many players a
/// part of them, so that it always pays.
const PENDING_MAX: usize = 1 << 16;

/// A stream that is not further ahead of the slowest one is never refused: streams of shards that
/// are all well are within some tenths of a second of each other.
const AHEAD_MICROS: u64 = 2_000_000;

/// The boards of all hunts, as a fold of batches.
///
/// A clone costs little whatever it holds, and is independent: take a checkpoint of one on
/// another thread, best right after [`Self::publish`]. I5: equals the fold of every batch up
/// to `position`.
#[derive(Clone, Debug)]
pub struct Boards {
    pub(crate) limits: BoardLimits,
    pub(crate) shards: ShardMap,
    pub(crate) streams: Vec<Stream>,
    pub(crate) control: Tail,
    pub(crate) players: Players,
    pub(crate) hunts: BTreeMap<HuntNumber, Hunt>,
    pub(crate) agenda: Agenda,
    pub(crate) counters: BoardCounters,
    // The minimum over all shards.
    pub(crate) time: TimeMicros,
    pub(crate) changed: Vec<HuntNumber>,
    // Boards with records that are ahead of the slowest stream.
    pub(crate) closed_ahead: BTreeSet<(HuntNumber, BoardName)>,
    // Scores that are in no ranking yet.
    pub(crate) pending: usize,
    pub(crate) unpacked: Unpacked,
    pub(crate) published: Published,
}

/// What is known of one shard's stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) tail: Tail,
    /// The first record of the batches whose time is the tail's.
    pub(crate) same_time_from: Sequence,
    /// The players by their number in this stream, up to the limit; [`ERASED`] ones too.
    pub(crate) numbers: Numbers,
    /// How many numbers were given out, over the limit too.
    pub(crate) given: u32,
    /// Claims that may still be voided, where boards need to know them.
    pub(crate) recent: RecentClaims,
    /// When hunts that go on here will be over, if ever.
    pub(crate) endings: BTreeSet<(TimeMicros, HuntNumber)>,
}

impl Boards {
    /// Empty boards, before the first record of every stream.
    #[must_use]
    pub fn new(shards: ShardMap, limits: BoardLimits) -> Self {
        let count = u32::from(shards.count());
        Self {
            limits: BoardLimits {
                // Indexes of all streams' players together have to fit u32, the marks apart.
                players_max: limits.players_max.min(LEFT_OUT / count),
                ..limits
            },
            shards,
            streams: vec![Stream::default(); usize::from(shards.count())],
            control: Tail::default(),
            players: Players::new(),
            hunts: BTreeMap::new(),
            agenda: Agenda::default(),
            counters: BoardCounters::default(),
            time: TimeMicros::ZERO,
            changed: Vec::new(),
            closed_ahead: BTreeSet::new(),
            pending: 0,
            unpacked: Unpacked::default(),
            published: Published::default(),
        }
    }

    /// How far each stream has been applied.
    #[must_use]
    pub fn position(&self) -> Position {
        let mut position = Position::start();
        for (shard, stream) in self.shards.shards().zip(&self.streams) {
            position.advance(shard, stream.tail.sequence);
        }
        position.advance(ShardId::CONTROL, self.control.sequence);
        position
    }

    /// The time that every shard has reached.
    #[must_use]
    pub const fn time(&self) -> TimeMicros {
        self.time
    }

    /// Applies the next batch of its stream: whole, or not at all.
    ///
    /// A batch of which every record was applied before is skipped, so reading a stream
    /// again from an earlier place does no harm. Batches of the control stream only move
    /// the position: boards follow the copies of its entries in the shards' streams, and the
    /// shards' time.
    pub fn apply(&mut self, batch: &Batch) -> Result<(), ApplyError> {
        let header = batch.header();
        let shard = header.shard;
        let tail = self.tail(shard)?;
        if header.next_sequence() <= tail.sequence {
            return Ok(());
        }
        check_follows(header, &tail)?;
        if shard.is_control() {
            self.control = batch.tail();
        } else {
            let given = self.streams[usize::from(shard.get())].given;
            let others = self.unpacked.fill(batch, given)?;
            self.check_ahead(header, &others)?;
            self.end_hunts(shard, header.time);
            self.fold(header, &others);
            self.streams[usize::from(shard.get())].tail = batch.tail();
            self.settle();
            if self.pending > PENDING_MAX.max(self.players.len() / 2) {
                self.flush();
            }
        }
        self.published.is_stale = true;
        Ok(())
    }

    /// What the boards take on the heap beyond the player ids, counted from capacities.
    ///
    /// Walks everything but single entries: for a figure every few seconds, not for each
    /// batch. What only older published versions still hold is not in it.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let streams = self
            .streams
            .iter()
            .map(|stream| stream.numbers.heap_bytes() + stream.recent.heap_bytes());
        let boards = self.hunts.values().flat_map(|hunt| &hunt.boards);
        let boards = boards.map(Board::heap_bytes);
        self.unpacked.heap_bytes()
            + self.players.heap_bytes()
            + streams.chain(boards).sum::<usize>()
    }

    fn tail(&self, shard: ShardId) -> Result<Tail, ApplyError> {
        if shard.is_control() {
            return Ok(self.control);
        }
        let stream = self.streams.get(usize::from(shard.get()));
        stream
            .map(|stream| stream.tail)
            .ok_or(ApplyError::UnknownStream {
                shard,
                shards: self.shards.count(),
            })
    }

    /// Whether open windows have room for what the batch may add to them.
    fn check_ahead(
        &self,
        header: &BatchHeader,
        others: &[(Sequence, Record<'_>)],
    ) -> Result<(), ApplyError> {
        let shard = header.shard;
        let stream = &self.streams[usize::from(shard.get())];
        let is_full = self.agenda.open_entries >= self.limits.open_window_entries_max;
        let is_ahead =
            stream.tail.time > self.time && header.time.micros_since(self.time) > AHEAD_MICROS;
        let is_score = |(_, record): &_| matches!(record, Record::Score(_));
        let adds = !self.unpacked.claims.is_empty() || others.iter().any(is_score);
        if is_full && is_ahead && adds {
            let (slowest_time, slowest) = self.slowest();
            return Err(ApplyError::Ahead {
                shard,
                time: header.time,
                slowest,
                slowest_time,
            });
        }
        Ok(())
    }

    /// Brings all rankings up to date.
    pub(crate) fn flush(&mut self) {
        if self.pending == 0 {
            return;
        }
        for number in &self.changed {
            let hunt = self.hunts.get_mut(number).expect("a changed hunt exists");
            for board in &mut hunt.boards {
                if board.is_changed {
                    board.flush(&mut self.agenda);
                }
            }
        }
        self.pending = 0;
    }

    /// Whether every ranking is up to date.
    pub(crate) const fn is_flushed(&self) -> bool {
        self.pending == 0
    }

    /// A hunt that something happens to.
    pub(crate) fn hunt(&mut self, number: HuntNumber) -> &mut Hunt {
        let shards = self.streams.len();
        let hunt = self.hunts.entry(number);
        let hunt = hunt.or_insert_with(|| Hunt::new(number, shards));
        hunt.mark(&mut self.changed);
        hunt
    }

    /// Moves the time on to the slowest shard's, and does what is due by then.
    fn settle(&mut self) {
        (self.time, _) = self.slowest();
        while let Some(due) = self.agenda.take(self.time) {
            self.meet_due(&due);
        }
        let time = self.time;
        let hunts = &mut self.hunts;
        self.closed_ahead.retain(|(hunt, name)| {
            let closings = hunts.get_mut(hunt);
            let closings = closings.and_then(|hunt| hunt.closings.get_mut(name));
            closings.is_some_and(|closings| {
                closings.pass(time);
                !closings.ahead.is_empty()
            })
        });
    }

    fn meet_due(&mut self, due: &Due) {
        let Some(hunt) = self.hunts.get_mut(&due.board.hunt) else {
            return;
        };
        hunt.mark(&mut self.changed);
        match due.deed {
            Deed::Finish => {
                hunt.finish(&mut self.agenda, &due.board, due.start);
                self.expire(due);
                self.make_room(due);
            }
            Deed::Expire => self.expire(due),
            Deed::Leave => {
                let lost = hunt.leave(&mut self.agenda, &due.board, due.at);
                self.counters.results_lost += lost;
            }
        }
    }

    fn expire(&mut self, due: &Due) {
        let hunt = self.hunts.get_mut(&due.board.hunt);
        if let Some(board) = hunt.and_then(|hunt| hunt.board(&due.board)) {
            self.counters.windows_expired += board.expire(&mut self.agenda, due.at);
        }
    }

    /// Drops windows for the one that has become final.
    fn make_room(&mut self, due: &Due) {
        let limits = self.limits;
        loop {
            let hunt = self.hunts.get_mut(&due.board.hunt);
            let board = hunt.and_then(|hunt| hunt.board(&due.board));
            let has_too_many = board.is_some_and(|board| board.is_over(&limits));
            let over = has_too_many.then_some(due.board);
            let Some(key) = over.or_else(|| self.agenda.over_limit(&limits)) else {
                return;
            };
            self.drop_oldest(&key, due.at);
        }
    }

    fn drop_oldest(&mut self, key: &BoardKey, now: TimeMicros) {
        let hunt = self
            .hunts
            .get_mut(&key.hunt)
            .expect("a board's hunt is there");
        hunt.mark(&mut self.changed);
        let board = hunt.board(key).expect("a board with windows is there");
        let dropped = board.drop_oldest(&mut self.agenda);
        let dropped = dropped.expect("a window that may go is there");
        self.counters.results_lost += u64::from(board.is_lost(&dropped, now));
        self.counters.windows_dropped += 1;
    }

    pub(crate) fn slowest(&self) -> (TimeMicros, ShardId) {
        let times = self.streams.iter().map(|stream| stream.tail.time);
        let slowest = times.zip(self.shards.shards()).min();
        slowest.expect("there is at least one shard")
    }

    /// Everything is to be published anew: for boards that were just restored.
    pub(crate) fn mark_all(&mut self) {
        for hunt in self.hunts.values_mut() {
            hunt.mark(&mut self.changed);
            for board in &mut hunt.boards {
                board.is_changed = true;
            }
        }
        self.published.is_stale = true;
    }
}

impl Stream {
    /// Whom a number stands for; `None`, and counted, if not on any board.
    #[inline]
    pub(crate) fn player(&self, number: u32, counters: &mut BoardCounters) -> Option<u32> {
        match self.numbers.get(number) {
            ERASED => counters.records_erased += 1,
            LEFT_OUT => counters.records_refused += 1,
            player => return Some(player),
        }
        None
    }
}

impl Hunt {
    pub(crate) fn mark(&mut self, changed: &mut Vec<HuntNumber>) {
        if !self.is_changed {
            self.is_changed = true;
            changed.push(self.number);
        }
    }
}

fn check_follows(header: &BatchHeader, tail: &Tail) -> Result<(), ApplyError> {
    let shard = header.shard;
    let sequence = header.first_sequence;
    if sequence != tail.sequence {
        return Err(ApplyError::Sequence {
            shard,
            expected: tail.sequence,
            found: sequence,
        });
    }
    if header.previous_chain != tail.chain {
        return Err(ApplyError::Chain { shard, sequence });
    }
    if header.time < tail.time || header.time > TIME_MAX {
        return Err(ApplyError::Time {
            shard,
            sequence,
            found: header.time,
            least: tail.time,
        });
    }
    Ok(())
}
