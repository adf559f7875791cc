//! A slab: values under keys that are never good for another value.
//!
//! It grows by chunks, so that growing moves nothing, and keeps its chunks: as much memory as
//! the most values ever held took.

/// Values of one chunk.
const CHUNK: usize = 256;

/// Which value, of all that ever were in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    index: u32,
    generation: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Slots<T> {
    chunks: Vec<Box<[Slot<T>]>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl Key {
    /// Its place; at any time that of one value at most.
    pub(super) const fn index(self) -> u32 {
        self.index
    }

    /// As one number, and [`Self::from_number`] back.
    pub(super) const fn number(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the two halves of a number"
    )]
    pub(super) const fn from_number(number: u64) -> Self {
        Self {
            index: number as u32,
            generation: (number >> 32) as u32,
        }
    }
}

impl<T> Slots<T> {
    pub(super) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Makes room for one more value and says under which key it will stand.
    pub(super) fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        if self.free.is_empty() {
            self.grow();
        }
        let index = self.free.pop().expect("there is room now");
        let slot = self.slot_mut(index);
        let key = Key {
            index,
            generation: slot.generation,
        };
        slot.value = Some(make(key));
        key
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slot_at(key.index)?;
        (slot.generation == key.generation).then_some(slot.value.as_mut()?)
    }

    /// The value in that place now, whichever it is.
    pub(super) fn at(&self, index: u32) -> Option<(Key, &T)> {
        let index_in_all = index as usize;
        let slot = &self.chunks.get(index_in_all / CHUNK)?[index_in_all % CHUNK];
        let key = Key {
            index,
            generation: slot.generation,
        };
        Some((key, slot.value.as_ref()?))
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slot_at(key.index)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    /// All keys.
    pub(super) fn keys(&self) -> Vec<Key> {
        let count = u32::try_from(self.chunks.len() * CHUNK).expect("grown within u32");
        (0..count)
            .filter_map(|index| Some(self.at(index)?.0))
            .collect()
    }

    fn grow(&mut self) {
        let first = u32::try_from(self.chunks.len() * CHUNK).expect("fewer sockets than ports");
        let empty = || Slot {
            generation: 0,
            value: None,
        };
        self.chunks
            .push(std::iter::repeat_with(empty).take(CHUNK).collect());
        // The lowest comes first.
        let chunk = u32::try_from(CHUNK).expect("small");
        self.free.extend((first..first + chunk).rev());
    }

    fn slot_at(&mut self, index: u32) -> Option<&mut Slot<T>> {
        let index = index as usize;
        Some(&mut self.chunks.get_mut(index / CHUNK)?[index % CHUNK])
    }

    fn slot_mut(&mut self, index: u32) -> &mut Slot<T> {
        self.slot_at(index).expect("a free place is in a chunk")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_finds_its_value_and_after_that_nothing(
            steps in proptest::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..900),
        ) {
            let mut slots = Slots::new();
            let mut held: HashMap<u64, usize> = HashMap::new();
            let mut all = Vec::new();
            for (number, (inserts, which)) in steps.into_iter().enumerate() {
                if inserts || all.is_empty() {
                    let key = slots.insert_with(|_| number);
                    prop_assert!(held.insert(key.number(), number).is_none(), "a key of its own");
                    all.push(key);
                } else {
                    let key = *which.get(&all);
                    prop_assert_eq!(slots.remove(key), held.remove(&key.number()));
                }
            }
            for key in all {
                prop_assert_eq!(Key::from_number(key.number()), key);
                prop_assert_eq!(slots.get_mut(key).copied(), held.get(&key.number()).copied());
            }
            let mut keys: Vec<u64> = slots.keys().into_iter().map(Key::number).collect();
            let mut expected: Vec<u64> = held.into_keys().collect();
            keys.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(keys, expected);
        }
    }
}
