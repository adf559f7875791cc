//! A log in memory that a test writes by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use huntcore_log::ReadError;
use huntcore_model::{
    Batch, BatchBuilder, BoardClosedRecord, BoardDefinition, BoardName, BoardSource, ClaimRecord,
    ControlRecord, Correction, CorrectionRecord, Epoch, EventDigest, Hash32, HuntConfig,
    HuntCreated, HuntId, HuntNumber, PlayerNumber, Record, RoundNumber, Salt, ScoreRecord,
    Sequence, ShardId, ShardMap, Tail, TileIndex, TimeMicros,
};
use huntcore_projection::Batches;
use parking_lot::Mutex;
use tokio::sync::watch;

pub(crate) const HUNT: HuntNumber = HuntNumber::new(0);
/// 2026-11-22T12:00:00Z
pub(crate) const NOON_MS: u64 = 1_795_348_800_000;

/// See the module. What is pushed is committed by [`Feed::commit`].
pub(crate) struct Feed {
    pub(crate) shards: ShardMap,
    streams: Mutex<BTreeMap<ShardId, Stream>>,
    grown: watch::Sender<()>,
}

#[derive(Default)]
struct Stream {
    batches: Vec<Batch>,
    oldest: usize,
    tail: Tail,
    builder: BatchBuilder,
    players: BTreeMap<String, PlayerNumber>,
}

pub(crate) fn at(millis_after_noon: u64) -> TimeMicros {
    TimeMicros::from_millis(NOON_MS + millis_after_noon)
}

/// A board that a hunt may be given.
pub(crate) fn board(name: &str, from: BoardSource, event_types: &[&str]) -> BoardDefinition {
    let [like, ..] = BoardDefinition::built_in();
    BoardDefinition {
        name: name.parse().expect("a name"),
        from,
        event_types: event_types.iter().map(ToString::to_string).collect(),
        ..like
    }
}

impl Feed {
    /// A log in which the hunt `park` was created at noon.
    pub(crate) fn new(shards: u16) -> Arc<Self> {
        Self::created_at(shards, at(0))
    }

    pub(crate) fn created_at(shards: u16, time: TimeMicros) -> Arc<Self> {
        let shards = ShardMap::new(shards).expect("few");
        let streams = shards.streams().map(|shard| (shard, Stream::default()));
        let feed = Arc::new(Self {
            shards,
            streams: Mutex::new(streams.collect()),
            grown: watch::Sender::new(()),
        });
        for shard in feed.shards.streams() {
            feed.push(shard, &created(time));
            feed.commit(shard, time);
        }
        feed
    }

    pub(crate) fn grown(&self) -> watch::Receiver<()> {
        self.grown.subscribe()
    }

    pub(crate) fn push(&self, shard: ShardId, record: &Record<'_>) -> Sequence {
        let mut streams = self.streams.lock();
        let stream = streams.get_mut(&shard).expect("a stream");
        let sequence = stream
            .tail
            .sequence
            .advanced(u64::from(stream.builder.count()));
        stream.builder.push(record);
        sequence
    }

    /// The number of a player, given out now if it was not before.
    pub(crate) fn player(&self, shard: u16, id: &str) -> PlayerNumber {
        let mut streams = self.streams.lock();
        let stream = streams.get_mut(&ShardId::new(shard)).expect("a stream");
        if let Some(number) = stream.players.get(id) {
            return *number;
        }
        let number = PlayerNumber::new(u32::try_from(stream.players.len()).expect("few"));
        stream.players.insert(id.to_owned(), number);
        stream.builder.push_player(number, id, Salt([9; 16]));
        number
    }

