//! A shard's numbers for players: each id gets the next number the first time it matters.

use std::sync::Arc;

use hashbrown::HashTable;
use huntcore_model::{PlayerId, PlayerNumber};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::chunks::{CHUNK_ITEMS, Last};

/// Tables by the first bits of the hash: each grows by itself, so that no growth moves more
/// than a few 10,000 entries at a time.
const TABLES: usize = 256;

/// Ids by number and numbers by id, the ids end to end in chunks.
#[derive(Debug)]
pub(crate) struct Players {
    tables: Box<[HashTable<Entry>]>,
    full: Vec<Arc<IdChunk>>,
    // Fewer than a full chunk's.
    last: Last<IdChunk>,
    // Players choose their ids: a known hash would let them choose collisions.
    hash_seed: u64,
}

/// A number with enough of its id's hash that a growing table need not look at ids.
#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u32,
    number: u32,
}

impl Entry {
    fn hash(&self) -> u64 {
        spread(self.tag)
    }
}

/// The ids of players with consecutive numbers; an erased player's is empty.
#[derive(Clone, Debug)]
pub(crate) struct IdChunk {
    // Where each id starts in `ids`, and where the last one ends.
    starts: Vec<u32>,
    ids: Vec<u8>,
}

/// All ids as they were when they were shown.
#[derive(Debug)]
pub(crate) struct ShownPlayers {
    full: Vec<Arc<IdChunk>>,
    last: Arc<IdChunk>,
}

impl Players {
    pub(crate) fn new(hash_seed: u64) -> Self {
        Self {
            tables: (0..TABLES).map(|_| HashTable::new()).collect(),
            full: Vec::new(),
            last: Last::default(),
            hash_seed,
        }
    }

    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.full.len() * CHUNK_ITEMS + self.last.get().len()
    }

    #[inline]
    pub(crate) fn hash(&self, id: &str) -> u64 {
        xxh3_64_with_seed(id.as_bytes(), self.hash_seed)
    }

    pub(crate) fn find(&self, id: &str) -> Option<PlayerNumber> {
        self.find_hashed(self.hash(id), id)
    }

    #[inline]
    pub(crate) fn find_hashed(&self, hash: u64, id: &str) -> Option<PlayerNumber> {
        let tag = tag(hash);
        let found = self.tables[table(hash)].find(spread(tag), |entry| {
            entry.tag == tag && self.id(entry.number) == id.as_bytes()
        });
        found.map(|entry| PlayerNumber::new(entry.number))
    }

    /// Whether `number` is that id's.
    #[inline]
    pub(crate) fn is(&self, number: PlayerNumber, id: &str) -> bool {
        self.id(number.get()) == id.as_bytes()
    }

    /// Gives the next number to an id that has none, or to an erased player (`None`).
    pub(crate) fn insert(&mut self, id: Option<&str>) -> PlayerNumber {
        let number = self.append(id);
        if let Some(id) = id {
            let hash = self.hash(id);
            let tag = tag(hash);
            let entry = Entry {
                tag,
                number: number.get(),
            };
            self.tables[table(hash)].insert_unique(spread(tag), entry, Entry::hash);
        }
        number
    }

    /// The same without being able to find it by its id: call [`Self::index`] after the last.
    pub(crate) fn append(&mut self, id: Option<&str>) -> PlayerNumber {
        let number = u32::try_from(self.count()).expect("limited to fewer than 2^32 players");
        let bytes = id.map_or(&[][..], str::as_bytes);
        debug_assert!(bytes.len() <= PlayerId::BYTES_MAX);
        let last = self.last.get_mut();
        last.push(bytes);
        if last.len() == CHUNK_ITEMS {
            let mut full = std::mem::take(last);
            full.ids.shrink_to_fit();
            self.full.push(Arc::new(full));
        }
        PlayerNumber::new(number)
    }

    /// Takes over the ids of the next numbers, at most a chunk of them, whose lengths and bytes
    /// these are; `false` if they are no ids, and then nothing has changed. They are not found
    /// yet: call [`Self::index`] after the last.
    pub(crate) fn append_all(&mut self, lengths: &[u8], ids: Vec<u8>) -> bool {
        let mut starts = Vec::with_capacity(CHUNK_ITEMS + 1);
        starts.push(0);
        let mut end = 0;
        for &length in lengths {
            end += u32::from(length);
            starts.push(end);
        }
        let is_fresh = self.last.get().len() == 0 && lengths.len() <= CHUNK_ITEMS;
        let text = std::str::from_utf8(&ids).unwrap_or_default();
        let is_text = text.len() == end as usize && text.len() == ids.len();
        let longest = lengths.iter().max().copied().unwrap_or(0);
        let is_text = is_text && usize::from(longest) <= PlayerId::BYTES_MAX;
        let whole = starts
            .iter()
            .all(|&start| text.is_char_boundary(start as usize));
        if !is_fresh || !is_text || !whole {
            return false;
        }
        let chunk = IdChunk { starts, ids };
        if chunk.len() == CHUNK_ITEMS {
            self.full.push(Arc::new(chunk));
        } else {
            self.last = Last::Own(chunk);
        }
        true
    }

    /// Makes all ids be found: one table after another, so that each stays in the cache while
    /// it is filled.
    pub(crate) fn index(&mut self) {
        let mut entries: Vec<Vec<Entry>> = (0..TABLES).map(|_| Vec::new()).collect();
        let last = self.last.get();
        let chunks = self.full.iter().map(AsRef::as_ref).chain([last]);
        let ids = chunks.flat_map(|chunk| (0..chunk.len()).map(|index| chunk.id(index)));
        for (number, id) in (0..).zip(ids).filter(|(_, id)| !id.is_empty()) {
            let hash = xxh3_64_with_seed(id, self.hash_seed);
            let tag = tag(hash);
            entries[table(hash)].push(Entry { tag, number });
        }
        for (table, entries) in self.tables.iter_mut().zip(entries) {
            *table = HashTable::with_capacity(entries.len());
            for entry in entries {
                table.insert_unique(entry.hash(), entry, Entry::hash);
            }
        }
    }

    /// The id that has `number`; `None` if none has it or the player was erased.
    pub(crate) fn text(&self, number: PlayerNumber) -> Option<&str> {
        if number.get() as usize >= self.count() {
            return None;
        }
        std::str::from_utf8(self.id(number.get()))
            .ok()
            .filter(|id| !id.is_empty())
    }

    /// All ids, for as long as somebody wants them.
    pub(crate) fn show(&mut self) -> ShownPlayers {
        ShownPlayers {
            full: self.full.clone(),
            last: self.last.show(),
        }
    }

    #[inline]
    fn id(&self, number: u32) -> &[u8] {
        let index = number as usize;
        let chunk = match self.full.get(index / CHUNK_ITEMS) {
            Some(chunk) => chunk,
            None => self.last.get(),
        };
        chunk.id(index % CHUNK_ITEMS)
    }
}

