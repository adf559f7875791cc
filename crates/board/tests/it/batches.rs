//! Short ways to write streams by hand.

use huntcore_board::{BoardLimits, Boards};
use huntcore_model::{HuntNumber, PlayerId, ShardId, ShardMap, TimeMicros};

use crate::history::{Item, Writer, name};

pub(crate) const HUNT: HuntNumber = HuntNumber::new(1);

/// Boards and the writers of their streams.
pub(crate) struct Bench {
    pub(crate) boards: Boards,
    pub(crate) writers: Vec<Writer>,
}

impl Bench {
    pub(crate) fn new(shards: u16, limits: BoardLimits) -> Self {
        let shards = ShardMap::new(shards).expect("some shards");
        Self {
            boards: Boards::new(shards, limits),
            writers: shards.shards().map(Writer::new).collect(),
        }
    }

    pub(crate) fn apply(&mut self, shard: usize, millis: u64, items: &[Item]) {
        let (batch, _) = self.writers[shard].batch(TimeMicros::from_millis(millis), items);
        self.boards.apply(&batch).expect("in order");
    }
}

pub(crate) fn shard(number: u16) -> ShardId {
    ShardId::new(number)
}

pub(crate) fn player(number: u8) -> PlayerId {
    PlayerId::new(&name(number)).expect("valid")
}

pub(crate) fn claim(player: u8, points: u32) -> Item {
    Item::Claim {
        hunt: HUNT.get(),
        player,
        points,
    }
}

pub(crate) fn score(player: u8, score: i64) -> Item {
    Item::Score {
        hunt: HUNT.get(),
        player,
        score,
    }
}
