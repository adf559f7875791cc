//! Which score events have been taken, so that each is taken once.
//!
//! The horizon is kept in buckets by time. Events go into the newest; the others are sealed,
//! shared with whoever writes them down, and dropped whole.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashTable;
use huntcore_model::{EventDigest, HuntNumber, Sequence, TimeMicros};

use crate::chunks::{Chunks, ShownChunks};
use crate::exchange::ClosedOrdinal;

/// The horizon is forgotten in this many steps.
const BUCKETS: u64 = 24;
/// Tables by the key's first byte: each grows by itself, a little at a time.
const TABLES: usize = 256;

/// Names a (hunt, player, event id) by the first 16 bytes of its BLAKE3 hash: with 2^40
/// events the chance of any two sharing a key is below 2^-48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EventKey(pub(crate) [u8; 16]);

impl EventKey {
    pub(crate) fn new(hunt: HuntNumber, player: &str, event_id: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&hunt.get().to_le_bytes());
        hasher.update(&(player.len() as u64).to_le_bytes());
        hasher.update(player.as_bytes());
        hasher.update(event_id.as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(key)
    }

    fn table(&self) -> usize {
        usize::from(self.0[15])
    }

    fn hash(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

/// An event that has been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventSeen {
    pub(crate) digest: EventDigest,
    pub(crate) sequence: Sequence,
}

/// An event with its name: 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventFact {
    pub(crate) key: EventKey,
    pub(crate) seen: EventSeen,
}

/// The events of the horizon.
#[derive(Debug)]
pub(crate) struct Events {
    horizon_ms: u64,
    bucket_ms: u64,
    open: Option<Bucket>,
    // Oldest first, which is the order of their ordinals.
    sealed: VecDeque<Arc<SealedBucket>>,
    count: usize,
}

/// The events of a stretch of time.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) starts_at: TimeMicros,
    // Its own, because the horizon may be set otherwise later.
    pub(crate) ends_at: TimeMicros,
    facts: Chunks<EventFact>,
    // The places of facts.
    tables: Box<[HashTable<u32>]>,
}

/// A stretch of time that has passed.
#[derive(Debug)]
pub(crate) struct SealedBucket {
    pub(crate) ordinal: ClosedOrdinal,
    pub(crate) bucket: Bucket,
}

/// The newest bucket as it was when it was shown.
#[derive(Debug)]
pub(crate) struct ShownBucket {
    pub(crate) starts_at: TimeMicros,
    pub(crate) ends_at: TimeMicros,
    pub(crate) facts: ShownChunks<EventFact>,
}

impl Events {
    pub(crate) fn new(horizon_ms: u64) -> Self {
        Self {
            horizon_ms,
            bucket_ms: (horizon_ms / BUCKETS).max(1),
            open: None,
            sealed: VecDeque::new(),
            count: 0,
        }
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn get(&self, key: &EventKey) -> Option<EventSeen> {
        // Repetitions mostly follow soon: newest bucket first.
        let sealed = self.sealed.iter().rev().map(|sealed| &sealed.bucket);
        self.open
            .iter()
            .chain(sealed)
            .find_map(|bucket| bucket.get(key))
    }

    /// Notes an event that is not known. `closed_next` is the ordinal for the bucket before,
    /// if it is sealed by that, and is moved on then.
    pub(crate) fn insert(
        &mut self,
        now: TimeMicros,
        fact: EventFact,
        closed_next: &mut ClosedOrdinal,
    ) {
        // Aligned, so that when an event is forgotten depends on its own time alone.
        let starts_at = TimeMicros::from_millis(now.millis() / self.bucket_ms * self.bucket_ms);
        if self.open.as_ref().is_some_and(|open| open.ends_at <= now)
            && let Some(bucket) = self.open.take()
        {
            let ordinal = *closed_next;
            self.sealed
                .push_back(Arc::new(SealedBucket { ordinal, bucket }));
            *closed_next = ordinal.next();
        }
        let ends_at = starts_at.plus_millis(self.bucket_ms);
        let open = self
            .open
            .get_or_insert_with(|| Bucket::new(starts_at, ends_at));
        open.push(fact);
        self.count += 1;
    }

    /// Forgets buckets that lie wholly before the horizon.
    pub(crate) fn forget(&mut self, now: TimeMicros) {
        let horizon_ms = self.horizon_ms;
        let is_past = |bucket: &Bucket| bucket.ends_at.plus_millis(horizon_ms) <= now;
        while let Some(oldest) = self.sealed.front()
            && is_past(&oldest.bucket)
        {
            self.count -= oldest.bucket.facts.len();
            self.sealed.pop_front();
        }
        if let Some(open) = &self.open
            && is_past(open)
        {
            self.count -= open.facts.len();
            self.open = None;
        }
    }

    /// The newest bucket, for as long as somebody wants it.
    pub(crate) fn show(&mut self) -> Option<ShownBucket> {
        self.open.as_mut().map(|open| ShownBucket {
            starts_at: open.starts_at,
            ends_at: open.ends_at,
            facts: open.facts.show(),
        })
    }

    /// The buckets that were sealed at `since` or later.
    pub(crate) fn since(&self, since: ClosedOrdinal) -> impl Iterator<Item = &Arc<SealedBucket>> {
        self.sealed
            .iter()
            .filter(move |bucket| bucket.ordinal >= since)
    }

    /// The newest sealed bucket's ordinal, if there is one.
    pub(crate) fn newest_sealed(&self) -> Option<ClosedOrdinal> {
        self.sealed.back().map(|newest| newest.ordinal)
    }

    /// The oldest sealed bucket's ordinal, if there is one, and how many there are.
    pub(crate) fn extent(&self) -> (Option<ClosedOrdinal>, usize) {
        (
            self.sealed.front().map(|oldest| oldest.ordinal),
            self.sealed.len(),
        )
    }

    /// Takes over a sealed bucket, the oldest ones first.
    pub(crate) fn keep(&mut self, ordinal: ClosedOrdinal, bucket: Bucket) {
        self.count += bucket.facts.len();
        self.sealed
            .push_back(Arc::new(SealedBucket { ordinal, bucket }));
    }

    /// Takes over the newest bucket.
    pub(crate) fn keep_open(&mut self, bucket: Bucket) {
        self.count += bucket.facts.len();
        self.open = Some(bucket);
    }
}

impl Bucket {
    pub(crate) fn new(starts_at: TimeMicros, ends_at: TimeMicros) -> Self {
        Self {
            starts_at,
            ends_at,
            facts: Chunks::default(),
            tables: (0..TABLES).map(|_| HashTable::new()).collect(),
        }
    }

