//! One round's map: its tiles' cells and values, its canonical bytes and its name.

use huntcore_model::{Hash32, HuntId, RoundNumber, TileIndex};
use sha2::{Digest, Sha256};

use crate::cells::Cell;
use crate::config::MapConfig;
use crate::layout::draw_tiles;
use crate::seeds::Seed;

const FORMAT: u8 = 1;

/// One round's map; never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundMap {
    hunt: HuntId,
    round: RoundNumber,
    config_hash: Hash32,
    tiles: Vec<MapTile>,
    name: Hash32,
}

/// A tile of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapTile {
    /// Where it is.
    pub cell: Cell,
    /// What its winner gets.
    pub points: u32,
}

impl RoundMap {
    /// The map of `round`: a function of these four and nothing else.
    #[must_use]
    pub fn generate(hunt: &HuntId, round: RoundNumber, config: &MapConfig, seed: &Seed) -> Self {
        let cells = draw_tiles(config.cells().as_slice(), &seed.layout(), config.tiles())
            .expect("a configuration has enough cells for its tiles");
        let points = config.values().draw(seed.values_key(), cells.len());
        let tiles = cells.into_iter().zip(points);
        let tiles = tiles
            .map(|(cell, points)| MapTile { cell, points })
            .collect();
        Self::assemble(hunt.clone(), round, config.hash(), tiles)
    }

    /// A map from tiles that somebody else drew, to find out its name.
    #[must_use]
    pub fn assemble(
        hunt: HuntId,
        round: RoundNumber,
        config_hash: Hash32,
        tiles: Vec<MapTile>,
    ) -> Self {
        let mut map = Self {
            hunt,
            round,
            config_hash,
            tiles,
            name: Hash32::ZERO,
        };
        let mut hasher = Sha256::new();
        map.feed(|bytes| hasher.update(bytes));
        map.name = Hash32::new(hasher.finalize().into());
        map
    }

    /// The bytes that [`Self::name`] is the SHA-256 of; `docs/fairness.md` lists them.
    #[must_use]
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        self.feed(|bytes| all.extend_from_slice(bytes));
        all
    }

    /// The map's name, under which it is published.
    #[must_use]
    pub const fn name(&self) -> Hash32 {
        self.name
    }

    /// The hunt that it belongs to.
    #[must_use]
    pub const fn hunt(&self) -> &HuntId {
        &self.hunt
    }

    /// The round that it is for.
    #[must_use]
    pub const fn round(&self) -> RoundNumber {
        self.round
    }

    /// The hash of the configuration that it was made by.
    #[must_use]
    pub const fn config_hash(&self) -> Hash32 {
        self.config_hash
    }

    /// The tiles, in the order of their index.
    #[must_use]
    pub fn tiles(&self) -> &[MapTile] {
        &self.tiles
    }

    /// One tile, if the map has it.
    #[must_use]
    pub fn tile(&self, tile: TileIndex) -> Option<MapTile> {
        self.tiles.get(tile.get() as usize).copied()
    }

    fn feed(&self, mut sink: impl FnMut(&[u8])) {
        let hunt = self.hunt.as_str().as_bytes();
        let tiles = u32::try_from(self.tiles.len()).expect("a map has at most TILES_MAX tiles");
        sink(b"huntcore/map");
        sink(&[FORMAT]);
        sink(&[u8::try_from(hunt.len()).expect("a hunt's id has at most 64 bytes")]);
        sink(hunt);
        sink(&self.round.get().to_be_bytes());
        sink(self.config_hash.bytes());
        sink(&tiles.to_be_bytes());
        for tile in &self.tiles {
            let mut bytes = [0; 12];
            bytes[..8].copy_from_slice(&tile.cell.get().to_be_bytes());
            bytes[8..].copy_from_slice(&tile.points.to_be_bytes());
            sink(&bytes);
        }
    }
}
