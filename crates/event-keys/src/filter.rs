//! A run's filter: says of a key that it is not there, or that it may be.
//!
//! A Bloom filter of 16 bits an event, which is wrong about one absent key in a thousand. It is
//! written down with its run; that the library still finds in it what an earlier version put
//! there is checked when a run is opened.

use std::hash::{BuildHasherDefault, DefaultHasher};

use fastbloom::BloomFilter;
use huntcore_engine::EventKey;

/// Words of 64 bits for so many events.
pub(crate) const fn words_of(events: u64) -> u64 {
    const EVENTS_PER_WORD: u64 = 4;
    // A filter of no bits cannot be.
    if events == 0 {
        1
    } else {
        events.div_ceil(EVENTS_PER_WORD)
    }
}

/// Fewer bits for each event than would be wrong least often: what is not there is mostly found
/// out by the first.
const HASHES: u32 = 6;

pub(crate) struct Filter(BloomFilter<BuildHasherDefault<DefaultHasher>>);

impl Filter {
    pub(crate) fn new(events: u64) -> Self {
        let words = usize::try_from(words_of(events)).expect("it fits the memory");
        Self::from_words(vec![0; words])
    }

    pub(crate) fn from_words(words: Vec<u64>) -> Self {
        let filter = BloomFilter::from_vec(words);
        // Keys are hashes: none is ever hashed again.
        Self(filter.hasher(BuildHasherDefault::default()).hashes(HASHES))
    }

    pub(crate) fn words(&self) -> &[u64] {
        self.0.as_slice()
    }

    pub(crate) fn insert(&mut self, key: &EventKey) {
        self.0.insert_hash(hash(key));
    }

    #[inline]
    pub(crate) fn may_have(&self, key: &EventKey) -> bool {
        self.0.contains_hash(hash(key))
    }

    pub(crate) fn has_prefix(&self, prefix: u64) -> bool {
        self.0.contains_hash(spread(prefix))
    }
}

fn hash(key: &EventKey) -> u64 {
    spread(key.prefix())
}

/// The library takes the place of the first bit from the upper half of a hash alone.
const fn spread(prefix: u64) -> u64 {
    prefix.rotate_left(32)
}

#[cfg(test)]
mod tests {
    use huntcore_model::HuntNumber;

    use super::*;

    #[test]
    fn every_event_is_found_and_few_others_are() {
        let key = |number: u32| EventKey::new(HuntNumber::new(0), "ada", &number.to_string());
        let mut filter = Filter::new(50_000);
        (0..50_000).for_each(|number| filter.insert(&key(number)));
        let again = Filter::from_words(filter.words().to_vec());
        assert!((0..50_000).all(|number| again.may_have(&key(number))));
        assert!((0..50_000).all(|number| again.has_prefix(key(number).prefix())));
        let wrong = (50_000..150_000).filter(|&number| again.may_have(&key(number)));
        let wrong = wrong.count();
        assert!(wrong < 200, "{wrong} of 100,000");
    }
}
