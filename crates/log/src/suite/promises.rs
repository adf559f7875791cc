//! What holds when nothing goes wrong.

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use huntcore_model::{
    BATCH_BYTES_MAX, Epoch, PAYLOAD_BYTES_MAX, Sequence, ShardId, Tail, TimeMicros,
};

use super::owner::read_all;
use super::{Fixture, Owner};
use crate::{
    AcquireError, CommitResult, Completion, Log, ReadError, Refusal, StreamTail, Ticket, TrimError,
};

const SHARD: ShardId = ShardId::new(0);

/// Epoch 0, no batches, for reading as for appending.
pub fn a_stream_nobody_acquired_is_empty(fixture: &mut dyn Fixture) {
    let log = fixture.open();
    assert_eq!(log.tail(SHARD).expect("a tail"), StreamTail::default());
    assert!(read_all(&*log, SHARD, Sequence::ZERO).is_empty());
    assert!(log.usage().expect("usage").streams.is_empty());
    let owner = Owner::next(&*log, SHARD);
    assert_eq!((owner.epoch, owner.tail), (Epoch::new(1), Tail::default()));
    assert_eq!(log.tail(SHARD).expect("a tail").epoch, Epoch::new(1));
}

/// Byte for byte, personal parts included.
pub fn batches_come_back_as_they_were_submitted(fixture: &mut dyn Fixture) {
    let log = fixture.open();
    let mut owner = Owner::next(&*log, SHARD);
    let written: Vec<_> = (1..20).map(|count| owner.commit(count, 0)).collect();
    assert_eq!(read_all(&*log, SHARD, Sequence::ZERO), written);
    let tail = StreamTail {
        epoch: owner.epoch,
        tail: owner.tail,
    };
    assert_eq!(log.tail(SHARD).expect("a tail"), tail);
}

/// With many in flight; tickets count from 0.
pub fn completions_come_in_order_of_submission(fixture: &mut dyn Fixture) {
    let log = fixture.open();
    let mut owner = Owner::next(&*log, SHARD);
    let batches: Vec<_> = (0..100)
        .map(|index| {
            let batch = owner.batch(1 + index % 3, 0);
            assert_eq!(owner.submit(&batch), Ok(Ticket(u64::from(index))));
            batch
        })
        .collect();
    for (index, batch) in (0..).zip(&batches) {
        let expected = Completion {
            ticket: Ticket(index),
            result: CommitResult::Committed { tail: batch.tail() },
        };
        assert_eq!(owner.wait(), expected);
    }
    assert_eq!(read_all(&*log, SHARD, Sequence::ZERO), batches);
}

/// From every sequence, also in the middle of a batch and at the very end.
pub fn a_reader_starts_with_the_batch_that_holds_the_sequence(fixture: &mut dyn Fixture) {
    let log = fixture.open();
    let mut owner = Owner::next(&*log, SHARD);
    let written: Vec<_> = (0..30)
        .map(|index| owner.commit(1 + index % 4, 0))
        .collect();
    for from in 0..=owner.tail.sequence.get() {
        let from = Sequence::new(from);
        let first = written.partition_point(|batch| batch.header().next_sequence() <= from);
        assert_eq!(
            read_all(&*log, SHARD, from),
            written[first..],
            "from {from}"
        );
    }
}

/// Whoever asks has seen what the log does not hold.
pub fn reading_beyond_the_end_is_refused(fixture: &mut dyn Fixture) {
    let log = fixture.open();
    let mut owner = Owner::next(&*log, SHARD);
    owner.commit(3, 0);
    let from = Sequence::new(4);
    match log.read(SHARD, from).err() {
        Some(ReadError::Ahead { next, .. }) => assert_eq!(next, Sequence::new(3)),
        other => panic!("expected Ahead, got {other:?}"),
    }
}

/// Shards and the control stream are each their own.
pub fn streams_do_not_touch_each_other(fixture: &mut dyn Fixture) {
    let shards = [SHARD, ShardId::new(1), ShardId::CONTROL];
    let log = fixture.open();
    let mut owners = shards.map(|shard| Owner::next(&*log, shard));
    let mut written = [vec![], vec![], vec![]];
    for round in 0..5 {
        for (owner, written) in owners.iter_mut().zip(&mut written) {
            written.push(owner.commit(round + 1, 0));
        }
    }
    for (shard, written) in shards.iter().zip(&written) {
        assert_eq!(&read_all(&*log, *shard, Sequence::ZERO), written);
    }
    let streams = log.usage().expect("usage").streams;
    assert_eq!(
        streams
            .iter()
            .map(|stream| stream.shard)
            .collect::<Vec<_>>(),
        shards
    );
}

