//! A player's attempt on a tile.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use huntcore_lane::Submission;
use huntcore_model::{AttemptRef, HuntId, Outcome, PlayerId};
use huntcore_wire::{ClaimAnswer, ClaimRequest, Problem};

use super::answers;
use super::hunts::parse_hunt;
use crate::batch::ask;
use crate::counts::Tally;
use crate::extract::{Segments, read_json};
use crate::openapi::ClaimProblems;
use crate::problem::Refusal;
use crate::server::ConnectionHandle;
use crate::state::App;
use crate::telling::Telling;

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
    Extension(connection): Extension<ConnectionHandle>,
    Segments(hunt): Segments<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let player = app.access.player(&headers, &hunt)?;
    // From here on it is an attempt, and accounted for (I10).
    let unanswered = app.counts.receive(1);
    let decided = decide(&app, &connection, &hunt, &player.id, &headers, body).await;
    let (response, kind) = match decided {
        Ok(outcome) => (answer(&app, &outcome), outcome.kind()),
        Err(refusal) => {
            let (refusal, kind) = refusal.of_attempt();
            (refusal.written(), kind)
        }
    };
    Ok(response.map(|body| Telling::body(body, unanswered, Tally::of(kind))))
}

async fn decide(
    app: &App,
    connection: &ConnectionHandle,
    hunt: &str,
    player: &PlayerId,
    headers: &HeaderMap,
    body: Body,
) -> Result<Outcome, Refusal> {
    let limited = |wait| Refusal::too_fast(wait, "the player claims too often");
    app.players.check(player).map_err(limited)?;
    let hunt: HuntId = parse_hunt(hunt)?;
    let request: ClaimRequest = read_json(app, headers, body, app.limits().body_bytes_max).await?;
    let (_, entry) = app.hunt(&hunt)?;
    let attempt = AttemptRef {
        hunt: entry.number,
        round: request.round,
        tile: request.tile,
        player: player.as_str(),
    };
    let fill = |submission: &mut Submission| submission.push(attempt);
    let outcome = |(), answered: Option<&Submission>| answered?.outcomes().next();
    let outcome = ask(app, connection, fill, outcome).await;
    Ok(outcome.unwrap_or(Outcome::OutcomeUnknown))
}

fn answer(app: &App, outcome: &Outcome) -> http::Response<Bytes> {
    if let Some(won) = ClaimAnswer::of_outcome(outcome) {
        return answers::written(StatusCode::OK, &won);
    }
    let problem = Problem::of_outcome(outcome, app.backend.now());
    Refusal::from(problem.expect("an outcome is won or a problem")).written()
}
