//! Hunts: list, show, create, change, pause, resume, close.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use huntcore_model::{HuntEntry, HuntId, Sequence, TimeMicros};
use huntcore_wire::{
    BoardSpec, HuntChange, HuntList, HuntRequest, HuntSummary, HuntView, Problem, ProblemKind,
};
use serde_json::Value;

use super::answers;
use crate::backend::{CommandError, Commanded, HuntCommand, View};
use crate::extract::{Segments, read_json};
use crate::openapi::{CommandProblems, CommonProblems, CreateProblems, HuntProblems};
use crate::problem::Refusal;
use crate::state::{App, unknown_hunt};

/// How long a command's answer waits for the catalog that shows what it did.
const SHOWN_WITHIN: Duration = Duration::from_secs(2);

/// Every hunt.
#[utoipa::path(
    get, path = "/v1/hunts", tag = "hunts",
    responses((status = 200, description = "Every hunt, in order of creation", body = HuntList), CommonProblems),
)]
pub(super) async fn list(State(app): State<Arc<App>>) -> Response {
    let view = app.backend.view();
    let now = app.backend.now();
    let hunts = view
        .catalog
        .hunts()
        .map(|entry| HuntSummary::new(entry, now));
    let list = HuntList {
        hunts: hunts.collect(),
    };
    answers::json(StatusCode::OK, &list)
}

/// One hunt.
#[utoipa::path(
    get, path = "/v1/hunts/{hunt}", tag = "hunts",
    params(("hunt" = huntcore_wire::schema::HuntId, Path, description = "The hunt's id")),
    responses((status = 200, description = "The hunt", body = HuntView), HuntProblems),
)]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Segments(hunt): Segments<String>,
) -> Result<Response, Refusal> {
    let (_, entry) = app.hunt(&parse_hunt(&hunt)?)?;
    Ok(answers::json(
        StatusCode::OK,
        &view(&entry, app.backend.now()),
    ))
}

/// Creates a hunt.
#[utoipa::path(
    post, path = "/v1/hunts", tag = "hunts",
    request_body = HuntRequest,
    responses(
        (
            status = 201, description = "Created, and durable", body = HuntView,
            headers(("Location" = String, description = "The hunt's path")),
        ),
        CreateProblems,
    ),
    security(("service" = [])),
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    app.access.service(&headers)?;
    let limit = app.limits().bulk_body_bytes_max;
    let request: HuntRequest = read_json(&app, &headers, body, limit).await?;
    let location =
        HeaderValue::try_from(format!("/v1/hunts/{}", request.id)).expect("a hunt's id is a slug");
    let mut response = command(&app, HuntCommand::Create(Box::new(request))).await?;
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// Changes a hunt; a change of its configuration holds from a future round on.
#[utoipa::path(
    patch, path = "/v1/hunts/{hunt}", tag = "hunts",
    params(("hunt" = huntcore_wire::schema::HuntId, Path, description = "The hunt's id")),
    request_body = HuntChange,
    responses((status = 200, description = "The hunt as it is now", body = HuntView), CommandProblems),
    security(("service" = [])),
)]
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Segments(hunt): Segments<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    app.access.service(&headers)?;
    let (_, entry) = app.hunt(&parse_hunt(&hunt)?)?;
    let limit = app.limits().bulk_body_bytes_max;
    let change = Box::new(read_json::<HuntChange>(&app, &headers, body, limit).await?);
    let hunt = entry.number;
    command(&app, HuntCommand::Change { hunt, change }).await
}

macro_rules! switch {
    ($(#[$meta:meta])* $name:ident, $path:literal, $command:ident) => {
        $(#[$meta])*
        #[utoipa::path(
            post, path = $path, tag = "hunts",
            params(("hunt" = huntcore_wire::schema::HuntId, Path, description = "The hunt's id")),
            responses(
                (status = 200, description = "Every shard has it; the hunt as it is now", body = HuntView),
                CommandProblems,
            ),
            security(("service" = [])),
        )]
        pub(super) async fn $name(
            State(app): State<Arc<App>>,
            Segments(hunt): Segments<String>,
            headers: HeaderMap,
        ) -> Result<Response, Refusal> {
            app.access.service(&headers)?;
            let (_, entry) = app.hunt(&parse_hunt(&hunt)?)?;
            command(&app, HuntCommand::$command { hunt: entry.number }).await
        }
    };
}

