//! Committed batches of all streams as one sequence of bytes: what a node hands on to edge
//! processes.
//!
//! Batches travel in their own format, which `huntcore_model` defines and checks; between them
//! stand notes of how far the log has come, so that silence is told from having nothing to say.
//!
//! ```text
//! a batch:  as it is stored, from "HCB1" to the end that its header tells
//! a note:   "HCN1", time (u64 microseconds), length of the position (u16), the position,
//!           CRC-32C of all that; numbers little-endian
//! ```
//! The position says up to where each stream is durable. Streams are interleaved by time as
//! far as they are there, so that whoever folds them need not hold one back for another. Where
//! a reader stands in it, is said by a position: there is no state of the connection's own.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use huntcore_model::{
    BATCH_BYTES_MAX, Batch, BatchError, BatchHeader, HEADER_BYTES, Position, PositionError,
    TimeMicros,
};

/// The media type of a log stream.
pub const MEDIA_TYPE: &str = "application/vnd.huntcore.log";

const NOTE_MAGIC: [u8; 4] = *b"HCN1";
const BATCH_MAGIC: [u8; 4] = *b"HCB1";
const NOTE_HEAD_BYTES: usize = 4 + 8 + 2;
const CRC_BYTES: usize = 4;
/// Batches longer than this travel from where they lie.
const COPIED_BYTES_MAX: usize = 16 << 10;

/// What stands in a log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamItem {
    /// A committed batch.
    Batch(Batch),
    /// How far the log has come.
    Note(Note),
}

/// How far the log has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The clock of whoever hands it on.
    pub time: TimeMicros,
    /// Up to where each stream is durable.
    pub ends: Position,
}

/// Why bytes are not a log stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogStreamError {
    /// Neither a batch nor a note begins here.
    #[error("neither a batch nor a note begins here: found {found:02x?}")]
    Magic {
        /// What stands in its place.
        found: [u8; 4],
    },
    /// A batch that is damaged.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A note that is damaged.
    #[error("note of the log's end: {0}")]
    Position(#[from] PositionError),
    /// A note whose checksum does not fit.
    #[error("checksum of a note is {found:08x}, expected {expected:08x}")]
    Checksum {
        /// Computed from the bytes.
        found: u32,
        /// Written behind them.
        expected: u32,
    },
}

/// Appends what stands for `note`.
pub fn put_note(out: &mut BytesMut, note: &Note) {
    let start = out.len();
    let ends = note.ends.to_bytes();
    out.put_slice(&NOTE_MAGIC);
    out.put_u64_le(note.time.get());
    out.put_u16_le(u16::try_from(ends.len()).unwrap_or(u16::MAX));
    out.put_slice(&ends);
    let crc = crc32c::crc32c(&out[start..]);
    out.put_u32_le(crc);
}

/// Batches one behind the other, in as few pieces as need little copying.
#[must_use]
pub fn pieces(batches: &[Batch]) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut small = BytesMut::new();
    for batch in batches {
        if batch.bytes().len() <= COPIED_BYTES_MAX {
            small.put_slice(batch.bytes());
            continue;
        }
        if !small.is_empty() {
            pieces.push(small.split().freeze());
        }
        pieces.push(Bytes::from_owner(batch.bytes().clone()));
    }
    if !small.is_empty() {
        pieces.push(small.freeze());
    }
    pieces
}

/// Takes a log stream apart, however it was cut on its way.
#[derive(Debug, Default)]
pub struct LogStreamReader {
    bytes: BytesMut,
}

impl LogStreamReader {
    /// Takes in what has arrived. It is held until [`Self::next_item`] has given it back, so
    /// that should come first.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next item, once all of it is there. After an error nothing more can be read.
    pub fn next_item(&mut self) -> Option<Result<StreamItem, LogStreamError>> {
        let magic: [u8; 4] = *self.bytes.first_chunk()?;
        match magic {
            BATCH_MAGIC => self.batch(),
            NOTE_MAGIC => self.note(),
            found => Some(Err(LogStreamError::Magic { found })),
        }
    }

