//! After a failed write or sync nothing is trusted until the next start.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use huntcore_disk::simulated::{Fault, SimulatedDisk};
use huntcore_log::suite::Owner;
use huntcore_log::{AcquireError, CommitResult, Log, Refusal, TrimError};
use huntcore_log_file::{FileLog, FileLogOptions, Poison};
use huntcore_model::{BatchBuilder, Epoch, Nonce, Record, ShardId};

use crate::support::{SHARD, directory, open, options, read, sequence};

fn open_with_alarm(disk: &SimulatedDisk) -> (FileLog, Receiver<Poison>) {
    let (alarm, alarms) = channel();
    let alarm = Mutex::new(alarm);
    let options = FileLogOptions {
        on_poison: Some(Box::new(move |poison| {
            let alarm = alarm.lock().expect("not poisoned");
            alarm.send(poison.clone()).expect("somebody listens");
        })),
        ..options()
    };
    let log = FileLog::open_on(Arc::new(disk.clone()), directory(), options);
    (log.expect("the log opens"), alarms)
}

fn unknown(owner: &mut Owner) {
    let batch = owner.batch(1, 0);
    owner.submit(&batch).expect("room");
    let result = owner.wait().result;
    assert!(matches!(result, CommitResult::Unknown { .. }), "{result:?}");
}

#[test]
fn a_failed_write_or_sync_ends_everything_until_the_next_start() {
    for kind in [Fault::Write, Fault::SyncStored, Fault::SyncLost] {
        let disk = SimulatedDisk::default();
        let (log, alarms) = open_with_alarm(&disk);
        let mut owner = Owner::next(&log, SHARD);
        let mut other = Owner::next(&log, ShardId::new(1));
        let mut written = vec![owner.commit(1, 0), owner.commit(2, 100)];
        other.commit(1, 0);
        disk.fail("shard-00000", kind.clone());
        let in_flight = owner.batch(1, 50);
        owner.submit(&in_flight).expect("room");
        let result = owner.wait().result;
        assert!(matches!(result, CommitResult::Unknown { .. }), "{result:?}");
        unknown(&mut owner);
        unknown(&mut other);
        let poison = alarms.recv().expect("an alarm");
        assert!(poison.file.to_string_lossy().contains("shard-00000"));
        assert!(poison.reason.contains("injected"), "{}", poison.reason);
        assert!(alarms.try_recv().is_err(), "one alarm only");
        assert_eq!(log.poison(), Some(poison));
        for shard in [SHARD, ShardId::new(2)] {
            let refused = Owner::acquire(&log, shard, Epoch::new(9), 1).map(|_| ());
            assert!(
                matches!(refused, Err(AcquireError::Poisoned { .. })),
                "{refused:?}"
            );
        }
        let refused = log.trim(SHARD, sequence(1));
        assert!(
            matches!(refused, Err(TrimError::Poisoned { .. })),
            "{refused:?}"
        );
        // What was durable can still be read, and no more than that.
        assert_eq!(read(&log), written);
        drop((owner, other, log));

        let log = open(&disk).expect("a new start helps");
        if kind != Fault::Write {
            written.push(in_flight);
        }
        assert_eq!(read(&log), written, "{kind:?}");
        // From the cache or not: what a start has shown is durable.
        disk.die();
        drop(log);
        let log = open(&disk.after_crash(0)).expect("the log opens");
        assert_eq!(read(&log), written, "{kind:?}");
    }
}

#[test]
fn a_segment_that_cannot_be_synced_poisons() {
    for (path, kind) in [
        (".log", Fault::SyncAll),
        ("state.tmp", Fault::SyncAll),
        ("shard-00000", Fault::SyncDirectory),
    ] {
        let disk = SimulatedDisk::default();
        let (log, alarms) = open_with_alarm(&disk);
        let mut owner = Owner::next(&log, SHARD);
        let mut written = vec![owner.commit(1, 12_000)];
        disk.fail(path, kind.clone());
        let next = owner.batch(1, 3_000);
        owner.submit(&next).expect("room");
        let result = owner.wait().result;
        assert!(matches!(result, CommitResult::Unknown { .. }), "{result:?}");
        alarms.recv().expect("an alarm");
        drop((owner, log));
        let log = open(&disk).expect("a new start helps");
        let mut owner = Owner::next(&log, SHARD);
        written.push(owner.commit(1, 3_000));
        assert_eq!(read(&log), written, "{path} {kind:?}");
    }
}

