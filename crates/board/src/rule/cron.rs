//! Cron expressions of five fields, over local time.
//!
//! Written here and not taken from a library, because an expression in a log has to mean the
//! same for ever: a library that changes its mind in a corner would cut old windows elsewhere
//! (I5). What it takes is what cron takes: numbers, `*`, ranges, lists, steps on `*` and on
//! ranges, and English names of months and days in three letters. As with cron a day has to
//! fit the day of the month or that of the week if both are given, and both if one begins
//! with `*`. `L`, `W`, `#`, `?`, `@daily` and seconds are refused.

use super::date::{Date, first_of_month, weekday};

const DAY_MINUTES: i64 = 24 * 60;
/// The rarest day there is, a leap day on one day of the week around a year without one,
/// comes after 40 years.
const SEARCH_MONTHS: usize = 50 * 12;
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Which minutes an expression names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    // A day needs to fit only one of its two fields.
    either_day: bool,
}

/// Why a text is not a cron expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// It has not five fields.
    #[error(
        "a cron expression has five fields (minute, hour, day of the month, month, day of the week), found {found}"
    )]
    Fields {
        /// How many it has.
        found: usize,
    },
    /// A field cannot be read.
    #[error("{field} {text:?} of a cron expression is not valid: expected {expected}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What stands there.
        text: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// No day fits.
    #[error("no day ever fits the cron expression")]
    Never,
}

/// What a field may hold.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
    expected: &'static str,
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        least: 0,
        most: 59,
        names: &[],
        expected: "0-59, *, a-b, */n, a-b/n, or several with commas",
    },
    Field {
        name: "hour",
        least: 0,
        most: 23,
        names: &[],
        expected: "0-23, *, a-b, */n, a-b/n, or several with commas",
    },
    Field {
        name: "day of the month",
        least: 1,
        most: 31,
        names: &[],
        expected: "1-31, *, a-b, */n, a-b/n, or several with commas",
    },
    Field {
        name: "month",
        least: 1,
        most: 12,
        names: &MONTHS,
        expected: "1-12 or jan-dec, *, a-b, */n, a-b/n, or several with commas",
    },
    Field {
        name: "day of the week",
        least: 0,
        most: 7,
        names: &WEEKDAYS,
        expected: "0-7 (0 and 7 are Sunday) or sun-sat, *, a-b, */n, a-b/n, or several with commas",
    },
];

impl Cron {
    /// Reads an expression; one that never comes is refused.
    pub(crate) fn parse(text: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let &[minute, hour, day, month, week_day] = &fields[..] else {
            return Err(CronError::Fields {
                found: fields.len(),
            });
        };
        let texts = [minute, hour, day, month, week_day];
        let mut sets = [0; 5];
        for ((set, field), text) in sets.iter_mut().zip(&FIELDS).zip(texts) {
            *set = field.parse(text)?;
        }
        let [minutes, hours, days, months, mut weekdays] = sets;
        // 7 is Sunday, too.
        weekdays = (weekdays | (weekdays >> 7)) & 0x7f;
        let cron = Self {
            minutes,
            hours,
            days,
            months,
            weekdays,
            either_day: !day.starts_with('*') && !week_day.starts_with('*'),
        };
        match cron.next_after(0) {
            Some(_) => Ok(cron),
            None => Err(CronError::Never),
        }
    }

    /// The first minute after this one that fits; minutes count from 1970 in local time.
    pub(crate) fn next_after(&self, minute: i64) -> Option<i64> {
        let from = minute + 1;
        let mut day = from.div_euclid(DAY_MINUTES);
        let in_day = from.rem_euclid(DAY_MINUTES);
        if self.fits(Date::of(day), day)
            && let Some(found) = self.first_from(in_day)
        {
            return Some(day * DAY_MINUTES + found);
        }
        day += 1;
        for _ in 0..SEARCH_MONTHS {
            let date = Date::of(day);
            let end = first_of_month(date.month + 1);
            if holds(self.months, date.month_of_year())
                && let Some(day) = (day..end).find(|&day| self.fits(Date::of(day), day))
            {
                return Some(day * DAY_MINUTES + self.first_from(0)?);
            }
            day = end;
        }
        None
    }

