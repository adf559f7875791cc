//! How time is cut into windows: pure arithmetic over what a definition says.

mod cron;
mod date;
mod local;

use huntcore_model::{
    BoardDefinition, BoardDefinitionError, CalendarUnit, TimeMicros, WindowRule, Zone,
};

pub use cron::CronError;

use cron::Cron;
use date::{Date, first_of_month, first_of_week, week_of};

const MINUTE_MICROS: i64 = 60_000_000;
const DAY_MICROS: i64 = 24 * 60 * MINUTE_MICROS;

/// A part of time: from the start on, up to but without the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: TimeMicros,
    pub(crate) end: TimeMicros,
}

impl Span {
    /// No time at all.
    pub(crate) const NONE: Self = Self {
        start: TimeMicros::ZERO,
        end: TimeMicros::ZERO,
    };

    /// All of time: the one window of a board of a whole hunt.
    pub(crate) const EVER: Self = Self {
        start: TimeMicros::ZERO,
        end: TimeMicros::MAX,
    };

    #[inline]
    pub(crate) fn contains(self, time: TimeMicros) -> bool {
        self.start <= time && time < self.end
    }
}

/// A window rule made ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Whole,
    Tumbling { length_micros: u64 },
    Calendar { unit: CalendarUnit, zone: Zone },
    Cron { cron: Cron, zone: Zone },
}

/// So many windows of a board wait for late events at most: minutes of a day.
pub const OPEN_WINDOWS_MAX: u64 = 1_440;

/// Why a definition makes no board.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// One of its fields is out of bounds.
    #[error(transparent)]
    Field(#[from] BoardDefinitionError),
    /// Its cron expression is none, or never comes.
    #[error(transparent)]
    Cron(#[from] CronError),
    /// Too many windows would wait for late events.
    #[error(
        "lateness of {lateness_ms} ms keeps more than {OPEN_WINDOWS_MAX} windows of {length_ms} ms open"
    )]
    Lateness {
        /// How late events may be.
        lateness_ms: u64,
        /// How long a window is.
        length_ms: u64,
    },
}

/// Whether a board can be made of a definition.
pub fn check_definition(definition: &BoardDefinition) -> Result<(), DefinitionError> {
    definition.check()?;
    Rule::of(definition).map(drop)
}

/// The window of a rule that `time` falls into: its start, and its end, exclusive; `None` if
/// the whole hunt is one, or a cron expression cannot be read.
#[must_use]
pub fn window_of(rule: &WindowRule, time: TimeMicros) -> Option<(TimeMicros, TimeMicros)> {
    let rule = Rule::new(rule).ok().filter(|rule| !rule.is_whole())?;
    let span = rule.span(time);
    Some((span.start, span.end))
}

impl Rule {
    /// The rule of a board, if one can be made.
    pub(crate) fn of(definition: &BoardDefinition) -> Result<Self, DefinitionError> {
        let lateness_ms = definition.lateness_ms();
        if let WindowRule::Tumbling { length_ms } = definition.window
            && lateness_ms > length_ms.saturating_mul(OPEN_WINDOWS_MAX)
        {
            return Err(DefinitionError::Lateness {
                lateness_ms,
                length_ms,
            });
        }
        Ok(Self::new(&definition.window)?)
    }

    pub(crate) fn new(rule: &WindowRule) -> Result<Self, CronError> {
        Ok(match rule {
            WindowRule::Whole => Self::Whole,
            WindowRule::Tumbling { length_ms } => Self::Tumbling {
                // A log that no controller wrote may say 0.
                length_micros: length_ms.saturating_mul(1_000).max(1),
            },
            WindowRule::Calendar { unit, zone } => Self::Calendar {
                unit: *unit,
                zone: zone.clone(),
            },
            WindowRule::Cron { expression, zone } => Self::Cron {
                cron: Cron::parse(expression)?,
                zone: zone.clone(),
            },
        })
    }

    pub(crate) const fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }

    /// The window that `time` falls into.
    pub(crate) fn span(&self, time: TimeMicros) -> Span {
        match self {
            Self::Whole => Span::EVER,
            Self::Tumbling { length_micros } => {
                let start = time.get() - time.get() % length_micros;
                Span {
                    start: TimeMicros::new(start),
                    end: TimeMicros::new(start.saturating_add(*length_micros)),
                }
            }
            Self::Calendar { unit, zone } => {
                let day = local::reached(zone, time).div_euclid(DAY_MICROS);
                let (first, next) = match unit {
                    CalendarUnit::Day => (day, day + 1),
                    CalendarUnit::Week => {
                        let week = week_of(day);
                        (first_of_week(week), first_of_week(week + 1))
                    }
                    CalendarUnit::Month => {
                        let month = Date::of(day).month;
                        (first_of_month(month), first_of_month(month + 1))
                    }
                };
                Span {
                    start: local::first_at(zone, first * DAY_MICROS),
                    end: local::first_at(zone, next * DAY_MICROS),
                }
            }
            Self::Cron { cron, zone } => {
                let minute = local::reached(zone, time).div_euclid(MINUTE_MICROS);
                let at = |minute: i64| local::first_at(zone, minute * MINUTE_MICROS);
                Span {
                    start: cron.last_until(minute).map_or(TimeMicros::ZERO, at),
                    end: cron.next_after(minute).map_or(TimeMicros::MAX, at),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
