//! Player tokens: JSON Web Tokens of one pinned algorithm.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use huntcore_model::{HuntId, PlayerId, TimeMicros};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::verified::Verified;
use super::{AuthSettings, PlayerKey};

/// Clocks that differ by no more are no reason to refuse.
const LEEWAY: Duration = Duration::from_secs(5);

/// Checks tokens, and signs guests' where it may.
pub(crate) struct Tokens {
    key: DecodingKey,
    validation: Validation,
    guests: Option<GuestSigner>,
    verified: Verified,
}

struct GuestSigner {
    key: EncodingKey,
    lifetime: Duration,
    issuer: Option<String>,
    audience: Option<String>,
}

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenClaims {
    pub(crate) player: PlayerId,
    /// The only hunt it is good for, if it names one.
    pub(crate) hunt: Option<String>,
    pub(crate) expires_at: TimeMicros,
}

/// A token for somebody who had none.
pub(crate) struct GuestToken {
    pub(crate) token: String,
    pub(crate) expires_at: TimeMicros,
}

/// Why a token is refused, in words that are safe to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenFault {
    #[error("the token is not a JSON Web Token of the expected kind")]
    Malformed,
    #[error("the token's algorithm is not the expected one")]
    Algorithm,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token lacks a claim that is required: exp, sub, and iss and aud where configured")]
    ClaimMissing,
    #[error("the token's issuer is not the expected one")]
    Issuer,
    #[error("the token's audience is not the expected one")]
    Audience,
    #[error("the token's sub is not a player id of 1 to 64 bytes")]
    Player,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    // NumericDate may have a fraction (RFC 7519).
    exp: f64,
    hunt: Option<String>,
}

#[derive(Serialize)]
struct GuestClaims<'a> {
    sub: &'a str,
    hunt: &'a str,
    iat: u64,
    exp: u64,
    guest: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

impl Tokens {
    pub(crate) fn new(settings: &AuthSettings) -> Self {
        let (algorithm, key, signing) = match &settings.player_key {
            PlayerKey::Hs256(secret) => (
                Algorithm::HS256,
                DecodingKey::from_secret(secret.bytes()),
                Some(EncodingKey::from_secret(secret.bytes())),
            ),
            PlayerKey::EdDsa(public) => (
                Algorithm::EdDSA,
                DecodingKey::from_ed_der(public.bytes()),
                None,
            ),
        };
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY.as_secs();
        validation.validate_nbf = true;
        let mut required = vec!["exp", "sub"];
        if let Some(issuer) = &settings.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        match &settings.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                required.push("aud");
            }
            None => validation.validate_aud = false,
        }
        validation.set_required_spec_claims(&required);
        let guests = settings
            .guests
            .zip(signing)
            .map(|(lifetime, key)| GuestSigner {
                key,
                lifetime,
                issuer: settings.issuer.clone(),
                audience: settings.audience.clone(),
            });
        Self {
            key,
            validation,
            guests,
            verified: Verified::new(),
        }
    }

    /// Checks signature, times and claims; of a token that was good before, only whether it has
    /// expired.
    pub(crate) fn check(&self, token: &str) -> Result<TokenClaims, TokenFault> {
        let hash = Verified::hash(token);
        if let Some(claims) = self.verified.find(&hash, clock()) {
            return Ok(claims);
        }
        let claims = self.check_anew(token)?;
        // One for a hunt that cannot be is not worth its room.
        let hunt_bytes = claims.hunt.as_ref().map_or(0, String::len);
        if hunt_bytes <= HuntId::BYTES_MAX {
            self.verified.keep(hash, claims.clone());
        }
        Ok(claims)
    }

    fn check_anew(&self, token: &str) -> Result<TokenClaims, TokenFault> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| fault(error.kind()))?
            .claims;
        let player = PlayerId::new(&claims.sub).map_err(|_| TokenFault::Player)?;
        Ok(TokenClaims {
            player,
            hunt: claims.hunt,
            expires_at: expiry(claims.exp),
        })
    }

    /// Signs a token for a guest of one hunt; `None` where guests are not enabled.
    pub(crate) fn guest(
        &self,
        player: &PlayerId,
        hunt: &HuntId,
        now: TimeMicros,
    ) -> Option<GuestToken> {
        let signer = self.guests.as_ref()?;
        let issued = now.millis() / 1_000;
        let expires = issued.saturating_add(signer.lifetime.as_secs());
        let claims = GuestClaims {
            sub: player.as_str(),
            hunt: hunt.as_str(),
            iat: issued,
            exp: expires,
            guest: true,
            iss: signer.issuer.as_deref(),
            aud: signer.audience.as_deref(),
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &signer.key)
            .expect("plain claims and an HMAC key");
        Some(GuestToken {
            token,
            expires_at: TimeMicros::from_millis(expires.saturating_mul(1_000)),
        })
    }

    pub(crate) const fn has_guests(&self) -> bool {
        self.guests.is_some()
    }
}

/// The clock that tokens expire by.
fn clock() -> TimeMicros {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = since_epoch.unwrap_or_default().as_micros();
    TimeMicros::new(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// When a token with this `exp` ceases to be accepted, leeway included.
fn expiry(exp: f64) -> TimeMicros {
    // A float-to-integer cast saturates: a silly `exp` becomes the end of time.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates"
    )]
    let seconds = exp as u64;
    TimeMicros::from_millis(
        seconds
            .saturating_add(LEEWAY.as_secs())
            .saturating_mul(1_000),
    )
}

fn fault(kind: &ErrorKind) -> TokenFault {
    match kind {
        ErrorKind::InvalidSignature => TokenFault::Signature,
        ErrorKind::ExpiredSignature => TokenFault::Expired,
        ErrorKind::ImmatureSignature => TokenFault::NotYetValid,
        ErrorKind::MissingRequiredClaim(_) => TokenFault::ClaimMissing,
        ErrorKind::InvalidIssuer => TokenFault::Issuer,
        ErrorKind::InvalidAudience => TokenFault::Audience,
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm
        | ErrorKind::MissingAlgorithm => TokenFault::Algorithm,
        _ => TokenFault::Malformed,
    }
}
