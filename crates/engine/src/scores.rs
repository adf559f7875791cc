//! Taking score events.

use huntcore_model::{Record, ScoreRecord, Sequence};

use crate::arbiter::Arbiter;
use crate::events::{EventFact, EventKey, EventSeen};
use crate::exchange::{Decided, EventRef, EventVerdict};

impl Arbiter {
    /// Takes a score event, once for each (hunt, player, event id) within the horizon.
    pub fn score_event(&mut self, event: &EventRef<'_>) -> Decided<EventVerdict> {
        let told_at_once = |answer| Decided {
            answer,
            needs: Sequence::ZERO,
        };
        let Some(hunt) = self.catalog.by_number(event.hunt) else {
            return told_at_once(EventVerdict::UnknownHunt);
        };
        // Outside a hunt's time its shards do not tell each other that time passes, so no
        // window with such an event in it would ever be final.
        let begun = hunt.starts_at <= self.now;
        let over = hunt.closed_at.is_some() || hunt.ends_at.is_some_and(|end| end <= self.now);
        let key = EventKey::new(event.hunt, event.player, event.event_id);
        if let Some(seen) = self.events.get(&key) {
            let answer = if seen.digest == event.digest {
                EventVerdict::Duplicate(seen.sequence)
            } else {
                EventVerdict::Conflict(seen.sequence)
            };
            return Decided {
                answer,
                needs: seen.sequence.advanced(1),
            };
        }
        if over {
            return told_at_once(EventVerdict::HuntClosed);
        }
        if !begun {
            return told_at_once(EventVerdict::HuntNotBegun);
        }
        if self.storage_full {
            return told_at_once(EventVerdict::StorageFull);
        }
        if self.is_full() || self.events.count() >= self.limits.events_max {
            return told_at_once(EventVerdict::Overloaded);
        }
        let Some(player) = self.number_of(event.player) else {
            return told_at_once(EventVerdict::Overloaded);
        };
        let sequence = self.next_sequence();
        self.batch.push(&Record::Score(ScoreRecord {
            hunt: event.hunt,
            player,
            event_id: event.event_id,
            event_type: event.event_type,
            score: event.score,
            sent_at: event.sent_at,
            payload: event.payload,
            digest: event.digest,
        }));
        let seen = EventSeen {
            digest: event.digest,
            sequence,
        };
        self.note_event(EventFact { key, seen });
        Decided {
            answer: EventVerdict::Accepted(sequence),
            needs: sequence.advanced(1),
        }
    }

    pub(crate) fn note_event(&mut self, fact: EventFact) {
        self.events.insert(self.now, fact, &mut self.closed_next);
    }
}
