//! Configurations, seeds and maps, computed anew.

use std::collections::VecDeque;
use std::sync::Arc;

use huntcore_map::{
    Area, FairnessKey, MapConfig, RoundMap, Seed, SeedChain, SeedPlace, ValueTable,
};
use huntcore_model::{ConfigVersion, Hash32, HuntEntry, HuntId, HuntNumber, RoundNumber};

/// A configuration holds up to 8 MiB of cells; a chain takes 8 KiB.
const CONFIGS_KEPT: usize = 8;
const CHAINS_KEPT: usize = 256;

/// Computes what the log should say of cells, seeds and maps.
#[derive(Debug)]
pub(crate) struct Maps {
    key: Option<FairnessKey>,
    configs: Kept<(HuntNumber, u32), Result<Arc<MapConfig>, String>>,
    chains: Kept<(HuntId, u64), Arc<SeedChain>>,
}

impl Maps {
    pub(crate) const fn new(key: Option<FairnessKey>) -> Self {
        Self {
            key,
            configs: Kept::new(CONFIGS_KEPT),
            chains: Kept::new(CHAINS_KEPT),
        }
    }

    /// The configuration that a logged version makes, or why it makes none.
    pub(crate) fn config(
        &mut self,
        hunt: HuntNumber,
        version: &ConfigVersion,
    ) -> Result<Arc<MapConfig>, String> {
        self.configs
            .get((hunt, version.version), || configure(version))
    }

    /// The map of a round.
    pub(crate) fn map(
        &mut self,
        hunt: &HuntEntry,
        version: &ConfigVersion,
        round: RoundNumber,
        seed: &Seed,
    ) -> Option<RoundMap> {
        let config = self.config(hunt.number, version).ok()?;
        Some(RoundMap::generate(&hunt.id, round, &config, seed))
    }

    /// What the key says that a chain's anchor is; `None` without a key.
    pub(crate) fn anchor(&mut self, hunt: &HuntId, chain: u64) -> Option<Hash32> {
        self.chain(hunt, chain).map(|chain| chain.anchor())
    }

    /// What the key says that a round's seed is; `None` without a key.
    pub(crate) fn seed(&mut self, hunt: &HuntId, round: RoundNumber) -> Option<Seed> {
        let place = SeedPlace::of(round)?;
        self.chain(hunt, place.chain)?.seed(round).ok()
    }

    fn chain(&mut self, hunt: &HuntId, number: u64) -> Option<Arc<SeedChain>> {
        let key = self.key.as_ref()?;
        let derive = || Arc::new(SeedChain::derive(key, hunt, number));
        let is_chain = number <= SeedChain::NUMBER_MAX;
        is_chain.then(|| self.chains.get((hunt.clone(), number), derive))
    }
}

fn configure(version: &ConfigVersion) -> Result<Arc<MapConfig>, String> {
    let logged = &version.config;
    let cells = Area::parse(&logged.area)
        .and_then(|area| area.cells(logged.resolution))
        .map_err(|error| format!("its area: {error}"))?;
    let values = ValueTable::new(logged.values.clone()).map_err(|error| error.to_string())?;
    MapConfig::new(version.version, Arc::new(cells), logged.tiles, values)
        .map(Arc::new)
        .map_err(|error| error.to_string())
}

/// The values asked for last.
#[derive(Debug)]
struct Kept<K, V> {
    max: usize,
    values: VecDeque<(K, V)>,
}

impl<K: PartialEq, V: Clone> Kept<K, V> {
    const fn new(max: usize) -> Self {
        Self {
            max,
            values: VecDeque::new(),
        }
    }

    fn get(&mut self, key: K, make: impl FnOnce() -> V) -> V {
        let known = self.values.iter().position(|(known, _)| *known == key);
        let entry = known
            .and_then(|index| self.values.remove(index))
            .unwrap_or_else(|| (key, make()));
        let value = entry.1.clone();
        self.values.push_back(entry);
        if self.values.len() > self.max {
            self.values.pop_front();
        }
        value
    }
}