    /// The last minute up to this one that fits.
    pub(crate) fn last_until(&self, minute: i64) -> Option<i64> {
        let mut day = minute.div_euclid(DAY_MINUTES);
        let in_day = minute.rem_euclid(DAY_MINUTES);
        if self.fits(Date::of(day), day)
            && let Some(found) = self.last_to(in_day)
        {
            return Some(day * DAY_MINUTES + found);
        }
        day -= 1;
        for _ in 0..SEARCH_MONTHS {
            let date = Date::of(day);
            let start = first_of_month(date.month);
            if holds(self.months, date.month_of_year())
                && let Some(day) = (start..=day)
                    .rev()
                    .find(|&day| self.fits(Date::of(day), day))
            {
                return Some(day * DAY_MINUTES + self.last_to(DAY_MINUTES - 1)?);
            }
            day = start - 1;
        }
        None
    }

    fn fits(&self, date: Date, day: i64) -> bool {
        let of_month = holds(self.days, date.day);
        let of_week = holds(self.weekdays, weekday(day));
        let fits = match self.either_day {
            true => of_month || of_week,
            false => of_month && of_week,
        };
        fits && holds(self.months, date.month_of_year())
    }

    /// The first minute of a day from `minute` on.
    fn first_from(&self, minute: i64) -> Option<i64> {
        let (hour, in_hour) = (minute / 60, minute % 60);
        let here = self.minutes >> in_hour;
        if self.hours >> hour & 1 == 1 && here != 0 {
            return Some(minute + i64::from(here.trailing_zeros()));
        }
        let later = self.hours >> (hour + 1);
        let hour = hour + 1 + i64::from(later.trailing_zeros());
        (later != 0).then(|| hour * 60 + i64::from(self.minutes.trailing_zeros()))
    }

    /// The last minute of a day up to `minute`.
    fn last_to(&self, minute: i64) -> Option<i64> {
        let (hour, in_hour) = (minute / 60, minute % 60);
        let here = self.minutes & up_to(in_hour);
        if self.hours >> hour & 1 == 1 && here != 0 {
            return Some(hour * 60 + highest(here));
        }
        let earlier = self.hours & (up_to(hour) >> 1);
        (earlier != 0).then(|| highest(earlier) * 60 + highest(self.minutes))
    }
}

impl Field {
    fn parse(&self, text: &str) -> Result<u64, CronError> {
        let mut set = 0;
        for part in text.split(',') {
            set |= self.part(part).ok_or_else(|| CronError::Field {
                field: self.name,
                text: text.chars().take(80).collect(),
                expected: self.expected,
            })?;
        }
        Ok(set)
    }

    fn part(&self, text: &str) -> Option<u64> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(number(step).filter(|&step| step > 0)?)),
            None => (text, None),
        };
        let (least, most) = match range.split_once('-') {
            Some((least, most)) => (self.value(least)?, self.value(most)?),
            None if range == "*" => (self.least, self.most),
            // A step needs something to go through.
            None if step.is_some() => return None,
            None => self.value(range).map(|value| (value, value))?,
        };
        if least > most {
            return None;
        }
        let step = usize::try_from(step.unwrap_or(1)).ok()?;
        Some(
            (least..=most)
                .step_by(step)
                .fold(0, |set, at| set | 1 << at),
        )
    }

    fn value(&self, text: &str) -> Option<u32> {
        let named = |name: &&str| name.eq_ignore_ascii_case(text);
        let value = match self.names.iter().position(named) {
            Some(place) => u32::try_from(place).ok()? + self.least,
            None => number(text)?,
        };
        (self.least..=self.most).contains(&value).then_some(value)
    }
}

/// Digits only: no sign, no space.
fn number(text: &str) -> Option<u32> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

const fn holds(set: u64, place: u32) -> bool {
    set >> place & 1 == 1
}

/// All places up to and with this one, which is below 60.
const fn up_to(place: i64) -> u64 {
    (2 << place) - 1
}

