//! When a shard's log has to say that time has passed.

use std::collections::BTreeSet;
use std::ops::Bound;

use huntcore_model::{HuntEntry, HuntNumber, RoundSchedule, TimeMicros};

/// A shard with an open hunt says at least this often that time has passed.
const TIME_RECORD_EVERY_MS: u64 = 100;
/// A hunt that starts later than this needs no time records yet.
const TIME_AHEAD_OF_START_MS: u64 = 1_000;
/// How long after a hunt is over its windows still get time records.
const TIME_AFTER_END_MS: u64 = 2_000;
/// The same after it was closed. Shards hear of that one after the other, and boards finish
/// its windows once each has got past the last one's hearing of it.
const TIME_AFTER_CLOSING_MS: u64 = 10_000;

/// All times at which something begins or ends, so that asking for the next one costs the
/// same with one hunt and with a thousand.
#[derive(Debug, Default)]
pub(crate) struct Heartbeat {
    // When rounds open and close, later than the log's time.
    boundaries: BTreeSet<TimeMicros>,
    hunts: Vec<HuntTimes>,
    // When hunts that sleep wake up.
    wakes: BTreeSet<(TimeMicros, HuntNumber)>,
    // When hunts that are not over will be, if ever.
    sleeps: BTreeSet<(TimeMicros, HuntNumber)>,
    awake: usize,
}

/// When a hunt needs time records: from `wakes_at` until `sleeps_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HuntTimes {
    wakes_at: TimeMicros,
    sleeps_at: Option<TimeMicros>,
    last_close: TimeMicros,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Asleep,
    Awake,
    Over,
}

impl HuntTimes {
    fn phase_at(&self, time: TimeMicros) -> Phase {
        if self.sleeps_at.is_some_and(|sleeps_at| sleeps_at <= time) {
            Phase::Over
        } else if time < self.wakes_at {
            Phase::Asleep
        } else {
            Phase::Awake
        }
    }
}

impl Heartbeat {
    /// Takes note of a hunt as it is now, the log having got to `time`.
    pub(crate) fn note_hunt(&mut self, hunt: &HuntEntry, time: TimeMicros) {
        let index = hunt.number.get() as usize;
        if self.hunts.len() <= index {
            self.hunts.resize(
                index + 1,
                HuntTimes {
                    wakes_at: TimeMicros::MAX,
                    sleeps_at: None,
                    last_close: TimeMicros::ZERO,
                    phase: Phase::Over,
                },
            );
        }
        let known = self.hunts[index];
        self.unlist(hunt.number, &known);
        let (over_at, after_ms) = match hunt.closed_at {
            Some(closed_at) => (Some(closed_at), TIME_AFTER_CLOSING_MS),
            None => (over_at(hunt), TIME_AFTER_END_MS),
        };
        let settled = |over_at: TimeMicros| over_at.max(known.last_close).plus_millis(after_ms);
        let mut times = HuntTimes {
            wakes_at: hunt.starts_at.minus_millis(TIME_AHEAD_OF_START_MS),
            sleeps_at: over_at.map(settled),
            ..known
        };
        times.phase = times.phase_at(time);
        self.list(hunt.number, times);
    }

    /// Takes note of an announced round of a hunt that is known, as it is now.
    pub(crate) fn note_round(&mut self, hunt: &HuntEntry, round: RoundSchedule, time: TimeMicros) {
        self.boundaries.insert(round.opens_at);
        self.boundaries.insert(round.closes_at);
        if let Some(times) = self.hunts.get_mut(hunt.number.get() as usize) {
            times.last_close = times.last_close.max(round.closes_at);
        }
        self.note_hunt(hunt, time);
    }

    /// The log has got to `time`.
    pub(crate) fn pass(&mut self, time: TimeMicros) {
        while self.boundaries.first().is_some_and(|&first| first <= time) {
            self.boundaries.pop_first();
        }
        while let Some(&(at, hunt)) = self.next_change()
            && at <= time
        {
            let mut times = self.hunts[hunt.get() as usize];
            self.unlist(hunt, &times);
            times.phase = times.phase_at(time);
            self.list(hunt, times);
        }
    }

    /// When the log, which has got to `time`, should next hear of it; `None` while no hunt
    /// needs it.
    pub(crate) fn next(&self, time: TimeMicros) -> Option<TimeMicros> {
        let regular = (self.awake > 0).then(|| time.plus_millis(TIME_RECORD_EVERY_MS));
        // What is left of them lies later, but for what was announced since.
        let later = (Bound::Excluded(time), Bound::Unbounded);
        let boundary = self.boundaries.range(later).next().copied();
        let boundary = boundary.filter(|_| self.awake > 0);
        let wakes = self.wakes.first().map(|&(at, _)| at);
        [regular, boundary, wakes].into_iter().flatten().min()
    }

    fn next_change(&self) -> Option<&(TimeMicros, HuntNumber)> {
        let changes = [self.wakes.first(), self.sleeps.first()];
        changes.into_iter().flatten().min()
    }

    fn unlist(&mut self, hunt: HuntNumber, times: &HuntTimes) {
        match times.phase {
            Phase::Asleep => {
                self.wakes.remove(&(times.wakes_at, hunt));
            }
            Phase::Awake => self.awake -= 1,
            Phase::Over => {}
        }
        if let Some(sleeps_at) = times.sleeps_at {
            self.sleeps.remove(&(sleeps_at, hunt));
        }
    }

    fn list(&mut self, hunt: HuntNumber, times: HuntTimes) {
        match times.phase {
            Phase::Asleep => {
                self.wakes.insert((times.wakes_at, hunt));
            }
            Phase::Awake => self.awake += 1,
            Phase::Over => {}
        }
        if let Some(sleeps_at) = times.sleeps_at
            && times.phase != Phase::Over
        {
            self.sleeps.insert((sleeps_at, hunt));
        }
        self.hunts[hunt.get() as usize] = times;
    }
}

/// When a hunt that is not closed is over: no round that opened before its end can be claimed
/// any more, whether this shard has heard of that round or not.
pub(crate) fn over_at(hunt: &HuntEntry) -> Option<TimeMicros> {
    let windows_ms = hunt.versions.iter();
    let windows_ms = windows_ms.map(|version| version.config.claim_window_ms);
    let longest_ms = windows_ms.max().unwrap_or(0);
    hunt.ends_at.map(|ends_at| ends_at.plus_millis(longest_ms))
}
