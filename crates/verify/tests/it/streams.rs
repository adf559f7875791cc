//! Damage to a stream as such.

use huntcore_model::{Epoch, Record, Sequence, ShardId, ShardMap, TimeMicros};
use huntcore_verify::{End, Settings, Verifier};

use crate::deployment::{Deployment, records};
use crate::logs::{Log, write};

const FIRST: ShardId = ShardId::new(0);

#[test]
fn a_missing_batch_is_named() {
    for shard in [FIRST, ShardId::CONTROL] {
        let mut log = Deployment::history(1);
        let removed = log.stream(shard).remove(4);
        let report = log.verify(None, End::OfLog);
        let text = report
            .faults
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n");
        let expected = format!(
            "the batch before ended at {}",
            removed.header().first_sequence
        );
        assert!(text.contains(&expected), "{text}");
        assert!(log.faults().contains("sequence-broken"));
    }
}

#[test]
fn a_repeated_batch_is_named_and_counted_once() {
    let mut log = Deployment::history(1);
    let sound = log.verify(None, End::OfLog);
    let again = log.stream(FIRST)[7].clone();
    log.stream(FIRST).insert(8, again);
    let report = log.verify(None, End::OfLog);
    assert_eq!(report.claims, sound.claims);
    assert!(log.faults().contains("sequence-broken"));
}

#[test]
fn an_altered_batch_breaks_the_chain() {
    let mut log = Deployment::history(1);
    let has_claim = |batch: &huntcore_model::Batch| {
        records(batch)
            .iter()
            .any(|(_, record)| matches!(record, Record::Claim(_)))
    };
    let index = log
        .stream(FIRST)
        .iter()
        .position(has_claim)
        .expect("claims");
    let before = log.stream(FIRST)[index - 1].tail();
    let batch = log.stream(FIRST)[index].clone();
    let other_points = records(&batch).into_iter().map(|(_, record)| match record {
        Record::Claim(mut claim) => {
            claim.points += 1;
            Record::Claim(claim)
        }
        other => other,
    });
    let draft = (batch.header().time, other_points.collect());
    log.stream(FIRST)[index] = write(batch.header(), &before, &draft);
    log.must_have("chain-broken");
    log.must_have("wrong-points");
}

#[test]
fn time_that_goes_back_is_named() {
    let mut log = Deployment::history(1);
    let stream = log.stream(FIRST);
    let last = stream.last().expect("batches").clone();
    let mut tail = last.tail();
    tail.time = TimeMicros::ZERO;
    let earlier = TimeMicros::new(last.header().time.get() - 1);
    let batch = write(last.header(), &tail, &(earlier, vec![Record::Time]));
    stream.push(batch);
    log.must_have("time-went-back");
}

#[test]
fn an_owner_whose_term_was_over_is_named() {
    let mut log = Deployment::history(1);
    let stream = log.stream(FIRST);
    for epoch in [2, 1] {
        let last = stream.last().expect("batches").clone();
        let mut builder = huntcore_model::BatchBuilder::new();
        builder.push(&Record::Time);
        let (tail, time) = (last.tail(), last.header().time);
        let durable = Sequence::ZERO;
        stream.push(builder.finish(FIRST, Epoch::new(epoch), &tail, time, durable));
    }
    log.must_only_have("epoch-went-back");
}

#[test]
fn a_batch_that_calls_itself_durable_is_named() {
    let mut log = Deployment::history(1);
    let stream = log.stream(FIRST);
    let last = stream.last().expect("batches").clone();
    let mut builder = huntcore_model::BatchBuilder::new();
    builder.push(&Record::Time);
    let (tail, time) = (last.tail(), last.header().time);
    let durable = tail.sequence.advanced(1);
    stream.push(builder.finish(FIRST, Epoch::new(1), &tail, time, durable));
    log.must_only_have("durable-ahead");
}

#[test]
fn a_lost_end_is_seen_by_the_seeds_that_waited_for_it() {
    let log = Deployment::history(3);
    let mut cut = log.clone();
    let stream = cut.stream(ShardId::new(1));
    let kept = stream.len() - 40;
    stream.truncate(kept);
    cut.must_only_have("seed-before-shard");
    assert!(cut.verify(None, End::OfReading).is_ok());
}

#[test]
fn a_stream_that_does_not_exist_or_cannot_be_read_is_named() {
    let log = Deployment::history(3);
    let mut verifier = Verifier::new(Settings::new(ShardMap::new(1).expect("one"), 1));
    verifier.feed(&log.streams[2][0]);
    verifier.unreadable(FIRST, "file 7 at offset 9: checksum".to_owned());
    let report = verifier.finish(End::OfReading);
    let text: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "shard-00002 record 0: there is no such stream",
            "shard-00000 cannot be read further: file 7 at offset 9: checksum"
        ]
    );
}

#[test]
fn records_of_players_have_no_place_in_the_control_stream() {
    let log = Deployment::history(1);
    let mut claim = None;
    for batch in &log.streams[0] {
        for (_, record) in records(batch) {
            if let Record::Claim(found) = record {
                claim = Some(found);
            }
        }
    }
    let claim = claim.expect("a claim");
    let log: Log = log.rewrite(|header, (time, mut records)| {
        if header.shard.is_control() && header.first_sequence == Sequence::ZERO {
            records.push(Record::Claim(claim));
        }
        Some((time, records))
    });
    log.must_have("bad-record");
}