fn highest(set: u64) -> i64 {
    i64::from(63 - set.leading_zeros())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minute(day: i64, hour: i64, minute: i64) -> i64 {
        day * DAY_MINUTES + hour * 60 + minute
    }

    #[test]
    fn expressions_come_when_cron_would_run_them() {
        // 2024-02-29 was a Thursday, day 19,782.
        let noon = minute(19_782, 12, 0);
        for (text, last, next) in [
            ("0 12 * * *", noon, minute(19_783, 12, 0)),
            ("*/15 * * * *", noon, noon + 15),
            ("5-59/20 9-17 * * mon-fri", noon - 15, noon + 5),
            ("0 0 29 2 *", minute(19_782, 0, 0), minute(21_243, 0, 0)),
            ("0 6 1 * *", minute(19_754, 6, 0), minute(19_783, 6, 0)),
            // Both days given: either will do.
            ("0 0 13 * fri", minute(19_776, 0, 0), minute(19_783, 0, 0)),
            // One with a star: both have to fit.
            ("0 0 */2 * 5", minute(19_776, 0, 0), minute(19_783, 0, 0)),
        ] {
            let cron = Cron::parse(text).expect(text);
            assert_eq!(cron.last_until(noon), Some(last), "{text}");
            assert_eq!(cron.next_after(noon), Some(next), "{text}");
        }
        assert_eq!(Cron::parse("0 0 * * 7"), Cron::parse("0 0 * * SUN"));
    }

    #[test]
    fn what_is_no_expression_is_refused_with_its_field() {
        assert_eq!(Cron::parse("0 0 * *"), Err(CronError::Fields { found: 4 }));
        assert_eq!(Cron::parse("0 0 31 4,6 *"), Err(CronError::Never));
        assert_eq!(Cron::parse("0 0 30 feb *"), Err(CronError::Never));
        for (text, wrong) in [
            ("60 * * * *", "minute"),
            ("-1 * * * *", "minute"),
            ("+1 * * * *", "minute"),
            ("*/0 * * * *", "minute"),
            ("5/10 * * * *", "minute"),
            ("1,,2 * * * *", "minute"),
            ("* 24 * * *", "hour"),
            ("* 5-3 * * *", "hour"),
            ("* * 0 * *", "day of the month"),
            ("* * L * *", "day of the month"),
            ("* * * jum *", "month"),
            ("* * * * 8", "day of the week"),
            ("* * * * 5#2", "day of the week"),
        ] {
            let found = Cron::parse(text);
            assert!(
                matches!(&found, Err(CronError::Field { field, .. }) if *field == wrong),
                "{text}: {found:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn last_and_next_lie_around_a_minute_with_none_between(
            minutes in 0_u64..1 << 60,
            hours in 0_u64..1 << 24,
            days in 0_u64..1 << 31,
            weekdays in 1_u64..1 << 7,
            from in -1_000_000_i64..60_000_000,
            either_day: bool,
        ) {
            let cron = Cron {
                minutes: minutes | 1 << 17,
                hours: hours | 1 << 3,
                days: (days | 1 << 9) << 1,
                months: 0x1ffe,
                weekdays,
                either_day,
            };
            let fits = |minute: i64| {
                let day = minute.div_euclid(DAY_MINUTES);
                let in_day = u32::try_from(minute.rem_euclid(DAY_MINUTES)).expect("small");
                cron.fits(Date::of(day), day)
                    && holds(cron.hours, in_day / 60)
                    && holds(cron.minutes, in_day % 60)
            };
            let last = cron.last_until(from).expect("some day fits");
            let next = cron.next_after(from).expect("some day fits");
            prop_assert!(last <= from && fits(last) && next > from && fits(next));
            let near = (last + 1).max(from - 3_000)..next.min(from + 3_000);
            prop_assert!(near.into_iter().all(|between| !fits(between)));
        }

        #[test]
        fn any_text_is_taken_or_refused(text in "[-0-9*/, a-fsu]{0,30}") {
            if let Ok(cron) = Cron::parse(&text) {
                prop_assert!(cron.next_after(0) > Some(0));
            }
        }
    }
}
