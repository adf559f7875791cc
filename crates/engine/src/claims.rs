//! Who holds which tile of a round: 16 bytes for each claim, and 4 for each tile.

use std::sync::Arc;

use huntcore_model::{PlayerNumber, Sequence, TileIndex};

use crate::chunks::{Chunks, ShownChunks};

/// The most tiles of a round.
pub(crate) const TILES_MAX: u32 = 1 << 20;
const TILE_BITS: u32 = 20;

/// A claim as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    // How many records after the round's first claim, and in the lowest bits the tile.
    place: u64,
    player: PlayerNumber,
    points: u32,
}

/// A claim as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) sequence: Sequence,
    pub(crate) tile: TileIndex,
    pub(crate) player: PlayerNumber,
    pub(crate) points: u32,
}

impl Claim {
    /// `None` for a tile or a distance that does not fit: no round has so many tiles, nor a
    /// claim window so many records.
    #[inline]
    pub(crate) fn new(first: Sequence, held: &Held) -> Option<Self> {
        let records = held.sequence.get().checked_sub(first.get())?;
        if records >> (64 - TILE_BITS) != 0 || held.tile.get() >= TILES_MAX {
            return None;
        }
        Some(Self {
            place: (records << TILE_BITS) | u64::from(held.tile.get()),
            player: held.player,
            points: held.points,
        })
    }

    #[inline]
    pub(crate) fn held(&self, first: Sequence) -> Held {
        Held {
            sequence: first.advanced(self.records()),
            tile: self.tile(),
            player: self.player,
            points: self.points,
        }
    }

    pub(crate) fn tile(&self) -> TileIndex {
        let tile = self.place & u64::from(TILES_MAX - 1);
        TileIndex::new(u32::try_from(tile).expect("20 bits"))
    }

    /// How many records after the round's first claim.
    #[inline]
    const fn records(&self) -> u64 {
        self.place >> TILE_BITS
    }

    /// As it stands in snapshots, which is how it lies in memory: reading it back costs little
    /// more than a copy.
    #[inline]
    pub(crate) fn row(&self) -> Row {
        let row = u128::from(self.place)
            | u128::from(self.player.get()) << 64
            | u128::from(self.points) << 96;
        row.to_le_bytes()
    }

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "takes the row's fields apart"
    )]
    pub(crate) const fn of_row(row: &Row) -> Self {
        let row = u128::from_le_bytes(*row);
        Self {
            place: row as u64,
            player: PlayerNumber::new((row >> 64) as u32),
            points: (row >> 96) as u32,
        }
    }
}

/// A claim in a snapshot.
pub(crate) type Row = [u8; size_of::<Claim>()];

/// The claims of an open round.
#[derive(Debug, Default)]
pub(crate) struct OpenClaims {
    first: Sequence,
    // In the order of sequences.
    claims: Chunks<Claim>,
    // For each tile 0, or one more than its claim's place in `claims`; empty before the first.
    claim_by_tile: Box<[u32]>,
}

/// An open round's claims as they were when they were shown.
#[derive(Debug)]
pub(crate) struct ShownClaims {
    first: Sequence,
    claims: ShownChunks<Claim>,
}

impl OpenClaims {
    pub(crate) fn len(&self) -> usize {
        self.claims.len()
    }

    /// Where the claim of `tile` is; 0 if there is none.
    #[inline]
    pub(crate) fn place(&self, tile: TileIndex) -> u32 {
        let place = self.claim_by_tile.get(tile.get() as usize);
        place.copied().unwrap_or(0)
    }

    /// The claim at a place that [`Self::place`] gave.
    #[inline]
    pub(crate) fn at(&self, place: u32) -> Option<Held> {
        let claim = self.claims.get((place as usize).checked_sub(1)?)?;
        Some(claim.held(self.first))
    }

    /// Notes a claim on a tile that is not claimed, of a round with `tiles` tiles; `false` if
    /// it cannot be noted, and then nothing has changed.
    #[inline]
    pub(crate) fn insert(&mut self, tiles: u32, held: &Held) -> bool {
        if self.claim_by_tile.is_empty() {
            self.first = held.sequence;
            // Zeroed by the allocator; pages that are not touched take no memory.
            self.claim_by_tile = vec![0; tiles as usize].into_boxed_slice();
        }
        let place = u32::try_from(self.claims.len() + 1);
        let (Some(claim), Ok(place)) = (Claim::new(self.first, held), place) else {
            return false;
        };
        let Some(by_tile) = self.claim_by_tile.get_mut(held.tile.get() as usize) else {
            return false;
        };
        *by_tile = place;
        self.claims.push(claim);
        true
    }

    /// Claims of a round with `tiles` tiles, the first of which had this sequence, to be filled
    /// with rows.
    pub(crate) fn stored(first: Sequence, tiles: u32) -> Self {
        Self {
            first,
            claims: Chunks::default(),
            claim_by_tile: vec![0; tiles as usize].into_boxed_slice(),
        }
    }

