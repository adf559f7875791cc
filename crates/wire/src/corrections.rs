//! Corrections: what operators take back, with their reasons.

use huntcore_model::{CORRECTION_REASON_BYTES_MAX, PlayerId, RoundNumber, TileIndex};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{PositionText, bounded, schema};

/// Corrects something (`POST /v1/hunts/{hunt}/corrections`): exactly one of `void`,
/// `disqualify` and `reinstate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrectionRequest {
    /// This claim's points count no more. Its tile stays taken, and its attempt's answer what
    /// it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<ClaimPlace>,
    /// This player is on none of the hunt's boards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::PlayerId>)]
    pub disqualify: Option<PlayerId>,
    /// This player is on them again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::PlayerId>)]
    pub reinstate: Option<PlayerId>,
    /// Why; kept in the log.
    #[serde(deserialize_with = "bounded::text::<_, 1, CORRECTION_REASON_BYTES_MAX>")]
    #[schema(min_length = 1, max_length = 256, examples("seen using a bot"))]
    pub reason: String,
}

/// Which claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimPlace {
    /// Its round.
    #[schema(value_type = schema::RoundNumber)]
    pub round: RoundNumber,
    /// Its tile.
    #[schema(value_type = schema::TileIndex)]
    pub tile: TileIndex,
}

/// What a request corrects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorrectionKind {
    /// A claim's points count no more.
    Void(ClaimPlace),
    /// A player is on none of the hunt's boards.
    Disqualify(PlayerId),
    /// A player is on them again.
    Reinstate(PlayerId),
}

/// A correction is done, and durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CorrectionAnswer {
    /// Whether this request did it; `false` if it was so already, and nothing was written.
    pub changed: bool,
    /// Boards read with `at_least` this show it.
    #[schema(value_type = schema::Position)]
    pub position: PositionText,
}

/// Not one correction, but none or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected exactly one of void, disqualify and reinstate, found {found}")]
pub struct NotOneCorrection {
    found: usize,
}

impl CorrectionRequest {
    /// A request for one correction.
    #[must_use]
    pub fn new(kind: CorrectionKind, reason: String) -> Self {
        let mut request = Self {
            void: None,
            disqualify: None,
            reinstate: None,
            reason,
        };
        match kind {
            CorrectionKind::Void(place) => request.void = Some(place),
            CorrectionKind::Disqualify(player) => request.disqualify = Some(player),
            CorrectionKind::Reinstate(player) => request.reinstate = Some(player),
        }
        request
    }

    /// What is to be corrected, and why.
    pub fn into_parts(self) -> Result<(CorrectionKind, String), NotOneCorrection> {
        let kinds = [
            self.void.map(CorrectionKind::Void),
            self.disqualify.map(CorrectionKind::Disqualify),
            self.reinstate.map(CorrectionKind::Reinstate),
        ];
        let mut kinds = kinds.into_iter().flatten();
        match (kinds.next(), kinds.count()) {
            (Some(kind), 0) => Ok((kind, self.reason)),
            (first, others) => Err(NotOneCorrection {
                found: usize::from(first.is_some()) + others,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_corrects_exactly_one_thing() {
        let parse = |json: &str| serde_json::from_str::<CorrectionRequest>(json).expect(json);
        let void = parse(r#"{"void":{"round":7,"tile":3},"reason":"bot"}"#);
        let parts = void.clone().into_parts().expect("one");
        let place = ClaimPlace {
            round: RoundNumber::new(7),
            tile: TileIndex::new(3),
        };
        assert_eq!(parts, (CorrectionKind::Void(place), "bot".to_owned()));
        assert_eq!(CorrectionRequest::new(parts.0, parts.1), void);
        for (json, found) in [
            (r#"{"reason":"bot"}"#, 0),
            (
                r#"{"disqualify":"ada","reinstate":"ada","reason":"bot"}"#,
                2,
            ),
        ] {
            assert_eq!(parse(json).into_parts(), Err(NotOneCorrection { found }));
        }
    }

    #[test]
    fn a_correction_without_a_reason_is_refused() {
        let long = format!(r#"{{"disqualify":"ada","reason":"{}"}}"#, "x".repeat(257));
        for bad in [
            r#"{"disqualify":"ada"}"#,
            r#"{"disqualify":"ada","reason":""}"#,
            &long,
        ] {
            let error = serde_json::from_str::<CorrectionRequest>(bad).expect_err(bad);
            assert!(error.to_string().contains("reason") || error.to_string().contains("bytes"));
        }
    }
}
