//! Taking score events.

use std::sync::Arc;

use huntcore_model::{Batch, Record, ScoreRecord, Sequence, TimeMicros};

use crate::arbiter::Arbiter;
use crate::events::{EventSpan, SealedEvents};
use crate::exchange::{ClosedOrdinal, Decided, EventRef, EventVerdict};
use crate::fold::ApplyError;
use crate::identity::{Coverage, EventFact, EventKey, EventSeen, LookAgain, Looked};

/// Clocks of senders may be ahead by so much.
pub const AHEAD_MS_MAX: u64 = 5 * 60 * 1_000;

impl Arbiter {
    /// Takes a score event, once for each (hunt, player, event id) within the horizon.
    ///
    /// `looked` is what was found of it outside. [`LookAgain`] changes nothing.
    pub fn score_event(
        &mut self,
        event: &EventRef<'_>,
        looked: &Looked,
    ) -> Result<Decided<EventVerdict>, LookAgain> {
        if let Some(seen) = self.events.get(&event.key, looked)? {
            let answer = if seen.digest == event.digest {
                EventVerdict::Duplicate(seen.sequence)
            } else {
                EventVerdict::Conflict(seen.sequence)
            };
            return Ok(Decided {
                answer,
                needs: seen.sequence.advanced(1),
            });
        }
        let refused = |answer| Decided {
            answer,
            needs: Sequence::ZERO,
        };
        if let Some(answer) = self.refusal(event) {
            return Ok(refused(answer));
        }
        let Some(player) = self.number_of(event.player) else {
            return Ok(refused(EventVerdict::Overloaded));
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
        self.note_event(EventFact {
            key: event.key,
            seen,
        });
        Ok(Decided {
            answer: EventVerdict::Accepted(sequence),
            needs: sequence.advanced(1),
        })
    }

    /// Why an event that is not known is not taken.
    fn refusal(&self, event: &EventRef<'_>) -> Option<EventVerdict> {
        let Some(hunt) = self.catalog.by_number(event.hunt) else {
            return Some(EventVerdict::UnknownHunt);
        };
        // Outside a hunt's time its shards do not tell each other that time passes, so no
        // window with such an event in it would ever be final.
        if hunt.closed_at.is_some() || hunt.ends_at.is_some_and(|end| end <= self.now) {
            return Some(EventVerdict::HuntClosed);
        }
        if self.now < hunt.starts_at {
            return Some(EventVerdict::HuntNotBegun);
        }
        if let Some(made_at) = event.id_time {
            // An id is taken while it is at most so much ahead of the log, and forgotten no
            // sooner than the horizon after that: what is refused here as old is all that may
            // have been forgotten.
            let ahead_ms = AHEAD_MS_MAX.min(self.events.step_ms());
            if made_at > self.now.plus_millis(ahead_ms) {
                return Some(EventVerdict::TooNew);
            }
            let kept_ms = self.limits.event_horizon_ms.saturating_sub(ahead_ms);
            if made_at.plus_millis(kept_ms) <= self.now {
                return Some(EventVerdict::TooOld);
            }
        }
        let latest = self.now.plus_millis(AHEAD_MS_MAX);
        if event.sent_at.is_some_and(|sent_at| sent_at > latest) {
            return Some(EventVerdict::TooNew);
        }
        if self.storage_full {
            return Some(EventVerdict::StorageFull);
        }
        let is_full = self.is_full() || self.events.count() >= self.limits.events_max;
        is_full.then_some(EventVerdict::Overloaded)
    }

    pub(crate) fn note_event(&mut self, fact: EventFact) {
        self.events
            .insert(self.now, &self.tail, fact, &mut self.closed_next);
    }

    /// Folds an event of the log.
    pub(crate) fn apply_score(
        &mut self,
        at: Sequence,
        score: &ScoreRecord<'_>,
    ) -> Result<(), ApplyError> {
        self.check_score(at, score)?;
        if self.events.skip(at, self.now, &mut self.closed_next) {
            return Ok(());
        }
        if let Some(fact) = self.fact_of(at, score) {
            self.note_event(fact);
        }
        Ok(())
    }

    fn check_score(&self, at: Sequence, score: &ScoreRecord<'_>) -> Result<(), ApplyError> {
        let unknown = |what| ApplyError::Unknown { at, what };
        self.catalog
            .by_number(score.hunt)
            .ok_or(unknown("a hunt"))?;
        if score.player.get() as usize >= self.players.count() {
            return Err(unknown("a player number"));
        }
        Ok(())
    }

    /// `None` for an erased player: what the id was is known no more, nor is what it makes a key
    /// with.
    fn fact_of(&self, at: Sequence, score: &ScoreRecord<'_>) -> Option<EventFact> {
        let id = self.players.text(score.player)?;
        Some(EventFact {
            key: EventKey::new(score.hunt, id, score.event_id),
            seen: EventSeen {
                digest: score.digest,
                sequence: at,
            },
        })
    }

    /// The events of a batch of this shard that has been folded, for whoever writes them down
    /// again.
    pub fn events_of(
        &self,
        batch: &Batch,
        mut take: impl FnMut(EventFact),
    ) -> Result<(), ApplyError> {
        for item in batch.records() {
            let (at, record) = item?;
            if let Record::Score(score) = &record {
                self.check_score(at, score)?;
                self.fact_of(at, score).into_iter().for_each(&mut take);
            }
        }
        Ok(())
    }

    /// The buckets that were sealed at `since` or later and are still in memory, in order. They
    /// may be written down once everything before their end is durable (I2).
    pub fn sealed_events(
        &self,
        since: ClosedOrdinal,
    ) -> impl Iterator<Item = &Arc<SealedEvents>> + '_ {
        self.events.since(since)
    }

    /// Drops the sealed buckets up to `last` from memory: they stand outside, durably, and
    /// look-ups that cover `covers` see them. From now on no other is taken.
    pub fn drop_sealed_events(&mut self, last: ClosedOrdinal, covers: Coverage) {
        self.events.drop_sealed(last, covers);
    }

    /// The stretches whose events stand outside and are within the horizon at the log's time.
    pub fn events_elsewhere(&self) -> impl ExactSizeIterator<Item = EventSpan> + '_ {
        self.events.elsewhere()
    }

    /// Takes note, ahead of folding the rest of a log, of all that stands outside: none of these
    /// events is held in memory any more, nor will be.
    pub fn events_stand(&mut self, spans: Vec<EventSpan>) {
        self.events.stand(spans);
    }

    /// Whether a look-up that covers so much still tells all that is not in memory.
    #[must_use]
    pub fn is_covered_by(&self, covers: Coverage) -> bool {
        self.events.is_covered_by(covers)
    }

    /// Events held in memory.
    #[must_use]
    pub const fn events_held(&self) -> usize {
        self.events.count()
    }

    /// Up to when events taken at `newest` are remembered at least.
    #[must_use]
    pub const fn events_kept_until(&self, newest: TimeMicros) -> TimeMicros {
        newest.plus_millis(self.limits.event_horizon_ms)
    }
}
