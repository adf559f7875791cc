//! Which boards a hunt has: names, and what each is told to count.
//!
//! A definition is a durable fact. Whatever a fold needs to place a record on a board stands
//! in it, a time zone's offsets included, so that a replay asks nobody and always makes the
//! same board (I5). How a board is counted is the board crate's business.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{EventType, IdError, Sequence, TimeMicros};

/// A hunt has at most this many boards besides the built-in ones.
pub const BOARDS_MAX: usize = 16;
/// A window has at least this length.
pub const WINDOW_MS_MIN: u64 = 1_000;
/// A window of fixed length has at most this one: 400 days.
pub const WINDOW_MS_MAX: u64 = 400 * 24 * 3_600_000;
/// Events may be late by at most a day.
pub const LATENESS_MS_MAX: u64 = 24 * 3_600_000;
/// A `board-closed` record holds at most this many entries.
pub const RESULTS_MAX: u16 = 1_000;
/// A board names at most this many event types.
pub const BOARD_EVENT_TYPES_MAX: usize = 32;
/// A zone has at most this many offsets.
pub const ZONE_OFFSETS_MAX: usize = 256;

/// A cron expression has at most this many bytes.
const CRON_BYTES_MAX: usize = 128;
const ZONE_NAME_BYTES_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 31;

/// A board's name: 1 to 31 bytes of `a-z`, `0-9` and `-`, a letter first.
///
/// Held inline, because it travels with every question for a board.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BoardName {
    // Unused ones are 0, so names compare as their texts do.
    bytes: [u8; NAME_BYTES_MAX],
    length: u8,
}

impl BoardName {
    /// The longest one, in bytes.
    pub const BYTES_MAX: usize = NAME_BYTES_MAX;
    /// The sum of claims' points, over the whole hunt.
    pub const TOTAL: Self = Self::of_static("total");
    /// The highest score of score events, over the whole hunt.
    pub const BEST: Self = Self::of_static("best");
    /// The highest score within each second of server time.
    pub const SECOND: Self = Self::of_static("second");
    /// The boards that every hunt has.
    pub const BUILT_IN: [Self; 3] = [Self::TOTAL, Self::BEST, Self::SECOND];

    /// Takes `text` if it is a name.
    pub fn new(text: &str) -> Result<Self, IdError> {
        const KIND: &str = "board name";
        if text.is_empty() {
            return Err(IdError::Empty {
                kind: KIND,
                bytes_max: NAME_BYTES_MAX,
            });
        }
        if text.len() > NAME_BYTES_MAX {
            return Err(IdError::TooLong {
                kind: KIND,
                bytes: text.len(),
                bytes_max: NAME_BYTES_MAX,
            });
        }
        let wrong = text.char_indices().find(|&(offset, character)| {
            let later = character.is_ascii_digit() || character == '-';
            !(character.is_ascii_lowercase() || (offset > 0 && later))
        });
        match wrong {
            None => Ok(Self::of_static(text)),
            Some((offset, found)) => Err(IdError::Character {
                kind: KIND,
                found,
                offset,
                expected: "a-z, and after the first character 0-9 and -",
            }),
        }
    }

    /// Of a text that is known to be one.
    const fn of_static(text: &str) -> Self {
        let mut bytes = [0; NAME_BYTES_MAX];
        let mut at = 0;
        while at < text.len() {
            bytes[at] = text.as_bytes()[at];
            at += 1;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 31")]
        let length = text.len() as u8;
        Self { bytes, length }
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).expect("names are ASCII")
    }

    /// Whether every hunt has it.
    #[must_use]
    pub fn is_built_in(self) -> bool {
        Self::BUILT_IN.contains(&self)
    }
}

impl fmt::Display for BoardName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Debug for BoardName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.as_str())
    }
}

impl FromStr for BoardName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl TryFrom<String> for BoardName {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(&text)
    }
}

impl From<BoardName> for String {
    fn from(name: BoardName) -> Self {
        name.as_str().to_owned()
    }
}

