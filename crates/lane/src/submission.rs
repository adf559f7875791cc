//! A submission: attempts in the asker's order, and then what came of each.

use huntcore_model::{AttemptRef, Outcome, ShardMap, Slot};

use crate::block::Block;

/// No submission holds more items.
pub const ATTEMPTS_MAX: usize = 4_096;

/// Where an item is: at a shard, or answered without one.
const KNOWN: u16 = u16::MAX;

/// See the module. Belongs to the lane that made it, which takes it back with
/// [`crate::Lane::recycle`].
#[derive(Debug)]
pub struct Submission {
    /// The asker's own; comes back as it was.
    pub tag: u64,
    pub(crate) serial: u64,
    /// One for each shard, in order; `None` while it is out.
    pub(crate) parts: Vec<Option<Box<Block>>>,
    pub(crate) out: usize,
    map: ShardMap,
    /// For each item where it is. Stays empty while all are at the only shard.
    places: Vec<u16>,
    known: Vec<Outcome>,
    len: usize,
}

impl Submission {
    pub(crate) fn new(map: ShardMap, parts: Vec<Option<Box<Block>>>) -> Self {
        Self {
            tag: 0,
            serial: 0,
            parts,
            out: 0,
            map,
            places: Vec::new(),
            known: Vec::new(),
            len: 0,
        }
    }

    /// How many items it holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether it takes no more items.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.len >= ATTEMPTS_MAX
    }

    /// Appends an attempt to be decided.
    ///
    /// # Panics
    /// If it is full.
    pub fn push(&mut self, attempt: AttemptRef<'_>) {
        let shard = if self.map.count() == 1 {
            0
        } else {
            let slot = Slot::of_tile(attempt.hunt, attempt.round, attempt.tile);
            self.map.shard_of(slot).get()
        };
        self.place(shard);
        self.part_mut(shard).attempts.push(attempt);
    }

    /// Appends an item whose outcome is known without asking.
    ///
    /// # Panics
    /// If it is full.
    pub fn push_answered(&mut self, outcome: Outcome) {
        self.place(KNOWN);
        self.known.push(outcome);
    }

    /// What came of each item, in order. To be called once it came back.
    pub fn outcomes(&self) -> impl Iterator<Item = Outcome> + '_ {
        let parts = self.parts.iter().flatten();
        let mut rests: Vec<std::slice::Iter<'_, Outcome>> = if self.places.is_empty() {
            Vec::new()
        } else {
            parts.map(|part| part.outcomes.iter()).collect()
        };
        let mut alone = match &self.parts[0] {
            Some(part) if self.places.is_empty() => part.outcomes.iter(),
            _ => [].iter(),
        };
        let mut known = self.known.iter();
        let mut places = self.places.iter();
        std::iter::from_fn(move || {
            let next = match places.next() {
                None => alone.next(),
                Some(&KNOWN) => known.next(),
                Some(&shard) => rests[usize::from(shard)].next(),
            };
            next.copied()
        })
    }

    /// Forgets what came of its items, so that the same attempts can be handed in again: what
    /// was decided is answered as before (I3), what found no room may find some.
    ///
    /// # Panics
    /// If it holds items that were answered without asking.
    pub fn ask_again(&mut self) {
        assert!(self.known.is_empty(), "an item was never asked");
        for part in self.parts.iter_mut().flatten() {
            part.outcomes.clear();
        }
    }

    pub(crate) fn part_mut(&mut self, shard: u16) -> &mut Box<Block> {
        self.parts[usize::from(shard)]
            .as_mut()
            .expect("no part is out while it is filled")
    }

    pub(crate) fn clear(&mut self) {
        for part in self.parts.iter_mut().flatten() {
            part.attempts.clear();
            part.outcomes.clear();
        }
        self.places.clear();
        self.known.clear();
        self.len = 0;
        self.tag = 0;
    }

    fn place(&mut self, place: u16) {
        assert!(!self.is_full(), "a full submission takes no more items");
        let alone = self.map.count() == 1 && place != KNOWN;
        if alone && self.places.is_empty() {
            self.len += 1;
            return;
        }
        // The first item that is not like the ones before: say for all of them where they are.
        if self.places.len() < self.len {
            self.places.resize(self.len, 0);
        }
        self.places.push(place);
        self.len += 1;
    }
}
