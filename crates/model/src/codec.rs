//! The small numbers-and-bytes encoding that records are made of.
//!
//! Unsigned numbers are LEB128; signed ones are zigzag first; bytes carry their length.

/// Why bytes are not what the encoding says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes ended inside a field.
    #[error("record is cut short at byte {offset} while reading {field}")]
    CutShort {
        /// Where in the bytes.
        offset: usize,
        /// Which field.
        field: &'static str,
    },
    /// A number does not fit its field, or a length its limit.
    #[error("{field} at byte {offset} is out of range")]
    OutOfRange {
        /// Where in the bytes.
        offset: usize,
        /// Which field.
        field: &'static str,
    },
    /// A record of a kind that this version does not know.
    #[error("unknown record kind {tag} at byte {offset}: written by a newer version?")]
    UnknownKind {
        /// Where in the bytes.
        offset: usize,
        /// The unknown kind.
        tag: u8,
    },
    /// Text that is not UTF-8, or an id outside its limits, or control data that is not valid.
    #[error("{field} at byte {offset} is not valid: {reason}")]
    Invalid {
        /// Where in the bytes.
        offset: usize,
        /// Which field.
        field: &'static str,
        /// In what way.
        reason: String,
    },
}

/// The bytes of an unsigned number, and how many of them there are.
#[inline]
pub(crate) fn encode_number(number: u64) -> ([u8; 10], usize) {
    let mut bytes = [0; 10];
    if number >> 56 == 0 {
        // Spread over bytes of seven bits each, without a branch for each byte.
        let spread = (number & 0x0fff_ffff) | ((number & 0x00ff_ffff_f000_0000) << 4);
        let spread = (spread & 0x0000_3fff_0000_3fff) | ((spread & 0x0fff_c000_0fff_c000) << 2);
        let spread = (spread & 0x007f_007f_007f_007f) | ((spread & 0x3f80_3f80_3f80_3f80) << 1);
        let length = (70 - (number | 1).leading_zeros()) / 7;
        let follows = 0x0080_8080_8080_8080 & ((1 << (8 * (length - 1))) - 1);
        bytes[..8].copy_from_slice(&(spread | follows).to_le_bytes());
        return (bytes, length as usize);
    }
    let (mut rest, mut length) = (number, 0);
    while rest >= 0x80 {
        bytes[length] = rest.to_le_bytes()[0] | 0x80;
        rest >>= 7;
        length += 1;
    }
    bytes[length] = rest.to_le_bytes()[0];
    (bytes, length + 1)
}

/// The unsigned number that `bytes` begin with, and how many of them it takes; `None` if they
/// end within it or it has more than 64 bits.
#[inline]
pub(crate) fn read_number(bytes: &[u8]) -> Option<(u64, usize)> {
    let Some(word) = bytes.first_chunk::<8>() else {
        return read_number_bytewise(bytes);
    };
    let word = u64::from_le_bytes(*word);
    if word & 0x80 == 0 {
        return Some((word & 0x7f, 1));
    }
    let ends = !word & 0x8080_8080_8080_8080;
    if ends == 0 {
        return read_number_bytewise(bytes);
    }
    // Up to and with the first byte that ends a number, seven bits of each.
    let bits = word & (ends ^ (ends - 1)) & 0x7f7f_7f7f_7f7f_7f7f;
    let bits = (bits & 0x007f_007f_007f_007f) | ((bits & 0x7f00_7f00_7f00_7f00) >> 1);
    let bits = (bits & 0x0000_3fff_0000_3fff) | ((bits & 0x3fff_0000_3fff_0000) >> 2);
    let bits = (bits & 0x0fff_ffff) | ((bits & 0x0fff_ffff_0000_0000) >> 4);
    Some((bits, (ends.trailing_zeros() / 8 + 1) as usize))
}

