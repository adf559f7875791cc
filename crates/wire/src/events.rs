//! Score events from game servers.

use std::fmt;

use huntcore_model::{
    EventId, EventType, HuntNumber, PAYLOAD_BYTES_MAX, PlayerId, SCORE_MAGNITUDE_MAX, ScoreEvent,
};
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{PositionText, Timestamp, schema};

/// One request holds at most this many events.
pub const EVENTS_MAX: usize = 4_096;

/// A score event (`POST /v1/hunts/{hunt}/events`), alone or as a line of NDJSON.
///
/// `event_id` and `player` together are its identity: the same event again is a duplicate
/// and changes nothing; another one under the same identity is an `event-conflict`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventRequest {
    /// With `player`, the event's identity.
    #[schema(value_type = schema::EventId)]
    pub event_id: EventId,
    /// Who scored.
    #[schema(value_type = schema::PlayerId)]
    pub player: PlayerId,
    /// What kind of thing scored.
    #[schema(value_type = schema::EventType)]
    pub event_type: EventType,
    /// How much: an integer within ±(2^53-1), which may be written with a fraction of zero.
    #[serde(deserialize_with = "whole_score")]
    #[schema(value_type = schema::Score)]
    pub score: i64,
    /// The sender's own JSON, at most 4,096 bytes; kept as it is written, and part of what a
    /// repetition must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AnyJson>)]
    pub payload: Option<Box<RawValue>>,
    /// The sender's own time, at most five minutes ahead of the server's. Boards by event time go
    /// by it, others by when the event came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Timestamp>)]
    pub ts: Option<Timestamp>,
}

/// Reads an integer; `7.0` is one to JSON, too, and some languages write it so.
fn whole_score<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    struct Whole;

    impl Visitor<'_> for Whole {
        type Value = i64;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(formatter, "an integer within ±{SCORE_MAGNITUDE_MAX}")
        }

        fn visit_i64<E: de::Error>(self, score: i64) -> Result<i64, E> {
            Ok(score)
        }

        fn visit_u64<E: de::Error>(self, score: u64) -> Result<i64, E> {
            // What is too much stays too much.
            Ok(i64::try_from(score).unwrap_or(i64::MAX))
        }

        fn visit_f64<E: de::Error>(self, score: f64) -> Result<i64, E> {
            #[expect(clippy::cast_possible_truncation, reason = "far within 64 bits")]
            #[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is exact")]
            match score.fract() == 0.0 && score.abs() <= SCORE_MAGNITUDE_MAX as f64 {
                true => Ok(score as i64),
                false => Err(E::invalid_value(Unexpected::Float(score), &self)),
            }
        }
    }

    deserializer.deserialize_i64(Whole)
}

/// What a score event breaks besides its JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventFault {
    /// A score that JSON does not carry exactly.
    #[error("score {found} is outside ±{SCORE_MAGNITUDE_MAX}")]
    Score {
        /// The score.
        found: i64,
    },
    /// More payload than is kept.
    #[error("payload has {found} bytes, expected at most {PAYLOAD_BYTES_MAX}")]
    Payload {
        /// Its length.
        found: usize,
    },
}

/// What came of a request's events; all that is counted here is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventsAnswer {
    /// Events taken now.
    #[schema(examples(2))]
    pub accepted: u64,
    /// Events that had been taken before.
    #[schema(examples(0))]
    pub duplicates: u64,
    /// Events that were not taken.
    pub refused: Vec<RefusedEvent>,
    /// Covers every accepted and duplicate event.
    #[schema(value_type = schema::Position)]
    pub position: PositionText,
}

/// An event that was not taken; the others of its request are none the worse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedEvent {
    /// Its place in the request, from 0.
    pub index: u64,
    /// The problem's name, such as `invalid`, `event-conflict` or `overloaded`.
    #[schema(examples("event-conflict"))]
    pub outcome: String,
    /// What is wrong, in words.
    pub error: String,
}

impl EventRequest {
    /// The event in the model's form, if it keeps the limits.
    pub fn into_event(self, hunt: HuntNumber) -> Result<ScoreEvent, EventFault> {
        if self.score.unsigned_abs() > SCORE_MAGNITUDE_MAX.unsigned_abs() {
            return Err(EventFault::Score { found: self.score });
        }
        let payload: Box<str> = self.payload.map(Into::into).unwrap_or_default();
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(EventFault::Payload {
                found: payload.len(),
            });
        }
        Ok(ScoreEvent {
            hunt,
            event_id: self.event_id,
            player: self.player,
            event_type: self.event_type,
            score: self.score,
            sent_at: self.ts.map(Timestamp::micros),
            payload: payload.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::TimeMicros;

    use super::*;

    fn parse(json: &str) -> Result<ScoreEvent, String> {
        let request: EventRequest =
            serde_json::from_str(json).map_err(|error| error.to_string())?;
        request
            .into_event(HuntNumber::new(3))
            .map_err(|fault| fault.to_string())
    }

    #[test]
    fn an_event_keeps_its_payload_as_written() {
        let event = parse(
            r#"{"event_id":"e1","player":"ada","event_type":"quest","score":-7,"payload":{ "b":1.0,"a":[] },"ts":"2026-11-22T10:00:00Z"}"#,
        )
        .expect("valid");
        assert_eq!(event.payload, r#"{ "b":1.0,"a":[] }"#);
        assert_eq!(event.score, -7);
        assert_eq!(event.sent_at, Some(TimeMicros::new(1_795_341_600_000_000)));
    }

    #[test]
    fn a_score_is_an_integer_that_json_carries() {
        let event = |score: &str| {
            parse(&format!(
                r#"{{"event_id":"e","player":"p","event_type":"t","score":{score}}}"#
            ))
        };
        for (good, score) in [
            ("0", 0),
            ("9007199254740991", SCORE_MAGNITUDE_MAX),
            ("-9007199254740991", -SCORE_MAGNITUDE_MAX),
            ("-1.0", -1),
            ("1e3", 1_000),
        ] {
            let found = event(good).expect(good).score;
            assert_eq!(found, score, "{good}");
        }
        for bad in [
            "1.5",
            "1e-3",
            "9007199254740992.0",
            "\"1\"",
            "null",
            "true",
            "9007199254740992",
            "-9007199254740992",
            "-9223372036854775808",
            "1e400",
        ] {
            assert!(event(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_long_payload_is_refused() {
        let payload = "x".repeat(PAYLOAD_BYTES_MAX);
        let json = format!(
            r#"{{"event_id":"e","player":"p","event_type":"t","score":1,"payload":"{payload}"}}"#
        );
        assert_eq!(
            parse(&json),
            Err("payload has 4098 bytes, expected at most 4096".to_owned())
        );
    }

    #[test]
    fn an_answer_counts() {
        let answer = EventsAnswer {
            accepted: 1,
            duplicates: 2,
            refused: vec![RefusedEvent {
                index: 3,
                outcome: "event-conflict".to_owned(),
                error: "differs".to_owned(),
            }],
            position: PositionText::new("AQ".to_owned()),
        };
        assert_eq!(
            serde_json::to_string(&answer).expect("plain data"),
            r#"{"accepted":1,"duplicates":2,"refused":[{"index":3,"outcome":"event-conflict","error":"differs"}],"position":"AQ"}"#
        );
    }
}
