//! Identifiers as newtypes with their limits, so that a wrong one cannot be passed on.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is not an identifier of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was given.
    #[error("{kind} is empty, expected 1 to {bytes_max} bytes")]
    Empty {
        /// What was to be named.
        kind: &'static str,
        /// The longest one allowed.
        bytes_max: usize,
    },
    /// More bytes than the limit.
    #[error("{kind} has {bytes} bytes, expected at most {bytes_max}")]
    TooLong {
        /// What was to be named.
        kind: &'static str,
        /// How long the text was.
        bytes: usize,
        /// The longest one allowed.
        bytes_max: usize,
    },
    /// A character outside the kind's alphabet.
    #[error("{kind} has {found:?} at byte {offset}, expected {expected}")]
    Character {
        /// What was to be named.
        kind: &'static str,
        /// The offending character.
        found: char,
        /// Where it stands.
        offset: usize,
        /// The alphabet, in words.
        expected: &'static str,
    },
}

macro_rules! number_id {
    ($(#[$meta:meta])* $name:ident($inner:ty)) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name($inner);

        impl $name {
            /// Wraps the bare number.
            #[inline]
            #[must_use]
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }

            /// The bare number.
            #[inline]
            #[must_use]
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, formatter)
            }
        }
    };
}

number_id! {
    /// A hunt's number in the logs: given by the control stream in order of creation.
    HuntNumber(u32)
}
number_id! {
    /// A round of a hunt, counted by the clock from 1.
    RoundNumber(u64)
}
number_id! {
    /// A tile of a round's map, counted from 0.
    TileIndex(u32)
}
number_id! {
    /// One shard's number for a player; another shard has another.
    PlayerNumber(u32)
}
number_id! {
    /// A stream of the log: a shard's, or the control stream's.
    ShardId(u16)
}
number_id! {
    /// A term of ownership of a shard; grows with every new owner.
    Epoch(u64)
}
number_id! {
    /// The place of a record in its stream; the first record's is 0.
    Sequence(u64)
}

impl ShardId {
    /// The control stream, whose records every shard copies into its own.
    pub const CONTROL: Self = Self(u16::MAX);

    /// Whether this is the control stream.
    #[must_use]
    pub fn is_control(self) -> bool {
        self == Self::CONTROL
    }
}

impl Epoch {
    /// The term after this one.
    #[inline]
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Sequence {
    /// The first record's place.
    pub const ZERO: Self = Self(0);

    /// The place `count` records on.
    #[inline]
    #[must_use]
    pub const fn advanced(self, count: u64) -> Self {
        Self(self.0 + count)
    }
}

impl RoundNumber {
    /// The first round of every hunt.
    pub const FIRST: Self = Self(1);

    /// The round after this one.
    #[inline]
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Tells two terms apart that, by mistake, claim the same epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(pub [u8; 16]);

macro_rules! text_id {
    ($(#[$meta:meta])* $name:ident, $kind:literal, $max:literal, $check:expr) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest one, in bytes of UTF-8.
            pub const BYTES_MAX: usize = $max;

            /// Takes `text` if it keeps the limits of its kind.
            pub fn new(text: &str) -> Result<Self, IdError> {
                if text.is_empty() {
                    return Err(IdError::Empty { kind: $kind, bytes_max: $max });
                }
                if text.len() > $max {
                    return Err(IdError::TooLong {
                        kind: $kind,
                        bytes: text.len(),
                        bytes_max: $max,
                    });
                }
                let check: fn(&str) -> Result<(), IdError> = $check;
                check(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(&text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{:?}", &*self.0)
            }
        }
    };
}

text_id! {
    /// A hunt's public name: a slug of `a-z`, `0-9`, `-` and `_` that starts with a letter or digit.
    HuntId, "hunt id", 64, check_slug
}
text_id! {
    /// A player's public id, chosen by whoever signs the tokens: any UTF-8.
    PlayerId, "player id", 64, |_| Ok(())
}
text_id! {
    /// The sender's id of a score event; with the player it makes the event's identity.
    EventId, "event id", 128, |_| Ok(())
}
text_id! {
    /// What kind of thing scored, in the sender's words.
    EventType, "event type", 64, |_| Ok(())
}

fn check_slug(text: &str) -> Result<(), IdError> {
    let wrong = text.char_indices().find(|&(offset, character)| {
        let letter_or_digit = character.is_ascii_lowercase() || character.is_ascii_digit();
        !(letter_or_digit || (offset > 0 && (character == '-' || character == '_')))
    });
    match wrong {
        None => Ok(()),
        Some((offset, found)) => Err(IdError::Character {
            kind: "hunt id",
            found,
            offset,
            expected: "a-z, 0-9, and after the first character - and _",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_id_may_be_any_utf8_up_to_64_bytes() {
        assert!(PlayerId::new("Ünïcödé 🐙\n").is_ok());
        assert!(PlayerId::new(&"x".repeat(64)).is_ok());
        assert_eq!(
            PlayerId::new(&"x".repeat(65)),
            Err(IdError::TooLong {
                kind: "player id",
                bytes: 65,
                bytes_max: 64
            })
        );
        assert!(matches!(PlayerId::new(""), Err(IdError::Empty { .. })));
    }

    #[test]
    fn a_hunt_id_is_a_slug() {
        for good in ["park", "7", "a-b_c", "0x"] {
            assert!(HuntId::new(good).is_ok(), "{good}");
        }
        for bad in ["-a", "_a", "Park", "a b", "a/b", "ä"] {
            assert!(
                matches!(HuntId::new(bad), Err(IdError::Character { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn an_id_from_json_keeps_its_limits() {
        assert!(serde_json::from_str::<HuntId>("\"park\"").is_ok());
        let error = serde_json::from_str::<HuntId>("\"Park\"").expect_err("upper case");
        assert!(
            error.to_string().contains("hunt id has 'P' at byte 0"),
            "{error}"
        );
    }
}