    pub(crate) fn facts(&self) -> impl Iterator<Item = &EventFact> {
        self.facts.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.facts.len()
    }

    pub(crate) fn get(&self, key: &EventKey) -> Option<EventSeen> {
        let found = self.tables[key.table()].find(key.hash(), |&place| {
            self.fact(place).is_some_and(|fact| fact.key == *key)
        });
        found
            .and_then(|&place| self.fact(place))
            .map(|fact| fact.seen)
    }

    pub(crate) fn push(&mut self, fact: EventFact) {
        let place = u32::try_from(self.facts.len()).expect("limited to fewer than 2^32 events");
        self.facts.push(fact);
        let facts = &self.facts;
        let hash_of = |&place: &u32| facts.get(place as usize).map_or(0, |fact| fact.key.hash());
        self.tables[fact.key.table()].insert_unique(fact.key.hash(), place, hash_of);
    }

    fn fact(&self, place: u32) -> Option<&EventFact> {
        self.facts.get(place as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(event_id: &str, sequence: u64) -> EventFact {
        EventFact {
            key: EventKey::new(HuntNumber::new(0), "ada", event_id),
            seen: EventSeen {
                digest: EventDigest([0; 16]),
                sequence: Sequence::new(sequence),
            },
        }
    }

    #[test]
    fn an_event_is_remembered_for_the_whole_horizon_and_then_forgotten() {
        let mut events = Events::new(24_000);
        let mut closed_next = ClosedOrdinal::ZERO;
        let (first, second) = (fact("1", 1), fact("2", 2));
        events.insert(TimeMicros::from_millis(500), first, &mut closed_next);
        events.insert(TimeMicros::from_millis(1_600), second, &mut closed_next);
        assert_eq!(closed_next, ClosedOrdinal::new(1));
        events.forget(TimeMicros::from_millis(24_500));
        assert_eq!(events.get(&first.key), Some(first.seen));
        events.forget(TimeMicros::from_millis(25_500));
        assert_eq!(events.get(&first.key), None);
        assert_eq!(
            (events.count(), events.get(&second.key)),
            (1, Some(second.seen))
        );
        events.forget(TimeMicros::from_millis(26_000));
        assert_eq!(events.count(), 0);
    }

    #[test]
    fn many_events_of_one_bucket_are_all_found() {
        let mut events = Events::new(24_000);
        let mut closed_next = ClosedOrdinal::ZERO;
        for number in 0..20_000 {
            let fact = fact(&number.to_string(), number);
            assert_eq!(events.get(&fact.key), None);
            events.insert(TimeMicros::from_millis(1), fact, &mut closed_next);
        }
        for number in 0..20_000 {
            let fact = fact(&number.to_string(), number);
            assert_eq!(events.get(&fact.key), Some(fact.seen));
        }
        assert_eq!(closed_next, ClosedOrdinal::ZERO);
    }

    #[test]
    fn the_key_tells_player_and_event_id_apart() {
        let hunt = HuntNumber::new(0);
        assert_ne!(
            EventKey::new(hunt, "ab", "c"),
            EventKey::new(hunt, "a", "bc")
        );
    }
}
