//! Each fault strikes where it was told to, once.

use huntcore_log::suite::Owner;
use huntcore_log::{AcquireError, CommitResult, Fault, FaultLog, Log, MemoryOptions, ReadError};
use huntcore_model::{Sequence, ShardId};

const SHARD: ShardId = ShardId::new(3);

fn outcomes(fault: Fault) -> (FaultLog, Vec<CommitResult>) {
    let log = FaultLog::new(MemoryOptions::default());
    let mut owner = Owner::next(&log, SHARD);
    log.fail(SHARD, 1, fault);
    let results = (0..3)
        .map(|_| {
            let batch = owner.batch(1, 0);
            owner.submit(&batch).expect("room");
            owner.wait().result
        })
        .collect();
    (log, results)
}

fn stored(log: &FaultLog) -> usize {
    log.read(SHARD, Sequence::ZERO).expect("readable").count()
}

#[test]
fn a_lost_answer_leaves_the_batch_stored_or_not() {
    for (fault, batches) in [(Fault::UnknownStored, 2), (Fault::UnknownNotStored, 1)] {
        let (log, results) = outcomes(fault);
        assert!(matches!(
            results.as_slice(),
            [
                CommitResult::Committed { .. },
                CommitResult::Unknown { .. },
                CommitResult::Unknown { .. }
            ]
        ));
        assert_eq!(stored(&log), batches);
    }
}

#[test]
fn another_owner_takes_the_next_term() {
    let (log, results) = outcomes(Fault::Fenced);
    let epoch = log.tail(SHARD).expect("a tail").epoch;
    assert_eq!(epoch.get(), 2);
    assert_eq!(results[1..], vec![CommitResult::Fenced { epoch }; 2]);
    assert!(Owner::acquire(&log, SHARD, epoch, 1).is_err());
    assert_eq!(stored(&log), 1);
}

#[test]
fn no_space_once_and_then_again() {
    let (log, results) = outcomes(Fault::Full);
    assert!(matches!(results[1], CommitResult::Full { .. }));
    assert_eq!(results[1], results[2]);
    Owner::next(&log, SHARD).commit(1, 0);
    assert_eq!(stored(&log), 2);
}

#[test]
fn poison_reaches_every_stream_until_the_next_start() {
    let log = FaultLog::new(MemoryOptions::default());
    let mut owner = Owner::next(&log, SHARD);
    let mut other = Owner::next(&log, ShardId::CONTROL);
    log.fail(SHARD, 0, Fault::Poison);
    for owner in [&mut owner, &mut other] {
        let batch = owner.batch(1, 0);
        owner.submit(&batch).expect("room");
        assert!(matches!(owner.wait().result, CommitResult::Unknown { .. }));
    }
    let epoch = owner.epoch.next();
    let refused = Owner::acquire(&log, SHARD, epoch, 1).map(|_| ());
    assert!(matches!(refused, Err(AcquireError::Poisoned { .. })));
    log.crash(0);
    Owner::next(&log, SHARD).commit(1, 0);
}

#[test]
fn a_stream_that_cannot_be_read_says_so() {
    let log = FaultLog::new(MemoryOptions::default());
    log.fail_reads(SHARD, true);
    let refused = log.read(SHARD, Sequence::ZERO).err();
    assert!(
        matches!(refused, Some(ReadError::Home { .. })),
        "{refused:?}"
    );
    assert!(log.tail(SHARD).is_err());
    log.fail_reads(SHARD, false);
    assert_eq!(stored(&log), 0);
}