#[test]
fn a_term_that_cannot_be_synced_poisons_and_is_not_granted() {
    for (path, kind) in [
        ("state.tmp", Fault::SyncAll),
        ("shard-00000", Fault::SyncDirectory),
    ] {
        let disk = SimulatedDisk::default();
        let (log, alarms) = open_with_alarm(&disk);
        let mut written = vec![Owner::next(&log, SHARD).commit(1, 0)];
        disk.fail(path, kind.clone());
        let refused = Owner::acquire(&log, SHARD, Epoch::new(7), 1).map(|_| ());
        assert!(
            matches!(refused, Err(AcquireError::Poisoned { .. })),
            "{refused:?}"
        );
        alarms.recv().expect("an alarm");
        drop(log);
        let log = open(&disk).expect("a new start helps");
        let mut owner = Owner::acquire(&log, SHARD, Epoch::new(7), 1).expect("its own nonce");
        written.push(owner.commit(1, 0));
        // Whether or not the cache knew of the term before, it is durable now.
        disk.die();
        drop((owner, log));
        let log = open(&disk.after_crash(0)).expect("the log opens");
        assert_eq!(read(&log), written);
        let again = Owner::acquire(&log, SHARD, Epoch::new(7), 2).map(|_| ());
        assert!(
            matches!(again, Err(AcquireError::Fenced { .. })),
            "{again:?}"
        );
    }
}

#[test]
fn a_new_stream_that_cannot_be_made_poisons_and_leaves_a_sound_log() {
    for (path, kind) in [
        ("shard-00001/state.tmp", Fault::SyncAll),
        ("shard-00001", Fault::SyncDirectory),
        ("format.tmp", Fault::SyncAll),
    ] {
        let disk = SimulatedDisk::default();
        let (log, alarms) = open_with_alarm(&disk);
        let written = vec![Owner::next(&log, SHARD).commit(1, 0)];
        disk.fail(path, kind.clone());
        let refused = Owner::acquire(&log, ShardId::new(1), Epoch::new(1), 1).map(|_| ());
        assert!(
            matches!(refused, Err(AcquireError::Poisoned { .. })),
            "{refused:?}"
        );
        alarms.recv().expect("an alarm");
        disk.die();
        drop(log);
        for choice in 0..5 {
            let log = open(&disk.after_crash(choice)).expect("a new start helps");
            assert_eq!(read(&log), written);
            Owner::next(&log, ShardId::new(1)).commit(1, 0);
        }
    }
}

#[test]
fn a_panic_of_a_stream_s_thread_tells_everybody_who_waits() {
    let disk = SimulatedDisk::default();
    let (log, alarms) = open_with_alarm(&disk);
    let mut owner = Owner::next(&log, SHARD);
    let mut other = Owner::next(&log, ShardId::new(1));
    let mut written = vec![owner.commit(1, 0)];
    disk.hold(true);
    for count in 1..5 {
        let batch = owner.batch(count, 10);
        owner.submit(&batch).expect("room");
        written.push(batch);
        if count == 1 {
            // Its write is under way; the others wait for the next.
            disk.wait_until_held();
            disk.fail("shard-00000", Fault::Panic);
        }
    }
    disk.hold(false);
    let tail = written[1].tail();
    assert_eq!(owner.wait().result, CommitResult::Committed { tail });
    for _ in 2..5 {
        let result = owner.wait().result;
        assert!(matches!(result, CommitResult::Unknown { .. }), "{result:?}");
    }
    let poison = alarms.recv().expect("an alarm");
    assert!(
        poison.reason.contains("injected: a bug"),
        "{}",
        poison.reason
    );
    assert!(poison.reason.contains("shard-00000"), "{}", poison.reason);
    let late = owner.batch(1, 0);
    assert_eq!(owner.submit(&late), Err(Refusal::Closed));
    unknown(&mut other);
    let refused = Owner::acquire(&log, SHARD, Epoch::new(9), 1).map(|_| ());
    assert!(matches!(refused, Err(AcquireError::Closed)), "{refused:?}");
    assert!(matches!(
        log.trim(SHARD, sequence(1)),
        Err(TrimError::Closed)
    ));
    assert_eq!(read(&log), written[..2]);
    drop((owner, other, log));
    assert_eq!(read(&open(&disk).expect("a new start helps")), written[..2]);
}

#[test]
fn a_panic_of_a_sink_takes_nobody_else_with_it() {
    let disk = SimulatedDisk::default();
    let (log, alarms) = open_with_alarm(&disk);
    let mut older = Owner::next(&log, SHARD);
    older.commit(1, 0);
    let epoch = older.epoch.next();
    let batch = {
        let mut builder = BatchBuilder::new();
        builder.push(&Record::Time);
        builder.finish(SHARD, epoch, &older.tail, older.tail.time, older.durable)
    };
    let sink = Box::new(|_| panic!("a bug of the owner's"));
    let mut newer = log
        .acquire(SHARD, epoch, Nonce([7; 16]), sink)
        .expect("a later term");
    disk.hold(true);
    newer.writer.submit(newer.tail, &batch).expect("room");
    disk.wait_until_held();
    let fenced = older.batch(2, 0);
    older.submit(&fenced).expect("room");
    disk.hold(false);
    // The one that panicked is not told again; the other is told all the same.
    let result = older.wait().result;
    assert!(matches!(result, CommitResult::Unknown { .. }), "{result:?}");
    let poison = alarms.recv().expect("an alarm");
    assert!(
        poison.reason.contains("a bug of the owner's"),
        "{}",
        poison.reason
    );
    drop((older, newer, log));
    let there = read(&open(&disk).expect("a new start helps"));
    assert_eq!(there.last(), Some(&batch), "it was durable");
}
