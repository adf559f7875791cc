//! Attempts made by a service for many players: an array in one request, or a stream.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use huntcore_lane::Submission;
use huntcore_model::Outcome;
use huntcore_wire::{
    BATCH_ITEMS_MAX, ClaimItem, ClaimStreamForm, ProblemKind, parse_claim_for, proto,
    put_json_outcome, put_json_refusal,
};
use serde_json::value::RawValue;

use super::answers;
use crate::batch::{Asker, ClaimStream, Item, Notes};
use crate::counts::Tally;
use crate::extract::{Form, parse_json, read_body, too_slow};
use crate::openapi::BulkProblems;
use crate::problem::Refusal;
use crate::server::ConnectionHandle;
use crate::state::App;
use crate::telling::Telling;

/// Tries to win tiles for players. Items stand alone: one that is malformed is `invalid`, and
/// the others are none the worse. The answers are in the same order and the same form.
///
/// Lines and protobuf messages are answered as they come, while more may still be sent: one
/// connection carries any number of them. Whoever sends without reading the answers is read no
/// further until it does. The last item of a body that ends within it is `invalid`; after a
/// message length that cannot be read, one last `invalid` item says so and the answer ends.
#[utoipa::path(
    post, path = "/v1/claims", tag = "claims",
    request_body(
        content(
            (crate::openapi::BatchBody = "application/json"),
            (crate::openapi::LinesBody = "application/x-ndjson"),
            (crate::openapi::MessagesBody = "application/protobuf"),
        ),
        description = "An array of at most 4,096 attempts; or any number, one a line; or any \
                       number of `ClaimFor` messages of `/huntcore.v1.proto`, each behind its \
                       length as a varint",
    ),
    responses(
        (status = 200, description = "What came of each, in order", content(
            (Vec<ClaimItem> = "application/json"),
            (String = "application/x-ndjson"),
            (crate::openapi::MessagesBody = "application/protobuf"),
        )),
        BulkProblems,
    ),
    security(("service" = [])),
)]
pub(super) async fn claim_all(
    State(app): State<Arc<App>>,
    Extension(connection): Extension<ConnectionHandle>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    app.access.service(&headers)?;
    let form = Form::of(&headers, &[Form::Json, Form::Lines, Form::Protobuf])?;
    match form {
        Form::Json => claim_array(&app, &connection, &headers, body).await,
        Form::Lines => claim_stream(app, &connection, &headers, body, ClaimStreamForm::Lines).await,
        Form::Protobuf => {
            claim_stream(app, &connection, &headers, body, ClaimStreamForm::Protobuf).await
        }
    }
}

/// The definition of the protobuf messages.
pub(super) async fn definition() -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, answers::ASK_FIRST),
    ];
    (headers, proto::DEFINITION).into_response()
}

async fn claim_stream(
    app: Arc<App>,
    connection: &ConnectionHandle,
    headers: &HeaderMap,
    mut body: Body,
    form: ClaimStreamForm,
) -> Result<Response, Refusal> {
    let reads = connection.read_wide();
    // The head of the answer would stand in for the "100 Continue" that the peer waits for;
    // asking for the body first lets hyper say it.
    let first = match headers.contains_key(header::EXPECT) {
        true => first_chunk(&app, &mut body).await?,
        false => Bytes::new(),
    };
    let media_type = match form {
        ClaimStreamForm::Lines => Form::Lines.media_type(),
        ClaimStreamForm::Protobuf => Form::Protobuf.media_type(),
    };
    let stream = Body::new(ClaimStream::new(app, form, reads, first, body));
    Ok(answer(media_type, stream))
}

async fn first_chunk(app: &App, body: &mut Body) -> Result<Bytes, Refusal> {
    let first = tokio::time::timeout(app.limits().body_read_timeout, body.frame()).await;
    match first {
        Ok(Some(Ok(frame))) => Ok(frame.into_data().unwrap_or_default()),
        Ok(None) => Ok(Bytes::new()),
        Ok(Some(Err(fault))) => Err(Refusal::new(
            ProblemKind::Malformed,
            format!("the body cannot be read: {fault}"),
        )),
        Err(_) => Err(too_slow()),
    }
}

async fn claim_array(
    app: &App,
    connection: &ConnectionHandle,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let reads = connection.read_wide();
    let bytes = read_body(app, headers, body, app.limits().bulk_body_bytes_max).await?;
    drop(reads);
    let items: Vec<&RawValue> = parse_json(&bytes)?;
    if items.len() > BATCH_ITEMS_MAX {
        return Err(Refusal::new(
            ProblemKind::Invalid,
            format!("a batch holds at most {BATCH_ITEMS_MAX} attempts"),
        ));
    }
    let unanswered = app.counts.receive(items.len() as u64);
    let kept = connection.take_asker();
    let mut asker = kept.unwrap_or_else(|| Box::new(Asker::new(app)));
    let mut hunts = std::mem::take(&mut asker.hunts);
    let fill = |submission: &mut Submission| {
        let mut notes = Notes::default();
        for item in &items {
            let item = parse_claim_for(item.get().as_bytes());
            notes.put(submission, app, &mut hunts, item);
        }
        notes
    };
    let write = |notes: Notes, answered: Option<&Submission>| match answered {
        Some(answered) => write_array(app, &notes, answered.outcomes()),
        None => {
            let unknown = std::iter::repeat_n(Outcome::OutcomeUnknown, items.len());
            write_array(app, &notes, unknown)
        }
    };
    let (out, tally) = asker.ask(app, fill, write).await;
    if asker.is_idle() {
        asker.hunts = hunts;
        connection.keep_asker(asker);
    }
    let body = Telling::body(out.into(), unanswered, tally);
    Ok(answer(Form::Json.media_type(), body))
}

fn write_array(
    app: &App,
    notes: &Notes,
    outcomes: impl Iterator<Item = Outcome>,
) -> (Vec<u8>, Tally) {
    let (mut out, mut tally, now) = (vec![b'['], Tally::default(), app.backend.now());
    notes.for_each(outcomes, |item| {
        if out.len() > 1 {
            out.push(b',');
        }
        tally.add(item.kind());
        match item {
            Item::Decided(outcome) => put_json_outcome(&mut out, &outcome, now),
            Item::Refused(kind, error) => put_json_refusal(&mut out, kind, error),
        }
    });
    out.push(b']');
    (out, tally)
}

fn answer(media_type: &'static str, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CACHE_CONTROL, answers::NEVER),
    ];
    (StatusCode::OK, headers, body).into_response()
}
