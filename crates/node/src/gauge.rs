//! What a node measures of itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// The claim latency that is shown covers between one and two of these.
const SHOWN_FOR: Duration = Duration::from_secs(10);
const LATENCY_MICROS_MAX: u64 = 60_000_000;

/// Counters and latencies of the claim path, shared by all shards.
#[derive(Debug)]
pub(crate) struct Gauge {
    pub(crate) started: Instant,
    pub(crate) events_accepted: AtomicU64,
    latency: Mutex<Latency>,
}

#[derive(Debug)]
struct Latency {
    since: Instant,
    current: Histogram<u64>,
    before: Histogram<u64>,
    total: Histogram<u64>,
}

/// Percentiles of claim latency, from submission to the durable outcome, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LatencyShown {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Gauge {
    pub(crate) fn new() -> Self {
        let empty = || {
            Histogram::new_with_max(LATENCY_MICROS_MAX, 3).expect("a valid range of microseconds")
        };
        Self {
            started: Instant::now(),
            events_accepted: AtomicU64::new(0),
            latency: Mutex::new(Latency {
                since: Instant::now(),
                current: empty(),
                before: empty(),
                total: empty(),
            }),
        }
    }

    pub(crate) fn count_events(&self, accepted: u64) {
        self.events_accepted.fetch_add(accepted, Ordering::Relaxed);
    }

    /// Takes the latency of `count` attempts that were answered together.
    pub(crate) fn record_latency(&self, latency: Duration, count: u64) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(LATENCY_MICROS_MAX);
        let micros = micros.clamp(1, LATENCY_MICROS_MAX);
        let mut shown = self.latency.lock();
        shown.turn();
        shown.current.saturating_record_n(micros, count);
        shown.total.saturating_record_n(micros, count);
    }

    /// Over the last 10 to 20 seconds.
    pub(crate) fn latency(&self) -> LatencyShown {
        let mut shown = self.latency.lock();
        shown.turn();
        let mut both = shown.before.clone();
        if both.add(&shown.current).is_err() || both.is_empty() {
            return LatencyShown::default();
        }
        let millis = |micros: u64| Duration::from_micros(micros).as_secs_f64() * 1_000.0;
        LatencyShown {
            p50_ms: millis(both.value_at_quantile(0.5)),
            p99_ms: millis(both.value_at_quantile(0.99)),
        }
    }

    /// Counts of all latencies so far at or below each bound, for a Prometheus histogram.
    pub(crate) fn latency_counts(&self, bounds_micros: &[u64]) -> (Vec<u64>, u64, f64) {
        let total = &self.latency.lock().total;
        let counts = bounds_micros
            .iter()
            .map(|&bound| total.count_between(0, bound))
            .collect();
        let all = total.len();
        // Counts stay far below 2^53, where f64 is exact.
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let sum_seconds = total.mean() * all as f64 / 1_000_000.0;
        (counts, all, if all == 0 { 0.0 } else { sum_seconds })
    }
}

impl Latency {
    fn turn(&mut self) {
        if self.since.elapsed() >= SHOWN_FOR {
            if self.since.elapsed() >= 2 * SHOWN_FOR {
                self.current.reset();
            }
            std::mem::swap(&mut self.current, &mut self.before);
            self.current.reset();
            self.since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_counted_by_bound() {
        let gauge = Gauge::new();
        gauge.record_latency(Duration::from_micros(400), 9);
        gauge.record_latency(Duration::from_millis(30), 1);
        let (counts, all, _) = gauge.latency_counts(&[100, 1_000, 50_000]);
        assert_eq!((counts, all), (vec![0, 9, 10], 10));
        assert!(gauge.latency().p50_ms < 1.0);
        assert!(gauge.latency().p99_ms > 20.0);
    }
}
