//! From how many keys to draw, so that a wanted share of attempts meets a fresh one.

/// From how many keys `attempts` must be drawn, with replacement, so that `share` of them meet
/// a key that nobody has: `attempts` / x with (1 - e^-x) / x = `share`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of requests, positive and far below 2^53"
)]
pub(crate) fn keys_for(attempts: u64, share: f64) -> u64 {
    let (mut low, mut high) = (1e-9, 1e9);
    for _ in 0..128 {
        let middle = f64::midpoint(low, high);
        if -f64::exp_m1(-middle) / middle > share {
            low = middle;
        } else {
            high = middle;
        }
    }
    ((attempts as f64 / low) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_many_as_give_the_share() {
        for percent in [5, 50, 95] {
            let share = f64::from(percent) / 100.0;
            let keys = keys_for(1_000_000, share) as f64;
            let distinct = keys * (1.0 - (1.0 - 1.0 / keys).powi(1_000_000));
            assert!(
                (distinct / 1e6 - share).abs() < 0.001,
                "{percent}: {distinct}"
            );
        }
    }
}
