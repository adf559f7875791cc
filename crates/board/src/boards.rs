//! The writer: takes batches of all streams, publishes versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use huntcore_model::{
    Batch, BatchHeader, BoardOperator, BoardOrder, HuntNumber, PlayerRecord, Position, Record,
    Sequence, ShardId, ShardMap, Tail, TimeMicros,
};

use crate::apply_error::ApplyError;
use crate::key::{Place, TIME_MAX};
use crate::limits::{BoardCounters, BoardLimits};
use crate::numbers::{ERASED, LEFT_OUT, Numbers};
use crate::players::Players;
use crate::radix::Radix;
use crate::tally::Tally;
use crate::unpack::{Claim, Unpacked};
use crate::version::{BoardsVersion, HuntVersion};
use crate::windows::{Agenda, HuntWindows, window_start};

/// Players whose new scores wait for the rankings to be brought up to date, at least; with
/// many players a part of them, so that it always pays.
const PENDING_MAX: usize = 1 << 16;

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
    changed: Vec<HuntNumber>,
    // First records of players since the rankings were brought up to date, or more.
    pending: usize,
    unpacked: Unpacked,
    versions: Radix<Arc<HuntVersion>>,
    published: Option<Arc<BoardsVersion>>,
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
}

/// One hunt's boards.
#[derive(Clone, Debug)]
pub(crate) struct Hunt {
    pub(crate) total: Tally,
    pub(crate) best: Tally,
    pub(crate) windows: HuntWindows,
    is_changed: bool,
}