/// Batches, tails, terms; and appending goes on.
pub fn everything_is_there_after_a_new_start(fixture: &mut dyn Fixture) {
    let mut written = Vec::new();
    for start in 0..4 {
        let log = fixture.open();
        assert_eq!(read_all(&*log, SHARD, Sequence::ZERO), written);
        let before = log.tail(SHARD).expect("a tail");
        assert_eq!(before.epoch, Epoch::new(start));
        let mut owner = Owner::next(&*log, SHARD);
        assert_eq!(owner.tail, before.tail);
        for count in 1..5 {
            written.push(owner.commit(count, 0));
        }
        drop(owner);
        fixture.close(log);
    }
}

/// I4: two owners never share a term, not even across starts.
pub fn a_term_is_granted_once_or_to_its_nonce(fixture: &mut dyn Fixture) {
    let mut log = fixture.open();
    let term = |log: &dyn Log, epoch, nonce| {
        Owner::acquire(log, SHARD, Epoch::new(epoch), nonce).map(|owner| owner.tail)
    };
    let fenced = |result: Result<Tail, AcquireError>, by: u64| match result {
        Err(AcquireError::Fenced { epoch, .. }) => assert_eq!(epoch, Epoch::new(by)),
        other => panic!("expected Fenced, got {other:?}"),
    };
    fenced(term(&*log, 0, 1), 0);
    assert_eq!(term(&*log, 5, 1).expect("a first term"), Tail::default());
    for _ in 0..2 {
        fenced(term(&*log, 4, 1), 5);
        fenced(term(&*log, 5, 2), 5);
        assert_eq!(term(&*log, 5, 1).expect("one's own term"), Tail::default());
        fixture.close(log);
        log = fixture.open();
    }
    assert_eq!(term(&*log, 6, 2).expect("a later term"), Tail::default());
    fenced(term(&*log, 5, 1), 6);
}

/// The last batch or one long ago, to the same writer or to a new one of the term.
pub fn the_same_bytes_again_are_already_committed(fixture: &mut dyn Fixture) {
    let log = fixture.open();
    let epoch = Epoch::new(1);
    let mut owner = Owner::acquire(&*log, SHARD, epoch, 1).expect("a first term");
    let mut expected = Tail::default();
    let mut written = Vec::new();
    for count in 1..6 {
        written.push((expected, owner.commit(count, 0)));
        expected = owner.tail;
    }
    let check = |owner: &mut Owner| {
        for (expected, batch) in written.iter().rev() {
            let ticket = owner.submit_at(*expected, batch).expect("room");
            let tail = batch.tail();
            let result = CommitResult::AlreadyCommitted { tail };
            assert_eq!(owner.wait(), Completion { ticket, result });
        }
    };
    check(&mut owner);
    let last = owner.commit(2, 0);
    drop(owner);
    fixture.close(log);
    let log = fixture.open();
    let mut owner = Owner::acquire(&*log, SHARD, epoch, 1).expect("one's own term");
    assert_eq!(owner.tail, last.tail());
    check(&mut owner);
    let next = owner.commit(1, 0);
    let mut all: Vec<_> = written.into_iter().map(|(_, batch)| batch).collect();
    all.extend([last, next]);
    assert_eq!(read_all(&*log, SHARD, Sequence::ZERO), all);
}

