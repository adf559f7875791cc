//! The opening handshake (RFC 6455, section 4.2), checked by hand so that every refusal is a
//! problem like any other.

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use huntcore_wire::{BEARER_PROTOCOL_PREFIX, LiveForm, ProblemKind};

use crate::problem::Refusal;

const VERSION: HeaderValue = HeaderValue::from_static("13");
const KEY_BYTES: usize = 16;
/// RFC 6455, section 1.3.
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake that is well-formed; who may come in is decided elsewhere.
pub(crate) struct Handshake {
    accept: HeaderValue,
    /// The subprotocol to be named in the answer, if one was asked for.
    chosen: Option<LiveForm>,
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
        let mut known = offered
            .iter()
            .filter_map(|item| LiveForm::from_protocol(item));
        let chosen = known.next();
        if !offered.is_empty() && chosen.is_none() {
            let (json, proto) = (LiveForm::Json.protocol(), LiveForm::Proto.protocol());
            let detail = format!("no known subprotocol is offered; offer {json} or {proto}");
            return Err(malformed(&detail));
        }
        let token = offered
            .iter()
            .find_map(|item| item.strip_prefix(BEARER_PROTOCOL_PREFIX));
        Ok(Self {
            accept: accept(key),
            chosen,
            token: token.map(str::to_owned),
        })
    }

    /// What the socket speaks: the first of the client's subprotocols that is known, or JSON
    /// with one that names none.
    pub(crate) fn form(&self) -> LiveForm {
        self.chosen.unwrap_or(LiveForm::Json)
    }

    /// The answer that switches protocols.
    pub(crate) fn switch(self) -> Response {
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(form) = self.chosen {
            let protocol = HeaderValue::from_static(form.protocol());
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

    #[test]
    fn the_clients_first_known_subprotocol_is_spoken() {
        for (offered, form) in [
            (None, LiveForm::Json),
            (Some("huntcore.v1.json"), LiveForm::Json),
            (Some("huntcore.v9, huntcore.v1.proto"), LiveForm::Proto),
            (
                Some("bearer.x, huntcore.v1.proto, huntcore.v1.json"),
                LiveForm::Proto,
            ),
        ] {
            let mut headers = HeaderMap::new();
            let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
            set(header::CONNECTION, "keep-alive, Upgrade");
            set(header::UPGRADE, "WebSocket");
            set(header::SEC_WEBSOCKET_VERSION, "13");
            set(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==");
            if let Some(offered) = offered {
                set(header::SEC_WEBSOCKET_PROTOCOL, offered);
            }
            let Ok(handshake) = Handshake::check(&Method::GET, &headers) else {
                panic!("{offered:?} is refused");
            };
            assert_eq!(handshake.form(), form);
            let answer = handshake.switch();
            let named = answer.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
            let named = named.map(|name| name.to_str().expect("ASCII"));
            assert_eq!(named, offered.map(|_| form.protocol()), "{offered:?}");
        }
    }
}
