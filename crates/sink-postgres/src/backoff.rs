//! How long to wait before trying again.

use std::time::Duration;

/// From one try to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// After the first failure; doubled after each further one.
    pub least: Duration,
    /// Never longer.
    pub most: Duration,
    /// After something that only an operator can mend.
    pub stopped: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            least: Duration::from_millis(200),
            most: Duration::from_secs(15),
            stopped: Duration::from_secs(60),
        }
    }
}

/// Failures in a row.
#[derive(Debug)]
pub(crate) struct Backoff {
    retry: Retry,
    failures: u32,
}

impl Backoff {
    pub(crate) const fn new(retry: Retry) -> Self {
        Self { retry, failures: 0 }
    }

    pub(crate) const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// How long to wait now: from half of the doubled time to all of it, so that many who lost
    /// the same server do not come back at one moment.
    pub(crate) fn next(&mut self) -> Duration {
        let doubled = self.retry.least * 2_u32.pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let whole = doubled.min(self.retry.most);
        let mut random = [0; 4];
        // Without randomness there is no jitter, and nothing else is lost.
        let _ = getrandom::fill(&mut random);
        let part = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
        whole.mul_f64(0.5 + part / 2.0)
    }

    pub(crate) const fn stopped(&self) -> Duration {
        self.retry.stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::new(Retry::default());
        for whole_ms in [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000] {
            let wait = backoff.next();
            let whole = Duration::from_millis(whole_ms);
            assert!(whole / 2 <= wait && wait <= whole, "{wait:?} of {whole:?}");
        }
        backoff.succeeded();
        assert!(backoff.next() <= Duration::from_millis(200));
    }
}
