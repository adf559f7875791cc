//! What is kept of the log and in memory, for how long, and why, for `/v1/stats` and
//! `/metrics`; and how checkpoints fare, which decide on it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use huntcore_log::{LogUsage, StreamUsage, stream_name};
use huntcore_model::{Position, TimeMicros};
use huntcore_wire::{KeptFor, RetentionStats, StreamRetention, Timestamp};

use crate::metrics::Page;
use crate::node::Node;

/// What `/v1/stats` says.
pub(crate) fn stats(node: &Node, usage: &LogUsage) -> RetentionStats {
    let limits = &node.config.limits;
    let why = Why::of(node, usage);
    let stream = |stream: &StreamUsage| StreamRetention {
        stream: stream_name(stream.shard).into_owned(),
        oldest_at: stream.oldest_time.map(Timestamp::new),
        records: stream.next.get() - stream.oldest.get(),
        trimmed_records: stream.oldest.get(),
        bytes: stream.bytes,
        segments: stream.segments,
        kept_for: why.kept_for(stream),
    };
    RetentionStats {
        log_s: node.config.retention.as_secs(),
        answers_s: limits.answer_ttl_ms / 1_000,
        events_s: limits.event_horizon_ms / 1_000,
        oldest_at: oldest(usage).map(Timestamp::new),
        streams: usage.streams.iter().map(stream).collect(),
    }
}

/// Decides why a stream's oldest record is still there.
struct Why {
    /// What was written from then on stays in any case.
    keep_from: TimeMicros,
    /// What the older of two good checkpoints needs; `None`: there are no two.
    needed_from: Option<Position>,
    has_checkpoints: bool,
    /// Up to where all sinks have taken each stream; `None`: there are no sinks.
    taken: Option<Position>,
}

impl Why {
    fn of(node: &Node, usage: &LogUsage) -> Self {
        let retention = u64::try_from(node.config.retention.as_millis()).unwrap_or(u64::MAX);
        Self {
            keep_from: node.clock.now().minus_millis(retention),
            needed_from: node.checkpoint_gauge.needed_from.lock().clone(),
            has_checkpoints: node.config.checkpoints.is_some(),
            taken: taken(node, usage),
        }
    }

    fn kept_for(&self, stream: &StreamUsage) -> KeptFor {
        let is_young = |time| time >= self.keep_from;
        let is_needed = self
            .needed_from
            .as_ref()
            .is_none_or(|needed| needed.next(stream.shard) <= stream.oldest);
        let is_awaited = self
            .taken
            .as_ref()
            .is_some_and(|taken| taken.next(stream.shard) <= stream.oldest);
        if stream.oldest_time.is_none_or(is_young) {
            KeptFor::Retention
        } else if !self.has_checkpoints {
            KeptFor::Ever
        } else if is_needed {
            KeptFor::Checkpoints
        } else if is_awaited {
            KeptFor::Sinks
        } else {
            KeptFor::Segment
        }
    }
}

fn taken(node: &Node, usage: &LogUsage) -> Option<Position> {
    let mut position = Position::start();
    for stream in &usage.streams {
        position.advance(stream.shard, node.sinks.taken(stream.shard)?);
    }
    Some(position)
}

fn oldest(usage: &LogUsage) -> Option<TimeMicros> {
    let streams = usage.streams.iter();
    streams.filter_map(|stream| stream.oldest_time).min()
}

