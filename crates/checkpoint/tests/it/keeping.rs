//! Which checkpoints and parts stay.

use std::io::Write;
use std::sync::Arc;

use huntcore_checkpoint::{Checkpoint, CheckpointOptions, Checkpoints, Part, Stand};
use huntcore_disk::RealDisk;
use huntcore_disk::simulated::SimulatedDisk;
use huntcore_model::{ShardId, TimeMicros};

use crate::support::{OTHER, SHARD, check, directory, open, write};

fn ids(checkpoints: &Checkpoints) -> Vec<u64> {
    checkpoints.good().iter().map(Checkpoint::id).collect()
}

fn shared_files(disk: &SimulatedDisk) -> Vec<String> {
    let files = disk.files().into_iter();
    let shared = files.filter(|file| file.starts_with(directory().join("shared")));
    let names = shared.filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned()));
    names.collect()
}

#[test]
fn two_are_kept_with_the_shared_parts_that_they_name() {
    let disk = SimulatedDisk::default();
    let mut checkpoints = open(&disk);
    for newest in 1..=5 {
        let written = write(&mut checkpoints).expect("the disk works");
        assert_eq!(written.id(), newest);
        let kept: Vec<_> = (1..=newest).rev().take(2).collect();
        assert_eq!(ids(&checkpoints), kept);
        // Each names its own answers and those of the one before.
        let oldest = newest.saturating_sub(2).max(1);
        let expected: Vec<_> = (oldest..=newest)
            .map(|id| format!("answers-{id}.{id:020}.part"))
            .collect();
        assert_eq!(shared_files(&disk), expected);
        for good in checkpoints.good() {
            check(good).expect("good");
        }
    }
    let reopened = open(&disk);
    assert_eq!(ids(&reopened), [5, 4]);
    let reads_from = |shard| reopened.good()[0].reads_from(shard).get();
    assert_eq!([SHARD, OTHER, ShardId::new(9)].map(reads_from), [50, 4, 0]);
}

#[test]
fn one_that_turned_out_bad_is_replaced_by_the_next_and_the_older_good_one_stays() {
    let disk = SimulatedDisk::default();
    let mut checkpoints = open(&disk);
    for _ in 0..3 {
        write(&mut checkpoints).expect("the disk works");
    }
    checkpoints.pass_over(3);
    assert_eq!(ids(&checkpoints), [2]);
    write(&mut checkpoints).expect("the disk works");
    assert_eq!(ids(&checkpoints), [4, 2]);
    drop(checkpoints);
    let files = disk.files();
    let third = directory().join(format!("{:020}", 3));
    assert!(
        !files.iter().any(|file| file.starts_with(&third)),
        "{files:?}"
    );
    for good in open(&disk).good() {
        check(good).expect("good");
    }
}

#[test]
fn a_bad_one_keeps_its_parts_until_the_next_is_written() {
    let disk = SimulatedDisk::default();
    let mut checkpoints = open(&disk);
    for _ in 0..2 {
        write(&mut checkpoints).expect("the disk works");
    }
    drop(checkpoints);
    let manifest = directory().join(format!("{:020}/manifest", 2));
    let sound = disk.content(&manifest);
    disk.change(&manifest, |bytes| bytes[9] ^= 1);
    assert_eq!(ids(&open(&disk)), [1]);
    // Somebody brings the file back.
    disk.change(&manifest, |bytes| *bytes = sound);
    let checkpoints = open(&disk);
    assert_eq!(ids(&checkpoints), [2, 1]);
    check(&checkpoints.good()[0]).expect("whole again");
}

#[test]
fn files_of_other_names_are_left_alone() {
    let disk = SimulatedDisk::default();
    drop(open(&disk));
    let foreign = [
        directory().join("notes"),
        directory().join("shared/notes.part"),
        directory().join("00000000000000000001.old"),
    ];
    for file in &foreign {
        disk.add_file(file, b"somebody's");
    }
    let mut checkpoints = open(&disk);
    for _ in 0..3 {
        write(&mut checkpoints).expect("the disk works");
    }
    for file in &foreign {
        assert_eq!(disk.content(file), b"somebody's");
    }
}

#[test]
fn a_part_of_many_megabytes_is_written_and_read_on_a_real_disk() {
    let directory = tempfile::TempDir::new().expect("a temporary directory");
    let path = directory.path().join("checkpoints");
    let options = CheckpointOptions::default();
    let mut checkpoints = Checkpoints::open(Arc::new(RealDisk), &path, options).expect("opens");
    let part = Part {
        name: "large",
        is_shared: false,
        stand: Stand::default(),
    };
    let block: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let mut draft = checkpoints.begin(TimeMicros::ZERO).expect("begins");
    draft
        .part(part, |out| (0..300).try_for_each(|_| out.write_all(&block)))
        .expect("written");
    let written = draft.commit().expect("committed");
    assert!(written.bytes() > 30_000_000);
    drop(checkpoints);
    let checkpoints = Checkpoints::open(Arc::new(RealDisk), &path, options).expect("opens");
    checkpoints.good()[0].verify().expect("as written");
}
