//! A load's shape, from a TOML file: how many score events a second at what time, by whom, and
//! what is wrong with them.

use std::time::Duration;

use huntcore_model::{EventType, SCORE_MAGNITUDE_MAX};
use huntcore_wire::{DurationText, EVENTS_MAX};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// No more a second than this, bursts included.
const PER_SECOND_MAX: f64 = 1_000_000.0;
const PLAYERS_MAX: u32 = 10_000_000;
const ZIPF_MAX: f64 = 10.0;
/// No shape is longer: 100 hours, less a second.
const AT_MAX: Duration = Duration::from_secs(100 * 3_600 - 1);

/// A load's shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// The same seed makes the same events.
    pub seed: u64,
    /// Who scores.
    pub players: Players,
    /// What they score.
    pub events: Events,
    /// How events are sent.
    pub requests: Requests,
    /// Points of the rate over time, with straight lines between; the first is at zero.
    pub rate: Vec<RatePoint>,
    /// What comes on top of it.
    pub bursts: Vec<Burst>,
}

/// Who scores.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Players {
    /// How many there are.
    pub count: u32,
    /// The n-th of them scores in proportion to n to the power of minus this; 0: all alike.
    #[serde(default)]
    pub zipf: f64,
}

/// What is scored, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// Their type.
    pub event_type: EventType,
    /// Scores are spread exponentially around this mean.
    pub score_mean: f64,
    /// No score is higher.
    pub score_max: i64,
    /// Events that were held up before they were sent: their time is long ago.
    pub late: Option<Late>,
    /// Events that are sent a second time.
    pub duplicates: Option<Duplicates>,
    /// Players whose clock is wrong, each by an amount of its own that stays the same.
    pub clocks: Option<Clocks>,
}

/// Some events are late.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Late {
    /// Which part of all.
    pub share: f64,
    /// By up to this, evenly.
    pub by: DurationText,
}

/// Some events are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duplicates {
    /// Which part of all.
    pub share: f64,
    /// Within this after the first time, evenly.
    pub within: DurationText,
}

/// Some players' clocks are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clocks {
    /// Which part of all players.
    pub share: f64,
    /// By up to this, ahead or behind, evenly.
    pub off: DurationText,
}

/// How events are put into requests.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requests {
    /// A batch is sent when it holds so many,
    pub batch: u32,
    /// or when its first event has waited this long.
    pub wait: DurationText,
    /// Of all events this part is sent alone, at once.
    pub singles: f64,
}

/// The rate at one time.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatePoint {
    /// Since the start.
    #[serde(deserialize_with = "clock")]
    pub at: Duration,
    /// Events a second.
    pub per_second: f64,
}

/// Events on top of the rate.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// Since the start.
    #[serde(deserialize_with = "clock")]
    pub at: Duration,
    /// How long.
    pub lasts: DurationText,
    /// How many more a second.
    pub per_second: f64,
}

/// What is wrong with a shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct ShapeError {
    /// From 1.
    pub line: usize,
    /// In words.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    seed: u64,
    players: Spanned<Players>,
    #[serde(default = "spanned")]
    events: Spanned<Events>,
    #[serde(default = "spanned")]
    requests: Spanned<Requests>,
    rate: Spanned<Vec<Spanned<RatePoint>>>,
    #[serde(default, rename = "burst")]
    bursts: Vec<Spanned<Burst>>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            event_type: EventType::new("score").expect("a short name"),
            score_mean: 1_000.0,
            score_max: 1_000_000,
            late: None,
            duplicates: None,
            clocks: None,
        }
    }
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            batch: 20,
            wait: DurationText::from_millis(20),
            singles: 0.0,
        }
    }
}

impl Shape {
    /// Reads a shape.
    pub fn parse(text: &str) -> Result<Self, ShapeError> {
        let file: File = toml::from_str(text).map_err(|error| ShapeError {
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            reason: error.message().trim().to_owned(),
        })?;
        let check = Check { text };
        check.players(&file.players)?;
        check.events(&file.events)?;
        check.requests(&file.requests)?;
        check.rate(&file.rate)?;
        let end = last(&file.rate);
        for burst in &file.bursts {
            check.burst(burst, end)?;
        }
        let shape = Self {
            seed: file.seed,
            players: file.players.into_inner(),
            events: file.events.into_inner(),
            requests: file.requests.into_inner(),
            rate: file
                .rate
                .into_inner()
                .into_iter()
                .map(Spanned::into_inner)
                .collect(),
            bursts: file.bursts.into_iter().map(Spanned::into_inner).collect(),
        };
        Ok(shape)
    }

