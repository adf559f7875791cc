//! Many attempts in two buffers: what travels from a door to an arbiter.
//!
//! A list is filled, decided and cleared again and again, and allocates nothing once it has
//! grown to its use. Who an attempt is by stands in one text with all the others, so an
//! attempt has no cell of its own on the heap.

use crate::{HuntNumber, PlayerId, RoundNumber, TileIndex};

/// An attempt, its player's id borrowed from wherever it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptRef<'a> {
    /// Which hunt.
    pub hunt: HuntNumber,
    /// Which round.
    pub round: RoundNumber,
    /// Which of its tiles.
    pub tile: TileIndex,
    /// Who asks; within the limits of a [`PlayerId`].
    pub player: &'a str,
}

/// Attempts in order, packed: 24 bytes each, and the ids end to end.
#[derive(Clone, Debug, Default)]
pub struct AttemptList {
    entries: Vec<Entry>,
    ids: String,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    round: RoundNumber,
    hunt: HuntNumber,
    tile: TileIndex,
    id_end: u32,
}

impl AttemptList {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
            ids: String::new(),
        }
    }

    /// How many attempts it holds.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Appends an attempt.
    ///
    /// # Panics
    /// If the ids take more than 4 GiB together.
    pub fn push(&mut self, attempt: AttemptRef<'_>) {
        debug_assert!((1..=PlayerId::BYTES_MAX).contains(&attempt.player.len()));
        self.ids.push_str(attempt.player);
        self.entries.push(Entry {
            round: attempt.round,
            hunt: attempt.hunt,
            tile: attempt.tile,
            id_end: u32::try_from(self.ids.len()).expect("whoever fills a list limits it"),
        });
    }

    /// The attempt at `index`.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<AttemptRef<'_>> {
        let entry = self.entries.get(index)?;
        let start = index
            .checked_sub(1)
            .map_or(0, |before| self.entries[before].id_end);
        Some(self.attempt(entry, start))
    }

    /// Which tile the attempt at `index` is for: its hunt, its round and the tile. Costs less
    /// than [`Self::get`], which also cuts out the player's id.
    #[inline]
    #[must_use]
    pub fn tile(&self, index: usize) -> Option<(HuntNumber, RoundNumber, TileIndex)> {
        let entry = self.entries.get(index)?;
        Some((entry.hunt, entry.round, entry.tile))
    }

    /// All attempts, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = AttemptRef<'_>> + Clone {
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let attempt = self.attempt(entry, start);
            start = entry.id_end;
            attempt
        })
    }

    /// Forgets all attempts and keeps the room they took.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.ids.clear();
    }

    #[inline]
    fn attempt(&self, entry: &Entry, id_start: u32) -> AttemptRef<'_> {
        AttemptRef {
            hunt: entry.hunt,
            round: entry.round,
            tile: entry.tile,
            player: &self.ids[id_start as usize..entry.id_end as usize],
        }
    }
}

impl<'a> Extend<AttemptRef<'a>> for AttemptList {
    fn extend<T: IntoIterator<Item = AttemptRef<'a>>>(&mut self, attempts: T) {
        for attempt in attempts {
            self.push(attempt);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(tile: u32, player: &str) -> AttemptRef<'_> {
        AttemptRef {
            hunt: HuntNumber::new(1),
            round: RoundNumber::new(1 << 40),
            tile: TileIndex::new(tile),
            player,
        }
    }

    #[test]
    fn attempts_come_back_in_order_with_their_players() {
        let sent = [attempt(3, "ada"), attempt(1, "Ünï"), attempt(2, "🐙")];
        let mut list = AttemptList::new();
        for _ in 0..2 {
            list.clear();
            list.extend(sent);
            assert_eq!(list.iter().collect::<Vec<_>>(), sent);
            let single: Vec<_> = (0..4).map(|index| list.get(index)).collect();
            let tiles: Vec<_> = (0..4).map(|index| list.tile(index)).collect();
            let tile_of = |one: Option<AttemptRef<'_>>| one.map(|a| (a.hunt, a.round, a.tile));
            assert_eq!(
                tiles,
                single.iter().copied().map(tile_of).collect::<Vec<_>>()
            );
            assert_eq!(single[..3], sent.map(Some));
            assert_eq!(single[3], None);
        }
    }

    #[test]
    fn an_attempt_takes_24_bytes_besides_its_id() {
        assert_eq!(size_of::<Entry>(), 24);
    }
}
