//! From what operators write of boards to definitions that can be folded for ever.
//!
//! Here a time zone is looked up, once: what is known of its offsets becomes part of the
//! definition, and no fold ever asks the tz database.

use huntcore_board::{DefinitionError, check_definition};
use huntcore_model::{
    BoardClock, BoardDefinition, BoardName, HuntEntry, TimeMicros, WindowRule, ZONE_OFFSETS_MAX,
    Zone, ZoneOffset,
};
use huntcore_wire::{BoardSpec, ClockName, DurationText, WindowText};
use jiff::tz::TimeZone;

/// So far back from its definition a board's zone is known exactly: events may be that old.
const ZONE_BACK_MS: u64 = 366 * 86_400_000;
/// And so far ahead: boards of hunts that are to last.
const ZONE_AHEAD_MS: u64 = 30 * 366 * 86_400_000;

const KEEP_MS_MIN: u64 = 1_000;
const KEEP_MS_MAX: u64 = 400 * 86_400_000;
/// How long windows are kept if nothing is said: those shorter than a minute,
const KEEP_SHORT_MS: u64 = 3_600_000;
/// other windows of fixed length,
const KEEP_MS: u64 = 86_400_000;
/// and those of a calendar.
const KEEP_CALENDAR_MS: u64 = 30 * 86_400_000;

/// Why no board can be made of what an operator wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("board {board}: {field} {reason}")]
pub struct BoardFault {
    /// Which of the boards, from 0.
    pub index: usize,
    /// Its name.
    pub board: BoardName,
    /// Which of its fields.
    pub field: &'static str,
    /// What is wrong with it, and what is expected.
    pub reason: String,
}

/// The definitions as of `now`.
pub(crate) fn of_specs(
    specs: &[BoardSpec],
    now: TimeMicros,
) -> Result<Vec<BoardDefinition>, BoardFault> {
    let define = |(index, spec): (usize, &BoardSpec)| {
        of_spec(spec, now).map_err(|(field, reason)| BoardFault {
            index,
            board: spec.name,
            field,
            reason,
        })
    };
    specs.iter().enumerate().map(define).collect()
}

/// Whether a hunt has just the boards that are written there.
#[must_use]
pub fn has_boards(hunt: &HuntEntry, specs: &[BoardSpec]) -> bool {
    let Ok(written) = of_specs(specs, hunt.created_at) else {
        return false;
    };
    let is_known = |board: &BoardDefinition| {
        let mut known = hunt.boards.iter();
        known.any(|known| huntcore_engine::are_defined_alike(&known.definition, board))
    };
    written.len() == hunt.boards.len() && written.iter().all(is_known)
}

