//! A disk in memory that loses, on a crash, any part of what was not synced, and fails
//! where a test tells it to.

mod content;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use huntcore_log_file::{Access, Disk, DiskFile, HeldLock, LockError};

use self::content::{Change, Content, NameChange, Random};

/// What goes wrong once, with a file whose path contains `path`.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) path: String,
    pub(crate) kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// Writing fails and nothing is written.
    Write,
    /// Writing stops for lack of space after so many bytes.
    WriteFull(usize),
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
    /// Removing fails.
    Remove,
}

#[derive(Clone, Default)]
pub(crate) struct SimDisk {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    released: Condvar,
}

#[derive(Default)]
struct Inner {
    files: Vec<Content>,
    directories: BTreeSet<PathBuf>,
    durable_directories: BTreeSet<PathBuf>,
    /// As the running system sees them.
    names: BTreeMap<PathBuf, usize>,
    /// As a crash leaves them at least.
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names that no sync made durable yet, by directory, in order.
    pending_names: BTreeMap<PathBuf, Vec<NameChange>>,
    locked: BTreeSet<PathBuf>,
    operations: u64,
    dies_at: Option<u64>,
    dead: bool,
    held: bool,
    full: bool,
    short_writes: bool,
    bytes_read: u64,
    faults: Vec<Fault>,
}

impl SimDisk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().expect("no panic while held")
    }

    /// From the change that comes after `operations` others on, nothing is changed any
    /// more and every attempt fails.
    pub(crate) fn die_after(&self, operations: u64) {
        let mut inner = self.inner();
        inner.dies_at = Some(inner.operations + operations);
    }

    pub(crate) fn die(&self) {
        self.inner().dead = true;
        self.shared.released.notify_all();
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.inner().dead
    }

    /// Lets syncs of bytes wait.
    pub(crate) fn hold(&self, held: bool) {
        self.inner().held = held;
        self.shared.released.notify_all();
    }

    pub(crate) fn fill(&self, full: bool) {
        self.inner().full = full;
    }

    pub(crate) fn write_short(&self) {
        self.inner().short_writes = true;
    }

    pub(crate) fn fail(&self, path: &str, kind: FaultKind) {
        self.inner().faults.push(Fault {
            path: path.to_owned(),
            kind,
        });
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.inner().bytes_read
    }

    /// The disk after a crash: everything synced, and of the rest what `choice` picks; 0
    /// picks nothing, 1 everything.
    pub(crate) fn after_crash(&self, choice: u64) -> Self {
        let inner = self.inner();
        let mut random = Random::new(choice);
        let files = inner
            .files
            .iter()
            .map(|content| {
                let bytes = content.after_crash(&mut random);
                Content {
                    cached: bytes.clone(),
                    durable: bytes,
                    pending: Vec::new(),
                }
            })
            .collect();
        let mut names = inner.durable_names.clone();
        for changes in inner.pending_names.values() {
            for change in random.some_of(changes) {
                change.apply(&mut names);
            }
        }
        let mut directories = inner.directories.clone();
        directories.retain(|path| inner.durable_directories.contains(path) || random.yes());
        let lost = |path: &Path| {
            !path
                .ancestors()
                .skip(1)
                .all(|above| directories.contains(above))
        };
        names.retain(|path, _| !lost(path));
        let lost: Vec<_> = directories
            .iter()
            .filter(|path| lost(path))
            .cloned()
            .collect();
        directories.retain(|path| !lost.contains(path));
        let disk = Self::default();
        *disk.inner() = Inner {
            files,
            durable_directories: directories.clone(),
            directories,
            durable_names: names.clone(),
            names,
            ..Inner::default()
        };
        disk
    }

    /// An independent disk with the same files, all of it durable.
    pub(crate) fn copy(&self) -> Self {
        self.after_crash(1)
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.inner().names.keys().cloned().collect()
    }

    pub(crate) fn content(&self, path: &Path) -> Vec<u8> {
        let inner = self.inner();
        inner.files[inner.names[path]].cached.clone()
    }

    /// Changes a file behind the log's back, durably.
    pub(crate) fn change(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.inner();
        let file = inner.names[path];
        let content = &mut inner.files[file];
        change(&mut content.cached);
        content.durable = content.cached.clone();
        content.pending.clear();
    }

    pub(crate) fn move_file(&self, from: &Path, to: &Path) {
        let mut inner = self.inner();
        let file = inner.names.remove(from).expect("there is such a file");
        inner.names.insert(to.to_owned(), file);
        inner.durable_names = inner.names.clone();
    }

    pub(crate) fn remove_file(&self, path: &Path) {
        let mut inner = self.inner();
        inner.names.remove(path).expect("there is such a file");
        inner.durable_names = inner.names.clone();
    }

    pub(crate) fn add_file(&self, path: &Path, bytes: &[u8]) {
        let mut inner = self.inner();
        let file = inner.add(bytes.to_vec());
        inner.names.insert(path.to_owned(), file);
        inner.durable_names = inner.names.clone();
    }
}

impl Inner {
    fn add(&mut self, bytes: Vec<u8>) -> usize {
        self.files.push(Content {
            cached: bytes.clone(),
            durable: bytes,
            pending: Vec::new(),
        });
        self.files.len() - 1
    }

    /// Counts a change; fails if the disk has died.
    fn operate(&mut self) -> io::Result<()> {
        if self.dies_at == Some(self.operations) {
            self.dead = true;
        }
        self.operations += 1;
        if self.dead {
            return Err(io::Error::other("the machine has crashed"));
        }
        Ok(())
    }

    fn take_fault(&mut self, path: &Path, kinds: &[fn(&FaultKind) -> bool]) -> Option<FaultKind> {
        let path = path.to_string_lossy();
        let index = self.faults.iter().position(|fault| {
            path.contains(&fault.path) && kinds.iter().any(|kind| kind(&fault.kind))
        })?;
        Some(self.faults.remove(index).kind)
    }