impl IdChunk {
    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn push(&mut self, id: &[u8]) {
        self.ids.extend_from_slice(id);
        let end = u32::try_from(self.ids.len()).expect("a chunk's ids are short");
        self.starts.push(end);
    }

    /// How long each id is; an erased player's has no bytes.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = u8> {
        let ends = self.starts.iter().skip(1);
        let lengths = std::iter::zip(&self.starts, ends).map(|(start, end)| end - start);
        lengths.map(|length| u8::try_from(length).expect("ids are short"))
    }

    /// The ids end to end.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.ids
    }

    #[inline]
    fn id(&self, index: usize) -> &[u8] {
        &self.ids[self.starts[index] as usize..self.starts[index + 1] as usize]
    }
}

impl Default for IdChunk {
    fn default() -> Self {
        let mut starts = Vec::with_capacity(CHUNK_ITEMS + 1);
        starts.push(0);
        Self {
            starts,
            ids: Vec::new(),
        }
    }
}

impl ShownPlayers {
    pub(crate) fn count(&self) -> usize {
        self.full.len() * CHUNK_ITEMS + self.last.len()
    }

    /// All ids in the order of numbers, in full chunks but for the last.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = &IdChunk> {
        let chunks = self.full.iter().chain([&self.last]);
        chunks.map(AsRef::as_ref)
    }
}

fn table(hash: u64) -> usize {
    usize::from(hash.to_be_bytes()[0])
}

fn tag(hash: u64) -> u32 {
    let [a, b, c, d, ..] = hash.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// A table looks at the lowest and the highest bits of a hash: gives it both from a tag.
fn spread(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_its_number() {
        let mut players = Players::new(7);
        let erased = 5_000;
        for index in 0..10_000_u32 {
            let id = format!("player {index}");
            assert_eq!(players.find(&id), None);
            let known = (index != erased).then_some(id.as_str());
            assert_eq!(players.insert(known), PlayerNumber::new(index));
        }
        let shown = players.show();
        let mut again = Players::new(8);
        for chunk in shown.chunks() {
            let lengths: Vec<u8> = chunk.lengths().collect();
            assert!(again.append_all(&lengths, chunk.bytes().to_vec()));
        }
        again.index();
        players.insert(Some("later"));
        for index in (0..10_000_u32).filter(|&index| index != erased) {
            let id = format!("player {index}");
            let number = PlayerNumber::new(index);
            assert_eq!(players.find(&id), Some(number));
            assert_eq!(again.find(&id), Some(number));
            assert_eq!(players.text(number), Some(id.as_str()));
            assert!(players.is(number, &id) && !players.is(number, "player"));
        }
        assert_eq!(players.text(PlayerNumber::new(erased)), None);
        assert_eq!((players.find(""), again.find("")), (None, None));
        assert_eq!(again.insert(Some("later")), PlayerNumber::new(10_000));
        assert_eq!(players.text(PlayerNumber::new(10_001)), None);
        let ids = shown
            .chunks()
            .flat_map(|chunk| (0..chunk.len()).map(|index| chunk.id(index)));
        let ids: Vec<_> = ids.collect();
        assert_eq!((ids.len(), shown.count()), (10_000, 10_000));
        assert_eq!(ids[9_999], b"player 9999");
        assert!(ids[erased as usize].is_empty());
    }

    #[test]
    fn bytes_that_are_no_ids_are_not_taken_over() {
        let mut players = Players::new(7);
        let refused: [(&[u8], &[u8]); 4] = [
            (&[3, 2], b"adabob"),
            (&[3, 4], b"adabob"),
            (&[2], &[0xff, 0xfe]),
            // Cut within a character.
            (&[1, 1], "é".as_bytes()),
        ];
        for (lengths, ids) in refused {
            assert!(!players.append_all(lengths, ids.to_vec()), "{lengths:?}");
            assert_eq!(players.count(), 0);
        }
        assert!(players.append_all(&[3, 0, 2], "adaé".as_bytes().to_vec()));
        assert!(
            !players.append_all(&[1], b"x".to_vec()),
            "behind a chunk that is not full"
        );
        players.index();
        assert_eq!(players.find("é"), Some(PlayerNumber::new(2)));
        assert_eq!(
            (players.count(), players.text(PlayerNumber::new(1))),
            (3, None)
        );
    }
}
