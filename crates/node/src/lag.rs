//! How far those who read the log are behind it, for `/v1/stats` and `/metrics`.

use std::time::Duration;

use huntcore_model::{Position, TimeMicros};
use huntcore_wire::ProjectionStats;

use crate::node::Node;

/// How far somebody is behind the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lag {
    /// Records that are durable and not yet dealt with.
    pub(crate) records: u64,
    /// How long ago the oldest of them was written; of somebody so far behind that memory does
    /// not hold it, at least so long.
    pub(crate) age: Duration,
}

/// Every reader of the log by its name, and how far it is behind.
pub(crate) fn projections(node: &Node) -> Vec<ProjectionStats> {
    let view = node.views.newest();
    let shown = of(node, &view.position);
    let told = of(node, &node.views.told());
    let boards = stats("boards", shown, node.views.lag());
    let mut all = vec![
        // Folded and published with the boards.
        stats("catalog", shown, node.views.lag()),
        boards,
        stats("broadcast", told, node.views.told_lag()),
    ];
    all.extend(followers(node).map(|lag| stats("followers", lag, Duration::ZERO)));
    all.extend(node.sinks.projections(node));
    all
}

/// The furthest behind of those who follow, if any does.
fn followers(node: &Node) -> Option<Lag> {
    let sent = node.followers.sent();
    let lags = sent.iter().map(|position| of(node, position));
    lags.reduce(|one, other| Lag {
        records: one.records.max(other.records),
        age: one.age.max(other.age),
    })
}

/// How far whoever stands at `position` is behind the log.
pub(crate) fn of(node: &Node, position: &Position) -> Lag {
    let (records, since) = node.recent.behind(position);
    let now = node.clock.now();
    Lag {
        records,
        age: since.map_or(Duration::ZERO, |since: TimeMicros| {
            Duration::from_micros(now.micros_since(since))
        }),
    }
}

fn stats(name: &str, lag: Lag, last: Duration) -> ProjectionStats {
    ProjectionStats {
        name: name.to_owned(),
        lag_ms: lag.age.max(last).as_secs_f64() * 1_000.0,
        lag_records: lag.records,
    }
}
