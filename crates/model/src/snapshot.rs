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

use std::io::{self, Read, Write};

use crate::codec::{CodecError, encode_number, read_number};

const BLOCK_BYTES_MAX: usize = 1 << 16;

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
    block: Vec<u8>,
}

impl<W: Write> SnapshotWriter<W> {
    /// Starts a snapshot of a kind, named by its magic, in a version of its format.
    pub fn new(mut out: W, magic: [u8; 4], version: u16) -> io::Result<Self> {
        let head = head(magic, version);
        out.write_all(&head)?;
        Ok(Self {
            out,
            seed: crc32c::crc32c(&head),
            blocks: 0,
            block: Vec::with_capacity(BLOCK_BYTES_MAX),
        })
    }

    /// Writes an unsigned number.
    #[inline]
    pub fn number(&mut self, number: u64) -> io::Result<()> {
        let (bytes, length) = encode_number(number);
        if self.block.len() + bytes.len() <= BLOCK_BYTES_MAX {
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
            if self.block.len() == BLOCK_BYTES_MAX {
                self.flush_block()?;
            }
            let room = BLOCK_BYTES_MAX - self.block.len();
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
        if !self.block.is_empty() {
            self.flush_block()?;
        }
        self.flush_block()?;
        Ok(self.out)
    }

    fn flush_block(&mut self) -> io::Result<()> {
        let length = block_length(&self.block);
        let crc = block_crc(self.seed, self.blocks, length, &self.block);
        self.out.write_all(&length)?;
        self.out.write_all(&self.block)?;
        self.out.write_all(&crc.to_le_bytes())?;
        self.blocks += 1;
        self.block.clear();
        Ok(())
    }
}

/// Reads a snapshot's values in the order in which they were written, and trusts none.
///
/// Only checked bytes are handed out. Memory is taken for bytes that are there, never for a
/// length that is only announced.
#[derive(Debug)]
pub struct SnapshotReader<R> {
    input: R,
    seed: u32,
    blocks: u64,
    read_bytes: u64,
    ended: bool,
    block: Vec<u8>,
    offset: usize,
}

impl<R: Read> SnapshotReader<R> {
    /// Reads the start of a snapshot that must be of this kind and version.
    pub fn new(input: R, magic: [u8; 4], version: u16) -> Result<Self, SnapshotError> {
        let mut reader = Self {
            input,
            seed: 0,
            blocks: 0,
            read_bytes: 0,
            ended: false,
            block: Vec::new(),
            offset: 0,
        };
        let mut found = [0; 6];
        reader.fill(&mut found)?;
        let [a, b, c, d, low, high] = found;
        if [a, b, c, d] != magic {
            return Err(SnapshotError::Magic {
                found: [a, b, c, d],
                expected: magic,
            });
        }
        let found_version = u16::from_le_bytes([low, high]);
        if found_version != version {
            return Err(SnapshotError::Version {
                found: found_version,
                expected: version,
            });
        }
        reader.seed = crc32c::crc32c(&found);
        Ok(reader)
    }

    /// Reads an unsigned number.
    #[inline]
    pub fn number(&mut self, field: &'static str) -> Result<u64, SnapshotError> {
        if let Some((number, length)) = read_number(&self.block[self.offset..]) {
            self.offset += length;
            return Ok(number);
        }
        self.number_across(field)
    }

    /// A number that begins in this block and ends in the next, or one that is not valid.
    #[cold]
    fn number_across(&mut self, field: &'static str) -> Result<u64, SnapshotError> {
        let mut bytes = [0; 10];
        for length in 1..=bytes.len() {
            self.raw_into(&mut bytes[length - 1..length])?;
            if bytes[length - 1] & 0x80 == 0 {
                return match read_number(&bytes[..length]) {
                    Some((number, _)) => Ok(number),
                    None => Err(self.invalid(field, "it has more than 64 bits")),
                };
            }
        }
        Err(self.invalid(field, "it has more than 64 bits"))
    }

    /// Reads an unsigned number of at most `max`.
    pub fn number_up_to(&mut self, max: u64, field: &'static str) -> Result<u64, SnapshotError> {
        let number = self.number(field)?;
        if number > max {
            return Err(self.invalid(field, &format!("it is {number}, at most {max} is allowed")));
        }
        Ok(number)
    }

    /// Reads an unsigned number of at most 32 bits.
    #[inline]
    pub fn number_u32(&mut self, field: &'static str) -> Result<u32, SnapshotError> {
        let number = self.number(field)?;
        u32::try_from(number).map_err(|_| self.invalid(field, "it has more than 32 bits"))
    }

    /// Reads a number that may be absent.
    pub fn optional(&mut self, field: &'static str) -> Result<Option<u64>, SnapshotError> {
        match self.number_up_to(1, field)? {
            0 => Ok(None),
            _ => self.number(field).map(Some),
        }
    }

