//! Rounds, by number or the newest open one.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use huntcore_model::{HuntEntry, RoundEntry, RoundNumber, TimeMicros};
use huntcore_wire::{Problem, ProblemKind, RoundView, Timestamp};

use super::answers;
use super::hunts::parse_hunt;
use crate::extract::Segments;
use crate::openapi::RoundProblems;
use crate::problem::Refusal;
use crate::state::App;

/// One round. What tells the tiles' places is not shown before the round opens.
#[utoipa::path(
    get, path = "/v1/hunts/{hunt}/rounds/{round}", tag = "hunts",
    params(
        ("hunt" = huntcore_wire::schema::HuntId, Path, description = "The hunt's id"),
        ("round" = String, Path, description = "The round's number, or `current` for the newest open one",
            pattern = "^(current|[1-9][0-9]{0,15})$", example = "current"),
    ),
    responses((status = 200, description = "The round", body = RoundView), RoundProblems),
)]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Segments((hunt, round)): Segments<(String, String)>,
) -> Result<Response, Refusal> {
    let (_, entry) = app.hunt(&parse_hunt(&hunt)?)?;
    let now = app.backend.now();
    let found = find(&entry, &round, now)?;
    let view = RoundView::new(&entry.id, found, now);
    Ok(answers::json(StatusCode::OK, &view))
}

fn find<'a>(
    entry: &'a HuntEntry,
    round: &str,
    now: TimeMicros,
) -> Result<&'a Arc<RoundEntry>, Refusal> {
    let unknown = |detail: &str| Refusal::new(ProblemKind::UnknownRound, detail);
    if round == "current" {
        return entry
            .newest_open_round(now)
            .ok_or_else(|| unknown("no round is open now"));
    }
    let digits = !round.is_empty() && round.bytes().all(|byte| byte.is_ascii_digit());
    let number = round.parse::<u64>().ok().filter(|_| digits);
    let number = number.map(RoundNumber::new).ok_or_else(|| {
        Refusal::new(
            ProblemKind::Malformed,
            "the round is neither a number nor `current`",
        )
    })?;
    let scheduled = entry.schedule(number).map(|schedule| schedule.opens_at);
    match entry.round(number) {
        Some(found) if found.opened.schedule.opens_at <= now => Ok(found),
        Some(found) => Err(not_yet_open(found.opened.schedule.opens_at, now)),
        None => match scheduled.filter(|&opens_at| opens_at > now) {
            Some(opens_at) => Err(not_yet_open(opens_at, now)),
            None => Err(unknown("the hunt has no such round, or no longer keeps it")),
        },
    }
}

fn not_yet_open(opens_at: TimeMicros, now: TimeMicros) -> Refusal {
    let mut problem = Problem::new(ProblemKind::UnknownRound, "the round opens later");
    problem.opens_at = Some(Timestamp::from(opens_at));
    problem
        .retry_after_ms(opens_at.micros_since(now).div_ceil(1_000))
        .into()
}
