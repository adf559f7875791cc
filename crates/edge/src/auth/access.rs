//! From a request's headers to who is asking.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, header};
use huntcore_model::{HuntId, PlayerId, TimeMicros};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::keys::{PlayerKey, Secret};
use super::tokens::{GuestToken, TokenFault, Tokens};
use crate::config::BindError;
use crate::problem::Refusal;

/// With authentication off, the header that says who plays.
pub(crate) const PLAYER_HEADER: &str = "x-huntcore-player";

/// Whether and how askers are told apart.
#[derive(Clone, Debug)]
pub enum AuthConfig {
    /// Everybody may do everything, as the player named in `x-huntcore-player`. Loopback only,
    /// and only for pages and names of this machine.
    Off,
    /// Tokens and keys.
    On(AuthSettings),
}

/// Tokens and keys.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// Checks players' tokens.
    pub player_key: PlayerKey,
    /// Opens the service routes; `None` shuts them.
    pub service_key: Option<Secret>,
    /// Tokens must have this `iss`.
    pub issuer: Option<String>,
    /// Tokens must have this `aud`.
    pub audience: Option<String>,
    /// Hands out player tokens of this lifetime to whoever asks; HS256 only.
    pub guests: Option<Duration>,
}

impl AuthConfig {
    pub(crate) fn check(&self, listen: SocketAddr) -> Result<(), BindError> {
        let settings = match self {
            Self::Off if listen.ip().to_canonical().is_loopback() => return Ok(()),
            Self::Off => return Err(BindError::AuthOffBeyondLoopback { address: listen }),
            Self::On(settings) => settings,
        };
        let empty = |key| BindError::Key {
            key,
            fault: "empty",
        };
        match &settings.player_key {
            PlayerKey::Hs256(secret) if secret.bytes().is_empty() => {
                return Err(empty("player_key"));
            }
            PlayerKey::EdDsa(_) if settings.guests.is_some() => {
                return Err(BindError::GuestsNeedHs256);
            }
            PlayerKey::Hs256(secret) if secret.bytes().len() < 32 => tracing::warn!(
                bytes = secret.bytes().len(),
                "player_key is short; HS256 asks for at least 32 random bytes"
            ),
            PlayerKey::Hs256(_) | PlayerKey::EdDsa(_) => {}
        }
        match &settings.service_key {
            Some(key) if key.bytes().is_empty() => Err(empty("service_key")),
            _ => Ok(()),
        }
    }
}

/// Tells askers apart.
pub(crate) struct Access {
    mode: Mode,
}

enum Mode {
    Off,
    On {
        tokens: Box<Tokens>,
        service_key_hash: Option<[u8; 32]>,
    },
}

/// A player who has shown who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Player {
    pub(crate) id: PlayerId,
    /// When the proof ceases to hold.
    pub(crate) expires_at: TimeMicros,
}

impl Access {
    pub(crate) fn new(config: &AuthConfig) -> Self {
        let mode = match config {
            AuthConfig::Off => Mode::Off,
            AuthConfig::On(settings) => Mode::On {
                tokens: Box::new(Tokens::new(settings)),
                service_key_hash: settings.service_key.as_ref().map(|key| hash(key.bytes())),
            },
        };
        Self { mode }
    }

    pub(crate) const fn is_off(&self) -> bool {
        matches!(self.mode, Mode::Off)
    }

    /// Lets in whoever shows the service key.
    pub(crate) fn service(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Mode::On {
            service_key_hash, ..
        } = &self.mode
        else {
            return Ok(());
        };
        let Some(shown) = bearer(headers) else {
            return Err(Refusal::unauthorized("this route needs the service key"));
        };
        // Hashes have one length, so neither it nor the place of a difference shows in the
        // time this takes.
        let shown = hash(shown.as_bytes());
        match service_key_hash {
            Some(expected) if bool::from(expected.ct_eq(&shown)) => Ok(()),
            Some(_) => Err(Refusal::invalid_token("the service key is wrong")),
            None => Err(Refusal::invalid_token("no service key is configured")),
        }
    }

    /// Finds out who plays `hunt`.
    pub(crate) fn player(&self, headers: &HeaderMap, hunt: &str) -> Result<Player, Refusal> {
        match self.player_if_shown(headers, None, hunt)? {
            Some(player) => Ok(player),
            None if self.is_off() => Err(Refusal::unauthorized(
                "authentication is off: name the player in the x-huntcore-player header",
            )),
            None => Err(Refusal::unauthorized("this route needs a player token")),
        }
    }

    /// Like [`Self::player`], but nothing shown is nobody. `offered` is a token that came by
    /// another way than `Authorization`.
    pub(crate) fn player_if_shown(
        &self,
        headers: &HeaderMap,
        offered: Option<&str>,
        hunt: &str,
    ) -> Result<Option<Player>, Refusal> {
        let Mode::On { tokens, .. } = &self.mode else {
            return named_player(headers, offered);
        };
        let Some(token) = bearer(headers).or(offered) else {
            return match headers.contains_key(header::AUTHORIZATION) {
                true => Err(Refusal::invalid_token(
                    "Authorization is not a bearer token",
                )),
                false => Ok(None),
            };
        };
        let claims = tokens
            .check(token)
            .map_err(|fault: TokenFault| Refusal::invalid_token(&fault.to_string()))?;
        if claims.hunt.is_some_and(|only| only != hunt) {
            return Err(Refusal::forbidden("the token is for another hunt"));
        }
        Ok(Some(Player {
            id: claims.player,
            expires_at: claims.expires_at,
        }))
    }

    /// Signs a token for a guest; `None` where guests are not enabled.
    pub(crate) fn guest(
        &self,
        player: &PlayerId,
        hunt: &HuntId,
        now: TimeMicros,
    ) -> Option<GuestToken> {
        match &self.mode {
            Mode::Off => None,
            Mode::On { tokens, .. } => tokens.guest(player, hunt, now),
        }
    }

    pub(crate) fn has_guests(&self) -> bool {
        matches!(&self.mode, Mode::On { tokens, .. } if tokens.has_guests())
    }
}

/// With authentication off: the header, or what stands in a token's place.
fn named_player(headers: &HeaderMap, offered: Option<&str>) -> Result<Option<Player>, Refusal> {
    let wrong = |fault: &str| Refusal::invalid_token(&format!("{PLAYER_HEADER}: {fault}"));
    let named = match headers.get(PLAYER_HEADER) {
        None => offered.map(str::to_owned),
        Some(value) => Some(
            std::str::from_utf8(value.as_bytes())
                .map_err(|_| wrong("not UTF-8"))?
                .to_owned(),
        ),
    };
    let Some(named) = named else {
        return Ok(None);
    };
    let id = PlayerId::new(&named).map_err(|error| wrong(&error.to_string()))?;
    Ok(Some(Player {
        id,
        expires_at: TimeMicros::MAX,
    }))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
