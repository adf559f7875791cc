//! Score events: taken once, by the right shard, and unchanged since.

use std::collections::{HashMap, VecDeque};

use huntcore_model::{EventDigest, EventType, ScoreRecord, Sequence, TimeMicros};

use crate::fault::{Fault, Place};
use crate::report::Report;

/// The horizon is forgotten in this many steps, as arbiters do.
const BUCKETS: u64 = 24;

/// One shard's events of the horizon.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    horizon_ms: u64,
    bucket_ms: u64,
    buckets: VecDeque<Bucket>,
}

#[derive(Clone, Debug)]
struct Bucket {
    starts_at: TimeMicros,
    seen: HashMap<[u8; 16], Sequence>,
}

impl Events {
    pub(crate) fn new(horizon_ms: u64) -> Self {
        Self {
            horizon_ms,
            bucket_ms: (horizon_ms / BUCKETS).max(1),
            buckets: VecDeque::new(),
        }
    }

    /// Judges an event of a hunt called `hunt`, taken at `time`.
    pub(crate) fn take(
        &mut self,
        at: Place,
        time: TimeMicros,
        event: &ScoreRecord<'_>,
        hunt: &str,
        report: &mut Report,
    ) {
        if !has_own_digest(event) {
            report.fault(Fault::EventDiffers {
                at,
                hunt: hunt.to_owned(),
                event_id: event.event_id.to_owned(),
            });
        }
        let key = key(event);
        let known = self.buckets.iter().rev().find_map(|b| b.seen.get(&key));
        if let Some(&first) = known {
            report.fault(Fault::EventTwice {
                at,
                hunt: hunt.to_owned(),
                event_id: event.event_id.to_owned(),
                first: Place::new(at.stream, first),
            });
            return;
        }
        let starts_at = TimeMicros::from_millis(time.millis() / self.bucket_ms * self.bucket_ms);
        if self
            .buckets
            .back()
            .is_none_or(|last| last.starts_at != starts_at)
        {
            self.buckets.push_back(Bucket {
                starts_at,
                seen: HashMap::new(),
            });
        }
        if let Some(bucket) = self.buckets.back_mut() {
            bucket.seen.insert(key, at.sequence);
        }
    }

    /// Forgets what lies wholly before the horizon.
    pub(crate) fn pass(&mut self, time: TimeMicros) {
        let kept_ms = self.bucket_ms.saturating_add(self.horizon_ms);
        while self
            .buckets
            .front()
            .is_some_and(|oldest| oldest.starts_at.plus_millis(kept_ms) <= time)
        {
            self.buckets.pop_front();
        }
    }
}

/// A stream has one number for a player, so the number will do, erased or not.
fn key(event: &ScoreRecord<'_>) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&event.hunt.get().to_le_bytes());
    hasher.update(&event.player.get().to_le_bytes());
    hasher.update(event.event_id.as_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    key
}

fn has_own_digest(event: &ScoreRecord<'_>) -> bool {
    EventType::new(event.event_type).is_ok_and(|event_type| {
        EventDigest::of(&event_type, event.score, event.sent_at, event.payload) == event.digest
    })
}
