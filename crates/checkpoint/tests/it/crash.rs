//! A crash at every change of the disk, with every subset of what was not synced lost.

use std::sync::Arc;

use huntcore_checkpoint::{Checkpoint, CheckpointOptions, Checkpoints};
use huntcore_disk::simulated::SimulatedDisk;

use crate::support::{check, directory, open, options, write};

/// How many subsets are tried where there are more.
const SURVIVALS_MAX: u64 = 128;

#[test]
fn after_any_crash_the_last_good_checkpoint_or_the_one_under_way_is_there_and_whole() {
    // Syncing as it goes, or at the end alone.
    for (committed, sync_every_bytes) in (0..4).flat_map(|count| [(count, 1), (count, u64::MAX)]) {
        let base = SimulatedDisk::default();
        let mut checkpoints = open(&base);
        for _ in 0..committed {
            write(&mut checkpoints).expect("nothing fails yet");
        }
        drop(checkpoints);
        let mut operations = 0;
        loop {
            let disk = base.copy();
            let pace = CheckpointOptions {
                sync_every_bytes,
                ..options()
            };
            let home = Arc::new(disk.clone());
            let mut checkpoints = Checkpoints::open(home, directory(), pace).expect("opens");
            disk.die_after(operations);
            let written = write(&mut checkpoints).is_ok();
            drop(checkpoints);
            for survival in disk.survivals(SURVIVALS_MAX) {
                let after = disk.after_crash(survival);
                let context = format!("{committed} committed, {operations} more, {survival:?}");
                let least = if written { committed + 1 } else { committed };
                look(&after, least, committed + 1, &context);
            }
            if !disk.is_dead() {
                break;
            }
            operations += 1;
        }
        assert!(operations > 10, "crashes were tried");
    }
}

/// Opens after a crash: there is a checkpoint between these two, and all that are called
/// good are; then goes on.
fn look(disk: &SimulatedDisk, least: u64, most: u64, context: &str) {
    let mut checkpoints = open(disk);
    let ids: Vec<_> = checkpoints.good().iter().map(Checkpoint::id).collect();
    let newest = ids.first().copied().unwrap_or(0);
    assert!((least..=most).contains(&newest), "{context}: {ids:?}");
    assert!(ids.len() as u64 >= least.min(2), "{context}: {ids:?}");
    for good in checkpoints.good() {
        check(good).unwrap_or_else(|damage| panic!("{context}: {damage}"));
    }
    let next = write(&mut checkpoints).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(next.id() > most.min(newest), "{context}");
    check(&next).expect("just written");
    drop(checkpoints);
    let files = disk.files();
    let drafts = files
        .iter()
        .filter(|file| file.to_string_lossy().contains(".tmp"));
    assert_eq!(drafts.count(), 0, "{context}: {files:?}");
}

#[test]
fn a_crash_while_opening_takes_away_nothing_good() {
    let base = SimulatedDisk::default();
    let mut checkpoints = open(&base);
    for _ in 0..3 {
        write(&mut checkpoints).expect("nothing fails yet");
    }
    drop(checkpoints);
    // With a leftover to be removed.
    let dying = base.copy();
    let mut checkpoints = open(&dying);
    dying.die_after(12);
    write(&mut checkpoints).expect_err("dies");
    drop(checkpoints);
    let base = dying.after_crash(1);
    let mut operations = 0;
    loop {
        let disk = base.copy();
        disk.die_after(operations);
        // Opens all the same if only leftovers stay.
        drop(Checkpoints::open(
            Arc::new(disk.clone()),
            directory(),
            options(),
        ));
        for survival in disk.survivals(SURVIVALS_MAX) {
            let after = disk.after_crash(survival);
            look(
                &after,
                3,
                4,
                &format!("{operations} operations, {survival:?}"),
            );
        }
        if !disk.is_dead() {
            return;
        }
        operations += 1;
    }
}
