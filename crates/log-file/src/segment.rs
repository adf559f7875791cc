//! A segment's header block.
//!
//! ```text
//! offset  bytes  field (little-endian)
//!      0      8  magic "HCSEG01\0"
//!      8      2  shard
//!     10      6  zero
//!     16      8  first sequence
//!     24      8  time of the batch before, microseconds since the Unix epoch
//!     32     32  chain before the first batch
//!     64      8  length that the file was made with
//!     72      8  first sequence of the segment before    (these three zero if there was
//!     80      8  offset at which its last batch ends      none, which the first sequence
//!     88      8  epoch of its last batch                  tells: it is 0)
//!     96         zero
//!   4092      4  CRC-32C of the 4092 bytes above
//!   4096         batches, one behind the other; then zeros to the end of the file
//! ```
//! The header has a block of its own, so that no later write can tear it. It says all that
//! has to be known of what came before, so that a segment can be checked by itself.

use std::io::IoSlice;
use std::path::Path;

use huntcore_disk::{Access, Disk, DiskFile, is_no_space, write_all_at};
use huntcore_model::{Epoch, Hash32, Sequence, ShardId, Tail, TimeMicros};

use crate::error::Failure;
use crate::files::segment_path;

/// Where the first batch begins.
pub(crate) const DATA_OFFSET: u64 = HEADER_LENGTH as u64;
/// A stream's first segment is no longer, so that small logs are small; each later one is up
/// to four times as long as the one before.
const FIRST_BYTES_MAX: u64 = 1 << 20;
const HEADER_LENGTH: usize = 4_096;
const CRC_OFFSET: usize = HEADER_LENGTH - 4;
const MAGIC: [u8; 8] = *b"HCSEG01\0";

/// How long to make the segment that follows one of `previous` bytes.
pub(crate) fn segment_length(previous: Option<u64>, length_max: u64) -> u64 {
    let length = previous.map_or(FIRST_BYTES_MAX, |previous| previous.saturating_mul(4));
    length.min(length_max)
}

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) shard: ShardId,
    /// Where the stream stood when the segment began.
    pub(crate) before: Tail,
    /// The file's length until it is sealed.
    pub(crate) length: u64,
    /// The segment before; all zero if there was none.
    pub(crate) previous: Previous,
}

/// What a segment's header says of the segment before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) first: Sequence,
    /// Where its last batch ends.
    pub(crate) end: u64,
    /// Its last batch's.
    pub(crate) epoch: Epoch,
}

impl SegmentHeader {
    /// How much of a segment to read for [`Self::parse`].
    pub(crate) const LENGTH: usize = HEADER_LENGTH;

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let Some(bytes) = bytes.first_chunk::<HEADER_LENGTH>() else {
            return Err(format!(
                "segment has {} bytes, no whole header",
                bytes.len()
            ));
        };
        if bytes[..8] != MAGIC {
            return Err(format!("segment's magic is {:02x?}", &bytes[..8]));
        }
        let crc = crc32c::crc32c(&bytes[..CRC_OFFSET]);
        let expected = u32::from_le_bytes(field(bytes, CRC_OFFSET));
        if crc != expected {
            return Err(format!(
                "checksum of the segment's header is {crc:08x}, expected {expected:08x}"
            ));
        }
        Ok(Self {
            shard: ShardId::new(u16::from_le_bytes(field(bytes, 8))),
            before: Tail {
                sequence: Sequence::new(u64::from_le_bytes(field(bytes, 16))),
                chain: Hash32::new(field(bytes, 32)),
                time: TimeMicros::new(u64::from_le_bytes(field(bytes, 24))),
            },
            length: u64::from_le_bytes(field(bytes, 64)),
            previous: Previous {
                first: Sequence::new(u64::from_le_bytes(field(bytes, 72))),
                end: u64::from_le_bytes(field(bytes, 80)),
                epoch: Epoch::new(u64::from_le_bytes(field(bytes, 88))),
            },
        })
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_LENGTH];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&self.shard.get().to_le_bytes());
        bytes[16..24].copy_from_slice(&self.before.sequence.get().to_le_bytes());
        bytes[24..32].copy_from_slice(&self.before.time.get().to_le_bytes());
        bytes[32..64].copy_from_slice(self.before.chain.bytes());
        bytes[64..72].copy_from_slice(&self.length.to_le_bytes());
        bytes[72..80].copy_from_slice(&self.previous.first.get().to_le_bytes());
        bytes[80..88].copy_from_slice(&self.previous.end.to_le_bytes());
        bytes[88..96].copy_from_slice(&self.previous.epoch.get().to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..CRC_OFFSET]);
        bytes[CRC_OFFSET..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Makes the segment's file, its space set aside, durably. It is part of the stream
    /// only once the state file says so. `zeros` lets space be written to, if it is little,
    /// see [`crate::spare`].
    pub(crate) fn create(
        &self,
        disk: &dyn Disk,
        directory: &Path,
        zeros: bool,
    ) -> Result<Box<dyn DiskFile>, Failure> {
        let path = segment_path(directory, self.before.sequence);
        let file = match self.write(disk, &path, zeros) {
            Ok(file) => file,
            Err((_, error)) if is_no_space(&error) => {
                // What is left of it takes space that is missing. If it cannot be removed
                // now, the next attempt empties it and the next start removes it.
                let removed = disk.remove(&path);
                let free_bytes = disk.free_bytes(directory).ok();
                tracing::warn!(
                    file = %path.display(),
                    length_bytes = self.length,
                    ?free_bytes,
                    removed = removed.is_ok(),
                    "no space for another segment"
                );
                return Err(Failure::of("create", &path, &error));
            }
            Err((what, error)) => return Err(Failure::doubt(what, &path, &error)),
        };
        file.sync_all()
            .map_err(|error| Failure::doubt("sync", &path, &error))?;
        disk.sync_directory(directory)
            .map_err(|error| Failure::doubt("sync", directory, &error))?;
        Ok(file)
    }

    /// The same, of a file of zeros that is there.
    pub(crate) fn adopt(
        &self,
        disk: &dyn Disk,
        directory: &Path,
        spare: &Path,
        file: &dyn DiskFile,
    ) -> Result<(), Failure> {
        let path = segment_path(directory, self.before.sequence);
        write_all_at(file, &[IoSlice::new(&self.bytes())], 0)
            .map_err(|short| Failure::doubt("write", spare, &short.error))?;
        file.sync_data()
            .map_err(|error| Failure::doubt("sync", spare, &error))?;
        disk.rename(spare, &path)
            .map_err(|error| Failure::doubt("rename", spare, &error))?;
        disk.sync_directory(directory)
            .map_err(|error| Failure::doubt("sync", directory, &error))
    }

    fn write(
        &self,
        disk: &dyn Disk,
        path: &Path,
        zeros: bool,
    ) -> Result<Box<dyn DiskFile>, (&'static str, std::io::Error)> {
        let file = disk
            .open(path, Access::Create)
            .map_err(|error| ("create", error))?;
        file.allocate(self.length)
            .map_err(|error| ("allocate", error))?;
        let mut bytes = self.bytes();
        if zeros && self.length <= FIRST_BYTES_MAX {
            bytes.resize(usize::try_from(self.length).expect("a MiB at most"), 0);
        }
        write_all_at(&*file, &[IoSlice::new(&bytes)], 0)
            .map_err(|failed| ("write", failed.error))?;
        Ok(file)
    }
}

fn field<const N: usize>(bytes: &[u8; HEADER_LENGTH], offset: usize) -> [u8; N] {
    bytes[offset..offset + N]
        .try_into()
        .expect("within the header")
}
