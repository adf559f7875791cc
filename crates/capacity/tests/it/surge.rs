//! A component under a surge, simulated second by second: processes that take their time to
//! start, a poll every fifteen seconds, and whoever decides how many there are to be.

#![expect(
    clippy::cast_possible_truncation,
    reason = "a simulation counts in parts of messages, and tells whole ones"
)]

use huntcore_capacity::{Autoscaler, LEAD_S, Policy, Sample};

/// The second team's peak, in messages a second.
const PEAK: f64 = 2_000_000.0;
/// What arrives before the surge.
const BEFORE: f64 = 31_250.0;
/// When it begins to grow.
const BEGINS_S: u32 = 300;
/// How long the peak lasts.
const PEAK_S: u32 = 600;
/// What one process is believed to do.
const UNIT_RATE: f64 = 45_000.0;
const LAG_S_MAX: f64 = 0.2;
/// Fewer are never run: they have to carry the beginning of a surge, which nobody foresees.
const COUNT_MIN: u32 = 2;
/// From the wish for a process to its serving.
const START_S: u32 = 45;
const LOOK_EVERY_S: u32 = 5;
const POLL_EVERY_S: u32 = 15;

struct Surge {
    doubling_s: f64,
    /// What one process can truly do, against what is believed.
    truth: f64,
}

/// What came of a course.
#[derive(Debug, Default)]
struct Course {
    lag_s_max: f64,
    /// How many served when the rate reached its peak.
    at_peak: u32,
    most: u32,
    /// How many there were an hour after the peak.
    in_the_end: u32,
    /// How often the number went down, and up again by a tenth or more within ten minutes.
    flaps: u32,
}

impl Surge {
    fn peak_at_s(&self) -> u32 {
        let doublings = (PEAK / BEFORE).log2();
        BEGINS_S + (doublings * self.doubling_s) as u32
    }

    /// What arrives in one second: growth up to the peak, a tremble of 5 %, then the way back.
    fn arriving(&self, at_s: u32) -> f64 {
        let grown = f64::from(at_s.saturating_sub(BEGINS_S)) / self.doubling_s;
        let smooth = if at_s > self.peak_at_s() + PEAK_S {
            BEFORE
        } else {
            (BEFORE * 2_f64.powf(grown)).min(PEAK)
        };
        smooth * (1.0 + 0.05 * tremble(at_s))
    }

    fn needed_at_peak(&self) -> f64 {
        PEAK / (UNIT_RATE * self.truth)
    }

    /// Runs until an hour after the peak. `wants` is told the last look and how busy the CPUs
    /// were, and says how many there should be when it is asked.
    fn run(&self, mut wants: impl FnMut(Sample, f64, bool) -> Option<u32>) -> Course {
        let unit = UNIT_RATE * self.truth;
        let mut serving = COUNT_MIN;
        let mut starting: Vec<(u32, u32)> = Vec::new();
        let (mut waiting, mut done_total) = (0.0, 0.0);
        let mut course = Course::default();
        let (mut lowered_at, mut ordered) = (None::<u32>, serving);
        for at_s in 0..self.peak_at_s() + PEAK_S + 3_600 {
            starting.retain(|&(ready_s, more)| {
                let is_ready = ready_s <= at_s;
                serving += if is_ready { more } else { 0 };
                !is_ready
            });
            waiting += self.arriving(at_s);
            let can = unit * f64::from(serving);
            let done = can.min(waiting);
            waiting -= done;
            done_total += done;
            course.lag_s_max = course.lag_s_max.max(waiting / can);
            if at_s == self.peak_at_s() {
                course.at_peak = serving;
            }
            if at_s % LOOK_EVERY_S != 0 {
                continue;
            }
            let sample = Sample {
                at_ms: u64::from(at_s) * 1_000,
                count: serving,
                done_total: done_total as u64,
                lag_messages: waiting as u64,
                lag_s: waiting / can,
            };
            let Some(wanted) = wants(sample, done / can, at_s % POLL_EVERY_S == 0) else {
                continue;
            };
            let wanted = wanted.max(COUNT_MIN);
            if wanted > ordered {
                starting.push((at_s + START_S, wanted - ordered));
                let again = lowered_at.is_some_and(|lowered| at_s - lowered < 600);
                course.flaps += u32::from(again && (wanted - ordered) * 10 >= ordered);
            } else if wanted < ordered {
                // Whatever is still starting is given up first.
                let mut less = ordered - wanted;
                for (_, more) in &mut starting {
                    let given_up = less.min(*more);
                    *more -= given_up;
                    less -= given_up;
                }
                serving -= less;
                lowered_at = Some(at_s);
            }
            ordered = wanted;
            course.most = course.most.max(ordered);
        }
        course.in_the_end = serving;
        course
    }

