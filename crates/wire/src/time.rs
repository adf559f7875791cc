//! Times and lengths of time as text.

use std::fmt;
use std::str::FromStr;

use huntcore_model::TimeMicros;
use serde::{Deserialize, Serialize};

/// A point in time: RFC 3339, UTC, milliseconds (`2026-11-22T10:00:00.000Z`).
///
/// Any offset is read; writing cuts what is finer than a millisecond.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(TimeMicros);

/// Why a text is no point in time that huntcore knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a time from 1970 to 9999 in RFC 3339 form, such as 2026-11-22T10:00:00Z")]
pub struct TimestampError {
    found: String,
}

/// A length of time: a whole number and its unit, `ms`, `s`, `m` or `h` (`500ms`, `10s`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DurationText {
    millis: u64,
}

/// Why a text is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not a length of time: expected a whole number from 1 and ms, s, m or h, such as 10s"
)]
pub struct DurationError {
    found: String,
}

// 9999-12-30T21:59:59.999999Z: the last time that RFC 3339 can write at any offset.
const LAST: TimeMicros = TimeMicros::new(253_402_207_199_999_999);
const DIGITS_MAX: usize = 8;
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Timestamp {
    /// Wraps a time; one after the year 9999 becomes its last moment.
    #[must_use]
    pub fn new(time: TimeMicros) -> Self {
        Self(time.min(LAST))
    }

    /// The time in the model's form.
    #[must_use]
    pub const fn micros(self) -> TimeMicros {
        self.0
    }
}

impl From<TimeMicros> for Timestamp {
    fn from(time: TimeMicros) -> Self {
        Self::new(time)
    }
}

impl From<Timestamp> for TimeMicros {
    fn from(time: Timestamp) -> Self {
        time.0
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let fail = || TimestampError {
            found: text.chars().take(64).collect(),
        };
        let time: jiff::Timestamp = text.parse().map_err(|_| fail())?;
        let micros = u64::try_from(time.as_microsecond()).map_err(|_| fail())?;
        let time = TimeMicros::new(micros);
        if time <= LAST {
            Ok(Self(time))
        } else {
            Err(fail())
        }
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;

    fn try_from(text: String) -> Result<Self, TimestampError> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0.millis()).expect("the year 9999 fits");
        let time = jiff::Timestamp::from_millisecond(millis).expect("within jiff's range");
        write!(formatter, "{time:.3}")
    }
}

impl DurationText {
    /// A length in milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis }
    }

    /// The length in milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.millis
    }
}

impl FromStr for DurationText {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let fail = || DurationError {
            found: text.chars().take(64).collect(),
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit_ms = UNITS
            .iter()
            .find_map(|&(name, millis)| (name == unit).then_some(millis));
        match (number.parse::<u64>(), unit_ms) {
            (Ok(number), Some(unit_ms))
                if number > 0 && digits <= DIGITS_MAX && !text.starts_with('0') =>
            {
                Ok(Self {
                    millis: number * unit_ms,
                })
            }
            _ => Err(fail()),
        }
    }
}

impl TryFrom<String> for DurationText {
    type Error = DurationError;

    fn try_from(text: String) -> Result<Self, DurationError> {
        text.parse()
    }
}

impl From<DurationText> for String {
    fn from(duration: DurationText) -> Self {
        duration.to_string()
    }
}

impl fmt::Display for DurationText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, unit_ms) = UNITS
            .iter()
            .find(|&&(_, unit_ms)| self.millis.is_multiple_of(unit_ms) && self.millis > 0)
            .unwrap_or(&("ms", 1));
        write!(formatter, "{}{unit}", self.millis / unit_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_milliseconds() {
        let time: Timestamp = "2026-11-22T11:00:00.1234567+01:00".parse().expect("valid");
        assert_eq!(time.micros(), TimeMicros::new(1_795_341_600_123_456));
        assert_eq!(time.to_string(), "2026-11-22T10:00:00.123Z");
        assert_eq!(Timestamp::default().to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            Timestamp::new(TimeMicros::MAX).to_string(),
            "9999-12-30T21:59:59.999Z"
        );
    }

    #[test]
    fn a_time_before_1970_or_without_an_offset_is_refused() {
        for bad in [
            "1969-12-31T23:59:59Z",
            "2026-11-22T10:00:00",
            "2026-11-22",
            "now",
            "",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_length_of_time_survives_its_text() {
        for (text, millis) in [
            ("1s", 1_000),
            ("100ms", 100),
            ("1500ms", 1_500),
            ("90s", 90_000),
            ("1h", 3_600_000),
        ] {
            let duration: DurationText = text.parse().expect(text);
            assert_eq!(
                (duration.millis(), duration.to_string().as_str()),
                (millis, text)
            );
        }
        assert_eq!(
            "60s".parse::<DurationText>().expect("valid").to_string(),
            "1m"
        );
    }

    #[test]
    fn other_lengths_of_time_are_refused() {
        for bad in [
            "",
            "1",
            "s",
            "0s",
            "01s",
            "-1s",
            "1.5s",
            "1 s",
            "1S",
            "1d",
            "999999999h",
            "१s",
        ] {
            assert!(bad.parse::<DurationText>().is_err(), "{bad}");
        }
    }
}
