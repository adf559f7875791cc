//! A part's file: chunks, each followed by the checksum of everything up to there.
//!
//! ```text
//! magic "HCPT" · version u16 LE · id of the checkpoint u64 LE
//! chunks: length u32 LE (at most 262,144) · bytes · checksum u32 LE
//! a chunk of length 0 ends it
//! ```
//! The checksum is the CRC-32C of header, file name, and every length and byte so far, so a
//! chunk that is missing, repeated, or from another file is found like a flipped bit, and the
//! last one stands for the whole file.

use std::io::{self, IoSlice, Read, Write};
use std::path::{Path, PathBuf};

use huntcore_disk::{Access, Disk, DiskFile, StoreError, read_full_at, write_all_at};

use crate::error::{CheckpointError, Damage};

const MAGIC: [u8; 4] = *b"HCPT";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 14;
const CHUNK_BYTES_MAX: usize = 256 << 10;
const FRAME_BYTES: usize = 4;

/// How much of the disk a writer may keep busy, and take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) sync_every_bytes: u64,
    pub(crate) free_bytes_min: u64,
}

/// What identifies a written file, besides its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) bytes: u64,
    pub(crate) checksum: u32,
}

fn header(id: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&VERSION.to_le_bytes());
    header[6..].copy_from_slice(&id.to_le_bytes());
    header
}

/// What the checksum begins with.
fn seed(id: u64, path: &Path) -> u32 {
    let name = path.file_name().unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c(&header(id)), name.as_encoded_bytes())
}

/// Takes a part's bytes one after another.
///
/// Memory for one chunk, however long the part. Bytes are synced as they come, so that no
/// great flush at the end keeps the log from syncing. It only becomes part of anything when
/// whoever hands it out finishes it.
pub struct PartWriter<'d> {
    disk: &'d dyn Disk,
    file: Box<dyn DiskFile>,
    path: PathBuf,
    pace: Pace,
    checksum: u32,
    offset: u64,
    synced: u64,
    chunk: Vec<u8>,
    failed: Option<CheckpointError>,
}

impl<'d> PartWriter<'d> {
    pub(crate) fn create(
        disk: &'d dyn Disk,
        path: PathBuf,
        id: u64,
        pace: Pace,
    ) -> Result<Self, CheckpointError> {
        let file = disk
            .open(&path, Access::Create)
            .map_err(StoreError::of("create", &path))?;
        let mut writer = Self {
            disk,
            file,
            pace,
            checksum: seed(id, &path),
            path,
            offset: 0,
            synced: 0,
            chunk: Vec::with_capacity(CHUNK_BYTES_MAX),
            failed: None,
        };
        writer.check_space()?;
        writer.put(&[&header(id)])?;
        Ok(writer)
    }

    /// Ends the file, durably.
    pub(crate) fn finish(mut self) -> Result<Written, CheckpointError> {
        if !self.chunk.is_empty() {
            self.put_chunk()?;
        }
        self.put_chunk()?;
        self.file
            .sync_all()
            .map_err(StoreError::doubt("sync", &self.path))?;
        Ok(Written {
            bytes: self.offset,
            checksum: self.checksum,
        })
    }

    /// Why writing failed, if the disk was the reason.
    pub(crate) fn failure(&mut self) -> Option<CheckpointError> {
        self.failed.take()
    }

    fn put_chunk(&mut self) -> Result<(), CheckpointError> {
        let chunk = std::mem::take(&mut self.chunk);
        let length = u32::try_from(chunk.len())
            .expect("a chunk is small")
            .to_le_bytes();
        self.checksum = crc32c::crc32c_append(self.checksum, &length);
        self.checksum = crc32c::crc32c_append(self.checksum, &chunk);
        let checksum = self.checksum.to_le_bytes();
        self.put(&[&length, &chunk, &checksum])?;
        self.chunk = chunk;
        self.chunk.clear();
        if self.offset - self.synced >= self.pace.sync_every_bytes {
            self.file
                .sync_data()
                .map_err(StoreError::doubt("sync", &self.path))?;
            self.synced = self.offset;
            self.check_space()?;
        }
        Ok(())
    }

    fn put(&mut self, parts: &[&[u8]]) -> Result<(), CheckpointError> {
        let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        self.offset += write_all_at(&*self.file, &slices, self.offset)
            .map_err(|short| StoreError::of("write", &self.path)(short.error))?;
        Ok(())
    }

    fn check_space(&self) -> Result<(), CheckpointError> {
        let free_bytes_min = self.pace.free_bytes_min;
        let free_bytes = self
            .disk
            .free_bytes(self.path.parent().unwrap_or(Path::new(".")))
            .map_err(StoreError::doubt("tell the space left for", &self.path))?;
        if free_bytes < free_bytes_min {
            return Err(CheckpointError::Reserved {
                free_bytes,
                free_bytes_min,
            });
        }
        Ok(())
    }
}

