//! From a request's parts to checked values; everything that can be wrong becomes a problem.

use std::fmt::Display;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequestParts, Path, Query};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use huntcore_wire::ProblemKind;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::problem::Refusal;
use crate::state::App;

/// The path's variable segments, decoded.
pub(crate) struct Segments<T>(pub(crate) T);

/// The query, with no parameter that is not known.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Segments<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(Self(segments)),
            Err(fault) => Err(Refusal::new(ProblemKind::Malformed, fault.body_text())),
        }
    }
}

impl<T, S> FromRequestParts<S> for Asked<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(fault) => Err(Refusal::new(ProblemKind::Malformed, fault.body_text())),
        }
    }
}

/// What a request's body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `application/json`.
    Json,
    /// `application/x-ndjson`: one JSON value a line.
    Lines,
    /// `application/protobuf`: messages, each behind its length.
    Protobuf,
}

impl Form {
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Lines => "application/x-ndjson",
            Self::Protobuf => "application/protobuf",
        }
    }

    /// Whether a media type names it.
    fn is_named(self, essence: &str) -> bool {
        let older = match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json | Self::Lines => self.media_type(),
        };
        [self.media_type(), older]
            .iter()
            .any(|name| essence.eq_ignore_ascii_case(name))
    }

    /// Which of `accepted` the request says its body is in.
    pub(crate) fn of(headers: &HeaderMap, accepted: &[Self]) -> Result<Self, Refusal> {
        if headers
            .get(header::CONTENT_ENCODING)
            .is_some_and(|encoding| encoding != "identity")
        {
            return Err(Refusal::new(
                ProblemKind::UnsupportedMediaType,
                "bodies are taken without a content-encoding",
            ));
        }
        let essence = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(|value| value.split(';').next().unwrap_or(value).trim());
        let named = |form: &&Self| essence.is_some_and(|essence| form.is_named(essence));
        accepted.iter().find(named).copied().ok_or_else(|| {
            let expected: Vec<_> = accepted.iter().map(|form| form.media_type()).collect();
            Refusal::new(
                ProblemKind::UnsupportedMediaType,
                format!("content-type must be {}", expected.join(" or ")),
            )
        })
    }
}

/// Reads a whole body of at most `bytes_max`, in bounded time.
pub(crate) async fn read_body<B>(
    app: &App,
    headers: &HeaderMap,
    body: B,
    bytes_max: usize,
) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes, Error: Display> + Unpin,
{
    let reading = collect(headers, body, bytes_max);
    let read = tokio::time::timeout(app.limits().body_read_timeout, reading).await;
    read.unwrap_or_else(|_| Err(too_slow()))
}

/// Reads a whole body of at most `bytes_max`, however long that takes.
pub(crate) async fn collect<B>(
    headers: &HeaderMap,
    mut body: B,
    bytes_max: usize,
) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes, Error: Display> + Unpin,
{
    let too_large = || {
        let detail = format!("the body has more than {bytes_max} bytes");
        Refusal::new(ProblemKind::TooLarge, detail)
    };
    // A body that announces too much is refused before a byte of it is read.
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > bytes_max as u64) {
        return Err(too_large());
    }
    let mut whole = Bytes::new();
    let mut parts = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|fault| {
            let detail = format!("the body cannot be read to its end: {fault}");
            Refusal::new(ProblemKind::Malformed, detail)
        })?;
        // Trailers say nothing here.
        let part = frame.into_data().unwrap_or_default();
        if whole.len() + parts.len() + part.len() > bytes_max {
            return Err(too_large());
        }
        // Most bodies come in one piece, which can stay where it is.
        if whole.is_empty() && parts.is_empty() {
            whole = part;
            continue;
        }
        parts.extend_from_slice(&std::mem::take(&mut whole));
        parts.extend_from_slice(&part);
    }
    match parts.is_empty() {
        true => Ok(whole),
        false => Ok(parts.into()),
    }
}

/// A body that does not come.
pub(crate) fn too_slow() -> Refusal {
    Refusal::new(
        ProblemKind::RequestTimeout,
        "the request's body did not arrive in time",
    )
}

/// Reads a JSON object of one kind.
pub(crate) async fn read_json<T: DeserializeOwned>(
    app: &App,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<T, Refusal> {
    Form::of(headers, &[Form::Json])?;
    let bytes = read_body(app, headers, body, bytes_max).await?;
    parse_object(&bytes)
}

/// 400 where the text is no JSON, 422 where it is, but not what is expected; both say where.
pub(crate) fn parse_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|fault| {
        let kind = match fault.classify() {
            Category::Data => ProblemKind::Invalid,
            Category::Syntax | Category::Eof | Category::Io => ProblemKind::Malformed,
        };
        Refusal::new(kind, fault.to_string())
    })
}

/// Like [`parse_json`], but for what is an object.
pub(crate) fn parse_object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Refusal> {
    let parsed = parse_json(bytes)?;
    match is_array(bytes) {
        true => Err(Refusal::new(ProblemKind::Invalid, NOT_AN_OBJECT)),
        false => Ok(parsed),
    }
}

pub(crate) const NOT_AN_OBJECT: &str = "expected an object, found an array";

/// Whether a JSON text is an array: serde would take one for an object, field by field.
pub(crate) fn is_array(json: &[u8]) -> bool {
    json.trim_ascii_start().first() == Some(&b'[')
}

/// The lines of an NDJSON body that hold something, each with its index among those.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
}
