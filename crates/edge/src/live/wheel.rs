//! A timing wheel: one alarm for each of many places, at the cost of a few writes, however
//! many there are.
//!
//! An alarm may go off early, never late: whoever gets it looks whether its time has come and
//! sets another. So moving an alarm to later costs nothing at all, which is what nearly every
//! message on a socket would otherwise do.

use std::time::{Duration, Instant};

/// A point in time, in ticks since the clock's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tick(u64);

/// Tells ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct TickClock {
    start: Instant,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Wheel {
    /// The first place of each tick's list.
    heads: Box<[u32]>,
    /// A bit for each list that is not empty.
    occupied: [u64; SLOTS / 64],
    places: Vec<Place>,
    now: Tick,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    next: u32,
    previous: u32,
    /// [`Tick::NEVER`] while no alarm is set.
    at: Tick,
}

const TICK_MS: u64 = 10;
/// Alarms further ahead than this many ticks go off early.
const SLOTS: usize = 4_096;
const NONE: u32 = u32::MAX;

impl Tick {
    pub(super) const NEVER: Self = Self(u64::MAX);

    /// The first tick that is certainly `duration` later.
    pub(super) fn after(self, duration: Duration) -> Self {
        let ticks = duration.as_millis().div_ceil(u128::from(TICK_MS)) + 1;
        Self(
            self.0
                .saturating_add(u64::try_from(ticks).unwrap_or(u64::MAX)),
        )
    }

    #[expect(clippy::cast_possible_truncation, reason = "less than SLOTS")]
    const fn slot(self) -> usize {
        (self.0 % SLOTS as u64) as usize
    }
}

impl TickClock {
    pub(super) const fn new(start: Instant) -> Self {
        Self { start }
    }

    pub(super) fn tick(&self, now: Instant) -> Tick {
        let millis = now.saturating_duration_since(self.start).as_millis();
        Tick(u64::try_from(millis).unwrap_or(u64::MAX) / TICK_MS)
    }

