//! What a node measures of itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The claim latency that is shown covers between one and two of these, if it is looked at as
/// often; else what happened since the last look but one.
const SHOWN_FOR: Duration = Duration::from_secs(10);

/// Counters and latencies of the claim path, shared by all shards.
#[derive(Debug)]
pub(crate) struct Gauge {
    pub(crate) started: Instant,
    pub(crate) events_accepted: AtomicU64,
    /// Records handed to the log.
    pub(crate) records_submitted: AtomicU64,
    /// Those of them that are durable.
    pub(crate) records_stored: AtomicU64,
    latency: Latencies,
    looks: Mutex<Looks>,
}

/// Percentiles of claim latency, from submission to the durable outcome, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LatencyShown {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Counts of durations that shards add to without a lock: 32 buckets to each doubling of
/// microseconds, so within 3 % of the truth.
#[derive(Debug)]
struct Latencies {
    counts: Box<[AtomicU64]>,
    sum_micros: AtomicU64,
}

/// What was counted at the last two looks.
#[derive(Debug)]
struct Looks {
    last: Vec<u64>,
    before: Vec<u64>,
    at: Instant,
}

const SUB_BUCKET_BITS: u32 = 5;
const SUB_BUCKETS: u64 = 1 << SUB_BUCKET_BITS;
/// Up to 2^36 microseconds, 19 hours; anything longer counts as that.
const BUCKETS: usize = 1_024;

impl Gauge {
    pub(crate) fn new() -> Self {
        let empty = vec![0; BUCKETS];
        Self {
            started: Instant::now(),
            events_accepted: AtomicU64::new(0),
            records_submitted: AtomicU64::new(0),
            records_stored: AtomicU64::new(0),
            latency: Latencies {
                counts: empty.iter().copied().map(AtomicU64::new).collect(),
                sum_micros: AtomicU64::new(0),
            },
            looks: Mutex::new(Looks {
                last: empty.clone(),
                before: empty,
                at: Instant::now(),
            }),
        }
    }

    pub(crate) fn count_events(&self, accepted: u64) {
        self.events_accepted.fetch_add(accepted, Ordering::Relaxed);
    }

    /// Takes note of a batch that was handed to the log.
    pub(crate) fn submitted(&self, records: u32) {
        let records = u64::from(records);
        self.records_submitted.fetch_add(records, Ordering::Relaxed);
    }

    /// Takes note of a batch that has become durable.
    pub(crate) fn stored(&self, records: u32) {
        let records = u64::from(records);
        self.records_stored.fetch_add(records, Ordering::Relaxed);
    }

    /// Takes the latency of `count` attempts that were answered together.
    pub(crate) fn record_latency(&self, latency: Duration, count: u64) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency.counts[bucket(micros)].fetch_add(count, Ordering::Relaxed);
        let sum = micros.saturating_mul(count);
        self.latency.sum_micros.fetch_add(sum, Ordering::Relaxed);
    }

    /// Attempts answered so far.
    pub(crate) fn attempts_answered(&self) -> u64 {
        self.latency.counts().iter().sum()
    }

    /// Over the last 10 to 20 seconds.
    pub(crate) fn latency(&self) -> LatencyShown {
        let now = self.latency.counts();
        let mut looks = self.looks.lock();
        if looks.at.elapsed() >= SHOWN_FOR {
            looks.before = std::mem::replace(&mut looks.last, now.clone());
            looks.at = Instant::now();
        }
        let since: Vec<u64> = now
            .iter()
            .zip(&looks.before)
            .map(|(now, before)| now - before)
            .collect();
        drop(looks);
        LatencyShown {
            p50_ms: percentile_ms(&since, 500),
            p99_ms: percentile_ms(&since, 990),
        }
    }

    /// Counts of all latencies so far at or below each bound, for a Prometheus histogram,
    /// with the count of all and their sum in seconds.
    pub(crate) fn latency_counts(&self, bounds_micros: &[u64]) -> (Vec<u64>, u64, f64) {
        let counts = self.latency.counts();
        let within = |&bound: &u64| counts[..=bucket(bound)].iter().sum();
        let sum = Duration::from_micros(self.latency.sum_micros.load(Ordering::Relaxed));
        (
            bounds_micros.iter().map(within).collect(),
            counts.iter().sum(),
            sum.as_secs_f64(),
        )
    }
}

impl Latencies {
    fn counts(&self) -> Vec<u64> {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        self.counts.iter().map(load).collect()
    }
}

fn bucket(micros: u64) -> usize {
    let bucket = if micros < SUB_BUCKETS {
        micros
    } else {
        let shift = micros.ilog2() - SUB_BUCKET_BITS;
        u64::from(shift) * SUB_BUCKETS + (micros >> shift)
    };
    usize::try_from(bucket).map_or(BUCKETS - 1, |bucket| bucket.min(BUCKETS - 1))
}

/// The longest duration that falls into the bucket.
fn bucket_end_micros(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < SUB_BUCKETS {
        return bucket;
    }
    let shift = bucket / SUB_BUCKETS - 1;
    let lead = bucket % SUB_BUCKETS + SUB_BUCKETS;
    ((lead + 1) << shift) - 1
}

fn percentile_ms(counts: &[u64], permille: u64) -> f64 {
    let all: u64 = counts.iter().sum();
    let wanted = (all * permille).div_ceil(1_000).max(1);
    let mut seen = 0;
    let reached = counts.iter().position(|count| {
        seen += count;
        seen >= wanted
    });
    let micros = reached.map_or(0, bucket_end_micros);
    Duration::from_micros(micros).as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_counted_by_bound() {
        let gauge = Gauge::new();
        gauge.record_latency(Duration::from_micros(400), 9);
        gauge.record_latency(Duration::from_millis(30), 1);
        let (counts, all, sum) = gauge.latency_counts(&[100, 1_000, 50_000]);
        assert_eq!((counts, all), (vec![0, 9, 10], 10));
        assert!((sum - 0.033_6).abs() < 1e-9, "{sum}");
        assert!(gauge.latency().p50_ms < 1.0);
        assert!(gauge.latency().p99_ms > 20.0);
    }

    #[test]
    fn every_duration_lies_within_three_percent_of_its_bucket() {
        for micros in (0..5_000).chain((5_000..40_000_000).step_by(9_999)) {
            let end = bucket_end_micros(bucket(micros));
            assert!(
                micros <= end && end <= micros + micros / 32,
                "{micros} up to {end}"
            );
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(percentile_ms(&[0; BUCKETS], 990), 0.0);
    }
}
