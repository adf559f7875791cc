//! The simulated disk as everybody sees it: a [`Disk`] and its files.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use super::content::Change;
use super::tree::{Node, NodeId};
use super::{Fault, Holders, Inner, SimulatedDisk};
use crate::{Access, Disk, DiskFile, HeldLock, LockError, LockKind};

impl Disk for SimulatedDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operate()?;
        let mut above: Vec<_> = path.ancestors().collect();
        above.reverse();
        for path in above {
            match inner.tree.find(path) {
                Ok(node) => match inner.tree.node(node) {
                    Node::Directory(_) => {}
                    Node::File(_) => return Err(io::ErrorKind::AlreadyExists.into()),
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let node = inner.tree.add_directory();
                    inner.tree.link(path, node)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut inner = self.inner();
        Ok(inner.tree.directory(path)?.names().cloned().collect())
    }

    fn is_directory(&self, path: &Path) -> io::Result<bool> {
        let mut inner = self.inner();
        let node = inner.tree.find(path)?;
        Ok(matches!(inner.tree.node(node), Node::Directory(_)))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.inner();
        let known = match inner.tree.find(path) {
            Ok(node) => Some(node),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some(node) = known
            && let Node::Directory(_) = inner.tree.node(node)
        {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let node = match (known, access) {
            (Some(node), Access::Read | Access::Write) => node,
            (None, Access::Read | Access::Write) => return Err(io::ErrorKind::NotFound.into()),
            (Some(node), Access::Create) => {
                inner.operate()?;
                inner.tree.file(node).change(Change::cut(0));
                node
            }
            (None, Access::Create) => {
                inner.operate()?;
                if inner.strikes(path, &Fault::CreateFull) {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                let node = inner.tree.add_file(Vec::new());
                inner.tree.link(path, node)?;
                node
            }
        };
        Ok(Box::new(SimulatedFile {
            disk: self.clone(),
            path: path.to_owned(),
            node,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operate()?;
        if inner.strikes(from, &Fault::Rename) {
            return Err(io::Error::other("injected: renaming failed"));
        }
        if from.parent() != to.parent() {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let node = inner.tree.find(from)?;
        let is_directory = matches!(inner.tree.node(node), Node::Directory(_));
        if let Ok(replaced) = inner.tree.find(to) {
            match inner.tree.node(replaced) {
                Node::Directory(directory) if is_directory && directory.is_empty() => {}
                Node::Directory(_) if is_directory => {
                    return Err(io::ErrorKind::DirectoryNotEmpty.into());
                }
                Node::Directory(_) => return Err(io::ErrorKind::IsADirectory.into()),
                Node::File(_) if is_directory => return Err(io::ErrorKind::NotADirectory.into()),
                Node::File(_) => {}
            }
        }
        inner.tree.link(to, node)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operate()?;
        if inner.strikes(path, &Fault::Remove) {
            return Err(io::Error::other("injected: removing failed"));
        }
        let node = inner.tree.find(path)?;
        if let Node::Directory(_) = inner.tree.node(node) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        inner.tree.unlink(path).map(|_| ())
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operate()?;
        if inner.strikes(path, &Fault::Remove) {
            return Err(io::Error::other("injected: removing failed"));
        }
        if !inner.tree.directory(path)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        inner.tree.unlink(path).map(|_| ())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operate()?;
        if inner.strikes(path, &Fault::SyncDirectory) {
            return Err(io::Error::other("injected: directory sync failed"));
        }
        inner.tree.directory(path)?.sync();
        Ok(())
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        let inner = self.inner();
        Ok(match inner.capacity_bytes {
            _ if inner.full => 0,
            Some(capacity) => capacity.saturating_sub(inner.tree.bytes()),
            None => 1 << 40,
        })
    }

    fn lock(&self, path: &Path, kind: LockKind) -> Result<HeldLock, LockError> {
        let mut inner = self.inner();
        if !inner.take_lock(path, kind)? {
            return Err(LockError::Held { pid: None });
        }
        Ok(Box::new(SimulatedLock {
            disk: self.clone(),
            path: path.to_owned(),
        }))
    }

    fn wait_for_lock(&self, path: &Path, kind: LockKind) -> io::Result<HeldLock> {
        let mut inner = self.inner();
        while !inner.take_lock(path, kind)? {
            inner = self
                .shared
                .changed
                .wait(inner)
                .expect("no panic while held");
        }
        Ok(Box::new(SimulatedLock {
            disk: self.clone(),
            path: path.to_owned(),
        }))
    }
}

impl Inner {
    fn take_lock(&mut self, path: &Path, kind: LockKind) -> io::Result<bool> {
        let holders = match (self.locks.get(path), kind) {
            (None, LockKind::Exclusive) => Holders::Exclusive,
            (None, LockKind::Shared) => Holders::Shared(1),
            (Some(Holders::Shared(count)), LockKind::Shared) => Holders::Shared(count + 1),
            (Some(_), _) => return Ok(false),
        };
        // As a real lock does, it leaves a file; nobody cares whether that lasts.
        if self.tree.find(path).is_err() {
            let node = self.tree.add_file(Vec::new());
            self.tree.link(path, node)?;
        }
        self.locks.insert(path.to_owned(), holders);
        Ok(true)
    }
}

struct SimulatedLock {
    disk: SimulatedDisk,
    path: PathBuf,
}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        let mut inner = self.disk.inner();
        match inner.locks.remove(&self.path) {
            Some(Holders::Shared(count)) if count > 1 => {
                let left = Holders::Shared(count - 1);
                inner.locks.insert(self.path.clone(), left);
            }
            _ => {}
        }
        self.disk.shared.changed.notify_all();
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    path: PathBuf,
    node: NodeId,
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.inner().tree.file(self.node).cached.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut inner = self.disk.inner();
        if inner.strikes(&self.path, &Fault::Read) {
            return Err(io::Error::other("injected: reading failed"));
        }
        let cached = &inner.tree.file(self.node).cached;
        let offset =
            usize::try_from(offset).map_or(cached.len(), |offset| offset.min(cached.len()));
        let count = buffer.len().min(cached.len() - offset);
        buffer[..count].copy_from_slice(&cached[offset..offset + count]);
        inner.bytes_read += count as u64;
        Ok(count)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let mut inner = self.disk.inner();
        inner.operate()?;
        let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let mut offset = usize::try_from(offset).map_err(io::Error::other)?;
        let mut node = Some(self.node);
        let fault = inner.take_fault(&self.path, |fault| {
            matches!(
                fault,
                Fault::Write
                    | Fault::Panic
                    | Fault::WriteFull(_)
                    | Fault::WriteLost
                    | Fault::WriteMisplaced { .. }
            )
        });
        match fault {
            Some(Fault::WriteFull(0)) => return Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::WriteFull(count)) => {
                // As the system does it: some bytes now, the error with the next call.
                bytes.truncate(count);
                let path = self.path.to_string_lossy().into_owned();
                inner.faults.push((path, Fault::WriteFull(0)));
            }
            Some(Fault::Panic) => {
                drop(inner);
                panic!("injected: a bug");
            }
            Some(Fault::WriteLost) => node = None,
            Some(Fault::WriteMisplaced { file, offset: at }) => {
                node = Some(inner.tree.find(&file)?);
                offset = at;
            }
            Some(_) => return Err(io::Error::other("injected: writing failed")),
            None => {}
        }
        if inner.short_writes {
            bytes.truncate(bytes.len().div_ceil(2));
        }
        let count = bytes.len();
        let Some(node) = node else {
            return Ok(count);
        };
        let length = inner.tree.file(node).cached.len();
        if !inner.has_space((offset + count).saturating_sub(length)) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        inner
            .tree
            .file(node)
            .change(Change::Write { offset, bytes });
        Ok(count)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inner = self.disk.inner();
        if inner.held {
            inner.waiting += 1;
            self.disk.shared.changed.notify_all();
            while inner.held && !inner.dead {
                inner = self
                    .disk
                    .shared
                    .changed
                    .wait(inner)
                    .expect("no panic while held");
            }
            inner.waiting -= 1;
        }
        inner.operate()?;
        let stored = inner.strikes(&self.path, &Fault::SyncStored);
        let lost = inner.strikes(&self.path, &Fault::SyncLost);
        let content = inner.tree.file(self.node);
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
        if inner.strikes(&self.path, &Fault::SyncAll) {
            return Err(io::Error::other("injected: sync failed"));
        }
        inner.tree.file(self.node).sync();
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.operate()?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let growth = length.saturating_sub(inner.tree.file(self.node).cached.len());
        if !inner.has_space(growth) || inner.strikes(&self.path, &Fault::Allocate) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let stale = inner.stale.clone();
        inner
            .tree
            .file(self.node)
            .change(Change::Length { length, stale });
        Ok(())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.operate()?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        inner.tree.file(self.node).change(Change::cut(length));
        Ok(())
    }
}