    fn batch(&mut self) -> Option<Result<StreamItem, LogStreamError>> {
        if self.bytes.len() < HEADER_BYTES {
            return None;
        }
        let length = match BatchHeader::parse(&self.bytes) {
            Ok(header) => header.batch_bytes(),
            Err(error) => return Some(Err(error.into())),
        };
        debug_assert!(length <= BATCH_BYTES_MAX, "the header was checked");
        if self.bytes.len() < length {
            self.bytes.reserve(length - self.bytes.len());
            return None;
        }
        let batch = Batch::decode(self.bytes[..length].into());
        self.bytes.advance(length);
        Some(batch.map(StreamItem::Batch).map_err(LogStreamError::from))
    }

    fn note(&mut self) -> Option<Result<StreamItem, LogStreamError>> {
        let head = self.bytes.get(..NOTE_HEAD_BYTES)?;
        let time = u64::from_le_bytes(*head[4..].first_chunk().expect("length checked"));
        let ends = u16::from_le_bytes(*head[12..].first_chunk().expect("length checked"));
        let checked = NOTE_HEAD_BYTES + usize::from(ends);
        let all = self.bytes.get(..checked + CRC_BYTES)?;
        let expected = u32::from_le_bytes(*all[checked..].first_chunk().expect("length checked"));
        let found = crc32c::crc32c(&all[..checked]);
        if found != expected {
            return Some(Err(LogStreamError::Checksum { found, expected }));
        }
        let ends = Position::from_bytes(&all[NOTE_HEAD_BYTES..checked]);
        let note = ends.map(|ends| {
            StreamItem::Note(Note {
                time: TimeMicros::new(time),
                ends,
            })
        });
        self.bytes.advance(checked + CRC_BYTES);
        Some(note.map_err(LogStreamError::from))
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{BatchBuilder, Epoch, Record, Sequence, ShardId, Tail};

    use super::*;

    fn batches() -> Vec<Batch> {
        let mut tail = Tail::default();
        let mut builder = BatchBuilder::new();
        let mut batch = |records: u32| {
            for _ in 0..records {
                builder.push(&Record::Time);
            }
            let time = tail.time.plus_millis(100);
            let batch = builder.finish(ShardId::new(0), Epoch::new(1), &tail, time, Sequence::ZERO);
            tail = batch.tail();
            batch
        };
        vec![batch(1), batch(3), batch(40_000), batch(2)]
    }

    fn note() -> Note {
        Note {
            time: TimeMicros::new(77),
            ends: Position::after(ShardId::new(3), Sequence::new(9)),
        }
    }

    fn stream() -> (Vec<u8>, Vec<StreamItem>) {
        let mut bytes = BytesMut::new();
        put_note(&mut bytes, &note());
        for piece in pieces(&batches()) {
            bytes.extend_from_slice(&piece);
        }
        put_note(&mut bytes, &note());
        let mut items = vec![StreamItem::Note(note())];
        items.extend(batches().into_iter().map(StreamItem::Batch));
        items.push(StreamItem::Note(note()));
        (bytes.to_vec(), items)
    }

    #[test]
    fn a_log_stream_is_read_as_it_was_written_however_it_is_cut() {
        let (bytes, items) = stream();
        assert!(
            batches()
                .iter()
                .any(|batch| batch.bytes().len() > COPIED_BYTES_MAX)
        );
        for size in [1, 7, 96, 1_000, bytes.len()] {
            let mut reader = LogStreamReader::default();
            let mut read = Vec::new();
            for chunk in bytes.chunks(size) {
                reader.push(chunk);
                while let Some(item) = reader.next_item() {
                    read.push(item.expect("sound"));
                }
            }
            assert!(read == items, "in chunks of {size}");
        }
    }

    #[test]
    fn every_flipped_bit_of_a_note_is_found() {
        let mut bytes = BytesMut::new();
        put_note(&mut bytes, &note());
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let mut reader = LogStreamReader::default();
            reader.push(&damaged);
            // A longer length only makes it wait for the rest.
            let read = reader.next_item();
            assert!(!matches!(read, Some(Ok(_))), "bit {bit}: {read:?}");
        }
    }
}
