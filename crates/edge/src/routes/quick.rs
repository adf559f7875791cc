//! The short way to the requests that come by the tens of thousands a second: a player's attempt,
//! a game server's events. They mean what they mean by the router, which takes them whenever
//! something about them is out of the ordinary.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{Method, Request, header};
use hyper::body::Incoming;

use super::router::mark_response;
use super::{claims, events};
use crate::server::ConnectionHandle;
use crate::state::App;

/// Where the short way leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Claims,
    Events,
}

/// The door that a path names, and the hunt.
fn door(path: &str) -> Option<(Door, &str)> {
    let (hunt, rest) = path.strip_prefix("/v1/hunts/")?.split_once('/')?;
    let door = match rest {
        "claims" => Door::Claims,
        "events" => Door::Events,
        _ => return None,
    };
    (!hunt.is_empty() && !hunt.contains('%')).then_some((door, hunt))
}

/// Whether who asks from where need not be looked at.
fn is_plain(app: &App, request: &Request<Incoming>) -> bool {
    let from_a_page = request.headers().contains_key(header::ORIGIN);
    request.method() == Method::POST && !app.access.is_off() && !from_a_page
}

/// Answers `request`, unless it has to go by the router.
pub(crate) async fn answer(
    app: &Arc<App>,
    connection: &ConnectionHandle,
    request: Request<Incoming>,
) -> Result<Response, Request<Incoming>> {
    if !is_plain(app, &request) || door(request.uri().path()).is_none() {
        return Err(request);
    }
    let (parts, body) = request.into_parts();
    let (door, hunt) = door(parts.uri.path()).expect("looked at above");
    let answered = match door {
        Door::Claims => claims::answer(app, connection, hunt, &parts.headers, body).await,
        Door::Events => events::answer(app, connection, hunt, &parts.headers, body).await,
    };
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    mark_response(app, &mut response);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_take_the_short_way() {
        let found = [
            ("/v1/hunts/park/claims", Some((Door::Claims, "park"))),
            ("/v1/hunts/No Slug/events", Some((Door::Events, "No Slug"))),
            ("/v1/hunts/p%61rk/claims", None),
            ("/v1/hunts//claims", None),
            ("/v1/hunts/park/claims/", None),
            ("/v1/hunts/park/x/claims", None),
            ("/v1/hunts/park", None),
            ("/v1/claims", None),
        ];
        for (path, expected) in found {
            assert_eq!(door(path), expected, "{path}");
        }
    }
}
