//! What stands around the routes in the OpenAPI document.

use huntcore_wire::Problem;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi};
use utoipa::{OpenApi as _, ToSchema};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "huntcore",
        description = "Live treasure hunts: rounds, claims, events, boards, and a socket that \
                       shows every change. Times are RFC 3339 UTC, hashes lower-case hex, errors \
                       RFC 9457 problems whose `type` ends in the problem's name.\n\n\
                       `GET /v1/hunts/{hunt}/live` opens a WebSocket of subprotocol \
                       `huntcore.v1.json` or `huntcore.v1.proto`, which OpenAPI has no words for: \
                       `GET /asyncapi.json` has them. The player token comes in `Authorization` or \
                       as one more subprotocol `bearer.<token>`.\n\n`GET /huntcore.v1.proto` gives \
                       the definition of the protobuf messages, those that `POST /v1/claims` \
                       takes among them.",
    ),
    tags(
        (name = "hunts", description = "Hunts, their rounds, cells and maps"),
        (name = "claims", description = "Attempts on tiles"),
        (name = "events", description = "Score events of game servers"),
        (name = "boards", description = "Leaderboards"),
        (name = "operations", description = "Health, figures and this document"),
    ),
)]
struct Api;

/// The document before any route has been added.
pub(crate) fn api() -> OpenApi {
    let mut api = Api::openapi();
    let components = api.components.get_or_insert_with(Components::new);
    // No route names it, but every refusal refers to it.
    add::<Problem>(components);
    api
}

fn add<T: ToSchema>(components: &mut Components) {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    components.schemas.extend(schemas);
}

/// Says how to show who one is, or that nobody has to.
pub(crate) fn finish(api: &mut OpenApi, auth_is_off: bool) {
    if auth_is_off {
        for item in api.paths.paths.values_mut() {
            let operations = [
                &mut item.get,
                &mut item.post,
                &mut item.patch,
                &mut item.put,
                &mut item.delete,
            ];
            for operation in operations.into_iter().flatten() {
                operation.security = None;
            }
        }
        return;
    }
    let components = api.components.get_or_insert_with(Components::new);
    let bearer = |description: &str| {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        SecurityScheme::Http(scheme.description(Some(description)).build())
    };
    components.add_security_scheme(
        "player",
        bearer("A player's JSON Web Token: `sub` is the player, `exp` required, `hunt` optional."),
    );
    components.add_security_scheme("service", bearer("The deployment's service key."));
}
