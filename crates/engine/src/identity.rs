//! What tells one score event from another, and what is known of it before it is decided.
//!
//! An event's identity is its hunt, its player and the sender's id. Whoever hands events to an
//! arbiter hashes that into a key, off the arbiter's thread, and looks the key up among the
//! events that no longer stand in memory.

use std::cmp::Ordering;

use huntcore_model::{EventDigest, HuntNumber, Sequence, TimeMicros};

/// Names a (hunt, player, event id) by the first 16 bytes of its BLAKE3 hash: with 2^40
/// events the chance of any two sharing a key is below 2^-48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventKey(pub [u8; 16]);

/// As its bytes are ordered, by one comparison of numbers: buckets are sorted by millions.
impl Ord for EventKey {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
    }
}

impl PartialOrd for EventKey {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The texts of a key that are hashed from the stack: one block of BLAKE3.
const SHORT_BYTES_MAX: usize = 64;

impl EventKey {
    /// The key of an event.
    #[must_use]
    pub fn new(hunt: HuntNumber, player: &str, event_id: &str) -> Self {
        let hunt = hunt.get().to_le_bytes();
        let player_bytes = (player.len() as u64).to_le_bytes();
        let parts: [&[u8]; 4] = [&hunt, &player_bytes, player.as_bytes(), event_id.as_bytes()];
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let hash = if length <= SHORT_BYTES_MAX {
            // Most are that short, and a hasher costs more than the hash.
            let mut bytes = [0; SHORT_BYTES_MAX];
            let mut filled = 0;
            for part in parts {
                bytes[filled..filled + part.len()].copy_from_slice(part);
                filled += part.len();
            }
            blake3::hash(&bytes[..length])
        } else {
            let mut hasher = blake3::Hasher::new();
            parts.iter().for_each(|part| {
                hasher.update(part);
            });
            hasher.finalize()
        };
        let mut key = [0; 16];
        key.copy_from_slice(&hash.as_bytes()[..16]);
        Self(key)
    }

    /// Eight of its bytes, which are as good a hash as any. Keys in order have these in order.
    #[inline]
    #[must_use]
    pub fn prefix(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// An event that has been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventSeen {
    /// Of all but its identity.
    pub digest: EventDigest,
    /// Its record.
    pub sequence: Sequence,
}

/// An event with its name: 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventFact {
    /// Its name.
    pub key: EventKey,
    /// What is known of it.
    pub seen: EventSeen,
}

/// How far look-ups outside an arbiter reach: so many times has it been told, since it began,
/// that buckets stand outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coverage(u64);

impl Coverage {
    /// What stood outside when the arbiter began.
    pub const START: Self = Self(0);

    /// One that reaches further than this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What a look-up outside the arbiter came to. An input like the event itself: what was
/// decided with it is written down, and a replay looks nothing up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// The event, if it was taken before and stands outside.
    pub known: Option<EventSeen>,
    /// Up to where was looked.
    pub covers: Coverage,
}

/// Buckets have left memory since this event was looked up, which may be in them: look it up
/// again. Nothing was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("events have left memory since this one was looked up")]
pub struct LookAgain;

/// The time that an event id bears, if it has the form of a UUIDv7 or of a ULID.
///
/// A UUIDv7 is written with its four hyphens; letters may be of either case in both. Any other
/// id bears none.
#[must_use]
pub fn id_time(event_id: &str) -> Option<TimeMicros> {
    let bytes = event_id.as_bytes();
    match bytes.len() {
        36 => uuid_v7_millis(bytes),
        26 => ulid_millis(bytes),
        _ => None,
    }
    .map(TimeMicros::from_millis)
}

fn uuid_v7_millis(bytes: &[u8]) -> Option<u64> {
    let is_version_7 = bytes[14] == b'7';
    let is_variant = matches!(bytes[19], b'8' | b'9' | b'a' | b'b' | b'A' | b'B');
    if !(is_version_7 && is_variant) {
        return None;
    }
    let mut millis = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        if matches!(index, 8 | 13 | 18 | 23) {
            if byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = char::from(byte).to_digit(16)?;
        // The first twelve digits.
        if index < 13 {
            millis = millis << 4 | u64::from(digit);
        }
    }
    Some(millis)
}

fn ulid_millis(bytes: &[u8]) -> Option<u64> {
    let mut millis = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        let value = CROCKFORD[usize::from(byte)];
        // 26 digits of 5 bits hold 128: the first one's upper two are not there.
        if value > 31 || (index == 0 && value > 7) {
            return None;
        }
        if index < 10 {
            millis = millis << 5 | u64::from(value);
        }
    }
    Some(millis)
}

