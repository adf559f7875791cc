//! The short way to the one request that comes by the tens of thousands a second: a player's
//! attempt. It means what it means by the router, which takes it whenever something about it is
//! out of the ordinary.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{Method, Request, header};
use hyper::body::Incoming;

use super::claims;
use super::router::mark_response;
use crate::server::ConnectionHandle;
use crate::state::App;

/// The hunt that a player's attempt is in, if `request` can go the short way.
fn hunt<'a>(app: &App, request: &'a Request<Incoming>) -> Option<&'a str> {
    let hunt = request.uri().path().strip_prefix("/v1/hunts/")?;
    let hunt = hunt.strip_suffix("/claims")?;
    let plain = !hunt.is_empty() && !hunt.bytes().any(|byte| byte == b'/' || byte == b'%');
    // Who asks from where is looked at on the long way.
    let open = !app.access.is_off() && !request.headers().contains_key(header::ORIGIN);
    (request.method() == Method::POST && plain && open).then_some(hunt)
}

/// Answers `request`, unless it has to go by the router.
pub(crate) async fn answer(
    app: &Arc<App>,
    connection: &ConnectionHandle,
    request: Request<Incoming>,
) -> Result<Response, Request<Incoming>> {
    if hunt(app, &request).is_none() {
        return Err(request);
    }
    let (parts, body) = request.into_parts();
    let hunt = parts.uri.path().strip_prefix("/v1/hunts/");
    let hunt = hunt.and_then(|hunt| hunt.strip_suffix("/claims"));
    let hunt = hunt.expect("looked at above");
    let answered = claims::answer(app, connection, hunt, &parts.headers, body).await;
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    mark_response(app, &mut response);
    Ok(response)
}