fn read_number_bytewise(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if index == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

#[inline]
pub(crate) fn write_number(out: &mut Vec<u8>, number: u64) {
    let (bytes, length) = encode_number(number);
    out.extend_from_slice(&bytes[..length]);
}

pub(crate) fn write_signed(out: &mut Vec<u8>, number: i64) {
    write_number(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Writes bytes that [`Reader::bytes`] reads with the same limit.
///
/// # Panics
/// If there are more than that: it is better not to write what cannot be read.
pub(crate) fn write_limited(out: &mut Vec<u8>, bytes: &[u8], bytes_max: usize, field: &str) {
    let length = bytes.len();
    assert!(
        length <= bytes_max,
        "{field} has {length} bytes, at most {bytes_max} are allowed"
    );
    write_number(out, length as u64);
    out.extend_from_slice(bytes);
}

/// Reads fields in order; knows where it is, so that an error can say so.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    pub(crate) const fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.offset >= self.bytes.len()
    }

    pub(crate) fn take(
        &mut self,
        count: usize,
        field: &'static str,
    ) -> Result<&'a [u8], CodecError> {
        let rest = &self.bytes[self.offset..];
        if rest.len() < count {
            return Err(CodecError::CutShort {
                offset: self.offset,
                field,
            });
        }
        self.offset += count;
        Ok(&rest[..count])
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], CodecError> {
        let bytes = self.take(N, field)?;
        Ok(bytes.try_into().expect("took exactly N"))
    }

    pub(crate) fn byte(&mut self, field: &'static str) -> Result<u8, CodecError> {
        Ok(self.take(1, field)?[0])
    }

    #[inline]
    pub(crate) fn number(&mut self, field: &'static str) -> Result<u64, CodecError> {
        let Some((number, length)) = read_number(&self.bytes[self.offset..]) else {
            return Err(self.not_a_number(field));
        };
        self.offset += length;
        Ok(number)
    }

    #[cold]
    fn not_a_number(&self, field: &'static str) -> CodecError {
        let rest = &self.bytes[self.offset..];
        if rest.len() < 10 && rest.iter().all(|byte| byte & 0x80 != 0) {
            let offset = self.bytes.len();
            return CodecError::CutShort { offset, field };
        }
        CodecError::OutOfRange {
            offset: self.offset,
            field,
        }
    }

    #[inline]
    pub(crate) fn number_u32(&mut self, field: &'static str) -> Result<u32, CodecError> {
        let offset = self.offset;
        let number = self.number(field)?;
        u32::try_from(number).map_err(|_| CodecError::OutOfRange { offset, field })
    }

    pub(crate) fn signed(&mut self, field: &'static str) -> Result<i64, CodecError> {
        let number = self.number(field)?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    pub(crate) fn bytes(
        &mut self,
        bytes_max: usize,
        field: &'static str,
    ) -> Result<&'a [u8], CodecError> {
        let offset = self.offset;
        let length = self.number(field)?;
        match usize::try_from(length) {
            Ok(length) if length <= bytes_max => self.take(length, field),
            _ => Err(CodecError::OutOfRange { offset, field }),
        }
    }

    pub(crate) fn text(
        &mut self,
        bytes_max: usize,
        field: &'static str,
    ) -> Result<&'a str, CodecError> {
        let offset = self.offset;
        let bytes = self.bytes(bytes_max, field)?;
        std::str::from_utf8(bytes).map_err(|error| CodecError::Invalid {
            offset,
            field,
            reason: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(unsigned: u64, signed: i64, bytes: Vec<u8>) {
            let mut out = Vec::new();
            write_number(&mut out, unsigned);
            write_signed(&mut out, signed);
            write_limited(&mut out, &bytes, bytes.len(), "bytes");
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.number("unsigned"), Ok(unsigned));
            prop_assert_eq!(reader.signed("signed"), Ok(signed));
            prop_assert_eq!(reader.bytes(bytes.len(), "bytes"), Ok(bytes.as_slice()));
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn garbage_never_panics(garbage: Vec<u8>) {
            let mut reader = Reader::new(&garbage);
            while !reader.is_at_end() {
                if reader.number("n").and_then(|_| reader.text(16, "t").map(|_| ())).is_err() {
                    break;
                }
            }
        }
    }

    /// LEB128 as it is usually written down.
    fn plain(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        bytes.push(number.to_le_bytes()[0]);
        bytes
    }

    #[test]
    fn numbers_of_every_length_are_leb128_wherever_the_bytes_end() {
        for shift in 0..64 {
            for number in [1 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let bytes = plain(number);
                let mut out = Vec::new();
                write_number(&mut out, number);
                assert_eq!(out, bytes, "{number}");
                for (padding, byte) in [(0, 0), (1, 0xff), (20, 0xff), (20, 0)] {
                    out.resize(bytes.len() + padding, byte);
                    assert_eq!(read_number(&out), Some((number, bytes.len())), "{number}");
                }
                for length in 0..bytes.len() {
                    let mut reader = Reader::new(&bytes[..length]);
                    let cut = CodecError::CutShort {
                        offset: length,
                        field: "n",
                    };
                    assert_eq!(reader.number("n"), Err(cut), "{number}");
                }
            }
        }
    }

    #[test]
    fn a_number_over_64_bits_is_refused() {
        let mut reader = Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]);
        assert_eq!(
            reader.number("n"),
            Err(CodecError::OutOfRange {
                offset: 0,
                field: "n"
            })
        );
    }
}
