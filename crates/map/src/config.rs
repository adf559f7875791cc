//! All that goes into a map besides its round and seed, and the hash that names it.

use std::sync::Arc;

use huntcore_model::Hash32;
use sha2::{Digest, Sha256};

use crate::cells::CellList;
use crate::layout::TILES_MAX;
use crate::values::ValueTable;

const FORMAT: u8 = 1;

/// One version of a hunt's map configuration. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapConfig {
    version: u32,
    cells: Arc<CellList>,
    tiles: u32,
    values: Arc<ValueTable>,
    hash: Hash32,
}

/// Why parts do not make a map configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapConfigError {
    /// None, or more than [`TILES_MAX`].
    #[error("tiles is {tiles}, expected 1 to {TILES_MAX}")]
    TilesOutOfRange {
        /// How many.
        tiles: u32,
    },
    /// More tiles than cells to put them on.
    #[error(
        "tiles is {tiles}, but the area has only {cells} cells at resolution {resolution}: take \
         fewer tiles, a larger area or a higher resolution"
    )]
    TooFewCells {
        /// How many tiles.
        tiles: u32,
        /// How many cells.
        cells: u32,
        /// The cells' resolution.
        resolution: u8,
    },
}

impl MapConfig {
    /// Puts a configuration together; `version` counts a hunt's configurations from 1.
    pub fn new(
        version: u32,
        cells: Arc<CellList>,
        tiles: u32,
        values: ValueTable,
    ) -> Result<Self, MapConfigError> {
        if tiles == 0 || tiles > TILES_MAX {
            return Err(MapConfigError::TilesOutOfRange { tiles });
        }
        if tiles > cells.count() {
            return Err(MapConfigError::TooFewCells {
                tiles,
                cells: cells.count(),
                resolution: cells.resolution(),
            });
        }
        let mut config = Self {
            version,
            cells,
            tiles,
            values: Arc::new(values),
            hash: Hash32::ZERO,
        };
        config.hash = Hash32::new(Sha256::digest(config.canonical_bytes()).into());
        Ok(config)
    }

    /// The bytes that [`Self::hash`] is the SHA-256 of; `docs/fairness.md` lists them.
    #[must_use]
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let rows = self.values.rows();
        let mut bytes = b"huntcore/config".to_vec();
        bytes.push(FORMAT);
        bytes.extend(self.version.to_be_bytes());
        bytes.push(self.cells.resolution());
        bytes.extend(self.tiles.to_be_bytes());
        bytes.extend(self.cells.count().to_be_bytes());
        bytes.extend(self.cells.hash().bytes());
        bytes.push(u8::try_from(rows.len()).expect("at most VALUES_MAX rows"));
        for row in rows {
            bytes.extend(row.points.to_be_bytes());
            bytes.extend(row.weight.to_be_bytes());
        }
        bytes
    }

    /// Names the configuration: any other one has another hash.
    #[must_use]
    pub const fn hash(&self) -> Hash32 {
        self.hash
    }

    /// Which of the hunt's configurations this is, from 1.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The cells that tiles are drawn from.
    #[must_use]
    pub fn cells(&self) -> &Arc<CellList> {
        &self.cells
    }

    /// The same configuration on a list of the same cells that is there already, so that they
    /// are held once; another list changes nothing.
    #[must_use]
    pub fn sharing(mut self, cells: &Arc<CellList>) -> Self {
        if self.cells.hash() == cells.hash() {
            self.cells = cells.clone();
        }
        self
    }

    /// Tiles of one map.
    #[must_use]
    pub const fn tiles(&self) -> u32 {
        self.tiles
    }

    /// What tiles are worth.
    #[must_use]
    pub fn values(&self) -> &ValueTable {
        &self.values
    }
}
