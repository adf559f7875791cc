//! A hunt's events as they stand in the log: the audit trail, with the service key only.
//!
//! Apart from the real-time path: another process, or a thread of its own, reads the log for
//! it, and this one only hands on what it is given.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use huntcore_wire::{CloudEvent, EventsQuery, ProblemKind};

use super::answers;
use super::hunts::parse_hunt;
use crate::extract::{Asked, Segments};
use crate::openapi::TrailProblems;
use crate::problem::Refusal;
use crate::state::App;

const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// A hunt's events out of the log, one CloudEvent a line; each says its position, and whoever
/// asks again from there gets what follows. With `follow` it goes on as more is committed, and
/// with nothing to tell for a while it sends a `huntcore.time.v1`, so that the position moves on.
#[utoipa::path(
    get, path = "/v1/hunts/{hunt}/events", tag = "events",
    params(
        ("hunt" = huntcore_wire::schema::HuntId, Path, description = "The hunt's id"),
        EventsQuery,
    ),
    responses(
        (status = 200, description = "Events, one a line", body = CloudEvent,
            content_type = "application/x-ndjson"),
        TrailProblems,
    ),
    security(("service" = [])),
)]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    Segments(hunt): Segments<String>,
    headers: HeaderMap,
    asked: Result<Asked<EventsQuery>, Refusal>,
) -> Result<Response, Refusal> {
    // What is wrong with a query is for those to know who may ask.
    app.access.service(&headers)?;
    let Asked(query) = asked?;
    let (_, entry) = app.hunt(&parse_hunt(&hunt)?)?;
    if query.limit == Some(0) {
        let detail = "limit: expected at least 1";
        return Err(Refusal::new(ProblemKind::Invalid, detail));
    }
    let trail = app
        .backend
        .trail()
        .ok_or_else(|| Refusal::new(ProblemKind::NotFound, "this process has no log to read"))?;
    let events = trail.events(entry, query).await;
    let events = events.map_err(|fault| {
        let mut problem = fault.problem();
        problem.outcome = None;
        Refusal::from(problem)
    })?;
    let headers = [
        (header::CONTENT_TYPE, LINES),
        (header::CACHE_CONTROL, answers::NEVER),
    ];
    Ok((headers, app.until_stop(events)).into_response())
}
