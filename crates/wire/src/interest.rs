//! What of a hunt a socket wants to hear.
//!
//! An interest is normalised when it is read, so that clients who want the same have equal
//! interests, and whatever is made for one of them serves them all. Cells are compared by
//! their bits alone; which of them a hunt has is the edge's business.

use std::fmt;
use std::sync::Arc;

use huntcore_model::{BOARDS_MAX, BoardName};
use serde::{Deserialize, Serialize};

use crate::CellText;

/// An interest names at most this many cells.
pub const INTEREST_CELLS_MAX: usize = 64;
/// An interest names at most this many boards: as many as a hunt can have.
pub const INTEREST_BOARDS_MAX: usize = BoardName::BUILT_IN.len() + BOARDS_MAX;

/// What of a hunt a socket wants to hear.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Option<InterestForm>", into = "Option<InterestForm>")]
pub enum Interest {
    /// All of it.
    #[default]
    Everything,
    /// Rounds, boards, and of the claims those in these cells.
    Cells(CellSet),
    /// These boards and what the hunt is doing; no rounds and no claims.
    Boards(BoardSet),
}

/// 1 to [`INTEREST_CELLS_MAX`] H3 cells in order, none of them twice or within another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CellSet(Arc<[CellText]>);

/// 1 to [`INTEREST_BOARDS_MAX`] boards in the order of their names, none of them twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BoardSet(Arc<[BoardName]>);

/// Why lists make no interest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InterestError {
    /// Too few or too many cells.
    #[error("interest names {found} cells, expected 1 to {INTEREST_CELLS_MAX}")]
    Cells {
        /// How many.
        found: usize,
    },
    /// Too few or too many boards.
    #[error("interest names {found} boards, expected 1 to {INTEREST_BOARDS_MAX}")]
    Boards {
        /// How many.
        found: usize,
    },
}

/// A cell that is none, or one that is finer than a hunt's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownCell {
    /// No cell has this index.
    #[error("cell {cell} does not exist")]
    Missing {
        /// The index.
        cell: CellText,
    },
    /// Smaller than the hunt's cells.
    #[error("cell {cell} has resolution {found}, expected at most the hunt's {resolution_max}")]
    TooFine {
        /// The cell.
        cell: CellText,
        /// Its resolution.
        found: u8,
        /// The hunt's.
        resolution_max: u8,
    },
}

/// An interest as it is written; everything is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum InterestForm {
    Cells(Vec<CellText>),
    Boards(Vec<BoardName>),
}

impl Interest {
    /// The claims in some cells.
    pub fn cells(cells: impl IntoIterator<Item = CellText>) -> Result<Self, InterestError> {
        CellSet::new(cells).map(Self::Cells)
    }

    /// Some boards only.
    pub fn boards(boards: impl IntoIterator<Item = BoardName>) -> Result<Self, InterestError> {
        BoardSet::new(boards).map(Self::Boards)
    }

    /// Whether nothing is left out.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        matches!(self, Self::Everything)
    }

    /// Whether rounds are shown.
    #[must_use]
    pub const fn shows_rounds(&self) -> bool {
        !matches!(self, Self::Boards(_))
    }

    /// Whether that board is shown.
    #[must_use]
    pub fn shows_board(&self, board: BoardName) -> bool {
        match self {
            Self::Boards(boards) => boards.contains(board),
            Self::Everything | Self::Cells(_) => true,
        }
    }

    /// Whether whoever has this interest hears of the same claims as with the other one.
    #[must_use]
    pub fn shows_same_claims(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Boards(_), Self::Boards(_)) => true,
            _ => self == other,
        }
    }

    /// Whether a hunt with cells of this resolution can have the interest's.
    pub fn check(&self, resolution: u8) -> Result<(), UnknownCell> {
        match self {
            Self::Cells(cells) => cells.check(resolution),
            Self::Everything | Self::Boards(_) => Ok(()),
        }
    }
}

impl CellSet {
    /// Normalises a list of cells.
    pub fn new(cells: impl IntoIterator<Item = CellText>) -> Result<Self, InterestError> {
        let mut cells: Vec<CellText> = cells.into_iter().take(INTEREST_CELLS_MAX + 1).collect();
        if !(1..=INTEREST_CELLS_MAX).contains(&cells.len()) {
            return Err(InterestError::Cells { found: cells.len() });
        }
        cells.sort_unstable();
        cells.dedup();
        // A cell's index is less than those of the cells within it.
        let mut kept: Vec<CellText> = Vec::with_capacity(cells.len());
        for cell in cells {
            if !kept.iter().any(|larger| larger.contains(cell)) {
                kept.push(cell);
            }
        }
        Ok(Self(kept.into()))
    }

    /// The cells, in the order of their indexes.
    #[must_use]
    pub fn as_slice(&self) -> &[CellText] {
        &self.0
    }

    /// Whether `cell` is one of them or within one.
    #[must_use]
    pub fn contains(&self, cell: CellText) -> bool {
        self.0.iter().any(|larger| larger.contains(cell))
    }

    fn check(&self, resolution_max: u8) -> Result<(), UnknownCell> {
        for &cell in self.as_slice() {
            let found = cell.resolution();
            if !cell.exists() {
                return Err(UnknownCell::Missing { cell });
            }
            if found > resolution_max {
                return Err(UnknownCell::TooFine {
                    cell,
                    found,
                    resolution_max,
                });
            }
        }
        Ok(())
    }
}

