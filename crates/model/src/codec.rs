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

pub(crate) fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number.to_le_bytes()[0]) | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
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

    pub(crate) fn number(&mut self, field: &'static str) -> Result<u64, CodecError> {
        let start = self.offset;
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(field)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(CodecError::OutOfRange {
            offset: start,
            field,
        })
    }

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
