//! Days, weeks and months of the Gregorian calendar, as numbers.
//!
//! Days count from 1970-01-01, months from January 1970. Years before and after work alike, so
//! that local times around the epoch need no care.

/// Days in four hundred years, after which the calendar repeats.
const CYCLE_DAYS: i64 = 146_097;
/// From 0000-03-01 to 1970-01-01. Counting years from March puts the leap day last.
const EPOCH_DAYS: i64 = 719_468;
/// 1970-01-01 was the fourth day of its week, which began on Monday.
const EPOCH_WEEKDAY_FROM_MONDAY: i64 = 3;

/// A day's place in the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    /// Months since January 1970.
    pub(super) month: i64,
    /// From 1.
    pub(super) day: u32,
}

impl Date {
    /// Which day of the calendar a day is.
    pub(super) const fn of(day: i64) -> Self {
        let shifted = day + EPOCH_DAYS;
        let cycle = shifted.div_euclid(CYCLE_DAYS);
        let in_cycle = shifted.rem_euclid(CYCLE_DAYS);
        let year =
            (in_cycle - in_cycle / 1_460 + in_cycle / 36_524 - in_cycle / (CYCLE_DAYS - 1)) / 365;
        let in_year = in_cycle - (365 * year + year / 4 - year / 100);
        let month_from_march = (5 * in_year + 2) / 153;
        let day = in_year - (153 * month_from_march + 2) / 5 + 1;
        let months = (cycle * 400 + year) * 12 + month_from_march + 2;
        Self {
            month: months - 1_970 * 12,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a day of a month is 1 to 31"
            )]
            day: day as u32,
        }
    }

    /// From 1 for January.
    pub(super) fn month_of_year(self) -> u32 {
        u32::try_from(self.month.rem_euclid(12)).expect("below 12") + 1
    }
}

/// The first day of a month.
pub(super) const fn first_of_month(month: i64) -> i64 {
    let months = month + 1_970 * 12 - 2;
    let (year, from_march) = (months.div_euclid(12), months.rem_euclid(12));
    let (cycle, in_cycle) = (year.div_euclid(400), year.rem_euclid(400));
    let days = 365 * in_cycle + in_cycle / 4 - in_cycle / 100 + (153 * from_march + 2) / 5;
    cycle * CYCLE_DAYS + days - EPOCH_DAYS
}

/// The week that a day is in; weeks begin on Monday.
pub(super) const fn week_of(day: i64) -> i64 {
    (day + EPOCH_WEEKDAY_FROM_MONDAY).div_euclid(7)
}

/// The Monday of a week.
pub(super) const fn first_of_week(week: i64) -> i64 {
    week * 7 - EPOCH_WEEKDAY_FROM_MONDAY
}

/// The day of the week, from 0 for Sunday.
pub(super) fn weekday(day: i64) -> u32 {
    u32::try_from((day + EPOCH_WEEKDAY_FROM_MONDAY + 1).rem_euclid(7)).expect("below 7")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_known_from_a_calendar_have_their_dates() {
        for (day, year, month, of_month, of_week) in [
            (0, 1970, 1, 1, 4),
            (-1, 1969, 12, 31, 3),
            (11_016, 2000, 2, 29, 2),
            (19_782, 2024, 2, 29, 4),
            (20_757, 2026, 10, 31, 6),
            (47_540, 2100, 2, 28, 0),
            (47_541, 2100, 3, 1, 1),
        ] {
            let date = Date::of(day);
            let found = (
                1970 + date.month.div_euclid(12),
                date.month_of_year(),
                date.day,
            );
            assert_eq!(found, (year, month, of_month), "day {day}");
            assert_eq!(weekday(day), of_week, "day {day}");
        }
    }

    #[test]
    fn every_day_of_a_thousand_years_follows_the_one_before() {
        let mut before = Date::of(-1);
        for day in 0..366_000 {
            let date = Date::of(day);
            let next_day = date.month == before.month && date.day == before.day + 1;
            let next_month = date.month == before.month + 1 && date.day == 1;
            assert!(next_day || (next_month && before.day >= 28), "day {day}");
            if next_month {
                assert_eq!(first_of_month(date.month), day);
            }
            assert!((first_of_week(week_of(day))..).contains(&day));
            assert_eq!(
                weekday(first_of_week(week_of(day))),
                1,
                "weeks begin on Monday"
            );
            before = date;
        }
    }
}
