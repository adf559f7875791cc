//! Tokens that were found good, by their hash: a player shows the same one with every attempt,
//! and to check a signature again costs more than all the rest of it.
//!
//! Bounded (I8): a set number of places, of which each token can take a few; a newer one pushes
//! an older one out. Only tokens with a good signature get in, so a stranger changes nothing.

use std::sync::{Mutex, PoisonError};

use huntcore_model::TimeMicros;
use sha2::{Digest, Sha256};

use super::tokens::TokenClaims;

/// Places for tokens are found by so many bits of their hash.
const BUCKET_BITS: u32 = 12;
/// Tokens with the same of those bits that are kept.
const BUCKET_TOKENS: usize = 4;

/// A token's whole hash: what is kept of it.
pub(super) type TokenHash = [u8; 32];

/// See the module.
pub(super) struct Verified {
    buckets: Box<[Mutex<Bucket>]>,
}

#[derive(Default)]
struct Bucket {
    /// Oldest first.
    tokens: Vec<(TokenHash, TokenClaims)>,
}

impl Verified {
    pub(super) fn new() -> Self {
        Self {
            buckets: (0..1 << BUCKET_BITS).map(|_| Mutex::default()).collect(),
        }
    }

    pub(super) fn hash(token: &str) -> TokenHash {
        Sha256::digest(token.as_bytes()).into()
    }

    /// What the token says, if it was found good and has not expired.
    pub(super) fn find(&self, hash: &TokenHash, now: TimeMicros) -> Option<TokenClaims> {
        let bucket = self.bucket(hash).lock();
        let bucket = bucket.unwrap_or_else(PoisonError::into_inner);
        let (_, claims) = bucket.tokens.iter().find(|(known, _)| known == hash)?;
        (now < claims.expires_at).then(|| claims.clone())
    }

    /// Keeps what a good token says.
    pub(super) fn keep(&self, hash: TokenHash, claims: TokenClaims) {
        let bucket = self.bucket(&hash).lock();
        let mut bucket = bucket.unwrap_or_else(PoisonError::into_inner);
        bucket.tokens.retain(|(known, _)| *known != hash);
        if bucket.tokens.len() == BUCKET_TOKENS {
            bucket.tokens.remove(0);
        }
        bucket.tokens.push((hash, claims));
    }

    fn bucket(&self, hash: &TokenHash) -> &Mutex<Bucket> {
        let bits = u16::from_le_bytes([hash[0], hash[1]]) >> (u16::BITS - BUCKET_BITS);
        &self.buckets[usize::from(bits)]
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::PlayerId;

    use super::*;

    fn claims(player: &str, expires_at: u64) -> TokenClaims {
        TokenClaims {
            player: PlayerId::new(player).expect("an id"),
            hunt: None,
            expires_at: TimeMicros::new(expires_at),
        }
    }

    #[test]
    fn a_token_is_found_until_it_expires_and_by_all_of_its_hash() {
        let verified = Verified::new();
        let hash = Verified::hash("a token");
        assert_eq!(verified.find(&hash, TimeMicros::ZERO), None);
        verified.keep(hash, claims("ada", 10));
        let found = verified.find(&hash, TimeMicros::new(9));
        assert_eq!(found, Some(claims("ada", 10)));
        assert_eq!(verified.find(&hash, TimeMicros::new(10)), None);
        for index in 0..hash.len() {
            let mut other = hash;
            other[index] ^= 1;
            assert_eq!(verified.find(&other, TimeMicros::ZERO), None);
        }
    }

    #[test]
    fn the_oldest_token_of_a_place_makes_room() {
        let verified = Verified::new();
        let hash = |number: u8| {
            let mut hash = [0; 32];
            hash[31] = number;
            hash
        };
        for number in 0..10 {
            verified.keep(hash(number), claims("ada", 10));
            verified.keep(hash(number), claims("ada", 10));
        }
        for number in 0..10 {
            let found = verified.find(&hash(number), TimeMicros::ZERO);
            assert_eq!(found.is_some(), number >= 6, "{number}");
        }
    }
}
