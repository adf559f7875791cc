//! Fields one after the other, and the numbers that they are made of.

use bytes::BufMut;
use huntcore_model::IdError;

use crate::InterestError;

/// Groups within groups deeper than this are refused, as every implementation does.
const DEPTH_MAX: usize = 100;
/// protobuf knows no longer message.
const LENGTH_MAX: u64 = i32::MAX as u64;

/// Why bytes are not a message of their kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtoFault {
    /// The message ends inside a field.
    #[error("the message ends within a field")]
    CutShort,
    /// More than ten bytes, or more than 64 bits.
    #[error("a number has more than 64 bits")]
    Number,
    /// A field number or wire type that does not exist, or the end of a group that never began.
    #[error("key {key} names no field")]
    Key {
        /// The key found.
        key: u64,
    },
    /// A known field written as something else.
    #[error("field {field} has wire type {found}, expected {expected}")]
    WireType {
        /// Which field.
        field: &'static str,
        /// The wire type found.
        found: u8,
        /// The wire type of the field.
        expected: u8,
    },
    /// A number that its field does not hold.
    #[error("field {field} is {found}, which is out of range")]
    Range {
        /// Which field.
        field: &'static str,
        /// The number found.
        found: u64,
    },
    /// Text that is none.
    #[error("field {field} is not UTF-8")]
    Utf8 {
        /// Which field.
        field: &'static str,
    },
    /// Text over its limit.
    #[error("field {field} has {bytes} bytes, expected at most {bytes_max}")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// How long it is.
        bytes: usize,
        /// The longest one allowed.
        bytes_max: usize,
    },
    /// Bytes that have to be as many as they are not.
    #[error("field {field} has {bytes} bytes, expected {expected}")]
    Length {
        /// Which field.
        field: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it has to be.
        expected: usize,
    },
    /// A message without what it is about.
    #[error("field {field} is missing")]
    Missing {
        /// Which field.
        field: &'static str,
    },
    /// Two messages in the place of one.
    #[error("field {field} comes more than once")]
    Repeated {
        /// Which field.
        field: &'static str,
    },
    /// Columns that belong together and are not equally long.
    #[error("field {field} has {found} values, expected {expected}")]
    Column {
        /// Which field.
        field: &'static str,
        /// How many values it has.
        found: usize,
        /// How many the first one of its columns has.
        expected: usize,
    },
    /// An interest outside its limits.
    #[error(transparent)]
    Interest(#[from] InterestError),
    /// An id outside its limits.
    #[error(transparent)]
    Id(#[from] IdError),
    /// Groups nested too deep.
    #[error("groups are nested more than {DEPTH_MAX} deep")]
    Depth,
}

/// The number and wire type of a field before the sixteenth, which are one byte.
pub(super) const fn key(field: u8, wire_type: u8) -> u8 {
    field << 3 | wire_type
}

/// A field's value, as its wire type says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a wire type that no field of ours has; skipped already.
    Other(u8),
}

/// The rest of a message.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) const fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The first byte of the next field; the whole key, if it is one of ours.
    #[inline(always)]
    pub(super) fn key_byte(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The value behind a key of one byte, which says that it is a number.
    #[inline(always)]
    pub(super) fn number_here(&mut self) -> Result<u64, ProtoFault> {
        self.rest = &self.rest[1..];
        self.number()
    }

    /// The value behind a key of one byte, which says that it is bytes.
    #[inline(always)]
    pub(super) fn bytes_here(&mut self) -> Result<&'a [u8], ProtoFault> {
        self.rest = &self.rest[1..];
        self.bytes()
    }

    /// The next field's number and value; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, ProtoFault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (field, wire_type) = self.key()?;
        let value = match wire_type {
            0 => Value::Number(self.number()?),
            2 => Value::Bytes(self.bytes()?),
            other => {
                self.skip(field, other, 0)?;
                Value::Other(other)
            }
        };
        Ok(Some((field, value)))
    }

    #[inline]
    fn key(&mut self) -> Result<(u32, u8), ProtoFault> {
        let key = self.number()?;
        let wire_type = (key & 7) as u8;
        match u32::try_from(key) {
            Ok(narrow) if narrow >> 3 > 0 && wire_type < 6 => Ok((narrow >> 3, wire_type)),
            _ => Err(ProtoFault::Key { key }),
        }
    }

    #[inline]
    fn number(&mut self) -> Result<u64, ProtoFault> {
        let (number, length) = read_number(self.rest)?;
        self.rest = &self.rest[length..];
        Ok(number)
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'a [u8], ProtoFault> {
        let length = self.number()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    #[inline]
    fn take(&mut self, count: usize) -> Result<&'a [u8], ProtoFault> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(ProtoFault::CutShort)?;
        self.rest = rest;
        Ok(taken)
    }

    #[cold]
    fn skip(&mut self, field: u32, wire_type: u8, depth: usize) -> Result<(), ProtoFault> {
        match wire_type {
            0 => self.number().map(drop),
            1 => self.take(8).map(drop),
            2 => self.bytes().map(drop),
            5 => self.take(4).map(drop),
            3 if depth == DEPTH_MAX => Err(ProtoFault::Depth),
            3 => loop {
                let (inner, inner_type) = self.key()?;
                match (inner_type, inner == field) {
                    (4, true) => return Ok(()),
                    (4, false) => return Err(unknown_key(inner, 4)),
                    _ => self.skip(inner, inner_type, depth + 1)?,
                }
            },
            other => Err(unknown_key(field, other)),
        }
    }
}

