//! Boards as the fake backend takes them.

use huntcore_model::{BoardClock, BoardDefinition, TimeMicros, WindowRule, Zone, ZoneOffset};
use huntcore_wire::{BoardSpec, ClockName, DurationText, WindowText};

/// The definition without a look at the tz database, and without any check.
pub(super) fn definition(spec: &BoardSpec) -> BoardDefinition {
    let zone = || Zone {
        name: spec.zone.clone().unwrap_or_else(|| "UTC".to_owned()),
        offsets: vec![ZoneOffset {
            from: TimeMicros::ZERO,
            seconds: 0,
        }],
    };
    BoardDefinition {
        name: spec.name,
        from: spec.from.into(),
        operator: spec.operator.into(),
        order: spec.order.into(),
        window: match &spec.window {
            WindowText::Whole => WindowRule::Whole,
            WindowText::Length(length) => WindowRule::Tumbling {
                length_ms: length.millis(),
            },
            WindowText::Calendar(unit) => WindowRule::Calendar {
                unit: *unit,
                zone: zone(),
            },
            WindowText::Cron(cron) => WindowRule::Cron {
                expression: cron.clone(),
                zone: zone(),
            },
        },
        clock: match spec.time {
            ClockName::Server => BoardClock::Server,
            ClockName::Event => BoardClock::Event {
                lateness_ms: spec.lateness.map_or(0, DurationText::millis),
            },
        },
        event_types: spec.event_types.clone(),
        keep_ms: spec.keep.map_or(60_000, DurationText::millis),
        results: spec.results.unwrap_or(0),
    }
}
