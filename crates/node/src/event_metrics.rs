//! What is measured of score events that have left memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use huntcore_event_keys::{PublishedRuns, Runs};

use crate::metrics::Page;
use crate::node::Node;

/// Appends the metrics of all shards together.
pub(crate) fn render(node: &Node, page: &mut Page<'_>) {
    let runs: Vec<Arc<Runs>> = node.runs.iter().map(PublishedRuns::now).collect();
    let sum = |of: fn(&Runs) -> u64| runs.iter().map(|runs| of(runs)).sum();
    page.gauge(
        "huntcore_event_keys",
        "Score events whose identities stand on disk.",
        sum(Runs::events),
    );
    page.gauge(
        "huntcore_event_key_runs",
        "Runs that they stand in: what a look-up has to ask.",
        sum(|runs| runs.all().len() as u64),
    );
    page.gauge(
        "huntcore_event_keys_memory_bytes",
        "Memory for finding them.",
        sum(Runs::memory_bytes),
    );
    page.gauge(
        "huntcore_event_keys_disk_bytes",
        "Disk that they take.",
        sum(Runs::file_bytes),
    );
    let gauge = &node.event_gauge;
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    for (name, help, counter) in [
        (
            "huntcore_event_look_ups_total",
            "Score events looked up before they were decided.",
            &gauge.events_total,
        ),
        (
            "huntcore_event_look_ups_repeated_total",
            "Requests looked up again, because events had left memory meanwhile.",
            &gauge.repeated_total,
        ),
        (
            "huntcore_event_key_pages_read_total",
            "Pages read for look-ups.",
            &gauge.pages_read_total,
        ),
        (
            "huntcore_event_key_runs_written_total",
            "Runs written down.",
            &gauge.written_total,
        ),
        (
            "huntcore_event_key_runs_merged_total",
            "Runs made of others.",
            &gauge.merged_total,
        ),
        (
            "huntcore_event_key_failures_total",
            "Tries at writing or merging that failed and are repeated.",
            &gauge.failures_total,
        ),
    ] {
        page.counter(name, help, load(counter));
    }
}
