//! Lengths of time and amounts of space, as operators write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// A length of time: a whole number and `ms`, `s`, `m`, `h` or `d` (`500ms`, `30d`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Span(Duration);

/// An amount of space: a whole number and `B`, a decimal unit (`kB`, `MB`, `GB`, `TB`) or a
/// binary one (`KiB`, `MiB`, `GiB`, `TiB`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Space(u64);

/// Why a text is no amount of its kind.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not {expected}")]
pub(crate) struct UnitError {
    found: String,
    expected: &'static str,
}

const SPAN_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

const SPACE_UNITS: [(&str, u64); 10] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl Span {
    pub(crate) const fn duration(self) -> Duration {
        self.0
    }
}

impl Space {
    pub(crate) const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let millis = read(text, &SPAN_UNITS).ok_or_else(|| UnitError {
            found: text.to_owned(),
            expected: "a length of time: a whole number and ms, s, m, h or d, such as 30d",
        })?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl FromStr for Space {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bytes = read(text, &SPACE_UNITS).ok_or_else(|| UnitError {
            found: text.to_owned(),
            expected: "an amount of space: a whole number and B, kB, MB, GB, TB, KiB, MiB, GiB \
                       or TiB, such as 200GB",
        })?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Span {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl TryFrom<String> for Space {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        write(formatter, millis, SPAN_UNITS.iter().rev())
    }
}

impl fmt::Display for Space {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Binary units first: that is how the defaults are made.
        write(formatter, self.0, SPACE_UNITS.iter().rev())
    }
}

fn read(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// With the first unit that leaves a whole number.
fn write<'u>(
    formatter: &mut fmt::Formatter<'_>,
    amount: u64,
    units: impl Iterator<Item = &'u (&'u str, u64)>,
) -> fmt::Result {
    for (unit, factor) in units {
        if amount >= *factor && amount.is_multiple_of(*factor) {
            return write!(formatter, "{}{unit}", amount / factor);
        }
    }
    write!(formatter, "{amount}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_their_units_and_shown_again() {
        for (text, millis) in [
            ("30d", 30 * 86_400_000),
            ("90m", 5_400_000),
            ("500ms", 500),
            ("0s", 0),
        ] {
            let span: Span = text.parse().expect(text);
            assert_eq!(span.duration(), Duration::from_millis(millis), "{text}");
        }
        for (text, bytes) in [
            ("200GB", 200_000_000_000),
            ("64MiB", 64 << 20),
            ("1TiB", 1 << 40),
            ("7B", 7),
            ("12kB", 12_000),
        ] {
            let space: Space = text.parse().expect(text);
            assert_eq!(space.bytes(), bytes, "{text}");
            assert_eq!(space.to_string().parse(), Ok(space));
        }
        assert_eq!(Span::from(Duration::from_hours(48)).to_string(), "2d");
        assert_eq!(Space::new(256 << 20).to_string(), "256MiB");
    }

    #[test]
    fn whatever_is_no_amount_is_refused_in_words() {
        for text in ["", "d", "30", "-1d", "1.5h", "1 d", "1w", "99999999999999d"] {
            let error = text.parse::<Span>().expect_err(text).to_string();
            assert!(error.contains("such as 30d"), "{error}");
        }
        for text in ["", "GB", "200", "200G", "1e9B", "99999999999TiB"] {
            let error = text.parse::<Space>().expect_err(text).to_string();
            assert!(error.contains("such as 200GB"), "{error}");
        }
    }
}