impl Boards {
    /// Empty boards, before the first record of every stream.
    #[must_use]
    pub fn new(shards: ShardMap, limits: BoardLimits) -> Self {
        // Indexes of all streams' players together have to fit u32, the marks apart.
        let players_max = limits.players_max.min(LEFT_OUT / u32::from(shards.count()));
        Self {
            limits: BoardLimits {
                players_max,
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
            pending: 0,
            unpacked: Unpacked::default(),
            versions: Radix::new(),
            published: None,
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

    /// Applies the next batch of its stream: whole, or not at all.
    ///
    /// A batch of which every record was applied before is skipped, so reading a stream
    /// again from an earlier place does no harm. Batches of the control stream only move
    /// the position: their time does not count, as boards follow the shards' time.
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
            self.fold(header, &others);
            self.streams[usize::from(shard.get())].tail = batch.tail();
            self.settle();
            if self.pending > PENDING_MAX.max(self.players.len() / 2) {
                self.flush();
            }
        }
        self.published = None;
        Ok(())
    }

    /// The boards as they are, as a version that never changes.
    ///
    /// Costs as much as the players who scored and the hunts that changed since the last
    /// one, whatever the boards hold. The same version again if nothing was applied since.
    pub fn publish(&mut self) -> Arc<BoardsVersion> {
        if let Some(version) = &self.published {
            return Arc::clone(version);
        }
        self.flush();
        for number in self.changed.drain(..) {
            let hunt = self.hunts.get_mut(&number).expect("a changed hunt exists");
            hunt.is_changed = false;
            let total = hunt.total.ranking();
            let version = HuntVersion::new(total, hunt.best.ranking(), &hunt.windows);
            self.versions.insert(number.get(), Arc::new(version));
        }
        let version = Arc::new(BoardsVersion {
            position: self.position(),
            time: self.time,
            players: self.players.clone(),
            hunts: self.versions.clone(),
            counters: self.counters,
        });
        self.published = Some(Arc::clone(&version));
        version
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
            .map(|stream| stream.numbers.heap_bytes());
        let hunts = self.hunts.values().map(|hunt| {
            let open = hunt.windows.open.values().map(Tally::heap_bytes);
            let kept = hunt.windows.kept.iter();
            let kept = kept.map(|window| window.ranking.heap_bytes());
            hunt.total.heap_bytes() + hunt.best.heap_bytes() + open.chain(kept).sum::<usize>()
        });
        self.unpacked.heap_bytes() + self.players.heap_bytes() + streams.chain(hunts).sum::<usize>()
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
        let is_ahead =
            stream.tail.time > self.time && window_start(header.time) > window_start(self.time);
        let is_score = |(_, record): &_| matches!(record, Record::Score(_));
        if is_ahead && others.iter().any(is_score) && self.is_open_full() {
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

    /// Whether open windows hold as much as they may.
    fn is_open_full(&self) -> bool {
        let windows = self
            .hunts
            .values()
            .flat_map(|hunt| hunt.windows.open.values());
        windows.map(Tally::len_max).sum::<usize>() >= self.limits.open_window_entries_max
    }

    /// Folds what was unpacked in: players first, as no record before theirs names them.
    fn fold(&mut self, header: &BatchHeader, others: &[(Sequence, Record<'_>)]) {
        let shard = header.shard;
        let stream = &mut self.streams[usize::from(shard.get())];
        if header.time > stream.tail.time {
            stream.same_time_from = header.first_sequence;
        }
        let same_time_from = stream.same_time_from.get();
        for (_, record) in others {
            if let Record::Player(player) = record {
                self.meet(shard, player);
            }
        }
        let before = header.first_sequence.get() - same_time_from;
        self.fold_claims(shard, |claim| {
            Place::new(header.time, shard, before + u64::from(claim.index))
        });
        for (sequence, record) in others {
            if let Record::Score(event) = record
                && let number = event.player.get()
                && let Some(player) =
                    self.streams[usize::from(shard.get())].player(number, &mut self.counters)
            {
                let place = Place::new(header.time, shard, sequence.get() - same_time_from);
                let (hunt, agenda) = self.hunt(event.hunt);
                hunt.best.put(player, event.score, place);
                let window = agenda.window(event.hunt, &mut hunt.windows, header.time);
                window.put(player, event.score, place);
                self.pending += 2;
            }
        }
    }

    fn fold_claims(&mut self, shard: ShardId, place: impl Fn(&Claim) -> Place) {
        let stream = &self.streams[usize::from(shard.get())];
        for of_hunt in self
            .unpacked
            .claims
            .chunk_by(|one, next| one.hunt == next.hunt)
        {
            let number = of_hunt[0].hunt;
            let known = of_hunt.iter().filter_map(|claim| {
                let player = stream.player(claim.player.get(), &mut self.counters)?;
                Some((player, claim))
            });
            let mut known = known.peekable();
            // A hunt of which no player is known has no boards.
            if known.peek().is_none() {
                continue;
            }
            let hunt = self.hunts.entry(number).or_default();
            hunt.mark(number, &mut self.changed);
            let before = hunt.total.pending();
            for (player, claim) in known {
                hunt.total
                    .put(player, i64::from(claim.points), place(claim));
            }
            self.pending += hunt.total.pending() - before;
        }
    }

    /// Brings all rankings up to date.
    pub(crate) fn flush(&mut self) {
        if self.pending > 0 {
            for number in &self.changed {
                let hunt = self.hunts.get_mut(number).expect("a changed hunt exists");
                hunt.total.flush();
                hunt.best.flush();
                hunt.windows.open.values_mut().for_each(Tally::flush);
            }
            self.pending = 0;
        }
    }

    /// Whether every ranking is up to date.
    pub(crate) const fn is_flushed(&self) -> bool {
        self.pending == 0
    }

    /// Takes note of a player's number; a number keeps the player it was first given to.
    fn meet(&mut self, shard: ShardId, record: &PlayerRecord<'_>) {
        let stream = &mut self.streams[usize::from(shard.get())];
        let number = record.number.get();
        if number < stream.given {
            return;
        }
        stream.given = number.saturating_add(1);
        if number >= self.limits.players_max {
            self.counters.players_refused += 1;
            return;
        }
        let player = record.id.and_then(|id| self.players.intern(id));
        stream.numbers.insert(number, player.unwrap_or(ERASED));
    }

    fn hunt(&mut self, number: HuntNumber) -> (&mut Hunt, &mut Agenda) {
        let hunt = self.hunts.entry(number).or_default();
        hunt.mark(number, &mut self.changed);
        (hunt, &mut self.agenda)
    }

    /// Moves the time on to the slowest shard's and makes windows final that it has passed.
    fn settle(&mut self) {
        (self.time, _) = self.slowest();
        while let Some((start, number)) = self.agenda.next_final(self.time) {
            let (hunt, agenda) = self.hunt(number);
            agenda.finish(number, &mut hunt.windows, start);
            self.make_room(number);
        }
    }

    fn make_room(&mut self, kept: HuntNumber) {
        let limits = self.limits;
        let (hunt, agenda) = self.hunt(kept);
        let mut dropped = 0;
        while agenda.drop_of_hunt(&limits, kept, &mut hunt.windows) {
            dropped += 1;
        }
        while let Some(number) = self.agenda.over_limit(&limits) {
            let (hunt, agenda) = self.hunt(number);
            agenda.drop_oldest(number, &mut hunt.windows);
            dropped += 1;
        }
        self.counters.windows_dropped += dropped;
    }

    pub(crate) fn slowest(&self) -> (TimeMicros, ShardId) {
        let times = self.streams.iter().map(|stream| stream.tail.time);
        let slowest = times.zip(self.shards.shards()).min();
        slowest.expect("there is at least one shard")
    }

    /// Everything is to be published anew: for boards that were just restored.
    pub(crate) fn mark_all(&mut self) {
        for (&number, hunt) in &mut self.hunts {
            hunt.mark(number, &mut self.changed);
        }
    }
}

impl Stream {
    /// Whom a number stands for; `None`, and counted, if not on any board.
    #[inline]
    fn player(&self, number: u32, counters: &mut BoardCounters) -> Option<u32> {
        match self.numbers.get(number) {
            ERASED => counters.records_erased += 1,
            LEFT_OUT => counters.records_refused += 1,
            player => return Some(player),
        }
        None
    }
}

impl Default for Hunt {
    fn default() -> Self {
        let tally = |operator| Tally::new(operator, BoardOrder::Descending);
        Self {
            total: tally(BoardOperator::Sum),
            best: tally(BoardOperator::Max),
            windows: HuntWindows::default(),
            is_changed: false,
        }
    }
}

impl Hunt {
    fn mark(&mut self, number: HuntNumber, changed: &mut Vec<HuntNumber>) {
        if !self.is_changed {
            self.is_changed = true;
            changed.push(number);
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
