//! The map generator: an area becomes a list of cells, a seed becomes a round's map.
//!
//! Pure: no clock, no randomness, no I/O. A map is a function of the hunt's id, the round,
//! its seed and the configuration, and nothing else; `docs/fairness.md` specifies every
//! byte of it, so that a stranger can recompute one in another language.
//!
//! It keeps no secret from its caller: *when* a layout, a map or a seed may be shown is the
//! node's business. It only keeps keys and seeds out of debug output.

mod area;
mod cells;
mod config;
mod draw;
mod layout;
mod round_map;
mod seeds;
mod values;
mod verify;

pub use area::{Area, AreaError, AreaFault, VERTICES_MAX};
pub use cells::{CELLS_MAX, Cell, CellError, CellList, CellListError};
pub use config::{MapConfig, MapConfigError};
pub use layout::{LayoutError, TILES_MAX, draw_tiles};
pub use round_map::{MapTile, RoundMap};
pub use seeds::{
    CHAIN_ROUNDS, FairnessKey, FairnessKeyError, Seed, SeedChain, SeedError, SeedPlace,
};
pub use values::{POINTS_MAX, VALUES_MAX, ValueTable, ValueTableError, WEIGHT_TOTAL_MAX};
pub use verify::{
    FAULTS_MAX, FairnessFault, FairnessReport, PublishedConfig, PublishedHunt, PublishedRound,
    PublishedTile, RoundFact, verify_hunt,
};
