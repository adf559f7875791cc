//! The log, for edge processes that follow this one; with the service key only.
//!
//! What is sent are the committed batches in their own checked format: who follows folds them
//! as this process does. Not in the OpenAPI document: it is no API for anybody else.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use huntcore_model::Position;
use huntcore_projection::log_stream::MEDIA_TYPE;
use huntcore_wire::{PositionText, Problem, ProblemKind};
use serde::{Deserialize, Serialize};

use super::answers;
use crate::backend::{LogBytes, LogFault, LogSource};
use crate::extract::Asked;
use crate::problem::Refusal;
use crate::state::App;

/// From where on batches are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    /// Up to where whoever asks has folded the log; all of it if left out.
    #[serde(default)]
    from: Option<PositionText>,
}

#[derive(Serialize)]
struct Ends {
    position: PositionText,
}

/// Committed batches of all streams from a position on, without end.
pub(super) async fn batches(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Asked(From { from }): Asked<From>,
) -> Result<Response, Refusal> {
    let log = source(&app, &headers)?;
    let from = match &from {
        None => Position::start(),
        Some(text) => text
            .parse()
            .map_err(|fault: huntcore_model::PositionError| {
                Refusal::new(ProblemKind::Malformed, format!("from: {fault}"))
            })?,
    };
    let bytes = log.batches(from).await.map_err(|fault| refused(&fault))?;
    Ok(answer(&app, bytes))
}

/// The projections' state, for whoever begins to follow.
pub(super) async fn checkpoint(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let log = source(&app, &headers)?;
    let bytes = log.checkpoint().await.map_err(|fault| refused(&fault))?;
    Ok(answer(&app, bytes))
}

/// Up to where all streams are durable.
pub(super) async fn position(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let log = source(&app, &headers)?;
    let ends = Ends {
        position: PositionText::from(&log.ends()),
    };
    Ok(answers::json(StatusCode::OK, &ends))
}

fn source(app: &App, headers: &HeaderMap) -> Result<Arc<dyn LogSource>, Refusal> {
    app.access.service(headers)?;
    app.backend.log().ok_or_else(|| {
        let detail = "this process has no log of its own to follow; its upstream has";
        Refusal::new(ProblemKind::NotFound, detail)
    })
}

fn answer(app: &App, bytes: LogBytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)),
        (header::CACHE_CONTROL, answers::NEVER),
    ];
    (headers, app.until_stop(bytes)).into_response()
}

fn refused(fault: &LogFault) -> Refusal {
    let detail = fault.to_string();
    let kind = match fault {
        LogFault::Trimmed { .. } => ProblemKind::LogTrimmed,
        LogFault::Ahead { .. } => ProblemKind::LogAhead,
        LogFault::Busy | LogFault::Unavailable { .. } => {
            let problem = Problem::new(ProblemKind::Unavailable, detail);
            return problem.retry_after_ms(1_000).into();
        }
    };
    Refusal::new(kind, detail)
}
