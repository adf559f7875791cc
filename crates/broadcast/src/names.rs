//! Who a stream's player numbers stand for: texts end to end in shared chunks.
//!
//! Claims name players by number; an id is looked up only when a text is made. A clone
//! shares all chunks, so a frame that waits for its first reader keeps one at no cost.

use std::sync::Arc;

use huntcore_model::{PlayerId, PlayerNumber, PlayerRecord, ShardId};

use crate::text::json_bytes_max;

// A chunk's text stays below 64 KiB, whatever the ids.
const CHUNK_NAMES: usize = 256;
const _: () = assert!(CHUNK_NAMES * PlayerId::BYTES_MAX <= u16::MAX as usize);

/// One stream's players by number. Two bytes each beyond the id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    full: Arc<Vec<Arc<Chunk>>>,
    last: Arc<Chunk>,
}

/// All streams' players, as of one tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roster {
    streams: Arc<Vec<Names>>,
}

#[derive(Clone, Debug, Default)]
struct Chunk {
    text: String,
    // Of each id the end in the text. No id is empty, so erased ones are.
    ends: Vec<u16>,
}

impl Names {
    /// How many numbers have been given out.
    pub(crate) fn len(&self) -> usize {
        self.full.len() * CHUNK_NAMES + self.last.ends.len()
    }

    /// Takes note of a player's number; a number keeps the player it was first given to.
    pub(crate) fn meet(&mut self, record: &PlayerRecord<'_>) -> bool {
        // No arbiter gives numbers out of turn; a forged one must not cost memory.
        let is_next = record.number.get() as usize == self.len();
        if is_next {
            let id = record.id.filter(|id| id.len() <= PlayerId::BYTES_MAX);
            self.push(id);
        }
        is_next
    }

    /// Gives out the next number; without an id to a player who was erased.
    pub(crate) fn push(&mut self, id: Option<&str>) {
        let last = Arc::make_mut(&mut self.last);
        last.text.push_str(id.unwrap_or_default());
        let end = u16::try_from(last.text.len()).expect("ids have a limit");
        last.ends.push(end);
        if last.ends.len() == CHUNK_NAMES {
            last.text.shrink_to_fit();
            Arc::make_mut(&mut self.full).push(std::mem::take(&mut self.last));
        }
    }

    /// Who a number stands for; `None` if it was not given out, or the player was erased.
    pub(crate) fn get(&self, number: PlayerNumber) -> Option<&str> {
        let number = number.get() as usize;
        let chunk = self
            .full
            .get(number / CHUNK_NAMES)
            .or_else(|| (number / CHUNK_NAMES == self.full.len()).then_some(&self.last))?;
        let slot = number % CHUNK_NAMES;
        let end = usize::from(*chunk.ends.get(slot)?);
        let start = match slot.checked_sub(1) {
            None => 0,
            Some(before) => usize::from(chunk.ends[before]),
        };
        let id = &chunk.text[start..end];
        (!id.is_empty()).then_some(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        let len = u32::try_from(self.len()).expect("numbers have 32 bits");
        (0..len).map(|number| self.get(PlayerNumber::new(number)))
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let chunk_bytes = |chunk: &Arc<Chunk>| {
            size_of::<Chunk>()
                + chunk.text.capacity()
                + chunk.ends.capacity() * size_of::<u16>()
                + size_of::<usize>()
        };
        self.full.iter().map(chunk_bytes).sum::<usize>() + chunk_bytes(&self.last)
    }
}

impl Roster {
    pub(crate) fn new(streams: &[Names]) -> Self {
        Self {
            streams: Arc::new(streams.to_vec()),
        }
    }

    fn name(&self, shard: ShardId, player: PlayerNumber) -> Option<&str> {
        let names = self.streams.get(usize::from(shard.get()))?;
        names.get(player)
    }

    /// Who has that number on that stream; `None` once that player was erased.
    pub(crate) fn player(&self, shard: ShardId, player: PlayerNumber) -> Option<PlayerId> {
        PlayerId::new(self.name(shard, player)?).ok()
    }

    /// How long the player is in JSON, at most.
    pub(crate) fn json_bytes_max(&self, shard: ShardId, player: PlayerNumber) -> usize {
        self.name(shard, player)
            .map_or("null".len(), json_bytes_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> Option<String> {
        (number % 7 != 3)
            .then(|| "ü".repeat(number as usize % 33).replace("üüü", "\n x"))
            .filter(|id| !id.is_empty())
    }

    #[test]
    fn every_number_keeps_its_name() {
        let mut names = Names::default();
        let mut clones = Vec::new();
        for number in 0..2_000 {
            assert_eq!(names.len(), number as usize);
            names.push(id(number).as_deref());
            if number % 300 == 0 {
                clones.push(names.clone());
            }
        }
        for names in clones.iter().chain([&names]) {
            for (number, found) in (0..).zip(names.iter()) {
                assert_eq!(found, id(number).as_deref());
            }
            let next = u32::try_from(names.len()).expect("few");
            assert_eq!(names.get(PlayerNumber::new(next)), None);
        }
        assert_eq!(names.get(PlayerNumber::new(u32::MAX)), None);
    }

    #[test]
    fn a_number_out_of_turn_is_not_taken() {
        let record = |number, id| PlayerRecord {
            number: PlayerNumber::new(number),
            fingerprint: [0; 32],
            id: Some(id),
        };
        let mut names = Names::default();
        assert!(names.meet(&record(0, "ada")));
        assert!(!names.meet(&record(0, "bob")));
        assert!(!names.meet(&record(u32::MAX, "eve")));
        assert_eq!(names.len(), 1);
        assert_eq!(names.get(PlayerNumber::new(0)), Some("ada"));
    }
}
