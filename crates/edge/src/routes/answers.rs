//! Answers that several families give: JSON, entity tags, caching.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

/// For what never changes under its URL.
pub(super) const IMMUTABLE: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");
/// For what may be kept, but must be asked about each time.
pub(super) const ASK_FIRST: HeaderValue = HeaderValue::from_static("no-cache");
/// For what is old as soon as it is read.
pub(super) const NEVER: HeaderValue = HeaderValue::from_static("no-store");

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A value as JSON that nobody should keep.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    let json = serde_json::to_vec(value).expect("answers are plain data");
    ready(status, json.into()).map(Body::from)
}

/// JSON that nobody should keep, not yet a body.
pub(super) fn ready(status: StatusCode, json: Bytes) -> http::Response<Bytes> {
    let mut response = http::Response::new(json);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::CACHE_CONTROL, NEVER);
    response
}

/// A ready JSON body with its tag, or 304 for a client that has it.
pub(super) fn tagged(
    request: &HeaderMap,
    tag: &str,
    caching: HeaderValue,
    body: impl FnOnce() -> Bytes,
) -> Response {
    // Weak: the same entries may come compressed, or with a newer position beside them.
    let tag = weak(tag);
    let headers = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, caching),
    ];
    if has(request, &tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(header::CONTENT_TYPE, JSON)], body()).into_response()
}

/// A ready JSON body; its caller says who may keep it.
pub(super) fn json_body(json: Bytes) -> Response {
    ([(header::CONTENT_TYPE, JSON)], json).into_response()
}

/// Whether the client has what the tag stands for, so that no body need be made.
pub(super) fn is_known(request: &HeaderMap, tag: &str) -> bool {
    has(request, &weak(tag))
}

pub(super) fn weak(tag: &str) -> HeaderValue {
    HeaderValue::try_from(format!("W/\"{tag}\"")).expect("tags are hex and hyphens")
}

/// Whether the client says that it has what the tag stands for (RFC 9110, 13.1.2).
pub(super) fn has(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let tag = tag.as_bytes();
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|known| {
            let opaque = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_vec();
            known == b"*" || opaque(known) == opaque(tag)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list_weak_or_strong() {
        let tag = HeaderValue::from_static("W/\"ab\"");
        for (sent, known) in [
            ("W/\"ab\"", true),
            ("\"ab\"", true),
            ("*", true),
            ("\"x\", W/\"ab\"", true),
            ("\"abc\"", false),
            ("ab", false),
        ] {
            let mut request = HeaderMap::new();
            request.insert(header::IF_NONE_MATCH, HeaderValue::from_static(sent));
            assert_eq!(has(&request, &tag), known, "{sent}");
        }
        assert!(!has(&HeaderMap::new(), &tag));
    }
}
