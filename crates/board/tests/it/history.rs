//! What happened in a made-up deployment, as batches and as plain facts.

use huntcore_model::{
    Batch, BatchBuilder, ClaimRecord, Epoch, EventDigest, HuntNumber, PlayerNumber, Record,
    RoundNumber, Salt, ScoreRecord, Sequence, ShardId, ShardMap, Tail, TileIndex, TimeMicros,
};
use proptest::prelude::*;

/// This one's id is erased from every log.
pub(crate) const ERASED: u8 = 7;
pub(crate) const START: TimeMicros = TimeMicros::new(10_000_000);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Item {
    Claim { hunt: u32, player: u8, points: u32 },
    Score { hunt: u32, player: u8, score: i64 },
}

/// One batch: of which stream, how long after the one before (of all streams), what.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) stream: u16,
    pub(crate) micros: u64,
    pub(crate) items: Vec<Item>,
}

/// One item, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fact {
    pub(crate) time: TimeMicros,
    pub(crate) shard: ShardId,
    pub(crate) sequence: Sequence,
    pub(crate) number: PlayerNumber,
    pub(crate) item: Item,
}

#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) shards: ShardMap,
    /// By stream, the control stream last.
    pub(crate) streams: Vec<Vec<Batch>>,
    pub(crate) facts: Vec<Fact>,
}

/// Writes one stream's batches.
pub(crate) struct Writer {
    shard: ShardId,
    tail: Tail,
    players: Vec<u8>,
}

impl Item {
    pub(crate) const fn player(self) -> u8 {
        match self {
            Self::Claim { player, .. } | Self::Score { player, .. } => player,
        }
    }
}

impl Writer {
    pub(crate) fn new(shard: ShardId) -> Self {
        Self {
            shard,
            tail: Tail::default(),
            players: Vec::new(),
        }
    }

    /// A batch of these items, and what became of them.
    pub(crate) fn batch(&mut self, time: TimeMicros, items: &[Item]) -> (Batch, Vec<Fact>) {
        let mut builder = BatchBuilder::new();
        let mut facts = Vec::new();
        let mut next = self.tail.sequence.get();
        for &item in items {
            let player = item.player();
            let known = self.players.iter().position(|&known| known == player);
            let number = known.unwrap_or(self.players.len());
            let number = PlayerNumber::new(u32::try_from(number).expect("few players"));
            if known.is_none() {
                self.players.push(player);
                builder.push_player(number, &name(player), Salt([7; 16]));
                next += 1;
            }
            builder.push(&record(item, number));
            facts.push(Fact {
                time,
                shard: self.shard,
                sequence: Sequence::new(next),
                number,
                item,
            });
            next += 1;
        }
        if items.is_empty() {
            builder.push(&Record::Time);
        }
        let durable = self.tail.sequence;
        let batch = builder.finish(self.shard, Epoch::new(1), &self.tail, time, durable);
        self.tail = batch.tail();
        (erase(&batch, &name(ERASED)), facts)
    }
}

pub(crate) fn name(player: u8) -> String {
    format!("player {player}")
}

fn record(item: Item, player: PlayerNumber) -> Record<'static> {
    match item {
        Item::Claim { hunt, points, .. } => Record::Claim(ClaimRecord {
            hunt: HuntNumber::new(hunt),
            round: RoundNumber::FIRST,
            tile: TileIndex::new(0),
            player,
            points,
        }),
        Item::Score { hunt, score, .. } => Record::Score(ScoreRecord {
            hunt: HuntNumber::new(hunt),
            player,
            event_id: "e",
            event_type: "t",
            score,
            sent_at: None,
            payload: "",
            digest: EventDigest([0; 16]),
        }),
    }
}

/// The batch as it is once the player's id was erased from the log.
fn erase(batch: &Batch, id: &str) -> Batch {
    let mut bytes = batch.bytes().to_vec();
    let body = u32::from_le_bytes(bytes[44..48].try_into().expect("four")) as usize;
    let personal = 96 + body;
    let mut at = personal;
    while at < bytes.len() {
        let length = usize::from(bytes[at + 16]);
        let end = at + 17 + length;
        if &bytes[at + 17..end] == id.as_bytes() {
            bytes[at..at + 16].fill(0);
            bytes[at + 17..end].fill(0);
        }
        at = end;
    }
    let crc = crc32c::crc32c(&bytes[personal..]);
    bytes[88..92].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..92]);
    bytes[92..96].copy_from_slice(&crc.to_le_bytes());
    let erased = Batch::decode(bytes.into()).expect("checksums mended");
    assert_eq!(erased.tail(), batch.tail());
    erased
}

impl History {
    pub(crate) fn new(shards: u16, steps: &[Step]) -> Self {
        let shards = ShardMap::new(shards).expect("some shards");
        let mut writers: Vec<_> = shards.streams().map(Writer::new).collect();
        let mut streams = vec![Vec::new(); writers.len()];
        let mut facts = Vec::new();
        let mut time = START;
        for step in steps {
            time = TimeMicros::new(time.get() + step.micros);
            let stream = usize::from(step.stream % (shards.count() + 1));
            // The control stream is far ahead, which must not matter.
            let (batch, more) = if stream == usize::from(shards.count()) {
                writers[stream].batch(time.plus_millis(1_000_000), &[])
            } else {
                writers[stream].batch(time, &step.items)
            };
            streams[stream].push(batch);
            facts.extend(more);
        }
        Self {
            shards,
            streams,
            facts,
        }
    }

    /// Every batch once, each stream in order, streams mixed as the choices say.
    pub(crate) fn interleaved(&self, choices: &[usize]) -> Vec<&Batch> {
        let mut left: Vec<_> = self.streams.iter().map(|stream| stream.iter()).collect();
        let mut choices = choices.iter().copied().cycle();
        let mut batches = Vec::new();
        while !left.is_empty() {
            let chosen = choices.next().unwrap_or(0) % left.len();
            match left[chosen].next() {
                Some(batch) => batches.push(batch),
                None => drop(left.remove(chosen)),
            }
        }
        batches
    }
}

fn any_item() -> impl Strategy<Value = Item> {
    let hunt = 1_u32..4;
    let player = 0_u8..10;
    let points = prop_oneof![Just(0_u32), Just(1), Just(1), Just(25), any::<u32>()];
    let score = prop_oneof![
        -3_i64..3,
        Just((1 << 53) - 1),
        Just(-(1 << 53) + 1),
        any::<i64>()
    ];
    prop_oneof![
        (hunt.clone(), player.clone(), points).prop_map(|(hunt, player, points)| Item::Claim {
            hunt,
            player,
            points
        }),
        (hunt, player, score).prop_map(|(hunt, player, score)| Item::Score {
            hunt,
            player,
            score
        }),
    ]
}

pub(crate) fn any_history() -> impl Strategy<Value = History> {
    let micros = prop_oneof![
        Just(0_u64),
        Just(0),
        Just(1),
        Just(250_000),
        Just(1_000_000),
        0_u64..3_000_000
    ];
    let step = (
        0_u16..4,
        micros,
        proptest::collection::vec(any_item(), 0..6),
    )
        .prop_map(|(stream, micros, items)| Step {
            stream,
            micros,
            items,
        });
    let steps = proptest::collection::vec(step, 0..40);
    (prop_oneof![Just(1_u16), Just(3)], steps)
        .prop_map(|(shards, steps)| History::new(shards, &steps))
}

pub(crate) fn any_choices() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0_usize..12, 1..60)
}
