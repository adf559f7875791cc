//! Score events of game servers, one by one or a line each.

use std::fmt::Display;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::{Extension, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use huntcore_model::{HuntNumber, Position, ScoreEvent};
use huntcore_wire::{
    EVENTS_MAX, EventRequest, EventsAnswer, PositionText, Problem, ProblemKind, RefusedEvent,
};
use serde::Serialize;

use super::answers;
use super::hunts::parse_hunt;
use crate::backend::EventOutcome;
use crate::extract::{Form, NOT_AN_OBJECT, Segments, is_array, lines, parse_object, read_body};
use crate::openapi::BulkProblems;
use crate::problem::Refusal;
use crate::server::ConnectionHandle;
use crate::state::App;

/// Takes score events; answers when they are durable. Of several, one a line, a bad line is
/// refused alone. A single event that is refused is a problem, with the same counts beside it.
#[utoipa::path(
    post, path = "/v1/hunts/{hunt}/events", tag = "events",
    params(("hunt" = huntcore_wire::schema::HuntId, Path, description = "The hunt's id")),
    request_body(
        content(
            (EventRequest = "application/json"),
            (crate::openapi::LinesBody = "application/x-ndjson"),
        ),
        description = "One event, or at most 4,096, one a line",
    ),
    responses(
        (status = 200, description = "What came of them", body = EventsAnswer),
        BulkProblems,
    ),
    security(("service" = [])),
)]
pub(super) async fn record(
    State(app): State<Arc<App>>,
    Extension(connection): Extension<ConnectionHandle>,
    Segments(hunt): Segments<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    answer(&app, &connection, &hunt, &headers, body).await
}

/// Answers the events of `hunt`.
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
    app.access.service(headers)?;
    let (_, entry) = app.hunt(&parse_hunt(hunt)?)?;
    let form = Form::of(headers, &[Form::Json, Form::Lines])?;
    let reads = connection.read_wide();
    let bytes = read_body(app, headers, body, app.limits().bulk_body_bytes_max).await?;
    drop(reads);
    let parsed = parse(form, &bytes, entry.number)?;
    let (answer, faults) = store(app, parsed).await;
    let problem = match form == Form::Json {
        true => faults.first().copied(),
        false => common_cause(&answer, &faults),
    };
    Ok(match problem {
        None => answers::json(StatusCode::OK, &answer),
        Some(kind) => refused(kind, answer),
    })
}

/// A refused event, by the problem that it is.
struct Fault {
    kind: ProblemKind,
    error: String,
}

fn parse(
    form: Form,
    bytes: &Bytes,
    hunt: HuntNumber,
) -> Result<Vec<Result<ScoreEvent, Fault>>, Refusal> {
    if form == Form::Json {
        let request: EventRequest = parse_object(bytes)?;
        let event = request.into_event(hunt);
        let event = event.map_err(|fault| Refusal::new(ProblemKind::Invalid, fault.to_string()))?;
        return Ok(vec![Ok(event)]);
    }
    let texts: Vec<&[u8]> = lines(bytes).take(EVENTS_MAX + 1).collect();
    if texts.len() > EVENTS_MAX {
        return Err(Refusal::new(
            ProblemKind::Invalid,
            format!("a request holds at most {EVENTS_MAX} events"),
        ));
    }
    let invalid = |error: String| Fault {
        kind: ProblemKind::Invalid,
        error,
    };
    let line = |text: &[u8]| {
        let request: EventRequest =
            serde_json::from_slice(text).map_err(|fault| invalid(fault.to_string()))?;
        if is_array(text) {
            return Err(invalid(NOT_AN_OBJECT.to_owned()));
        }
        request
            .into_event(hunt)
            .map_err(|fault| invalid(fault.to_string()))
    };
    Ok(texts.into_iter().map(line).collect())
}

