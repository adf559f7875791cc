//! Numbers from a ChaCha20 key stream, exactly as `docs/fairness.md` says.

use huntcore_model::Hash32;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of numbers that its 32-byte key determines.
pub(crate) struct Draw(ChaCha20Rng);

impl Draw {
    pub(crate) fn new(key: &Hash32) -> Self {
        Self(ChaCha20Rng::from_seed(*key.bytes()))
    }

    /// A number below `bound`, each as likely as any other.
    ///
    /// Words at or above the largest multiple of `bound` are thrown away: taking them modulo
    /// `bound` would make small numbers likelier.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        assert!(bound > 0, "no number is below 0");
        // 2^32 mod bound words at the top are the incomplete last multiple.
        let incomplete = (u32::MAX % bound + 1) % bound;
        let highest = u32::MAX - incomplete;
        loop {
            let word = self.0.next_u32();
            if word <= highest {
                return word % bound;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_rfc_8439() {
        // RFC 8439, appendix A.1, test vector 1: key, nonce and counter all zero.
        let mut draw = Draw::new(&Hash32::ZERO);
        assert_eq!(draw.0.next_u32().to_le_bytes(), [0x76, 0xb8, 0xe0, 0xad]);
        assert_eq!(draw.0.next_u32().to_le_bytes(), [0xa0, 0xf1, 0x3d, 0x90]);
    }

    #[test]
    fn numbers_are_those_of_the_published_vectors() {
        let vectors = include_str!("../../../docs/fairness-vectors.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).expect("JSON");
        for vector in vectors["draws"].as_array().expect("an array") {
            let key = vector["key"]
                .as_str()
                .expect("hex")
                .parse()
                .expect("32 bytes");
            let bound = u32::try_from(vector["bound"].as_u64().expect("a number"));
            let bound = bound.expect("32 bits");
            let mut draw = Draw::new(&key);
            for number in vector["numbers"].as_array().expect("an array") {
                assert_eq!(Some(u64::from(draw.below(bound))), number.as_u64());
            }
        }
    }

    #[test]
    fn a_word_in_the_incomplete_multiple_is_thrown_away() {
        // Just above 2^31, nearly every second word is thrown away.
        let bound = (1 << 31) + 1;
        let mut raw = Draw::new(&Hash32::new([7; 32]));
        let mut words = std::iter::from_fn(|| Some(raw.0.next_u32()));
        let mut draw = Draw::new(&Hash32::new([7; 32]));
        for _ in 0..1_000 {
            let expected = words.find(|&word| word < bound).expect("endless");
            assert_eq!(draw.below(bound), expected);
        }
    }

    #[test]
    fn bounds_at_the_ends_work() {
        let mut draw = Draw::new(&Hash32::new([1; 32]));
        assert_eq!(draw.below(1), 0);
        assert!(draw.below(u32::MAX) < u32::MAX);
        assert!(draw.below(1 << 31) < 1 << 31);
    }
}
