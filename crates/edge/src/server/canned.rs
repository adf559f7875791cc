//! Answers to peers whose request cannot be read: whole HTTP responses, problem and all.

use bytes::Bytes;

/// The header that every response of ours has, and hyper's own answers do not.
pub(super) const MARK_OF_OURS: &[u8] = b"x-content-type-options: nosniff";

/// The problem in place of hyper's bare status (three digits), if it is one that we know.
pub(super) fn unreadable_request(status: &[u8]) -> Option<Bytes> {
    let (status, title, name, detail) = match status {
        b"400" => (
            400,
            "Bad Request",
            "bad-request",
            "the request line or a header is malformed",
        ),
        b"414" => (
            414,
            "URI Too Long",
            "uri-too-long",
            "the request's target is too long",
        ),
        b"431" => (
            431,
            "Request Header Fields Too Large",
            "headers-too-large",
            "the request has more headers, or more bytes of them, than are taken",
        ),
        _ => return None,
    };
    Some(response(status, title, name, detail, None))
}

/// For a peer that began a request and never finished its head.
pub(super) fn head_timeout() -> Bytes {
    let detail = "the request's headers did not arrive in time";
    response(408, "Request Timeout", "request-timeout", detail, None)
}

/// For a peer that connects while every connection is taken.
pub(super) fn too_many_connections() -> Bytes {
    let detail = "every connection that this server has is taken";
    response(503, "Service Unavailable", "overloaded", detail, Some(1))
}

fn response(
    status: u16,
    title: &str,
    name: &str,
    detail: &str,
    retry_after_s: Option<u32>,
) -> Bytes {
    let retry_header = retry_after_s.map_or_else(String::new, |s| format!("retry-after: {s}\r\n"));
    let retry_member = retry_after_s.map_or_else(String::new, |s| {
        format!(",\"retry_after_ms\":{}", s * 1_000)
    });
    let body = format!(
        "{{\"type\":\"/problems/{name}\",\"title\":\"{title}\",\"status\":{status},\
         \"detail\":\"{detail}\"{retry_member}}}"
    );
    let mark = std::str::from_utf8(MARK_OF_OURS).expect("ASCII");
    format!(
        "HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\n{mark}\r\n\
         {retry_header}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}
