//! How state is written so that it can be read again: numbers and bytes in checked blocks.
//!
//! ```text
//! magic of 4 bytes, format version (u16 little-endian), then blocks:
//!   length (u32 little-endian, at most 65,536), that many bytes,
//!   CRC-32C of magic, version, the block's number (u64 little-endian), its length and bytes
//! a block of length 0 ends it
//! ```
//! A value may begin in one block and end in the next. Because each block's checksum covers
//! its number, a block that is lost, repeated or out of place is found like a flipped bit.
//! What the values mean, whoever writes them decides; nothing here opens a file.

use std::io::{self, Write};

use crate::codec::encode_number;

pub(crate) const BLOCK_BYTES_MAX: usize = 1 << 16;

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Its bytes cannot be got.
    #[error("snapshot cannot be read after byte {offset}: {source}")]
    Read {
        /// How many bytes had been read.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// The bytes ended before the snapshot did.
    #[error("snapshot is cut short after byte {offset}")]
    CutShort {
        /// How many bytes had been read.
        offset: u64,
    },
    /// Something else stands here.
    #[error("snapshot starts with {found:02x?}, expected {expected:02x?}")]
    Magic {
        /// What stands at its start.
        found: [u8; 4],
        /// What this kind of snapshot starts with.
        expected: [u8; 4],
    },
    /// Written in another format.
    #[error("snapshot has format version {found}, this program reads {expected}")]
    Version {
        /// The version found.
        found: u16,
        /// The version that can be read.
        expected: u16,
    },
    /// A checksum does not fit its block.
    #[error(
        "checksum of block {block}, which ends at byte {offset}, is {found:08x}, expected {expected:08x}"
    )]
    Checksum {
        /// Which block, from 0.
        block: u64,
        /// Where it ends.
        offset: u64,
        /// Computed from the bytes.
        found: u32,
        /// Written behind them.
        expected: u32,
    },
    /// A value that no snapshot holds.
    #[error("{field} near byte {offset} of the snapshot is not valid: {reason}")]
    Invalid {
        /// Which value.
        field: &'static str,
        /// Up to where the snapshot had been read.
        offset: u64,
        /// In what way.
        reason: String,
    },
}

/// Writes a snapshot's values in order.
#[derive(Debug)]
pub struct SnapshotWriter<W> {
    out: W,
    seed: u32,
    blocks: u64,
    // The place of its length, then the block: so that it is written in one go.
    block: Vec<u8>,
}

/// Where a full block ends behind its length.
const BLOCK_END: usize = LENGTH_BYTES + BLOCK_BYTES_MAX;
pub(crate) const LENGTH_BYTES: usize = 4;
pub(crate) const CRC_BYTES: usize = 4;

impl<W: Write> SnapshotWriter<W> {
    /// Starts a snapshot of a kind, named by its magic, in a version of its format.
    pub fn new(mut out: W, magic: [u8; 4], version: u16) -> io::Result<Self> {
        let head = head(magic, version);
        out.write_all(&head)?;
        let mut block = Vec::with_capacity(BLOCK_END + CRC_BYTES);
        block.resize(LENGTH_BYTES, 0);
        Ok(Self {
            out,
            seed: crc32c::crc32c(&head),
            blocks: 0,
            block,
        })
    }

    /// Writes an unsigned number.
    #[inline]
    pub fn number(&mut self, number: u64) -> io::Result<()> {
        let (bytes, length) = encode_number(number);
        if self.block.len() + bytes.len() <= BLOCK_END {
            self.block.extend_from_slice(&bytes[..length]);
            return Ok(());
        }
        self.raw(&bytes[..length])
    }

    /// Writes a number or that there is none.
    pub fn optional(&mut self, number: Option<u64>) -> io::Result<()> {
        match number {
            None => self.number(0),
            Some(number) => {
                self.number(1)?;
                self.number(number)
            }
        }
    }

    /// Writes bytes whose number the reader knows.
    pub fn raw(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.block.len() == BLOCK_END {
                self.flush_block()?;
            }
            let room = BLOCK_END - self.block.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Writes bytes with their length.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.number(bytes.len() as u64)?;
        self.raw(bytes)
    }

    /// Ends the snapshot; without this nobody can read it. Does not flush what it wrote to.
    pub fn finish(mut self) -> io::Result<W> {
        if self.block.len() > LENGTH_BYTES {
            self.flush_block()?;
        }
        self.flush_block()?;
        Ok(self.out)
    }

