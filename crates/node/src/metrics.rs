//! A node's figures, for `/v1/stats` and `/metrics`.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use huntcore_capacity::{Component, Part};
use huntcore_edge::{Backend as _, process_memory_bytes};
use huntcore_log::LogUsage;
use huntcore_model::ShardId;
use huntcore_wire::{ComponentStats, LogStats, ProjectionStats, Stats, Timestamp};

use crate::event_metrics;
use crate::lag;
use crate::node::Node;
use crate::retained;

const LATENCY_BOUNDS_MICROS: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 5_000_000,
];

/// What `/v1/stats` says; attempts and connections are the edge's to count.
pub(crate) fn stats(node: &Node) -> Stats {
    let latency = node.gauge.latency();
    let usage = usage(node);
    Stats {
        server_time: Timestamp::new(node.clock.now()),
        uptime_s: node.gauge.started.elapsed().as_secs_f64(),
        events_total: node.gauge.events_accepted.load(Ordering::Relaxed),
        claim_p50_ms: latency.p50_ms,
        claim_p99_ms: latency.p99_ms,
        projections: lag::projections(node),
        log: LogStats {
            bytes: usage.bytes,
            batches_total: usage.batches_total,
            syncs_total: usage.syncs_total,
        },
        retention: Some(retained::stats(node, &usage)),
        memory_bytes: process_memory_bytes(),
        components: components(node),
        ..Stats::default()
    }
}

/// What this process has besides its edge.
fn components(node: &Node) -> Vec<ComponentStats> {
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let of_shards = |part: Part| ComponentStats {
        component: part.component().map_or("", Component::name).to_owned(),
        part: part.name().to_owned(),
        count: u32::from(node.config.shards.count()),
        ..ComponentStats::default()
    };
    let stored = load(&node.gauge.records_stored);
    let deciding = ComponentStats {
        messages_total: node.gauge.attempts_answered() + load(&node.gauge.events_accepted),
        lag_messages: queued(node),
        lag_s: node.gauge.latency().p50_ms / 1_000.0,
        ..of_shards(Part::Deciding)
    };
    let writing = ComponentStats {
        messages_total: stored,
        bytes_total: node.recent.bytes_total(),
        lag_messages: load(&node.gauge.records_submitted).saturating_sub(stored),
        ..of_shards(Part::Writing)
    };
    let folding = node
        .views
        .work
        .components(lag_records(node), node.views.lag());
    let sinking = node.sinks.component(node);
    let all = [deciding, writing].into_iter().chain(folding);
    all.chain(sinking).collect()
}

/// Attempts and events that wait for a decision or for its being durable.
fn queued(node: &Node) -> u64 {
    let shards = (0..).zip(node.doors.shards());
    let queued =
        shards.map(|(shard, door)| door.queued() + node.entrance.waiting(ShardId::new(shard)));
    queued.sum::<usize>() as u64
}

