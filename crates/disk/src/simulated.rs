//! A disk in memory that loses, on a crash, any part of what was not synced, and fails where
//! a test tells it to.
//!
//! For tests alone; nothing of it runs unless a [`SimulatedDisk`] is made. Clones share one
//! disk. Use it like this:
//!
//! ```
//! # use std::path::Path;
//! # use huntcore_disk::simulated::SimulatedDisk;
//! let path = Path::new("/data/state");
//! let mut operations = 0;
//! loop {
//!     let disk = SimulatedDisk::default();
//!     huntcore_disk::make_directory(&disk, Path::new("/data")).expect("nothing fails yet");
//!     disk.die_after(operations);
//!     let written = huntcore_disk::replace_file(&disk, path, b"new").is_ok();
//!     // Every subset of what was not synced, or so many that were drawn.
//!     for survival in disk.survivals(64) {
//!         let after = disk.after_crash(survival);
//!         let found = huntcore_disk::read_file(&after, path, 99).expect("readable");
//!         assert!(found.is_none() && !written || found.is_some_and(|found| found == b"new"));
//!     }
//!     if written {
//!         break;
//!     }
//!     operations += 1;
//! }
//! ```

mod content;
mod crash;
mod disk;
mod tree;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

pub use self::crash::Survival;
use self::tree::Tree;

/// What goes wrong once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Reading fails.
    Read,
    /// Writing fails and nothing is written.
    Write,
    /// Writing stops for lack of space after so many bytes.
    WriteFull(usize),
    /// Writing panics, as a bug would.
    Panic,
    /// Writing succeeds, but the bytes go nowhere.
    WriteLost,
    /// Writing succeeds, but the bytes go to another place.
    WriteMisplaced {
        /// In which file; it has to exist.
        file: PathBuf,
        /// Where in it.
        offset: usize,
    },
    /// Syncing bytes fails, though they have reached the disk.
    SyncStored,
    /// Syncing bytes fails, and the cache calls them clean ever after.
    SyncLost,
    /// Syncing a file whole fails.
    SyncAll,
    /// Syncing a directory fails.
    SyncDirectory,
    /// Setting space aside fails for lack of it.
    Allocate,
    /// Creating fails for lack of space.
    CreateFull,
    /// Renaming fails.
    Rename,
    /// Removing fails.
    Remove,
}

/// A disk in memory; clones share it.
#[derive(Clone, Default)]
pub struct SimulatedDisk {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    /// Syncs may go on, or one has begun to wait.
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    tree: Tree,
    /// Who holds which lock: so many shared, or one exclusive.
    locks: BTreeMap<PathBuf, Holders>,
    operations: u64,
    dies_at: Option<u64>,
    dead: bool,
    fails_at: Option<(u64, io::ErrorKind)>,
    held: bool,
    /// How many syncs are held back.
    waiting: usize,
    full: bool,
    capacity_bytes: Option<u64>,
    short_writes: bool,
    /// What new space holds in place of zeros.
    stale: Arc<[u8]>,
    bytes_read: u64,
    faults: Vec<(String, Fault)>,
}

#[derive(Clone, Copy, Debug)]
enum Holders {
    Exclusive,
    Shared(usize),
}

