//! Score events: stored by the upstream.

use std::sync::Arc;

use huntcore_client::{Client, ClientError};
use huntcore_edge::EventOutcome;
use huntcore_model::{HuntId, Position, ScoreEvent};
use huntcore_projection::Views;
use huntcore_wire::{EventRequest, EventsAnswer, ProblemKind};
use serde_json::value::RawValue;

use crate::answers::last_before;

/// Events of one request: with the longest payloads still a body that the upstream takes.
const EVENTS_AT_ONCE: usize = 1_024;

/// The way of score events.
#[derive(Clone)]
pub(crate) struct Events {
    pub(crate) client: Client,
    pub(crate) views: Arc<Views>,
}

impl Events {
    /// Has events stored that are all of one hunt, as an edge's requests are.
    pub(crate) async fn record(self, events: Vec<ScoreEvent>) -> Vec<EventOutcome> {
        let mut outcomes = Vec::with_capacity(events.len());
        for same in events.chunk_by(|one, other| one.hunt == other.hunt) {
            let view = self.views.newest();
            let hunt = view.catalog.by_number(same[0].hunt);
            let Some(hunt) = hunt.map(|hunt| hunt.id.clone()) else {
                outcomes.resize(outcomes.len() + same.len(), EventOutcome::UnknownHunt);
                continue;
            };
            for part in same.chunks(EVENTS_AT_ONCE) {
                outcomes.extend(self.record_part(&hunt, part).await);
            }
        }
        outcomes
    }

    async fn record_part(&self, hunt: &HuntId, events: &[ScoreEvent]) -> Vec<EventOutcome> {
        let requests: Option<Vec<EventRequest>> = events.iter().map(request).collect();
        let Some(requests) = requests else {
            // An edge takes no payload that is not JSON.
            return vec![EventOutcome::Overloaded; events.len()];
        };
        match self.client.send_events(hunt, &requests).await {
            Ok(answer) => outcomes(&answer, events.len()),
            Err(error) => vec![refusal(&error); events.len()],
        }
    }
}

fn request(event: &ScoreEvent) -> Option<EventRequest> {
    let payload = match event.payload.as_str() {
        "" => None,
        payload => Some(RawValue::from_string(payload.to_owned()).ok()?),
    };
    Some(EventRequest {
        event_id: event.event_id.clone(),
        player: event.player.clone(),
        event_type: event.event_type.clone(),
        score: event.score,
        payload,
        ts: event.sent_at.map(Into::into),
    })
}

/// What came of each, from an answer that counts them.
///
/// The upstream says of each refused one why; of the others how many were taken now and how
/// many before, and up to where their streams hold them. Which is which, and in which stream,
/// it does not say: all of them together say the same as the upstream did.
fn outcomes(answer: &EventsAnswer, count: usize) -> Vec<EventOutcome> {
    let position: Position = answer.position.parse().unwrap_or_default();
    let places: Vec<_> = position
        .streams()
        .filter_map(|(shard, next)| {
            let mut alone = Position::start();
            alone.advance(shard, next);
            last_before(&alone)
        })
        .collect();
    let mut outcomes = vec![None; count];
    for refused in &answer.refused {
        let index = usize::try_from(refused.index).unwrap_or(usize::MAX);
        if let Some(outcome) = outcomes.get_mut(index) {
            *outcome = Some(of_kind(ProblemKind::from_name(&refused.outcome)));
        }
    }
    let mut places = places.iter().cycle();
    let mut accepted = answer.accepted;
    let mut stored = || {
        let &(shard, sequence) = places.next()?;
        let is_new = accepted > 0;
        accepted = accepted.saturating_sub(1);
        Some(match is_new {
            true => EventOutcome::Accepted { shard, sequence },
            false => EventOutcome::Duplicate { shard, sequence },
        })
    };
    let outcomes = outcomes.into_iter();
    outcomes
        .map(|known| {
            let outcome = known.or_else(&mut stored);
            outcome.unwrap_or(EventOutcome::OutcomeUnknown)
        })
        .collect()
}

fn refusal(error: &ClientError) -> EventOutcome {
    match error.problem() {
        // Stored or not: nobody can tell, and the same events again will.
        None => EventOutcome::OutcomeUnknown,
        Some(problem) => of_kind(problem.kind()),
    }
}

fn of_kind(kind: Option<ProblemKind>) -> EventOutcome {
    match kind {
        Some(ProblemKind::EventConflict) => EventOutcome::Conflict,
        Some(ProblemKind::UnknownHunt) => EventOutcome::UnknownHunt,
        Some(ProblemKind::HuntClosed) => EventOutcome::HuntClosed,
        Some(ProblemKind::HuntState) => EventOutcome::HuntNotBegun,
        Some(ProblemKind::TooOld) => EventOutcome::TooOld,
        Some(ProblemKind::TooNew) => EventOutcome::TooNew,
        Some(ProblemKind::StorageFull) => EventOutcome::StorageFull,
        Some(ProblemKind::OutcomeUnknown) => EventOutcome::OutcomeUnknown,
        // Whatever else keeps the upstream from taking it: nothing was stored.
        _ => EventOutcome::Overloaded,
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{Sequence, ShardId};
    use huntcore_wire::{PositionText, RefusedEvent};

    use super::*;

    #[test]
    fn outcomes_together_say_what_the_upstream_said() {
        let mut position = Position::after(ShardId::new(0), Sequence::new(7));
        position.merge(&Position::after(ShardId::new(2), Sequence::new(3)));
        let answer = EventsAnswer {
            accepted: 2,
            duplicates: 1,
            refused: vec![RefusedEvent {
                index: 1,
                outcome: "event-conflict".to_owned(),
                error: String::new(),
            }],
            position: PositionText::from(&position),
        };
        let outcomes = outcomes(&answer, 4);
        assert_eq!(outcomes[1], EventOutcome::Conflict);
        let mut told = Position::start();
        let (mut accepted, mut duplicates) = (0, 0);
        for outcome in &outcomes {
            match *outcome {
                EventOutcome::Accepted { shard, sequence } => {
                    accepted += 1;
                    told.advance(shard, sequence.advanced(1));
                }
                EventOutcome::Duplicate { shard, sequence } => {
                    duplicates += 1;
                    told.advance(shard, sequence.advanced(1));
                }
                _ => {}
            }
        }
        assert_eq!((accepted, duplicates), (2, 1));
        assert_eq!(told, position);
    }

    #[test]
    fn an_event_is_sent_with_its_payload_as_it_was_written() {
        let line = r#"{"event_id":"e","player":"p","event_type":"t","score":-7,"payload":{ "b":1.0 },"ts":"2026-11-22T10:00:00Z"}"#;
        let parse = |text: &str| {
            let request: EventRequest = serde_json::from_str(text).expect("JSON");
            request
                .into_event(huntcore_model::HuntNumber::new(1))
                .expect("in range")
        };
        let event = parse(line);
        let sent = serde_json::to_string(&request(&event).expect("JSON")).expect("JSON");
        assert_eq!(parse(&sent), event);
    }
}