/// Between small ones, whatever the home's own units are.
pub fn a_batch_of_the_greatest_length_is_stored(fixture: &mut dyn Fixture) {
    let log = fixture.open();
    let mut owner = Owner::next(&*log, SHARD);
    let length = |filler| owner.batch(1, filler).bytes().len();
    let record = length(2 * PAYLOAD_BYTES_MAX) - length(PAYLOAD_BYTES_MAX);
    let records = (BATCH_BYTES_MAX - length(0)) / record;
    let longest = records * PAYLOAD_BYTES_MAX;
    let left = BATCH_BYTES_MAX - length(longest);
    let longest = longest + left.saturating_sub(record - PAYLOAD_BYTES_MAX);
    assert!(
        BATCH_BYTES_MAX - length(longest) < 200,
        "{}",
        length(longest)
    );
    let mut written = vec![owner.commit(3, 0)];
    written.push(owner.commit(1, longest));
    written.push(owner.commit(3, 0));
    assert_eq!(read_all(&*log, SHARD, Sequence::ZERO), written);
    assert_eq!(read_all(&*log, SHARD, Sequence::new(4)), written[1..]);
    drop(owner);
    fixture.close(log);
    let log = fixture.open();
    assert_eq!(read_all(&*log, SHARD, Sequence::ZERO), written);
}

/// And the home lets go of the sink afterwards.
pub fn a_dropped_writer_still_completes(fixture: &mut dyn Fixture) {
    let log = fixture.open();
    let mut owner = Owner::next(&*log, SHARD);
    let batches: Vec<_> = (0..10)
        .map(|_| {
            let batch = owner.batch(2, 0);
            owner.submit(&batch).expect("room");
            batch
        })
        .collect();
    let completions = owner.into_completions();
    for batch in &batches {
        let completion = completions.recv_timeout(Duration::from_secs(60));
        let tail = batch.tail();
        assert_eq!(
            completion.expect("completed").result,
            CommitResult::Committed { tail }
        );
    }
    let end = completions.recv_timeout(Duration::from_secs(60));
    assert_eq!(end, Err(RecvTimeoutError::Disconnected));
}

/// Everything submitted is completed, a writer that is left over gets `Closed`.
pub fn a_closed_log_has_finished_and_refuses_more(fixture: &mut dyn Fixture) {
    let log = fixture.open();
    let mut owner = Owner::next(&*log, SHARD);
    let batches: Vec<_> = (0..10)
        .map(|_| {
            let batch = owner.batch(2, 0);
            owner.submit(&batch).expect("room");
            batch
        })
        .collect();
    fixture.close(log);
    for batch in &batches {
        let completion = owner.try_wait().expect("completed before it was closed");
        let tail = batch.tail();
        assert_eq!(completion.result, CommitResult::Committed { tail });
    }
    let more = owner.batch(1, 0);
    assert_eq!(owner.submit(&more), Err(Refusal::Closed));
    drop(owner);
    let log = fixture.open();
    assert_eq!(read_all(&*log, SHARD, Sequence::ZERO), batches);
}

/// At every sequence, one after another, and again.
pub fn a_trim_never_takes_more_than_it_was_given(fixture: &mut dyn Fixture) {
    let log = fixture.open();
    let mut owner = Owner::next(&*log, SHARD);
    let written: Vec<_> = (0..40)
        .map(|index| owner.commit(1 + index % 3, 300))
        .collect();
    let end = owner.tail.sequence;
    for before in 0..=end.get() {
        let before = Sequence::new(before);
        log.trim(SHARD, before).expect("trimmed");
        log.trim(SHARD, before).expect("trimmed again");
        check_trimmed(&*log, before, &written);
    }
    match log.trim(SHARD, end.advanced(1)) {
        Err(TrimError::Ahead { next, .. }) => assert_eq!(next, end),
        other => panic!("expected Ahead, got {other:?}"),
    }
    owner.commit(1, 0);
}

/// Also when everything was trimmed.
pub fn a_trimmed_log_goes_on_after_a_new_start(fixture: &mut dyn Fixture) {
    let mut log = fixture.open();
    let mut written = Vec::new();
    for permille in [300, 700, 1_000] {
        let mut owner = Owner::next(&*log, SHARD);
        written.extend((0..20).map(|index| owner.commit(1 + index % 3, 500)));
        let before = Sequence::new(owner.tail.sequence.get() * permille / 1_000);
        log.trim(SHARD, before).expect("trimmed");
        check_trimmed(&*log, before, &written);
        let tail = owner.tail;
        drop(owner);
        fixture.close(log);
        log = fixture.open();
        check_trimmed(&*log, before, &written);
        assert_eq!(log.tail(SHARD).expect("a tail").tail, tail);
    }
    Owner::next(&*log, SHARD).commit(1, 0);
}

