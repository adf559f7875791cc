//! After a failed write or sync nothing is trusted until the next start.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use huntcore_disk::simulated::{Fault, SimulatedDisk};
use huntcore_log::suite::Owner;
use huntcore_log::{AcquireError, CommitResult, Log, TrimError};
use huntcore_log_file::{FileLog, FileLogOptions, Poison};
use huntcore_model::{Epoch, ShardId};

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
