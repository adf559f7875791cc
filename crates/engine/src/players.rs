//! A shard's numbers for players: each id gets the next number the first time it matters.

use hashbrown::HashTable;
use huntcore_model::{PlayerId, PlayerNumber};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Ids by number and numbers by id, the ids end to end in one buffer.
#[derive(Debug)]
pub(crate) struct Players {
    numbers: HashTable<u32>,
    // Where each id ends in `ids`; it starts where the one before ends.
    ends: Vec<u64>,
    ids: Vec<u8>,
    // Players choose their ids: a known hash would let them choose collisions.
    hash_seed: u64,
}

impl Players {
    pub(crate) const fn new(hash_seed: u64) -> Self {
        Self {
            numbers: HashTable::new(),
            ends: Vec::new(),
            ids: Vec::new(),
            hash_seed,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn find(&self, id: &str) -> Option<PlayerNumber> {
        let hash = xxh3_64_with_seed(id.as_bytes(), self.hash_seed);
        let found = self
            .numbers
            .find(hash, |&number| self.id(number) == id.as_bytes());
        found.copied().map(PlayerNumber::new)
    }

    /// Gives the next number to an id that has none, or to an erased player (`None`).
    pub(crate) fn insert(&mut self, id: Option<&str>) -> PlayerNumber {
        let number = u32::try_from(self.ends.len()).expect("limited to fewer than 2^32 players");
        let bytes = id.map_or(&[][..], str::as_bytes);
        debug_assert!(bytes.len() <= PlayerId::BYTES_MAX);
        self.ids.extend_from_slice(bytes);
        self.ends.push(self.ids.len() as u64);
        if id.is_some() {
            let hash = xxh3_64_with_seed(bytes, self.hash_seed);
            let Self {
                numbers,
                ends,
                ids,
                hash_seed,
            } = self;
            numbers.insert_unique(hash, number, |&other| {
                xxh3_64_with_seed(slice(ends, ids, other), *hash_seed)
            });
        }
        PlayerNumber::new(number)
    }

    /// The id that has `number`; `None` if none has it or the player was erased.
    pub(crate) fn text(&self, number: PlayerNumber) -> Option<&str> {
        if number.get() as usize >= self.ends.len() {
            return None;
        }
        std::str::from_utf8(self.id(number.get()))
            .ok()
            .filter(|id| !id.is_empty())
    }

    fn id(&self, number: u32) -> &[u8] {
        slice(&self.ends, &self.ids, number)
    }
}

fn slice<'a>(ends: &[u64], ids: &'a [u8], number: u32) -> &'a [u8] {
    let index = number as usize;
    let start = index.checked_sub(1).map_or(0, |before| ends[before]);
    let range = usize::try_from(start).expect("in memory")
        ..usize::try_from(ends[index]).expect("in memory");
    &ids[range]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_its_number() {
        let mut players = Players::new(7);
        for index in 0..1_000_u32 {
            let id = format!("player {index}");
            assert_eq!(players.find(&id), None);
            assert_eq!(players.insert(Some(&id)), PlayerNumber::new(index));
        }
        players.insert(None);
        for index in 0..1_000_u32 {
            assert_eq!(
                players.find(&format!("player {index}")),
                Some(PlayerNumber::new(index))
            );
        }
        assert_eq!(players.find(""), None);
    }
}
