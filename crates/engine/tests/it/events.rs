//! Score events are taken once.

use huntcore_engine::{EngineLimits, EventVerdict, Looked};
use huntcore_model::{BATCH_BYTES_MAX, ControlRecord, EventDigest, PAYLOAD_BYTES_MAX, Sequence};

use crate::desk::{Desk, HUNT, at};
use crate::world::event;

fn sequence(verdict: EventVerdict) -> Sequence {
    match verdict {
        EventVerdict::Accepted(sequence) => sequence,
        other => panic!("accepted expected, found {other:?}"),
    }
}

#[test]
fn an_event_is_known_by_hunt_player_and_event_id() {
    let mut desk = Desk::new(EngineLimits::default());
    let first = sequence(desk.score(10, "ada", "1", 7));
    for restart in [false, true] {
        if restart {
            desk.restart();
        }
        assert_eq!(
            desk.score(11, "ada", "1", 7),
            EventVerdict::Duplicate(first)
        );
        assert_eq!(desk.score(12, "ada", "1", 8), EventVerdict::Conflict(first));
    }
    let before = desk.records();
    desk.score(13, "ada", "1", 7);
    assert_eq!(desk.records(), before, "a repetition is not written");
    sequence(desk.score(14, "ada", "2", 7));
    sequence(desk.score(15, "bo", "1", 7));
}

#[test]
fn any_part_but_the_identity_makes_a_conflict() {
    let mut desk = Desk::new(EngineLimits::default());
    let first = sequence(desk.score(10, "ada", "1", 7));
    desk.arbiter.begin(at(11));
    let mut other = event(HUNT, "ada", "1", 7);
    other.digest = EventDigest([0; 16]);
    assert_eq!(
        desk.arbiter
            .score_event(&other, &Looked::default())
            .map(|decided| decided.answer),
        Ok(EventVerdict::Conflict(first))
    );
}

#[test]
fn an_event_is_remembered_for_its_horizon_across_restarts() {
    let limits = EngineLimits {
        event_horizon_ms: 2_400,
        ..EngineLimits::default()
    };
    for taken_ms in [0, 1, 50, 99] {
        let mut desk = Desk::new(limits);
        let taken = sequence(desk.score(taken_ms, "ada", "1", 7));
        for later_ms in [1, 2_300, 2_399] {
            desk.score(taken_ms + later_ms, "bo", &format!("{later_ms}"), 1);
            desk.restart();
            let again = desk.score(taken_ms + later_ms, "ada", "1", 7);
            assert_eq!(
                again,
                EventVerdict::Duplicate(taken),
                "{later_ms} ms after {taken_ms}"
            );
        }
        // At most a 24th of the horizon longer.
        desk.score(taken_ms + 2_500, "bo", "last", 1);
        let forgotten = desk.score(taken_ms + 2_501, "ada", "1", 8);
        assert!(
            matches!(forgotten, EventVerdict::Accepted(_)),
            "{forgotten:?}"
        );
    }
}

#[test]
fn at_the_limit_new_events_are_refused_and_known_ones_answered() {
    let limits = EngineLimits {
        events_max: 2,
        event_horizon_ms: 2_400,
        ..EngineLimits::default()
    };
    let mut desk = Desk::new(limits);
    let first = sequence(desk.score(0, "ada", "1", 1));
    sequence(desk.score(1, "ada", "2", 1));
    let before = desk.records();
    assert_eq!(desk.score(2, "bo", "3", 1), EventVerdict::Overloaded);
    assert_eq!(desk.score(2, "ada", "1", 1), EventVerdict::Duplicate(first));
    assert_eq!(
        desk.records(),
        before,
        "nothing changed, not even bo's number"
    );
    desk.arbiter.begin(at(2_600));
    desk.finish().expect("time has passed");
    sequence(desk.score(2_601, "bo", "3", 1));
}

#[test]
fn a_closed_hunt_takes_no_events_but_knows_those_it_took() {
    let mut desk = Desk::new(EngineLimits::default());
    let first = sequence(desk.score(0, "ada", "1", 1));
    let (hunt, closed_at) = (HUNT, at(10));
    desk.copy(10, &ControlRecord::HuntClosed { hunt, closed_at });
    assert_eq!(
        desk.score(11, "ada", "1", 1),
        EventVerdict::Duplicate(first)
    );
    assert_eq!(desk.score(11, "ada", "2", 1), EventVerdict::HuntClosed);
}

#[test]
fn a_full_log_takes_no_events() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.arbiter.set_storage_full(true);
    assert_eq!(desk.score(0, "ada", "1", 1), EventVerdict::StorageFull);
}

#[test]
fn a_decision_never_outgrows_a_batch() {
    let mut desk = Desk::new(EngineLimits::default());
    let payload = "x".repeat(PAYLOAD_BYTES_MAX);
    desk.arbiter.begin(at(0));
    let fits = |verdict: &EventVerdict| matches!(verdict, EventVerdict::Accepted(_));
    let asked = BATCH_BYTES_MAX / PAYLOAD_BYTES_MAX + 10;
    let verdicts: Vec<_> = (0..asked)
        .map(|index| desk.score_large(&index.to_string(), &payload))
        .collect();
    let accepted = verdicts.iter().take_while(|verdict| fits(verdict)).count();
    assert!(accepted > asked / 3, "{accepted} of {asked}");
    assert!(
        verdicts[accepted..]
            .iter()
            .all(|verdict| *verdict == EventVerdict::Overloaded)
    );
    let batch = desk.finish().expect("events");
    assert!(batch.bytes().len() <= BATCH_BYTES_MAX);
    // The refused ones are taken by the next decision.
    desk.arbiter.begin(at(1));
    assert!(fits(&desk.score_large(&accepted.to_string(), &payload)));
}
