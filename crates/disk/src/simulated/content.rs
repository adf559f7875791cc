//! A file's bytes, of which a crash may take away any sector that was not synced.

use std::sync::Arc;

use super::crash::Choice;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

#[derive(Clone, Default)]
pub(super) struct Content {
    /// As the running system sees it.
    pub(super) cached: Vec<u8>,
    /// As a crash leaves it at least.
    pub(super) durable: Vec<u8>,
    /// Since the last sync, in order.
    pub(super) pending: Vec<Change>,
}

#[derive(Clone)]
pub(super) enum Change {
    Write {
        offset: usize,
        bytes: Vec<u8>,
    },
    Length {
        length: usize,
        /// What new bytes are, at the same offsets; zeros behind it.
        stale: Arc<[u8]>,
    },
}

impl Content {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self {
            cached: bytes.clone(),
            durable: bytes,
            pending: Vec::new(),
        }
    }

    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.cached);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
    }

    /// How many changes a crash may take away one by one.
    pub(super) fn unsynced(&self) -> usize {
        self.pending
            .iter()
            .map(|change| change.sectors().len())
            .sum()
    }

    pub(super) fn after_crash(&self, choice: &mut Choice) -> Self {
        let mut bytes = self.durable.clone();
        for sector in self.pending.iter().flat_map(Change::sectors) {
            if choice.survives() {
                sector.apply(&mut bytes);
            }
        }
        Self::new(bytes)
    }
}

impl Change {
    pub(super) fn cut(length: usize) -> Self {
        Self::Length {
            length,
            stale: [].into(),
        }
    }

    /// The parts that reach the disk one by one.
    fn sectors(&self) -> Vec<Self> {
        let Self::Write { offset, bytes } = self else {
            return vec![self.clone()];
        };
        let mut parts = Vec::new();
        let mut start = 0;
        while start < bytes.len() {
            let at = offset + start;
            let to_boundary = SECTOR_BYTES - at % SECTOR_BYTES;
            let end = bytes.len().min(start + to_boundary);
            parts.push(Self::Write {
                offset: at,
                bytes: bytes[start..end].to_vec(),
            });
            start = end;
        }
        parts
    }

    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Length { length, stale } => {
                let old = content.len();
                content.resize(*length, 0);
                let end = stale.len().min(*length);
                if old < end {
                    content[old..end].copy_from_slice(&stale[old..end]);
                }
            }
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
