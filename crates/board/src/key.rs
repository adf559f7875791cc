//! Where a player stands on a board: score first, then who reached it earlier.

use huntcore_model::{ShardId, ShardMap, TimeMicros};

const SHARD_BITS: u32 = 10;
const _: () = assert!(ShardMap::SHARDS_MAX == 1 << SHARD_BITS);

/// No batch may claim a time past this one (in the year 2540), so that time and shard
/// share one word.
pub(crate) const TIME_MAX: TimeMicros = TimeMicros::new((1 << (u64::BITS - SHARD_BITS)) - 1);

/// A record's place in the order of all streams: batch time, then shard, then sequence.
///
/// The sequence counts from the stream's first record of that same time, which keeps the
/// order and takes half the space. Packed: there is one for each player, twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(Rust, packed(4))]
pub(crate) struct Place {
    when: u64,
    offset: u32,
}

/// Orders a board: the lowest key is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(Rust, packed(4))]
pub(crate) struct Key {
    // Bits flipped, so that a higher score is less.
    order: i64,
    place: Place,
}

/// A key and whose it is, as a player index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ranked {
    pub(crate) key: Key,
    pub(crate) player: u32,
}

const _: () = assert!(size_of::<Key>() == 20 && size_of::<Ranked>() == 24);

impl Place {
    /// `offset` stops at `u32::MAX`: only a clock that stands still for four billion
    /// records gets there, and then the player index decides between them.
    pub(crate) fn new(time: TimeMicros, shard: ShardId, offset: u64) -> Self {
        debug_assert!(time <= TIME_MAX, "checked before the batch is applied");
        Self {
            when: (time.get() << SHARD_BITS) | u64::from(shard.get()),
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
        }
    }

    pub(crate) const fn from_raw(when: u64, offset: u32) -> Self {
        Self { when, offset }
    }

    pub(crate) const fn raw(self) -> (u64, u32) {
        (self.when, self.offset)
    }
}

impl Key {
    pub(crate) const fn new(score: i64, place: Place) -> Self {
        Self {
            order: !score,
            place,
        }
    }

    pub(crate) const fn score(self) -> i64 {
        !self.order
    }

    pub(crate) const fn place(self) -> Place {
        self.place
    }
}

impl Ranked {
    /// Past every entry with this key, and before the next key's.
    pub(crate) const fn after(key: Key) -> Self {
        Self {
            key,
            player: u32::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_better_key_is_less() {
        let place =
            |time, shard, offset| Place::new(TimeMicros::new(time), ShardId::new(shard), offset);
        let in_order = [
            Key::new(i64::MAX, place(9, 9, 9)),
            Key::new(7, place(1, 2, 3)),
            Key::new(7, place(1, 2, 4)),
            Key::new(7, place(1, 3, 0)),
            Key::new(7, place(2, 0, 0)),
            Key::new(0, place(0, 0, 0)),
            Key::new(-1, place(0, 0, 0)),
            Key::new(i64::MIN, place(TIME_MAX.get(), 1_023, u64::MAX)),
        ];
        assert!(in_order.is_sorted_by(|left, right| left < right));
        assert_eq!(in_order[0].score(), i64::MAX);
        assert_eq!(in_order[7].score(), i64::MIN);
    }
}
