//! How often each player may claim and each address ask: bounded memory, no queue.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::config::Rate;

/// Requests between two looks at how many keys are remembered.
const LOOK_EVERY: usize = 1_024;

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, DefaultClock>;

/// A rate for each key.
pub(crate) struct Rates<K: Hash + Eq + Clone> {
    quota: Option<Quota>,
    limiter: ArcSwap<Limiter<K>>,
    clock: DefaultClock,
    keys_max: usize,
    checks: AtomicUsize,
}

/// Not now: try again after this long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooFast(pub(crate) Duration);

impl<K: Hash + Eq + Clone> Rates<K> {
    /// `None` lets everything through and remembers nothing.
    pub(crate) fn new(rate: Option<Rate>, keys_max: usize) -> Self {
        let quota = rate.and_then(|rate| {
            let per_second = NonZeroU32::new(rate.per_second)?;
            Some(Quota::per_second(per_second).allow_burst(NonZeroU32::new(rate.burst)?))
        });
        let any = Quota::per_second(NonZeroU32::MAX);
        Self {
            quota,
            limiter: ArcSwap::from_pointee(RateLimiter::dashmap(quota.unwrap_or(any))),
            clock: DefaultClock::default(),
            keys_max,
            checks: AtomicUsize::new(0),
        }
    }

    /// Counts one request against `key`.
    pub(crate) fn check(&self, key: &K) -> Result<(), TooFast> {
        let Some(quota) = self.quota else {
            return Ok(());
        };
        if self.checks.fetch_add(1, Ordering::Relaxed) % LOOK_EVERY == LOOK_EVERY - 1 {
            self.keep_small(quota);
        }
        let limiter = self.limiter.load();
        limiter
            .check_key(key)
            .map_err(|until| TooFast(until.wait_time_from(self.clock.now())))
    }

    /// Forgets keys whose rate has recovered; if that is not enough it forgets everybody,
    /// which is generous for a moment and keeps memory flat.
    fn keep_small(&self, quota: Quota) {
        let limiter = self.limiter.load();
        if limiter.len() * 2 <= self.keys_max {
            return;
        }
        limiter.retain_recent();
        if limiter.len() * 2 > self.keys_max {
            self.limiter.store(Arc::new(RateLimiter::dashmap(quota)));
        }
    }

    /// How many keys are remembered.
    pub(crate) fn len(&self) -> usize {
        self.limiter.load().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_refused() {
        let rate = Rate {
            per_second: 1,
            burst: 3,
        };
        let rates = Rates::new(Some(rate), 100);
        for _ in 0..3 {
            assert_eq!(rates.check(&"ada"), Ok(()));
        }
        let TooFast(wait) = rates.check(&"ada").expect_err("the burst is spent");
        assert!(wait <= Duration::from_secs(1));
        assert_eq!(rates.check(&"bob"), Ok(()));
    }

    #[test]
    fn memory_stays_flat_under_ever_new_keys() {
        let rate = Rate {
            per_second: 1,
            burst: 1_000,
        };
        let rates = Rates::new(Some(rate), 1_000);
        for key in 0..100_000_u32 {
            let _ = rates.check(&key);
            assert!(
                rates.len() <= 1_000 / 2 + LOOK_EVERY,
                "{} keys",
                rates.len()
            );
        }
    }

    #[test]
    fn no_rate_remembers_nobody() {
        let rates = Rates::new(None, 10);
        for key in 0..5_000_u32 {
            assert_eq!(rates.check(&key), Ok(()));
        }
        assert_eq!(rates.len(), 0);
    }
}
