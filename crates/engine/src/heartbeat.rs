//! When a shard's log has to say that time has passed.

use huntcore_model::{Catalog, HuntEntry, TimeMicros};

/// A shard with an open hunt says at least this often that time has passed.
const TIME_RECORD_EVERY_MS: u64 = 100;
/// A hunt that starts later than this needs no time records yet.
const TIME_AHEAD_OF_START_MS: u64 = 1_000;
/// How long after a hunt's last round closed its windows still get time records.
const TIME_AFTER_END_MS: u64 = 2_000;

/// When the log, which has got to `time`, should next hear of it; `None` while no hunt
/// needs it.
pub(crate) fn next_time_record(catalog: &Catalog, time: TimeMicros) -> Option<TimeMicros> {
    catalog
        .hunts()
        .filter_map(|hunt| next_of_hunt(hunt, time))
        .min()
}

fn next_of_hunt(hunt: &HuntEntry, time: TimeMicros) -> Option<TimeMicros> {
    let settled = time.minus_millis(TIME_AFTER_END_MS);
    let end = hunt.closed_at.or(hunt.ends_at);
    let over = end.is_some_and(|end| end <= settled);
    if over && hunt.rounds_closing_after(settled).next().is_none() {
        return None;
    }
    let wakes_at = hunt.starts_at.minus_millis(TIME_AHEAD_OF_START_MS);
    if time < wakes_at {
        return Some(wakes_at);
    }
    let regular = time.plus_millis(TIME_RECORD_EVERY_MS);
    hunt.rounds_closing_after(time)
        .map(|round| round.opened.schedule)
        .flat_map(|schedule| [schedule.opens_at, schedule.closes_at])
        .filter(|&boundary| boundary > time)
        .chain([regular])
        .min()
}