    fn strikes(&mut self, path: &Path, kind: FaultKind) -> bool {
        let path = path.to_string_lossy();
        let index = self
            .faults
            .iter()
            .position(|fault| path.contains(&fault.path) && fault.kind == kind);
        index.map(|index| self.faults.remove(index)).is_some()
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        let directory = change.path().parent().expect("a directory").to_owned();
        self.pending_names
            .entry(directory)
            .or_default()
            .push(change);
    }
}

impl Disk for SimDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operate()?;
        inner.durable_directories.insert(PathBuf::from("/"));
        for path in path.ancestors() {
            inner.directories.insert(path.to_owned());
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let inner = self.inner();
        if !inner.directories.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let entries = inner.names.keys().chain(&inner.directories);
        Ok(entries
            .filter(|entry| entry.parent() == Some(path))
            .filter_map(|entry| Some(entry.file_name()?.to_string_lossy().into_owned()))
            .collect())
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.inner();
        let known = inner.names.get(path).copied();
        let file = match (known, access) {
            (Some(file), Access::Read | Access::Write) => file,
            (None, Access::Read | Access::Write) => return Err(io::ErrorKind::NotFound.into()),
            (Some(file), Access::Create) => {
                inner.operate()?;
                inner.files[file].change(Change::Length(0));
                file
            }
            (None, Access::Create) => {
                inner.operate()?;
                if inner.strikes(path, FaultKind::CreateFull) {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                let file = inner.add(Vec::new());
                inner.change_name(NameChange::Set(path.to_owned(), file));
                file
            }
        };
        Ok(Box::new(SimFile {
            disk: self.clone(),
            path: path.to_owned(),
            file,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operate()?;
        let file = *inner.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        inner.change_name(NameChange::Set(to.to_owned(), file));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operate()?;
        if inner.strikes(path, FaultKind::Remove) {
            return Err(io::Error::other("injected: removing failed"));
        }
        if !inner.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        inner.change_name(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operate()?;
        if inner.strikes(path, FaultKind::SyncDirectory) {
            return Err(io::Error::other("injected: directory sync failed"));
        }
        let inner = &mut *inner;
        let inside = inner.directories.iter();
        let inside = inside.filter(|inside| inside.parent() == Some(path));
        inner.durable_directories.extend(inside.cloned());
        let changes = inner.pending_names.remove(path).unwrap_or_default();
        for change in changes {
            change.apply(&mut inner.durable_names);
        }
        Ok(())
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(if self.inner().full { 0 } else { 1 << 40 })
    }

    fn lock(&self, path: &Path) -> Result<HeldLock, LockError> {
        if !self.inner().locked.insert(path.to_owned()) {
            return Err(LockError::Held { pid: None });
        }
        Ok(Box::new(SimLock {
            disk: self.clone(),
            path: path.to_owned(),
        }))
    }
}

struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.inner().locked.remove(&self.path);
    }
}

struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    file: usize,
}

impl DiskFile for SimFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.inner().files[self.file].cached.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut inner = self.disk.inner();
        let cached = &inner.files[self.file].cached;
        let offset = usize::try_from(offset)
            .expect("small files")
            .min(cached.len());
        let count = buffer.len().min(cached.len() - offset);
        buffer[..count].copy_from_slice(&cached[offset..offset + count]);
        inner.bytes_read += count as u64;
        Ok(count)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let mut inner = self.disk.inner();
        inner.operate()?;
        let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let offset = usize::try_from(offset).expect("small files");
        let kinds: [fn(&FaultKind) -> bool; 1] =
            [|kind| matches!(kind, FaultKind::Write | FaultKind::WriteFull(_))];
        match inner.take_fault(&self.path, &kinds) {
            Some(FaultKind::WriteFull(0)) => return Err(io::ErrorKind::StorageFull.into()),
            Some(FaultKind::WriteFull(count)) => {
                // As the system does it: some bytes now, the error with the next call.
                bytes.truncate(count);
                inner.faults.push(Fault {
                    path: self.path.to_string_lossy().into_owned(),
                    kind: FaultKind::WriteFull(0),
                });
            }
            Some(_) => return Err(io::Error::other("injected: write failed")),
            None => {}
        }
        if inner.full && offset + bytes.len() > inner.files[self.file].cached.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if inner.short_writes {
            bytes.truncate(bytes.len().div_ceil(2));
        }
        let count = bytes.len();
        inner.files[self.file].change(Change::Write { offset, bytes });
        Ok(count)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inner = self.disk.inner();
        while inner.held && !inner.dead {
            inner = self
                .disk
                .shared
                .released
                .wait(inner)
                .expect("no panic while held");
        }
        inner.operate()?;
        let stored = inner.strikes(&self.path, FaultKind::SyncStored);
        let lost = inner.strikes(&self.path, FaultKind::SyncLost);
        let content = &mut inner.files[self.file];
        if lost {
            content.pending.clear();
        } else {
            content.sync();
        }
        if stored || lost {
            return Err(io::Error::other("injected: sync failed"));
        }
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.operate()?;
        if inner.strikes(&self.path, FaultKind::SyncAll) {
            return Err(io::Error::other("injected: sync failed"));
        }
        inner.files[self.file].sync();
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.operate()?;
        if inner.full || inner.strikes(&self.path, FaultKind::Allocate) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let length = usize::try_from(length).expect("small files");
        inner.files[self.file].change(Change::Length(length));
        Ok(())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.operate()?;
        let length = usize::try_from(length).expect("small files");
        inner.files[self.file].change(Change::Length(length));
        Ok(())
    }
}
