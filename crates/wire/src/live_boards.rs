//! What the socket says about boards as such: which there are, and what was corrected on them.
//!
//! Both are told as facts with a place in the log, so that they mean the same whenever they
//! arrive and however often.

use huntcore_model::{BoardName, Correction, PlayerId, RoundNumber, TileIndex};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{PositionText, Timestamp, schema};

/// So many corrections a snapshot tells, and [`crate::LiveState`] keeps: the last ones.
pub const CORRECTIONS_SHOWN: usize = 64;

/// The boards of a hunt, all of them: what is not among them is gone. Of two lists the one with
/// the greater version holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiveBoards {
    /// Grows with every change.
    pub version: u64,
    /// Built-in ones first.
    pub list: Vec<LiveBoard>,
}

/// A board that a hunt has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiveBoard {
    /// Which board.
    #[schema(value_type = schema::BoardName)]
    pub board: BoardName,
    /// Which definition of that name: a greater one is another board. 0 for a built-in one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u64,
}

/// What an operator has corrected: the one reason for which somebody may vanish from a board, or
/// have less on it than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiveCorrection {
    /// What was done.
    pub kind: LiveCorrectionKind,
    /// Of `claim-voided`: the claim's round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::RoundNumber>)]
    pub round: Option<RoundNumber>,
    /// Of `claim-voided`: its tile, which stays taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TileIndex>)]
    pub tile: Option<TileIndex>,
    /// Of `claim-voided`: what it was worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<u32>,
    /// Whom it concerns; `null` once that player was erased.
    #[schema(value_type = Option<schema::PlayerId>, required = true)]
    pub player: Option<PlayerId>,
    /// Why, in the operator's words; at most 256 bytes.
    #[schema(max_length = 256)]
    pub reason: String,
    /// When.
    #[schema(value_type = schema::Timestamp)]
    pub corrected_at: Timestamp,
    /// Just after it in the log: boards that cover this follow it. No two corrections share one.
    #[schema(value_type = schema::Position)]
    pub position: PositionText,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LiveCorrectionKind {
    /// A claim counts no more.
    ClaimVoided,
    /// The player is on none of the hunt's boards.
    Disqualified,
    /// The player is on them again.
    Reinstated,
}

/// For fields that are left out if they are 0.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
pub(crate) const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl LiveBoards {
    /// Whether a board's version of that generation is one of a board that the hunt has, or of
    /// one that came after this list.
    #[must_use]
    pub fn admits(&self, board: BoardName, generation: u64) -> bool {
        match self.generation(board) {
            Some(listed) => generation >= listed,
            None => generation > self.version,
        }
    }

    /// The generation of that board; `None` if the hunt has it not.
    #[must_use]
    pub fn generation(&self, board: BoardName) -> Option<u64> {
        let found = self.list.iter().find(|listed| listed.board == board)?;
        Some(found.generation)
    }
}

impl LiveCorrection {
    /// By time, and by place where that is the same: what is told when and by whom makes no
    /// difference to it.
    #[must_use]
    pub fn order(&self) -> (Timestamp, &str) {
        (self.corrected_at, self.position.as_str())
    }
}

impl From<&Correction> for LiveCorrectionKind {
    fn from(correction: &Correction) -> Self {
        match correction {
            Correction::ClaimVoided { .. } => Self::ClaimVoided,
            Correction::Disqualified => Self::Disqualified,
            Correction::Reinstated => Self::Reinstated,
        }
    }
}
