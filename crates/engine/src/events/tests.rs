//! Buckets on their own: what is remembered, sealed, dropped and skipped.

use huntcore_model::{EventDigest, HuntNumber};

use super::*;

const NOWHERE: Looked = Looked {
    known: None,
    covers: Coverage::START,
};

fn events_of(events_sealed_at: usize) -> Events {
    Events::new(&EngineLimits {
        event_horizon_ms: 24_000,
        events_sealed_at,
        ..EngineLimits::default()
    })
}

fn fact(event_id: &str, sequence: u64) -> EventFact {
    EventFact {
        key: EventKey::new(HuntNumber::new(0), "ada", event_id),
        seen: EventSeen {
            digest: EventDigest([0; 16]),
            sequence: Sequence::new(sequence),
        },
    }
}

/// Where a stream stands before the record at `sequence`.
fn before(sequence: u64, millis: u64) -> Tail {
    Tail {
        sequence: Sequence::new(sequence),
        chain: Hash32::new([7; 32]),
        time: TimeMicros::from_millis(millis),
    }
}

fn get(events: &Events, fact: &EventFact) -> Option<EventSeen> {
    events.get(&fact.key, &NOWHERE).expect("nothing has left")
}

#[test]
fn an_event_is_remembered_for_the_whole_horizon_and_then_forgotten() {
    let mut events = events_of(100);
    let mut closed_next = ClosedOrdinal::ZERO;
    let (first, second) = (fact("1", 1), fact("2", 2));
    let mut insert = |events: &mut Events, millis, fact: EventFact| {
        let tail = before(fact.seen.sequence.get(), millis);
        events.insert(
            TimeMicros::from_millis(millis),
            &tail,
            fact,
            &mut closed_next,
        );
    };
    insert(&mut events, 500, first);
    insert(&mut events, 1_600, second);
    assert_eq!(closed_next, ClosedOrdinal::new(1));
    events.forget(TimeMicros::from_millis(24_500));
    assert_eq!(get(&events, &first), Some(first.seen));
    events.forget(TimeMicros::from_millis(25_500));
    assert_eq!(get(&events, &first), None);
    assert_eq!(
        (events.count(), get(&events, &second)),
        (1, Some(second.seen))
    );
    events.forget(TimeMicros::from_millis(26_000));
    assert_eq!(events.count(), 0);
}

#[test]
fn a_bucket_is_sealed_by_count_between_two_batches() {
    let mut events = events_of(2);
    let mut closed_next = ClosedOrdinal::ZERO;
    // Three in one batch, two in the next.
    for (batch, numbers) in [(10, 10..13), (13, 13..14)] {
        for number in numbers {
            let fact = fact(&number.to_string(), number);
            assert_eq!(get(&events, &fact), None);
            events.insert(TimeMicros::ZERO, &before(batch, 0), fact, &mut closed_next);
        }
        events.seal_full(&before(batch + 3, 0), &mut closed_next);
    }
    let sealed: Vec<_> = events.since(ClosedOrdinal::ZERO).collect();
    assert_eq!((sealed.len(), sealed[0].len()), (1, 3));
    let span = sealed[0].span();
    assert_eq!((span.first.get(), span.end.get()), (0, 13));
    assert_eq!(sealed[0].chain(), Hash32::new([7; 32]));
    assert_eq!(events.sealed_to().get(), 13);
    assert_eq!(
        get(&events, &fact("10", 10)).map(|seen| seen.sequence.get()),
        Some(10)
    );
}

#[test]
fn what_has_left_memory_must_have_been_looked_up_since() {
    let mut events = events_of(1);
    let mut closed_next = ClosedOrdinal::ZERO;
    for number in 0..3 {
        let fact = fact(&number.to_string(), number);
        events.seal_full(&before(number, 0), &mut closed_next);
        events.insert(TimeMicros::ZERO, &before(number, 0), fact, &mut closed_next);
    }
    let left = fact("0", 0);
    let covers = Coverage::START.next();
    events.drop_sealed(ClosedOrdinal::ZERO, covers);
    assert_eq!(events.count(), 2);
    assert_eq!(events.get(&left.key, &NOWHERE), Err(LookAgain));
    let known = Some(left.seen);
    assert_eq!(events.get(&left.key, &Looked { known, covers }), Ok(known));
    let still = fact("1", 1);
    let known = None;
    assert_eq!(
        events.get(&still.key, &Looked { known, covers }),
        Ok(Some(still.seen))
    );
    assert_eq!(
        events
            .elsewhere()
            .map(|span| span.end.get())
            .collect::<Vec<_>>(),
        [1]
    );
}

#[test]
fn a_fold_skips_what_stands_and_seals_what_lies_before_it() {
    let mut events = events_of(100);
    let mut closed_next = ClosedOrdinal::ZERO;
    let span = EventSpan {
        first: Sequence::new(4),
        end: Sequence::new(8),
        newest: TimeMicros::ZERO,
    };
    events.stand(vec![span]);
    for number in 0..10 {
        let at = Sequence::new(number);
        if !events.skip(at, TimeMicros::ZERO, &mut closed_next) {
            let fact = fact(&number.to_string(), number);
            events.insert(TimeMicros::ZERO, &before(number, 0), fact, &mut closed_next);
        }
    }
    let sealed: Vec<_> = events.since(ClosedOrdinal::ZERO).collect();
    assert_eq!(sealed.len(), 1);
    let before = sealed[0].span();
    assert_eq!(
        (before.first.get(), before.end.get(), sealed[0].len()),
        (0, 4, 4)
    );
    assert_eq!((events.sealed_to().get(), events.count()), (8, 6));
    // Found later: what is held of it goes.
    let all = EventSpan {
        end: Sequence::new(9),
        ..span
    };
    events.stand(vec![
        EventSpan {
            first: Sequence::ZERO,
            end: Sequence::new(4),
            ..span
        },
        all,
    ]);
    assert_eq!((events.count(), events.extent().1), (1, 0));
    assert_eq!(
        get(&events, &fact("9", 9)).map(|seen| seen.sequence.get()),
        Some(9)
    );
}

#[test]
fn many_events_of_one_bucket_are_all_found() {
    let mut events = events_of(100_000);
    let mut closed_next = ClosedOrdinal::ZERO;
    for number in 0..20_000 {
        let fact = fact(&number.to_string(), number);
        assert_eq!(get(&events, &fact), None);
        events.insert(TimeMicros::ZERO, &before(number, 0), fact, &mut closed_next);
    }
    for number in 0..20_000 {
        let fact = fact(&number.to_string(), number);
        assert_eq!(get(&events, &fact), Some(fact.seen));
    }
    assert_eq!(closed_next, ClosedOrdinal::ZERO);
}
