//! For those who run it: health, readiness, figures, metrics.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use huntcore_model::OutcomeKind;
use huntcore_wire::{Problem, ProblemKind, Stats};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers;
use crate::backend::Readiness;
use crate::openapi::{CommonProblems, ReadyProblems};
use crate::problem::Refusal;
use crate::state::App;

/// Prometheus' text format.
const METRICS_TEXT: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// How the process is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, or nothing answers.
    #[schema(examples("ok"))]
    status: &'static str,
    /// What does not work beside it, such as a sink.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

impl Health {
    const fn ok(notes: Vec<String>) -> Self {
        Self {
            status: "ok",
            notes,
        }
    }
}

/// Whether the process lives.
#[utoipa::path(
    get, path = "/healthz", tag = "operations",
    responses((status = 200, description = "It does", body = Health), CommonProblems),
)]
pub(super) async fn healthz() -> Response {
    answers::json(StatusCode::OK, &Health::ok(Vec::new()))
}

/// Whether the process can serve.
#[utoipa::path(
    get, path = "/readyz", tag = "operations",
    responses((status = 200, description = "It can", body = Health), ReadyProblems),
)]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    let stopping = app.lifetime.stop.is_cancelled();
    let reason = match app.backend.readiness() {
        _ if stopping => "the server is stopping".to_owned(),
        Readiness::Ready => return Ok(answers::json(StatusCode::OK, &Health::ok(Vec::new()))),
        Readiness::Impaired { notes } => {
            return Ok(answers::json(StatusCode::OK, &Health::ok(notes)));
        }
        Readiness::NotReady { reason } => reason,
    };
    let problem = Problem::new(ProblemKind::Unavailable, reason);
    Err(problem.retry_after_ms(1_000).into())
}

/// What the process has done and how it fares.
#[utoipa::path(
    get, path = "/v1/stats", tag = "operations",
    responses((status = 200, description = "Figures since the start", body = Stats), CommonProblems),
)]
pub(super) async fn stats(State(app): State<Arc<App>>) -> Response {
    let mut stats = app.backend.stats();
    let attempts = app.counts.attempts();
    let refused = attempts.outcomes.iter().filter(|(kind, count)| {
        let told_otherwise = [
            OutcomeKind::Won,
            OutcomeKind::Taken,
            OutcomeKind::OutcomeUnknown,
        ];
        *count > 0 && !told_otherwise.contains(kind)
    });
    stats.attempts_total = attempts.received;
    stats.won_total = attempts.told(OutcomeKind::Won);
    stats.taken_total = attempts.told(OutcomeKind::Taken);
    stats.refused_total = refused
        .map(|&(kind, count)| (kind.name().to_owned(), count))
        .collect::<BTreeMap<_, _>>();
    stats.unanswered_total = attempts.unanswered();
    stats.connections = app.counts.sockets() as u64;
    stats.components = app.operations.parts(&stats.components, &app.counts);
    answers::json(StatusCode::OK, &stats)
}

/// Metrics in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses(
        (status = 200, description = "Metrics", body = String, content_type = "text/plain"),
        CommonProblems,
    ),
)]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let mut text = String::new();
    app.backend.render_metrics(&mut text);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    app.counts.render(&mut text);
    let told = app.backend.stats().components;
    app.operations.render(&told, &app.counts, &mut text);
    let keys = "huntcore_rate_keys";
    let _ = writeln!(
        text,
        "# HELP {keys} Players and addresses whose rate is remembered.\n# TYPE {keys} gauge\n\
         {keys}{{of=\"players\"}} {}\n{keys}{{of=\"addresses\"}} {}",
        app.players.len(),
        app.guests.len()
    );
    let headers = [
        (header::CONTENT_TYPE, METRICS_TEXT),
        (header::CACHE_CONTROL, answers::NEVER),
    ];
    (headers, text).into_response()
}
