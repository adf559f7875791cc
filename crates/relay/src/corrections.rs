//! Corrections and flags: the upstream's to decide.

use huntcore_client::ClientError;
use huntcore_edge::{CommandError, Corrected, CorrectionError, FlagTurn};
use huntcore_model::{HuntNumber, Sequence, ShardId};
use huntcore_wire::{CorrectionKind, CorrectionRequest, FlagQuery, FlagRequest, ProblemKind};

use crate::answers::in_words;
use crate::commands::Commands;

impl Commands {
    /// Has something corrected.
    pub(crate) async fn correct(
        self,
        hunt: HuntNumber,
        what: CorrectionKind,
        reason: String,
    ) -> Result<Corrected, CorrectionError> {
        let entry = self.entry(hunt).map_err(|_| CorrectionError::UnknownHunt)?;
        let request = CorrectionRequest::new(what, reason);
        let asked = self.client.correct(&entry.id, &request).await;
        let answer = asked.map_err(|error| refusal(&error))?;
        let position = answer
            .position
            .parse()
            .map_err(|_| CorrectionError::OutcomeUnknown)?;
        Ok(Corrected {
            changed: answer.changed,
            position,
        })
    }

    /// Has a flag turned.
    pub(crate) async fn turn_flag(self, turn: FlagTurn) -> Result<Sequence, CommandError> {
        let hunt = turn.hunt.map(|hunt| self.entry(hunt)).transpose()?;
        let hunt = hunt.map(|entry| entry.id.clone());
        let FlagTurn {
            flag,
            board,
            value,
            reason,
            ..
        } = turn;
        let asked = match value {
            Some(value) => {
                let request = FlagRequest {
                    value,
                    hunt,
                    board,
                    reason,
                };
                self.client.set_flag(flag, &request).await.map(drop)
            }
            None => {
                let query = FlagQuery {
                    hunt,
                    board,
                    reason,
                };
                self.client.unset_flag(flag, &query).await.map(drop)
            }
        };
        asked.map_err(|error| flag_refusal(&error))?;
        // Whatever the upstream's control stream holds by now, it holds what was just done.
        let ends = self.upstream.ends().await;
        let ends = ends.map_err(|_| CommandError::OutcomeUnknown)?;
        Ok(ends.next(ShardId::CONTROL))
    }
}

fn refusal(error: &ClientError) -> CorrectionError {
    let Some(problem) = error.problem() else {
        return CorrectionError::OutcomeUnknown;
    };
    match problem.kind() {
        Some(ProblemKind::UnknownHunt) => CorrectionError::UnknownHunt,
        Some(ProblemKind::UnknownClaim) => CorrectionError::UnknownClaim,
        Some(ProblemKind::ClaimForgotten) => CorrectionError::ClaimForgotten,
        Some(ProblemKind::UnknownPlayer) => CorrectionError::UnknownPlayer,
        Some(ProblemKind::Overloaded) => CorrectionError::Overloaded,
        Some(ProblemKind::StorageFull) => CorrectionError::StorageFull,
        Some(ProblemKind::OutcomeUnknown) => CorrectionError::OutcomeUnknown,
        _ => CorrectionError::Unavailable {
            reason: format!("the upstream decides on corrections: {}", in_words(error)),
        },
    }
}

fn flag_refusal(error: &ClientError) -> CommandError {
    let Some(problem) = error.problem() else {
        return CommandError::OutcomeUnknown;
    };
    let reason = match problem.detail.is_empty() {
        true => problem.title.clone(),
        false => problem.detail.clone(),
    };
    match problem.kind() {
        Some(ProblemKind::UnknownHunt) => CommandError::UnknownHunt,
        Some(ProblemKind::UnknownBoard) => CommandError::UnknownBoard { reason },
        Some(ProblemKind::Invalid | ProblemKind::Malformed | ProblemKind::TooLarge) => {
            CommandError::Invalid { reason }
        }
        Some(ProblemKind::Overloaded) => CommandError::Overloaded { reason },
        Some(ProblemKind::StorageFull) => CommandError::StorageFull,
        Some(ProblemKind::OutcomeUnknown | ProblemKind::ProjectionBehind) => {
            CommandError::OutcomeUnknown
        }
        _ => CommandError::Unavailable {
            reason: format!("the upstream decides on flags: {}", in_words(error)),
        },
    }
}
