//! The writer: takes batches of all streams, publishes versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use huntcore_model::{
    Batch, BatchError, BatchHeader, HuntNumber, PlayerNumber, PlayerRecord, Position, Record,
    Sequence, ShardId, ShardMap, Tail, TimeMicros,
};

use crate::key::{Place, TIME_MAX};
use crate::limits::{BoardCounters, BoardLimits};
use crate::players::Players;
use crate::radix::Radix;
use crate::ranking::Ranking;
use crate::version::{BoardsVersion, HuntVersion};
use crate::windows::{Agenda, HuntWindows, PlacedScore, window_start};

/// The boards of all hunts, as a fold of batches.
///
/// A clone costs little whatever it holds, and is independent: take a checkpoint of one on
/// another thread. I5: equals the fold of every batch up to `position`.
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
    /// Not the model's `PlayerTable`: with three shards that would hold each id thrice.
    pub(crate) numbers: Radix<u32>,
    /// How many numbers were given out, over the limit too.
    pub(crate) given: u32,
}

/// Stands for a player whose id is not in the log any more.
pub(crate) const ERASED: u32 = u32::MAX;

/// One hunt's boards.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hunt {
    pub(crate) total: Ranking,
    pub(crate) best: Ranking,
    pub(crate) windows: HuntWindows,
    is_changed: bool,
}

/// Why a batch was not applied; nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The batch is of a stream that this deployment does not have.
    #[error("batch of shard {shard}, but there are {shards} shards")]
    UnknownStream {
        /// The batch's stream.
        shard: ShardId,
        /// How many shards there are.
        shards: u16,
    },
    /// Batches are missing before this one, or it holds old and new records at once.
    #[error("batch of shard {shard} starts at sequence {found}, expected {expected}")]
    Sequence {
        /// The stream.
        shard: ShardId,
        /// The first sequence not yet applied.
        expected: Sequence,
        /// The batch's first sequence.
        found: Sequence,
    },
    /// It follows another history than the one applied so far.
    #[error("batch of shard {shard} at sequence {sequence} does not follow the chain so far")]
    Chain {
        /// The stream.
        shard: ShardId,
        /// The batch's first sequence.
        sequence: Sequence,
    },
    /// It is older than the batch before, or its time is past the year 2540.
    #[error(
        "batch of shard {shard} at sequence {sequence} has time {} µs, expected {} to {} µs",
        found.get(), least.get(), TIME_MAX.get()
    )]
    Time {
        /// The stream.
        shard: ShardId,
        /// The batch's first sequence.
        sequence: Sequence,
        /// The batch's time.
        found: TimeMicros,
        /// The time of the batch before.
        least: TimeMicros,
    },
    /// Open windows are at their limit and this stream is ahead: apply `slowest` first and
    /// this batch again later.
    #[error(
        "shard {shard} is at {} µs, too far ahead of shard {slowest} at {} µs",
        time.get(), slowest_time.get()
    )]
    Ahead {
        /// The stream.
        shard: ShardId,
        /// The batch's time.
        time: TimeMicros,
        /// The stream that keeps windows open.
        slowest: ShardId,
        /// How far that one has come.
        slowest_time: TimeMicros,
    },
    /// A record speaks of a player who has no number yet, or a number was left out.
    #[error(
        "record {sequence} of shard {shard} has player number {number}, but only {given} were given out"
    )]
    PlayerNumber {
        /// The stream.
        shard: ShardId,
        /// The record.
        sequence: Sequence,
        /// The number.
        number: PlayerNumber,
        /// How many numbers there are.
        given: u32,
    },
    /// A record cannot be read.
    #[error("batch of shard {shard} at sequence {sequence} cannot be read")]
    Batch {
        /// The stream.
        shard: ShardId,
        /// The batch's first sequence.
        sequence: Sequence,
        /// What is wrong with it.
        source: BatchError,
    },
}

