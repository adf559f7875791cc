//! Score events: taken once, by the right shard, and unchanged since.

use std::collections::VecDeque;

use hashbrown::HashTable;
use huntcore_model::{EventDigest, EventType, ScoreRecord, Sequence, TimeMicros};

use crate::fault::{Fault, Place};
use crate::report::Report;

/// The horizon is forgotten in this many steps, as arbiters do.
const STEPS: u64 = 24;

/// One shard's events of the horizon.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    horizon_ms: u64,
    step_ms: u64,
    seen: HashTable<Seen>,
    /// Where each step begins, oldest first.
    steps: VecDeque<Step>,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    starts_at: TimeMicros,
    first: Sequence,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    key: [u8; 16],
    at: Sequence,
}

impl Events {
    pub(crate) fn new(horizon_ms: u64) -> Self {
        Self {
            horizon_ms,
            step_ms: (horizon_ms / STEPS).max(1),
            seen: HashTable::new(),
            steps: VecDeque::new(),
        }
    }

    /// Judges an event of a hunt that `hunt` names, taken at `time`.
    pub(crate) fn take(
        &mut self,
        at: Place,
        time: TimeMicros,
        event: &ScoreRecord<'_>,
        hunt: impl Fn() -> String,
        report: &mut Report,
    ) {
        if !has_own_digest(event) {
            report.fault(Fault::EventDiffers {
                at,
                hunt: hunt(),
                event_id: event.event_id.to_owned(),
            });
        }
        let key = key(event);
        if let Some(known) = self.seen.find(place_of(&key), |seen| seen.key == key) {
            report.fault(Fault::EventTwice {
                at,
                hunt: hunt(),
                event_id: event.event_id.to_owned(),
                first: Place::new(at.stream, known.at),
            });
            return;
        }
        let starts_at = TimeMicros::from_millis(time.millis() / self.step_ms * self.step_ms);
        if self
            .steps
            .back()
            .is_none_or(|last| last.starts_at != starts_at)
        {
            let first = at.sequence;
            self.steps.push_back(Step { starts_at, first });
        }
        let seen = Seen {
            key,
            at: at.sequence,
        };
        self.seen
            .insert_unique(place_of(&key), seen, |seen| place_of(&seen.key));
    }

    /// Forgets what lies wholly before the horizon.
    pub(crate) fn pass(&mut self, time: TimeMicros) {
        let kept_ms = self.step_ms.saturating_add(self.horizon_ms);
        let is_over = |step: &Step| step.starts_at.plus_millis(kept_ms) <= time;
        if !self.steps.front().is_some_and(is_over) {
            return;
        }
        while self.steps.front().is_some_and(is_over) {
            self.steps.pop_front();
        }
        match self.steps.front() {
            Some(oldest) => {
                let first = oldest.first;
                self.seen.retain(|seen| seen.at >= first);
            }
            None => self.seen.clear(),
        }
        self.seen
            .shrink_to(self.seen.len() * 2, |seen| place_of(&seen.key));
    }
}

/// Keys are hashes already.
fn place_of(key: &[u8; 16]) -> u64 {
    u64::from_le_bytes([
        key[0], key[1], key[2], key[3], key[4], key[5], key[6], key[7],
    ])
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
