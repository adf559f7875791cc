//! What a crash of the simulated disk may take, and what it may not.

use std::collections::BTreeSet;
use std::io::IoSlice;
use std::path::Path;

use huntcore_disk::simulated::{SimulatedDisk, Survival};
use huntcore_disk::{Access, Disk, draft_path, make_directory, read_file, replace_file};

const FILE: &str = "/data/state";

fn disk() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    make_directory(&disk, Path::new("/data")).expect("made");
    disk
}

fn content(disk: &SimulatedDisk) -> Option<Vec<u8>> {
    read_file(disk, Path::new(FILE), 1 << 20).expect("readable")
}

#[test]
fn a_replaced_file_holds_the_old_or_the_new_whenever_the_crash_comes() {
    let (old, new) = (vec![1; 700], vec![2; 900]);
    let mut seen = BTreeSet::new();
    for operations in 0.. {
        let disk = disk();
        replace_file(&disk, Path::new(FILE), &old).expect("stored");
        disk.die_after(operations);
        let stored = replace_file(&disk, Path::new(FILE), &new).is_ok();
        for survival in disk.survivals(1 << 10) {
            let found = content(&disk.after_crash(survival)).expect("one of them");
            assert!(found == new || (found == old && !stored), "{survival:?}");
            seen.insert(found[0]);
        }
        if stored {
            break;
        }
        assert!(operations < 100, "it never ends");
    }
    assert_eq!(seen, BTreeSet::from([1, 2]), "both were seen");
}

#[test]
fn every_subset_of_unsynced_sectors_is_tried() {
    let disk = disk();
    replace_file(&disk, Path::new(FILE), &[0; 4 * 512]).expect("stored");
    let file = disk.open(Path::new(FILE), Access::Write).expect("there");
    // Three sectors, the first of them in part.
    file.write_at(&[IoSlice::new(&[7; 1_100])], 300)
        .expect("written");
    let found: BTreeSet<_> = disk
        .survivals(8)
        .into_iter()
        .map(|survival| content(&disk.after_crash(survival)).expect("it was there before"))
        .collect();
    assert_eq!(found.len(), 8);
    for bytes in &found {
        let sectors = [&bytes[300..512], &bytes[512..1_024], &bytes[1_024..1_400]];
        for sector in sectors {
            assert!(sector.iter().all(|byte| *byte == sector[0]), "torn");
        }
    }
    // More subsets than are wanted: so many that were drawn, from nothing to everything.
    let drawn = disk.survivals(5);
    assert_eq!(drawn.len(), 5);
    assert_eq!(drawn[..2], [Survival::Nothing, Survival::Everything]);
    file.sync_data().expect("synced");
    assert_eq!(disk.survivals(9), [Survival::Subset(0)]);
    let after = content(&disk.after_crash(Survival::Nothing)).expect("there");
    assert_eq!(after[300..1_400], [7; 1_100]);
}

#[test]
fn a_name_that_was_not_synced_may_be_lost_with_all_that_is_behind_it() {
    let disk = disk();
    let directory = Path::new("/data/sub");
    disk.create_directory(directory).expect("made");
    let path = directory.join("file");
    replace_file(&disk, &path, b"kept").expect("stored");
    let lost = disk.after_crash(Survival::Nothing);
    assert!(lost.list(directory).is_err());
    disk.sync_directory(Path::new("/data")).expect("synced");
    let kept = disk.after_crash(Survival::Nothing);
    assert_eq!(kept.content(&path), b"kept");
    disk.remove(&path).expect("removed");
    let back = disk.after_crash(Survival::Nothing);
    assert_eq!(back.content(&path), b"kept");
    assert!(disk.after_crash(Survival::Everything).files().is_empty());
}

#[test]
fn nothing_changes_after_the_crash_and_clones_die_together() {
    let disk = disk();
    let file = disk.open(Path::new(FILE), Access::Create).expect("made");
    disk.die_after(1);
    file.write_at(&[IoSlice::new(b"in time")], 0)
        .expect("the last change");
    assert!(file.write_at(&[IoSlice::new(b"late")], 0).is_err());
    assert!(file.sync_data().is_err() && disk.clone().is_dead());
    assert!(
        disk.rename(Path::new(FILE), &draft_path(Path::new(FILE)))
            .is_err()
    );
    assert_eq!(content(&disk).as_deref(), Some(&b"in time"[..]));
    assert_eq!(content(&disk.after_crash(0)), None);
}
