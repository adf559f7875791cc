//! A file, read from front to back through one buffer, and the batches in it.

use std::io;
use std::ops::Range;

use huntcore_disk::{DiskFile, read_full_at};
use huntcore_model::{Batch, BatchError, BatchHeader, HEADER_BYTES, Sequence, ShardId};

const READ_BYTES: usize = 256 << 10;

/// What stands at an offset.
pub(crate) enum Found {
    /// A whole batch, its checksums right.
    Batch(Batch),
    /// Zeros, or the file's end.
    End,
    /// Something else.
    Damage(String),
}

/// A sliding look at a file; holds one batch and a bit more at a time.
pub(crate) struct Window {
    file: Box<dyn DiskFile>,
    length: u64,
    buffer: Vec<u8>,
    start: u64,
}

impl Window {
    pub(crate) fn new(file: Box<dyn DiskFile>) -> io::Result<Self> {
        Ok(Self {
            length: file.length()?,
            file,
            buffer: Vec::new(),
            start: 0,
        })
    }

    pub(crate) fn file(&self) -> &dyn DiskFile {
        &*self.file
    }

    pub(crate) fn into_file(self) -> Box<dyn DiskFile> {
        self.file
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Forgets what was read, because somebody may have written since.
    pub(crate) fn refresh(&mut self) {
        self.buffer.clear();
    }

    /// The bytes from `offset` on, `wanted` of them or as many as there are.
    pub(crate) fn bytes(&mut self, offset: u64, wanted: usize) -> io::Result<&[u8]> {
        let available = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = wanted.min(available);
        let held = self.held(offset);
        if held.len() < wanted {
            let mut filled = held.len();
            self.buffer.copy_within(held, 0);
            self.buffer.resize(wanted.max(READ_BYTES).min(available), 0);
            filled += read_full_at(
                &*self.file,
                &mut self.buffer[filled..],
                offset + filled as u64,
            )?;
            self.buffer.truncate(filled);
            self.start = offset;
        }
        let held = self.held(offset);
        let end = held.end.min(held.start + wanted);
        Ok(&self.buffer[held.start..end])
    }

    /// The part of the buffer that holds what stands from `offset` on.
    fn held(&self, offset: u64) -> Range<usize> {
        let skipped = offset
            .checked_sub(self.start)
            .and_then(|skipped| usize::try_from(skipped).ok());
        match skipped {
            Some(skipped) if skipped < self.buffer.len() => skipped..self.buffer.len(),
            _ => 0..0,
        }
    }

    /// The batch that begins at `offset`.
    pub(crate) fn batch(&mut self, offset: u64) -> io::Result<Found> {
        let bytes = self.bytes(offset, HEADER_BYTES)?;
        if all_zero(bytes) {
            return Ok(Found::End);
        }
        let header = match BatchHeader::parse(bytes) {
            Ok(header) => header,
            Err(error) => return Ok(Found::Damage(error.to_string())),
        };
        let expected = header.batch_bytes();
        let bytes = self.bytes(offset, expected)?;
        if bytes.len() < expected {
            let found = bytes.len();
            let error = BatchError::CutShort { found, expected };
            return Ok(Found::Damage(error.to_string()));
        }
        Ok(match Batch::decode(bytes.into()) {
            Ok(batch) => Found::Batch(batch),
            Err(error) => Found::Damage(error.to_string()),
        })
    }

    /// The first byte from `offset` on that is not zero.
    pub(crate) fn first_byte_set(&mut self, offset: u64) -> io::Result<Option<u64>> {
        let mut at = offset;
        while at < self.length {
            let bytes = self.bytes(at, READ_BYTES)?;
            if bytes.is_empty() {
                break;
            }
            if !all_zero(bytes) {
                let index = bytes.iter().position(|&byte| byte != 0);
                return Ok(index.map(|index| at + index as u64));
            }
            at += bytes.len() as u64;
        }
        Ok(None)
    }

    /// The highest sequence that any batch header from `offset` on calls durable. Blocks
    /// reach the disk in any order, so what follows damage may be sound.
    ///
    /// A header counts only where it can stand: a batch that begins at `next` plus so many
    /// records is at least as many bytes away.
    pub(crate) fn highest_durable(
        &mut self,
        offset: u64,
        shard: ShardId,
        next: Sequence,
    ) -> io::Result<Option<Sequence>> {
        let mut highest = None;
        let mut at = offset;
        while at + HEADER_BYTES as u64 <= self.length {
            let bytes = self.bytes(at, READ_BYTES)?;
            if bytes.len() < HEADER_BYTES {
                break;
            }
            let starts = bytes.len() - HEADER_BYTES + 1;
            let searched = if all_zero(bytes) { 0 } else { starts };
            for start in 0..searched {
                if bytes[start] != b'H' {
                    continue;
                }
                let Ok(header) = BatchHeader::parse(&bytes[start..start + HEADER_BYTES]) else {
                    continue;
                };
                let distance = at + start as u64 - offset;
                let possible = header.shard == shard
                    && header.durable <= header.first_sequence
                    && header.first_sequence.get() <= next.get().saturating_add(distance);
                if possible {
                    highest = highest.max(Some(header.durable));
                }
            }
            at += starts as u64;
        }
        Ok(highest)
    }
}

/// Compared as blocks, because an empty segment is mostly this.
fn all_zero(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4_096] = [0; 4_096];
    bytes
        .chunks(ZEROS.len())
        .all(|chunk| *chunk == ZEROS[..chunk.len()])
}
