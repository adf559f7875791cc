//! An edge process's figures, for `/v1/stats` and `/metrics`; the edge adds its own.

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use huntcore_edge::{Backend as _, process_memory_bytes};
use huntcore_model::Position;
use huntcore_wire::{ProjectionStats, Stats, Timestamp};

use crate::relay::Relay;

/// What `/v1/stats` says; attempts and connections are the edge's to count.
pub(crate) fn stats(relay: &Relay) -> Stats {
    let behind = (
        behind(relay, &relay.views.newest().position),
        relay.views.lag(),
    );
    Stats {
        server_time: Timestamp::new(relay.now()),
        uptime_s: relay.started.elapsed().as_secs_f64(),
        projections: projections(relay),
        memory_bytes: process_memory_bytes(),
        components: relay.views.work.components(behind.0, behind.1).into(),
        ..Stats::default()
    }
}

/// Appends metrics in Prometheus' text format.
pub(crate) fn render(relay: &Relay, out: &mut String) {
    let (link, forwarded) = (&relay.link, &relay.forwarded);
    let mut page = Page(out);
    let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    page.gauge(
        "huntcore_upstream_up",
        "1 while the upstream's log is followed.",
        u64::from(link.is_up()),
    );
    page.counter(
        "huntcore_upstream_losses_total",
        "How often the upstream was lost.",
        of(&link.losses_total),
    );
    let lost_for = link.loss().map_or(Duration::ZERO, |(since, _)| since);
    page.gauge(
        "huntcore_upstream_lost_seconds",
        "For how long the upstream has been lost; 0 while it is followed.",
        lost_for.as_secs_f64(),
    );
    page.counter(
        "huntcore_upstream_batches_total",
        "Batches that came from the upstream.",
        of(&link.batches_total),
    );
    page.counter(
        "huntcore_upstream_bytes_total",
        "Bytes of its log that came from the upstream.",
        of(&link.bytes_total),
    );
    page.gauge(
        "huntcore_upstream_waiting_bytes",
        "Bytes that came from the upstream and are not yet folded.",
        relay.inflow.waiting_bytes(),
    );
    page.counter(
        "huntcore_forwarded_attempts_total",
        "Attempts sent to the upstream.",
        of(&forwarded.attempts_total),
    );
    page.counter(
        "huntcore_forwarded_batches_total",
        "Batches that they were sent in.",
        of(&forwarded.batches_total),
    );
    page.counter(
        "huntcore_forwarded_unknown_total",
        "Attempts sent whose outcome was lost with the upstream.",
        of(&forwarded.unknown_total),
    );
    page.counter(
        "huntcore_forwarded_seconds_total",
        "From an attempt's arrival here to its outcome, all of them together.",
        Duration::from_micros(of(&forwarded.micros_total)).as_secs_f64(),
    );
    page.gauge(
        "huntcore_memory_bytes",
        "Memory that the process holds.",
        process_memory_bytes(),
    );
    let projections = projections(relay);
    page.labelled(
        "huntcore_projection_lag_records",
        "Records committed at the upstream, as it last told, and not yet shown here.",
        projections.iter().map(|p| (&*p.name, p.lag_records as f64)),
    );
    page.labelled(
        "huntcore_projection_lag_seconds",
        "From a batch's time to its being shown.",
        projections.iter().map(|p| (&*p.name, p.lag_ms / 1_000.0)),
    );
    page.0
        .push_str(&huntcore_projection::board_metrics(&relay.views));
}

/// How far what is shown here is behind the upstream's log.
fn projections(relay: &Relay) -> Vec<ProjectionStats> {
    let views = &relay.views;
    let shown = behind(relay, &views.newest().position);
    // For how long something has been told of that is not shown.
    let waits = relay.link.behind().unwrap_or_default();
    let stats = |name: &str, lag_records: u64, last: Duration| {
        let waits = if lag_records > 0 {
            waits
        } else {
            Duration::ZERO
        };
        ProjectionStats {
            name: name.to_owned(),
            lag_ms: waits.max(last).as_secs_f64() * 1_000.0,
            lag_records,
        }
    };
    vec![
        // Folded and published with the boards.
        stats("catalog", shown, views.lag()),
        stats("boards", shown, views.lag()),
        stats("broadcast", behind(relay, &views.told()), views.told_lag()),
    ]
}

/// Records that the upstream has told of and that come after `shown`.
fn behind(relay: &Relay, shown: &Position) -> u64 {
    let ends = relay.link.ends();
    let behind = ends
        .streams()
        .map(|(shard, end)| end.get().saturating_sub(shown.next(shard).get()));
    behind.sum()
}

struct Page<'a>(&'a mut String);

impl Page<'_> {
    fn line(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        writeln!(
            self.0,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
        )
        .expect("a String grows");
    }

    fn labelled<'a>(
        &mut self,
        name: &str,
        help: &str,
        values: impl Iterator<Item = (&'a str, f64)>,
    ) {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge").expect("a String grows");
        for (projection, value) in values {
            writeln!(self.0, "{name}{{projection=\"{projection}\"}} {value}")
                .expect("a String grows");
        }
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.line(name, "counter", help, value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.line(name, "gauge", help, value);
    }
}
