//! Answers to peers whose request cannot be read: whole HTTP responses, problem and all.

use bytes::Bytes;
use http::StatusCode;
use huntcore_wire::{Problem, ProblemKind};

use crate::problem::PROBLEM_JSON;

/// The header that every response of ours has, and hyper's own answers do not.
pub(super) const MARK_OF_OURS: &[u8] = b"x-content-type-options: nosniff";

/// The problem in place of hyper's bare status (three digits), if it is one that we know.
pub(super) fn unreadable_request(status: &[u8]) -> Option<Bytes> {
    let (kind, detail) = match status {
        b"400" => (
            ProblemKind::Malformed,
            "the request line or a header is malformed",
        ),
        b"414" => (ProblemKind::UriTooLong, "the request's target is too long"),
        b"431" => (
            ProblemKind::HeadersTooLarge,
            "the request has more headers, or more bytes of them, than are taken",
        ),
        _ => return None,
    };
    Some(response(&Problem::new(kind, detail)))
}

/// For a peer that began a request and never finished its head.
pub(super) fn head_timeout() -> Bytes {
    let detail = "the request's headers did not arrive in time";
    response(&Problem::new(ProblemKind::RequestTimeout, detail))
}

/// For a peer that is refused as soon as it has connected.
pub(super) fn refused(problem: &Problem) -> Bytes {
    response(problem)
}

/// For a peer that speaks plain HTTP where TLS is spoken.
pub(super) fn not_tls() -> Bytes {
    let detail = "this address speaks TLS only: use https:// and wss://";
    response(&Problem::new(ProblemKind::Malformed, detail))
}

fn response(problem: &Problem) -> Bytes {
    let status = StatusCode::from_u16(problem.status).expect("problems have statuses of errors");
    let retry = problem
        .retry_after_s()
        .map_or_else(String::new, |seconds| format!("retry-after: {seconds}\r\n"));
    let body = serde_json::to_string(problem).expect("plain data");
    let mark = std::str::from_utf8(MARK_OF_OURS).expect("ASCII");
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {PROBLEM_JSON}\r\n{mark}\r\n{retry}connection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}