    /// How long until `tick`.
    pub(super) fn until(&self, tick: Tick, now: Instant) -> Duration {
        let at = Duration::from_millis(tick.0.saturating_mul(TICK_MS));
        at.saturating_sub(now.saturating_duration_since(self.start))
    }
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self {
            heads: vec![NONE; SLOTS].into(),
            occupied: [0; SLOTS / 64],
            places: Vec::new(),
            now: Tick(0),
        }
    }

    /// Sees to it that the alarm of `place` goes off at `at` or before.
    pub(super) fn set(&mut self, place: u32, at: Tick) {
        let index = place as usize;
        if index >= self.places.len() {
            let empty = Place {
                next: NONE,
                previous: NONE,
                at: Tick::NEVER,
            };
            self.places.resize(index + 1, empty);
        }
        let (first, last) = (self.now.0 + 1, self.now.0 + SLOTS as u64 - 1);
        let at = Tick(at.0.clamp(first, last));
        if self.places[index].at <= at {
            return;
        }
        self.clear(place);
        let head = std::mem::replace(&mut self.heads[at.slot()], place);
        self.occupied[at.slot() / 64] |= 1 << (at.slot() % 64);
        if let Some(head) = self.places.get_mut(head as usize) {
            head.previous = place;
        }
        self.places[index] = Place {
            next: head,
            previous: NONE,
            at,
        };
    }

    /// There is nobody at `place` any more.
    pub(super) fn clear(&mut self, place: u32) {
        let Some(cleared) = self.places.get_mut(place as usize) else {
            return;
        };
        let Place { next, previous, at } = *cleared;
        if at == Tick::NEVER {
            return;
        }
        cleared.at = Tick::NEVER;
        if let Some(next) = self.places.get_mut(next as usize) {
            next.previous = previous;
        }
        match self.places.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => {
                self.heads[at.slot()] = next;
                if next == NONE {
                    self.occupied[at.slot() / 64] &= !(1 << (at.slot() % 64));
                }
            }
        }
    }

    /// Moves on to `now` and appends the places whose alarms went off on the way.
    pub(super) fn advance(&mut self, now: Tick, due: &mut Vec<u32>) {
        while let Some(next) = self.next().filter(|&next| next <= now) {
            let slot = next.slot();
            let mut place = std::mem::replace(&mut self.heads[slot], NONE);
            self.occupied[slot / 64] &= !(1 << (slot % 64));
            while let Some(at) = self.places.get_mut(place as usize) {
                at.at = Tick::NEVER;
                due.push(place);
                place = at.next;
            }
            self.now = next;
        }
        self.now = self.now.max(now);
    }

    /// When the next alarm goes off.
    pub(super) fn next(&self) -> Option<Tick> {
        let start = Tick(self.now.0 + 1);
        let (first_word, first_bit) = (start.slot() / 64, start.slot() % 64);
        let words = self.occupied.len();
        // The first word is looked at twice: its later bits first, its earlier ones last.
        let found = (0..=words).find_map(|step| {
            let word = (first_word + step) % words;
            let mask = match step {
                0 => u64::MAX << first_bit,
                _ if step == words => !(u64::MAX << first_bit),
                _ => u64::MAX,
            };
            let bits = self.occupied[word] & mask;
            (bits != 0).then(|| word * 64 + bits.trailing_zeros() as usize)
        })?;
        let ahead = (found + SLOTS - start.slot()) % SLOTS;
        Some(Tick(start.0 + ahead as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Set(u32, u64),
        Clear(u32),
        Advance(u64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let ahead = prop_oneof![0..40_u64, 0..10_000_u64, Just(u64::MAX)];
        prop_oneof![
            4 => (0..20_u32, ahead).prop_map(|(place, ahead)| Step::Set(place, ahead)),
            1 => (0..20_u32).prop_map(Step::Clear),
            2 => prop_oneof![0..20_u64, 0..9_000_u64].prop_map(Step::Advance),
        ]
    }

    proptest! {
        #[test]
        fn no_alarm_is_late_and_none_is_lost(steps in proptest::collection::vec(any_step(), 1..200)) {
            let mut wheel = Wheel::new();
            let mut now = 0_u64;
            // What each place waits for; going off early it is set again, as whoever uses it does.
            let mut waiting: BTreeMap<u32, u64> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Set(place, ahead) => {
                        let at = now.saturating_add(ahead).max(now + 1);
                        wheel.set(place, Tick(at));
                        let earliest = waiting.get(&place).map_or(at, |&known| known.min(at));
                        waiting.insert(place, earliest);
                    }
                    Step::Clear(place) => {
                        wheel.clear(place);
                        waiting.remove(&place);
                    }
                    Step::Advance(ticks) => {
                        now += ticks;
                        let mut due = Vec::new();
                        wheel.advance(Tick(now), &mut due);
                        for place in due {
                            let at = waiting.remove(&place);
                            prop_assert!(at.is_some(), "an alarm that nobody set");
                            if let Some(at) = at.filter(|&at| at > now) {
                                wheel.set(place, Tick(at));
                                waiting.insert(place, at);
                            }
                        }
                        prop_assert!(waiting.values().all(|&at| at > now), "late");
                    }
                }
                let next = wheel.next().map(|tick| tick.0);
                prop_assert_eq!(next.is_some(), !waiting.is_empty());
                let earliest = waiting.values().min();
                prop_assert!(next <= earliest.copied(), "{:?} after {:?}", next, earliest);
                prop_assert!(next.is_none_or(|next| next > now));
            }
        }
    }

    #[test]
    fn a_duration_is_never_over_too_early() {
        let start = Instant::now();
        let clock = TickClock::new(start);
        for millis in [0, 1, 9, 10, 11, 20_000] {
            let now = start + Duration::from_millis(millis);
            for wait in [0, 1, 10, 25].map(Duration::from_millis) {
                let tick = clock.tick(now).after(wait);
                assert!(clock.until(tick, now) >= wait, "{millis} {wait:?}");
                let then = now + clock.until(tick, now);
                assert!(clock.tick(then) >= tick, "{millis} {wait:?}");
            }
        }
    }
}
