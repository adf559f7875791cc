//! How many of a component are needed, from how far it is behind and where that is going.
//!
//! CPU use is not looked at: it says that a machine is busy, not that anybody waits, it cannot
//! rise above what there is, and it is the same at twice as much as can be done as at ten times.
//! What arrives is what was done and by how much the lag has grown, which holds as well when too
//! much arrives. What one can do is known while there is a lag: then all that was done is all
//! that can be.

mod trend;

use std::collections::VecDeque;

pub use trend::Trend;

use crate::{Part, UnitCosts};

/// One look at a component.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When, in milliseconds since any moment.
    pub at_ms: u64,
    /// How many of the component there are.
    pub count: u32,
    /// Messages dealt with so far.
    pub done_total: u64,
    /// Messages that wait.
    pub lag_messages: u64,
    /// How long those dealt with last had waited, in seconds.
    pub lag_s: f64,
}

/// What is known of a component beforehand, and what is wanted of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Messages a second that one can do. To begin with: what was found out since counts more.
    pub unit_rate: f64,
    /// Whoever waits longer than this is waiting because there are too few, if it goes on.
    pub lag_s_max: f64,
    /// The share of what one can do that is to be used.
    pub utilisation: f64,
    /// What has piled up is to be gone after so long.
    pub drain_s: f64,
    /// How far back the trend looks. It looks back half as far as well, and believes whichever
    /// says more: a surge has begun before most of the window knows.
    pub window_s: f64,
    /// A recommendation stands for so long before a smaller one may follow.
    pub hold_s: f64,
    /// A trend is believed up to so many times what arrives now.
    pub growth_max: f64,
    /// Never more than so many times as many as there are: a disk that stands still for a
    /// moment is no reason for a hundred machines.
    pub step_max: f64,
}

impl Policy {
    /// The usual, for a part of a process that has so many cores. Whatever has a thread of its
    /// own in each shard, or one in each process, has one core.
    #[must_use]
    pub fn of(part: Part, costs: &UnitCosts, cores: u32) -> Self {
        let one = costs.rate_of(part);
        let all = one * f64::from(cores.max(1));
        match part {
            Part::Http | Part::Sockets => Self::new(all, 0.1),
            // A change is sent to everybody before the next one.
            Part::FanOut => Self::new(all, 0.1),
            // A few syncs of a slow disk.
            Part::Deciding | Part::Control | Part::Writing | Part::Keeping => Self::new(one, 0.1),
            // Boards may be late, but not so late that a person sees it.
            Part::Ranking | Part::Framing => Self::new(one, 0.25),
            Part::Sinking | Part::Other => Self::new(one, 5.0),
        }
    }

    /// The usual, for a component of which one does `unit_rate` messages a second and whose
    /// messages should not wait longer than `lag_s_max`.
    #[must_use]
    pub const fn new(unit_rate: f64, lag_s_max: f64) -> Self {
        Self {
            unit_rate,
            lag_s_max,
            utilisation: 0.7,
            drain_s: 10.0,
            window_s: 60.0,
            hold_s: 300.0,
            growth_max: 4.0,
            step_max: 4.0,
        }
    }
}

/// How long, by default, it takes from a recommendation to one more that serves: the next poll
/// of whoever asks, and a process that starts.
pub const LEAD_S: f64 = 75.0;

/// How many are needed, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recommendation {
    /// Messages that wait.
    pub lag_messages: u64,
    /// How long they wait: as told, or by how many there are and how fast they are done.
    pub lag_s: f64,
    /// Messages a second that arrive.
    pub rate: f64,
    /// Messages a second that will arrive when one that is started now serves.
    pub rate_expected: f64,
    /// Messages a second that one can do.
    pub unit_rate: f64,
    /// How many there are.
    pub current: u32,
    /// How many are needed, not rounded: parts of several processes can be added up.
    pub wanted: f64,
    /// How many are needed; at least 1.
    pub recommended: u32,
    /// What decided it.
    pub reason: Reason,
}

