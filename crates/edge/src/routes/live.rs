//! The way in to a hunt's live socket.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use hyper_util::rt::TokioIo;

use super::hunts::parse_hunt;
use crate::extract::Segments;
use crate::live::{Arrival, Handshake};
use crate::origin::Peer;
use crate::problem::Refusal;
use crate::server::{ConnectionHandle, EdgeStream};
use crate::state::App;

/// Opens a WebSocket of subprotocol `huntcore.v1.json`. Watching needs no token; claiming
/// takes one, in `Authorization` or, from a browser, as one more subprotocol
/// `bearer.<token>`. Not in the OpenAPI document, which has no words for sockets.
pub(super) async fn open(
    State(app): State<Arc<App>>,
    Extension(connection): Extension<ConnectionHandle>,
    Segments(hunt): Segments<String>,
    mut request: Request,
) -> Result<Response, Refusal> {
    check(&app, connection, &hunt, &mut request)
}

fn check(
    app: &Arc<App>,
    connection: ConnectionHandle,
    hunt: &str,
    request: &mut Request,
) -> Result<Response, Refusal> {
    let hunt = parse_hunt(hunt)?;
    let (_, entry) = app.hunt(&hunt)?;
    let headers = request.headers();
    let handshake = Handshake::check(request.method(), headers)?;
    let peer = Peer::of(headers, connection.peer, &app.config.trusted_proxies);
    if !app.socket_origins.admits(headers, peer.host.as_deref()) {
        let detail = "pages of this origin may not open live sockets here";
        return Err(Refusal::forbidden(detail));
    }
    let token = handshake.token.as_deref();
    let player = app.access.player_if_shown(headers, token, hunt.as_str())?;
    let place = app.door.admit()?;
    let upgrade = hyper::upgrade::on(request);
    let app = Arc::clone(app);
    let tasks = app.lifetime.tasks.clone();
    tasks.spawn(async move {
        let upgraded = tokio::select! {
            upgraded = upgrade => upgraded,
            () = app.lifetime.kill.cancelled() => return,
        };
        let Ok(upgraded) = upgraded else {
            // The peer left before it read the answer.
            return;
        };
        let Ok(parts) = upgraded.downcast::<TokioIo<EdgeStream>>() else {
            unreachable!("every connection is an EdgeStream");
        };
        app.door.enter(Arrival {
            tcp: parts.io.into_inner().into_tcp(),
            read_before: parts.read_buf,
            hunt: entry.number,
            hunt_id: entry.id.clone(),
            player,
            place,
            connection,
        });
    });
    Ok(handshake.switch())
}