/// What each byte is worth as a digit of Crockford's base 32; above 31 for no digit.
const CROCKFORD: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let digits = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut value = 0;
    while value < digits.len() {
        let digit = digits[value];
        #[expect(clippy::cast_possible_truncation, reason = "there are 32")]
        let worth = value as u8;
        values[digit as usize] = worth;
        values[digit.to_ascii_lowercase() as usize] = worth;
        value += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_tells_player_and_event_id_apart() {
        let hunt = HuntNumber::new(0);
        assert_ne!(
            EventKey::new(hunt, "ab", "c"),
            EventKey::new(hunt, "a", "bc")
        );
        assert_ne!(
            EventKey::new(hunt, "ab", "c"),
            EventKey::new(HuntNumber::new(1), "ab", "c")
        );
    }

    #[test]
    fn keys_are_in_the_order_of_their_bytes() {
        let key = |number: u32| EventKey::new(HuntNumber::new(number), "p", "e");
        for (a, b) in (0..100).flat_map(|a| (0..100).map(move |b| (key(a), key(b)))) {
            assert_eq!(a.cmp(&b), a.0.cmp(&b.0));
        }
    }

    #[test]
    fn short_and_long_keys_are_cut_from_the_same_hash() {
        for length in [1, 40, 51, 52, 53, 100, 128] {
            let event_id = "x".repeat(length);
            let mut hasher = blake3::Hasher::new();
            hasher.update(&7_u32.to_le_bytes());
            hasher.update(&1_u64.to_le_bytes());
            hasher.update(b"p");
            hasher.update(event_id.as_bytes());
            let key = EventKey::new(HuntNumber::new(7), "p", &event_id);
            assert_eq!(key.0, hasher.finalize().as_bytes()[..16], "{length}");
        }
    }

    #[test]
    fn ids_bear_the_time_that_they_were_made_at() {
        // The examples of RFC 9562 and of the ULID specification.
        let uuid = id_time("017F22E2-79B0-7CC3-98C4-DC0C0C07398F");
        assert_eq!(uuid, Some(TimeMicros::from_millis(0x017f_22e2_79b0)));
        assert_eq!(uuid, id_time("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"));
        let ulid = id_time("01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(ulid, Some(TimeMicros::from_millis(1_469_922_850_259)));
        assert_eq!(ulid, id_time("01arz3ndektsv4rrffq69g5fav"));
    }

    #[test]
    fn other_ids_bear_no_time() {
        for other in [
            "",
            "quest-1",
            // Version 4, another variant, no hex, a hyphen astray.
            "017f22e2-79b0-4cc3-98c4-dc0c0c07398f",
            "017f22e2-79b0-7cc3-c8c4-dc0c0c07398f",
            "017g22e2-79b0-7cc3-98c4-dc0c0c07398f",
            "017f22e27-9b0-7cc3-98c4-dc0c0c07398f",
            // More than 128 bits, letters that are no digits, not ASCII.
            "81ARZ3NDEKTSV4RRFFQ69G5FAV",
            "01ARZ3NDEKTSV4RRFFQ69G5FAU",
            "01ARZ3NDEKTSV4RRFFQ69G5Fé",
        ] {
            assert_eq!(id_time(other), None, "{other}");
        }
    }
}
