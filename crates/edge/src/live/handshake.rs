//! The opening handshake (RFC 6455, section 4.2), checked by hand so that every refusal is a
//! problem like any other.

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use huntcore_wire::{BEARER_PROTOCOL_PREFIX, LIVE_PROTOCOL, ProblemKind};

use crate::problem::Refusal;

const VERSION: HeaderValue = HeaderValue::from_static("13");
const KEY_BYTES: usize = 16;
/// RFC 6455, section 1.3.
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake that is well-formed; who may come in is decided elsewhere.
pub(crate) struct Handshake {
    accept: HeaderValue,
    has_protocol: bool,
    /// Stood in a token's place among the subprotocols; never echoed, never logged.
    pub(crate) token: Option<String>,
}

impl Handshake {
    pub(crate) fn check(method: &Method, headers: &HeaderMap) -> Result<Self, Refusal> {
        let asks = method == Method::GET
            && has_item(headers, &header::CONNECTION, "upgrade")
            && has_item(headers, &header::UPGRADE, "websocket");
        if !asks {
            let detail = "this path speaks WebSocket only";
            return Err(Refusal::not_websocket(detail));
        }
        if headers.get(header::SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
            return Err(Refusal::not_websocket("Sec-WebSocket-Version must be 13"));
        }
        let malformed = |detail: &str| Refusal::new(ProblemKind::Malformed, detail);
        let key = headers
            .get(header::SEC_WEBSOCKET_KEY)
            .map(HeaderValue::as_bytes);
        let key = key.filter(|key| STANDARD.decode(key).is_ok_and(|key| key.len() == KEY_BYTES));
        let key = key.ok_or_else(|| malformed("Sec-WebSocket-Key is not 16 bytes in base64"))?;
        let offered: Vec<&str> = items(headers, &header::SEC_WEBSOCKET_PROTOCOL).collect();
        let has_protocol = offered.contains(&LIVE_PROTOCOL);
        if !offered.is_empty() && !has_protocol {
            let detail = format!("no known subprotocol is offered; offer {LIVE_PROTOCOL}");
            return Err(malformed(&detail));
        }
        let token = offered
            .iter()
            .find_map(|item| item.strip_prefix(BEARER_PROTOCOL_PREFIX));
        Ok(Self {
            accept: accept(key),
            has_protocol,
            token: token.map(str::to_owned),
        })
    }

    /// The answer that switches protocols.
    pub(crate) fn switch(self) -> Response {
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        if self.has_protocol {
            let protocol = HeaderValue::from_static(LIVE_PROTOCOL);
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        response
    }
}

/// The items of a list that may be spread over several headers.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

fn has_item(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    items(headers, name).any(|item| item.eq_ignore_ascii_case(wanted))
}

fn accept(key: &[u8]) -> HeaderValue {
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY);
    digest.update(key);
    digest.update(ACCEPT_GUID);
    HeaderValue::try_from(STANDARD.encode(digest.finish())).expect("base64 is ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfcs_own_example() {
        assert_eq!(
            accept(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }
}
