//! The short way to the requests that come by the tens of thousands a second: a player's attempt,
//! a game server's events, a board's page. They mean what they mean by the router, which takes them whenever
//! something about them is out of the ordinary.

use std::sync::Arc;

use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::{Method, Request, header};
use huntcore_wire::BoardQuery;
use hyper::body::Incoming;

use super::router::mark_response;
use super::{boards, claims, events};
use crate::server::ConnectionHandle;
use crate::state::App;

/// Where the short way leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door<'a> {
    Claims,
    Events,
    Board(&'a str),
}

/// The door that a method and a path name, and the hunt.
fn door<'a>(method: &Method, path: &'a str) -> Option<(Door<'a>, &'a str)> {
    let (hunt, rest) = path.strip_prefix("/v1/hunts/")?.split_once('/')?;
    let is_plain = |segment: &str| !segment.is_empty() && !segment.contains(['%', '/']);
    let door = match (method, rest) {
        (&Method::POST, "claims") => Door::Claims,
        (&Method::POST, "events") => Door::Events,
        (&Method::GET, _) => {
            let board = rest.strip_prefix("boards/")?;
            Door::Board(is_plain(board).then_some(board)?)
        }
        _ => return None,
    };
    is_plain(hunt).then_some((door, hunt))
}

/// Whether who asks from where need not be looked at.
fn is_plain(app: &App, request: &Request<Incoming>) -> bool {
    let from_a_page = request.headers().contains_key(header::ORIGIN);
    !app.access.is_off() && !from_a_page
}

/// Whether a page is the same for readers from anywhere. Where other origins' pages may read,
/// even the answer to whoever comes from none says in its headers what a cache between must
/// know: who else it is for.
fn is_same_for_all(app: &App) -> bool {
    app.config.cors_origins.is_empty()
}

/// Answers `request`, unless it has to go by the router.
pub(crate) async fn answer(
    app: &Arc<App>,
    connection: &ConnectionHandle,
    request: Request<Incoming>,
) -> Result<Response, Request<Incoming>> {
    let found = match is_plain(app, &request) {
        true => door(request.method(), request.uri().path()),
        false => None,
    };
    let asked = match found {
        None => return Err(request),
        Some((Door::Board(_), _)) if !is_same_for_all(app) => return Err(request),
        // The router says what is wrong with a query.
        Some((Door::Board(_), _)) => match Query::<BoardQuery>::try_from_uri(request.uri()) {
            Ok(Query(asked)) => asked,
            Err(_) => return Err(request),
        },
        Some(_) => BoardQuery::default(),
    };
    let (parts, body) = request.into_parts();
    let found = door(&parts.method, parts.uri.path());
    let (door, hunt) = found.expect("looked at above");
    let answered = match door {
        Door::Board(board) => boards::answer(app, hunt, board, &asked, &parts.headers).await,
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
            ("/v1/hunts/park/boards/best", None),
            ("/v1/hunts/park", None),
            ("/v1/claims", None),
        ];
        for (path, expected) in found {
            assert_eq!(door(&Method::POST, path), expected, "{path}");
        }
        let found = [
            (
                "/v1/hunts/park/boards/best",
                Some((Door::Board("best"), "park")),
            ),
            ("/v1/hunts/park/boards/b%65st", None),
            ("/v1/hunts/park/boards/", None),
            ("/v1/hunts/park/boards", None),
            ("/v1/hunts/park/boards/best/windows", None),
            ("/v1/hunts/park/boards/best/players/ada", None),
            ("/v1/hunts/park/events", None),
        ];
        for (path, expected) in found {
            assert_eq!(door(&Method::GET, path), expected, "{path}");
        }
        assert_eq!(door(&Method::HEAD, "/v1/hunts/park/boards/best"), None);
    }
}
