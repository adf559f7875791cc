//! Each fault of the simulated disk strikes where it was told to, once.

use std::io::{ErrorKind, IoSlice};
use std::path::{Path, PathBuf};

use huntcore_disk::simulated::{Fault, SimulatedDisk};
use huntcore_disk::{Access, Disk, DiskFile, StoreError, replace_file, write_all_at};

const FILE: &str = "/data/file";

fn disk() -> (SimulatedDisk, Box<dyn DiskFile>) {
    let disk = SimulatedDisk::default();
    disk.create_directory(Path::new("/data")).expect("made");
    let file = disk.open(Path::new(FILE), Access::Create).expect("made");
    (disk, file)
}

fn write(file: &dyn DiskFile, bytes: &[u8]) -> std::io::Result<usize> {
    file.write_at(&[IoSlice::new(bytes)], 0)
}

#[test]
fn what_fails_once_works_the_next_time() {
    let (disk, file) = disk();
    for fault in [
        Fault::Write,
        Fault::SyncStored,
        Fault::SyncLost,
        Fault::Read,
    ] {
        disk.fail("file", fault.clone());
        let work = || -> std::io::Result<()> {
            write(&*file, b"x")?;
            file.sync_data()?;
            file.read_at(&mut [0], 0).map(|_| ())
        };
        assert!(work().is_err(), "{fault:?}");
        work().expect("it strikes once");
    }
    for fault in [Fault::SyncAll, Fault::SyncDirectory, Fault::Rename] {
        let path = if fault == Fault::SyncDirectory {
            "data"
        } else {
            ".tmp"
        };
        disk.fail(path, fault.clone());
        let result = replace_file(&disk, Path::new(FILE), b"y");
        assert!(
            matches!(result, Err(StoreError::Doubt { .. })),
            "{result:?}"
        );
        replace_file(&disk, Path::new(FILE), b"y").expect("it strikes once");
    }
}

#[test]
fn bytes_go_elsewhere_or_nowhere_and_nobody_says_so() {
    let (disk, file) = disk();
    let other = PathBuf::from("/data/other");
    disk.add_file(&other, &[0; 8]);
    disk.fail("file", Fault::WriteLost);
    disk.fail(
        "file",
        Fault::WriteMisplaced {
            file: other.clone(),
            offset: 6,
        },
    );
    for _ in 0..2 {
        assert_eq!(write(&*file, b"abc").expect("so it says"), 3);
        file.sync_all().expect("so it says");
    }
    assert_eq!(disk.content(Path::new(FILE)), b"");
    assert_eq!(disk.content(&other), b"\0\0\0\0\0\0abc");
}

#[test]
fn space_runs_out_in_a_write_or_at_the_disk_s_capacity() {
    let (disk, file) = disk();
    disk.fail("file", Fault::WriteFull(2));
    let short = write_all_at(&*file, &[IoSlice::new(b"abcd")], 0).expect_err("full");
    assert_eq!(
        (short.written, short.error.kind()),
        (2, ErrorKind::StorageFull)
    );
    disk.limit(5);
    assert_eq!(disk.free_bytes(Path::new("/data")).expect("known"), 3);
    write(&*file, b"abcde").expect("fits");
    let full = write(&*file, b"abcdef").expect_err("does not fit");
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    let full = replace_file(&disk, Path::new("/data/small"), b"x");
    assert!(matches!(full, Err(StoreError::Full { .. })), "{full:?}");
    disk.remove(Path::new("/data/small.tmp")).expect("removed");
    file.set_length(2).expect("cut");
    file.allocate(5).expect("space again");
}

#[test]
fn new_space_may_hold_what_another_file_left_there() {
    let (disk, file) = disk();
    disk.recycle(b"left by another");
    write(&*file, b"LEFT").expect("written");
    file.allocate(20).expect("space");
    assert_eq!(disk.content(Path::new(FILE)), b"LEFT by another\0\0\0\0\0");
}
