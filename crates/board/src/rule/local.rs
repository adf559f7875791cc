//! Local time of a zone whose offsets are given.
//!
//! Where clocks are put forward, local times in the gap never come; where they are put back,
//! some come twice. Windows have to be cut once and for good, so what counts is the *first*
//! moment at which a local time is reached or passed: one within a gap is reached when the
//! clocks change, one that comes twice the first time. That never goes back, so windows follow
//! each other without overlap.

use huntcore_model::{TimeMicros, Zone};

const SECOND_MICROS: i64 = 1_000_000;

/// The latest local time that has been reached by `time`, in microseconds since 1970 on local
/// clocks. Later than what clocks show while an hour comes for the second time.
pub(super) fn reached(zone: &Zone, time: TimeMicros) -> i64 {
    let time = micros(time);
    let mut latest = i64::MIN;
    for (place, offset) in zone.offsets.iter().enumerate() {
        let shift = i64::from(offset.seconds) * SECOND_MICROS;
        match zone.offsets.get(place + 1) {
            // The moment of the change itself has the next offset.
            Some(next) if micros(next.from) <= time => {
                latest = latest.max(micros(next.from) + shift - 1);
            }
            _ => return latest.max(time + shift),
        }
    }
    time
}

/// The first moment at which local clocks show this time or a later one; not before 1970.
pub(super) fn first_at(zone: &Zone, local: i64) -> TimeMicros {
    let mut begins = i64::MIN;
    let mut found = local;
    for (place, offset) in zone.offsets.iter().enumerate() {
        let shift = i64::from(offset.seconds) * SECOND_MICROS;
        found = begins.max(local - shift);
        match zone.offsets.get(place + 1) {
            Some(next) if micros(next.from) + shift <= local => begins = micros(next.from),
            _ => break,
        }
    }
    TimeMicros::new(u64::try_from(found).unwrap_or(0))
}

/// Times of records are before the year 2540, so nothing here comes near an overflow; an
/// offset may claim a later one.
fn micros(time: TimeMicros) -> i64 {
    const FAR: i64 = 1 << 60;
    i64::try_from(time.get()).map_or(FAR, |time| time.min(FAR))
}
