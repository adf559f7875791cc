//! Where a player stands on a board: score first, then who reached it earlier.

use huntcore_model::{BoardOrder, ShardId, ShardMap, TimeMicros};

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
    // Twice the offset, and one more for an idle one: no two records differ in that alone.
    offset: u32,
}

/// Orders a board: the lowest key is the best.
///
/// A key does not know the order that it was made for; whoever keeps keys does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(Rust, packed(4))]
pub(crate) struct Key {
    // The score if the lowest is the best; otherwise with its bits flipped.
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
    const FIRST: Self = Self { when: 0, offset: 0 };

    /// Where nothing was reached: any other place counts before it.
    pub(crate) const NOWHERE: Self = Self {
        when: u64::MAX,
        offset: u32::MAX,
    };

    const OFFSET_MAX: u32 = u32::MAX >> 1;

    /// `offset` stops at 2^31 - 1: only a clock that stands still for two billion records
    /// gets there, and then the player index decides between them.
    pub(crate) fn new(time: TimeMicros, shard: ShardId, offset: u64) -> Self {
        debug_assert!(time <= TIME_MAX, "checked before the batch is applied");
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        Self {
            when: (time.get() << SHARD_BITS) | u64::from(shard.get()),
            offset: offset.min(Self::OFFSET_MAX) << 1,
        }
    }

    pub(crate) const fn from_raw(when: u64, offset: u32) -> Self {
        Self { when, offset }
    }

    pub(crate) const fn raw(self) -> (u64, u32) {
        (self.when, self.offset)
    }

    /// The place of a record that moved nothing.
    pub(crate) const fn idle(self) -> Self {
        Self {
            when: self.when,
            offset: self.offset | 1,
        }
    }

    /// Where a sum is reached that two records, or groups of them, make up: with the last
    /// one that moved it; with the first, if none did.
    pub(crate) fn reached(self, other: Self) -> Self {
        let is_idle = |place: Self| place.offset & 1 == 1;
        match (is_idle(self), is_idle(other)) {
            (false, false) => self.max(other),
            (true, true) => self.min(other),
            (true, false) => other,
            (false, true) => self,
        }
    }
}

impl Key {
    pub(crate) const fn new(order: BoardOrder, score: i64, place: Place) -> Self {
        Self {
            order: flipped(order, score),
            place,
        }
    }

    /// At or before every key with this score.
    pub(crate) const fn first(order: BoardOrder, score: i64) -> Self {
        Self::new(order, score, Place::FIRST)
    }

    pub(crate) const fn score(self, order: BoardOrder) -> i64 {
        flipped(order, self.order)
    }

    pub(crate) const fn place(self) -> Place {
        self.place
    }
}

const fn flipped(order: BoardOrder, score: i64) -> i64 {
    match order {
        BoardOrder::Descending => !score,
        BoardOrder::Ascending => score,
    }
}

impl Ranked {
    /// Never falls from an entry to a later one.
    pub(crate) const fn measure(&self) -> u64 {
        self.key.order.cast_unsigned() ^ (1 << 63)
    }

    /// Past every entry with this key, and before the next key's.
    pub(crate) const fn after(key: Key) -> Self {
        Self {
            key,
            player: u32::MAX,
        }
    }

    /// At or before every entry with this key.
    pub(crate) const fn first(key: Key) -> Self {
        Self { key, player: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(time: u64, shard: u16, offset: u64) -> Place {
        Place::new(TimeMicros::new(time), ShardId::new(shard), offset)
    }

    #[test]
    fn a_better_key_is_less() {
        let in_order = [
            (i64::MAX, place(9, 9, 9)),
            (7, place(1, 2, 3)),
            (7, place(1, 2, 4)),
            (7, place(1, 3, 0)),
            (7, place(2, 0, 0)),
            (0, place(0, 0, 0)),
            (-1, place(0, 0, 0)),
            (i64::MIN, place(TIME_MAX.get(), 1_023, u64::MAX)),
        ];
        let key = |order| move |(score, place)| Key::new(order, score, place);
        let descending = in_order.map(key(BoardOrder::Descending));
        assert!(descending.is_sorted_by(|left, right| left < right));
        assert_eq!(descending[0].score(BoardOrder::Descending), i64::MAX);
        assert_eq!(descending[7].score(BoardOrder::Descending), i64::MIN);
        let negated = in_order.map(|(score, place)| (!score, place));
        let ascending = negated.map(key(BoardOrder::Ascending));
        assert_eq!(ascending, descending);
        assert_eq!(ascending[0].score(BoardOrder::Ascending), i64::MIN);
    }

    #[test]
    fn a_sum_is_reached_with_the_last_record_that_moved_it() {
        let (early, late) = (place(1, 0, 5), place(1, 0, 6));
        assert_eq!(early.reached(late), late);
        assert_eq!(early.idle().reached(late.idle()), early.idle());
        assert_eq!(early.reached(late.idle()), early);
        assert_eq!(early.idle().reached(late), late);
        for place in [early, late, early.idle(), late.idle()] {
            assert_eq!(place.reached(Place::NOWHERE), place);
            assert_eq!(Place::NOWHERE.reached(place), place);
        }
        assert!(early < early.idle() && early.idle() < late);
    }
}
