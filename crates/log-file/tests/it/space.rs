//! A full disk refuses and stays sound.

use std::path::Path;
use std::process::Command;

use huntcore_disk::simulated::{Fault, SimulatedDisk};
use huntcore_log::suite::Owner;
use huntcore_log::{AcquireError, CommitResult, Log};
use huntcore_log_file::{FileLog, FileLogOptions};
use huntcore_model::{Epoch, ShardId};
use tempfile::TempDir;

use crate::support::{SHARD, open, read, segment};

#[test]
fn a_write_that_finds_no_space_leaves_nothing_behind() {
    for written_bytes in [0, 1, 700, 4_000] {
        let disk = SimulatedDisk::default();
        let log = open(&disk).expect("the log opens");
        let mut owner = Owner::next(&log, SHARD);
        let epoch = owner.epoch;
        let mut written = vec![owner.commit(1, 100)];
        let end = 4_096 + written[0].bytes().len();
        disk.fail("shard-00000", Fault::WriteFull(written_bytes));
        let first = owner.batch(1, 5_000);
        owner.submit(&first).expect("room in flight");
        let result = owner.wait().result;
        assert!(matches!(result, CommitResult::Full { .. }), "{result:?}");
        assert_eq!(log.poison(), None);
        let content = disk.content(&segment(0));
        assert!(
            content[end..].iter().all(|&byte| byte == 0),
            "{written_bytes}"
        );
        drop(owner);
        let mut owner = Owner::acquire(&log, SHARD, epoch, 1).expect("one's own term");
        written.push(owner.commit(1, 20));
        disk.die();
        drop((owner, log));
        for choice in 0..5 {
            let log = open(&disk.after_crash(choice)).expect("the log opens");
            assert_eq!(read(&log), written);
        }
    }
}

#[test]
fn a_segment_that_finds_no_space_leaves_nothing_behind() {
    for (path, kind) in [
        (".log", Fault::CreateFull),
        (".log", Fault::Allocate),
        (".log", Fault::WriteFull(0)),
        (".log", Fault::WriteFull(100)),
        ("state.tmp", Fault::CreateFull),
        ("state.tmp", Fault::WriteFull(10)),
    ] {
        for removable in [true, false] {
            let disk = SimulatedDisk::default();
            let log = open(&disk).expect("the log opens");
            let mut owner = Owner::next(&log, SHARD);
            let epoch = owner.epoch;
            let mut written = vec![owner.commit(1, 12_000)];
            disk.fail(path, kind.clone());
            if !removable {
                disk.fail(".log", Fault::Remove);
            }
            for _ in 0..2 {
                let next = owner.batch(1, 3_000);
                owner.submit(&next).expect("room in flight");
                let result = owner.wait().result;
                assert!(
                    matches!(result, CommitResult::Full { .. }),
                    "{kind:?}: {result:?}"
                );
            }
            drop(owner);
            let mut owner = Owner::acquire(&log, SHARD, epoch, 1).expect("one's own term");
            written.push(owner.commit(1, 2_500));
            assert_eq!(read(&log), written);
            disk.die();
            drop((owner, log));
            let log = open(&disk.after_crash(0)).expect("the log opens");
            assert_eq!(read(&log), written);
        }
    }
}

#[test]
fn what_fits_of_a_group_is_stored_and_the_rest_is_full() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    let mut written = vec![owner.commit(1, 1_000)];
    disk.hold(true);
    let in_flight: Vec<_> = (0..8)
        .map(|_| {
            let batch = owner.batch(1, 3_000);
            owner.submit(&batch).expect("room in flight");
            batch
        })
        .collect();
    disk.fill(true);
    disk.hold(false);
    let results: Vec<_> = in_flight.iter().map(|_| owner.wait().result).collect();
    let stored = results
        .iter()
        .take_while(|result| matches!(result, CommitResult::Committed { .. }))
        .count();
    assert_eq!(stored, 3, "{results:?}");
    let full = |result: &CommitResult| matches!(result, CommitResult::Full { .. });
    assert!(results[stored..].iter().all(full), "{results:?}");
    written.extend_from_slice(&in_flight[..stored]);
    assert_eq!(read(&log), written);
}

#[test]
fn no_space_for_a_term_changes_nothing() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    disk.fail("shard-00000/state.tmp", Fault::WriteFull(3));
    let refused = Owner::acquire(&log, SHARD, Epoch::new(5), 1).map(|_| ());
    assert!(
        matches!(refused, Err(AcquireError::Full { .. })),
        "{refused:?}"
    );
    owner.commit(1, 0);
    disk.fail("format.tmp", Fault::CreateFull);
    let other = ShardId::new(1);
    let refused = Owner::acquire(&log, other, Epoch::new(1), 1).map(|_| ());
    assert!(
        matches!(refused, Err(AcquireError::Full { .. })),
        "{refused:?}"
    );
    Owner::next(&log, other).commit(1, 0);
    drop((owner, log));
    open(&disk).expect("the log opens");
}

#[test]
fn a_trim_that_cannot_remove_files_is_repeated() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    for _ in 0..12 {
        owner.commit(1, 3_000);
    }
    let count = crate::support::segments(&disk).len();
    disk.fail(".log", Fault::Remove);
    let end = owner.tail.sequence;
    log.trim(SHARD, end).expect_err("one file is left");
    log.trim(SHARD, end).expect("nothing is left");
    assert!(count >= 3, "{count}");
    assert_eq!(crate::support::segments(&disk).len(), 1);
    owner.commit(1, 0);
}

/// A mounted tmpfs, unmounted at the end.
struct Mount<'d>(&'d Path);

impl<'d> Mount<'d> {
    fn new(path: &'d Path, size: &str) -> Option<Self> {
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", size, "tmpfs"])
            .arg(path)
            .output()
            .is_ok_and(|output| output.status.success());
        done.then_some(Self(path))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.0).output());
    }
}

#[test]
fn a_file_system_that_is_really_full_says_full_and_recovers_when_there_is_space() {
    let temporary = TempDir::new().expect("a temporary directory");
    // Only root may mount; the simulated disk above does not need it.
    let Some(_mount) = Mount::new(temporary.path(), "size=1m") else {
        return;
    };
    let path = temporary.path().join("data");
    let options = || FileLogOptions {
        segment_bytes: 256 << 10,
        ..FileLogOptions::default()
    };
    let log = FileLog::open(&path, options()).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    let epoch = owner.epoch;
    let mut written = Vec::new();
    loop {
        let batch = owner.batch(1, 40_000);
        owner.submit(&batch).expect("room in flight");
        match owner.wait().result {
            CommitResult::Committed { .. } => written.push(batch),
            CommitResult::Full { .. } => break,
            other => panic!("expected Full, got {other:?}"),
        }
    }
    assert!(written.len() > 10, "{}", written.len());
    assert_eq!(log.poison(), None);
    assert_eq!(read(&log), written);
    drop(owner);
    // Trimming makes space.
    log.trim(SHARD, log.tail(SHARD).expect("a tail").tail.sequence)
        .expect("trimmed");
    let mut owner = Owner::acquire(&log, SHARD, epoch, 1).expect("one's own term");
    let mut kept = read(&log);
    kept.push(owner.commit(1, 40_000));
    kept.push(owner.commit(1, 200_000));
    drop((owner, log));
    let log = FileLog::open(&path, options()).expect("the log opens");
    assert_eq!(read(&log), kept);
    drop(log);
}