    /// Adds claims from a snapshot; `false` if not all of them are ones that the round can have
    /// next, and then what it holds is worth nothing.
    pub(crate) fn append(&mut self, rows: &[Row], known: &Known) -> bool {
        let mut place = u32::try_from(self.claims.len()).unwrap_or(u32::MAX);
        let mut records_min = match place.checked_sub(1) {
            Some(last) => self
                .claims
                .get(last as usize)
                .map_or(0, |last| last.records() + 1),
            None => 0,
        };
        for row in rows {
            let claim = Claim::of_row(row);
            let Some(by_tile) = self.claim_by_tile.get_mut(claim.tile().get() as usize) else {
                return false;
            };
            let is_first = place > 0 || claim.records() == 0;
            let in_order = is_first && claim.records() >= records_min;
            if !in_order || *by_tile != 0 || claim.player.get() >= known.players {
                return false;
            }
            records_min = claim.records() + 1;
            place += 1;
            *by_tile = place;
        }
        let end = self.first.get().checked_add(records_min);
        if end.is_none_or(|end| end > known.sequence_end.get()) {
            return false;
        }
        self.claims.extend(rows.iter().map(Claim::of_row));
        true
    }

    pub(crate) fn show(&mut self) -> ShownClaims {
        ShownClaims {
            first: self.first,
            claims: self.claims.show(),
        }
    }

    pub(crate) fn sealed(self) -> SealedClaims {
        let count = self.claims.len();
        let index = if count * TILES_PER_CLAIM_MAX >= self.claim_by_tile.len()
            && count >= DENSE_CLAIMS_MIN
        {
            Index::ByTile(self.claim_by_tile)
        } else {
            Index::Ordered(places_by_tile(&self.claims, &self.claim_by_tile))
        };
        SealedClaims {
            first: self.first,
            claims: self.claims.sealed(),
            index,
        }
    }
}

/// What is known when a snapshot is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// How many numbers of players there are.
    pub(crate) players: u32,
    /// Where the stream ends.
    pub(crate) sequence_end: Sequence,
}

/// A closed round's index by tile is kept if it has at most so many tiles for each claim,
const TILES_PER_CLAIM_MAX: usize = 4;
/// and at least this many claims: fewer would not make up for what a round itself takes.
const DENSE_CLAIMS_MIN: usize = 64;

/// The places of all claims (from 0) in the order of their tiles.
fn places_by_tile(claims: &Chunks<Claim>, claim_by_tile: &[u32]) -> Box<[u32]> {
    // Sorting a few costs less than walking all tiles.
    let count = claims.len();
    if count * 32 < claim_by_tile.len() {
        let mut tiles: Vec<(TileIndex, u32)> = claims.iter().map(Claim::tile).zip(0..).collect();
        tiles.sort_unstable();
        return tiles.into_iter().map(|(_, place)| place).collect();
    }
    let mut places = Vec::with_capacity(count);
    places.extend(
        claim_by_tile
            .iter()
            .filter_map(|place| place.checked_sub(1)),
    );
    places.into_boxed_slice()
}

/// The claims of a closed round: never changed, at most 32 bytes each.
#[derive(Debug)]
pub(crate) struct SealedClaims {
    first: Sequence,
    // In the order of sequences; all but the last chunk are full.
    claims: Box<[Arc<[Claim]>]>,
    index: Index,
}

#[derive(Debug)]
enum Index {
    /// For each tile 0, or one more than its claim's place.
    ByTile(Box<[u32]>),
    /// The places of all claims in the order of their tiles.
    Ordered(Box<[u32]>),
}

impl SealedClaims {
    pub(crate) fn len(&self) -> usize {
        self.claims.iter().map(|chunk| chunk.len()).sum()
    }

    pub(crate) fn first(&self) -> Sequence {
        self.first
    }

    /// All claims in the order of sequences.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = &[Claim]> {
        self.claims.iter().map(AsRef::as_ref)
    }

    pub(crate) fn get(&self, tile: TileIndex) -> Option<Held> {
        let place = match &self.index {
            Index::ByTile(by_tile) => by_tile.get(tile.get() as usize)?.checked_sub(1)?,
            Index::Ordered(places) => {
                let tile_of = |place: &u32| self.at(*place).map(Claim::tile);
                let found = places.binary_search_by_key(&Some(tile), tile_of).ok()?;
                places[found]
            }
        };
        self.at(place).map(|claim| claim.held(self.first))
    }

    fn at(&self, place: u32) -> Option<&Claim> {
        let place = place as usize;
        let chunk = self.claims.get(place / crate::chunks::CHUNK_ITEMS)?;
        chunk.get(place % crate::chunks::CHUNK_ITEMS)
    }

    /// What it takes of memory besides a constant.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        let (Index::ByTile(index) | Index::Ordered(index)) = &self.index;
        let claims: usize = self.claims.iter().map(|chunk| size_of_val(&**chunk)).sum();
        claims + size_of_val(&**index) + size_of_val(&*self.claims)
    }
}

impl ShownClaims {
    pub(crate) fn len(&self) -> usize {
        self.claims.len()
    }

    pub(crate) fn first(&self) -> Sequence {
        self.first
    }