impl Boards {
    /// Empty boards, before the first record of every stream.
    #[must_use]
    pub fn new(shards: ShardMap, limits: BoardLimits) -> Self {
        // Indexes of all streams' players together have to fit u32, ERASED apart.
        let players_max = limits
            .players_max
            .min((ERASED - 1) / u32::from(shards.count()));
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
            let records: Vec<_> = batch
                .records()
                .collect::<Result<_, _>>()
                .map_err(|source| ApplyError::Batch {
                    shard,
                    sequence: header.first_sequence,
                    source,
                })?;
            self.check(header, &records)?;
            self.fold(header, &records);
            self.streams[usize::from(shard.get())].tail = batch.tail();
            self.settle();
        }
        self.published = None;
        Ok(())
    }

    /// The boards as they are, as a version that never changes.
    ///
    /// Costs as much as the number of hunts that changed since the last one, whatever they
    /// hold. The same version again if nothing was applied since.
    pub fn publish(&mut self) -> Arc<BoardsVersion> {
        if let Some(version) = &self.published {
            return Arc::clone(version);
        }
        for number in self.changed.drain(..) {
            let hunt = self.hunts.get_mut(&number).expect("a changed hunt exists");
            hunt.is_changed = false;
            let version = HuntVersion::new(&hunt.total, &hunt.best, &hunt.windows);
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
            let open = hunt.windows.open.values().map(Ranking::heap_bytes);
            let kept = hunt.windows.kept.iter();
            let kept = kept.map(|window| window.ranking.heap_bytes());
            hunt.total.heap_bytes() + hunt.best.heap_bytes() + open.chain(kept).sum::<usize>()
        });
        self.players.heap_bytes() + streams.chain(hunts).sum::<usize>()
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

    /// All that could be wrong, before anything changes.
    fn check(
        &self,
        header: &BatchHeader,
        records: &[(Sequence, Record<'_>)],
    ) -> Result<(), ApplyError> {
        let shard = header.shard;
        let stream = &self.streams[usize::from(shard.get())];
        let mut given = stream.given;
        let mut scores = false;
        for (sequence, record) in records {
            let (number, known) = match record {
                Record::Player(player) => {
                    let next = player.number.get() == given;
                    given += u32::from(next && given < u32::MAX);
                    (player.number, next)
                }
                Record::Claim(claim) => (claim.player, false),
                Record::Score(score) => {
                    scores = true;
                    (score.player, false)
                }
                Record::Time | Record::Control { .. } => continue,
            };
            if !known && number.get() >= given {
                return Err(ApplyError::PlayerNumber {
                    shard,
                    sequence: *sequence,
                    number,
                    given,
                });
            }
        }
        let is_full = self.agenda.open_entries >= self.limits.open_window_entries_max;
        let is_ahead =
            stream.tail.time > self.time && window_start(header.time) > window_start(self.time);
        if scores && is_full && is_ahead {
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

    fn fold(&mut self, header: &BatchHeader, records: &[(Sequence, Record<'_>)]) {
        let shard = header.shard;
        let stream = &mut self.streams[usize::from(shard.get())];
        if header.time > stream.tail.time {
            stream.same_time_from = header.first_sequence;
        }
        let same_time_from = stream.same_time_from.get();
        for (sequence, record) in records {
            let place = Place::new(header.time, shard, sequence.get() - same_time_from);
            match record {
                Record::Player(player) => self.meet(shard, player),
                Record::Claim(claim) => {
                    if let Some(player) = self.player(shard, claim.player) {
                        let (hunt, _) = self.hunt(claim.hunt);
                        hunt.total.add(player, claim.points, place);
                    }
                }
                Record::Score(event) => {
                    if let Some(player) = self.player(shard, event.player) {
                        let score = PlacedScore {
                            player,
                            score: event.score,
                            place,
                        };
                        let (hunt, agenda) = self.hunt(event.hunt);
                        hunt.best.raise(player, event.score, place);
                        agenda.raise(event.hunt, &mut hunt.windows, header.time, score);
                    }
                }
                Record::Time | Record::Control { .. } => {}
            }
        }
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

    /// Whom a stream's number stands for; `None`, and counted, if not on any board.
    fn player(&mut self, shard: ShardId, number: PlayerNumber) -> Option<u32> {
        let stream = &self.streams[usize::from(shard.get())];
        match stream.numbers.get(number.get()) {
            Some(&ERASED) => {
                self.counters.records_erased += 1;
                None
            }
            Some(&player) => Some(player),
            None => {
                self.counters.records_refused += 1;
                None
            }
        }
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