switch! {
    /// Refuses attempts on unclaimed tiles for now; rounds go on.
    pause, "/v1/hunts/{hunt}/pause", Pause
}
switch! {
    /// Takes attempts again.
    resume, "/v1/hunts/{hunt}/resume", Resume
}
switch! {
    /// Ends a hunt for ever.
    close, "/v1/hunts/{hunt}/close", Close
}

/// Does it, and shows the hunt as it is then.
async fn command(app: &App, command: HuntCommand) -> Result<Response, Refusal> {
    let commanding = app.backend.command(command);
    // Cells are counted and every shard is asked; still nearer than the last resort's limit,
    // whose answer could not say what this one does.
    let longest = 2 * app.limits().request_timeout;
    let commanded = tokio::time::timeout(longest, commanding).await;
    // Done or not: nobody can tell, and the hunt will show.
    let commanded = commanded.unwrap_or(Err(CommandError::OutcomeUnknown));
    let Commanded { hunt, visible_from } = commanded.map_err(|error| refused(&error))?;
    match shown(app, visible_from).await.catalog.by_number(hunt) {
        Some(entry) => {
            let view = view(entry, app.backend.now());
            Ok(answers::json(StatusCode::OK, &view))
        }
        // It is done and durable; only the catalog is late.
        None => Err(Refusal::new(
            ProblemKind::ProjectionBehind,
            "the hunt is not shown yet",
        )),
    }
}

/// A view that shows the control stream up to there, or, if that takes too long, the newest.
pub(super) async fn shown(app: &App, visible_from: Sequence) -> Arc<View> {
    let mut views = app.backend.views();
    app.backend.publish_now();
    let showing = async {
        loop {
            let view = app.backend.view();
            if view.catalog.next() >= visible_from {
                return view;
            }
            if views.changed().await.is_err() {
                return view;
            }
        }
    };
    let shown = tokio::time::timeout(SHOWN_WITHIN, showing).await;
    shown.unwrap_or_else(|_| app.backend.view())
}

pub(super) fn refused(error: &CommandError) -> Refusal {
    let detail = error.to_string();
    let (kind, retry_after_ms) = match error {
        CommandError::HuntExists { .. } => (ProblemKind::HuntExists, None),
        CommandError::UnknownHunt => (ProblemKind::UnknownHunt, None),
        CommandError::HuntClosed => (ProblemKind::HuntClosed, None),
        CommandError::State { .. } => (ProblemKind::HuntState, None),
        CommandError::Invalid { .. } => (ProblemKind::Invalid, None),
        CommandError::UnknownBoard { .. } => (ProblemKind::UnknownBoard, None),
        CommandError::Overloaded { .. } => (ProblemKind::Overloaded, Some(1_000)),
        CommandError::StorageFull => (ProblemKind::StorageFull, Some(5_000)),
        CommandError::OutcomeUnknown => (ProblemKind::OutcomeUnknown, Some(1_000)),
        CommandError::Unavailable { .. } | CommandError::Stopping => {
            (ProblemKind::Unavailable, Some(1_000))
        }
    };
    let mut problem = Problem::new(kind, detail);
    // Nothing was attempted on a tile.
    problem.outcome = None;
    problem.retry_after_ms = retry_after_ms;
    problem.into()
}

fn view(entry: &HuntEntry, now: TimeMicros) -> HuntView {
    HuntView {
        summary: HuntSummary::new(entry, now),
        outline: outline(&entry.latest_version().config.area),
        board_definitions: entry
            .boards
            .iter()
            .map(|board| BoardSpec::of(&board.definition))
            .collect(),
    }
}

/// The area as the control record holds it.
fn outline(area: &str) -> Value {
    serde_json::from_str(area).expect("areas are canonical GeoJSON text")
}

/// A path's hunt; what is no hunt's id is no hunt.
pub(super) fn parse_hunt(text: &str) -> Result<HuntId, Refusal> {
    HuntId::new(text).map_err(|_| unknown_hunt(text))
}
