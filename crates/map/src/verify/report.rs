//! What a fairness check says.

use std::fmt;

use huntcore_model::{Hash32, RoundNumber};
use serde::Serialize;

use crate::cells::Cell;

/// The most faults that a report lists; it counts them all.
pub const FAULTS_MAX: usize = 1_000;

/// What was checked and what was found wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FairnessReport {
    /// Different rounds that were looked at.
    pub rounds: u64,
    /// Rounds whose seed was published and belongs to its chain.
    pub seeds_verified: u64,
    /// Rounds whose seed was not published yet, so that only parts could be checked.
    pub seeds_pending: u64,
    /// Rounds whose whole map was recomputed and has the published name.
    pub maps_verified: u64,
    /// Published tiles that were compared with recomputed ones.
    pub tiles_compared: u64,
    /// Everything that was found wrong.
    pub faults_total: u64,
    /// The first [`FAULTS_MAX`] faults.
    pub faults: Vec<FairnessFault>,
}

/// One of the three values that a round shows from its opening on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoundFact {
    /// What binds its seed.
    Commitment,
    /// What its tiles are drawn from.
    Layout,
    /// Its map's name.
    Map,
}

impl fmt::Display for RoundFact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Commitment => "commitment",
            Self::Layout => "layout",
            Self::Map => "map",
        })
    }
}

/// Something published that does not fit: `expected` was computed, `found` was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum FairnessFault {
    /// The cells are not those that were hashed.
    #[error("cell list of configuration {version} has hash {expected}, but {found} was published")]
    CellsHash {
        /// The configuration.
        version: u32,
        /// The cell list's hash.
        expected: Hash32,
        /// What was published.
        found: Hash32,
    },
    /// The configuration is not the one that was hashed.
    #[error("configuration {version} has hash {expected}, but {found} was published")]
    ConfigHash {
        /// The configuration.
        version: u32,
        /// Its hash.
        expected: Hash32,
        /// What was published.
        found: Hash32,
    },
    /// A round by a configuration other than the one that holds for it.
    #[error(
        "round {round} shows configuration {found}, expected {}",
        expected.map_or_else(|| "none".to_owned(), |version| version.to_string())
    )]
    ConfigNotInForce {
        /// The round.
        round: RoundNumber,
        /// The configuration that holds for it, if any does.
        expected: Option<u32>,
        /// What it shows.
        found: u32,
    },
    /// A number that no round has.
    #[error("{round} is not the number of a round")]
    NoSuchRound {
        /// The number.
        round: RoundNumber,
    },
    /// A round was shown once so and once otherwise.
    #[error("round {round} showed {fact} {first} once and {second} another time")]
    Changed {
        /// The round.
        round: RoundNumber,
        /// What changed.
        fact: RoundFact,
        /// Shown once.
        first: Hash32,
        /// Shown another time.
        second: Hash32,
    },
    /// A seed was published, but its chain's anchor was not.
    #[error("round {round} has a seed, but the anchor of chain {chain} is not published")]
    AnchorMissing {
        /// The round.
        round: RoundNumber,
        /// Its chain.
        chain: u64,
    },
    /// A seed that does not lead back to an earlier seed or the anchor.
    #[error(
        "the seed of round {round}, hashed {steps} times, gives {found}, expected the earlier \
         seed {expected}"
    )]
    SeedNotInChain {
        /// The round.
        round: RoundNumber,
        /// How far before it the earlier seed, or the anchor, stands.
        steps: u64,
        /// The earlier seed or the anchor.
        expected: Hash32,
        /// What the published seed leads back to.
        found: Hash32,
    },
    /// What a round showed does not follow from its seed.
    #[error("round {round} has {fact} {expected} by its seed, but {found} was published")]
    NotBySeed {
        /// The round.
        round: RoundNumber,
        /// What does not follow.
        fact: RoundFact,
        /// What follows from the seed.
        expected: Hash32,
        /// What was published.
        found: Hash32,
    },
    /// A published map's tiles do not have the name that the round showed.
    #[error("the tiles of round {round} make map {expected}, but {found} was published")]
    NotByTiles {
        /// The round.
        round: RoundNumber,
        /// The name of the published tiles.
        expected: Hash32,
        /// The name that was published.
        found: Hash32,
    },
    /// A published map with more or fewer tiles than its configuration says.
    #[error("the map of round {round} has {expected} tiles, but {found} were published")]
    TileCount {
        /// The round.
        round: RoundNumber,
        /// By the configuration.
        expected: u32,
        /// What was published.
        found: usize,
    },
    /// A tile at another place than the draw gives.
    #[error("tile {tile} of round {round} is on cell {expected}, but {found} was published")]
    TileCell {
        /// The round.
        round: RoundNumber,
        /// The tile.
        tile: usize,
        /// By the draw.
        expected: Cell,
        /// What was published.
        found: Cell,
    },
    /// A tile of another worth than the draw gives.
    #[error("tile {tile} of round {round} is worth {expected}, but {found} was published")]
    TilePoints {
        /// The round.
        round: RoundNumber,
        /// The tile.
        tile: usize,
        /// By the draw.
        expected: u32,
        /// What was published.
        found: u32,
    },
}

impl FairnessReport {
    /// Whether everything that could be checked was right.
    #[must_use]
    pub const fn is_fair(&self) -> bool {
        self.faults_total == 0
    }

    pub(super) fn fault(&mut self, fault: FairnessFault) {
        self.faults_total += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }
}
