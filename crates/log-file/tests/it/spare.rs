//! Segments that were made ahead of their use are as good as others, and no harm if not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use huntcore_disk::simulated::{Fault, SimulatedDisk};
use huntcore_log::suite::Owner;
use huntcore_log::{CommitResult, Log};
use huntcore_log_file::{FileLog, FileLogOptions, Inspection};
use huntcore_model::{Batch, Epoch};

use crate::support::{SEGMENT_BYTES, SHARD, directory, options, read, segments};

fn open(disk: &SimulatedDisk) -> FileLog {
    let options = FileLogOptions {
        spares: true,
        ..options()
    };
    FileLog::open_on(Arc::new(disk.clone()), directory(), options).expect("the log opens")
}

fn spare() -> PathBuf {
    directory().join("shard-00000/spare")
}

/// Until another thread has brought that about.
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} never came");
        std::thread::yield_now();
    }
}

/// Commits until the last segment is nearly full, and waits until the next one is ready.
fn fill(disk: &SimulatedDisk, log: &FileLog, owner: &mut Owner) -> Vec<Batch> {
    let mut written = Vec::new();
    let inspection = Inspection::open(Arc::new(disk.clone()), directory()).expect("readable");
    loop {
        written.push(owner.commit(1, 1_000));
        let stat = inspection.stat(SHARD).expect("readable");
        let last = stat.segments.last().expect("a segment");
        if last.bytes - last.used_bytes < 2_500 {
            wait_until("the spare", || {
                log.usage().expect("usage").bytes == stat.bytes() + SEGMENT_BYTES
            });
            assert!(disk.files().contains(&spare()));
            return written;
        }
    }
}

/// Commits until a segment begins.
fn begin_next(disk: &SimulatedDisk, owner: &mut Owner) -> Vec<Batch> {
    let before = segments(disk).len();
    let mut written = Vec::new();
    while segments(disk).len() == before {
        written.push(owner.commit(1, 1_000));
    }
    written
}

#[test]
fn the_next_segment_is_made_while_one_fills_up_and_then_used() {
    let disk = SimulatedDisk::default();
    let log = open(&disk);
    let mut owner = Owner::next(&log, SHARD);
    let mut written = Vec::new();
    for _ in 0..4 {
        written.extend(fill(&disk, &log, &mut owner));
        let zeros = disk.content(&spare());
        assert!(zeros.len() as u64 == SEGMENT_BYTES && zeros.iter().all(|&byte| byte == 0));
        written.extend(begin_next(&disk, &mut owner));
        assert!(!disk.files().contains(&spare()), "it has another name now");
        let last = segments(&disk).pop().expect("segments");
        assert_eq!(disk.content(&last).len() as u64, SEGMENT_BYTES);
    }
    assert_eq!(read(&log), written);
    disk.die();
    drop((owner, log));
    let log = open(&disk.after_crash(0));
    assert_eq!(read(&log), written);
}

#[test]
fn a_spare_that_cannot_be_made_is_done_without() {
    for fault in [
        Fault::CreateFull,
        Fault::Allocate,
        Fault::WriteFull(700),
        Fault::Write,
        Fault::SyncAll,
    ] {
        let disk = SimulatedDisk::default();
        let log = open(&disk);
        let mut owner = Owner::next(&log, SHARD);
        disk.fail("/spare", fault.clone());
        let mut written: Vec<_> = (0..60).map(|_| owner.commit(1, 1_000)).collect();
        assert_eq!(log.poison(), None, "{fault:?}");
        // A later one is made again.
        written.extend(fill(&disk, &log, &mut owner));
        assert_eq!(read(&log), written);
    }
}

#[test]
fn a_spare_that_cannot_be_put_in_place_poisons() {
    for fault in [Fault::Write, Fault::SyncStored, Fault::Rename] {
        let disk = SimulatedDisk::default();
        let log = open(&disk);
        let mut owner = Owner::next(&log, SHARD);
        let written = fill(&disk, &log, &mut owner);
        disk.fail("/spare", fault.clone());
        let next = owner.batch(1, 4_000);
        owner.submit(&next).expect("room");
        let result = owner.wait().result;
        assert!(matches!(result, CommitResult::Unknown { .. }), "{result:?}");
        assert!(log.poison().is_some(), "{fault:?}");
        drop((owner, log));
        let log = open(&disk);
        assert_eq!(read(&log), written, "{fault:?}");
        Owner::next(&log, SHARD).commit(1, 4_000);
    }
}

#[test]
fn a_spare_is_removed_when_the_log_is_closed_and_at_a_start_after_a_crash() {
    let disk = SimulatedDisk::default();
    let log = open(&disk);
    let mut owner = Owner::next(&log, SHARD);
    let written = fill(&disk, &log, &mut owner);
    let crashed = disk.copy();
    drop((owner, log));
    assert!(!disk.files().contains(&spare()));
    assert!(crashed.files().contains(&spare()));
    let log = open(&crashed);
    assert!(!crashed.files().contains(&spare()));
    assert_eq!(read(&log), written);
}

#[test]
fn a_batch_that_is_longer_than_the_spare_gets_a_segment_of_its_own() {
    let disk = SimulatedDisk::default();
    let log = open(&disk);
    let mut owner = Owner::next(&log, SHARD);
    let mut written = fill(&disk, &log, &mut owner);
    written.push(owner.commit(1, 50_000));
    written.extend(begin_next(&disk, &mut owner));
    assert_eq!(read(&log), written);
    drop((owner, log));
    assert_eq!(read(&open(&disk)), written);
}

#[test]
fn a_crash_at_any_change_with_spares_under_way_is_recovered_from() {
    for operations in 0.. {
        let disk = SimulatedDisk::default();
        disk.die_after(operations);
        let (submitted, acknowledged) = work(&disk);
        // What else another thread does comes in any order; what holds is always the same.
        for survival in disk.survivals(5) {
            let disk = disk.after_crash(survival);
            let log = open(&disk);
            let there = if log.usage().expect("usage").streams.is_empty() {
                Vec::new()
            } else {
                read(&log)
            };
            let context = format!("crash at {operations}, {survival:?}");
            assert!(submitted.starts_with(&there), "{context}: misread");
            assert!(there.len() >= acknowledged, "{context}: lost");
            Owner::next(&log, SHARD).commit(1, 0);
        }
        if !disk.is_dead() {
            assert!(operations > 60, "{operations}");
            break;
        }
    }
}

fn work(disk: &SimulatedDisk) -> (Vec<Batch>, usize) {
    let (mut submitted, mut acknowledged) = (Vec::new(), 0);
    let options = FileLogOptions {
        spares: true,
        ..options()
    };
    let Ok(log) = FileLog::open_on(Arc::new(disk.clone()), directory(), options) else {
        return (submitted, acknowledged);
    };
    let Ok(mut owner) = Owner::acquire(&log, SHARD, Epoch::new(1), 1) else {
        return (submitted, acknowledged);
    };
    for _ in 0..25 {
        let batch = owner.batch(1, 1_500);
        if owner.submit(&batch).is_err() {
            break;
        }
        submitted.push(batch);
        match owner.wait_or_end().map(|completion| completion.result) {
            Some(CommitResult::Committed { .. }) => acknowledged += 1,
            _ => break,
        }
    }
    (submitted, acknowledged)
}
