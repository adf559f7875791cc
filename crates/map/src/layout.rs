//! Where a round's tiles are: a draw from the cell list without replacement.
//!
//! Clients call this too: with the cell list at hand, 32 bytes tell them the whole layout.

use std::collections::HashMap;

use huntcore_model::Hash32;

use crate::cells::Cell;
use crate::draw::Draw;

/// The most tiles that one map may have.
pub const TILES_MAX: u32 = 1 << 20;

/// A list at most this many times as long as the draw is copied; of a longer one, only the
/// places that moved are kept.
const COPY_FACTOR_MAX: usize = 16;

/// Why tiles cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// None was asked for, or more than [`TILES_MAX`].
    #[error("{tiles} tiles were asked for, expected 1 to {TILES_MAX}")]
    TilesOutOfRange {
        /// How many were asked for.
        tiles: u32,
    },
    /// Fewer cells than tiles.
    #[error("{tiles} tiles were asked for, but there are only {cells} cells")]
    TooFewCells {
        /// How many were asked for.
        tiles: u32,
        /// How many cells there are.
        cells: usize,
    },
    /// More cells than the draw can tell apart.
    #[error("{cells} cells are more than a draw can tell apart")]
    TooManyCells {
        /// How many cells there are.
        cells: usize,
    },
}

/// The cells of a round's tiles in the order of the tiles: all different, all from `cells`.
///
/// `cells` is the hunt's sorted cell list, `layout` the round's 32 bytes. Takes time in
/// proportion to the tiles, not to the cells.
pub fn draw_tiles(cells: &[Cell], layout: &Hash32, tiles: u32) -> Result<Vec<Cell>, LayoutError> {
    if tiles == 0 || tiles > TILES_MAX {
        return Err(LayoutError::TilesOutOfRange { tiles });
    }
    let Ok(count) = u32::try_from(cells.len()) else {
        return Err(LayoutError::TooManyCells { cells: cells.len() });
    };
    if tiles > count {
        return Err(LayoutError::TooFewCells {
            tiles,
            cells: cells.len(),
        });
    }
    if cells.len() <= tiles as usize * COPY_FACTOR_MAX {
        Ok(draw_copied(cells, layout, tiles))
    } else {
        Ok(draw_sparse(cells, layout, tiles))
    }
}

/// The first `tiles` steps of a Fisher–Yates shuffle.
fn draw_copied(cells: &[Cell], layout: &Hash32, tiles: u32) -> Vec<Cell> {
    let mut draw = Draw::new(layout);
    let mut shuffled = cells.to_vec();
    let mut left = u32::try_from(cells.len()).expect("checked by draw_tiles");
    for place in 0..tiles as usize {
        let other = place + draw.below(left) as usize;
        shuffled.swap(place, other);
        left -= 1;
    }
    shuffled.truncate(tiles as usize);
    shuffled
}

