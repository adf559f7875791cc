//! Copying what stands beside the streams: checkpoints, events, and plain files such as keys.
//!
//! A server may finish a checkpoint and remove an older one meanwhile. So the names are read
//! again after copying, and what changed is copied or given up, until nothing did: then the
//! copy holds what was there at one moment. Files are recognised by name and length, for none
//! changes once it has its final name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use huntcore_disk::{Access, Disk, DiskFile, read_full_at, remove_tree, write_all_at};

use super::{CHUNK_BYTES, CopyError};
use crate::files::{BACKUP_LOCK, FORMAT, LOCK};
use crate::verify::Meter;

/// The directories beside the streams that are copied with all that is in them.
const DIRECTORIES: [&str; 2] = ["checkpoints", "event-keys"];
const DRAFT_SUFFIX: &str = ".tmp";

/// The files beside the streams.
pub(super) struct Files<'f> {
    disk: &'f dyn Disk,
    source: &'f Path,
    target: &'f Path,
    meter: &'f Meter<'f>,
    /// What the copy holds.
    copied: BTreeMap<PathBuf, Copied>,
    made: BTreeSet<PathBuf>,
}

/// What was copied of a file.
#[derive(Clone, Copy)]
pub(super) struct Copied {
    bytes: u64,
    crc: u32,
}

/// Files with their lengths, and the directories that they stand in; paths below the source.
#[derive(Default, PartialEq, Eq)]
struct Names {
    files: BTreeMap<PathBuf, u64>,
    directories: BTreeSet<PathBuf>,
}

impl<'f> Files<'f> {
    pub(super) fn new(
        disk: &'f dyn Disk,
        source: &'f Path,
        target: &'f Path,
        meter: &'f Meter<'f>,
    ) -> Self {
        Self {
            disk,
            source,
            target,
            meter,
            copied: BTreeMap::new(),
            made: BTreeSet::new(),
        }
    }

    pub(super) fn bytes_total(disk: &dyn Disk, source: &Path) -> Result<u64, CopyError> {
        Ok(Names::read(disk, source)?.files.values().sum())
    }

    pub(super) fn count(&self) -> u64 {
        self.copied.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.copied.values().map(|copied| copied.bytes).sum()
    }

    /// Copies everything, durably but for the name of what stands in the target itself.
    pub(super) fn copy(&mut self) -> Result<(), CopyError> {
        let mut names = Names::read(self.disk, self.source)?;
        loop {
            self.give_up_all_but(&names)?;
            for directory in &names.directories {
                let path = self.target.join(directory);
                self.disk
                    .create_directory(&path)
                    .map_err(CopyError::io("create", &path))?;
                self.made.insert(directory.clone());
            }
            for (path, &bytes) in &names.files {
                if self.copied.get(path).map(|copied| copied.bytes) != Some(bytes) {
                    self.copy_file(path)?;
                }
            }
            let now = Names::read(self.disk, self.source)?;
            if now == names {
                break;
            }
            names = now;
        }
        for directory in &names.directories {
            let path = self.target.join(directory);
            self.disk
                .sync_directory(&path)
                .map_err(CopyError::io("sync", &path))?;
        }
        Ok(())
    }

    /// Reads the copies back.
    pub(super) fn verify(&self) -> Result<(), CopyError> {
        for (path, copied) in &self.copied {
            let path = self.target.join(path);
            let file = self
                .disk
                .open(&path, Access::Read)
                .map_err(CopyError::io("open", &path))?;
            let mut crc = 0;
            for_each_chunk(&*file, u64::MAX, |chunk, _| {
                crc = crc32c::crc32c_append(crc, chunk);
                Ok(())
            })
            .map_err(CopyError::io("read", &path))?;
            if crc != copied.crc {
                return Err(CopyError::Differs {
                    file: path,
                    expected: copied.crc,
                    found: crc,
                });
            }
        }
        Ok(())
    }

    fn give_up_all_but(&mut self, names: &Names) -> Result<(), CopyError> {
        let gone: Vec<_> = self
            .copied
            .keys()
            .filter(|path| !names.files.contains_key(*path))
            .cloned()
            .collect();
        for path in gone {
            let copy = self.target.join(&path);
            remove_tree(self.disk, &copy).map_err(CopyError::io("remove", &copy))?;
            self.copied.remove(&path);
        }
        // What is inside has a longer path, so it goes first.
        let gone: Vec<_> = self.made.difference(&names.directories).cloned().collect();
        for path in gone.into_iter().rev() {
            let copy = self.target.join(&path);
            self.disk
                .remove_directory(&copy)
                .map_err(CopyError::io("remove", &copy))?;
            self.made.remove(&path);
        }
        Ok(())
    }

