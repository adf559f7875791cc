//! The steps that everything durable is made of, each durable when it returns.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use crate::{Access, Disk, DiskFile};

/// Why something was not made durable.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space. Nothing of it will ever be seen.
    #[error("no space left to {what} {}", file.display())]
    Full {
        /// Doing what.
        what: &'static str,
        /// Which file or directory.
        file: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// It cannot be known what reached the disk: it holds the old, or the new.
    #[error("failed to {what} {}", file.display())]
    Doubt {
        /// Doing what.
        what: &'static str,
        /// Which file or directory.
        file: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

impl StoreError {
    /// A failure after which nobody knows what is on the disk.
    pub fn doubt(what: &'static str, file: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Doubt {
            what,
            file: file.to_owned(),
            source,
        }
    }

    /// No space, or else doubt.
    pub fn of(what: &'static str, file: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            let file = file.to_owned();
            if is_no_space(&source) {
                Self::Full { what, file, source }
            } else {
                Self::Doubt { what, file, source }
            }
        }
    }
}

/// Why a small file was not read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It has more bytes than such a file may have.
    #[error("{} has {length} bytes, at most {length_max} were expected", file.display())]
    TooLong {
        /// Which file.
        file: PathBuf,
        /// Its length.
        length: u64,
        /// What was allowed.
        length_max: u64,
    },
    /// The file system failed.
    #[error("failed to {what} {}", file.display())]
    Io {
        /// Doing what.
        what: &'static str,
        /// Which file.
        file: PathBuf,
        /// How.
        source: io::Error,
    },
}

/// Whether an error says that space is missing, and nothing worse.
#[must_use]
pub fn is_no_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Makes a directory and those above it that are not there.
pub fn make_directory(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let missing: Vec<_> = path
        .ancestors()
        .take_while(|path| {
            let listed = (!path.as_os_str().is_empty()).then(|| disk.list(path));
            listed.is_some_and(|listed| {
                listed.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
            })
        })
        .collect();
    disk.create_directory(path)?;
    missing
        .into_iter()
        .filter_map(Path::parent)
        .try_for_each(|parent| disk.sync_directory(parent))
}

/// Removes a directory and everything in it, or a file; nothing to do if it is not there.
/// Not durable by itself: sync the directory that it stood in.
pub fn remove_tree(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    match disk.is_directory(path) {
        Ok(true) => {
            for name in disk.list(path)? {
                remove_tree(disk, &path.join(name))?;
            }
            gone(disk.remove_directory(path))
        }
        Ok(false) => gone(disk.remove(path)),
        Err(error) => gone(Err(error)),
    }
}

/// The name under which a small file is written before it takes its place.
#[must_use]
pub fn draft_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// Puts `bytes` in place of a small file: whenever a crash comes, it holds the old or the
/// new. A draft ([`draft_path`]) may be left behind.
pub fn replace_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let draft = draft_path(path);
    let file = disk
        .open(&draft, Access::Create)
        .map_err(StoreError::of("create", &draft))?;
    write_all_at(&*file, &[IoSlice::new(bytes)], 0)
        .map_err(|short| StoreError::of("write", &draft)(short.error))?;
    file.sync_all().map_err(StoreError::doubt("sync", &draft))?;
    disk.rename(&draft, path)
        .map_err(StoreError::of("rename", &draft))?;
    let directory = path.parent().expect("a file stands in a directory");
    disk.sync_directory(directory)
        .map_err(StoreError::doubt("sync", directory))
}

/// Reads a small file whole; `None` if it does not exist.
pub fn read_file(
    disk: &dyn Disk,
    path: &Path,
    length_max: u64,
) -> Result<Option<Vec<u8>>, LoadError> {
    let failed = |what| {
        move |source| LoadError::Io {
            what,
            file: path.to_owned(),
            source,
        }
    };
    let file = match disk.open(path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open")(error)),
    };
    let length = file.length().map_err(failed("read"))?;
    if length > length_max {
        return Err(LoadError::TooLong {
            file: path.to_owned(),
            length,
            length_max,
        });
    }
    let mut bytes = vec![0; usize::try_from(length).expect("a small file fits the memory")];
    let read = read_full_at(&*file, &mut bytes, 0).map_err(failed("read"))?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// A write that did not come to its end.
#[derive(Debug)]
pub struct ShortWrite {
    /// How much was written before.
    pub written: u64,
    /// What stopped it.
    pub error: io::Error,
}

/// Writes everything, however often it takes; says how much that was.
pub fn write_all_at(
    file: &dyn DiskFile,
    parts: &[IoSlice<'_>],
    offset: u64,
) -> Result<u64, ShortWrite> {
    /// What the system takes at once.
    const PARTS_MAX: usize = 512;
    let mut written = 0;
    for group in parts.chunks(PARTS_MAX) {
        let mut group = group.to_vec();
        let mut rest = group.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match file.write_at(rest, offset + written) {
                Ok(0) => {
                    return Err(ShortWrite {
                        written,
                        error: io::ErrorKind::WriteZero.into(),
                    });
                }
                Ok(count) => {
                    written += count as u64;
                    IoSlice::advance_slices(&mut rest, count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ShortWrite { written, error }),
            }
        }
    }
    Ok(written)
}

/// Fills `buffer`, or as much of it as there is up to the file's end; says how much.
pub fn read_full_at(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
