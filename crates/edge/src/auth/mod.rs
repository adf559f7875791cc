//! Who may do what: player tokens, the service key, and the loopback-only open door.
//!
//! The algorithm of a token is the configured one and never read from the token. Neither a
//! token nor a key is ever logged, printed or echoed.

mod access;
mod keys;
mod tokens;
mod verified;

pub use access::{AuthConfig, AuthSettings};
pub use keys::{Ed25519PublicKey, KeyError, PlayerKey, Secret};

pub(crate) use access::{Access, PLAYER_HEADER, Player};
