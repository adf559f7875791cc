//! How long the answers took, as whole histograms.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::report::Row;

const MICROS_MAX: u64 = 120_000_000;

/// Latencies in microseconds, to three digits.
#[derive(Clone, Debug)]
pub(crate) struct Latency(Histogram<u64>);

impl Latency {
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_max(MICROS_MAX, 3).expect("a valid range"))
    }

    /// Takes note of `count` answers that took this long.
    pub(crate) fn record(&mut self, took: Duration, count: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(MICROS_MAX);
        self.0.saturating_record_n(micros.max(1), count);
    }

    /// So many of one were answered within this, in milliseconds.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        Duration::from_micros(self.0.value_at_quantile(quantile)).as_secs_f64() * 1_000.0
    }

    /// Puts the quantiles into a row.
    pub(crate) fn fill(&self, mut row: Row) -> Row {
        if !self.0.is_empty() {
            row.p50_ms = Some(self.quantile_ms(0.5));
            row.p99_ms = Some(self.quantile_ms(0.99));
            row.p999_ms = Some(self.quantile_ms(0.999));
            row.max_ms = Some(self.quantile_ms(1.0));
        }
        row
    }
}

/// So many a second.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn rate(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64().max(f64::EPSILON)
}
