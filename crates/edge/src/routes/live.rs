//! The way in to a hunt's live socket.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use huntcore_wire::{Problem, ProblemKind};
use hyper_util::rt::TokioIo;

use super::hunts::parse_hunt;
use crate::admission::retry_after;
use crate::extract::Segments;
use crate::live::{Arrival, Handshake, Place};
use crate::origin::Peer;
use crate::problem::{Refusal, whole_millis};
use crate::server::{ConnectionHandle, EdgeStream, Transport, Tunnel};
use crate::state::App;

/// Opens a WebSocket of subprotocol `huntcore.v1.json` or `huntcore.v1.proto`. Watching needs no token; claiming
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
    if app.lifetime.stop.is_cancelled() {
        let problem = Problem::new(ProblemKind::Unavailable, "the server is stopping");
        return Err(problem.retry_after_ms(whole_millis(retry_after())).into());
    }
    let asker = player.as_ref().map(|player| &player.id);
    let admission = &app.admission;
    let place = admission.socket(connection.peer.ip(), peer.address, asker)?;
    // Before the answer: afterwards there would be no good way to say that it cannot be.
    let tunnel = match connection.is_tls {
        true => Some(Tunnel::new(app.limits()).map_err(|error| {
            tracing::error!(%error, "no live socket over TLS");
            admission.no_files()
        })?),
        false => None,
    };
    let upgrade = hyper::upgrade::on(request);
    let app = Arc::clone(app);
    let tasks = app.lifetime.tasks.clone();
    let form = handshake.form();
    tasks.spawn(async move {
        let kill = app.lifetime.kill.clone();
        let upgraded = tokio::select! {
            upgraded = upgrade => upgraded,
            () = kill.cancelled() => return,
        };
        let Ok(upgraded) = upgraded else {
            // The peer left before it read the answer.
            return;
        };
        let Ok(parts) = upgraded.downcast::<TokioIo<EdgeStream>>() else {
            unreachable!("every connection is an EdgeStream");
        };
        let transport = parts.io.into_inner().into_transport();
        let of_connection = connection.take_place();
        drop(connection);
        let opened = match (transport, tunnel) {
            (Transport::Plain(tcp), _) => tcp.into_std().map(|tcp| (tcp, of_connection)),
            (Transport::Tls(tls), Some(tunnel)) => {
                tunnel
                    .open(tls, of_connection, kill)
                    .map(|(near, carrying)| {
                        app.lifetime.tasks.spawn(carrying);
                        (near, None)
                    })
            }
            (Transport::Tls(_), None) => unreachable!("a connection over TLS has a tunnel"),
        };
        match opened {
            Ok((stream, of_connection)) => app.door.enter(Arrival {
                stream,
                read_before: parts.read_buf,
                form,
                hunt: entry.number,
                hunt_id: entry.id.clone(),
                player,
                place: Place::new(place, of_connection),
            }),
            Err(error) => {
                tracing::debug!(%error, "socket was gone before it was handed over");
            }
        }
    });
    Ok(handshake.switch())
}
