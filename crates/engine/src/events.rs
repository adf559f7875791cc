//! Which score events have been taken, so that each is taken once.

use std::collections::VecDeque;

use hashbrown::HashMap;
use huntcore_model::{EventDigest, HuntNumber, Sequence, TimeMicros};

/// The horizon is forgotten in this many steps.
const BUCKETS: u64 = 24;

/// Names a (hunt, player, event id) by the first 16 bytes of its BLAKE3 hash: with 2^40
/// events the chance of any two sharing a key is below 2^-48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EventKey([u8; 16]);

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
}

/// An event that has been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventSeen {
    pub(crate) digest: EventDigest,
    pub(crate) sequence: Sequence,
}

/// The events of the horizon, in buckets by time so that old ones go in one piece.
#[derive(Debug)]
pub(crate) struct Events {
    horizon_ms: u64,
    bucket_ms: u64,
    buckets: VecDeque<Bucket>,
    count: usize,
}

#[derive(Debug)]
struct Bucket {
    starts_at: TimeMicros,
    seen: HashMap<EventKey, EventSeen>,
}

impl Events {
    pub(crate) fn new(horizon_ms: u64) -> Self {
        Self {
            horizon_ms,
            bucket_ms: (horizon_ms / BUCKETS).max(1),
            buckets: VecDeque::new(),
            count: 0,
        }
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn get(&self, key: &EventKey) -> Option<&EventSeen> {
        // Repetitions mostly follow soon: newest bucket first.
        self.buckets
            .iter()
            .rev()
            .find_map(|bucket| bucket.seen.get(key))
    }

    pub(crate) fn insert(&mut self, now: TimeMicros, key: EventKey, seen: EventSeen) {
        // Aligned, so that when an event is forgotten depends on its own time alone.
        let starts_at = TimeMicros::from_millis(now.millis() / self.bucket_ms * self.bucket_ms);
        let fits = |bucket: &Bucket| bucket.starts_at == starts_at;
        if !self.buckets.back().is_some_and(fits) {
            self.buckets.push_back(Bucket {
                starts_at,
                seen: HashMap::new(),
            });
        }
        let bucket = self.buckets.back_mut().expect("just made sure");
        if bucket.seen.insert(key, seen).is_none() {
            self.count += 1;
        }
    }

    /// Forgets buckets that lie wholly before the horizon.
    pub(crate) fn forget(&mut self, now: TimeMicros) {
        let kept_ms = self.bucket_ms.saturating_add(self.horizon_ms);
        while let Some(oldest) = self.buckets.front()
            && oldest.starts_at.plus_millis(kept_ms) <= now
        {
            self.count -= oldest.seen.len();
            self.buckets.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(sequence: u64) -> EventSeen {
        EventSeen {
            digest: EventDigest([0; 16]),
            sequence: Sequence::new(sequence),
        }
    }

    #[test]
    fn an_event_is_remembered_for_the_whole_horizon_and_then_forgotten() {
        let mut events = Events::new(24_000);
        let hunt = HuntNumber::new(0);
        let key = EventKey::new(hunt, "ada", "1");
        events.insert(TimeMicros::from_millis(500), key, seen(1));
        events.insert(
            TimeMicros::from_millis(1_600),
            EventKey::new(hunt, "ada", "2"),
            seen(2),
        );
        events.forget(TimeMicros::from_millis(24_500));
        assert_eq!(events.get(&key), Some(&seen(1)));
        events.forget(TimeMicros::from_millis(25_500));
        assert_eq!(events.get(&key), None);
        assert_eq!(events.count(), 1);
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