    fn by_lag(&self) -> Course {
        let mut autoscaler = Autoscaler::new(Policy::new(UNIT_RATE, LAG_S_MAX));
        self.run(|sample, _, is_asked| {
            autoscaler.observe(sample);
            is_asked.then(|| autoscaler.recommend(LEAD_S).recommended)
        })
    }

    /// As most do it: so many that the CPUs would be 70 % busy with what they do now, within a
    /// tenth, and for five minutes no fewer than before.
    fn by_cpu(&self) -> Course {
        let mut asked = Vec::new();
        self.run(|sample, busy, is_asked| {
            is_asked.then(|| {
                let now = f64::from(sample.count);
                let ratio = busy / 0.7;
                let wanted = if (ratio - 1.0).abs() <= 0.1 {
                    now
                } else {
                    (now * ratio).ceil()
                };
                asked.push(wanted as u32);
                let held = 300 / POLL_EVERY_S as usize;
                asked.iter().rev().take(held).copied().max().unwrap_or(1)
            })
        })
    }
}

/// Between -1 and 1, the same at every run.
fn tremble(at_s: u32) -> f64 {
    let mixed = at_s.wrapping_mul(2_654_435_761).rotate_left(13) ^ 0x9e37_79b9;
    f64::from(mixed % 2_001) / 1_000.0 - 1.0
}

#[test]
fn the_recommendation_is_ahead_of_the_peak_of_the_second_teams_surge() {
    for doubling_s in [60.0, 90.0, 180.0] {
        for truth in [0.8, 1.0, 1.3] {
            let surge = Surge { doubling_s, truth };
            let course = surge.by_lag();
            let what = format!("doubling every {doubling_s} s, truth {truth}: {course:?}");
            assert!(
                course.lag_s_max <= LAG_S_MAX,
                "nobody waits too long: {what}"
            );
            let needed = surge.needed_at_peak();
            assert!(
                f64::from(course.at_peak) >= needed,
                "{needed} at the peak: {what}"
            );
            // What was ordered ahead for more than came is bounded by the belief in a trend.
            assert!(f64::from(course.most) <= needed / 0.7 * 3.2, "{what}");
            assert!(course.in_the_end <= 3, "it comes back: {what}");
            assert_eq!(course.flaps, 0, "{what}");
        }
    }
}

#[test]
fn by_cpu_the_same_surge_is_met_too_late() {
    let surge = Surge {
        doubling_s: 60.0,
        truth: 1.0,
    };
    let (by_cpu, by_lag) = (surge.by_cpu(), surge.by_lag());
    assert!(
        f64::from(by_cpu.at_peak) < surge.needed_at_peak(),
        "{by_cpu:?}"
    );
    assert!(by_cpu.lag_s_max > 10.0 * LAG_S_MAX, "{by_cpu:?}");
    assert!(by_lag.at_peak > by_cpu.at_peak, "{by_lag:?} {by_cpu:?}");
}

#[test]
fn a_belief_that_is_far_too_high_is_corrected_by_the_lag_it_causes() {
    let surge = Surge {
        doubling_s: 240.0,
        truth: 0.3,
    };
    let course = surge.by_lag();
    assert!(
        f64::from(course.at_peak) >= surge.needed_at_peak(),
        "{course:?}"
    );
    // It was behind once, at the beginning, when nobody could know.
    assert!(course.lag_s_max > LAG_S_MAX, "{course:?}");
}