/// What a board counts, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardDefinition {
    /// Its name, unique in its hunt.
    pub name: BoardName,
    /// Where scores come from.
    pub from: BoardSource,
    /// How a player's scores become one.
    pub operator: BoardOperator,
    /// Which end is the best.
    pub order: BoardOrder,
    /// The parts of time that are counted each for itself.
    pub window: WindowRule,
    /// Which time puts a score into a window.
    pub clock: BoardClock,
    /// The event types that count; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_types: Vec<String>,
    /// How long a final window stays readable, in milliseconds.
    pub keep_ms: u64,
    /// How many of the best a closed window's record holds; 0: none is written.
    pub results: u16,
}

/// Where a board's scores come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoardSource {
    /// The points of claims.
    Claims,
    /// Score events.
    Events,
    /// Both.
    Both,
}

/// How a player's scores become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoardOperator {
    /// They are added up.
    Sum,
    /// The highest counts.
    Max,
    /// The latest counts.
    Last,
    /// It counts how many there are.
    Count,
    /// The lowest counts.
    Min,
}

/// Which end of a board is its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoardOrder {
    /// The highest score ranks first.
    Descending,
    /// The lowest score ranks first.
    Ascending,
}

/// How time is cut into windows, each half-open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum WindowRule {
    /// The whole hunt is one.
    Whole,
    /// Of one length, counted from 1970-01-01T00:00:00Z.
    Tumbling {
        /// How long, in milliseconds.
        length_ms: u64,
    },
    /// Days, weeks from Monday on, or months of a time zone.
    Calendar {
        /// Which.
        unit: CalendarUnit,
        /// Where.
        zone: Zone,
    },
    /// A new one begins whenever the expression says so.
    Cron {
        /// Minute, hour, day of the month, month, day of the week.
        expression: String,
        /// Where.
        zone: Zone,
    },
}

/// A part of a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalendarUnit {
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first to the first.
    Month,
}

/// A time zone as it was known when the board was defined.
///
/// Written down with its offsets, because rules of zones change: a replay years later has to
/// cut time as it was cut then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Its name in the tz database, for people.
    pub name: String,
    /// From when on which offset holds; in order, never empty. The first holds before, too.
    pub offsets: Vec<ZoneOffset>,
}

/// What to add to UTC from some time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneOffset {
    /// From this time on.
    pub from: TimeMicros,
    /// Seconds to add to UTC to get local time; east is positive.
    pub seconds: i32,
}

/// Which time puts a score into a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum BoardClock {
    /// The time of the batch that holds it.
    Server,
    /// The sender's own, if it is not after the batch's; a window waits so long for what comes
    /// late.
    Event {
        /// How long after its end a window still takes scores, in milliseconds.
        lateness_ms: u64,
    },
}

/// A board that a hunt has been given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinedBoard {
    /// What it counts.
    pub definition: BoardDefinition,
    /// The control entry that defined it: its generation. A board defined otherwise under the
    /// same name is another one.
    pub defined_at: Sequence,
}

/// Why a definition makes no board.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("board {board}: {field} {reason}")]
pub struct BoardDefinitionError {
    /// Which board.
    pub board: BoardName,
    /// Which of its fields.
    pub field: &'static str,
    /// What is wrong with it, and what is expected.
    pub reason: String,
}

/// How long the built-in `second` keeps its windows: as many as a client may page back.
const SECOND_KEPT_MS: u64 = 3_600_000;

impl BoardDefinition {
    /// The boards that every hunt has.
    #[must_use]
    pub fn built_in() -> [Self; 3] {
        let whole = |name, from, operator| Self {
            name,
            from,
            operator,
            order: BoardOrder::Descending,
            window: WindowRule::Whole,
            clock: BoardClock::Server,
            event_types: Vec::new(),
            keep_ms: 0,
            results: 0,
        };
        let second = Self {
            window: WindowRule::Tumbling { length_ms: 1_000 },
            keep_ms: SECOND_KEPT_MS,
            ..whole(BoardName::SECOND, BoardSource::Events, BoardOperator::Max)
        };
        [
            whole(BoardName::TOTAL, BoardSource::Claims, BoardOperator::Sum),
            whole(BoardName::BEST, BoardSource::Events, BoardOperator::Max),
            second,
        ]
    }

