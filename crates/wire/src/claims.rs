//! Attempts on tiles, one by one and in batches, and what came of them.

use huntcore_model::{
    HuntId, Outcome, OutcomeKind, PlayerId, Position, RoundNumber, TileIndex, TimeMicros,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{PositionText, bounded, schema};

/// An answer to a tile's puzzle has at most this many bytes.
pub const ANSWER_BYTES_MAX: usize = 256;
/// A batch holds at most this many attempts.
pub const BATCH_ITEMS_MAX: usize = 4_096;

/// A player's attempt on a tile (`POST /v1/hunts/{hunt}/claims`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// Which round.
    #[schema(value_type = schema::RoundNumber)]
    pub round: RoundNumber,
    /// Which of the round's tiles.
    #[schema(value_type = schema::TileIndex)]
    pub tile: TileIndex,
    /// The answer to the tile's puzzle, if it has one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "bounded::option_text::<_, 0, ANSWER_BYTES_MAX>"
    )]
    #[schema(max_length = 256)]
    pub answer: Option<String>,
}

/// An attempt made for a player by a service (`POST /v1/claims`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimFor {
    /// Which hunt.
    #[schema(value_type = schema::HuntId)]
    pub hunt: HuntId,
    /// Which round.
    #[schema(value_type = schema::RoundNumber)]
    pub round: RoundNumber,
    /// Which of the round's tiles.
    #[schema(value_type = schema::TileIndex)]
    pub tile: TileIndex,
    /// Who asks.
    #[schema(value_type = schema::PlayerId)]
    pub player: PlayerId,
    /// The answer to the tile's puzzle, if it has one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "bounded::option_text::<_, 0, ANSWER_BYTES_MAX>"
    )]
    #[schema(max_length = 256)]
    pub answer: Option<String>,
}

/// The tile is won; the claim is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimAnswer {
    /// Always `won`; every other outcome is a problem.
    #[schema(value_type = schema::OutcomeName, examples("won"))]
    pub outcome: OutcomeKind,
    /// Where the claim stands.
    pub receipt: Receipt,
    /// What the tile is worth.
    #[schema(examples(5))]
    pub points: u32,
}

/// Proof of where something stands in the log; give its position to `at_least` to read a
/// board that shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// Just after the record.
    #[schema(value_type = schema::Position)]
    pub position: PositionText,
}

/// What came of one attempt of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimItem {
    /// The outcome's name.
    #[schema(value_type = schema::OutcomeName)]
    pub outcome: OutcomeKind,
    /// Of `won`: where the claim stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Of `won`: what the tile is worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<u32>,
    /// Of `taken`: where the winner's claim stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Position>)]
    pub winner_position: Option<PositionText>,
    /// When to ask again, if that may help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Of `invalid`: what is wrong with the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl ClaimAnswer {
    /// The answer to an attempt that won; `None` for every other outcome, which is a problem.
    #[must_use]
    pub fn of_outcome(outcome: &Outcome) -> Option<Self> {
        match *outcome {
            Outcome::Won { points, .. } => Some(Self {
                outcome: OutcomeKind::Won,
                receipt: receipt(outcome)?,
                points,
            }),
            _ => None,
        }
    }
}

impl ClaimItem {
    /// What came of an attempt, asked at `now`.
    #[must_use]
    pub fn of_outcome(outcome: &Outcome, now: TimeMicros) -> Self {
        Self {
            outcome: outcome.kind(),
            receipt: receipt(outcome),
            points: points(outcome),
            winner_position: winner_position(outcome),
            retry_after_ms: retry_after_ms(outcome, now),
            error: None,
        }
    }

    /// An item that is no attempt at all.
    #[must_use]
    pub fn invalid(error: impl Into<String>) -> Self {
        Self {
            outcome: OutcomeKind::Invalid,
            receipt: None,
            points: None,
            winner_position: None,
            retry_after_ms: None,
            error: Some(error.into()),
        }
    }
}

impl Receipt {
    /// A receipt that shows `position`.
    #[must_use]
    pub fn new(position: &Position) -> Self {
        Self {
            position: position.into(),
        }
    }
}

/// When the same attempt is worth repeating after `outcome`, in milliseconds.
#[must_use]
pub fn retry_after_ms(outcome: &Outcome, now: TimeMicros) -> Option<u64> {
    match *outcome {
        Outcome::NotYetOpen { opens_at } => Some(opens_at.micros_since(now).div_ceil(1_000)),
        Outcome::OutcomeUnknown => Some(100),
        Outcome::Overloaded => Some(250),
        Outcome::HuntPaused => Some(1_000),
        // Space comes back by an operator's hand.
        Outcome::StorageFull => Some(5_000),
        Outcome::Won { .. }
        | Outcome::Taken { .. }
        | Outcome::Expired
        | Outcome::UnknownTile
        | Outcome::UnknownHunt => None,
    }
}

pub(crate) fn receipt(outcome: &Outcome) -> Option<Receipt> {
    match *outcome {
        Outcome::Won {
            shard, sequence, ..
        } => Some(Receipt::new(&Position::after(shard, sequence))),
        _ => None,
    }
}

pub(crate) fn points(outcome: &Outcome) -> Option<u32> {
    match *outcome {
        Outcome::Won { points, .. } => Some(points),
        _ => None,
    }
}

pub(crate) fn winner_position(outcome: &Outcome) -> Option<PositionText> {
    match *outcome {
        Outcome::Taken { shard, sequence } => Some((&Position::after(shard, sequence)).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{Sequence, ShardId};

    use super::*;

    #[test]
    fn a_won_tile_comes_with_its_receipt() {
        let outcome = Outcome::Won {
            shard: ShardId::new(2),
            sequence: Sequence::new(299),
            points: 25,
        };
        let answer = ClaimAnswer::of_outcome(&outcome).expect("won");
        assert_eq!(
            serde_json::to_string(&answer).expect("plain data"),
            r#"{"outcome":"won","receipt":{"position":"AQECrAI"},"points":25}"#
        );
        assert_eq!(
            serde_json::to_string(&ClaimItem::of_outcome(&outcome, TimeMicros::ZERO))
                .expect("plain data"),
            r#"{"outcome":"won","receipt":{"position":"AQECrAI"},"points":25}"#
        );
        assert_eq!(ClaimAnswer::of_outcome(&Outcome::Expired), None);
    }

    #[test]
    fn an_attempt_is_taken_strictly() {
        let parse = serde_json::from_str::<ClaimRequest>;
        assert!(parse(r#"{"round":1,"tile":0}"#).is_ok());
        assert!(parse(r#"{"round":1,"tile":0,"answer":null}"#).is_ok());
        for bad in [
            r#"{"round":1}"#,
            r#"{"round":1,"tile":0,"player":"ada"}"#,
            r#"{"round":"1","tile":0}"#,
            r#"{"round":1.0,"tile":0}"#,
            r#"{"round":1,"tile":-1}"#,
            r#"{"round":1,"tile":4294967296}"#,
            r#"{"round":1,"tile":0,"tile":1}"#,
            r#"{"round":true,"tile":0}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_malformed_item_says_what_is_wrong() {
        assert_eq!(
            serde_json::to_string(&ClaimItem::invalid("no tile")).expect("plain data"),
            r#"{"outcome":"invalid","error":"no tile"}"#
        );
    }
}
