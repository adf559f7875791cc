//! Which shard owns what: 16,384 slots, cut into ranges.

use xxhash_rust::xxh3::xxh3_64;

use crate::{BoardName, HuntNumber, PlayerId, RoundNumber, ShardId, TileIndex};

/// How many slots there are, in every deployment, for ever.
pub const SLOTS: u16 = 16_384;

/// One of the [`SLOTS`] parts of the key space.
///
/// The hash is fixed for ever: XXH3-64 over the little-endian key fields, low 14 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// Where a tile's claims are decided. Neighbours on a map fall far apart.
    #[must_use]
    pub fn of_tile(hunt: HuntNumber, round: RoundNumber, tile: TileIndex) -> Self {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&hunt.get().to_le_bytes());
        key[4..12].copy_from_slice(&round.get().to_le_bytes());
        key[12..].copy_from_slice(&tile.get().to_le_bytes());
        Self::from_hash(xxh3_64(&key))
    }

    /// Where a player's score events are taken.
    #[must_use]
    pub fn of_player(hunt: HuntNumber, player: &PlayerId) -> Self {
        let mut key = [0; 4 + PlayerId::BYTES_MAX];
        let id = player.as_str().as_bytes();
        key[..4].copy_from_slice(&hunt.get().to_le_bytes());
        key[4..4 + id.len()].copy_from_slice(id);
        Self::from_hash(xxh3_64(&key[..4 + id.len()]))
    }

    /// Where a board's results are written down.
    #[must_use]
    pub fn of_board(hunt: HuntNumber, board: BoardName) -> Self {
        let mut key = hunt.get().to_le_bytes().to_vec();
        key.extend_from_slice(board.as_str().as_bytes());
        Self::from_hash(xxh3_64(&key))
    }

    /// The bare number, below [`SLOTS`].
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    fn from_hash(hash: u64) -> Self {
        let low = hash & u64::from(SLOTS - 1);
        Self(u16::try_from(low).expect("14 bits fit 16"))
    }
}

/// How the slots are dealt to shards: equal ranges, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardMap {
    shards: u16,
}

/// A number of shards that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found} shards asked for, expected 1 to {max}", max = ShardMap::SHARDS_MAX)]
pub struct ShardMapError {
    found: u16,
}

impl ShardMap {
    /// The most shards of one deployment.
    pub const SHARDS_MAX: u16 = 1_024;

    /// Deals all slots to `shards` shards.
    pub fn new(shards: u16) -> Result<Self, ShardMapError> {
        if (1..=Self::SHARDS_MAX).contains(&shards) {
            Ok(Self { shards })
        } else {
            Err(ShardMapError { found: shards })
        }
    }

    /// How many shards there are.
    #[must_use]
    pub const fn count(self) -> u16 {
        self.shards
    }

    /// Every shard, in order.
    pub fn shards(self) -> impl Iterator<Item = ShardId> {
        (0..self.shards).map(ShardId::new)
    }

    /// Every stream: the shards in order, then the control stream.
    pub fn streams(self) -> impl Iterator<Item = ShardId> {
        self.shards().chain([ShardId::CONTROL])
    }

    /// The owner of `slot`.
    #[must_use]
    pub fn shard_of(self, slot: Slot) -> ShardId {
        let shard = u32::from(slot.0) * u32::from(self.shards) / u32::from(SLOTS);
        ShardId::new(u16::try_from(shard).expect("below the number of shards"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_hash_never_changes() {
        let hunt = HuntNumber::new(1);
        let slots: Vec<u16> = (0..4)
            .map(|tile| Slot::of_tile(hunt, RoundNumber::new(1), TileIndex::new(tile)).get())
            .collect();
        let player = PlayerId::new("ada").expect("valid");
        assert_eq!(
            (slots, Slot::of_player(hunt, &player).get()),
            (vec![4893, 10217, 2067, 7732], 11841)
        );
    }

    #[test]
    fn shards_share_the_slots_evenly() {
        for count in [1, 3, 7, 48, ShardMap::SHARDS_MAX] {
            let map = ShardMap::new(count).expect("in range");
            let mut owned = vec![0_u32; usize::from(count)];
            for slot in 0..SLOTS {
                owned[usize::from(map.shard_of(Slot(slot)).get())] += 1;
            }
            let least = owned.iter().min().expect("not empty");
            let most = owned.iter().max().expect("not empty");
            assert!(
                most - least <= 1,
                "{count} shards own {least} to {most} slots"
            );
        }
    }

    #[test]
    fn zero_shards_are_refused() {
        assert!(ShardMap::new(0).is_err());
        assert!(ShardMap::new(ShardMap::SHARDS_MAX + 1).is_err());
    }
}
