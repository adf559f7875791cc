//! What holds when something goes wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};

use huntcore_model::{Epoch, Sequence, ShardId, Tail};

use super::owner::read_all;
use super::{Fixture, Owner};
use crate::{CommitResult, Completion, Refusal, Ticket};

const SHARD: ShardId = ShardId::new(0);

/// I4: whatever it has in flight, and whatever it submits later.
pub fn a_newer_owner_fences_the_older(fixture: &mut dyn Fixture) {
    let log = fixture.open();
    let mut older = Owner::next(&*log, SHARD);
    let mut written = vec![older.commit(2, 0)];
    let mut newer = Owner::next(&*log, SHARD);
    assert_eq!(newer.tail, written[0].tail());
    let epoch = newer.epoch;
    for index in 1..4 {
        let late = older.batch(1, 0);
        older.submit(&late).expect("room");
        let completion = older.wait();
        assert_eq!(completion.ticket, Ticket(index));
        assert_eq!(completion.result, CommitResult::Fenced { epoch });
        written.push(newer.commit(1, 0));
    }
    // The same term again fences the writer of before, too.
    let mut again = Owner::acquire(&*log, SHARD, epoch, 1).expect("one's own term");
    let late = newer.batch(1, 0);
    newer.submit(&late).expect("room");
    assert_eq!(newer.wait().result, CommitResult::Fenced { epoch });
    written.push(again.commit(1, 0));
    assert_eq!(read_all(&*log, SHARD, Sequence::ZERO), written);
}

/// All later batches fail alike; a new writer goes on.
pub fn another_tail_is_a_mismatch_and_ends_the_writer(fixture: &mut dyn Fixture) {
    let log = fixture.open();
    let mut owner = Owner::next(&*log, SHARD);
    let other = owner.batch(2, 1);
    let mut written = vec![owner.commit(2, 0), owner.commit(1, 0)];
    let tail = owner.tail;
    let good = owner.batch(1, 0);
    let ahead = {
        owner.tail = good.tail();
        owner.batch(1, 0)
    };
    for (expected, batch) in [
        (Tail::default(), &other),
        (good.tail(), &ahead),
        (tail, &good),
    ] {
        owner.submit_at(expected, batch).expect("room");
        assert_eq!(owner.wait().result, CommitResult::Mismatch { tail });
    }
    let epoch = owner.epoch;
    let mut again = Owner::acquire(&*log, SHARD, epoch, 1).expect("one's own term");
    written.push(again.commit(1, 0));
    assert_eq!(read_all(&*log, SHARD, Sequence::ZERO), written);
}

/// A batch of another stream, another term, another place.
pub fn a_broken_word_is_a_panic(fixture: &mut dyn Fixture) {
    let log = fixture.open();
    let mut owner = Owner::next(&*log, SHARD);
    let other = Owner::next(&*log, ShardId::new(1));
    owner.commit(1, 0);
    let first = other.batch(1, 0);
    let second = owner.batch(1, 0);
    for (expected, batch) in [(Tail::default(), &first), (Tail::default(), &second)] {
        let outcome = catch_unwind(AssertUnwindSafe(|| owner.submit_at(expected, batch)));
        assert!(outcome.is_err(), "taken: {outcome:?}");
    }
    owner.commit(1, 0);
}

/// I2: not by readers, not in the tail, until it is completed.
pub fn what_is_in_flight_cannot_be_read(fixture: &mut dyn Fixture) {
    let log = fixture.open();
    let mut owner = Owner::next(&*log, SHARD);
    let mut written = vec![owner.commit(2, 0)];
    let tail = owner.tail;
    if !fixture.hold(true) {
        return;
    }
    for _ in 0..3 {
        let batch = owner.batch(2, 0);
        owner.submit(&batch).expect("room");
        written.push(batch);
    }
    assert_eq!(log.tail(SHARD).expect("a tail").tail, tail);
    assert_eq!(read_all(&*log, SHARD, Sequence::ZERO), written[..1]);
    assert_eq!(owner.try_wait(), None);
    fixture.hold(false);
    for batch in &written[1..] {
        let tail = batch.tail();
        assert_eq!(owner.wait().result, CommitResult::Committed { tail });
    }
    assert_eq!(read_all(&*log, SHARD, Sequence::ZERO), written);
}

/// I8: the writer lives on, and the refused batch can be submitted again.
pub fn too_much_in_flight_is_refused_and_nothing_lost(fixture: &mut dyn Fixture) {
    let log = fixture.open();
    let mut owner = Owner::next(&*log, SHARD);
    if !fixture.hold(true) {
        return;
    }
    let mut written = Vec::new();
    let refused = loop {
        let batch = owner.batch(1, 4_000);
        match owner.submit(&batch) {
            Ok(_) => written.push(batch),
            Err(Refusal::Busy { batches, .. }) => {
                assert_eq!(batches, written.len());
                break batch;
            }
            Err(other) => panic!("expected Busy, got {other:?}"),
        }
        assert!(written.len() < 1_000_000, "no limit");
    };
    assert!(written.len() > 1, "no room for several in flight");
    fixture.hold(false);
    for batch in &written {
        let tail = batch.tail();
        assert_eq!(owner.wait().result, CommitResult::Committed { tail });
    }
    assert_eq!(owner.submit(&refused), Ok(Ticket(written.len() as u64)));
    let tail = refused.tail();
    assert_eq!(owner.wait().result, CommitResult::Committed { tail });
    written.push(refused);
    assert_eq!(read_all(&*log, SHARD, Sequence::ZERO), written);
}

