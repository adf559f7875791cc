//! Who is who: numbers of each stream, and one index for each player across all.

use hashbrown::HashTable;
use huntcore_model::{PlayerId, PlayerNumber, PlayerRecord};

use crate::fault::{Fault, Place};
use crate::report::Report;

/// After a gap numbers go on where the log does, if it does not leap further than this.
const LEAP_MAX: u32 = 1 << 20;

/// All players, erased ones without their id.
#[derive(Debug)]
pub(crate) struct Players {
    names: Names,
    shards: Vec<Shard>,
}

/// A player's place among all that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PlayerIndex(u32);

impl PlayerIndex {
    pub(crate) const fn new(index: u32) -> Self {
        Self(index)
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a number stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known {
    Player(PlayerIndex),
    Erased,
    /// Somebody whose record was trimmed.
    Earlier,
    Nobody,
}

/// The numbers of one stream. No index is as high as these two.
#[derive(Clone, Debug, Default)]
struct Shard {
    /// Numbers below it were given out before the log begins.
    from: From,
    /// From that number on: the index, or [`ERASED`].
    numbers: Vec<u32>,
    /// By index, the number given first; [`NO_NUMBER`] if none was.
    given: Vec<u32>,
}

/// The first number that this log gives out.
#[derive(Clone, Copy, Debug)]
enum From {
    Number(u32),
    /// Nobody has been given one yet. Up to this number, used there, they must have been
    /// given out before.
    Unknown(Option<(u32, Place)>),
}

impl Default for From {
    fn default() -> Self {
        Self::Number(0)
    }
}

const ERASED: u32 = u32::MAX;
const NO_NUMBER: u32 = u32::MAX;

impl Players {
    pub(crate) fn new(shards: u16) -> Self {
        Self {
            names: Names::default(),
            shards: vec![Shard::default(); usize::from(shards)],
        }
    }

    /// The stream's beginning was trimmed: some numbers were given out before.
    pub(crate) fn begin_trimmed(&mut self, shard: usize) {
        self.shards[shard].from = From::Unknown(None);
    }

    /// Takes note of a `player` record.
    pub(crate) fn meet(&mut self, at: Place, record: &PlayerRecord<'_>, report: &mut Report) {
        let index = record.id.and_then(|id| self.names.intern(id));
        let shard = &mut self.shards[usize::from(at.stream.get())];
        let number = record.number;
        let from = shard.begin(number, report);
        let due = from.saturating_add(u32::try_from(shard.numbers.len()).unwrap_or(u32::MAX));
        if number.get() != due {
            report.fault(Fault::PlayerOutOfTurn {
                at,
                expected: PlayerNumber::new(due),
                found: number,
            });
        }
        if let Some(PlayerIndex(index)) = index
            && let Some(&first) = shard.given.get(index as usize)
            && first != NO_NUMBER
        {
            let first = PlayerNumber::new(first);
            report.fault(Fault::PlayerTwice { at, first, number });
        }
        if number.get() >= due && number.get() - due < LEAP_MAX {
            shard.give(number.get() - from, number.get(), index);
        }
    }

    /// Whether a number of a stream stands for anybody. Looks no player up.
    fn is_given(&mut self, at: Place, number: PlayerNumber) -> bool {
        let shard = &mut self.shards[usize::from(at.stream.get())];
        match &mut shard.from {
            From::Number(from) => {
                let place = number.get().saturating_sub(*from);
                (place as usize) < shard.numbers.len() || number.get() < *from
            }
            From::Unknown(highest) => {
                if highest.is_none_or(|(highest, _)| number.get() > highest) {
                    *highest = Some((number.get(), at));
                }
                true
            }
        }
    }

    /// What a number of a stream stands for.
    pub(crate) fn of(&mut self, at: Place, number: PlayerNumber) -> Known {
        if !self.is_given(at, number) {
            return Known::Nobody;
        }
        let shard = &self.shards[usize::from(at.stream.get())];
        let From::Number(from) = shard.from else {
            return Known::Earlier;
        };
        let place = number.get().checked_sub(from);
        match place.map(|place| shard.numbers[place as usize]) {
            None => Known::Earlier,
            Some(ERASED) => Known::Erased,
            Some(index) => Known::Player(PlayerIndex(index)),
        }
    }

    pub(crate) fn id(&self, index: PlayerIndex) -> &PlayerId {
        &self.names.names[index.0 as usize].id
    }

    pub(crate) fn count(&self) -> usize {
        self.names.names.len()
    }
}

impl Shard {
    /// The first number of this log, which may be just this one.
    fn begin(&mut self, number: PlayerNumber, report: &mut Report) -> u32 {
        match self.from {
            From::Number(from) => from,
            From::Unknown(highest) => {
                if let Some((used, at)) = highest
                    && used >= number.get()
                {
                    let number = PlayerNumber::new(used);
                    report.fault(Fault::PlayerUnknown { at, number });
                }
                self.from = From::Number(number.get());
                number.get()
            }
        }
    }

    fn give(&mut self, place: u32, number: u32, index: Option<PlayerIndex>) {
        // Whoever was left out by a gap is as good as erased.
        self.numbers.resize(place as usize, ERASED);
        self.numbers.push(index.map_or(ERASED, |index| index.0));
        if let Some(PlayerIndex(index)) = index {
            let index = index as usize;
            if self.given.len() <= index {
                self.given.resize(index + 1, NO_NUMBER);
            }
            if self.given[index] == NO_NUMBER {
                self.given[index] = number;
            }
        }
    }
}

/// Different ids, and where each is found.
#[derive(Debug, Default)]
struct Names {
    names: Vec<Name>,
    /// Indexes of `names`. By BLAKE3, so that ids cannot be chosen to collide cheaply.
    table: HashTable<u32>,
}

#[derive(Clone, Debug)]
struct Name {
    id: PlayerId,
    tag: u32,
}

impl Names {
    /// The id's index, a new one if it is new; `None` if it is no id.
    fn intern(&mut self, id: &str) -> Option<PlayerIndex> {
        let tag = tag(id);
        let names = &self.names;
        let same = |&index: &u32| names[index as usize].id.as_str() == id;
        if let Some(&index) = self.table.find(spread(tag), same) {
            return Some(PlayerIndex(index));
        }
        // Batches are read with ids within their limits only.
        let id = PlayerId::new(id).ok()?;
        let index = u32::try_from(self.names.len()).ok()?;
        if index == ERASED {
            return None;
        }
        self.names.push(Name { id, tag });
        let names = &self.names;
        self.table.insert_unique(spread(tag), index, |&index| {
            spread(names[index as usize].tag)
        });
        Some(PlayerIndex(index))
    }
}

fn tag(id: &str) -> u32 {
    let hash = blake3::hash(id.as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The table takes the place from low bits and a fingerprint from the highest.
const fn spread(tag: u32) -> u64 {
    (tag as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
