//! A player's attempt on a tile.

use std::fmt::Display;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::{Extension, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use huntcore_lane::Submission;
use huntcore_model::{AttemptRef, Outcome, PlayerId};
use huntcore_wire::{ClaimAnswer, ClaimRequest, Problem, put_json_outcome};

use super::answers;
use crate::batch::Asker;
use crate::counts::Tally;
use crate::extract::{Form, Segments, collect, parse_object, too_slow};
use crate::openapi::ClaimProblems;
use crate::problem::Refusal;
use crate::server::ConnectionHandle;
use crate::state::{App, unknown_hunt};
use crate::telling::Telling;

/// Room for the JSON of a won tile.
const WON_BYTES: usize = 96;

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
    answer(&app, &connection, &hunt, &headers, body).await
}

/// Answers an attempt on a tile of `hunt`.
pub(super) async fn answer<B>(
    app: &App,
    connection: &ConnectionHandle,
    hunt: &str,
    headers: &HeaderMap,
    body: B,
) -> Result<Response, Refusal>
where
    B: HttpBody<Data = Bytes, Error: Display> + Unpin,
{
    let player = app.access.player(headers, hunt)?;
    // From here on it is an attempt, and accounted for (I10).
    let unanswered = app.counts.receive(1);
    let kept = connection.take_asker();
    let mut asker = kept.unwrap_or_else(|| Box::new(Asker::new(app)));
    let decided = decide(app, &mut asker, hunt, &player.id, headers, body).await;
    if asker.is_idle() {
        connection.keep_asker(asker);
    }
    let (response, kind) = match decided {
        Ok(outcome) => (written(app, &outcome), outcome.kind()),
        Err(refusal) => {
            let (refusal, kind) = refusal.of_attempt();
            (refusal.written(), kind)
        }
    };
    Ok(response.map(|body| Telling::body(body, unanswered, Tally::of(kind))))
}

async fn decide<B>(
    app: &App,
    asker: &mut Asker,
    hunt: &str,
    player: &PlayerId,
    headers: &HeaderMap,
    body: B,
) -> Result<Outcome, Refusal>
where
    B: HttpBody<Data = Bytes, Error: Display> + Unpin,
{
    let limited = |wait| Refusal::too_fast(wait, "the player claims too often");
    app.players.check(player).map_err(limited)?;
    Form::of(headers, &[Form::Json])?;
    let limits = app.limits();
    let reading = collect(headers, body, limits.body_bytes_max);
    let read = asker.within(limits.body_read_timeout, reading).await;
    let request: ClaimRequest = parse_object(&read.unwrap_or_else(|| Err(too_slow()))?)?;
    let number = asker.hunts.number(app, hunt);
    let attempt = AttemptRef {
        hunt: number.ok_or_else(|| unknown_hunt(hunt))?,
        round: request.round,
        tile: request.tile,
        player: player.as_str(),
    };
    let fill = |submission: &mut Submission| submission.push(attempt);
    let outcome = |(), answered: Option<&Submission>| answered?.outcomes().next();
    let outcome = asker.ask(app, fill, outcome).await;
    Ok(outcome.unwrap_or(Outcome::OutcomeUnknown))
}

/// Won as [`ClaimAnswer`] has it, which is a batch's item; everything else is a problem.
fn written(app: &App, outcome: &Outcome) -> http::Response<Bytes> {
    let now = app.backend.now();
    let Some(problem) = Problem::of_outcome(outcome, now) else {
        let mut body = Vec::with_capacity(WON_BYTES);
        put_json_outcome(&mut body, outcome, now);
        return answers::ready(StatusCode::OK, body.into());
    };
    Refusal::from(problem).written()
}
