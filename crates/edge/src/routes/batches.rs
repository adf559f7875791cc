//! Attempts made by a service for many players, in one request.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use huntcore_model::{Attempt, OutcomeKind};
use huntcore_wire::{BATCH_ITEMS_MAX, ClaimFor, ClaimItem, ProblemKind};
use serde_json::value::RawValue;

use super::claims::{decide_all, telling};
use crate::backend::View;
use crate::extract::{Form, NOT_AN_OBJECT, is_array, lines, parse_json, read_body};
use crate::openapi::BulkProblems;
use crate::problem::Refusal;
use crate::state::App;

/// Tries to win tiles for players. Items stand alone: one that is malformed is `invalid`, and
/// the others are none the worse. The answers are in the same order and the same form.
#[utoipa::path(
    post, path = "/v1/claims", tag = "claims",
    request_body(
        content(
            (crate::openapi::BatchBody = "application/json"),
            (crate::openapi::LinesBody = "application/x-ndjson"),
        ),
        description = "An array of at most 4,096 attempts, or one a line",
    ),
    responses(
        (status = 200, description = "What came of each, in order", content(
            (Vec<ClaimItem> = "application/json"),
            (String = "application/x-ndjson"),
        )),
        BulkProblems,
    ),
    security(("service" = [])),
)]
pub(super) async fn claim_all(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    app.access.service(&headers)?;
    let form = Form::of(&headers, &[Form::Json, Form::Lines])?;
    let limit = app.limits().bulk_body_bytes_max;
    let bytes = read_body(&app, &headers, body, limit).await?;
    let parsed = parse(form, &bytes, &app.backend.view())?;
    let unanswered = app.counts.receive(parsed.len() as u64);
    let items = decide(&app, parsed).await;
    let kinds: Vec<OutcomeKind> = items.iter().map(|item| item.outcome).collect();
    let media_type = HeaderValue::from_static(form.media_type());
    let response = (
        StatusCode::OK,
        [(header::CONTENT_TYPE, media_type)],
        write(form, &items),
    );
    Ok(telling(response.into_response(), unanswered, kinds).await)
}

/// An attempt to be decided, or what is already known of it.
type Parsed = Result<Attempt, ClaimItem>;

fn parse(form: Form, bytes: &[u8], view: &View) -> Result<Vec<Parsed>, Refusal> {
    let texts: Vec<&[u8]> = match form {
        Form::Lines => lines(bytes).take(BATCH_ITEMS_MAX + 1).collect(),
        Form::Json => {
            let items: Vec<&RawValue> = parse_json(bytes)?;
            items
                .into_iter()
                .map(|item| item.get().as_bytes())
                .collect()
        }
    };
    if texts.len() > BATCH_ITEMS_MAX {
        return Err(Refusal::new(
            ProblemKind::Invalid,
            format!("a batch holds at most {BATCH_ITEMS_MAX} attempts"),
        ));
    }
    Ok(texts
        .into_iter()
        .map(|text| parse_item(text, view))
        .collect())
}

fn parse_item(text: &[u8], view: &View) -> Parsed {
    let claim: ClaimFor =
        serde_json::from_slice(text).map_err(|fault| ClaimItem::invalid(fault.to_string()))?;
    if is_array(text) {
        return Err(ClaimItem::invalid(NOT_AN_OBJECT));
    }
    match view.catalog.hunt(&claim.hunt) {
        Some(entry) => Ok(Attempt {
            hunt: entry.number,
            round: claim.round,
            tile: claim.tile,
            player: claim.player,
        }),
        None => Err(ClaimItem {
            outcome: OutcomeKind::UnknownHunt,
            ..ClaimItem::invalid(format!("there is no hunt {}", claim.hunt))
        }),
    }
}

async fn decide(app: &App, parsed: Vec<Parsed>) -> Vec<ClaimItem> {
    let attempts: Vec<Attempt> = parsed
        .iter()
        .filter_map(|item| item.as_ref().ok())
        .cloned()
        .collect();
    let outcomes = match attempts.is_empty() {
        true => Vec::new(),
        false => decide_all(app, attempts).await,
    };
    let now = app.backend.now();
    let mut outcomes = outcomes.iter();
    parsed
        .into_iter()
        .map(|item| match item {
            Err(known) => known,
            Ok(_) => {
                let outcome = outcomes.next().expect("one outcome for each attempt");
                ClaimItem::of_outcome(outcome, now)
            }
        })
        .collect()
}

fn write(form: Form, items: &[ClaimItem]) -> Vec<u8> {
    let json = |item: &ClaimItem| serde_json::to_vec(item).expect("answers are plain data");
    match form {
        Form::Json => serde_json::to_vec(items).expect("answers are plain data"),
        Form::Lines => {
            let mut out = Vec::new();
            for item in items {
                out.extend(json(item));
                out.push(b'\n');
            }
            out
        }
    }
}
