//! Writes a message's fields, as every protobuf library writes them: in their order, and without
//! those that have their type's default.

use super::fields::{number_bytes, number_length};

/// Appends fields to a message.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

const NUMBER: u8 = 0;
const BYTES: u8 = 2;

impl<'a> Writer<'a> {
    pub(super) const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// A number; nothing if it is 0.
    #[inline]
    pub(super) fn number(&mut self, field: u8, number: u64) {
        if number != 0 {
            self.some_number(field, Some(number));
        }
    }

    /// An optional number.
    #[inline]
    pub(super) fn some_number(&mut self, field: u8, number: Option<u64>) {
        if let Some(number) = number {
            let (bytes, length) = number_bytes(number);
            self.out.push(field << 3 | NUMBER);
            self.out.extend_from_slice(&bytes[..length]);
        }
    }

    /// Bytes or a text; nothing if there are none.
    #[inline]
    pub(super) fn bytes(&mut self, field: u8, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.some_bytes(field, Some(bytes));
        }
    }

    /// Optional bytes or an optional text.
    #[inline]
    pub(super) fn some_bytes(&mut self, field: u8, bytes: Option<&[u8]>) {
        if let Some(bytes) = bytes {
            let (length, count) = number_bytes(bytes.len() as u64);
            self.out.push(field << 3 | BYTES);
            self.out.extend_from_slice(&length[..count]);
            self.out.extend_from_slice(bytes);
        }
    }

    /// A text of less than 128 bytes, even an empty one.
    #[inline]
    pub(super) fn short_text(&mut self, field: u8, text: &str) {
        let length = u8::try_from(text.len()).expect("a short text");
        self.out.reserve(2 + text.len());
        self.out.extend_from_slice(&[field << 3 | BYTES, length]);
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Numbers, packed; nothing if there are none.
    #[inline]
    pub(super) fn column(
        &mut self,
        field: u8,
        numbers: impl ExactSizeIterator<Item = u64> + Clone,
    ) {
        let count = numbers.len();
        if count == 0 {
            return;
        }
        let length: usize = numbers.clone().map(number_length).sum();
        let (bytes, width) = number_bytes(length as u64);
        self.out.push(field << 3 | BYTES);
        self.out.extend_from_slice(&bytes[..width]);
        if length == count {
            // Each has one byte, its lowest.
            self.out
                .extend(numbers.map(|number| number.to_le_bytes()[0]));
            return;
        }
        let mut at = self.out.len();
        self.out.resize(at + length, 0);
        for mut number in numbers {
            while number >= 0x80 {
                self.out[at] = number.to_le_bytes()[0] | 0x80;
                number >>= 7;
                at += 1;
            }
            self.out[at] = number.to_le_bytes()[0];
            at += 1;
        }
    }

    /// A message, even an empty one.
    #[inline]
    pub(super) fn message(&mut self, field: u8, write: impl FnOnce(&mut Writer<'_>)) {
        // Nearly every length has one byte.
        self.out.extend_from_slice(&[field << 3 | BYTES, 0]);
        let start = self.out.len();
        write(&mut Writer::new(self.out));
        let length = self.out.len() - start;
        let (bytes, width) = number_bytes(length as u64);
        if width > 1 {
            let missing = width - 1;
            self.out.resize(start + length + missing, 0);
            self.out.copy_within(start..start + length, start + missing);
        }
        self.out[start - 1..start - 1 + width].copy_from_slice(&bytes[..width]);
    }
}

/// A signed number with its sign in the lowest bit, as `sint64` has it.
pub(super) const fn zigzag(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned()
}

/// What [`zigzag`] was made of.
pub(super) const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}