    /// All claims in the order of sequences.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = &[Claim]> {
        self.claims.chunks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(sequence: u64, tile: u32) -> Held {
        Held {
            sequence: Sequence::new(sequence),
            tile: TileIndex::new(tile),
            player: PlayerNumber::new(tile % 7),
            points: tile % 11,
        }
    }

    /// A round with every `step`-th tile claimed, in no order of tiles.
    fn claimed(tiles: u32, step: u32) -> OpenClaims {
        let mut claims = OpenClaims::default();
        let mut chosen: Vec<u32> = (0..tiles).step_by(step as usize).collect();
        chosen.sort_unstable_by_key(|tile| tile.wrapping_mul(0x9e37_79b9));
        for (sequence, tile) in (1_000..).step_by(3).zip(chosen) {
            assert!(claims.insert(tiles, &held(sequence, tile)));
        }
        claims
    }

    #[test]
    fn a_claim_answers_alike_before_and_after_its_round_closes() {
        for (tiles, step) in [
            (8, 1),
            (8, 3),
            (500, 1),
            (9_000, 1),
            (9_000, 4),
            (9_000, 40),
        ] {
            let claims = claimed(tiles, step);
            let open: Vec<_> = (0..tiles + 2)
                .map(|tile| claims.at(claims.place(TileIndex::new(tile))))
                .collect();
            let sealed = claims.sealed();
            let closed: Vec<_> = (0..tiles + 2)
                .map(|tile| sealed.get(TileIndex::new(tile)))
                .collect();
            assert_eq!(open, closed, "{tiles} tiles, every {step}");
            let known = open.iter().flatten();
            assert!(known.clone().all(|held| held.tile.get() % step == 0));
            assert_eq!(known.count(), sealed.len());
        }
    }

    #[test]
    fn rows_make_the_same_claims_again_and_others_are_refused() {
        let known = Known {
            players: 7,
            sequence_end: Sequence::new(1_000 + 9_000 * 3),
        };
        let mut claims = claimed(9_000, 1);
        let rows: Vec<Row> = claims.claims.iter().map(Claim::row).collect();
        for chunk_rows in [crate::chunks::CHUNK_ITEMS, 1_000] {
            let mut again = OpenClaims::stored(Sequence::new(1_000), 9_000);
            assert!(
                rows.chunks(chunk_rows)
                    .all(|rows| again.append(rows, &known))
            );
            assert!(
                again
                    .show()
                    .chunks()
                    .flatten()
                    .eq(claims.show().chunks().flatten())
            );
            let places = |claims: &OpenClaims, tile| claims.place(TileIndex::new(tile));
            assert!((0..9_000).all(|tile| places(&again, tile) == places(&claims, tile)));
        }
        let refused = |rows: &[Row], known: &Known, tiles: u32| {
            let mut claims = OpenClaims::stored(Sequence::new(1_000), tiles);
            !claims.append(rows, known)
        };
        let (few, late) = (&rows[..10], &rows[1..10]);
        assert!(!refused(few, &known, 9_000) && refused(late, &known, 9_000));
        assert!(refused(&[rows[0], rows[0]], &known, 9_000), "a tile twice");
        assert!(
            refused(&[rows[0], rows[2], rows[1]], &known, 9_000),
            "out of order"
        );
        assert!(refused(few, &known, 8), "no such tile");
        let fewer = Known {
            players: 6,
            ..known
        };
        assert!(refused(&rows, &fewer, 9_000), "no such player");
        let sequence_end = Sequence::new(known.sequence_end.get() - 3);
        let earlier = Known {
            sequence_end,
            ..known
        };
        assert!(refused(&rows, &earlier, 9_000), "not in the log yet");
    }

    #[test]
    fn a_kept_claim_takes_at_most_32_bytes() {
        assert_eq!(size_of::<Claim>(), 16);
        for (tiles, step) in [
            (TILES_MAX, 1),
            (TILES_MAX, 4),
            (TILES_MAX, 5),
            (64, 1),
            (9_000, 50),
        ] {
            let sealed = claimed(tiles, step).sealed();
            let (bytes, count) = (sealed.bytes(), sealed.len());
            // And for each chunk 16.
            assert!(
                bytes <= 32 * count + 16 * count.div_ceil(4_096),
                "{bytes} bytes for {count} claims of {tiles} tiles"
            );
        }
    }

    #[test]
    fn what_does_not_fit_a_claim_is_not_noted() {
        let mut claims = OpenClaims::default();
        assert!(claims.insert(TILES_MAX, &held(5, TILES_MAX - 1)));
        for (sequence, tile) in [(6, TILES_MAX), (4, 0), ((1 << 44) + 5, 0)] {
            assert!(
                !claims.insert(TILES_MAX, &held(sequence, tile)),
                "{sequence} {tile}"
            );
            assert_eq!(claims.place(TileIndex::new(tile)), 0);
        }
        let far = held((1 << 44) + 4, 0);
        assert!(claims.insert(TILES_MAX, &far));
        assert_eq!(claims.at(claims.place(TileIndex::new(0))), Some(far));
    }
}
