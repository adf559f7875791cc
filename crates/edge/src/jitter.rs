//! Chance, for spreading out what would otherwise happen to everybody at the same moment.
//!
//! Nothing secret may depend on it.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// A time below `span`, each equally likely; nothing of nothing.
pub(crate) fn below(span: Duration) -> Duration {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(scaled(nanos))
}

/// One of several, each equally likely.
pub(crate) fn one_of<T: Copy>(several: &[T]) -> T {
    let count = several.len() as u64;
    let index = usize::try_from(scaled(count)).expect("below a length");
    several[index]
}

/// A number below `bound`.
fn scaled(bound: u64) -> u64 {
    ((u128::from(bound) * u128::from(random())) >> 64) as u64
}

/// The standard library's keys for hash tables are random, and new ones cost no system call.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spread_over_the_whole_span() {
        let span = Duration::from_secs(8);
        let mut seen = [0; 8];
        for _ in 0..4_096 {
            let time = below(span);
            assert!(time < span, "{time:?}");
            seen[usize::try_from(time.as_secs()).expect("below 8")] += 1;
        }
        // 512 on average; below 256 or above 768 by chance once in 10^29 runs.
        assert!(
            seen.iter().all(|count| (256..768).contains(count)),
            "{seen:?}"
        );
        assert_eq!(below(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn each_of_several_is_met() {
        let mut seen = [false; 5];
        for _ in 0..1_000 {
            seen[one_of(&[0_usize, 1, 2, 3, 4])] = true;
        }
        assert_eq!(seen, [true; 5]);
    }
}
