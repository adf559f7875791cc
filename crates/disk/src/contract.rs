//! The file system that huntcore stands on, as far as it needs one.

use std::io::{self, IoSlice};
use std::path::Path;

use crate::{HeldLock, LockError, LockKind};

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read; it must exist.
    Read,
    /// To read and write; it must exist.
    Write,
    /// To read and write; made if it does not exist, emptied if it does.
    Create,
}

/// A file system.
///
/// A name made, changed or removed is durable after [`Self::sync_directory`] of its
/// directory, not before, and until then in no order.
pub trait Disk: Send + Sync {
    /// Makes a directory and those above it, if they are not there.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Whether the name is a directory's; an error if there is no such name.
    fn is_directory(&self, path: &Path) -> io::Result<bool>;
    /// Opens a file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file or a directory another name in the same directory, at one stroke: in
    /// place of the file that had it, or for a directory, of the empty directory.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;
    /// Makes the names of a directory durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// Space left for files of this directory.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
    /// Takes the lock that is this file, made if it is not there, for as long as the result
    /// lives, or says who has it.
    fn lock(&self, path: &Path, kind: LockKind) -> Result<HeldLock, LockError>;
    /// The same, but waits until whoever has it lets go.
    fn wait_for_lock(&self, path: &Path, kind: LockKind) -> io::Result<HeldLock>;
}

/// An open file. What is written is durable after a sync that succeeded, not before, and
/// until then in no order.
pub trait DiskFile: Send + Sync {
    /// The file's length.
    fn length(&self) -> io::Result<u64>;
    /// Reads at an offset; fewer bytes than asked for, or none at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at an offset, perhaps fewer bytes than given.
    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;
    /// Makes bytes durable, and the length if it grew.
    fn sync_data(&self) -> io::Result<()>;
    /// Makes bytes, length and allocation durable.
    fn sync_all(&self) -> io::Result<()>;
    /// Sets the length and sets space aside for all of it; new bytes are zero.
    fn allocate(&self, length: u64) -> io::Result<()>;
    /// Cuts the file.
    fn set_length(&self, length: u64) -> io::Result<()>;
}