/// The same shuffle, but only places whose cell has moved are kept.
fn draw_sparse(cells: &[Cell], layout: &Hash32, tiles: u32) -> Vec<Cell> {
    let mut draw = Draw::new(layout);
    let mut moved: HashMap<usize, Cell> = HashMap::with_capacity(tiles as usize);
    let mut drawn = Vec::with_capacity(tiles as usize);
    let mut left = u32::try_from(cells.len()).expect("checked by draw_tiles");
    for place in 0..tiles as usize {
        let other = place + draw.below(left) as usize;
        // Nothing looks at `place` again, so its cell only has to go to `other`.
        let here = moved.remove(&place).unwrap_or(cells[place]);
        if other == place {
            drawn.push(here);
        } else {
            drawn.push(moved.insert(other, here).unwrap_or(cells[other]));
        }
        left -= 1;
    }
    drawn
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use h3o::{CellIndex, Resolution};
    use proptest::prelude::*;

    use super::*;

    fn cells(count: usize) -> Vec<Cell> {
        let parent = CellIndex::try_from(0x0881_94ad_305f_ffff).expect("a cell");
        parent
            .children(Resolution::Fourteen)
            .take(count)
            .map(Cell::from_index)
            .collect()
    }

    proptest! {
        #[test]
        fn tiles_are_distinct_cells_of_the_list_and_both_ways_agree(
            key: [u8; 32],
            (count, tiles) in (1_usize..2_000).prop_flat_map(|count| (Just(count), 1..=count)),
        ) {
            let cells = cells(count);
            let layout = Hash32::new(key);
            let tiles = u32::try_from(tiles).expect("small");
            let drawn = draw_tiles(&cells, &layout, tiles).expect("enough cells");
            prop_assert_eq!(drawn.len(), tiles as usize);
            let set: HashSet<Cell> = drawn.iter().copied().collect();
            prop_assert_eq!(set.len(), drawn.len());
            prop_assert!(drawn.iter().all(|cell| cells.binary_search(cell).is_ok()));
            prop_assert_eq!(&drawn, &draw_copied(&cells, &layout, tiles));
            prop_assert_eq!(&drawn, &draw_sparse(&cells, &layout, tiles));
            // Fewer tiles are the beginning of more.
            let fewer = draw_tiles(&cells, &layout, tiles.div_ceil(2)).expect("enough cells");
            prop_assert_eq!(&fewer[..], &drawn[..fewer.len()]);
        }
    }

    #[test]
    fn every_order_of_four_cells_is_as_likely_as_any_other() {
        let cells = cells(4);
        let mut seen: HashMap<Vec<Cell>, u32> = HashMap::new();
        let draws = 24_000_u32;
        for round in 0..draws {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&round.to_be_bytes());
            let drawn = draw_tiles(&cells, &Hash32::new(key), 4).expect("four of four");
            *seen.entry(drawn).or_default() += 1;
        }
        assert_eq!(seen.len(), 24);
        // 23 degrees of freedom: chi-square is above 52 in one of 2,000 fair draws, and the
        // keys are fixed.
        let expected = f64::from(draws) / 24.0;
        let chi_square: f64 = seen
            .values()
            .map(|&count| (f64::from(count) - expected).powi(2) / expected)
            .sum();
        assert!(chi_square < 52.0, "{chi_square}");
    }

    #[test]
    fn every_cell_is_drawn_as_often_as_any_other() {
        let cells = cells(500);
        let mut seen: HashMap<Cell, u32> = HashMap::new();
        for round in 0..5_000_u32 {
            let mut key = [9; 32];
            key[..4].copy_from_slice(&round.to_be_bytes());
            for cell in draw_tiles(&cells, &Hash32::new(key), 20).expect("enough cells") {
                *seen.entry(cell).or_default() += 1;
            }
        }
        // 499 degrees of freedom: mean 499, standard deviation 31.6.
        let expected = 200.0;
        let chi_square: f64 = cells
            .iter()
            .map(|cell| f64::from(seen.get(cell).copied().unwrap_or(0)))
            .map(|count| (count - expected).powi(2) / expected)
            .sum();
        assert!((380.0..620.0).contains(&chi_square), "{chi_square}");
    }

    #[test]
    fn the_largest_map_takes_every_cell_once() {
        let parent = CellIndex::try_from(0x0851_94ad_3fff_ffff).expect("a cell");
        let mut all: Vec<Cell> = parent
            .children(Resolution::Thirteen)
            .take(TILES_MAX as usize)
            .map(Cell::from_index)
            .collect();
        assert_eq!(all.len(), TILES_MAX as usize);
        let mut drawn = draw_tiles(&all, &Hash32::new([3; 32]), TILES_MAX).expect("all");
        assert_ne!(drawn, all);
        drawn.sort_unstable();
        all.sort_unstable();
        assert_eq!(drawn, all);
    }

    #[test]
    fn impossible_draws_are_refused() {
        let cells = cells(3);
        let layout = Hash32::ZERO;
        assert_eq!(
            draw_tiles(&cells, &layout, 0),
            Err(LayoutError::TilesOutOfRange { tiles: 0 })
        );
        assert_eq!(
            draw_tiles(&cells, &layout, TILES_MAX + 1),
            Err(LayoutError::TilesOutOfRange {
                tiles: TILES_MAX + 1
            })
        );
        assert_eq!(
            draw_tiles(&cells, &layout, 4),
            Err(LayoutError::TooFewCells { tiles: 4, cells: 3 })
        );
    }
}
