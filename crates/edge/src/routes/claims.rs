//! A player's attempt on a tile.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt;
use huntcore_model::{Attempt, HuntId, Outcome, OutcomeKind, PlayerId};
use huntcore_wire::{ClaimAnswer, ClaimRequest, Problem};

use super::answers;
use super::hunts::parse_hunt;
use crate::counts::{Telling, Unanswered};
use crate::extract::{Segments, read_json};
use crate::openapi::ClaimProblems;
use crate::problem::Refusal;
use crate::state::App;

/// Tries to win a tile. `won`, `taken` and `expired` are final: the same attempt again gets
/// the same answer.
#[utoipa::path(
    post, path = "/v1/hunts/{hunt}/claims", tag = "claims",
    params(("hunt" = huntcore_wire::schema::HuntId, Path, description = "The hunt's id")),
    request_body = ClaimRequest,
    responses(
        (status = 200, description = "Won, and durable", body = ClaimAnswer),
        ClaimProblems,
    ),
    security(("player" = [])),
)]
pub(super) async fn claim(
    State(app): State<Arc<App>>,
    Segments(hunt): Segments<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let player = app.access.player(&headers, &hunt)?;
    // From here on it is an attempt, and accounted for (I10).
    let unanswered = app.counts.receive(1);
    let (response, kind) = match decide(&app, &hunt, player.id, &headers, body).await {
        Ok(outcome) => (answer(&app, &outcome), outcome.kind()),
        Err(refusal) => {
            let (refusal, kind) = refusal.of_attempt();
            (refusal.into_response(), kind)
        }
    };
    Ok(telling(response, unanswered, vec![kind]).await)
}

async fn decide(
    app: &App,
    hunt: &str,
    player: PlayerId,
    headers: &HeaderMap,
    body: Body,
) -> Result<Outcome, Refusal> {
    let limited = |wait| Refusal::too_fast(wait, "the player claims too often");
    app.players.check(&player).map_err(limited)?;
    let hunt: HuntId = parse_hunt(hunt)?;
    let request: ClaimRequest = read_json(app, headers, body, app.limits().body_bytes_max).await?;
    let (_, entry) = app.hunt(&hunt)?;
    let attempt = Attempt {
        hunt: entry.number,
        round: request.round,
        tile: request.tile,
        player,
    };
    let outcomes = decide_all(app, vec![attempt]).await;
    Ok(outcomes.first().copied().unwrap_or(Outcome::OutcomeUnknown))
}

/// Has attempts decided, for no longer than a request may take: one outcome for each.
pub(super) async fn decide_all(app: &App, attempts: Vec<Attempt>) -> Vec<Outcome> {
    let count = attempts.len();
    let deciding = app.backend.claim(attempts);
    let decided = tokio::time::timeout(app.limits().request_timeout, deciding).await;
    let mut outcomes = decided.unwrap_or_default();
    // Decided or not: nobody can tell, and the same attempt again will.
    outcomes.resize(count, Outcome::OutcomeUnknown);
    outcomes
}

fn answer(app: &App, outcome: &Outcome) -> Response {
    let now = app.backend.now();
    match (
        ClaimAnswer::of_outcome(outcome),
        Problem::of_outcome(outcome, now),
    ) {
        (Some(won), _) => answers::json(http::StatusCode::OK, &won),
        (None, Some(problem)) => Refusal::from(problem).into_response(),
        (None, None) => unreachable!("an outcome is won or a problem"),
    }
}

/// The same response, which counts its outcomes as told when the connection takes it.
pub(super) async fn telling(
    response: Response,
    unanswered: Unanswered,
    kinds: Vec<OutcomeKind>,
) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = body.collect().await.expect("a ready body").to_bytes();
    parts
        .headers
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Response::from_parts(parts, Telling::body(body, unanswered, kinds))
}
