//! Where a rate is going.

/// A rate that grows by the same factor in equal times: a crowd that brings a crowd.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    level: f64,
    growth_per_s: f64,
}

/// Fewer points say nothing of a direction.
const POINTS_MIN: usize = 3;

impl Trend {
    /// Fits points of (seconds, rate) by least squares of the rate's logarithm; its level is
    /// that at `now_s`.
    ///
    /// The growth is what is certain of it: the slope less its standard error, and no less than
    /// none, so that noise around a steady rate is not taken for a beginning.
    #[must_use]
    pub fn of(points: impl Iterator<Item = (f64, f64)>, now_s: f64) -> Self {
        // One more, so that a rate of none has a logarithm.
        let points: Vec<(f64, f64)> = points
            .map(|(at_s, rate)| (at_s - now_s, (rate + 1.0).ln()))
            .collect();
        let count = points.len() as f64;
        let last = points.last().map_or(0.0, |point| point.1.exp() - 1.0);
        let steady = Self {
            level: last,
            growth_per_s: 0.0,
        };
        if points.len() < POINTS_MIN {
            return steady;
        }
        let mean = |value: fn(&(f64, f64)) -> f64| points.iter().map(value).sum::<f64>() / count;
        let (mean_at, mean_log) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|(at, _)| (at - mean_at).powi(2)).sum();
        if spread <= f64::EPSILON {
            return steady;
        }
        let together: f64 = points
            .iter()
            .map(|(at, log)| (at - mean_at) * (log - mean_log))
            .sum();
        let slope = together / spread;
        let at_now = mean_log - slope * mean_at;
        let residual: f64 = points
            .iter()
            .map(|(at, log)| (log - at_now - slope * at).powi(2))
            .sum();
        let error = (residual / (count - 2.0).max(1.0) / spread).sqrt();
        Self {
            level: (at_now.exp() - 1.0).max(0.0),
            growth_per_s: (slope - error).max(0.0),
        }
    }

    /// The rate after so many seconds, at most `growth_max` times what it is now.
    #[must_use]
    pub fn after(&self, seconds: f64, growth_max: f64) -> f64 {
        self.level * (self.growth_per_s * seconds).exp().min(growth_max.max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_about(value: f64, expected: f64) {
        assert!(
            (value - expected).abs() <= expected * 0.01,
            "{value}, not {expected}"
        );
    }

    #[test]
    fn a_rate_that_doubles_each_minute_is_seen_to_go_on_so() {
        let points = (0..13_i32).map(|step| {
            let at_s = f64::from(step) * 5.0;
            (at_s, 10_000.0 * 2_f64.powf(at_s / 60.0))
        });
        let trend = Trend::of(points, 60.0);
        is_about(trend.after(0.0, 8.0), 20_000.0);
        is_about(trend.after(60.0, 8.0), 40_000.0);
        is_about(trend.after(600.0, 4.0), 80_000.0);
    }

    #[test]
    fn a_rate_that_falls_or_trembles_is_not_taken_to_rise() {
        let falling = (0..13_i32).map(|step| (f64::from(step), 5_000.0 - 100.0 * f64::from(step)));
        let trend = Trend::of(falling, 12.0);
        is_about(trend.after(600.0, 4.0), trend.after(0.0, 4.0));
        let trembling =
            (0..12_i32).map(|step| (f64::from(step), if step % 2 == 0 { 900.0 } else { 1_100.0 }));
        let trend = Trend::of(trembling, 11.0);
        is_about(trend.after(75.0, 4.0), trend.after(0.0, 4.0));
    }

    #[test]
    fn too_few_points_have_a_level_and_no_direction() {
        assert_eq!(Trend::of(std::iter::empty(), 0.0).after(60.0, 4.0), 0.0);
        let two = [(0.0, 10.0), (5.0, 1_000.0)];
        is_about(Trend::of(two.into_iter(), 5.0).after(60.0, 4.0), 1_000.0);
        let at_one_moment = [(5.0, 10.0), (5.0, 20.0), (5.0, 30.0)];
        is_about(
            Trend::of(at_one_moment.into_iter(), 5.0).after(60.0, 4.0),
            30.0,
        );
    }
}
