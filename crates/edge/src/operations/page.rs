//! The components' part of `/metrics`.

use std::fmt::{Display, Write as _};

use huntcore_wire::ComponentStats;

/// Appends one family after the other, each with every part.
pub(super) fn render(parts: &[ComponentStats], out: &mut String) {
    let mut family =
        |name: &str, kind: &str, help: &str, value: &dyn Fn(&ComponentStats) -> Option<Value>| {
            let name = format!("huntcore_component_{name}");
            // Nothing goes wrong when writing into a String.
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for stats in parts {
                let (component, part) = (&stats.component, &stats.part);
                if let Some(value) = value(stats) {
                    let _ = writeln!(
                        out,
                        "{name}{{component=\"{component}\",part=\"{part}\"}} {value}"
                    );
                }
            }
        };
    // A part of which nothing but its CPU time is known has no other figures.
    let counted = |stats: &ComponentStats, value: Value| (stats.count > 0).then_some(value);
    family(
        "cpu_seconds_total",
        "counter",
        "CPU time of the component's threads, by their own clocks; all together it is the process's.",
        &|stats| Some(Value::Seconds(stats.cpu_s)),
    );
    family(
        "messages_total",
        "counter",
        "Requests, attempts and events, records, or frames that it has dealt with.",
        &|stats| counted(stats, Value::Count(stats.messages_total)),
    );
    family("bytes_total", "counter", "Their bytes.", &|stats| {
        counted(stats, Value::Count(stats.bytes_total))
    });
    family(
        "lag_messages",
        "gauge",
        "Messages that wait for it.",
        &|stats| counted(stats, Value::Count(stats.lag_messages)),
    );
    family(
        "lag_seconds",
        "gauge",
        "How long messages wait for it.",
        &|stats| counted(stats, Value::Seconds(stats.lag_s)),
    );
}

enum Value {
    Count(u64),
    Seconds(f64),
}

impl Display for Value {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => count.fmt(formatter),
            Self::Seconds(seconds) => seconds.fmt(formatter),
        }
    }
}
