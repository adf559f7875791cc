//! The web console, embedded in the binary. It routes by hash, so only its own files exist.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, header};

use super::answers;

/// One file of the built console.
struct Asset {
    /// Where it is served.
    path: &'static str,
    media_type: &'static str,
    /// Whether its name holds a hash of its content, so that it never changes.
    hashed: bool,
    tag: &'static str,
    bytes: &'static [u8],
}

// `static ASSETS: &[Asset]`, written by build.rs.
include!(concat!(env!("OUT_DIR"), "/console_assets.rs"));

/// Scripts and connections of this origin only; styles may stand in the page (the framework
/// sets some there). Nobody may frame it: a click on a frame could be a claim.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
     font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        router.route(
            asset.path,
            get(move |headers: HeaderMap| async move { serve(asset, &headers) }),
        )
    })
}

fn serve(asset: &'static Asset, request: &HeaderMap) -> Response {
    let caching = match asset.hashed {
        true => answers::IMMUTABLE,
        false => answers::ASK_FIRST,
    };
    let mut response = answers::tagged(request, asset.tag, caching, || asset.bytes.into());
    let headers = response.headers_mut();
    if headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(asset.media_type),
        );
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    response.into_response()
}
