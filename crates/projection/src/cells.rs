//! The cells of hunts, computed from what the catalog says of them when first asked for.

use std::sync::Arc;

use huntcore_map::{
    Area, AreaError, CellList, MapConfig, MapConfigError, ValueTable, ValueTableError,
};
use huntcore_model::{ConfigVersion, Hash32, HuntEntry, HuntId, HuntNumber};
use parking_lot::Mutex;

use crate::kept::Kept;

/// Cells of all configurations kept. By cells and not by count, so that hundreds of hunts
/// may run at once, each of which needs its own again every round.
const CELLS_KEPT: usize = 64 << 20;

/// See the module.
#[derive(Debug)]
pub struct Cells {
    configs: Mutex<Kept<(HuntNumber, u32), Arc<MapConfig>>>,
}

/// Why a logged configuration gives no cells any more.
#[derive(Debug, thiserror::Error)]
pub enum CellsError {
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
}

impl Default for Cells {
    fn default() -> Self {
        Self {
            configs: Mutex::new(Kept::new(CELLS_KEPT)),
        }
    }
}

impl Cells {
    /// The cells of one of a hunt's configurations. The first call may take a while.
    pub fn of(
        &self,
        hunt: &HuntEntry,
        version: &ConfigVersion,
    ) -> Result<Arc<CellList>, CellsError> {
        Ok(self.config(hunt, version)?.cells().clone())
    }

    /// What maps are made by, from one of a hunt's configurations.
    pub fn config(
        &self,
        hunt: &HuntEntry,
        version: &ConfigVersion,
    ) -> Result<Arc<MapConfig>, CellsError> {
        let key = (hunt.number, version.version);
        if let Some(config) = self.configs.lock().get(&key) {
            return Ok(config);
        }
        let logged = &version.config;
        let cells = Arc::new(Area::parse(&logged.area)?.cells(logged.resolution)?);
        let values = ValueTable::new(logged.values.clone())?;
        let config = MapConfig::new(version.version, cells, logged.tiles, values)?;
        if config.hash() != logged.config_hash {
            return Err(CellsError::ConfigHash {
                hunt: hunt.id.clone(),
                version: version.version,
                found: config.hash(),
                expected: logged.config_hash,
            });
        }
        Ok(self.insert(key, config))
    }

    /// Keeps cells that were computed for a new configuration.
    pub fn keep(&self, hunt: HuntNumber, config: MapConfig) {
        self.insert((hunt, config.version()), config);
    }

    /// Hunts on the same ground share its cells.
    fn insert(&self, key: (HuntNumber, u32), config: MapConfig) -> Arc<MapConfig> {
        let mut configs = self.configs.lock();
        let same = {
            let mut known = configs.values().map(|other| other.cells());
            known
                .find(|cells| cells.hash() == config.cells().hash())
                .cloned()
        };
        let config = Arc::new(match same {
            Some(cells) => config.sharing(&cells),
            None => config,
        });
        let cells = config.cells().count() as usize;
        configs.insert(key, config.clone(), cells);
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hunts_on_the_same_ground_share_its_cells() {
        let config = |side: f64, tiles| {
            let ring = format!("[[0,0],[{side},0],[{side},{side}],[0,{side}],[0,0]]");
            let area = format!(r#"{{"type":"Polygon","coordinates":[{ring}]}}"#);
            let cells = Area::parse(&area)
                .expect("an area")
                .cells(9)
                .expect("cells");
            let values = ValueTable::default();
            MapConfig::new(1, Arc::new(cells), tiles, values).expect("enough cells")
        };
        let cells = Cells::default();
        let kept = [(0, 0.1, 5), (1, 0.1, 7), (2, 0.2, 5)].map(|(hunt, side, tiles)| {
            let config = config(side, tiles);
            let kept = cells.insert((HuntNumber::new(hunt), 1), config.clone());
            assert_eq!(*kept, config);
            kept
        });
        assert!(Arc::ptr_eq(kept[0].cells(), kept[1].cells()));
        assert!(!Arc::ptr_eq(kept[0].cells(), kept[2].cells()));
    }
}
