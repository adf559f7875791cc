//! Keys as they stand in a configuration.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// A shared secret. Never shown, not even in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes as they are.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for signing and comparing only.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// Checks players' tokens; its kind fixes their algorithm.
#[derive(Clone, Debug)]
pub enum PlayerKey {
    /// HMAC with SHA-256: whoever holds the secret signs and checks.
    Hs256(Secret),
    /// Ed25519: the edge only checks.
    EdDsa(Ed25519PublicKey),
}

/// The public half of an Ed25519 key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ed25519PublicKey([u8; 32]);

/// Why a text is not an Ed25519 public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an Ed25519 public key: expected PEM (`BEGIN PUBLIC KEY`), 64 hex digits or 43 characters \
     of base64url"
)]
pub struct KeyError;

impl Ed25519PublicKey {
    // RFC 8410: what stands before the 32 bytes of every such key in DER.
    const DER_PREFIX: [u8; 12] = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];

    /// Wraps the bare key.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads PEM, hex or base64url, whichever it is.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let bytes = if let Some(body) = text
            .strip_prefix("-----BEGIN PUBLIC KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
        {
            let joined: String = body.split_ascii_whitespace().collect();
            let der = STANDARD.decode(joined).map_err(|_| KeyError)?;
            der.strip_prefix(&Self::DER_PREFIX[..])
                .ok_or(KeyError)?
                .to_vec()
        } else if text.len() == 64 {
            hex::decode(text).map_err(|_| KeyError)?
        } else {
            URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError)?
        };
        bytes.try_into().map(Self).map_err(|_| KeyError)
    }

    /// The bare key.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8410, section 10.1.
    const PEM: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

    #[test]
    fn one_key_in_three_spellings() {
        let key = Ed25519PublicKey::parse(PEM).expect("the RFC's key");
        let hex = hex::encode(key.bytes());
        let base64url = URL_SAFE_NO_PAD.encode(key.bytes());
        assert_eq!(Ed25519PublicKey::parse(&hex), Ok(key));
        assert_eq!(Ed25519PublicKey::parse(&base64url), Ok(key));
        for bad in [
            "",
            "abc",
            &hex[2..],
            "-----BEGIN PUBLIC KEY----------END PUBLIC KEY-----",
        ] {
            assert_eq!(Ed25519PublicKey::parse(bad), Err(KeyError), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
    }
}