    /// Whether it keeps to the limits; whether a cron expression ever fires is not asked here.
    pub fn check(&self) -> Result<(), BoardDefinitionError> {
        let fault = |field, reason: String| {
            Err(BoardDefinitionError {
                board: self.name,
                field,
                reason,
            })
        };
        match &self.window {
            WindowRule::Whole => {}
            WindowRule::Tumbling { length_ms } => {
                if !(WINDOW_MS_MIN..=WINDOW_MS_MAX).contains(length_ms) {
                    return fault(
                        "window",
                        format!("is {length_ms} ms long, expected one second to 400 days"),
                    );
                }
            }
            WindowRule::Calendar { zone, .. } => {
                if let Some(reason) = zone.fault() {
                    return fault("zone", reason);
                }
            }
            WindowRule::Cron { expression, zone } => {
                if let Some(reason) = zone.fault() {
                    return fault("zone", reason);
                }
                if expression.is_empty() || expression.len() > CRON_BYTES_MAX {
                    return fault(
                        "window",
                        format!(
                            "has a cron expression of {} bytes, expected 1 to {CRON_BYTES_MAX}",
                            expression.len()
                        ),
                    );
                }
            }
        }
        if let BoardClock::Event { lateness_ms } = self.clock {
            if self.window == WindowRule::Whole {
                return fault(
                    "time",
                    "is the event's, which only windows need: leave it out, or give a window"
                        .to_owned(),
                );
            }
            if lateness_ms > LATENESS_MS_MAX {
                return fault(
                    "lateness",
                    format!("is {lateness_ms} ms, expected at most {LATENESS_MS_MAX}"),
                );
            }
        }
        if self.results > RESULTS_MAX {
            return fault(
                "results",
                format!("is {}, expected at most {RESULTS_MAX}", self.results),
            );
        }
        if self.event_types.len() > BOARD_EVENT_TYPES_MAX {
            return fault(
                "event_types",
                format!(
                    "names {}, expected at most {BOARD_EVENT_TYPES_MAX}",
                    self.event_types.len()
                ),
            );
        }
        if self.from == BoardSource::Claims && !self.event_types.is_empty() {
            return fault(
                "event_types",
                "are given, but the board counts claims only".to_owned(),
            );
        }
        for event_type in &self.event_types {
            if let Err(error) = EventType::new(event_type) {
                return fault("event_types", format!("has {event_type:?}: {error}"));
            }
        }
        Ok(())
    }

    /// How long after its end a window waits for what comes late, in milliseconds.
    #[must_use]
    pub const fn lateness_ms(&self) -> u64 {
        match self.clock {
            BoardClock::Server => 0,
            BoardClock::Event { lateness_ms } => lateness_ms,
        }
    }
}

impl DefinedBoard {
    /// The boards after the change at `at`: those that are defined as before keep their
    /// generation.
    #[must_use]
    pub fn redefined(known: &[Self], at: Sequence, boards: &[BoardDefinition]) -> Vec<Self> {
        let defined = boards.iter().map(|definition| {
            let as_before = known.iter().find(|board| board.definition == *definition);
            as_before.cloned().unwrap_or_else(|| Self {
                definition: definition.clone(),
                defined_at: at,
            })
        });
        defined.collect()
    }
}

impl Zone {
    /// The seconds to add to UTC at `time`.
    #[must_use]
    pub fn offset_at(&self, time: TimeMicros) -> i32 {
        let after = self.offsets.partition_point(|offset| offset.from <= time);
        let at = self.offsets.get(after.saturating_sub(1));
        at.map_or(0, |offset| offset.seconds)
    }

