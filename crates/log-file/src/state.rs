//! A stream's `state` file: whose it is, and which segments there have to be.
//!
//! ```text
//! offset  bytes  field (little-endian)
//!      0      4  magic "HCST"
//!      4      2  format version
//!      6      2  shard
//!      8      8  epoch
//!     16     16  nonce
//!     32      8  first sequence of the oldest segment
//!     40      8  first sequence of the newest segment; all ones if there is none
//!     48      4  CRC-32C of the 48 bytes above
//! ```

use std::path::{Path, PathBuf};

use huntcore_disk::{Disk, replace_file};
use huntcore_model::{Epoch, Nonce, Sequence, ShardId};

use crate::error::{Failure, OpenError};
use crate::files::load;

const MAGIC: [u8; 4] = *b"HCST";
const VERSION: u16 = 1;
const LENGTH: usize = 52;
const NAME: &str = "state";

/// What a stream's state file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) epoch: Epoch,
    pub(crate) nonce: Nonce,
    pub(crate) oldest: Sequence,
    pub(crate) newest: Option<Sequence>,
}

impl State {
    /// Of a stream that nobody acquired yet.
    pub(crate) const NEW: Self = Self {
        epoch: Epoch::new(0),
        nonce: Nonce([0; 16]),
        oldest: Sequence::ZERO,
        newest: None,
    };

    pub(crate) fn path(directory: &Path) -> PathBuf {
        directory.join(NAME)
    }

    pub(crate) fn read(
        disk: &dyn Disk,
        directory: &Path,
        shard: ShardId,
    ) -> Result<Self, OpenError> {
        let path = Self::path(directory);
        let Some(bytes) = load(disk, &path)? else {
            return Err(OpenError::corrupt(&path, 0, "file is missing"));
        };
        Self::parse(&bytes, shard)
            .map_err(|(offset, reason)| OpenError::corrupt(&path, offset, reason))
    }

    pub(crate) fn write(
        &self,
        disk: &dyn Disk,
        directory: &Path,
        shard: ShardId,
    ) -> Result<(), Failure> {
        Ok(replace_file(
            disk,
            &Self::path(directory),
            &self.bytes(shard),
        )?)
    }

    fn bytes(&self, shard: ShardId) -> Vec<u8> {
        let newest = self.newest.map_or(u64::MAX, Sequence::get);
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&shard.get().to_le_bytes());
        bytes.extend_from_slice(&self.epoch.get().to_le_bytes());
        bytes.extend_from_slice(&self.nonce.0);
        bytes.extend_from_slice(&self.oldest.get().to_le_bytes());
        bytes.extend_from_slice(&newest.to_le_bytes());
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn parse(bytes: &[u8], shard: ShardId) -> Result<Self, (u64, String)> {
        let bytes: &[u8; LENGTH] = bytes
            .try_into()
            .map_err(|_| (0, format!("file has {} bytes, not {LENGTH}", bytes.len())))?;
        if bytes[..4] != MAGIC {
            return Err((0, format!("magic is {:02x?}", &bytes[..4])));
        }
        let crc = crc32c::crc32c(&bytes[..48]);
        let expected = u32::from_le_bytes(field(bytes, 48));
        if crc != expected {
            let reason = format!("checksum is {crc:08x}, expected {expected:08x}");
            return Err((48, reason));
        }
        let version = u16::from_le_bytes(field(bytes, 4));
        if version != VERSION {
            let reason = format!("format version is {version}, this program reads {VERSION}");
            return Err((4, reason));
        }
        let found = ShardId::new(u16::from_le_bytes(field(bytes, 6)));
        if found != shard {
            return Err((6, format!("file belongs to shard {found}")));
        }
        let newest = u64::from_le_bytes(field(bytes, 40));
        Ok(Self {
            epoch: Epoch::new(u64::from_le_bytes(field(bytes, 8))),
            nonce: Nonce(field(bytes, 16)),
            oldest: Sequence::new(u64::from_le_bytes(field(bytes, 32))),
            newest: (newest != u64::MAX).then_some(Sequence::new(newest)),
        })
    }
}

fn field<const N: usize>(bytes: &[u8; LENGTH], offset: usize) -> [u8; N] {
    bytes[offset..offset + N]
        .try_into()
        .expect("within the file")
}
