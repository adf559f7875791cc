//! A hunt's cells: which H3 cells there are to draw tiles from, in one fixed order.

use std::fmt;
use std::str::FromStr;

use h3o::{CellIndex, LatLng};
use huntcore_model::Hash32;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The most cells that one area may have.
pub const CELLS_MAX: u32 = 1 << 20;

/// One H3 cell; in text its index in lower-case hex without leading zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cell(u64);

/// Why a number or a text is not a cell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CellError {
    /// Not 1 to 16 lower-case hex digits without leading zeros.
    #[error("{found:?} is not an H3 index in lower-case hex without leading zeros")]
    NotHex {
        /// The text, cut if it is long.
        found: String,
    },
    /// A number that H3 gives to no cell.
    #[error("{index:x} is not the index of an H3 cell")]
    NotCell {
        /// The number.
        index: u64,
    },
}

impl Cell {
    /// Takes `index` if H3 gives it to a cell.
    pub fn new(index: u64) -> Result<Self, CellError> {
        match CellIndex::try_from(index) {
            Ok(_) => Ok(Self(index)),
            Err(_) => Err(CellError::NotCell { index }),
        }
    }

    /// The H3 index as a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// H3's resolution of this cell, 0 to 15.
    #[must_use]
    pub fn resolution(self) -> u8 {
        self.index().resolution().into()
    }

    /// The cell's centre as longitude and latitude, in degrees.
    #[must_use]
    pub fn center(self) -> [f64; 2] {
        let center = LatLng::from(self.index());
        [center.lng(), center.lat()]
    }

    pub(crate) fn from_index(index: CellIndex) -> Self {
        Self(index.into())
    }

    fn index(self) -> CellIndex {
        CellIndex::try_from(self.0).expect("checked when the cell was made")
    }
}

impl FromStr for Cell {
    type Err = CellError;

    fn from_str(text: &str) -> Result<Self, CellError> {
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let plain = text.bytes().all(digits) && !text.starts_with('0');
        match u64::from_str_radix(text, 16) {
            Ok(index) if plain => Self::new(index),
            _ => Err(CellError::NotHex {
                found: text.chars().take(40).collect(),
            }),
        }
    }
}

impl TryFrom<String> for Cell {
    type Error = CellError;

    fn try_from(text: String) -> Result<Self, CellError> {
        text.parse()
    }
}

impl From<Cell> for String {
    fn from(cell: Cell) -> Self {
        cell.to_string()
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}", self.0)
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Cells of one resolution in ascending order of their index, each once; never empty.
///
/// A round's tiles are drawn from it by position, so the order is part of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellList {
    cells: Vec<Cell>,
    resolution: u8,
    hash: Hash32,
}

/// Why cells are not a cell list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CellListError {
    /// There is none.
    #[error("the cell list is empty")]
    Empty,
    /// More than [`CELLS_MAX`].
    #[error("the cell list has {count} cells, expected at most {CELLS_MAX}")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// A cell that does not come after its predecessor.
    #[error("cell {cell} at index {index} of the cell list is not above its predecessor")]
    NotAscending {
        /// Its place, from 0.
        index: usize,
        /// The cell.
        cell: Cell,
    },
    /// A cell of another resolution than the first one.
    #[error(
        "cell {cell} at index {index} of the cell list has resolution {found}, expected {expected}"
    )]
    Resolution {
        /// Its place, from 0.
        index: usize,
        /// The cell.
        cell: Cell,
        /// Its resolution.
        found: u8,
        /// The first cell's resolution.
        expected: u8,
    },
}

impl CellList {
    /// Takes `cells` if they are what a cell list must be; a client checks a published one so.
    pub fn new(cells: Vec<Cell>) -> Result<Self, CellListError> {
        let Some(first) = cells.first() else {
            return Err(CellListError::Empty);
        };
        if cells.len() > CELLS_MAX as usize {
            return Err(CellListError::TooMany { count: cells.len() });
        }
        let expected = first.resolution();
        for (index, &cell) in cells.iter().enumerate() {
            if index > 0 && cells[index - 1] >= cell {
                return Err(CellListError::NotAscending { index, cell });
            }
            let found = cell.resolution();
            if found != expected {
                return Err(CellListError::Resolution {
                    index,
                    cell,
                    found,
                    expected,
                });
            }
        }
        Ok(Self::from_sorted(cells, expected))
    }

    /// For cells that are known to ascend and to have this resolution.
    pub(crate) fn from_sorted(cells: Vec<Cell>, resolution: u8) -> Self {
        let mut hasher = Sha256::new();
        for cell in &cells {
            hasher.update(cell.get().to_be_bytes());
        }
        Self {
            cells,
            resolution,
            hash: Hash32::new(hasher.finalize().into()),
        }
    }

    /// The cells, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[Cell] {
        &self.cells
    }

    /// How many there are; at most [`CELLS_MAX`].
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.cells.len()).expect("at most CELLS_MAX")
    }

    /// The cells' H3 resolution.
    #[must_use]
    pub const fn resolution(&self) -> u8 {
        self.resolution
    }

    /// SHA-256 of all indexes as big-endian `u64`s, in order.
    #[must_use]
    pub const fn hash(&self) -> Hash32 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: u64 = 0x08c1_94ad_3040_01ff;

    fn cell(index: u64) -> Cell {
        Cell::new(index).expect("a cell")
    }

    #[test]
    fn a_cell_is_written_as_bare_hex() {
        let first = CellIndex::try_from(0x0881_94ad_305f_ffff).expect("a cell");
        let first = Cell::from_index(first.center_child(h3o::Resolution::Twelve).expect("finer"));
        assert_eq!(first.to_string().len(), 15);
        assert_eq!(first.to_string().parse(), Ok(first));
        for bad in [
            "",
            "0",
            "08c194ad30401ff",
            "8C194ad30401ff",
            "8c194ad30401fg",
            "+8c",
            "ffff",
        ] {
            assert!(bad.parse::<Cell>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_list_must_ascend_and_keep_one_resolution() {
        let parent = CellIndex::try_from(0x0881_94ad_305f_ffff).expect("a cell");
        let children: Vec<Cell> = parent
            .children(h3o::Resolution::Ten)
            .map(Cell::from_index)
            .collect();
        let list = CellList::new(children.clone()).expect("children ascend");
        assert_eq!((list.count(), list.resolution()), (49, 10));

        let mut twice = children.clone();
        twice[1] = twice[0];
        assert_eq!(
            CellList::new(twice),
            Err(CellListError::NotAscending {
                index: 1,
                cell: children[0]
            })
        );
        let mixed = vec![cell(parent.into()), children[0]];
        assert_eq!(
            CellList::new(mixed),
            Err(CellListError::Resolution {
                index: 1,
                cell: children[0],
                found: 10,
                expected: 8
            })
        );
        assert_eq!(CellList::new(Vec::new()), Err(CellListError::Empty));
        assert_eq!(
            CellList::new(vec![children[0]; CELLS_MAX as usize + 1]),
            Err(CellListError::TooMany {
                count: CELLS_MAX as usize + 1
            })
        );
        assert!(Cell::new(FIRST | 1 << 63).is_err());
    }
}