    /// How long it goes on.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.rate.last().map_or(Duration::ZERO, |point| point.at)
    }
}

/// Checks what types can't, and says on which line of the text something is wrong.
struct Check<'a> {
    text: &'a str,
}

impl Check<'_> {
    fn fail<T>(&self, at: &Spanned<T>, reason: impl Into<String>) -> Result<(), ShapeError> {
        Err(ShapeError {
            line: line_of(self.text, at.span().start),
            reason: reason.into(),
        })
    }

    fn players(&self, players: &Spanned<Players>) -> Result<(), ShapeError> {
        let Players { count, zipf } = *players.get_ref();
        if !(1..=PLAYERS_MAX).contains(&count) {
            return self.fail(
                players,
                format!("{count} players, expected 1 to {PLAYERS_MAX}"),
            );
        }
        if !(0.0..=ZIPF_MAX).contains(&zipf) {
            return self.fail(players, format!("zipf is {zipf}, expected 0 to {ZIPF_MAX}"));
        }
        Ok(())
    }

    fn events(&self, events: &Spanned<Events>) -> Result<(), ShapeError> {
        let found = events.get_ref();
        if !(1..=SCORE_MAGNITUDE_MAX).contains(&found.score_max) {
            let score = found.score_max;
            return self.fail(
                events,
                format!("score_max is {score}, expected 1 to {SCORE_MAGNITUDE_MAX}"),
            );
        }
        if !(found.score_mean > 0.0 && found.score_mean.is_finite()) {
            let mean = found.score_mean;
            return self.fail(
                events,
                format!("score_mean is {mean}, expected more than 0"),
            );
        }
        let shares = [
            ("late", found.late.map(|late| late.share)),
            ("duplicates", found.duplicates.map(|again| again.share)),
            ("clocks", found.clocks.map(|clocks| clocks.share)),
        ];
        for (what, share) in shares {
            if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
                let share = share.unwrap_or_default();
                return self.fail(events, format!("{what}.share is {share}, expected 0 to 1"));
            }
        }
        Ok(())
    }

    fn requests(&self, requests: &Spanned<Requests>) -> Result<(), ShapeError> {
        let Requests { batch, singles, .. } = *requests.get_ref();
        if !(1..=EVENTS_MAX).contains(&(batch as usize)) {
            return self.fail(
                requests,
                format!("batch is {batch}, expected 1 to {EVENTS_MAX}"),
            );
        }
        if !(0.0..=1.0).contains(&singles) {
            return self.fail(requests, format!("singles is {singles}, expected 0 to 1"));
        }
        Ok(())
    }

    fn rate(&self, points: &Spanned<Vec<Spanned<RatePoint>>>) -> Result<(), ShapeError> {
        let (Some(first), true) = (points.get_ref().first(), points.get_ref().len() > 1) else {
            return self.fail(points, "expected at least two points of the rate");
        };
        if !first.get_ref().at.is_zero() {
            return self.fail(first, "the first point of the rate is not at 00:00");
        }
        for pair in points.get_ref().windows(2) {
            if pair[1].get_ref().at <= pair[0].get_ref().at {
                return self.fail(&pair[1], "a point of the rate is not after the one before");
            }
        }
        for point in points.get_ref() {
            self.per_second(point, point.get_ref().per_second)?;
        }
        if points
            .get_ref()
            .iter()
            .all(|point| point.get_ref().per_second <= 0.0)
        {
            return self.fail(points, "the rate is 0 all the time");
        }
        Ok(())
    }

    fn burst(&self, burst: &Spanned<Burst>, end: Duration) -> Result<(), ShapeError> {
        let found = burst.get_ref();
        let lasts = Duration::from_millis(found.lasts.millis());
        if found.at + lasts > end {
            return self.fail(burst, "a burst goes on after the last point of the rate");
        }
        self.per_second(burst, found.per_second)
    }

    fn per_second<T>(&self, at: &Spanned<T>, per_second: f64) -> Result<(), ShapeError> {
        if (0.0..=PER_SECOND_MAX).contains(&per_second) {
            return Ok(());
        }
        self.fail(
            at,
            format!("per_second is {per_second}, expected 0 to {PER_SECOND_MAX}"),
        )
    }
}