/// What decided a recommendation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Too little is known yet.
    Unknown,
    /// What arrives now.
    Steady,
    /// More will arrive by the time that it can be served.
    Rising,
    /// Those there are do not keep up.
    Behind,
    /// An earlier recommendation, which has to stand for a while.
    Held,
}

impl Reason {
    /// In one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Steady => "steady",
            Self::Rising => "rising",
            Self::Behind => "behind",
            Self::Held => "held",
        }
    }
}

/// Watches one component.
#[derive(Clone, Debug)]
pub struct Autoscaler {
    policy: Policy,
    unit_rate: f64,
    last: Option<Sample>,
    /// The newest last, back to the policy's longest span.
    seen: VecDeque<Seen>,
}

/// What was made of a sample.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at_s: f64,
    count: u32,
    lag_messages: u64,
    lag_s: f64,
    arriving: f64,
    trends: [Trend; 2],
    unit_rate: f64,
    /// Messages have waited too long, and not only at this look.
    is_behind: bool,
}

/// How fast a new measurement of what one can do replaces the old one.
const LEARNING: f64 = 0.5;
/// How fast, from sample to sample, it comes back to what is known beforehand when nothing waits.
const FORGETTING: f64 = 0.01;
/// It is never taken to be less than this part of what is known beforehand.
const UNIT_RATE_PART_MIN: f64 = 1.0 / 8.0;
/// Those that do not keep up are at most this many times too few, as far as their lag can tell.
const BEHIND_MAX: f64 = 2.0;
/// More samples than this would be closer together than they tell anything.
const SEEN_MAX: usize = 4_096;

impl Autoscaler {
    /// One that has seen nothing.
    #[must_use]
    pub const fn new(policy: Policy) -> Self {
        Self {
            unit_rate: policy.unit_rate,
            policy,
            last: None,
            seen: VecDeque::new(),
        }
    }

    /// Takes a look. Looks are taken every few seconds, in order of time.
    pub fn observe(&mut self, sample: Sample) {
        let Some(before) = self.last.replace(sample) else {
            return;
        };
        if sample.at_ms <= before.at_ms || sample.done_total < before.done_total {
            // It was started anew, or the clock was set: what was seen says nothing any more.
            self.seen.clear();
            return;
        }
        let at_s = sample.at_ms as f64 / 1_000.0;
        let span_s = (sample.at_ms - before.at_ms) as f64 / 1_000.0;
        let done = (sample.done_total - before.done_total) as f64;
        let grown = sample.lag_messages as f64 - before.lag_messages as f64;
        let lag_s = waiting_s(&sample, done / span_s);
        let was_behind = self
            .seen
            .back()
            .is_some_and(|seen| self.is_behind(seen.lag_s));
        self.learn(
            done / span_s / f64::from(sample.count.max(1)),
            was_behind && self.is_behind(lag_s),
        );
        let arriving = (done + grown).max(0.0) / span_s;
        let trends = [self.policy.window_s, self.policy.window_s / 2.0].map(|window_s| {
            let recent = self.seen.iter().filter(|seen| seen.at_s >= at_s - window_s);
            let points = recent.map(|seen| (seen.at_s, seen.arriving));
            Trend::of(points.chain([(at_s, arriving)]), at_s)
        });
        self.seen.push_back(Seen {
            at_s,
            count: sample.count,
            lag_messages: sample.lag_messages,
            lag_s,
            arriving,
            trends,
            unit_rate: self.unit_rate,
            is_behind: was_behind && self.is_behind(lag_s),
        });
        let kept_since = at_s - self.policy.hold_s.max(self.policy.window_s);
        while self.seen.len() > SEEN_MAX
            || self.seen.front().is_some_and(|seen| seen.at_s < kept_since)
        {
            self.seen.pop_front();
        }
    }

