//! All paths together, and what holds for every one of them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use http_body::Body as _;
use huntcore_wire::ProblemKind;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{
    answers, asyncapi, autoscale, batches, board_lists, boards, cells, claims, console,
    corrections, events, flags, guests, hunts, live, log, maps, operations, rounds, trail,
};
use crate::auth::PLAYER_HEADER;
use crate::openapi;
use crate::origin::{OriginList, is_loopback_host};
use crate::problem::Refusal;
use crate::state::App;

/// How long browsers may remember what CORS allows.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(600);

pub(crate) fn router(app: &Arc<App>) -> Router {
    // Big and immutable: worth compressing once in a while.
    let large = OpenApiRouter::new()
        .routes(routes!(cells::show))
        .routes(routes!(maps::show))
        .layer(CompressionLayer::new());
    let (router, mut api) = OpenApiRouter::with_openapi(openapi::api())
        .routes(routes!(hunts::list, hunts::create))
        .routes(routes!(hunts::show, hunts::change))
        .routes(routes!(hunts::pause))
        .routes(routes!(hunts::resume))
        .routes(routes!(hunts::close))
        .routes(routes!(corrections::correct))
        .routes(routes!(flags::list))
        .routes(routes!(flags::set, flags::unset))
        .routes(routes!(rounds::show))
        .routes(routes!(claims::claim))
        .routes(routes!(batches::claim_all))
        .routes(routes!(events::record, trail::events))
        .routes(routes!(board_lists::list))
        .routes(routes!(boards::page))
        .routes(routes!(board_lists::windows))
        .routes(routes!(board_lists::late))
        .routes(routes!(board_lists::rank))
        .routes(routes!(boards::standing))
        .routes(routes!(guests::welcome))
        .routes(routes!(operations::healthz))
        .routes(routes!(operations::readyz))
        .routes(routes!(operations::stats))
        .routes(routes!(operations::metrics))
        .routes(routes!(autoscale::recommend))
        .merge(large)
        .split_for_parts();
    openapi::finish(&mut api, app.access.is_off());
    let document = Bytes::from(serde_json::to_vec(&api).expect("an OpenAPI document is JSON"));
    let pages = console::routes()
        .route(
            "/openapi.json",
            get(move || async move { describe(document) }),
        )
        .route("/asyncapi.json", get(asyncapi::document))
        .route("/huntcore.v1.proto", get(batches::definition))
        .layer(CompressionLayer::new());
    let router = router
        .route("/v1/hunts/{hunt}/live", get(live::open))
        .route("/v1/log", get(log::batches))
        .route("/v1/log/checkpoint", get(log::checkpoint))
        .route("/v1/log/position", get(log::position))
        .merge(pages)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(app), deadline));
    let router = match app.access.is_off() {
        true => router.layer(middleware::from_fn_with_state(
            Arc::clone(app),
            this_machine_only,
        )),
        false => router,
    };
    let router = match cors(&app.config.cors_origins) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router
        .layer(middleware::from_fn_with_state(Arc::clone(app), mark))
        .with_state(Arc::clone(app))
}

fn describe(document: Bytes) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (header::CACHE_CONTROL, answers::ASK_FIRST),
    ];
    (headers, document).into_response()
}

async fn not_found() -> Refusal {
    Refusal::new(
        ProblemKind::NotFound,
        "no such path; /openapi.json lists them",
    )
}

async fn method_not_allowed() -> Refusal {
    Refusal::new(ProblemKind::MethodNotAllowed, "see the Allow header")
}

/// What every answer carries, and the count of them.
async fn mark(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    mark_response(&app, &mut response);
    response
}

/// Counts a response, and gives it the headers that all have.
pub(super) fn mark_response(app: &App, response: &mut Response) {
    app.counts.response(response.status());
    app.operations.answered(response.body().size_hint().lower());
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    set(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    );
}

/// The last resort against an answer that never comes; handlers have nearer limits.
async fn deadline(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let limits = app.limits();
    let longest = limits.body_read_timeout + 2 * limits.request_timeout;
    match tokio::time::timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            Refusal::new(ProblemKind::Unavailable, "the answer took too long").into_response()
        }
    }
}

/// With authentication off, pages of other origins and names that only resolve to this
/// machine are kept out: both could ride on somebody's browser.
async fn this_machine_only(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let headers = request.headers();
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if !host.is_some_and(is_loopback_host) {
        return Err(Refusal::forbidden(
            "authentication is off, and Host is not a name of this machine",
        ));
    }
    let known = OriginList::new(&app.config.cors_origins);
    if !app.socket_origins.admits(headers, host) && !known.admits(headers, host) {
        return Err(Refusal::forbidden(
            "authentication is off, and the request comes from another origin's page",
        ));
    }
    Ok(next.run(request).await)
}

fn cors(origins: &[String]) -> Option<CorsLayer> {
    let allowed = match origins {
        [] => return None,
        origins if origins.iter().any(|origin| origin == "*") => AllowOrigin::any(),
        origins => {
            let list = OriginList::new(origins);
            AllowOrigin::predicate(move |origin, _| list.lists(origin))
        }
    };
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PATCH,
            Method::PUT,
            Method::DELETE,
        ])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            HeaderName::from_static(PLAYER_HEADER),
        ])
        .expose_headers([header::ETAG, header::RETRY_AFTER, header::LOCATION])
        .max_age(PREFLIGHT_MAX_AGE);
    Some(layer)
}