impl BoardSet {
    /// Normalises a list of boards.
    pub fn new(boards: impl IntoIterator<Item = BoardName>) -> Result<Self, InterestError> {
        let boards = boards.into_iter().take(INTEREST_BOARDS_MAX + 1);
        let mut boards: Vec<BoardName> = boards.collect();
        if !(1..=INTEREST_BOARDS_MAX).contains(&boards.len()) {
            return Err(InterestError::Boards {
                found: boards.len(),
            });
        }
        boards.sort_unstable();
        boards.dedup();
        Ok(Self(boards.into()))
    }

    /// Whether that board is one of them.
    #[must_use]
    pub fn contains(&self, board: BoardName) -> bool {
        self.0.binary_search(&board).is_ok()
    }

    /// The boards, in the order of their names.
    #[must_use]
    pub fn as_slice(&self) -> &[BoardName] {
        &self.0
    }
}

impl TryFrom<Option<InterestForm>> for Interest {
    type Error = InterestError;

    fn try_from(form: Option<InterestForm>) -> Result<Self, InterestError> {
        match form {
            None => Ok(Self::Everything),
            Some(InterestForm::Cells(cells)) if cells.len() > INTEREST_CELLS_MAX => {
                Err(InterestError::Cells { found: cells.len() })
            }
            Some(InterestForm::Cells(cells)) => Self::cells(cells),
            Some(InterestForm::Boards(boards)) if boards.len() > INTEREST_BOARDS_MAX => {
                Err(InterestError::Boards {
                    found: boards.len(),
                })
            }
            Some(InterestForm::Boards(boards)) => Self::boards(boards),
        }
    }
}

impl From<Interest> for Option<InterestForm> {
    fn from(interest: Interest) -> Self {
        match interest {
            Interest::Everything => None,
            Interest::Cells(cells) => Some(InterestForm::Cells(cells.as_slice().to_vec())),
            Interest::Boards(boards) => Some(InterestForm::Boards(boards.as_slice().to_vec())),
        }
    }
}

impl fmt::Display for Interest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => formatter.write_str("everything"),
            Self::Cells(cells) => write!(formatter, "{} cells", cells.as_slice().len()),
            Self::Boards(boards) => {
                let names: Vec<&str> = boards.as_slice().iter().map(BoardName::as_str).collect();
                write!(formatter, "boards {}", names.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: &[&str]) -> Interest {
        let cells = texts.iter().map(|text| text.parse().expect("hex"));
        Interest::cells(cells).expect("not too many")
    }

    #[test]
    fn cells_in_any_order_with_their_children_are_one_interest() {
        // A cell of resolution 7, its centre child's centre child, and another cell of 9.
        let (parent, grandchild, other) = ("871fb4674ffffff", "891fb467403ffff", "891fb46740fffff");
        let normal = cells(&[parent]);
        assert_eq!(cells(&[grandchild, parent, other, grandchild]), normal);
        assert_eq!(
            serde_json::to_string(&normal).expect("plain data"),
            r#"{"cells":["871fb4674ffffff"]}"#
        );
        let apart = cells(&[other, grandchild]);
        assert_eq!(
            serde_json::to_string(&apart).expect("plain data"),
            r#"{"cells":["891fb467403ffff","891fb46740fffff"]}"#
        );
        let Interest::Cells(set) = apart else {
            panic!("made of cells");
        };
        assert!(set.contains("8a1fb4674007fff".parse().expect("hex")));
        assert!(!set.contains(parent.parse().expect("hex")));
    }

    #[test]
    fn an_interest_is_taken_strictly() {
        let read = |json: &str| serde_json::from_str::<Interest>(json);
        let boards = read(r#"{"boards":["best","total","best"]}"#).expect("valid");
        assert_eq!(
            serde_json::to_string(&boards).expect("plain data"),
            r#"{"boards":["best","total"]}"#
        );
        assert_eq!(read("null").expect("valid"), Interest::Everything);
        let many = |count: u64| {
            let cells: Vec<CellText> = (1..=count).map(CellText::new).collect();
            format!(
                r#"{{"cells":{}}}"#,
                serde_json::to_string(&cells).expect("plain data")
            )
        };
        let of_boards = |count| {
            let boards = vec![BoardName::TOTAL; count];
            serde_json::json!({ "boards": boards }).to_string()
        };
        assert!(read(&many(64)).is_ok());
        assert!(read(&of_boards(INTEREST_BOARDS_MAX)).is_ok());
        for bad in [
            "{}",
            "[]",
            r#""cells""#,
            r#"{"cells":[]}"#,
            r#"{"cells":"871fb4674ffffff"}"#,
            r#"{"cells":["871FB4674FFFFFF"]}"#,
            r#"{"cells":["871fb4674ffffff"],"boards":["total"]}"#,
            r#"{"boards":[]}"#,
            r#"{"boards":["Worst"]}"#,
            &of_boards(INTEREST_BOARDS_MAX + 1),
            r#"{"rounds":[1]}"#,
            &many(65),
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cell_that_is_none_or_too_fine_is_unknown() {
        assert_eq!(cells(&["871fb4674ffffff"]).check(7), Ok(()));
        assert!(matches!(
            cells(&["871fb4674ffffff"]).check(6),
            Err(UnknownCell::TooFine {
                found: 7,
                resolution_max: 6,
                ..
            })
        ));
        // It looks like a child of the first, and is not hidden by it.
        let missing = cells(&["871fb4674ffffff", "891fb46743fffff", "891fb4674fffffe"]);
        assert!(matches!(
            missing.check(15),
            Err(UnknownCell::Missing { .. })
        ));
    }
}
