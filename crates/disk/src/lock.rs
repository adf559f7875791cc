//! Locks between processes.
//!
//! They are the kernel's (`flock`), so they end with their holder, however that dies: a lock
//! file that was left behind says nothing.

use std::any::Any;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// A lock, held until this is dropped.
pub type HeldLock = Box<dyn Any + Send + Sync>;

/// With whom a lock can be held at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// With nobody.
    Exclusive,
    /// With others who hold it shared.
    Shared,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody has it.
    #[error("lock is held by process {}", pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string()))]
    Held {
        /// Who, if the lock file says so.
        pid: Option<u32>,
    },
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Takes the lock that is the file at `path`. Whoever takes it exclusively writes the id of
/// the process into it.
pub(crate) fn lock_file(path: &Path, kind: LockKind) -> Result<HeldLock, LockError> {
    let mut file = open(path)?;
    let operation = match kind {
        LockKind::Exclusive => FlockOperation::NonBlockingLockExclusive,
        LockKind::Shared => FlockOperation::NonBlockingLockShared,
    };
    match flock(&file, operation) {
        Ok(()) => Ok(held(file, path, kind)),
        Err(Errno::WOULDBLOCK) => Err(LockError::Held {
            pid: read_pid(&mut file),
        }),
        Err(error) => Err(LockError::Io(error.into())),
    }
}

/// The same, but waits for it.
pub(crate) fn wait_for_lock_file(path: &Path, kind: LockKind) -> io::Result<HeldLock> {
    let file = open(path)?;
    let operation = match kind {
        LockKind::Exclusive => FlockOperation::LockExclusive,
        LockKind::Shared => FlockOperation::LockShared,
    };
    flock(&file, operation)?;
    Ok(held(file, path, kind))
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

fn flock(file: &File, operation: FlockOperation) -> Result<(), Errno> {
    loop {
        match rustix::fs::flock(file, operation) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

fn held(mut file: File, path: &Path, kind: LockKind) -> HeldLock {
    // For people who ask who holds it; nobody trusts it, so it need not be durable. A full
    // disk must not keep anybody from taking a lock.
    let written = match kind {
        LockKind::Exclusive => write_pid(&mut file),
        LockKind::Shared => Ok(()),
    };
    if let Err(error) = written {
        tracing::debug!(file = %path.display(), %error, "the lock file does not name its holder");
    }
    Box::new(file)
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}