    /// How many are needed by `lead_s` seconds from the last look.
    #[must_use]
    pub fn recommend(&self, lead_s: f64) -> Recommendation {
        let Some(now) = self.seen.back() else {
            let current = self.last.map_or(1, |sample| sample.count);
            return Recommendation {
                lag_messages: self.last.map_or(0, |sample| sample.lag_messages),
                lag_s: self.last.map_or(0.0, |sample| sample.lag_s),
                rate: 0.0,
                rate_expected: 0.0,
                unit_rate: self.unit_rate,
                current,
                wanted: f64::from(current),
                recommended: current.max(1),
                reason: Reason::Unknown,
            };
        };
        let needed = self.needed(now, lead_s);
        let held_since = now.at_s - self.policy.hold_s;
        let held = self.seen.iter().filter(|seen| seen.at_s >= held_since);
        let wanted = held
            .map(|seen| self.needed(seen, lead_s))
            .fold(needed, f64::max);
        let most = (f64::from(now.count.max(1)) * self.policy.step_max).max(1.0);
        let rate_expected = self.expected(now, lead_s);
        let reason = if now.is_behind {
            Reason::Behind
        } else if whole(wanted) > whole(needed) {
            Reason::Held
        } else if rate_expected > now.arriving * 1.1 {
            Reason::Rising
        } else {
            Reason::Steady
        };
        let wanted = wanted.min(most);
        Recommendation {
            lag_messages: now.lag_messages,
            lag_s: now.lag_s,
            rate: now.arriving,
            rate_expected,
            unit_rate: now.unit_rate,
            current: now.count,
            wanted,
            recommended: whole(wanted),
            reason,
        }
    }

    fn is_behind(&self, lag_s: f64) -> bool {
        lag_s > self.policy.lag_s_max
    }

    /// What one can do is at least what it did, and no more than that while messages waited.
    fn learn(&mut self, done_by_each: f64, was_all: bool) {
        let known = self.policy.unit_rate;
        self.unit_rate = if was_all {
            self.unit_rate + LEARNING * (done_by_each - self.unit_rate)
        } else if self.unit_rate < known {
            self.unit_rate + FORGETTING * (known - self.unit_rate)
        } else {
            self.unit_rate
        };
        if !was_all {
            self.unit_rate = self.unit_rate.max(done_by_each);
        }
        self.unit_rate = self.unit_rate.max(known * UNIT_RATE_PART_MIN);
    }

    fn expected(&self, seen: &Seen, lead_s: f64) -> f64 {
        let growth_max = self.policy.growth_max;
        let expected = seen.trends.map(|trend| trend.after(lead_s, growth_max));
        expected.into_iter().fold(seen.arriving, f64::max)
    }

    fn needed(&self, seen: &Seen, lead_s: f64) -> f64 {
        let piled_up = seen.lag_messages as f64 / self.policy.drain_s;
        let arriving = self.expected(seen, lead_s) + piled_up;
        let needed = arriving / (seen.unit_rate * self.policy.utilisation);
        // Not everything that takes time is a message that is counted.
        let too_few = match seen.is_behind {
            true => (seen.lag_s / self.policy.lag_s_max).min(BEHIND_MAX),
            false => 0.0,
        };
        needed.max(too_few * f64::from(seen.count))
    }
}

/// How long messages wait: what is told of those that were done last says nothing of those
/// that wait while none are done.
fn waiting_s(sample: &Sample, done_rate: f64) -> f64 {
    let by_number = match sample.lag_messages {
        0 => 0.0,
        // With none done for this long, it is at least this long; nobody knows how much more.
        waiting => waiting as f64 / done_rate.max(1.0),
    };
    sample.lag_s.max(by_number)
}

/// Rounded up, at least 1.
fn whole(wanted: f64) -> u32 {
    // A hair's breadth above a whole number is that number.
    let rounded = (wanted - 1e-6).ceil();
    if rounded >= f64::from(u32::MAX) {
        u32::MAX
    } else {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within the type's range by the comparison"
        )]
        let rounded = rounded.max(1.0) as u32;
        rounded
    }
}
