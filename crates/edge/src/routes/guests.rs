//! Guests: a player token for whoever asks, where that is allowed.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use huntcore_model::PlayerId;
use huntcore_wire::{GuestAnswer, GuestRequest, ProblemKind};

use super::answers;
use super::hunts::parse_hunt;
use crate::extract::{Segments, read_json};
use crate::openapi::GuestProblems;
use crate::origin::{AddressKey, Peer};
use crate::problem::Refusal;
use crate::server::ConnectionHandle;
use crate::state::App;

/// Characters of a guest's name that become part of the id.
const NAME_CHARS_MAX: usize = 32;
/// What makes two guests of one name different; 40 bits, and never an existing player's id,
/// which has no such ending.
const SUFFIX_BYTES: usize = 5;

/// Hands out a player token for one hunt.
#[utoipa::path(
    post, path = "/v1/hunts/{hunt}/guests", tag = "claims",
    params(("hunt" = huntcore_wire::schema::HuntId, Path, description = "The hunt's id")),
    request_body(content = Option<GuestRequest>, content_type = "application/json"),
    responses(
        (status = 201, description = "A new player and the proof of being them", body = GuestAnswer),
        GuestProblems,
    ),
)]
pub(super) async fn welcome(
    State(app): State<Arc<App>>,
    Extension(connection): Extension<ConnectionHandle>,
    Segments(hunt): Segments<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let hunt = parse_hunt(&hunt)?;
    app.hunt(&hunt)?;
    if !app.access.has_guests() {
        let detail = "this deployment hands out no guest tokens";
        return Err(Refusal::new(ProblemKind::GuestsDisabled, detail));
    }
    let peer = Peer::of(&headers, connection.peer, &app.config.trusted_proxies);
    let limited = |wait| Refusal::too_fast(wait, "too many guests from this address");
    app.guests
        .check(&AddressKey::of(peer.address))
        .map_err(limited)?;
    let request = match headers.contains_key(header::CONTENT_TYPE) {
        true => {
            let limit = app.limits().body_bytes_max;
            read_json::<Option<GuestRequest>>(&app, &headers, body, limit).await?
        }
        false => None,
    };
    let player = player_id(request.unwrap_or_default().name.as_deref())?;
    let guest = app.access.guest(&player, &hunt, app.backend.now());
    let guest = guest.ok_or_else(|| Refusal::new(ProblemKind::GuestsDisabled, ""))?;
    let answer = GuestAnswer {
        player,
        token: guest.token,
        expires_at: guest.expires_at.into(),
    };
    Ok(answers::json(StatusCode::CREATED, &answer))
}

/// Marks that turn the direction of what follows them or show as nothing: with them one name
/// looks like another. Joiners stay, which scripts and emoji need.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

/// The name, as far as it can be shown, and something that nobody can guess or take.
fn player_id(name: Option<&str>) -> Result<PlayerId, Refusal> {
    let mut suffix = [0; SUFFIX_BYTES];
    getrandom::fill(&mut suffix).map_err(|fault| {
        tracing::error!(%fault, "the system gives no random bytes");
        Refusal::new(ProblemKind::Internal, "no random bytes")
    })?;
    let suffix = format!("~{}", hex::encode(suffix));
    let shown = name
        .unwrap_or_default()
        .chars()
        .filter(|character| !character.is_control() && !is_invisible(*character));
    let mut id: String = shown
        .take(NAME_CHARS_MAX)
        .collect::<String>()
        .trim()
        .to_owned();
    if id.is_empty() {
        id.push_str("guest");
    }
    while id.len() + suffix.len() > PlayerId::BYTES_MAX {
        id.pop();
    }
    id.push_str(&suffix);
    Ok(PlayerId::new(&id).expect("1 to 64 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_makes_an_id_of_its_own() {
        let id = |name: Option<&str>| player_id(name).expect("random bytes").as_str().to_owned();
        assert!(id(None).starts_with("guest~"));
        assert!(id(Some("\u{0}\n ")).starts_with("guest~"));
        assert!(id(Some(" ada ")).starts_with("ada~"));
        assert!(id(Some("\u{202e}a\u{200b}da\u{feff}")).starts_with("ada~"));
        assert_eq!(id(Some(&"🐙".repeat(40))).len(), 63);
        assert_ne!(id(Some("ada")), id(Some("ada")));
    }
}
