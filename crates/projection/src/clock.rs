//! Where time comes from.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use huntcore_model::TimeMicros;
use parking_lot::Mutex;

/// Tells the time. Everything else in the program is told it.
pub trait Clock: Send + Sync {
    /// Now. Never goes back within a process.
    fn now(&self) -> TimeMicros;

    /// From now on never says less than `time`: the log has been there already.
    fn advance_to(&self, time: TimeMicros);
}

/// The machine's clock. While that is behind what has been said before, because it was set
/// back or another machine's was ahead, this one goes on at half its speed until it fits.
#[derive(Debug)]
pub struct SystemClock {
    said: Mutex<Said>,
}

#[derive(Debug)]
struct Said {
    micros: u64,
    at: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            said: Mutex::new(Said {
                micros: wall_micros(),
                at: Instant::now(),
            }),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> TimeMicros {
        let mut said = self.said.lock();
        let at = Instant::now();
        let passed = u64::try_from((at - said.at).as_micros()).unwrap_or(u64::MAX);
        said.micros = next(said.micros, wall_micros(), passed);
        said.at = at;
        TimeMicros::new(said.micros)
    }

    fn advance_to(&self, time: TimeMicros) {
        let mut said = self.said.lock();
        said.micros = said.micros.max(time.get());
    }
}

/// What to say after `said`, when the machine says `wall` and `passed` has really passed.
fn next(said: u64, wall: u64, passed: u64) -> u64 {
    wall.max(said.saturating_add(passed / 2))
}

fn wall_micros() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_goes_on_slowly_until_the_machine_has_caught_up() {
        let (mut said, mut wall) = (10_000, 4_000);
        for _ in 0..12 {
            wall += 1_000;
            let before = said;
            said = next(said, wall, 1_000);
            assert!(said > before, "time goes on");
        }
        assert_eq!(said, wall, "and fits again");
    }

    #[test]
    fn a_clock_never_says_less_than_the_log() {
        let clock = SystemClock::default();
        let ahead = clock.now().plus_millis(3_600_000);
        clock.advance_to(ahead);
        assert!(clock.now() >= ahead);
    }
}