fn last(points: &Spanned<Vec<Spanned<RatePoint>>>) -> Duration {
    let last = points.get_ref().last();
    last.map_or(Duration::ZERO, |point| point.get_ref().at)
}

fn spanned<T: Default>() -> Spanned<T> {
    Spanned::new(0..0, T::default())
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|&&byte| byte == b'\n').count()
}

/// `HH:MM` or `HH:MM:SS` since the start.
fn clock<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_clock(&text).ok_or_else(|| {
        let found: String = text.chars().take(40).collect();
        serde::de::Error::custom(format!(
            "{found:?} is not a time since the start: expected HH:MM or HH:MM:SS"
        ))
    })
}

fn parse_clock(text: &str) -> Option<Duration> {
    let mut parts = text.split(':');
    let mut part = |max: u64| {
        let digits = parts.next()?;
        let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits
            .parse()
            .ok()
            .filter(|&number: &u64| is_number && number <= max)
    };
    let (hours, minutes) = (part(99)?, part(59)?);
    let seconds = match text.len() {
        5 => 0,
        _ => part(59)?,
    };
    let at = Duration::from_secs((hours * 60 + minutes) * 60 + seconds);
    (parts.next().is_none() && at <= AT_MAX).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "
[players]
count = 10
[[rate]]
at = \"00:00\"
per_second = 5
[[rate]]
at = \"00:00:10\"
per_second = 10
";

    fn error(text: &str) -> String {
        Shape::parse(text).expect_err("not a shape").to_string()
    }

    #[test]
    fn a_shape_needs_players_and_a_rate_and_has_defaults_for_the_rest() {
        let shape = Shape::parse(SMALL).expect("a shape");
        assert_eq!(shape.length(), Duration::from_secs(10));
        assert_eq!(shape.requests, Requests::default());
        assert_eq!(shape.events, Events::default());
        assert!(error("").contains("missing field"));
    }

    #[test]
    fn an_error_names_its_line() {
        for (from, to, expected) in [
            (
                "count = 10",
                "count = 0",
                "line 2: 0 players, expected 1 to 10000000",
            ),
            (
                "count = 10",
                "count = \"x\"",
                "line 3: invalid type: string",
            ),
            (
                "count = 10",
                "count = 10\nspeed = 3",
                "line 4: unknown field `speed`",
            ),
            (
                "per_second = 10",
                "per_second = -1",
                "line 7: per_second is -1",
            ),
            (
                "00:00:10",
                "00:00",
                "line 7: a point of the rate is not after",
            ),
            (
                "00:00:10",
                "10s",
                "line 8: \"10s\" is not a time since the start",
            ),
            (
                "\"00:00\"",
                "\"00:01\"",
                "line 4: the first point of the rate is not at 00:00",
            ),
        ] {
            let text = SMALL.replacen(from, to, 1);
            let found = error(&text);
            assert!(found.starts_with(expected), "{to}: {found}");
        }
    }

    #[test]
    fn a_burst_ends_with_the_rate() {
        let burst = "[[burst]]\nat = \"00:00:08\"\nlasts = \"3s\"\nper_second = 9\n";
        let found = error(&format!("{SMALL}{burst}"));
        assert!(
            found.starts_with("line 10: a burst goes on after"),
            "{found}"
        );
    }

    #[test]
    fn a_share_is_a_part_of_one() {
        let events = "[events]\nlate = { share = 1.5, by = \"3s\" }\n";
        let found = error(&format!("{SMALL}{events}"));
        assert!(found.starts_with("line 10: late.share is 1.5"), "{found}");
    }

    #[test]
    fn a_time_since_the_start_has_two_digits_for_each_part() {
        assert_eq!(parse_clock("24:00"), Some(Duration::from_secs(86_400)));
        assert_eq!(parse_clock("00:00:07"), Some(Duration::from_secs(7)));
        for bad in [
            "",
            "1:00",
            "00:60",
            "00:00:60",
            "00:00:00:00",
            "0x:00",
            "24",
            "100:00",
        ] {
            assert_eq!(parse_clock(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_example_is_a_shape() {
        let text = include_str!("../../../../examples/shapes/halloween.toml");
        let shape = Shape::parse(text).expect("a shape");
        assert_eq!(shape.length(), Duration::from_secs(24 * 3_600));
    }
}
