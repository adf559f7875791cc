//! A disk that is full or fails while a checkpoint is written.

use std::sync::Arc;

use huntcore_checkpoint::{
    Checkpoint, CheckpointError, CheckpointOptions, Checkpoints, Part, Stand,
};
use huntcore_disk::StoreError;
use huntcore_disk::simulated::{Fault, SimulatedDisk};
use huntcore_model::TimeMicros;

use crate::support::{check, directory, open, options, write};

fn two() -> (SimulatedDisk, Checkpoints) {
    let disk = SimulatedDisk::default();
    let mut checkpoints = open(&disk);
    for _ in 0..2 {
        write(&mut checkpoints).expect("the disk works");
    }
    (disk, checkpoints)
}

fn assert_as_before(checkpoints: &Checkpoints, context: &str) {
    let ids: Vec<_> = checkpoints.good().iter().map(Checkpoint::id).collect();
    assert_eq!(ids, [2, 1], "{context}");
    for good in checkpoints.good() {
        check(good).unwrap_or_else(|damage| panic!("{context}: {damage}"));
    }
}

#[test]
fn a_failure_at_any_step_leaves_the_others_as_they_were_and_the_next_succeeds() {
    let faults = [
        ("answers-3", Fault::CreateFull),
        ("answers-3", Fault::Write),
        ("answers-3", Fault::WriteFull(5)),
        ("answers-3", Fault::SyncAll),
        ("control.part", Fault::CreateFull),
        ("control.part", Fault::Write),
        ("control.part", Fault::WriteFull(600)),
        ("control.part", Fault::SyncStored),
        ("control.part", Fault::SyncLost),
        ("control.part", Fault::SyncAll),
        ("view.part", Fault::SyncAll),
        ("manifest", Fault::CreateFull),
        ("manifest", Fault::WriteFull(1)),
        ("manifest", Fault::SyncAll),
        ("manifest", Fault::Rename),
        ("shared", Fault::SyncDirectory),
        (".tmp", Fault::SyncDirectory),
        ("00003.tmp", Fault::Rename),
        ("checkpoints", Fault::SyncDirectory),
    ];
    for (path, fault) in faults {
        let context = format!("{path} {fault:?}");
        let (disk, mut checkpoints) = two();
        disk.fail(path, fault);
        write(&mut checkpoints).expect_err(&context);
        assert_as_before(&checkpoints, &context);
        let next = write(&mut checkpoints).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(next.id(), 4, "{context}: an id is used once");
        drop(checkpoints);
        let reopened = open(&disk);
        let ids: Vec<_> = reopened.good().iter().map(Checkpoint::id).collect();
        assert_eq!(ids, [4, 2], "{context}");
        for good in reopened.good() {
            check(good).unwrap_or_else(|damage| panic!("{context}: {damage}"));
        }
    }
}

#[test]
fn a_full_disk_is_called_full_and_what_was_written_is_given_back() {
    let (disk, mut checkpoints) = two();
    let files = disk.files();
    disk.fill(true);
    let error = write(&mut checkpoints).expect_err("no space");
    assert!(
        matches!(error, CheckpointError::Store(StoreError::Full { .. })),
        "{error}"
    );
    assert_eq!(disk.files(), files);
    disk.fill(false);
    write(&mut checkpoints).expect("space again");
}

#[test]
fn space_that_is_left_to_the_log_is_not_taken() {
    let disk = SimulatedDisk::default();
    disk.limit(5_000);
    let reserved = CheckpointOptions {
        free_bytes_min: 4_500,
        ..options()
    };
    let mut checkpoints =
        Checkpoints::open(Arc::new(disk.clone()), directory(), reserved).expect("opens");
    let error = write(&mut checkpoints).expect_err("too long");
    assert!(
        matches!(error, CheckpointError::Reserved { free_bytes, .. } if free_bytes < 4_500),
        "{error}"
    );
    assert!(disk.files().is_empty(), "nothing is left behind");
}

#[test]
fn a_part_that_fails_by_itself_says_so() {
    let (_disk, mut checkpoints) = two();
    let mut draft = checkpoints.begin(TimeMicros::ZERO).expect("begins");
    let part = Part {
        name: "view",
        is_shared: false,
        stand: Stand::default(),
    };
    let error = draft
        .part(part, |_| Err(std::io::Error::other("not today")))
        .expect_err("fails");
    assert_eq!(error.to_string(), "part view cannot be written");
    drop(draft);
    assert_as_before(&checkpoints, "after it");
}

#[test]
fn short_writes_make_no_difference() {
    let disk = SimulatedDisk::default();
    disk.write_short();
    let mut checkpoints = open(&disk);
    let written = write(&mut checkpoints).expect("the disk works");
    check(&written).expect("as written");
}

#[test]
fn old_checkpoints_that_cannot_be_removed_stay_until_they_can() {
    for fault in [Fault::Remove, Fault::Rename] {
        let (disk, mut checkpoints) = two();
        disk.fail("00001", fault.clone());
        write(&mut checkpoints).expect("written all the same");
        write(&mut checkpoints).expect("the disk works");
        drop(checkpoints);
        let ids: Vec<_> = open(&disk).good().iter().map(Checkpoint::id).collect();
        assert_eq!(ids, [4, 3], "{fault:?}");
    }
}
