//! Corrections: operators void claims, disqualify players and reinstate them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use huntcore_wire::{CorrectionAnswer, CorrectionRequest, PositionText, Problem, ProblemKind};

use super::answers;
use super::hunts::parse_hunt;
use crate::backend::CorrectionError;
use crate::extract::{Segments, read_json};
use crate::openapi::CorrectionProblems;
use crate::problem::Refusal;
use crate::state::App;

/// Voids a claim, disqualifies a player or reinstates one; answers when that is durable.
///
/// A correction is about boards: the tile of a voided claim stays taken, and every attempt's
/// answer stays what it was. Asking again changes nothing and is answered alike.
#[utoipa::path(
    post, path = "/v1/hunts/{hunt}/corrections", tag = "boards",
    params(("hunt" = huntcore_wire::schema::HuntId, Path, description = "The hunt's id")),
    request_body = CorrectionRequest,
    responses(
        (status = 200, description = "It is so, and durable", body = CorrectionAnswer),
        CorrectionProblems,
    ),
    security(("service" = [])),
)]
pub(super) async fn correct(
    State(app): State<Arc<App>>,
    Segments(hunt): Segments<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    app.access.service(&headers)?;
    let (_, entry) = app.hunt(&parse_hunt(&hunt)?)?;
    let limit = app.limits().body_bytes_max;
    let request: CorrectionRequest = read_json(&app, &headers, body, limit).await?;
    let (what, reason) = request
        .into_parts()
        .map_err(|error| Refusal::new(ProblemKind::Invalid, error.to_string()))?;
    let correcting = app.backend.correct(entry.number, what, reason);
    let corrected = tokio::time::timeout(app.limits().request_timeout, correcting).await;
    // Stored or not: nobody can tell, and the same request again will.
    let corrected = corrected.unwrap_or(Err(CorrectionError::OutcomeUnknown));
    let corrected = corrected.map_err(|error| refused(&error))?;
    let answer = CorrectionAnswer {
        changed: corrected.changed,
        position: PositionText::from(&corrected.position),
    };
    Ok(answers::json(StatusCode::OK, &answer))
}

fn refused(error: &CorrectionError) -> Refusal {
    let (kind, retry_after_ms) = match error {
        CorrectionError::UnknownHunt => (ProblemKind::UnknownHunt, None),
        CorrectionError::UnknownClaim => (ProblemKind::UnknownClaim, None),
        CorrectionError::ClaimForgotten => (ProblemKind::ClaimForgotten, None),
        CorrectionError::UnknownPlayer => (ProblemKind::UnknownPlayer, None),
        CorrectionError::Overloaded => (ProblemKind::Overloaded, Some(1_000)),
        CorrectionError::StorageFull => (ProblemKind::StorageFull, Some(5_000)),
        CorrectionError::OutcomeUnknown => (ProblemKind::OutcomeUnknown, Some(1_000)),
        CorrectionError::Unavailable { .. } => (ProblemKind::Unavailable, Some(1_000)),
    };
    let mut problem = Problem::new(kind, error.to_string());
    // Nothing was attempted on a tile.
    problem.outcome = None;
    problem.retry_after_ms = retry_after_ms;
    problem.into()
}
