//! Opaque and hexadecimal texts.

use std::fmt;
use std::str::FromStr;

use huntcore_model::{Position, PositionError};
use serde::{Deserialize, Serialize};

/// No position's text is longer.
pub const POSITION_TEXT_BYTES_MAX: usize = 16_416;

/// A position as clients see it: a string to hand back, never to look into.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PositionText(String);

/// An H3 cell index: lower-case hex without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CellText(u64);

/// Why a text is no cell index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a cell: expected up to 16 lower-case hex digits")]
pub struct CellTextError {
    found: String,
}

// The bits of an H3 cell, from the top: 1 reserved, 4 mode, 3 reserved, 4 resolution, 7 base cell,
// 15 digits of 3.
const RESOLUTION_SHIFT: u32 = 52;
const RESOLUTION_MAX: u8 = 15;
const BASE_CELL_SHIFT: u32 = 45;
const BASE_CELLS: u8 = 122;
const PENTAGONS: [u8; 12] = [4, 14, 24, 38, 49, 58, 63, 72, 83, 97, 107, 117];
const DIGIT_BITS: u32 = 3;
/// Stands in the places of digits finer than the cell.
const NO_DIGIT: u64 = 7;

impl PositionText {
    /// Wraps a string that a server handed out.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it stands for; only a server asks.
    pub fn parse(&self) -> Result<Position, PositionError> {
        self.0.parse()
    }
}

impl From<&Position> for PositionText {
    fn from(position: &Position) -> Self {
        Self(position.to_string())
    }
}

impl fmt::Display for PositionText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl CellText {
    /// Wraps an index.
    #[must_use]
    pub const fn new(index: u64) -> Self {
        Self(index)
    }

    /// The index.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// How fine it is, from 0 to 15.
    #[must_use]
    pub const fn resolution(self) -> u8 {
        (self.0 >> RESOLUTION_SHIFT).to_le_bytes()[0] & 0xf
    }

    /// Whether there is such a cell on Earth.
    #[must_use]
    pub fn exists(self) -> bool {
        let base_cell = (self.0 >> BASE_CELL_SHIFT).to_le_bytes()[0] & 0x7f;
        let finest = self.resolution();
        // The top bit, the mode (a cell's is 1) and three bits that only other modes use.
        let is_cell = self.0 >> RESOLUTION_SHIFT >> 4 == 1 << 3 && base_cell < BASE_CELLS;
        let mut digits = (1..=finest).map(|resolution| self.digit(resolution));
        let mut beyond = (finest + 1..=RESOLUTION_MAX).map(|resolution| self.digit(resolution));
        // Five neighbours, not six: the sixth's place is left out of a pentagon.
        let is_left_out =
            PENTAGONS.contains(&base_cell) && digits.clone().find(|&digit| digit != 0) == Some(1);
        is_cell
            && digits.all(|digit| digit < NO_DIGIT)
            && beyond.all(|digit| digit == NO_DIGIT)
            && !is_left_out
    }

    /// Whether `other` is this cell or within it, both being cells that exist.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        if self == other {
            return true;
        }
        let resolution = self.resolution();
        let is_finer = resolution < other.resolution() && self.exists() && other.exists();
        // Its resolution apart, a parent has its child's bits as far as its own digits go.
        let digits_shift = DIGIT_BITS * u32::from(RESOLUTION_MAX - resolution);
        let place = |cell: Self| (cell.0 & !(0xf << RESOLUTION_SHIFT)) >> digits_shift;
        is_finer && place(self) == place(other)
    }

    const fn digit(self, resolution: u8) -> u64 {
        self.0 >> (DIGIT_BITS * (RESOLUTION_MAX - resolution) as u32) & NO_DIGIT
    }
}

impl FromStr for CellText {
    type Err = CellTextError;

    fn from_str(text: &str) -> Result<Self, CellTextError> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let well_formed = text.bytes().all(hex) && !text.starts_with('0');
        u64::from_str_radix(text, 16)
            .ok()
            .filter(|_| well_formed)
            .map(Self)
            .ok_or_else(|| CellTextError {
                found: text.chars().take(40).collect(),
            })
    }
}

impl TryFrom<String> for CellText {
    type Error = CellTextError;

    fn try_from(text: String) -> Result<Self, CellTextError> {
        text.parse()
    }
}

impl From<CellText> for String {
    fn from(cell: CellText) -> Self {
        cell.to_string()
    }
}

impl fmt::Display for CellText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_lower_case_hex_without_padding() {
        let cell: CellText = "8c1fb46741ae1ff".parse().expect("valid");
        assert_eq!(cell.to_string(), "8c1fb46741ae1ff");
        for bad in ["", "0", "08c", "8C", "+8c", "g", "12345678901234567"] {
            assert!(bad.parse::<CellText>().is_err(), "{bad}");
        }
    }
}