    /// Reads `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let mut bytes = [0; N];
        self.raw_into(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads bytes written with their length, `bytes_max` at most, and appends them to `out`.
    pub fn bytes_onto(
        &mut self,
        out: &mut Vec<u8>,
        bytes_max: usize,
        field: &'static str,
    ) -> Result<usize, SnapshotError> {
        let length = self.number_up_to(bytes_max as u64, field)?;
        let length = usize::try_from(length).expect("below a usize");
        let mut missing = length;
        while missing > 0 {
            if self.offset == self.block.len() {
                self.next_block()?;
            }
            let rest = &self.block[self.offset..];
            let taken = missing.min(rest.len());
            out.extend_from_slice(&rest[..taken]);
            self.offset += taken;
            missing -= taken;
        }
        Ok(length)
    }

    /// Reads bytes written with their length, `bytes_max` at most.
    pub fn bytes(
        &mut self,
        bytes_max: usize,
        field: &'static str,
    ) -> Result<Vec<u8>, SnapshotError> {
        let mut out = Vec::new();
        self.bytes_onto(&mut out, bytes_max, field)?;
        Ok(out)
    }

    /// Makes sure that the snapshot ends here and hands back what it was read from.
    pub fn finish(mut self) -> Result<R, SnapshotError> {
        if self.offset < self.block.len() {
            return Err(self.invalid("end", "more values follow"));
        }
        if !self.ended {
            self.read_block()?;
        }
        if !self.ended {
            return Err(self.invalid("end", "more values follow"));
        }
        Ok(self.input)
    }

    /// An error about a value that was just read.
    #[must_use]
    pub fn invalid(&self, field: &'static str, reason: &str) -> SnapshotError {
        SnapshotError::Invalid {
            field,
            offset: self.read_bytes,
            reason: reason.to_owned(),
        }
    }

    fn raw_into(&mut self, mut out: &mut [u8]) -> Result<(), SnapshotError> {
        while !out.is_empty() {
            if self.offset == self.block.len() {
                self.next_block()?;
            }
            let rest = &self.block[self.offset..];
            let taken = out.len().min(rest.len());
            let (now, later) = out.split_at_mut(taken);
            now.copy_from_slice(&rest[..taken]);
            self.offset += taken;
            out = later;
        }
        Ok(())
    }

    fn next_block(&mut self) -> Result<(), SnapshotError> {
        if !self.ended {
            self.read_block()?;
        }
        if self.ended {
            return Err(SnapshotError::CutShort {
                offset: self.read_bytes,
            });
        }
        Ok(())
    }

    fn read_block(&mut self) -> Result<(), SnapshotError> {
        let mut length = [0; 4];
        self.fill(&mut length)?;
        let block_bytes = u32::from_le_bytes(length) as usize;
        if block_bytes > BLOCK_BYTES_MAX {
            return Err(self.invalid("length of a block", "it is more than 65,536"));
        }
        let mut block = std::mem::take(&mut self.block);
        block.resize(block_bytes, 0);
        self.fill(&mut block)?;
        let mut expected = [0; 4];
        self.fill(&mut expected)?;
        let expected = u32::from_le_bytes(expected);
        let found = block_crc(self.seed, self.blocks, length, &block);
        if found != expected {
            return Err(SnapshotError::Checksum {
                block: self.blocks,
                offset: self.read_bytes,
                found,
                expected,
            });
        }
        self.blocks += 1;
        self.ended = block_bytes == 0;
        self.block = block;
        self.offset = 0;
        Ok(())
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<(), SnapshotError> {
        let offset = self.read_bytes;
        self.input.read_exact(out).map_err(|source| {
            if source.kind() == io::ErrorKind::UnexpectedEof {
                SnapshotError::CutShort { offset }
            } else {
                SnapshotError::Read { offset, source }
            }
        })?;
        self.read_bytes += out.len() as u64;
        Ok(())
    }
}

impl SnapshotError {
    /// A value within the snapshot that its own format refuses.
    pub(crate) fn of_codec(field: &'static str, error: &CodecError) -> Self {
        Self::Invalid {
            field,
            offset: 0,
            reason: error.to_string(),
        }
    }
}

fn head(magic: [u8; 4], version: u16) -> [u8; 6] {
    let ([a, b, c, d], [low, high]) = (magic, version.to_le_bytes());
    [a, b, c, d, low, high]
}

fn block_length(block: &[u8]) -> [u8; 4] {
    u32::try_from(block.len())
        .expect("a block is small")
        .to_le_bytes()
}

fn block_crc(seed: u32, number: u64, length: [u8; 4], block: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(seed, &number.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, &length), block)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