    fn flush_block(&mut self) -> io::Result<()> {
        let length = u32::try_from(self.block.len() - LENGTH_BYTES).expect("a block is small");
        self.block[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
        let crc = block_crc(self.seed, self.blocks, &self.block);
        self.block.extend_from_slice(&crc.to_le_bytes());
        self.out.write_all(&self.block)?;
        self.blocks += 1;
        self.block.truncate(LENGTH_BYTES);
        Ok(())
    }
}

fn head(magic: [u8; 4], version: u16) -> [u8; 6] {
    let ([a, b, c, d], [low, high]) = (magic, version.to_le_bytes());
    [a, b, c, d, low, high]
}

/// The checksum of a block with its length.
pub(crate) fn block_crc(seed: u32, number: u64, block: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, &number.to_le_bytes()), block)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::SnapshotReader;

    const MAGIC: [u8; 4] = *b"TEST";

    fn written(numbers: &[u64], bytes: &[u8]) -> Vec<u8> {
        let mut writer = SnapshotWriter::new(Vec::new(), MAGIC, 3).expect("memory");
        for &number in numbers {
            writer.number(number).expect("memory");
            writer.optional(Some(number)).expect("memory");
        }
        writer.optional(None).expect("memory");
        writer.bytes(bytes).expect("memory");
        writer.finish().expect("memory")
    }

    fn read(stored: &[u8], numbers: usize) -> Result<(Vec<u64>, Vec<u8>), SnapshotError> {
        let mut reader = SnapshotReader::new(stored, MAGIC, 3)?;
        let mut found = Vec::new();
        for _ in 0..numbers {
            found.push(reader.number("number")?);
            let again = reader.optional("again")?;
            if again != found.last().copied() {
                return Err(reader.invalid("again", "differs"));
            }
        }
        if reader.optional("none")?.is_some() {
            return Err(reader.invalid("none", "is some"));
        }
        let bytes = reader.bytes(1 << 20, "bytes")?;
        reader.finish()?;
        Ok((found, bytes))
    }

    #[test]
    fn values_come_back_across_blocks() {
        let numbers: Vec<u64> = (0..40_000).map(|n| u64::MAX >> (n % 64)).collect();
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let stored = written(&numbers, &bytes);
        let (found_numbers, found_bytes) = read(&stored, numbers.len()).expect("own bytes");
        assert!(found_numbers == numbers && found_bytes == bytes);
        assert!(stored.len() > 8 * BLOCK_BYTES_MAX);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let stored = written(&[0, 1, 300, u64::MAX], b"some bytes");
        assert!(read(&stored, 4).is_ok());
        for bit in 0..stored.len() * 8 {
            let mut bytes = stored.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&bytes, 4).is_err(), "bit {bit}");
        }
        for length in 0..stored.len() {
            let cut = read(&stored[..length], 4);
            assert!(
                matches!(cut, Err(SnapshotError::CutShort { .. })),
                "{length}"
            );
        }
    }

    #[test]
    fn a_block_out_of_place_is_found() {
        let numbers = vec![1; 3 * BLOCK_BYTES_MAX];
        let stored = written(&numbers, b"");
        assert!(read(&stored, numbers.len()).is_ok());
        let block = BLOCK_BYTES_MAX + 8;
        let mut swapped = stored.clone();
        swapped[6..6 + 2 * block].rotate_left(block);
        assert!(matches!(
            read(&swapped, numbers.len()),
            Err(SnapshotError::Checksum { block: 0, .. })
        ));
        let mut lost = stored;
        lost.drain(6 + block..6 + 2 * block);
        assert!(matches!(
            read(&lost, numbers.len()),
            Err(SnapshotError::Checksum { block: 1, .. })
        ));
    }

    #[test]
    fn more_than_was_asked_for_is_an_error() {
        let stored = written(&[7, 8], b"");
        let mut reader = SnapshotReader::new(stored.as_slice(), MAGIC, 3).expect("its head");
        reader.number("first").expect("there");
        assert!(matches!(
            reader.finish(),
            Err(SnapshotError::Invalid { field: "end", .. })
        ));
    }

    #[test]
    fn another_kind_or_version_is_refused() {
        let stored = written(&[], b"");
        let other = SnapshotReader::new(stored.as_slice(), *b"ELSE", 3);
        assert!(matches!(other, Err(SnapshotError::Magic { .. })));
        let later = SnapshotReader::new(stored.as_slice(), MAGIC, 4);
        assert!(matches!(
            later,
            Err(SnapshotError::Version {
                found: 3,
                expected: 4
            })
        ));
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_never_a_panic(mut garbage: Vec<u8>, keep_head: bool) {
            if keep_head {
                let mut stored = head(MAGIC, 3).to_vec();
                stored.append(&mut garbage);
                garbage = stored;
            }
            prop_assert!(read(&garbage, 3).is_err());
        }
    }
}
