//! How far each stream has been seen, as one opaque string.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::codec::{Reader, encode_number, write_number};
use crate::{Sequence, ShardId, ShardMap};

const FORMAT: u8 = 1;

/// For each stream the sequence of the first record not yet seen.
///
/// A stream that is not named counts as not seen at all. Outside, a position is an opaque
/// string: clients hand it back and never look into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    // Sorted by stream; sequences above zero only, so that equal positions are equal values.
    streams: Vec<(ShardId, Sequence)>,
}

/// The position just after one record, in its binary form and without an allocation: what
/// every receipt holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionAfter {
    bytes: [u8; Self::BYTES_MAX],
    length: usize,
}

/// Why a text is not a position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a position: {reason}")]
pub struct PositionError {
    reason: &'static str,
}

impl Position {
    /// Nothing seen.
    #[must_use]
    pub const fn start() -> Self {
        Self {
            streams: Vec::new(),
        }
    }

    /// Just after the record at `sequence` of one stream.
    #[must_use]
    pub fn after(shard: ShardId, sequence: Sequence) -> Self {
        let mut position = Self::start();
        position.advance(shard, sequence.advanced(1));
        position
    }

    /// The binary form, whose base64url is the text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        write_number(&mut bytes, self.streams.len() as u64);
        for &(shard, next) in &self.streams {
            write_number(&mut bytes, u64::from(shard.get()));
            write_number(&mut bytes, next.get());
        }
        bytes
    }

    /// Reads the binary form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PositionError> {
        let fail = |reason| PositionError { reason };
        let mut reader = Reader::new(bytes);
        if reader.byte("format").map_err(|_| fail("empty"))? != FORMAT {
            return Err(fail("unknown format"));
        }
        let cut = |_| fail("cut short");
        let count = reader.number("count").map_err(cut)?;
        if count > u64::from(ShardMap::SHARDS_MAX) + 1 {
            return Err(fail("too many streams"));
        }
        let mut position = Self::start();
        let mut last: Option<ShardId> = None;
        for _ in 0..count {
            let shard = reader.number("shard").map_err(cut)?;
            let shard = ShardId::new(u16::try_from(shard).map_err(|_| fail("no such stream"))?);
            let next = reader.number("sequence").map_err(cut)?;
            if last.is_some_and(|last| last >= shard) || next == 0 {
                return Err(fail("streams out of order"));
            }
            last = Some(shard);
            position.streams.push((shard, Sequence::new(next)));
        }
        if reader.is_at_end() {
            Ok(position)
        } else {
            Err(fail("trailing bytes"))
        }
    }

    /// The first sequence of `shard` that has not been seen.
    #[must_use]
    pub fn next(&self, shard: ShardId) -> Sequence {
        match self
            .streams
            .binary_search_by_key(&shard, |&(stream, _)| stream)
        {
            Ok(index) => self.streams[index].1,
            Err(_) => Sequence::ZERO,
        }
    }

    /// Moves `shard` forward to `next`; never back.
    pub fn advance(&mut self, shard: ShardId, next: Sequence) {
        if next == Sequence::ZERO {
            return;
        }
        match self
            .streams
            .binary_search_by_key(&shard, |&(stream, _)| stream)
        {
            Ok(index) => {
                let seen = &mut self.streams[index].1;
                *seen = (*seen).max(next);
            }
            Err(index) => self.streams.insert(index, (shard, next)),
        }
    }

    /// Moves every stream at least as far as `other` has.
    pub fn merge(&mut self, other: &Self) {
        for &(shard, next) in &other.streams {
            self.advance(shard, next);
        }
    }

    /// Whether everything seen at `other` is seen here too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other
            .streams
            .iter()
            .all(|&(shard, next)| self.next(shard) >= next)
    }

    /// The streams that have been seen at all, in order, with their next sequence.
    pub fn streams(&self) -> impl Iterator<Item = (ShardId, Sequence)> + '_ {
        self.streams.iter().copied()
    }
}

impl PositionAfter {
    // Two bytes of head, and two numbers in the buffers that they are written in.
    const BYTES_MAX: usize = 2 + 10 + 10;
    const CHARACTERS_MAX: usize = Self::BYTES_MAX.div_ceil(3) * 4;

    /// Just after the record at `sequence` of one stream.
    #[inline]
    #[must_use]
    pub fn new(shard: ShardId, sequence: Sequence) -> Self {
        let mut bytes = [0; Self::BYTES_MAX];
        (bytes[0], bytes[1]) = (FORMAT, 1);
        let mut length = 2;
        for number in [u64::from(shard.get()), sequence.advanced(1).get()] {
            let (encoded, count) = encode_number(number);
            // All ten, since a copy of a fixed length is cheaper than one that has to be measured.
            let place = bytes[length..].first_chunk_mut();
            *place.expect("two numbers have room") = encoded;
            length += count;
        }
        Self { bytes, length }
    }

    /// The binary form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The binary form's bytes with some more behind them, and how many belong to it.
    #[inline]
    #[must_use]
    pub const fn padded(&self) -> (&[u8; Self::BYTES_MAX], usize) {
        (&self.bytes, self.length)
    }

    /// Gives the text to `use_text`.
    pub fn with_text<T>(&self, use_text: impl FnOnce(&[u8]) -> T) -> T {
        let mut text = [0; Self::CHARACTERS_MAX];
        let length = URL_SAFE_NO_PAD
            .encode_slice(self.as_bytes(), &mut text)
            .expect("the text has room for the longest position");
        use_text(&text[..length])
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(self.to_bytes()))
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        const BYTES_MAX: usize = 16 * (ShardMap::SHARDS_MAX as usize + 2);
        let fail = |reason| PositionError { reason };
        if text.len() > BYTES_MAX {
            return Err(fail("too long"));
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| fail("not base64url"))?;
        Self::from_bytes(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_position() -> impl Strategy<Value = Position> {
        proptest::collection::vec((any::<u16>(), any::<u64>()), 0..8).prop_map(|streams| {
            let mut position = Position::start();
            for (shard, next) in streams {
                position.advance(ShardId::new(shard), Sequence::new(next));
            }
            position
        })
    }

    proptest! {
        #[test]
        fn a_position_survives_its_text(position in any_position()) {
            prop_assert_eq!(position.to_string().parse(), Ok(position));
        }

        #[test]
        fn merge_covers_both(left in any_position(), right in any_position()) {
            let mut merged = left.clone();
            merged.merge(&right);
            prop_assert!(merged.covers(&left) && merged.covers(&right));
            prop_assert_eq!(left.covers(&merged), left == merged);
        }

        #[test]
        fn a_position_survives_its_bytes(position in any_position()) {
            prop_assert_eq!(Position::from_bytes(&position.to_bytes()), Ok(position));
        }

        #[test]
        fn just_after_a_record_reads_the_same_either_way(
            shard in any::<u16>(),
            sequence in 0..u64::MAX,
        ) {
            let (shard, sequence) = (ShardId::new(shard), Sequence::new(sequence));
            let (short, long) = (PositionAfter::new(shard, sequence), Position::after(shard, sequence));
            prop_assert_eq!(short.as_bytes(), long.to_bytes());
            let text = short.with_text(|text| String::from_utf8_lossy(text).into_owned());
            prop_assert_eq!(text, long.to_string());
        }

        #[test]
        fn any_text_is_taken_or_refused(text in ".{0,40}") {
            let _: Result<Position, _> = text.parse();
        }
    }
}
