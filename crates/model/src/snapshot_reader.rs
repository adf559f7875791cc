//! Reading what [`SnapshotWriter`](crate::SnapshotWriter) wrote, or what claims to be that.

use std::io::{self, Read};
use std::ops::RangeInclusive;

use crate::SnapshotError;
use crate::codec::read_number;
use crate::snapshot::{BLOCK_BYTES_MAX, CRC_BYTES, LENGTH_BYTES, block_crc};

/// Reads a snapshot's values in the order in which they were written, and trusts none.
///
/// Only checked bytes are handed out. Memory is taken for bytes that are there, never for a
/// length that is only announced.
#[derive(Debug)]
pub struct SnapshotReader<R> {
    input: R,
    version: u16,
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
        Self::of_versions(input, magic, version..=version)
    }

    /// Reads the start of a snapshot that must be of this kind and one of these versions.
    pub fn of_versions(
        input: R,
        magic: [u8; 4],
        versions: RangeInclusive<u16>,
    ) -> Result<Self, SnapshotError> {
        let mut reader = Self {
            input,
            version: 0,
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
        reader.version = u16::from_le_bytes([low, high]);
        if !versions.contains(&reader.version) {
            return Err(SnapshotError::Version {
                found: reader.version,
                expected: *versions.end(),
            });
        }
        reader.seed = crc32c::crc32c(&found);
        Ok(reader)
    }

    /// The version that it was written in.
    #[must_use]
    pub const fn version(&self) -> u16 {
        self.version
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
            self.raw(&mut bytes[length - 1..length])?;
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
        self.raw(&mut bytes)?;
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

    /// Reads as many bytes as `out` has room for.
    pub fn raw(&mut self, mut out: &mut [u8]) -> Result<(), SnapshotError> {
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
        let mut length = [0; LENGTH_BYTES];
        self.fill(&mut length)?;
        let block_bytes = u32::from_le_bytes(length) as usize;
        if block_bytes > BLOCK_BYTES_MAX {
            return Err(self.invalid("length of a block", "it is more than 65,536"));
        }
        let mut block = std::mem::take(&mut self.block);
        block.resize(LENGTH_BYTES + block_bytes + CRC_BYTES, 0);
        block[..LENGTH_BYTES].copy_from_slice(&length);
        self.fill(&mut block[LENGTH_BYTES..])?;
        let crc = block.split_off(LENGTH_BYTES + block_bytes);
        let expected = u32::from_le_bytes(crc.try_into().expect("four bytes behind the block"));
        let found = block_crc(self.seed, self.blocks, &block);
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
        self.offset = LENGTH_BYTES;
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
