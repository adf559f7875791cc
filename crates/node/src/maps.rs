//! Cells, seeds and maps: computed when first asked for, kept while they are likely to be
//! asked for again.

use std::sync::Arc;

use huntcore_engine::{HUNTS_MAX, RoundFacts};
use huntcore_map::{CellList, FairnessKey, MapConfig, RoundMap, Seed, SeedChain, SeedPlace};
use huntcore_model::{ConfigVersion, Hash32, HuntEntry, HuntId, HuntNumber, RoundNumber};
use huntcore_projection::{Cells, CellsError, Kept};
use parking_lot::Mutex;

/// For each hunt that there may be, the chain of now and the next.
const CHAINS_KEPT: usize = 2 * HUNTS_MAX;
/// Tiles of all maps kept, 16 bytes each. To make a map again takes no longer than to write it
/// out for whoever asks.
const TILES_KEPT: usize = 2 << 20;

/// Makes what a round is made of. Knows the fairness key; tells no seed but to whom it may.
pub(crate) struct Maps {
    key: FairnessKey,
    cells: Cells,
    chains: Mutex<Kept<(HuntId, u64), Arc<SeedChain>>>,
    maps: Mutex<Kept<(HuntNumber, RoundNumber), Arc<RoundMap>>>,
}

/// Why a map cannot be made from what the log says.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// The logged configuration gives no cells.
    #[error(transparent)]
    Cells(#[from] CellsError),
    /// The key is not the one that made this hunt's rounds.
    #[error(
        "the fairness key is not the one that made hunt {hunt}: its round {round} has another \
         map in the log; start with the key that the log was written with"
    )]
    WrongKey {
        /// Which hunt.
        hunt: HuntId,
        /// A round whose map differs.
        round: RoundNumber,
    },
    /// The key is not the one that made this hunt's seeds.
    #[error(
        "the fairness key is not the one that made hunt {hunt}: its seed chain {chain} has \
         another anchor in the log; start with the key that the log was written with"
    )]
    WrongAnchor {
        /// Which hunt.
        hunt: HuntId,
        /// The chain whose anchor differs.
        chain: u64,
    },
    /// A configuration or round that the log never introduced.
    #[error("hunt {hunt} has no round {round}")]
    NoRound {
        /// Which hunt.
        hunt: HuntId,
        /// The round asked for.
        round: RoundNumber,
    },
}

impl Maps {
    pub(crate) fn new(key: FairnessKey) -> Self {
        Self {
            key,
            cells: Cells::default(),
            chains: Mutex::new(Kept::new(CHAINS_KEPT)),
            maps: Mutex::new(Kept::new(TILES_KEPT)),
        }
    }

    /// seed(0) of a hunt's chain.
    pub(crate) fn anchor(&self, hunt: &HuntId, chain: u64) -> Hash32 {
        self.chain(hunt, chain).anchor()
    }

    /// Checks that the newest chain announced for a hunt is the one that this key makes.
    pub(crate) fn check_anchor(&self, hunt: &HuntEntry) -> Result<(), MapError> {
        let newest = hunt.anchors.iter().copied().zip(0..).last();
        match newest {
            Some((anchor, chain)) if self.anchor(&hunt.id, chain) != anchor => {
                Err(MapError::WrongAnchor {
                    hunt: hunt.id.clone(),
                    chain,
                })
            }
            _ => Ok(()),
        }
    }

    /// A round's seed. Whoever asks sees to it that it may be known.
    pub(crate) fn seed(&self, hunt: &HuntEntry, round: RoundNumber) -> Result<Seed, MapError> {
        let no_round = || MapError::NoRound {
            hunt: hunt.id.clone(),
            round,
        };
        let place = SeedPlace::of(round).ok_or_else(no_round)?;
        self.chain(&hunt.id, place.chain)
            .seed(round)
            .map_err(|_| no_round())
    }

    /// What may be said of a round ahead of its opening.
    pub(crate) fn facts(
        &self,
        hunt: &HuntEntry,
        round: RoundNumber,
    ) -> Result<RoundFacts, MapError> {
        let seed = self.seed(hunt, round)?;
        Ok(RoundFacts {
            map: self.map(hunt, round)?.name(),
            commitment: seed.commitment(round),
            layout: seed.layout(),
        })
    }

    /// What each tile of an announced round is worth; checks that the announced map is the
    /// one that this key makes.
    pub(crate) fn values(
        &self,
        hunt: &HuntEntry,
        round: RoundNumber,
    ) -> Result<Arc<[u32]>, MapError> {
        let map = self.map(hunt, round)?;
        if hunt
            .round(round)
            .is_some_and(|known| known.opened.map != map.name())
        {
            return Err(MapError::WrongKey {
                hunt: hunt.id.clone(),
                round,
            });
        }
        Ok(map.tiles().iter().map(|tile| tile.points).collect())
    }

    /// A round's map, values included.
    pub(crate) fn map(
        &self,
        hunt: &HuntEntry,
        round: RoundNumber,
    ) -> Result<Arc<RoundMap>, MapError> {
        let key = (hunt.number, round);
        if let Some(map) = self.maps.lock().get(&key) {
            return Ok(map);
        }
        let version = hunt.version_for(round).ok_or_else(|| MapError::NoRound {
            hunt: hunt.id.clone(),
            round,
        })?;
        let config = self.cells.config(hunt, version)?;
        let seed = self.seed(hunt, round)?;
        let map = Arc::new(RoundMap::generate(&hunt.id, round, &config, &seed));
        let tiles = map.tiles().len();
        self.maps.lock().insert(key, map.clone(), tiles);
        Ok(map)
    }

    /// The cells of one of a hunt's configurations.
    pub(crate) fn cells(
        &self,
        hunt: &HuntEntry,
        version: &ConfigVersion,
    ) -> Result<Arc<CellList>, MapError> {
        Ok(self.cells.of(hunt, version)?)
    }

    /// Keeps cells that were computed for a new configuration.
    pub(crate) fn keep_config(&self, hunt: HuntNumber, config: MapConfig) {
        self.cells.keep(hunt, config);
    }

    fn chain(&self, hunt: &HuntId, number: u64) -> Arc<SeedChain> {
        let key = (hunt.clone(), number.min(SeedChain::NUMBER_MAX));
        if let Some(chain) = self.chains.lock().get(&key) {
            return chain;
        }
        let chain = Arc::new(SeedChain::derive(&self.key, hunt, key.1));
        self.chains.lock().insert(key, chain.clone(), 1);
        chain
    }
}
