//! What a crash may take away: bytes by the sector, names one by one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

#[derive(Clone, Default)]
pub(crate) struct Content {
    pub(crate) cached: Vec<u8>,
    pub(crate) durable: Vec<u8>,
    pub(crate) pending: Vec<Change>,
}

#[derive(Clone)]
pub(crate) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Clone)]
pub(crate) enum NameChange {
    Set(PathBuf, usize),
    Remove(PathBuf),
}

impl NameChange {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Set(path, _) | Self::Remove(path) => path,
        }
    }

    pub(crate) fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Set(path, file) => {
                // A file has one name: a rename takes the old one away.
                names.retain(|_, named| named != file);
                names.insert(path.clone(), *file);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

impl Content {
    pub(crate) fn change(&mut self, change: Change) {
        change.apply(&mut self.cached);
        self.pending.push(change);
    }

    pub(crate) fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
    }

    pub(crate) fn after_crash(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for change in &self.pending {
            match change {
                Change::Length(_) => {
                    if random.yes() {
                        change.apply(&mut bytes);
                    }
                }
                Change::Write { offset, bytes: new } => {
                    let mut start = 0;
                    while start < new.len() {
                        let at = offset + start;
                        let to_boundary = SECTOR_BYTES - at % SECTOR_BYTES;
                        let end = new.len().min(start + to_boundary);
                        if random.yes() {
                            let part = Change::Write {
                                offset: at,
                                bytes: new[start..end].to_vec(),
                            };
                            part.apply(&mut bytes);
                        }
                        start = end;
                    }
                }
            }
        }
        bytes
    }
}

impl Change {
    pub(crate) fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Length(length) => content.resize(*length, 0),
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
        }
    }
}

/// What survives; the same for the same choice.
pub(crate) struct Random {
    choice: u64,
    state: u64,
}

impl Random {
    pub(crate) fn new(choice: u64) -> Self {
        Self {
            choice,
            state: choice.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    pub(crate) fn yes(&mut self) -> bool {
        match self.choice {
            0 => false,
            1 => true,
            _ => self.next() & 8 == 0,
        }
    }

    /// What survives of changes in order: as a journal keeps them, from the front, or any.
    pub(crate) fn some_of<'c, T>(&mut self, changes: &'c [T]) -> Vec<&'c T> {
        if self.choice.is_multiple_of(2) {
            return changes.iter().filter(|_| self.yes()).collect();
        }
        let count = match self.choice {
            1 => changes.len(),
            _ => usize::try_from(self.next() % (changes.len() as u64 + 1)).expect("a length"),
        };
        changes[..count].iter().collect()
    }
}