/// Appends how far back the log reaches, what is kept for how long, and how checkpoints fare.
pub(crate) fn render(node: &Node, usage: &LogUsage, page: &mut Page<'_>) {
    let now = node.clock.now();
    let age = oldest(usage).map_or(0, |oldest| now.micros_since(oldest));
    page.seconds(
        "huntcore_log_age_seconds",
        "From the oldest record in the log to now.",
        age,
    );
    let limits = &node.config.limits;
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    page.seconds(
        "huntcore_log_retention_seconds",
        "How old a record has to be before it may be trimmed.",
        micros(node.config.retention),
    );
    page.seconds(
        "huntcore_answer_ttl_seconds",
        "How long the same attempt gets the same answer after its round has closed.",
        limits.answer_ttl_ms.saturating_mul(1_000),
    );
    page.seconds(
        "huntcore_event_horizon_seconds",
        "How long a score event's id is remembered.",
        limits.event_horizon_ms.saturating_mul(1_000),
    );
    page.head(
        "huntcore_log_oldest_age_seconds",
        "gauge",
        "From a stream's oldest record to now, by why that one is still there.",
    );
    let why = Why::of(node, usage);
    for stream in &usage.streams {
        let (name, kept_for) = (stream_name(stream.shard), why.kept_for(stream).name());
        let age = stream.oldest_time.map_or(0, |time| now.micros_since(time));
        page.line(
            "huntcore_log_oldest_age_seconds",
            &format!("{{stream=\"{name}\",kept_for=\"{kept_for}\"}}"),
            Duration::from_micros(age).as_secs_f64(),
        );
    }
    page.head(
        "huntcore_log_trimmed_records",
        "gauge",
        "Records of a stream that were trimmed, ever.",
    );
    for stream in &usage.streams {
        let name = stream_name(stream.shard);
        page.line(
            "huntcore_log_trimmed_records",
            &format!("{{stream=\"{name}\"}}"),
            stream.oldest,
        );
    }
    if node.config.checkpoints.is_none() {
        return;
    }
    let gauge = &node.checkpoint_gauge;
    let newest = TimeMicros::new(gauge.newest_micros.load(Ordering::Relaxed));
    if newest > TimeMicros::ZERO {
        page.seconds(
            "huntcore_checkpoint_age_seconds",
            "From the newest good checkpoint to now.",
            now.micros_since(newest),
        );
    }
    page.seconds(
        "huntcore_checkpoint_duration_seconds",
        "How long the last checkpoint took.",
        gauge.last_duration_micros.load(Ordering::Relaxed),
    );
    page.gauge(
        "huntcore_checkpoint_bytes",
        "What the last checkpoint wrote.",
        gauge.last_bytes.load(Ordering::Relaxed),
    );
    page.counter(
        "huntcore_checkpoints_total",
        "Checkpoints taken.",
        gauge.taken_total.load(Ordering::Relaxed),
    );
    page.counter(
        "huntcore_checkpoint_failures_total",
        "Checkpoints that failed and were tried again.",
        gauge.failures_total.load(Ordering::Relaxed),
    );
}

#[cfg(test)]
mod tests {
    use huntcore_model::{Epoch, Sequence, ShardId};

    use super::*;

    #[test]
    fn a_stream_says_why_its_oldest_record_is_still_there() {
        let shard = ShardId::new(0);
        let day = |day: u64| TimeMicros::from_millis(day * 86_400_000);
        let stream = |written: Option<TimeMicros>| StreamUsage {
            shard,
            epoch: Epoch::new(1),
            bytes: 0,
            segments: 2,
            oldest: Sequence::new(100),
            oldest_time: written,
            time: day(40),
            next: Sequence::new(900),
        };
        let at = |next: u64| {
            let mut position = Position::start();
            position.advance(shard, Sequence::new(next));
            position
        };
        let why = |needed_from: Option<u64>, has_checkpoints| Why {
            keep_from: day(10),
            needed_from: needed_from.map(at),
            has_checkpoints,
            taken: None,
        };
        for (needed_from, has_checkpoints, written, expected) in [
            (Some(500), true, None, KeptFor::Retention),
            (Some(500), true, Some(day(10)), KeptFor::Retention),
            (None, false, Some(day(11)), KeptFor::Retention),
            (None, false, Some(day(9)), KeptFor::Ever),
            (None, true, Some(day(9)), KeptFor::Checkpoints),
            (Some(100), true, Some(day(9)), KeptFor::Checkpoints),
            (Some(101), true, Some(day(9)), KeptFor::Segment),
        ] {
            let found = why(needed_from, has_checkpoints).kept_for(&stream(written));
            assert_eq!(
                found, expected,
                "{needed_from:?} {has_checkpoints} {written:?}"
            );
        }
        for (taken, expected) in [(100, KeptFor::Sinks), (101, KeptFor::Segment)] {
            let why = Why {
                taken: Some(at(taken)),
                ..why(Some(500), true)
            };
            assert_eq!(why.kept_for(&stream(Some(day(9)))), expected);
        }
    }
}
