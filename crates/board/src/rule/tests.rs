//! Windows over changes of clocks, gaps and repeated hours.

use huntcore_model::{BoardClock, ZoneOffset};
use proptest::prelude::*;

use super::*;

const HOUR: u64 = 3_600;

fn zone(offsets: &[(u64, i32)]) -> Zone {
    let offset = |&(from, seconds): &(u64, i32)| ZoneOffset {
        from: TimeMicros::new(from * 1_000_000),
        seconds,
    };
    Zone {
        name: "Test/Zone".to_owned(),
        offsets: offsets.iter().map(offset).collect(),
    }
}

fn seconds(span: Span) -> (u64, u64) {
    (span.start.get() / 1_000_000, span.end.get() / 1_000_000)
}

fn span(rule: &Rule, second: u64) -> (u64, u64) {
    seconds(rule.span(TimeMicros::new(second * 1_000_000)))
}

fn calendar(unit: CalendarUnit, offsets: &[(u64, i32)]) -> Rule {
    Rule::Calendar {
        unit,
        zone: zone(offsets),
    }
}

fn cron(expression: &str, offsets: &[(u64, i32)]) -> Rule {
    Rule::Cron {
        cron: Cron::parse(expression).expect("valid"),
        zone: zone(offsets),
    }
}

/// Central European time in 2026: +1 h, from 29 March 01:00 UTC +2 h, from 25 October +1 h.
const SPRING: u64 = 1_774_746_000;
const AUTUMN: u64 = 1_792_890_000;
const BERLIN: [(u64, i32); 3] = [(0, 3_600), (SPRING, 7_200), (AUTUMN, 3_600)];

#[test]
fn tumbling_windows_count_from_the_epoch() {
    let rule = Rule::Tumbling {
        length_micros: 7_000_000,
    };
    assert_eq!(span(&rule, 13), (7, 14));
    assert_eq!(span(&rule, 14), (14, 21));
}

#[test]
fn a_day_is_shorter_or_longer_when_clocks_change() {
    let rule = calendar(CalendarUnit::Day, &BERLIN);
    let spring_midnight = SPRING - 2 * HOUR;
    assert_eq!(
        span(&rule, SPRING),
        (spring_midnight, spring_midnight + 23 * HOUR)
    );
    let autumn_midnight = AUTUMN - 3 * HOUR;
    // Both times at which clocks show half past two.
    for second in [AUTUMN - HOUR / 2, AUTUMN + HOUR / 2] {
        assert_eq!(
            span(&rule, second),
            (autumn_midnight, autumn_midnight + 25 * HOUR)
        );
    }
}

#[test]
fn weeks_begin_on_monday_and_months_on_the_first() {
    // 29 March 2026 is a Sunday.
    let week = calendar(CalendarUnit::Week, &BERLIN);
    let monday = SPRING - 2 * HOUR - 6 * 24 * HOUR;
    assert_eq!(span(&week, SPRING), (monday, monday + 7 * 24 * HOUR - HOUR));
    assert_eq!(
        span(&week, monday + 7 * 24 * HOUR - HOUR).0,
        monday + 7 * 24 * HOUR - HOUR
    );
    let month = calendar(CalendarUnit::Month, &BERLIN);
    let first = SPRING - 2 * HOUR - 28 * 24 * HOUR;
    assert_eq!(span(&month, SPRING), (first, first + 31 * 24 * HOUR - HOUR));
}

#[test]
fn a_midnight_that_does_not_come_is_where_clocks_change() {
    // At what would be midnight clocks are put to one o'clock.
    let rule = calendar(CalendarUnit::Day, &[(0, 0), (10 * 24 * HOUR, 3_600)]);
    let change = 10 * 24 * HOUR;
    assert_eq!(span(&rule, change - 1), (9 * 24 * HOUR, change));
    assert_eq!(span(&rule, change), (change, change + 23 * HOUR));
}

#[test]
fn a_midnight_that_comes_twice_counts_the_first_time() {
    // At half past midnight clocks are put back to half past eleven.
    let change = 10 * 24 * HOUR + HOUR / 2;
    let rule = calendar(CalendarUnit::Day, &[(0, 0), (change, -3_600)]);
    let day = (10 * 24 * HOUR, 11 * 24 * HOUR + HOUR);
    for second in [
        day.0,
        change - 1,
        change,
        change + HOUR / 2 - 1,
        change + HOUR,
        day.1 - 1,
    ] {
        assert_eq!(span(&rule, second), day, "{second}");
    }
    assert_eq!(span(&rule, day.0 - 1), (9 * 24 * HOUR, day.0));
}