#[test]
fn a_steady_trembling_load_is_left_alone() {
    let mut autoscaler = Autoscaler::new(Policy::new(UNIT_RATE, LAG_S_MAX));
    let mut done_total = 0.0;
    for at_s in 0..3_600_u32 {
        done_total += 100_000.0 * (1.0 + 0.1 * tremble(at_s));
        if at_s % LOOK_EVERY_S == 0 {
            autoscaler.observe(Sample {
                at_ms: u64::from(at_s) * 1_000,
                count: 4,
                done_total: done_total as u64,
                lag_messages: 300,
                lag_s: 0.003,
            });
            let recommended = autoscaler.recommend(LEAD_S).recommended;
            assert!((4..=5).contains(&recommended), "{recommended} at {at_s} s");
        }
    }
}

#[test]
fn a_stall_asks_for_no_more_than_a_step_and_is_forgotten() {
    let policy = Policy::new(UNIT_RATE, LAG_S_MAX);
    let mut autoscaler = Autoscaler::new(policy);
    let sample = |at_s: u64, done_total, lag_messages, lag_s| Sample {
        at_ms: at_s * 1_000,
        count: 2,
        done_total,
        lag_messages,
        lag_s,
    };
    for step in 0..20 {
        autoscaler.observe(sample(step * 5, step * 50_000, 10, 0.001));
    }
    for step in 20..30 {
        // Nothing is done any more, and what arrives piles up.
        autoscaler.observe(sample(step * 5, 950_000, (step - 19) * 50_000, 60.0));
        let told = autoscaler.recommend(LEAD_S);
        assert!(
            f64::from(told.recommended) <= 2.0 * policy.step_max,
            "{told:?}"
        );
    }
    for step in 30..2_000 {
        autoscaler.observe(sample(step * 5, step * 50_000, 10, 0.001));
    }
    let told = autoscaler.recommend(LEAD_S);
    assert_eq!(
        (told.recommended, told.reason.name()),
        (1, "steady"),
        "{told:?}"
    );
}

#[test]
fn before_two_looks_as_many_are_recommended_as_there_are() {
    let mut autoscaler = Autoscaler::new(Policy::new(UNIT_RATE, LAG_S_MAX));
    assert_eq!(autoscaler.recommend(LEAD_S).recommended, 1);
    let first = Sample {
        at_ms: 1_000,
        count: 3,
        done_total: 10,
        lag_messages: 0,
        lag_s: 0.0,
    };
    autoscaler.observe(first);
    let told = autoscaler.recommend(LEAD_S);
    assert_eq!((told.recommended, told.reason.name()), (3, "unknown"));
    // A total that goes back is a process that was started anew.
    autoscaler.observe(Sample {
        at_ms: 6_000,
        done_total: 500,
        ..first
    });
    autoscaler.observe(Sample {
        at_ms: 11_000,
        done_total: 2,
        ..first
    });
    assert_eq!(autoscaler.recommend(LEAD_S).reason.name(), "unknown");
}

#[test]
fn what_is_behind_for_a_while_needs_more_whatever_is_counted() {
    let mut autoscaler = Autoscaler::new(Policy::new(UNIT_RATE, LAG_S_MAX));
    let mut look = |at_s: u64, lag_s| {
        autoscaler.observe(Sample {
            at_ms: at_s * 1_000,
            count: 2,
            done_total: at_s,
            lag_messages: 0,
            lag_s,
        });
        autoscaler.recommend(LEAD_S)
    };
    look(0, 0.01);
    look(5, 0.01);
    let hiccup = look(10, 0.3);
    assert_eq!((hiccup.recommended, hiccup.reason.name()), (1, "steady"));
    let behind = look(15, 0.3);
    assert_eq!((behind.recommended, behind.reason.name()), (3, "behind"));
    assert_eq!(look(20, 30.0).recommended, 4);
    let after = look(25, 0.01);
    assert_eq!((after.recommended, after.reason.name()), (4, "held"));
}
