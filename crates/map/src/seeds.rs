//! Seeds of rounds: hash chains that end in a secret and begin in public.
//!
//! Any node that holds the fairness key computes any seed; none is stored. A seed that is
//! shown proves itself against every earlier one, down to the chain's published anchor, and
//! tells nothing about later ones.

use std::fmt;
use std::str::FromStr;

use hkdf::Hkdf;
use huntcore_model::{Hash32, HuntId, RoundNumber};
use sha2::{Digest, Sha256};

/// Rounds that one chain of seeds covers.
pub const CHAIN_ROUNDS: u64 = 65_536;

/// Every so many seeds of a chain one is kept, so that any seed is this many hashes away at
/// most; a whole chain takes 8 KiB.
const CHECKPOINT_EVERY: usize = 256;

/// The deployment's secret from which all seeds derive.
#[derive(Clone)]
pub struct FairnessKey([u8; 32]);

/// Why a text is not a fairness key. Carries nothing of the text, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the fairness key has {bytes} bytes that are not 64 hex digits")]
pub struct FairnessKeyError {
    bytes: usize,
}

impl FairnessKey {
    /// Wraps 32 secret bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for FairnessKey {
    type Err = FairnessKeyError;

    fn from_str(text: &str) -> Result<Self, FairnessKeyError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| FairnessKeyError { bytes: text.len() })?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for FairnessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FairnessKey(hidden)")
    }
}

/// Where a round's seed stands: which chain, and how many hashes above its anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeedPlace {
    /// The chain, from 0.
    pub chain: u64,
    /// The seed's index in it, 1 to [`CHAIN_ROUNDS`]; the anchor's is 0.
    pub index: u64,
}

impl SeedPlace {
    /// The place of `round`'s seed; `None` for round 0, which does not exist, and for the
    /// last 65,536 numbers, whose chain would not fit in 64 bits.
    #[must_use]
    pub fn of(round: RoundNumber) -> Option<Self> {
        let before = round.get().checked_sub(1)?;
        let chain = before / CHAIN_ROUNDS;
        let index = before % CHAIN_ROUNDS + 1;
        (chain <= SeedChain::NUMBER_MAX).then_some(Self { chain, index })
    }
}

/// A round's seed. Secret until its round has closed, so debug output hides it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(Hash32);

impl Seed {
    /// Wraps a published seed.
    #[must_use]
    pub const fn new(bytes: Hash32) -> Self {
        Self(bytes)
    }

    /// The seed itself, to be published once its round has closed.
    #[must_use]
    pub const fn reveal(&self) -> Hash32 {
        self.0
    }

    /// What binds the seed while it may not be known.
    #[must_use]
    pub fn commitment(&self, round: RoundNumber) -> Hash32 {
        let mut hasher = Sha256::new();
        hasher.update(b"huntcore/commit");
        hasher.update(round.get().to_be_bytes());
        hasher.update(self.0.bytes());
        Hash32::new(hasher.finalize().into())
    }

    /// What the tiles' places are drawn from; public once the round is open.
    #[must_use]
    pub fn layout(&self) -> Hash32 {
        derive(self.0.bytes(), &[b"huntcore/layout"])
    }

    /// What the tiles' values are drawn from.
    pub(crate) fn values_key(&self) -> Hash32 {
        derive(self.0.bytes(), &[b"huntcore/values"])
    }

    /// The seed, or the anchor, that stands `steps` before this one in its chain.
    #[must_use]
    pub fn earlier(&self, steps: u64) -> Self {
        let mut bytes = *self.0.bytes();
        for _ in 0..steps {
            bytes = Sha256::digest(bytes).into();
        }
        Self(Hash32::new(bytes))
    }

    /// Whether this seed stands `steps` after `earlier`, a known seed or anchor, in one chain.
    #[must_use]
    pub fn follows(&self, earlier: &Self, steps: u64) -> bool {
        self.earlier(steps) == *earlier
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Seed(hidden)")
    }
}

/// One of a hunt's chains of seeds.
#[derive(Clone)]
pub struct SeedChain {
    number: u64,
    /// The anchor, then every [`CHECKPOINT_EVERY`]th seed.
    checkpoints: Vec<Seed>,
}

/// Why a chain has no seed for a round.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed chain {chain} covers rounds {first} to {last}, not round {round}")]
pub struct SeedError {
    /// The chain that was asked.
    pub chain: u64,
    /// Its first round.
    pub first: RoundNumber,
    /// Its last round.
    pub last: RoundNumber,
    /// The round that was asked for.
    pub round: RoundNumber,
}

impl SeedChain {
    /// The highest chain number: beyond it rounds would not fit in 64 bits.
    pub const NUMBER_MAX: u64 = u64::MAX / CHAIN_ROUNDS - 1;

    /// Computes chain `number` of `hunt`: 65,536 hashes, once per chain.
    ///
    /// # Panics
    /// If `number` is above [`Self::NUMBER_MAX`].
    #[must_use]
    pub fn derive(key: &FairnessKey, hunt: &HuntId, number: u64) -> Self {
        assert!(
            number <= Self::NUMBER_MAX,
            "rounds of chain {number} do not fit in 64 bits"
        );
        let hunt = hunt.as_str().as_bytes();
        let hunt_bytes = u8::try_from(hunt.len()).expect("a hunt's id has at most 64 bytes");
        let end = derive(
            &key.0,
            &[
                b"huntcore/chain",
                &[hunt_bytes],
                hunt,
                &number.to_be_bytes(),
            ],
        );
        let mut seed = Seed(end);
        let mut checkpoints = vec![seed];
        for _ in 0..CHAIN_ROUNDS / CHECKPOINT_EVERY as u64 {
            seed = seed.earlier(CHECKPOINT_EVERY as u64);
            checkpoints.push(seed);
        }
        checkpoints.reverse();
        Self {
            number,
            checkpoints,
        }
    }

