//! Guests: players without an account of their own.

use huntcore_model::PlayerId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Timestamp, bounded, schema};

/// Asks for a guest's token (`POST /v1/hunts/{hunt}/guests`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GuestRequest {
    /// What the guest would like to be called; becomes part of the player id.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "bounded::option_text::<_, 1, 32>"
    )]
    #[schema(min_length = 1, max_length = 32, examples("ada"))]
    pub name: Option<String>,
}

/// A guest's token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuestAnswer {
    /// Who the guest is from now on.
    #[schema(value_type = schema::PlayerId)]
    pub player: PlayerId,
    /// Proves it: a bearer token for this hunt's player routes.
    pub token: String,
    /// Until then.
    #[schema(value_type = schema::Timestamp)]
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for GuestAnswer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("GuestAnswer")
            .field("player", &self.player)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