    fn copy_file(&mut self, path: &Path) -> Result<(), CopyError> {
        let (from, to) = (self.source.join(path), self.target.join(path));
        let source = match self.disk.open(&from, Access::Read) {
            Ok(source) => source,
            // Removed meanwhile; the names are read again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(CopyError::io("open", &from)(error)),
        };
        let target = self
            .disk
            .open(&to, Access::Create)
            .map_err(CopyError::io("create", &to))?;
        let copied = copy_bytes(&*source, &*target, u64::MAX, self.meter, (&from, &to))?;
        target.sync_all().map_err(CopyError::io("sync", &to))?;
        self.copied.insert(path.to_owned(), copied);
        Ok(())
    }
}

impl Names {
    fn read(disk: &dyn Disk, source: &Path) -> Result<Self, CopyError> {
        let mut names = Self::default();
        for name in disk.list(source).map_err(CopyError::io("list", source))? {
            let known = [LOCK, BACKUP_LOCK, FORMAT].contains(&name.as_str());
            if !known {
                names.look_at(disk, source, Path::new(&name))?;
            }
        }
        Ok(names)
    }

    fn look_at(&mut self, disk: &dyn Disk, source: &Path, path: &Path) -> Result<(), CopyError> {
        let full = source.join(path);
        if full.to_string_lossy().ends_with(DRAFT_SUFFIX) {
            return Ok(());
        }
        let look = || -> io::Result<Result<u64, Vec<String>>> {
            if disk.is_directory(&full)? {
                return Ok(Err(if is_copied_whole(path) {
                    disk.list(&full)?
                } else {
                    Vec::new()
                }));
            }
            disk.open(&full, Access::Read)?.length().map(Ok)
        };
        match look() {
            Ok(Ok(bytes)) => {
                self.files.insert(path.to_owned(), bytes);
            }
            Ok(Err(inside)) => {
                if is_copied_whole(path) {
                    self.directories.insert(path.to_owned());
                }
                for name in inside {
                    self.look_at(disk, source, &path.join(name))?;
                }
            }
            // Removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(CopyError::io("read", &full)(error)),
        }
        Ok(())
    }
}

fn is_copied_whole(path: &Path) -> bool {
    DIRECTORIES
        .iter()
        .any(|directory| path.starts_with(directory))
}

/// Copies a file from its start, up to `bytes_max` of it.
pub(super) fn copy_bytes(
    source: &dyn DiskFile,
    target: &dyn DiskFile,
    bytes_max: u64,
    meter: &Meter<'_>,
    (from, to): (&Path, &Path),
) -> Result<Copied, CopyError> {
    let mut copied = Copied { bytes: 0, crc: 0 };
    let mut failed = None;
    let read = for_each_chunk(source, bytes_max, |chunk, offset| {
        let written = write_all_at(target, &[IoSlice::new(chunk)], offset);
        if let Err(short) = written {
            failed = Some(short.error);
            return Err(io::ErrorKind::Other.into());
        }
        copied.bytes += chunk.len() as u64;
        copied.crc = crc32c::crc32c_append(copied.crc, chunk);
        meter.add(chunk.len() as u64);
        Ok(())
    });
    match (read, failed) {
        (_, Some(error)) => Err(CopyError::io("write", to)(error)),
        (Err(error), None) => Err(CopyError::io("read", from)(error)),
        (Ok(()), None) => Ok(copied),
    }
}

fn for_each_chunk(
    file: &dyn DiskFile,
    bytes_max: u64,
    mut take: impl FnMut(&[u8], u64) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    while offset < bytes_max {
        let wanted = usize::try_from(bytes_max - offset).unwrap_or(CHUNK_BYTES);
        let wanted = wanted.min(CHUNK_BYTES);
        let count = read_full_at(file, &mut buffer[..wanted], offset)?;
        take(&buffer[..count], offset)?;
        offset += count as u64;
        if count < wanted {
            break;
        }
    }
    Ok(())
}
