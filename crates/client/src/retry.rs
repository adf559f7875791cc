//! When to try again.

use std::time::Duration;

use tokio::time::Instant;

/// How often and how long to try again: exponentially, with jitter, so that many clients that
/// were refused together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Before the first repetition; doubled for each further one.
    pub first: Duration,
    /// Between two tries, at most; a server that asks for more is given more.
    pub max: Duration,
    /// No try begins later than this after the first one.
    pub give_up_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(50),
            max: Duration::from_secs(2),
            give_up_after: Duration::from_secs(10),
        }
    }
}

impl RetryPolicy {
    /// For calls that are made once.
    pub const NEVER: Self = Self {
        first: Duration::ZERO,
        max: Duration::ZERO,
        give_up_after: Duration::ZERO,
    };

    pub(crate) fn start(self) -> Retries {
        Retries {
            policy: self,
            tries: 0,
            deadline: Instant::now().checked_add(self.give_up_after),
        }
    }
}

/// One call's repetitions.
#[derive(Debug)]
pub(crate) struct Retries {
    policy: RetryPolicy,
    tries: u32,
    /// `None` for a time so far off that the clock cannot name it.
    deadline: Option<Instant>,
}

impl Retries {
    /// How long to wait before the next try; `None` to give up. `asked` is what the server
    /// has asked for.
    pub(crate) fn next_delay(&mut self, asked: Option<Duration>) -> Option<Duration> {
        if self.policy.give_up_after.is_zero() {
            return None;
        }
        let doubled = self.policy.first.saturating_mul(1 << self.tries.min(20));
        self.tries += 1;
        let backoff = doubled.min(self.policy.max).mul_f64(jitter(0.5));
        let asked = asked.unwrap_or_default().mul_f64(jitter(1.0));
        let delay = backoff.max(asked);
        let in_time = self
            .deadline
            .is_none_or(|deadline| Instant::now() + delay <= deadline);
        in_time.then_some(delay)
    }

    /// Begins anew after a success.
    pub(crate) fn reset(&mut self) {
        *self = self.policy.start();
    }
}

/// Between `from` and half as much again.
fn jitter(from: f64) -> f64 {
    rand::random_range(from..from * 1.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_limit() {
        let policy = RetryPolicy {
            first: Duration::from_millis(100),
            max: Duration::from_millis(400),
            give_up_after: Duration::from_secs(3_600),
        };
        let mut retries = policy.start();
        for nominal_ms in [100, 200, 400, 400] {
            let delay = retries.next_delay(None).expect("in time");
            let nominal = Duration::from_millis(nominal_ms);
            assert!(delay >= nominal / 2 && delay <= nominal, "{delay:?}");
        }
    }

    #[test]
    fn a_server_that_asks_for_more_is_given_more() {
        let mut retries = RetryPolicy::default().start();
        let asked = Duration::from_secs(3);
        assert!(retries.next_delay(Some(asked)).expect("in time") >= asked);
        assert_eq!(retries.next_delay(Some(Duration::from_secs(11))), None);
        assert_eq!(RetryPolicy::NEVER.start().next_delay(None), None);
    }

    #[test]
    fn a_success_begins_anew() {
        let policy = RetryPolicy {
            first: Duration::from_millis(10),
            max: Duration::from_secs(60),
            give_up_after: Duration::MAX,
        };
        let mut retries = policy.start();
        for _ in 0..10 {
            retries.next_delay(None);
        }
        retries.reset();
        assert!(retries.next_delay(None).expect("in time") <= Duration::from_millis(10));
    }
}