/// Has the good ones stored; says what came of all, and of which kind each refusal is.
async fn store(
    app: &App,
    parsed: Vec<Result<ScoreEvent, Fault>>,
) -> (EventsAnswer, Vec<ProblemKind>) {
    let mut events = Vec::new();
    let mut faults: Vec<Option<Fault>> = Vec::with_capacity(parsed.len());
    for item in parsed {
        match item {
            Ok(event) => {
                events.push(event);
                faults.push(None);
            }
            Err(fault) => faults.push(Some(fault)),
        }
    }
    let mut outcomes = record_all(app, events).await.into_iter();
    let mut answer = EventsAnswer::default();
    let mut position = Position::start();
    let mut kinds = Vec::new();
    for (index, fault) in (0..).zip(faults) {
        let fault = match fault {
            Some(fault) => fault,
            None => match outcomes.next().unwrap_or(EventOutcome::OutcomeUnknown) {
                EventOutcome::Accepted { shard, sequence } => {
                    answer.accepted += 1;
                    position.advance(shard, sequence.advanced(1));
                    continue;
                }
                EventOutcome::Duplicate { shard, sequence } => {
                    answer.duplicates += 1;
                    position.advance(shard, sequence.advanced(1));
                    continue;
                }
                refused => fault_of(refused),
            },
        };
        kinds.push(fault.kind);
        answer.refused.push(RefusedEvent {
            index,
            outcome: fault.kind.name().to_owned(),
            error: fault.error,
        });
    }
    answer.position = PositionText::from(&position);
    (answer, kinds)
}

async fn record_all(app: &App, events: Vec<ScoreEvent>) -> Vec<EventOutcome> {
    if events.is_empty() {
        return Vec::new();
    }
    let count = events.len();
    let recording = app.backend.record_events(events);
    let recorded = tokio::time::timeout(app.limits().request_timeout, recording).await;
    let mut outcomes = recorded.unwrap_or_default();
    // Stored or not: nobody can tell, and the same event again will.
    outcomes.resize(count, EventOutcome::OutcomeUnknown);
    outcomes
}

fn fault_of(outcome: EventOutcome) -> Fault {
    let kind = match outcome {
        EventOutcome::Conflict => ProblemKind::EventConflict,
        EventOutcome::UnknownHunt => ProblemKind::UnknownHunt,
        EventOutcome::HuntClosed => ProblemKind::HuntClosed,
        EventOutcome::HuntNotBegun => ProblemKind::HuntState,
        EventOutcome::TooOld => ProblemKind::TooOld,
        EventOutcome::TooNew => ProblemKind::TooNew,
        EventOutcome::Overloaded => ProblemKind::Overloaded,
        EventOutcome::StorageFull => ProblemKind::StorageFull,
        EventOutcome::Accepted { .. }
        | EventOutcome::Duplicate { .. }
        | EventOutcome::OutcomeUnknown => ProblemKind::OutcomeUnknown,
    };
    Fault {
        kind,
        error: format!("{}: {}", kind.name(), kind.title()),
    }
}

/// The reason that nothing at all was taken, if it is one that passes: the whole request may
/// be repeated.
fn common_cause(answer: &EventsAnswer, kinds: &[ProblemKind]) -> Option<ProblemKind> {
    let &first = kinds.first()?;
    let nothing = answer.accepted == 0 && answer.duplicates == 0;
    let same = kinds.iter().all(|&kind| kind == first);
    (nothing && same && first.is_retryable()).then_some(first)
}

/// The problem, and beside it what the answer would have said.
fn refused(kind: ProblemKind, answer: EventsAnswer) -> Response {
    #[derive(Serialize)]
    struct Both {
        #[serde(flatten)]
        problem: Problem,
        #[serde(flatten)]
        answer: EventsAnswer,
    }
    let mut problem = Problem::new(kind, "");
    // Outcomes are of attempts.
    problem.outcome = None;
    problem.retry_after_ms = match kind {
        ProblemKind::Overloaded | ProblemKind::OutcomeUnknown => Some(250),
        ProblemKind::StorageFull => Some(5_000),
        _ => None,
    };
    let refusal = Refusal::from(problem.clone()).written();
    let body = serde_json::to_vec(&Both { problem, answer }).expect("answers are plain data");
    refusal.map(|_| body.into())
}