type Fault = (&'static str, String);

fn of_spec(spec: &BoardSpec, now: TimeMicros) -> Result<BoardDefinition, Fault> {
    let fault = |field, reason: &str| Err((field, reason.to_owned()));
    if spec.name.is_built_in() {
        return fault("name", "is that of a board which every hunt has");
    }
    let zone = || zone_of(spec.zone.as_deref().unwrap_or("UTC"), now);
    let window = match &spec.window {
        WindowText::Whole => WindowRule::Whole,
        WindowText::Length(length) => WindowRule::Tumbling {
            length_ms: length.millis(),
        },
        WindowText::Calendar(unit) => WindowRule::Calendar {
            unit: *unit,
            zone: zone()?,
        },
        WindowText::Cron(expression) => WindowRule::Cron {
            expression: expression.clone(),
            zone: zone()?,
        },
    };
    if spec.zone.is_some() && matches!(window, WindowRule::Whole | WindowRule::Tumbling { .. }) {
        return fault(
            "zone",
            "is only for windows of a day, a week, a month or a cron expression: leave it out",
        );
    }
    let has_windows = window != WindowRule::Whole;
    if !has_windows && spec.keep.is_some() {
        return fault(
            "keep",
            "is how long windows stay readable, and the whole hunt is none: leave it out",
        );
    }
    let clock = match (spec.time, spec.lateness) {
        (ClockName::Server, None) => BoardClock::Server,
        (ClockName::Server, Some(_)) => {
            return fault(
                "lateness",
                "needs time = \"event\": by the server's own time nothing is late",
            );
        }
        (ClockName::Event, lateness) => BoardClock::Event {
            lateness_ms: lateness.map_or(0, DurationText::millis),
        },
    };
    let keep_ms = match (spec.keep, &window) {
        (Some(keep), _) => keep.millis(),
        (None, WindowRule::Whole) => 0,
        (None, WindowRule::Tumbling { length_ms }) if *length_ms < 60_000 => KEEP_SHORT_MS,
        (None, WindowRule::Tumbling { .. }) => KEEP_MS,
        (None, WindowRule::Calendar { .. } | WindowRule::Cron { .. }) => KEEP_CALENDAR_MS,
    };
    if spec.keep.is_some() && !(KEEP_MS_MIN..=KEEP_MS_MAX).contains(&keep_ms) {
        return Err((
            "keep",
            format!("is {keep_ms} ms, expected one second to 400 days"),
        ));
    }
    let definition = BoardDefinition {
        name: spec.name,
        from: spec.from.into(),
        operator: spec.operator.into(),
        order: spec.order.into(),
        window,
        clock,
        event_types: spec.event_types.clone(),
        keep_ms,
        results: spec.results.unwrap_or(BoardSpec::RESULTS),
    };
    check_definition(&definition).map_err(|error| match error {
        DefinitionError::Field(fault) => (fault.field, fault.reason),
        DefinitionError::Cron(fault) => ("window", fault.to_string()),
        DefinitionError::Lateness { .. } => ("lateness", format!("is too long: {error}")),
    })?;
    Ok(definition)
}

/// A zone as the tz database knows it: its offsets from a year ago on, for thirty years.
fn zone_of(name: &str, now: TimeMicros) -> Result<Zone, Fault> {
    let unknown = || {
        let reason = format!(
            "{name:?} is no time zone of the tz database, whose names look like Europe/Berlin"
        );
        ("zone", reason)
    };
    let zone = TimeZone::get(name).map_err(|_| unknown())?;
    let name = zone
        .iana_name()
        .filter(|_| !zone.is_unknown())
        .ok_or_else(unknown)?;
    let from = timestamp(now.minus_millis(ZONE_BACK_MS));
    let until = timestamp(now.plus_millis(ZONE_AHEAD_MS));
    let mut offsets = vec![ZoneOffset {
        from: TimeMicros::ZERO,
        seconds: zone.to_offset(from).seconds(),
    }];
    let transitions = zone.following(from);
    for transition in transitions.take_while(|transition| transition.timestamp() < until) {
        let seconds = transition.offset().seconds();
        // Some only change the zone's abbreviation.
        if offsets.last().is_some_and(|last| last.seconds != seconds) {
            let micros = u64::try_from(transition.timestamp().as_microsecond());
            offsets.push(ZoneOffset {
                from: TimeMicros::new(micros.map_err(|_| unknown())?),
                seconds,
            });
        }
    }
    offsets.truncate(ZONE_OFFSETS_MAX);
    Ok(Zone {
        name: name.to_owned(),
        offsets,
    })
}

fn timestamp(time: TimeMicros) -> jiff::Timestamp {
    let micros = i64::try_from(time.get()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use huntcore_model::CalendarUnit;

    use super::*;

    // 2026-11-22T10:00:00Z
    const NOW: TimeMicros = TimeMicros::from_millis(1_795_341_600_000);

    fn spec(rest: &str) -> BoardSpec {
        let json = format!(r#"{{"name":"weekly","from":"events","operator":"sum"{rest}}}"#);
        serde_json::from_str(&json).expect("well-formed")
    }

    #[test]
    fn a_zone_is_looked_up_once_and_then_stands_in_the_definition() {
        let spec = spec(r#","window":"week","zone":"europe/berlin""#);
        let definition = of_spec(&spec, NOW).expect("a zone");
        let WindowRule::Calendar { unit, zone } = &definition.window else {
            panic!("{definition:?}")
        };
        assert_eq!(
            (*unit, zone.name.as_str()),
            (CalendarUnit::Week, "Europe/Berlin")
        );
        let day_ms = 86_400_000;
        let offsets = [0, 200, 200 + 365 * 10 + 2].map(|days| {
            let time = TimeMicros::from_millis(NOW.millis() + days * day_ms);
            zone.offset_at(time)
        });
        assert_eq!(
            offsets,
            [3_600, 7_200, 7_200],
            "winter, summer, a summer in ten years"
        );
        // 2027-03-28T01:00:00Z
        let spring = TimeMicros::from_millis(1_806_195_600_000);
        assert_eq!(zone.offset_at(spring), 7_200);
        assert_eq!(zone.offset_at(TimeMicros::new(spring.get() - 1)), 3_600);
        assert!(
            (60..=64).contains(&zone.offsets.len()),
            "{}",
            zone.offsets.len()
        );
        assert_eq!(definition.keep_ms, KEEP_CALENDAR_MS);
        assert_eq!(definition.results, BoardSpec::RESULTS);
    }

    #[test]
    fn without_a_zone_a_calendar_is_that_of_utc() {
        let definition = of_spec(&spec(r#","window":"day""#), NOW).expect("a board");
        let WindowRule::Calendar { zone, .. } = &definition.window else {
            panic!("{definition:?}")
        };
        assert_eq!((zone.name.as_str(), zone.offsets.len()), ("UTC", 1));
    }

    #[test]
    fn every_zone_of_the_database_can_be_written_down() {
        let mut count = 0;
        for name in jiff::tz::db().available() {
            let zone = zone_of(name.as_str(), NOW);
            let zone = zone.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert!(zone.offsets.len() < ZONE_OFFSETS_MAX, "{name}");
            count += 1;
        }
        assert!(count > 300, "{count} zones");
    }

    #[test]
    fn what_is_shown_of_a_board_defines_it_again() {
        for rest in [
            "",
            r#","window":"10s","order":"ascending""#,
            r#","window":"month","zone":"Asia/Kolkata","keep":"720h","results":7"#,
            r#","window":{"cron":"0 18 * * 5"},"time":"event","lateness":"30s""#,
            r#","window":"1h","time":"event","event_types":["boss"],"results":0"#,
        ] {
            let definition = of_spec(&spec(rest), NOW).expect(rest);
            let shown = BoardSpec::of(&definition);
            assert_eq!(of_spec(&shown, NOW), Ok(definition), "{rest}");
        }
    }

    #[test]
    fn nonsense_is_named_by_its_field() {
        for (rest, field, needle) in [
            (
                r#","window":"day","zone":"Mars/Olympus""#,
                "zone",
                "Mars/Olympus",
            ),
            (
                r#","window":"day","zone":"Etc/Unknown""#,
                "zone",
                "Etc/Unknown",
            ),
            (r#","window":"10s","zone":"UTC""#, "zone", "leave it out"),
            (r#","window":"500ms""#, "window", "one second"),
            (
                r#","window":"10s","lateness":"5s""#,
                "lateness",
                "time = \"event\"",
            ),
            (r#","time":"event""#, "time", "windows"),
            (
                r#","window":"10s","time":"event","lateness":"25h""#,
                "lateness",
                "at most",
            ),
            (
                r#","window":{"cron":"0 0 30 2 *"}"#,
                "window",
                "no day ever",
            ),
            (r#","window":{"cron":"0 18 * *"}"#, "window", "five fields"),
            (
                r#","window":"1s","time":"event","lateness":"24h""#,
                "lateness",
                "too long",
            ),
            (r#","keep":"5s""#, "keep", "leave it out"),
            (r#","window":"10s","keep":"10ms""#, "keep", "400 days"),
            (
                r#","window":"10s","results":1001"#,
                "results",
                "at most 1000",
            ),
        ] {
            let (found, reason) = of_spec(&spec(rest), NOW).expect_err(rest);
            assert_eq!(found, field, "{rest}: {reason}");
            assert!(reason.contains(needle), "{rest}: {reason}");
        }
        let mut taken = spec("");
        taken.name = BoardName::BEST;
        let fault = of_specs(&[spec(""), taken], NOW).expect_err("taken");
        assert_eq!((fault.index, fault.field), (1, "name"));
    }
}