/// `Full` for it and all later ones, of which nothing is ever seen.
pub fn a_full_home_says_so_and_stays_sound(fixture: &mut dyn Fixture) {
    let log = fixture.open();
    let mut owner = Owner::next(&*log, SHARD);
    let epoch = owner.epoch;
    let mut written = vec![owner.commit(2, 100)];
    if !fixture.fill(true) {
        return;
    }
    // A home may have space set aside; it takes what fits.
    let mut full = 0;
    while full < 3 {
        let batch = owner.batch(2, 1_000);
        owner.submit(&batch).expect("room in flight");
        match owner.wait().result {
            CommitResult::Committed { .. } if full == 0 => written.push(batch),
            CommitResult::Full { .. } => full += 1,
            other => panic!("expected Full, got {other:?}"),
        }
    }
    assert_eq!(read_all(&*log, SHARD, Sequence::ZERO), written);
    fixture.fill(false);
    let mut owner = Owner::acquire(&*log, SHARD, epoch, 1).expect("one's own term");
    assert_eq!(owner.tail, written.last().expect("one").tail());
    written.push(owner.commit(1, 10));
    drop(owner);
    fixture.close(log);
    let log = fixture.open();
    assert_eq!(read_all(&*log, SHARD, Sequence::ZERO), written);
}

/// And tell whether the batch was stored, by this writer or the term's next.
pub fn after_unknown_only_the_same_bytes_pass(fixture: &mut dyn Fixture) {
    for (round, stored) in (1..).zip([true, false]) {
        let mut log = fixture.open();
        let shard = ShardId::new(round);
        let epoch = Epoch::new(3);
        let mut owner = Owner::acquire(&*log, shard, epoch, 1).expect("a first term");
        let mut written = vec![owner.commit(2, 0)];
        if !fixture.doubt_next(shard, stored) {
            return;
        }
        let expected = owner.tail;
        let other = owner.batch(2, 7);
        let doubtful = owner.batch(2, 0);
        owner.submit(&doubtful).expect("room");
        let next = owner.batch(1, 0);
        owner.submit(&next).expect("room");
        owner.submit_at(expected, &other).expect("room");
        for _ in 0..3 {
            let result = owner.wait().result;
            assert!(matches!(result, CommitResult::Unknown { .. }), "{result:?}");
        }
        owner.submit_at(expected, &doubtful).expect("room");
        let mut result = owner.wait().result;
        if matches!(result, CommitResult::Unknown { .. }) {
            // The home has to be opened anew.
            drop(owner);
            fixture.crash(log, 0);
            log = fixture.open();
            owner = Owner::acquire(&*log, shard, epoch, 1).expect("one's own term");
            owner.submit_at(expected, &doubtful).expect("room");
            result = owner.wait().result;
        }
        let tail = doubtful.tail();
        assert_eq!(result.durable(), Some(tail), "{result:?}");
        let ticket = owner.submit_at(tail, &next).expect("room");
        let Completion {
            ticket: told,
            result,
        } = owner.wait();
        assert_eq!((told, result.durable()), (ticket, Some(next.tail())));
        written.extend([doubtful, next]);
        assert_eq!(read_all(&*log, shard, Sequence::ZERO), written);
        drop(owner);
        fixture.close(log);
    }
}

/// Whatever it takes of the rest.
pub fn a_crash_loses_nothing_acknowledged(fixture: &mut dyn Fixture) {
    let mut log = fixture.open();
    let mut acknowledged = Vec::new();
    for choice in 0..12 {
        let mut owner = Owner::next(&*log, SHARD);
        for count in 1..4 {
            acknowledged.push(owner.commit(count, 40));
        }
        fixture.hold(true);
        let mut in_flight = Vec::new();
        for count in 1..4 {
            let batch = owner.batch(count, 30);
            owner.submit(&batch).expect("room");
            in_flight.push(batch);
        }
        fixture.crash(log, choice);
        fixture.hold(false);
        drop(owner);
        log = fixture.open();
        let there = read_all(&*log, SHARD, Sequence::ZERO);
        let (old, new) = there.split_at(acknowledged.len().min(there.len()));
        assert_eq!(old, acknowledged, "choice {choice}");
        assert_eq!(new, &in_flight[..new.len()], "choice {choice}");
        acknowledged = there;
    }
}
