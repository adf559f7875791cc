//! `huntcore token`: signs a player's token, for trying things out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use huntcore_model::{HuntId, PlayerId};
use huntcore_wire::DurationText;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::json;

use crate::output::{Failed, Output};

/// Sign a player's token (HS256).
#[derive(Debug, Args)]
pub(crate) struct Token {
    /// The player's id, the token's `sub`.
    player: PlayerId,
    /// Good for this hunt only.
    #[arg(long)]
    hunt: Option<HuntId>,
    /// How long it is good for.
    #[arg(long, default_value = "1h")]
    expires: DurationText,
    /// The `iss` claim.
    #[arg(long)]
    issuer: Option<String>,
    /// The `aud` claim.
    #[arg(long)]
    audience: Option<String>,
    /// The key that the server checks with.
    #[arg(long, env = "HUNTCORE_PLAYER_KEY", hide_env_values = true)]
    key: String,
}

#[derive(Serialize)]
struct Claims {
    sub: String,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    hunt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
}

impl Token {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        if self.key.is_empty() {
            return Err(Failed::new(
                "the key is empty: give --key or set HUNTCORE_PLAYER_KEY",
            ));
        }
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let expires = since_epoch + Duration::from_millis(self.expires.millis());
        let claims = Claims {
            sub: self.player.to_string(),
            iat: since_epoch.as_secs(),
            exp: expires.as_secs(),
            hunt: self.hunt.as_ref().map(ToString::to_string),
            iss: self.issuer,
            aud: self.audience,
        };
        let key = EncodingKey::from_secret(self.key.as_bytes());
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)?;
        output.line(
            || token.clone(),
            || json!({"token": token, "expires": claims.exp}),
        );
        Ok(())
    }
}
