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

    /// To two digits, at a tenth of the memory: for keeping many.
    pub(crate) fn coarse() -> Self {
        Self(Histogram::new_with_max(MICROS_MAX, 2).expect("a valid range"))
    }

    /// How many answers there were.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// How many answers took how long, by steps of a tenth of a power of ten: each step's upper
    /// end in milliseconds and its count, from the first that has any to the last.
    pub(crate) fn by_tenths(&self) -> Vec<(f64, u64)> {
        let step_of = |micros: f64| (micros.log10() * 10.0).ceil();
        let mut steps: Vec<(f64, u64)> = Vec::new();
        for value in self.0.iter_recorded() {
            let micros = Duration::from_micros(value.value_iterated_to()).as_secs_f64() * 1e6;
            let step = step_of(micros.max(1.0));
            let first = steps.last().map_or(step, |last| last.0 + 1.0);
            let mut next = first;
            while next <= step {
                steps.push((next, 0));
                next += 1.0;
            }
            if let Some(last) = steps.last_mut() {
                last.1 += value.count_since_last_iteration();
            }
        }
        let to_ms = |step: f64| 10_f64.powf(step / 10.0) / 1_000.0;
        let millis = steps.into_iter().map(|(step, count)| (to_ms(step), count));
        millis.collect()
    }

    /// Takes note of `count` answers that took this long.
    pub(crate) fn record(&mut self, took: Duration, count: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(MICROS_MAX);
        self.0.saturating_record_n(micros.max(1), count);
    }

    /// Takes note of all that another one has.
    pub(crate) fn add(&mut self, other: &Self) {
        let added = self.0.add(&other.0);
        added.expect("one saturates where the other does");
    }

    /// So many of one were answered within this, in milliseconds.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        Duration::from_micros(self.0.value_at_quantile(quantile)).as_secs_f64() * 1_000.0
    }

    /// How long an answer took on average, in milliseconds.
    pub(crate) fn mean_ms(&self) -> f64 {
        self.0.mean() / 1_000.0
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_hold_all_answers_each_no_slower_than_its_end() {
        let mut latency = Latency::new();
        for (millis, count) in [(1, 5), (2, 3), (90, 1)] {
            latency.record(Duration::from_millis(millis), count);
        }
        let steps = latency.by_tenths();
        assert_eq!(steps.iter().map(|&(_, count)| count).sum::<u64>(), 9);
        assert_eq!(latency.count(), 9);
        let (first, last) = (steps[0], steps[steps.len() - 1]);
        assert!(first.1 == 5 && (0.99..1.3).contains(&first.0), "{first:?}");
        assert!(last.1 == 1 && (90.0..115.0).contains(&last.0), "{last:?}");
        assert!(steps.is_sorted_by(|a, b| a.0 < b.0));
    }
}
