//! Locks, on a real directory and on a simulated disk.

use std::path::Path;

use huntcore_disk::simulated::SimulatedDisk;
use huntcore_disk::{Disk, LockError, LockKind, RealDisk};
use tempfile::TempDir;

fn check(disk: &dyn Disk, path: &Path, pid: Option<u32>) {
    let taken = |kind| match disk.lock(path, kind) {
        Ok(lock) => Ok(lock),
        Err(LockError::Held { pid }) => Err(pid),
        Err(LockError::Io(error)) => panic!("{error}"),
    };
    let alone = taken(LockKind::Exclusive).expect("free");
    for kind in [LockKind::Exclusive, LockKind::Shared] {
        assert_eq!(taken(kind).err(), Some(pid));
    }
    drop(alone);
    let one = taken(LockKind::Shared).expect("free");
    let two = taken(LockKind::Shared).expect("shared");
    drop(one);
    assert!(taken(LockKind::Exclusive).is_err(), "one is left");
    drop(two);
    let alone = taken(LockKind::Exclusive).expect("free again");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| disk.wait_for_lock(path, LockKind::Shared));
        drop(alone);
        let shared = waiting.join().expect("no panic").expect("it is let go");
        assert!(taken(LockKind::Exclusive).is_err(), "the one that waited");
        drop(shared);
    });
    drop(disk.wait_for_lock(path, LockKind::Exclusive).expect("free"));
}

#[test]
fn an_exclusive_lock_is_held_alone_and_shared_ones_together() {
    let temporary = TempDir::new().expect("a temporary directory");
    let pid = std::process::id();
    check(&RealDisk, &temporary.path().join("lock"), Some(pid));
    let simulated = SimulatedDisk::default();
    simulated.create_directory(Path::new("/d")).expect("made");
    check(&simulated, Path::new("/d/lock"), None);
}