impl SimulatedDisk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().expect("no panic while held")
    }

    /// From the change that comes after `operations` others on, nothing is changed any more
    /// and every attempt fails. Changes are: making, naming, writing, cutting, syncing.
    pub fn die_after(&self, operations: u64) {
        let mut inner = self.inner();
        inner.dies_at = Some(inner.operations + operations);
    }

    /// The change that comes after `operations` others fails, and is not made; those after it
    /// go on as ever.
    pub fn fail_after(&self, operations: u64, error: io::ErrorKind) {
        let mut inner = self.inner();
        inner.fails_at = Some((inner.operations + operations, error));
    }

    /// From now on nothing is changed any more and every attempt fails.
    pub fn die(&self) {
        self.inner().dead = true;
        self.shared.changed.notify_all();
    }

    /// Whether it has come to that.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.inner().dead
    }

    /// How many changes were attempted so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.inner().operations
    }

    /// Lets syncs of bytes wait, or go on.
    pub fn hold(&self, held: bool) {
        self.inner().held = held;
        self.shared.changed.notify_all();
    }

    /// Waits until a sync of bytes is held back.
    pub fn wait_until_held(&self) {
        let mut inner = self.inner();
        while inner.waiting == 0 {
            inner = self
                .shared
                .changed
                .wait(inner)
                .expect("no panic while held");
        }
    }

    /// Takes away all space for anything to grow, or gives it back.
    pub fn fill(&self, full: bool) {
        self.inner().full = full;
    }

    /// Bounds the sum of all files' lengths.
    pub fn limit(&self, capacity_bytes: u64) {
        self.inner().capacity_bytes = Some(capacity_bytes);
    }

    /// From now on every write takes half of what it is given.
    pub fn write_short(&self) {
        self.inner().short_writes = true;
    }

    /// From now on space that is set aside holds these bytes, at the same offsets, as if a
    /// file that held them had been there before; zeros behind them.
    pub fn recycle(&self, bytes: &[u8]) {
        self.inner().stale = bytes.into();
    }

    /// Lets `fault` strike once, with the next file whose path contains `path`.
    pub fn fail(&self, path: &str, fault: Fault) {
        self.inner().faults.push((path.to_owned(), fault));
    }

    /// How many bytes were read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.inner().bytes_read
    }

    /// The disk after a crash: everything synced, and of the rest what survives. For
    /// numbers see [`Survival::from`]. This one is left as it is.
    #[must_use]
    pub fn after_crash(&self, survival: impl Into<Survival>) -> Self {
        let inner = self.inner();
        let disk = Self::default();
        disk.inner().tree = inner.tree.after_crash(survival.into());
        disk
    }

    /// What may survive a crash now: every subset of what was not synced (by the sector, by
    /// the name), if there are no more than `cases_max` of them, else so many of them.
    #[must_use]
    pub fn survivals(&self, cases_max: u64) -> Vec<Survival> {
        Survival::cases(self.inner().tree.unsynced(), cases_max)
    }

    /// An independent disk with the same files, all of it durable.
    #[must_use]
    pub fn copy(&self) -> Self {
        self.after_crash(Survival::Everything)
    }

    /// Every file there is, by path.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.inner().tree.files()
    }

    /// What a file holds.
    ///
    /// # Panics
    /// If there is no such file; so do the methods below.
    #[must_use]
    pub fn content(&self, path: &Path) -> Vec<u8> {
        self.inner().tree.content(path).cached.clone()
    }

    /// Changes a file behind everybody's back, durably.
    pub fn change(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.inner();
        let content = inner.tree.content(path);
        change(&mut content.cached);
        content.durable = content.cached.clone();
        content.pending.clear();
    }

    /// Moves a file behind everybody's back, durably.
    pub fn move_file(&self, from: &Path, to: &Path) {
        let mut inner = self.inner();
        let node = inner.tree.unlink(from).expect("there is such a file");
        inner.tree.link(to, node).expect("there is a directory");
        inner.tree.settle_names();
    }

    /// Removes a file behind everybody's back, durably.
    pub fn remove_file(&self, path: &Path) {
        let mut inner = self.inner();
        inner.tree.unlink(path).expect("there is such a file");
        inner.tree.settle_names();
    }

    /// Adds a file behind everybody's back, durably.
    pub fn add_file(&self, path: &Path, bytes: &[u8]) {
        let mut inner = self.inner();
        let node = inner.tree.add_file(bytes.to_vec());
        inner.tree.link(path, node).expect("there is a directory");
        inner.tree.settle_names();
    }
}

impl Inner {
    /// Counts a change; fails if the disk has died.
    fn operate(&mut self) -> io::Result<()> {
        if self.dies_at == Some(self.operations) {
            self.dead = true;
        }
        let now = self.operations;
        self.operations += 1;
        if self.dead {
            return Err(io::Error::other("the machine has crashed"));
        }
        match self.fails_at {
            Some((at, error)) if at == now => Err(io::Error::new(error, "injected: it failed")),
            _ => Ok(()),
        }
    }

    /// The first fault of these kinds that strikes here, which it does once.
    fn take_fault(&mut self, path: &Path, is_kind: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let path = path.to_string_lossy();
        let index = self
            .faults
            .iter()
            .position(|(part, fault)| path.contains(part) && is_kind(fault))?;
        Some(self.faults.remove(index).1)
    }

    fn strikes(&mut self, path: &Path, fault: &Fault) -> bool {
        self.take_fault(path, |kind| kind == fault).is_some()
    }

    /// Whether a file may grow by so much.
    fn has_space(&self, growth: usize) -> bool {
        let fits = self
            .capacity_bytes
            .is_none_or(|capacity| self.tree.bytes() + growth as u64 <= capacity);
        growth == 0 || (fits && !self.full)
    }
}