    pub(crate) fn score(&self, shard: u16, player: &str, score: i64) -> Sequence {
        self.event(shard, player, "e", score, r#"{"level":3}"#)
    }

    /// A score event of a type.
    pub(crate) fn typed(&self, shard: u16, player: &str, event_type: &str) {
        let player = self.player(shard, player);
        let record = Record::Score(ScoreRecord {
            hunt: HUNT,
            player,
            event_id: "e",
            event_type,
            score: 1,
            sent_at: None,
            payload: "",
            digest: EventDigest([0; 16]),
        });
        self.push(ShardId::new(shard), &record);
    }

    /// Gives the hunt these boards by an entry of the control stream, in all streams.
    pub(crate) fn define(&self, boards: &[BoardDefinition], time: TimeMicros) {
        let changed = ControlRecord::BoardsChanged {
            hunt: HUNT,
            boards: boards.to_vec(),
        };
        let record = Record::Control {
            at: self.next(ShardId::CONTROL),
            record: Box::new(changed),
        };
        for shard in self.shards.streams() {
            self.push(shard, &record);
        }
        for shard in self.shards.streams() {
            self.commit(shard, time);
        }
    }

    pub(crate) fn event(
        &self,
        shard: u16,
        player: &str,
        event_id: &str,
        score: i64,
        payload: &str,
    ) -> Sequence {
        let player = self.player(shard, player);
        let record = Record::Score(ScoreRecord {
            hunt: HUNT,
            player,
            event_id,
            event_type: "points",
            score,
            sent_at: Some(TimeMicros::from_millis(NOON_MS - 5)),
            payload,
            digest: EventDigest([0; 16]),
        });
        self.push(ShardId::new(shard), &record)
    }

    pub(crate) fn claim(&self, shard: u16, player: &str, tile: u32, points: u32) -> Sequence {
        let player = self.player(shard, player);
        let record = Record::Claim(ClaimRecord {
            hunt: HUNT,
            round: RoundNumber::new(1),
            tile: TileIndex::new(tile),
            player,
            points,
        });
        self.push(ShardId::new(shard), &record)
    }

    pub(crate) fn correct(&self, shard: u16, player: &str, what: Correction, reason: &str) {
        let player = self.player(shard, player);
        let record = Record::Correction(Box::new(CorrectionRecord {
            hunt: HUNT,
            player,
            what,
            reason: reason.to_owned(),
        }));
        self.push(ShardId::new(shard), &record);
    }

    pub(crate) fn close_board(&self, shard: u16, players: &[(&str, i64)]) {
        let entries = players.iter();
        let entries = entries.map(|(player, score)| (self.player(shard, player), *score));
        let entries = entries.collect();
        let record = Record::BoardClosed(Box::new(BoardClosedRecord {
            hunt: HUNT,
            board: "daily".parse::<BoardName>().expect("a name"),
            start: at(0),
            end: at(5_000),
            players: 7,
            entries,
        }));
        self.push(ShardId::new(shard), &record);
    }

    /// Makes one batch of what was pushed, or of nothing but the time.
    pub(crate) fn commit(&self, shard: ShardId, time: TimeMicros) {
        let mut streams = self.streams.lock();
        let stream = streams.get_mut(&shard).expect("a stream");
        if stream.builder.is_empty() {
            stream.builder.push(&Record::Time);
        }
        let (tail, epoch) = (stream.tail, Epoch::new(1));
        let batch = stream
            .builder
            .finish(shard, epoch, &tail, time, Sequence::ZERO);
        stream.tail = batch.tail();
        stream.batches.push(batch);
        drop(streams);
        self.grown.send_replace(());
    }

    /// Commits to every shard.
    pub(crate) fn commit_all(&self, time: TimeMicros) {
        self.shards
            .shards()
            .for_each(|shard| self.commit(shard, time));
    }

    /// Forgets a stream's batches but the last ones.
    pub(crate) fn trim_to_last(&self, shard: ShardId, kept: usize) {
        let mut streams = self.streams.lock();
        let stream = streams.get_mut(&shard).expect("a stream");
        stream.oldest = stream.batches.len() - kept;
    }

    pub(crate) fn ends(&self) -> BTreeMap<ShardId, Tail> {
        let streams = self.streams.lock();
        streams
            .iter()
            .map(|(shard, stream)| (*shard, stream.tail))
            .collect()
    }
}

impl Batches for Feed {
    fn read(&self, shard: ShardId, from: Sequence) -> Result<Vec<Batch>, ReadError> {
        let streams = self.streams.lock();
        let stream = &streams[&shard];
        let next = stream.tail.sequence;
        if from > next {
            return Err(ReadError::Ahead { shard, from, next });
        }
        let kept = &stream.batches[stream.oldest..];
        let oldest = kept
            .first()
            .map_or(next, |batch| batch.header().first_sequence);
        if from < oldest {
            return Err(ReadError::Trimmed {
                shard,
                from,
                oldest,
            });
        }
        let before = kept.partition_point(|batch| batch.header().next_sequence() <= from);
        // A few at a time, as any home does it.
        Ok(kept[before..].iter().take(7).cloned().collect())
    }

    fn next(&self, shard: ShardId) -> Sequence {
        self.streams.lock()[&shard].tail.sequence
    }

    fn ring(&self) {}
}

fn created(time: TimeMicros) -> Record<'static> {
    let created = HuntCreated {
        hunt: HUNT,
        id: HuntId::new("park").expect("a slug"),
        created_at: time,
        starts_at: time,
        ends_at: None,
        config: HuntConfig {
            area: String::new(),
            resolution: 12,
            round_ms: 1_000,
            claim_window_ms: 10_000,
            tiles: 64,
            values: Vec::new(),
            values_hidden: false,
            cells: 64,
            cells_hash: Hash32::ZERO,
            config_hash: Hash32::ZERO,
        },
        anchor: Hash32::ZERO,
    };
    Record::Control {
        at: Sequence::ZERO,
        record: Box::new(ControlRecord::HuntCreated(created)),
    }
}