    /// Which of the hunt's chains this is, from 0.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// seed(0), published before the chain's first round.
    #[must_use]
    pub fn anchor(&self) -> Hash32 {
        self.checkpoints[0].reveal()
    }

    /// The first round that the chain covers.
    #[must_use]
    pub const fn first_round(&self) -> RoundNumber {
        RoundNumber::new(self.number * CHAIN_ROUNDS + 1)
    }

    /// The last round that the chain covers.
    #[must_use]
    pub const fn last_round(&self) -> RoundNumber {
        RoundNumber::new((self.number + 1) * CHAIN_ROUNDS)
    }

    /// The seed of `round`, at most 255 hashes away.
    pub fn seed(&self, round: RoundNumber) -> Result<Seed, SeedError> {
        let place = SeedPlace::of(round).filter(|place| place.chain == self.number);
        let Some(SeedPlace { index, .. }) = place else {
            return Err(SeedError {
                chain: self.number,
                first: self.first_round(),
                last: self.last_round(),
                round,
            });
        };
        let checkpoint = index.div_ceil(CHECKPOINT_EVERY as u64);
        let above = usize::try_from(checkpoint).expect("an index is at most CHAIN_ROUNDS");
        Ok(self.checkpoints[above].earlier(checkpoint * CHECKPOINT_EVERY as u64 - index))
    }
}

impl fmt::Debug for SeedChain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SeedChain({}, hidden)", self.number)
    }
}

/// HKDF-SHA256 (RFC 5869) without salt, 32 bytes.
fn derive(secret: &[u8; 32], info: &[&[u8]]) -> Hash32 {
    let mut bytes = [0; 32];
    Hkdf::<Sha256>::new(None, secret)
        .expand_multi_info(info, &mut bytes)
        .expect("32 bytes are within HKDF's limit");
    Hash32::new(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(number: u64) -> SeedChain {
        let hunt = HuntId::new("park").expect("a slug");
        SeedChain::derive(&FairnessKey::new([1; 32]), &hunt, number)
    }

    fn seed(chain: &SeedChain, round: u64) -> Seed {
        chain
            .seed(RoundNumber::new(round))
            .expect("a round of the chain")
    }

    #[test]
    fn each_seed_hashes_to_the_one_before_down_to_the_anchor() {
        let chain = chain(0);
        let mut before = Seed::new(chain.anchor());
        for round in (1..=1_030).chain(65_530..=65_536) {
            if round == 65_530 {
                before = seed(&chain, 65_529);
            }
            let seed = seed(&chain, round);
            assert!(seed.follows(&before, 1), "round {round}");
            before = seed;
        }
        assert!(before.follows(&Seed::new(chain.anchor()), 65_536));
        assert!(!before.follows(&Seed::new(chain.anchor()), 65_535));
    }

    #[test]
    fn chains_follow_each_other_and_share_no_seed() {
        let (first, second) = (chain(0), chain(1));
        assert_eq!(first.last_round().next(), second.first_round());
        assert_ne!(first.anchor(), second.anchor());
        assert_ne!(seed(&first, 65_536), seed(&second, 65_537));
        assert_eq!(
            first.seed(second.first_round()),
            Err(SeedError {
                chain: 0,
                first: RoundNumber::new(1),
                last: RoundNumber::new(65_536),
                round: RoundNumber::new(65_537),
            })
        );
        assert!(first.seed(RoundNumber::new(0)).is_err());
        assert_eq!(
            SeedPlace::of(RoundNumber::new(65_537)),
            Some(SeedPlace { chain: 1, index: 1 })
        );
        assert_eq!(
            chain(SeedChain::NUMBER_MAX).last_round().get() % CHAIN_ROUNDS,
            0
        );
    }

    #[test]
    fn hunts_and_keys_have_chains_of_their_own() {
        let (park, pool) = (
            HuntId::new("park").expect("id"),
            HuntId::new("pool").expect("id"),
        );
        let key = FairnessKey::new([1; 32]);
        let other_key = FairnessKey::new([2; 32]);
        let anchor = |key, hunt| SeedChain::derive(key, hunt, 0).anchor();
        assert_ne!(anchor(&key, &park), anchor(&key, &pool));
        assert_ne!(anchor(&key, &park), anchor(&other_key, &park));
    }

    #[test]
    fn a_commitment_is_not_the_seed_before() {
        let chain = chain(0);
        let (one, two) = (RoundNumber::new(1), RoundNumber::new(2));
        assert_ne!(seed(&chain, 2).commitment(two), seed(&chain, 1).reveal());
        assert_ne!(
            seed(&chain, 2).commitment(two),
            seed(&chain, 2).commitment(one)
        );
    }

    #[test]
    fn debug_output_hides_every_secret() {
        let chain = chain(0);
        let key = FairnessKey::new([1; 32]);
        let text = format!("{key:?} {chain:?} {:?}", seed(&chain, 1));
        assert_eq!(
            text,
            "FairnessKey(hidden) SeedChain(0, hidden) Seed(hidden)"
        );
        let error = "secret"
            .parse::<FairnessKey>()
            .expect_err("not hex")
            .to_string();
        assert!(!error.contains("secret"), "{error}");
        assert!("0a".repeat(32).parse::<FairnessKey>().is_ok());
    }
}
