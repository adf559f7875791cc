//! The rate over time, and when the n-th event is due by it.

use std::time::Duration;

use super::shape::{Burst, RatePoint};

/// A rate that changes over time, made of straight pieces.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    pieces: Vec<Piece>,
    length_s: f64,
    total: f64,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    starts_s: f64,
    lasts_s: f64,
    /// Events a second at its start and at its end.
    from: f64,
    to: f64,
    /// How many events are due before it.
    before: f64,
}

impl Curve {
    /// The rate by its points and bursts: times divided by `compress`, rates multiplied by
    /// `scale`.
    pub(crate) fn new(points: &[RatePoint], bursts: &[Burst], compress: f64, scale: f64) -> Self {
        let lasts = |burst: &Burst| Duration::from_millis(burst.lasts.millis());
        let mut edges: Vec<Duration> = points.iter().map(|point| point.at).collect();
        for burst in bursts {
            edges.extend([burst.at, burst.at + lasts(burst)]);
        }
        edges.sort_unstable();
        edges.dedup();
        let mut pieces = Vec::with_capacity(edges.len());
        let mut total = 0.0;
        for pair in edges.windows(2) {
            let (start, end) = (pair[0], pair[1]);
            let on_top: f64 = bursts
                .iter()
                .filter(|burst| burst.at <= start && end <= burst.at + lasts(burst))
                .map(|burst| burst.per_second)
                .sum();
            let piece = Piece {
                starts_s: start.as_secs_f64() / compress,
                lasts_s: (end - start).as_secs_f64() / compress,
                from: (line(points, start) + on_top) * scale,
                to: (line(points, end) + on_top) * scale,
                before: total,
            };
            total += piece.events();
            pieces.push(piece);
        }
        let length_s = pieces
            .last()
            .map_or(0.0, |last| last.starts_s + last.lasts_s);
        Self {
            pieces,
            length_s,
            total,
        }
    }

    /// From its start to its end.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs_f64(self.length_s)
    }

    /// How many events there are in all.
    pub(crate) const fn total(&self) -> f64 {
        self.total
    }

    /// Events a second at `at`.
    pub(crate) fn rate(&self, at: Duration) -> f64 {
        let at = at.as_secs_f64();
        let next = self.pieces.partition_point(|piece| piece.starts_s <= at);
        let Some(piece) = next.checked_sub(1).map(|index| self.pieces[index]) else {
            return 0.0;
        };
        if at > self.length_s {
            return 0.0;
        }
        let part = (at - piece.starts_s) / piece.lasts_s;
        piece.from + (piece.to - piece.from) * part.min(1.0)
    }

    /// When so many events are due; `None` if they never are.
    pub(crate) fn due(&self, events: f64) -> Option<Duration> {
        if events >= self.total {
            return None;
        }
        let next = self.pieces.partition_point(|piece| piece.before <= events);
        let piece = self.pieces[next.checked_sub(1)?];
        let seconds = piece.starts_s + piece.after(events - piece.before);
        Some(Duration::from_secs_f64(seconds))
    }
}

impl Piece {
    fn events(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.lasts_s
    }

    /// Seconds until so many of its events are due: the root of
    /// `from·x + (to - from)/(2·lasts)·x² = events`, in the form that loses no digits.
    fn after(&self, events: f64) -> f64 {
        let bend = (self.to - self.from) / self.lasts_s;
        let root = (self.from * self.from + 2.0 * bend * events)
            .max(0.0)
            .sqrt();
        let divisor = self.from + root;
        if divisor > 0.0 {
            (2.0 * events / divisor).min(self.lasts_s)
        } else {
            0.0
        }
    }
}

/// The rate on the straight line between two points.
fn line(points: &[RatePoint], at: Duration) -> f64 {
    let next = points.partition_point(|point| point.at <= at);
    match (
        next.checked_sub(1).map(|index| points[index]),
        points.get(next),
    ) {
        (Some(before), Some(after)) => {
            let part = (at - before.at).as_secs_f64() / (after.at - before.at).as_secs_f64();
            before.per_second + (after.per_second - before.per_second) * part
        }
        (Some(before), None) => before.per_second,
        (None, _) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use huntcore_wire::DurationText;

    use super::*;

    fn points(points: &[(u64, f64)]) -> Vec<RatePoint> {
        let point = |&(at, per_second): &(u64, f64)| RatePoint {
            at: Duration::from_secs(at),
            per_second,
        };
        points.iter().map(point).collect()
    }

    fn burst() -> Burst {
        Burst {
            at: Duration::from_secs(2),
            lasts: DurationText::from_millis(1_000),
            per_second: 100.0,
        }
    }

    /// Events of which `due` says that they are due within each second.
    fn by_second(curve: &Curve) -> Vec<u32> {
        let mut counts = Vec::new();
        for index in 0..u32::MAX {
            let Some(due) = curve.due(f64::from(index) + 0.5) else {
                break;
            };
            let second = usize::try_from(due.as_secs()).expect("few");
            counts.resize(counts.len().max(second + 1), 0);
            counts[second] += 1;
        }
        counts
    }

    #[test]
    fn events_are_due_as_the_rate_says() {
        let curve = Curve::new(&points(&[(0, 10.0), (4, 10.0)]), &[burst()], 1.0, 1.0);
        assert_eq!(by_second(&curve), [10, 10, 110, 10]);
        let rising = Curve::new(&points(&[(0, 0.0), (4, 40.0)]), &[], 1.0, 1.0);
        assert_eq!(by_second(&rising), [5, 15, 25, 35]);
        let falling = Curve::new(&points(&[(0, 40.0), (4, 0.0)]), &[], 1.0, 1.0);
        assert_eq!(by_second(&falling), [35, 25, 15, 5]);
    }

    #[test]
    fn a_rate_of_nothing_is_passed_over() {
        let curve = Curve::new(
            &points(&[(0, 2.0), (1, 0.0), (9, 0.0), (10, 2.0)]),
            &[],
            1.0,
            1.0,
        );
        let due: Vec<f64> = [0.5, 1.5]
            .map(|n| curve.due(n).expect("due").as_secs_f64())
            .into();
        assert!(due[0] < 1.0 && due[1] > 9.0, "{due:?}");
        assert_eq!(curve.due(2.0), None);
    }

    #[test]
    fn compressing_shortens_the_time_and_keeps_the_rates() {
        let (whole, bursts) = (points(&[(0, 10.0), (4, 30.0)]), [burst()]);
        let curve = Curve::new(&whole, &bursts, 1.0, 1.0);
        let short = Curve::new(&whole, &bursts, 4.0, 1.0);
        assert_eq!(short.length(), Duration::from_secs(1));
        assert!((short.total() - curve.total() / 4.0).abs() < 1e-9);
        for at in [0.0, 0.3, 0.6, 0.99] {
            let (now, then) = (
                Duration::from_secs_f64(at),
                Duration::from_secs_f64(at * 4.0),
            );
            assert!((short.rate(now) - curve.rate(then)).abs() < 1e-6, "{at}");
        }
        let double = Curve::new(&whole, &bursts, 4.0, 2.0);
        assert!((double.total() - curve.total() / 2.0).abs() < 1e-9);
    }
}