/// Appends a node's metrics in Prometheus' text format.
pub(crate) fn render(node: &Node, out: &mut String) {
    let usage = usage(node);
    let mut page = Page(out);
    page.counter(
        "huntcore_events_total",
        "Score events accepted.",
        node.gauge.events_accepted.load(Ordering::Relaxed),
    );
    page.counter(
        "huntcore_log_batches_total",
        "Batches committed.",
        usage.batches_total,
    );
    page.counter(
        "huntcore_log_syncs_total",
        "Syncs of the log.",
        usage.syncs_total,
    );
    page.gauge(
        "huntcore_log_bytes",
        "Space that the log takes.",
        usage.bytes,
    );
    if let Some(free) = usage.free_bytes {
        page.gauge("huntcore_log_free_bytes", "Space left for the log.", free);
    }
    retained::render(node, &usage, &mut page);
    page.gauge(
        "huntcore_storage_full",
        "1 while new work is refused for lack of space.",
        u64::from(node.storage_full.load(Ordering::Relaxed)),
    );
    page.gauge(
        "huntcore_memory_bytes",
        "Memory that the process holds.",
        process_memory_bytes(),
    );
    projections(&lag::projections(node), &mut page);
    page.0
        .push_str(&huntcore_projection::board_metrics(&node.views));
    page.gauge(
        "huntcore_log_followers",
        "Edge processes that follow the log here.",
        node.followers.count() as u64,
    );
    page.gauge(
        "huntcore_trail_readers",
        "Who reads hunts' events here.",
        node.trails.readers() as u64,
    );
    page.counter(
        "huntcore_trail_events_total",
        "Events that they were sent.",
        node.trails.events_total(),
    );
    page.counter(
        "huntcore_trail_bytes_total",
        "Bytes of them.",
        node.trails.bytes_total(),
    );
    page.head(
        "huntcore_queued",
        "gauge",
        "Attempts and events that wait for a shard's decision or its being durable.",
    );
    for (shard, door) in (0..).zip(node.doors.shards()) {
        page.line(
            "huntcore_queued",
            &format!("{{shard=\"{shard}\"}}"),
            door.queued() + node.entrance.waiting(ShardId::new(shard)),
        );
    }
    event_metrics::render(node, &mut page);
    node.sinks.render(node, &mut page);
    latency(node, &mut page);
}

/// How far each projection is behind.
fn projections(projections: &[ProjectionStats], page: &mut Page<'_>) {
    let name = "huntcore_projection_lag_records";
    page.head(name, "gauge", "Records committed and not yet shown.");
    for projection in projections {
        let labels = format!("{{projection=\"{}\"}}", projection.name);
        page.line(name, &labels, projection.lag_records);
    }
    let name = "huntcore_projection_lag_seconds";
    page.head(name, "gauge", "From a batch's time to its being shown.");
    for projection in projections {
        let labels = format!("{{projection=\"{}\"}}", projection.name);
        page.line(name, &labels, projection.lag_ms / 1_000.0);
    }
}

fn latency(node: &Node, page: &mut Page<'_>) {
    let name = "huntcore_claim_latency_seconds";
    let (counts, all, sum) = node.gauge.latency_counts(&LATENCY_BOUNDS_MICROS);
    page.head(
        name,
        "histogram",
        "From an attempt's arrival at the node to its durable outcome.",
    );
    for (bound, count) in LATENCY_BOUNDS_MICROS.iter().zip(counts) {
        let seconds = Duration::from_micros(*bound).as_secs_f64();
        page.line(
            &format!("{name}_bucket"),
            &format!("{{le=\"{seconds}\"}}"),
            count,
        );
    }
    page.line(&format!("{name}_bucket"), "{le=\"+Inf\"}", all);
    page.line(&format!("{name}_sum"), "", sum);
    page.line(&format!("{name}_count"), "", all);
}

/// Writes Prometheus' text format.
pub(crate) struct Page<'a>(&'a mut String);

impl Page<'_> {
    pub(crate) fn head(&mut self, name: &str, kind: &str, help: &str) {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("a String grows");
    }

    pub(crate) fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        writeln!(self.0, "{name}{labels} {value}").expect("a String grows");
    }

    pub(crate) fn seconds(&mut self, name: &str, help: &str, micros: u64) {
        self.head(name, "gauge", help);
        let seconds = Duration::from_micros(micros).as_secs_f64();
        self.line(name, "", seconds);
    }

    pub(crate) fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "counter", help);
        self.line(name, "", value);
    }

    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "gauge", help);
        self.line(name, "", value);
    }
}

fn usage(node: &Node) -> LogUsage {
    node.log.usage().unwrap_or_else(|error| {
        tracing::warn!("cannot tell what the log holds: {error}");
        LogUsage::default()
    })
}

fn lag_records(node: &Node) -> u64 {
    let view = node.view();
    let streams = node.config.shards.streams();
    streams
        .map(|shard| {
            node.recent
                .next(shard)
                .get()
                .saturating_sub(view.position.next(shard).get())
        })
        .sum()
}