    fn fault(&self) -> Option<String> {
        const DAY_SECONDS: u32 = 24 * 3_600;
        if self.name.is_empty() || self.name.len() > ZONE_NAME_BYTES_MAX {
            let bytes = self.name.len();
            return Some(format!(
                "has a name of {bytes} bytes, expected 1 to {ZONE_NAME_BYTES_MAX}"
            ));
        }
        if self.offsets.is_empty() || self.offsets.len() > ZONE_OFFSETS_MAX {
            let count = self.offsets.len();
            return Some(format!(
                "has {count} offsets, expected 1 to {ZONE_OFFSETS_MAX}"
            ));
        }
        if !self.offsets.is_sorted_by(|one, next| one.from < next.from) {
            return Some("has offsets that are out of order".to_owned());
        }
        let far = self
            .offsets
            .iter()
            .find(|offset| offset.seconds.unsigned_abs() > DAY_SECONDS);
        far.map(|offset| {
            format!(
                "has an offset of {} seconds, expected at most a day",
                offset.seconds
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_name_is_a_short_slug_that_begins_with_a_letter() {
        for good in ["total", "a", "week-2", &"x".repeat(31)] {
            assert_eq!(
                BoardName::new(good).map(|name| name.to_string()),
                Ok(good.to_owned())
            );
        }
        for bad in ["", "2fast", "-a", "Total", "a_b", &"x".repeat(32)] {
            assert!(BoardName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_compare_as_their_texts() {
        let name = |text| BoardName::new(text).expect("a name");
        assert!(name("a") < name("a-") && name("a-") < name("ab") && name("ab") < name("b"));
    }

    #[test]
    fn the_built_in_boards_keep_to_the_limits() {
        for definition in BoardDefinition::built_in() {
            assert!(definition.name.is_built_in());
            assert_eq!(definition.check(), Ok(()));
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_field_that_is_wrong() {
        let [total, best, second] = BoardDefinition::built_in();
        let zone = |offsets| Zone {
            name: "Europe/Berlin".to_owned(),
            offsets,
        };
        let calendar = |offsets| BoardDefinition {
            window: WindowRule::Calendar {
                unit: CalendarUnit::Day,
                zone: zone(offsets),
            },
            ..total.clone()
        };
        let offset = |from, seconds| ZoneOffset {
            from: TimeMicros::new(from),
            seconds,
        };
        let cases = [
            (
                BoardDefinition {
                    window: WindowRule::Tumbling { length_ms: 999 },
                    ..second
                },
                "window",
            ),
            (calendar(vec![]), "zone"),
            (calendar(vec![offset(2, 0), offset(1, 0)]), "zone"),
            (calendar(vec![offset(0, 90_000)]), "zone"),
            (
                BoardDefinition {
                    clock: BoardClock::Event { lateness_ms: 0 },
                    ..best.clone()
                },
                "time",
            ),
            (
                BoardDefinition {
                    results: RESULTS_MAX + 1,
                    ..best
                },
                "results",
            ),
            (
                BoardDefinition {
                    event_types: vec!["boss".to_owned()],
                    ..total.clone()
                },
                "event_types",
            ),
        ];
        for (definition, field) in cases {
            let error = definition.check().expect_err(field);
            assert_eq!(error.field, field, "{error}");
        }
        assert_eq!(calendar(vec![offset(0, 3_600)]).check(), Ok(()));
    }

    #[test]
    fn a_zones_offset_holds_from_its_time_on_and_the_first_before() {
        let offset = |from, seconds| ZoneOffset {
            from: TimeMicros::new(from),
            seconds,
        };
        let zone = Zone {
            name: "Europe/Berlin".to_owned(),
            offsets: vec![offset(10, 3_600), offset(20, 7_200)],
        };
        let at = |time| zone.offset_at(TimeMicros::new(time));
        assert_eq!(
            [at(0), at(10), at(19), at(20), at(99)],
            [3_600, 3_600, 3_600, 7_200, 7_200]
        );
    }
}
