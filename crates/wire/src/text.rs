//! Opaque and hexadecimal texts.

use std::fmt;
use std::str::FromStr;

use huntcore_model::{Position, PositionError};
use serde::{Deserialize, Serialize};

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
