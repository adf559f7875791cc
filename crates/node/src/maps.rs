//! Cells, seeds and maps: computed when first asked for, kept while they are likely to be
//! asked for again.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use huntcore_engine::{HUNTS_MAX, RoundFacts};
use huntcore_map::{
    Area, AreaError, CellList, FairnessKey, MapConfig, MapConfigError, RoundMap, Seed, SeedChain,
    SeedPlace, ValueTable, ValueTableError,
};
use huntcore_model::{ConfigVersion, Hash32, HuntEntry, HuntId, HuntNumber, RoundNumber};
use parking_lot::Mutex;

/// Cells of all configurations kept. By cells and not by count, so that hundreds of hunts
/// may run at once, each of which needs its own again every round.
const CELLS_KEPT: usize = 64 << 20;
/// For each hunt that there may be, the chain of now and the next.
const CHAINS_KEPT: usize = 2 * HUNTS_MAX;
/// Tiles of all maps kept.
const TILES_KEPT: usize = 16 << 20;

/// Makes what a round is made of. Knows the fairness key; tells no seed but to whom it may.
pub(crate) struct Maps {
    key: FairnessKey,
    configs: Mutex<Kept<(HuntNumber, u32), Arc<MapConfig>>>,
    chains: Mutex<Kept<(HuntId, u64), Arc<SeedChain>>>,
    maps: Mutex<Kept<(HuntNumber, RoundNumber), Arc<RoundMap>>>,
}

/// Why a map cannot be made from what the log says.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// The logged area does not give cells any more.
    #[error("area of the logged configuration: {0}")]
    Area(#[from] AreaError),
    /// The logged configuration does not hold together.
    #[error("logged configuration: {0}")]
    Config(#[from] MapConfigError),
    /// The logged value table does not hold together.
    #[error("values of the logged configuration: {0}")]
    Values(#[from] ValueTableError),
    /// The same area gives other cells than it did when it was logged.
    #[error("hunt {hunt} version {version} gives configuration {found}, logged as {expected}")]
    ConfigHash {
        /// Which hunt.
        hunt: HuntId,
        /// Which configuration.
        version: u32,
        /// Computed now.
        found: Hash32,
        /// In the log.
        expected: Hash32,
    },
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
            configs: Mutex::new(Kept::new(CELLS_KEPT)),
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
        let config = self.config(hunt, version)?;
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
        Ok(self.config(hunt, version)?.cells().clone())
    }

    /// Keeps cells that were computed for a new configuration.
    pub(crate) fn keep_config(&self, hunt: HuntNumber, config: MapConfig) {
        let key = (hunt, config.version());
        let cells = config.cells().count() as usize;
        self.configs.lock().insert(key, Arc::new(config), cells);
    }

    fn config(
        &self,
        hunt: &HuntEntry,
        version: &ConfigVersion,
    ) -> Result<Arc<MapConfig>, MapError> {
        let key = (hunt.number, version.version);
        if let Some(config) = self.configs.lock().get(&key) {
            return Ok(config);
        }
        let logged = &version.config;
        let cells = Arc::new(Area::parse(&logged.area)?.cells(logged.resolution)?);
        let values = ValueTable::new(logged.values.clone())?;
        let config = MapConfig::new(version.version, cells, logged.tiles, values)?;
        if config.hash() != logged.config_hash {
            return Err(MapError::ConfigHash {
                hunt: hunt.id.clone(),
                version: version.version,
                found: config.hash(),
                expected: logged.config_hash,
            });
        }
        let cells = config.cells().count() as usize;
        let config = Arc::new(config);
        self.configs.lock().insert(key, config.clone(), cells);
        Ok(config)
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

/// Values of so much weight at most; the one added first goes first. The newest stays,
/// whatever it weighs.
struct Kept<K, V> {
    max: usize,
    weight: usize,
    values: HashMap<K, (V, usize)>,
    order: VecDeque<K>,
}

impl<K: Clone + Eq + Hash, V: Clone> Kept<K, V> {
    fn new(max: usize) -> Self {
        Self {
            max,
            weight: 0,
            values: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    fn get(&self, key: &K) -> Option<V> {
        self.values.get(key).map(|(value, _)| value.clone())
    }

    fn insert(&mut self, key: K, value: V, weight: usize) {
        self.weight += weight;
        match self.values.insert(key.clone(), (value, weight)) {
            Some((_, before)) => self.weight -= before,
            None => self.order.push_back(key),
        }
        while self.weight > self.max
            && self.order.len() > 1
            && let Some(oldest) = self.order.pop_front()
        {
            let dropped = self.values.remove(&oldest);
            self.weight -= dropped.map_or(0, |(_, weight)| weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_allowed() {
        let mut kept = Kept::new(20);
        for key in [1, 2, 2, 3] {
            kept.insert(key, key * 10, 10);
        }
        assert_eq!(
            (kept.get(&1), kept.get(&2), kept.get(&3)),
            (None, Some(20), Some(30))
        );
        kept.insert(4, 40, 100);
        assert_eq!((kept.get(&3), kept.get(&4)), (None, Some(40)));
        kept.insert(5, 50, 20);
        assert_eq!((kept.get(&4), kept.get(&5)), (None, Some(50)));
    }
}