fn unknown_key(field: u32, wire_type: u8) -> ProtoFault {
    ProtoFault::Key {
        key: u64::from(field) << 3 | u64::from(wire_type),
    }
}

impl<'a> Value<'a> {
    #[inline]
    pub(super) fn number(self, field: &'static str) -> Result<u64, ProtoFault> {
        match self {
            Self::Number(number) => Ok(number),
            other => Err(other.is_not(field, 0)),
        }
    }

    #[inline]
    pub(super) fn number_u32(self, field: &'static str) -> Result<u32, ProtoFault> {
        narrow(self.number(field)?, field)
    }

    #[inline]
    pub(super) fn bytes(self, field: &'static str) -> Result<&'a [u8], ProtoFault> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            other => Err(other.is_not(field, 2)),
        }
    }

    /// Appends the numbers of a column: packed ones, or one alone.
    pub(super) fn append_to(
        self,
        column: &mut Vec<u64>,
        field: &'static str,
    ) -> Result<(), ProtoFault> {
        match self {
            Self::Number(number) => column.push(number),
            packed => {
                let mut packed = Fields::of(packed.bytes(field)?);
                while !packed.rest.is_empty() {
                    column.push(packed.number()?);
                }
            }
        }
        Ok(())
    }

    #[inline]
    pub(super) fn text(self, field: &'static str) -> Result<&'a str, ProtoFault> {
        text(self.bytes(field)?, field)
    }

    #[cold]
    fn is_not(self, field: &'static str, expected: u8) -> ProtoFault {
        let found = match self {
            Self::Number(_) => 0,
            Self::Bytes(_) => 2,
            Self::Other(found) => found,
        };
        ProtoFault::WireType {
            field,
            found,
            expected,
        }
    }
}

#[inline]
pub(super) fn narrow(found: u64, field: &'static str) -> Result<u32, ProtoFault> {
    u32::try_from(found).map_err(|_| ProtoFault::Range { field, found })
}

#[inline]
pub(super) fn text<'a>(bytes: &'a [u8], field: &'static str) -> Result<&'a str, ProtoFault> {
    std::str::from_utf8(bytes).map_err(|_| ProtoFault::Utf8 { field })
}

/// The number at the start of `bytes`, and how many of them it takes.
#[inline]
fn read_number(bytes: &[u8]) -> Result<(u64, usize), ProtoFault> {
    // Nearly every number has one to three bytes.
    let bits = |byte: u8| u64::from(byte & 0x7f);
    match *bytes {
        [first, ..] if first < 0x80 => return Ok((bits(first), 1)),
        [first, second, ..] if second < 0x80 => {
            return Ok((bits(first) | bits(second) << 7, 2));
        }
        [first, second, third, ..] if third < 0x80 => {
            return Ok((bits(first) | bits(second) << 7 | bits(third) << 14, 3));
        }
        _ => {}
    }
    read_long_number(bytes)
}

#[cold]
fn read_long_number(bytes: &[u8]) -> Result<(u64, usize), ProtoFault> {
    let mut number = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        if index == 9 && byte > 1 {
            return Err(ProtoFault::Number);
        }
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Ok((number, index + 1));
        }
    }
    Err(ProtoFault::CutShort)
}

/// What stands before each message of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LengthPrefix {
    /// Its end has not come yet.
    CutShort,
    /// The prefix's own length, and the message's.
    Whole { prefix: usize, message: u64 },
    /// No length at all: nothing tells where the next message begins.
    Broken,
}

/// Reads the length prefix at the start of `bytes`.
#[inline]
pub(crate) fn length_prefix(bytes: &[u8]) -> LengthPrefix {
    match read_number(bytes) {
        Ok((message, _)) if message > LENGTH_MAX => LengthPrefix::Broken,
        Ok((message, prefix)) => LengthPrefix::Whole { prefix, message },
        Err(ProtoFault::CutShort) => LengthPrefix::CutShort,
        Err(_) => LengthPrefix::Broken,
    }
}

/// A number's bytes, and how many of them there are.
#[inline]
pub(super) fn number_bytes(mut number: u64) -> ([u8; 10], usize) {
    let (mut bytes, mut length) = ([0; 10], 0);
    while number >= 0x80 {
        bytes[length] = number.to_le_bytes()[0] | 0x80;
        number >>= 7;
        length += 1;
    }
    bytes[length] = number.to_le_bytes()[0];
    (bytes, length + 1)
}

/// Writes a number.
#[inline]
pub(super) fn put_number(out: &mut impl BufMut, number: u64) {
    let (bytes, length) = number_bytes(number);
    out.put_slice(&bytes[..length]);
}

/// How many bytes [`put_number`] writes.
#[inline]
pub(super) const fn number_length(number: u64) -> usize {
    (70 - (number | 1).leading_zeros() as usize) / 7
}