/// From every time, before and after a new start; and what it tells can be trimmed before.
pub fn what_is_older_than_a_time_can_be_told_and_trimmed(fixture: &mut dyn Fixture) {
    let mut log = fixture.open();
    let time = |micros| TimeMicros::new(micros);
    let told = log.oldest_since(SHARD, time(5)).expect("told");
    assert_eq!(told, Sequence::ZERO);
    let mut owner = Owner::next(&*log, SHARD);
    let written: Vec<_> = (0..40)
        .map(|index| owner.commit(1 + index % 3, 900))
        .collect();
    drop(owner);
    let last = written.last().expect("some").header().time.get();
    let mut trimmed = Sequence::ZERO;
    for start in 0..3 {
        let mut before = Sequence::ZERO;
        for micros in 0..last + 2 {
            let told = log.oldest_since(SHARD, time(micros)).expect("told");
            let exact = written
                .iter()
                .find(|batch| batch.header().time >= time(micros))
                .map_or(written[39].tail().sequence, |batch| {
                    batch.header().first_sequence
                });
            let exact = exact.max(trimmed);
            assert!(
                told <= exact,
                "start {start}: {told} since {micros}, {exact} at most"
            );
            assert!(
                told >= before,
                "start {start}: {told} since {micros} is earlier"
            );
            before = told;
            // Nothing is torn apart: a batch begins there, or the stream ends.
            let next = log.read(SHARD, told).expect("readable").next();
            if let Some(batch) = next {
                assert_eq!(batch.expect("sound").header().first_sequence, told);
            }
        }
        assert_eq!(before, written[39].tail().sequence, "all of it is older");
        let told = log.oldest_since(SHARD, time(last * 2 / 3)).expect("told");
        log.trim(SHARD, told).expect("trimmed");
        let usage = log.usage().expect("usage").streams[0];
        trimmed = usage.oldest;
        assert_eq!(trimmed, told, "what was told can be given up whole");
        assert!(
            usage
                .oldest_time
                .is_some_and(|oldest| oldest < time(last * 2 / 3 + 1))
        );
        fixture.close(log);
        log = fixture.open();
    }
}

/// Streams, bytes, sequences, batches.
pub fn usage_tells_what_is_there(fixture: &mut dyn Fixture) {
    let log: Arc<dyn Log> = fixture.open();
    let mut owner = Owner::next(&*log, SHARD);
    let mut bytes = 0;
    for _ in 0..10 {
        bytes += owner.commit(3, 100).bytes().len() as u64;
    }
    let usage = log.usage().expect("usage");
    assert_eq!(usage.batches_total, 10);
    assert!(usage.bytes >= bytes, "{usage:?}");
    assert_eq!(usage.sync_latency.count(), usage.syncs_total);
    let [stream] = usage.streams.as_slice() else {
        panic!("expected one stream, got {usage:?}");
    };
    assert_eq!((stream.shard, stream.epoch), (SHARD, owner.epoch));
    assert_eq!(
        (stream.oldest, stream.next),
        (Sequence::ZERO, owner.tail.sequence)
    );
    assert_eq!(
        (stream.oldest_time, stream.time),
        (Some(TimeMicros::new(1)), owner.tail.time)
    );
    assert!(stream.bytes >= bytes && stream.segments > 0, "{stream:?}");
}

fn check_trimmed(log: &dyn Log, before: Sequence, written: &[huntcore_model::Batch]) {
    let from_before = written.partition_point(|batch| batch.header().next_sequence() <= before);
    assert_eq!(read_all(log, SHARD, before), written[from_before..]);
    let oldest = log.usage().expect("usage").streams[0].oldest;
    assert!(
        oldest <= before,
        "{oldest} is the oldest after a trim before {before}"
    );
    let from_oldest = written.partition_point(|batch| batch.header().next_sequence() <= oldest);
    assert_eq!(read_all(log, SHARD, oldest), written[from_oldest..]);
    if let Some(trimmed) = oldest.get().checked_sub(1) {
        match log.read(SHARD, Sequence::new(trimmed)).err() {
            Some(ReadError::Trimmed { oldest: told, .. }) => assert_eq!(told, oldest),
            other => panic!("expected Trimmed, got {other:?}"),
        }
    }
}