impl Write for PartWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK_BYTES_MAX - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == CHUNK_BYTES_MAX
            && let Err(error) = self.put_chunk()
        {
            let told = io::Error::other(error.to_string());
            self.failed = Some(error);
            return Err(told);
        }
        Ok(taken)
    }

    /// Makes nothing durable: a part is, when it is finished.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for PartWriter<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PartWriter")
            .field("path", &self.path)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// Gives back a part's bytes, each only after the checksum has been found right.
///
/// As a [`Read`] it fails with an [`io::Error`] that holds the [`Damage`]. Reading to the end
/// proves nothing yet about what the caller did not read: call [`Self::finish`].
pub struct PartReader {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    expected: Written,
    checksum: u32,
    offset: u64,
    chunk: Vec<u8>,
    consumed: usize,
    ended: bool,
}

impl PartReader {
    pub(crate) fn open(
        disk: &dyn Disk,
        path: PathBuf,
        id: u64,
        expected: Written,
    ) -> Result<Self, Damage> {
        let file = disk
            .open(&path, Access::Read)
            .map_err(Damage::unreadable(&path, 0))?;
        let mut reader = Self {
            file,
            expected,
            checksum: seed(id, &path),
            path,
            offset: 0,
            chunk: Vec::new(),
            consumed: 0,
            ended: false,
        };
        reader.check_length()?;
        let mut found = [0; HEADER_BYTES];
        reader.fill(&mut found)?;
        if found != header(id) {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            return Err(reader.differs(0, "header", hex(&found), hex(&header(id))));
        }
        Ok(reader)
    }

    /// Checks all of the part that was not read.
    pub fn finish(mut self) -> Result<(), Damage> {
        while !self.ended {
            self.next_chunk()?;
        }
        Ok(())
    }

    fn check_length(&self) -> Result<(), Damage> {
        let length = self.file.length();
        let length = length.map_err(Damage::unreadable(&self.path, 0))?;
        if length == self.expected.bytes {
            return Ok(());
        }
        let expected = self.expected.bytes.to_string();
        Err(self.differs(
            length.min(self.expected.bytes),
            "length",
            length.to_string(),
            expected,
        ))
    }

    fn next_chunk(&mut self) -> Result<(), Damage> {
        let start = self.offset;
        let mut length_bytes = [0; FRAME_BYTES];
        self.fill(&mut length_bytes)?;
        let length = u32::from_le_bytes(length_bytes) as usize;
        if length > CHUNK_BYTES_MAX {
            let expected = format!("at most {CHUNK_BYTES_MAX}");
            return Err(self.differs(start, "length of a chunk", length.to_string(), expected));
        }
        let mut chunk = std::mem::take(&mut self.chunk);
        chunk.resize(length, 0);
        self.fill(&mut chunk)?;
        let mut found = [0; FRAME_BYTES];
        self.fill(&mut found)?;
        let found = u32::from_le_bytes(found);
        self.checksum = crc32c::crc32c_append(self.checksum, &length_bytes);
        self.checksum = crc32c::crc32c_append(self.checksum, &chunk);
        self.check_sum(start, "checksum", found, self.checksum)?;
        if length == 0 {
            let expected = self.expected;
            self.check_sum(start, "last checksum", found, expected.checksum)?;
            if self.offset != expected.bytes {
                return Err(self.differs(
                    start,
                    "end",
                    self.offset.to_string(),
                    expected.bytes.to_string(),
                ));
            }
            self.ended = true;
        }
        self.chunk = chunk;
        self.consumed = 0;
        Ok(())
    }

    fn check_sum(
        &self,
        offset: u64,
        field: &'static str,
        found: u32,
        expected: u32,
    ) -> Result<(), Damage> {
        if found == expected {
            return Ok(());
        }
        let hex = |checksum: u32| format!("{checksum:08x}");
        Err(self.differs(offset, field, hex(found), hex(expected)))
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<(), Damage> {
        let read = read_full_at(&*self.file, out, self.offset)
            .map_err(Damage::unreadable(&self.path, self.offset))?;
        if read < out.len() {
            let offset = self.offset + read as u64;
            let expected = self.expected.bytes.to_string();
            return Err(self.differs(offset, "length", offset.to_string(), expected));
        }
        self.offset += out.len() as u64;
        Ok(())
    }

    fn differs(&self, offset: u64, field: &'static str, found: String, expected: String) -> Damage {
        Damage::Differs {
            file: self.path.clone(),
            offset,
            field,
            found,
            expected,
        }
    }
}

impl Read for PartReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.consumed == self.chunk.len() && !self.ended {
            self.next_chunk()
                .map_err(|damage| io::Error::new(io::ErrorKind::InvalidData, damage))?;
        }
        let rest = &self.chunk[self.consumed..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.consumed += count;
        Ok(count)
    }
}

impl std::fmt::Debug for PartReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PartReader")
            .field("path", &self.path)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}
