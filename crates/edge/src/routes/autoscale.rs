//! How many of a component are needed, for whoever starts and stops processes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use huntcore_capacity::{Component, LEAD_S};
use huntcore_wire::{Autoscale, ProblemKind, Timestamp};
use serde::Deserialize;

use super::answers;
use crate::extract::{Asked, Segments};
use crate::openapi::AutoscaleProblems;
use crate::problem::Refusal;
use crate::state::App;

/// Longer than anybody waits for a process to start.
const LEAD_S_MAX: f64 = 3_600.0;

/// What is asked.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Lead {
    /// How long it takes, in seconds, until one more serves: the time between two polls, and a
    /// process's start. 75 if not given, at most 3600.
    #[param(minimum = 0, maximum = 3600)]
    lead_s: Option<f64>,
}

/// How far a component of this process is behind, and how many of it are needed.
#[utoipa::path(
    get, path = "/v1/autoscale/{component}", tag = "operations",
    params(
        ("component" = String, Path, description = "edge, arbiter, log, boards, broadcast or sinks"),
        Lead,
    ),
    responses(
        (status = 200, description = "Its lag, and a recommendation", body = Autoscale),
        AutoscaleProblems,
    ),
)]
pub(super) async fn recommend(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
    Asked(asked): Asked<Lead>,
) -> Result<Response, Refusal> {
    let refuse = |detail: String| Refusal::new(ProblemKind::NotFound, detail);
    let component: Component = match name.parse() {
        Ok(component) => component,
        Err(unknown) => return Err(refuse(format!("{unknown}"))),
    };
    let lead_s = asked.lead_s.unwrap_or(LEAD_S);
    if !(0.0..=LEAD_S_MAX).contains(&lead_s) {
        let detail = format!("lead_s is {lead_s}, and has to be from 0 to {LEAD_S_MAX}");
        return Err(Refusal::new(ProblemKind::Malformed, detail));
    }
    let Some((part, told)) = app.operations.recommend(component, lead_s) else {
        return Err(refuse(format!("this process has no {component}")));
    };
    let answer = Autoscale {
        server_time: Timestamp::new(app.backend.now()),
        component: component.name().to_owned(),
        part: part.name().to_owned(),
        lag_messages: told.lag_messages,
        lag_s: told.lag_s,
        rate: told.rate,
        rate_expected: told.rate_expected,
        unit_rate: told.unit_rate,
        lead_s,
        current: told.current,
        wanted: told.wanted,
        recommended: told.recommended,
        reason: told.reason.name().to_owned(),
    };
    Ok(answers::json(StatusCode::OK, &answer))
}