#[test]
fn a_day_that_is_left_out_has_no_window() {
    // Across the date line: a whole day is skipped.
    let change = 10 * 24 * HOUR;
    let rule = calendar(CalendarUnit::Day, &[(0, 0), (change, 24 * 3_600)]);
    assert_eq!(span(&rule, change - 1), (change - 24 * HOUR, change));
    assert_eq!(span(&rule, change), (change, change + 24 * HOUR));
    assert_eq!(Date::of(10).day + 1, Date::of(11).day);
}

#[test]
fn a_cron_reset_in_a_gap_comes_with_the_change_and_in_a_fold_once() {
    let rule = cron("30 2 * * *", &BERLIN);
    // Half past two does not come on 29 March: the change stands in for it.
    assert_eq!(span(&rule, SPRING).0, SPRING);
    assert_eq!(span(&rule, SPRING - 1).1, SPRING);
    // On 25 October it comes twice, and counts the first time.
    let first = AUTUMN - HOUR / 2;
    for second in [first, AUTUMN, AUTUMN + HOUR / 2, AUTUMN + HOUR] {
        assert_eq!(span(&rule, second), (first, first + 25 * HOUR));
    }
}

#[test]
fn windows_before_the_first_reset_after_the_epoch_begin_with_the_epoch() {
    let rule = cron("0 0 1 1 *", &[(0, -3_600)]);
    assert_eq!(span(&rule, 0), (0, HOUR));
}

#[test]
fn definitions_that_make_no_board_are_refused() {
    let [total, _, second] = BoardDefinition::built_in();
    let cron = |expression: &str| BoardDefinition {
        window: WindowRule::Cron {
            expression: expression.to_owned(),
            zone: zone(&[(0, 0)]),
        },
        ..total.clone()
    };
    assert_eq!(
        check_definition(&cron("0 0 30 2 *")),
        Err(DefinitionError::Cron(CronError::Never))
    );
    let four = cron("0 4 * * *");
    assert_eq!(check_definition(&four), Ok(()));
    let at = |hours: u64| TimeMicros::from_millis(hours * 3_600_000);
    assert_eq!(window_of(&four.window, at(5)), Some((at(4), at(28))));
    assert_eq!(window_of(&total.window, at(5)), None);
    let late = |lateness_ms| BoardDefinition {
        clock: BoardClock::Event { lateness_ms },
        ..second.clone()
    };
    assert_eq!(check_definition(&late(1_440_000)), Ok(()));
    assert_eq!(
        check_definition(&late(1_440_001)),
        Err(DefinitionError::Lateness {
            lateness_ms: 1_440_001,
            length_ms: 1_000
        })
    );
    assert!(matches!(
        check_definition(&late(100_000_000)),
        Err(DefinitionError::Field(_))
    ));
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let offsets = proptest::collection::vec((1_u64..40 * 24 * HOUR, -12_i32..=14), 0..5);
    let zone = offsets.prop_map(|mut offsets| {
        offsets.sort_unstable();
        offsets.dedup_by_key(|offset| offset.0);
        let later = offsets.iter().map(|&(from, hours)| (from, hours * 1_800));
        zone(&std::iter::once((0, 0)).chain(later).collect::<Vec<_>>())
    });
    let expression = prop_oneof![
        Just("*/7 * * * *"),
        Just("0 */5 * * *"),
        Just("30 2 * * *"),
        Just("15 0 * * mon,thu"),
        Just("0 12 5,20 * *"),
    ];
    let unit = prop_oneof![
        Just(CalendarUnit::Day),
        Just(CalendarUnit::Week),
        Just(CalendarUnit::Month)
    ];
    prop_oneof![
        (unit, zone.clone()).prop_map(|(unit, zone)| Rule::Calendar { unit, zone }),
        (expression, zone).prop_map(|(expression, zone)| Rule::Cron {
            cron: Cron::parse(expression).expect("valid"),
            zone
        }),
        (1_u64..9_000_000_000).prop_map(|length_micros| Rule::Tumbling { length_micros }),
    ]
}

proptest! {
    #[test]
    fn windows_cut_time_without_gap_or_overlap(rule in any_rule(), from in 0_u64..45 * 24 * HOUR) {
        let mut time = TimeMicros::new(from * 1_000_000 + 123_456);
        for _ in 0..20 {
            let span = rule.span(time);
            prop_assert!(span.contains(time), "{span:?} at {time:?}");
            let last = TimeMicros::new(span.end.get() - 1);
            for within in [span.start, last] {
                prop_assert_eq!(rule.span(within), span);
            }
            let next = rule.span(span.end);
            prop_assert_eq!(next.start, span.end);
            time = TimeMicros::new(span.end.get() + (next.end.get() - next.start.get()) / 3);
        }
    }
}
