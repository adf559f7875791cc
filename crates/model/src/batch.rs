//! A batch: what the log stores whole or not at all, one byte format in every home.
//!
//! ```text
//! offset  bytes  field (little-endian)
//!      0      4  magic "HCB1"
//!      4      2  format version
//!      6      2  shard
//!      8      8  epoch
//!     16      8  sequence of the first record
//!     24      8  time, microseconds since the Unix epoch
//!     32      8  durable: every sequence below it was known to be durable
//!     40      4  number of records
//!     44      4  length of the body
//!     48     32  chain before this batch
//!     80      4  length of the personal part
//!     84      4  CRC-32C of the body
//!     88      4  CRC-32C of the personal part      (changes when a player is erased)
//!     92      4  CRC-32C of the 92 bytes above     (likewise)
//!     96         body: the records; then the personal part: for each `player` record a
//!                16-byte salt, a length and the id, all zero but the length once erased
//! ```
//! The chain after a batch is BLAKE3 of its first 88 bytes and its body. The personal part
//! enters it only through the fingerprints in the body.

use std::ops::Range;
use std::sync::Arc;

use crate::codec::{CodecError, Reader};
use crate::record::read_record;
use crate::{Epoch, Hash32, Record, Sequence, ShardId, TimeMicros};

/// Length of a batch's header.
pub const HEADER_BYTES: usize = 96;
/// No batch is longer, header included.
pub const BATCH_BYTES_MAX: usize = 16 << 20;

const MAGIC: [u8; 4] = *b"HCB1";
const FORMAT_VERSION: u16 = 1;
const CHAINED_BYTES: usize = 88;

/// Where a stream ends: what the next batch has to follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The next record's sequence.
    pub sequence: Sequence,
    /// The chain after the last batch.
    pub chain: Hash32,
    /// The last batch's time; no later batch has an earlier one.
    pub time: TimeMicros,
}

/// A batch's fixed fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The stream.
    pub shard: ShardId,
    /// The term of the owner who wrote it.
    pub epoch: Epoch,
    /// The first record's sequence.
    pub first_sequence: Sequence,
    /// When; never earlier than the batch before.
    pub time: TimeMicros,
    /// Every sequence below this was known to be durable when the batch was made.
    pub durable: Sequence,
    /// How many records it has; never 0.
    pub count: u32,
    /// The chain after the batch before.
    pub previous_chain: Hash32,
    pub(crate) body_bytes: u32,
    pub(crate) personal_bytes: u32,
    pub(crate) body_crc: u32,
    pub(crate) personal_crc: u32,
}

/// Why bytes are not a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than the header, or than the header announces.
    #[error("batch is cut short: {found} bytes, expected {expected}")]
    CutShort {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// No batch starts here.
    #[error("no batch starts here: magic is {found:02x?}")]
    Magic {
        /// What stands in its place.
        found: [u8; 4],
    },
    /// A later format.
    #[error("batch has format version {found}, this program reads {FORMAT_VERSION}: upgrade it")]
    Version {
        /// The version found.
        found: u16,
    },
    /// A checksum does not fit its bytes.
    #[error("checksum of the {part} is {found:08x}, expected {expected:08x}")]
    Checksum {
        /// Header, body or personal part.
        part: &'static str,
        /// Computed from the bytes.
        found: u32,
        /// Written in the header.
        expected: u32,
    },
    /// A length or count that no batch has.
    #[error("batch has a {field} of {found}, expected {expected}")]
    Limit {
        /// Which field.
        field: &'static str,
        /// The value found.
        found: u64,
        /// What is allowed, in words.
        expected: &'static str,
    },
    /// A record that cannot be read.
    #[error("record {index} of the batch: {source}")]
    Record {
        /// Which record, from 0.
        index: u32,
        /// What is wrong with it.
        source: CodecError,
    },
}

/// A record with the bytes it is stored as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord<'a> {
    /// Its place in the stream.
    pub sequence: Sequence,
    /// What it says.
    pub record: Record<'a>,
    /// Its bytes in the batch's body, which the chain covers.
    pub body: &'a [u8],
    /// Its bytes in the personal part; empty for all but `player` records.
    pub personal: &'a [u8],
}

/// A whole batch, checked, cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) header: BatchHeader,
    pub(crate) chain: Hash32,
}

impl BatchHeader {
    /// Reads and checks a header alone; the bytes may go on behind it.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        if bytes.len() < HEADER_BYTES {
            return Err(BatchError::CutShort {
                found: bytes.len(),
                expected: HEADER_BYTES,
            });
        }
        let magic: [u8; 4] = field(bytes, 0);
        if magic != MAGIC {
            return Err(BatchError::Magic { found: magic });
        }
        let version = u16::from_le_bytes(field(bytes, 4));
        if version != FORMAT_VERSION {
            return Err(BatchError::Version { found: version });
        }
        check_crc("header", &bytes[..92], u32::from_le_bytes(field(bytes, 92)))?;
        let header = Self {
            shard: ShardId::new(u16::from_le_bytes(field(bytes, 6))),
            epoch: Epoch::new(u64::from_le_bytes(field(bytes, 8))),
            first_sequence: Sequence::new(u64::from_le_bytes(field(bytes, 16))),
            time: TimeMicros::new(u64::from_le_bytes(field(bytes, 24))),
            durable: Sequence::new(u64::from_le_bytes(field(bytes, 32))),
            count: u32::from_le_bytes(field(bytes, 40)),
            body_bytes: u32::from_le_bytes(field(bytes, 44)),
            previous_chain: Hash32::new(field(bytes, 48)),
            personal_bytes: u32::from_le_bytes(field(bytes, 80)),
            body_crc: u32::from_le_bytes(field(bytes, 84)),
            personal_crc: u32::from_le_bytes(field(bytes, 88)),
        };
        if header.count == 0 {
            return Err(BatchError::Limit {
                field: "count",
                found: 0,
                expected: "at least 1",
            });
        }
        if header.batch_bytes() > BATCH_BYTES_MAX {
            return Err(BatchError::Limit {
                field: "length",
                found: header.batch_bytes() as u64,
                expected: "at most 16 MiB",
            });
        }
        if header
            .first_sequence
            .get()
            .checked_add(u64::from(header.count))
            .is_none()
        {
            return Err(BatchError::Limit {
                field: "first sequence",
                found: header.first_sequence.get(),
                expected: "room for the records",
            });
        }
        Ok(header)
    }

    pub(crate) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.shard.get().to_le_bytes());
        bytes[8..16].copy_from_slice(&self.epoch.get().to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_sequence.get().to_le_bytes());
        bytes[24..32].copy_from_slice(&self.time.get().to_le_bytes());
        bytes[32..40].copy_from_slice(&self.durable.get().to_le_bytes());
        bytes[40..44].copy_from_slice(&self.count.to_le_bytes());
        bytes[44..48].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[48..80].copy_from_slice(self.previous_chain.bytes());
        bytes[80..84].copy_from_slice(&self.personal_bytes.to_le_bytes());
        bytes[84..88].copy_from_slice(&self.body_crc.to_le_bytes());
        bytes[88..92].copy_from_slice(&self.personal_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..92]);
        bytes[92..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Length of the whole batch.
    #[must_use]
    pub fn batch_bytes(&self) -> usize {
        // Two u32 and a constant fit a 64-bit usize.
        HEADER_BYTES + self.body_bytes as usize + self.personal_bytes as usize
    }

    /// The sequence after the last record.
    #[must_use]
    pub const fn next_sequence(&self) -> Sequence {
        self.first_sequence.advanced(self.count as u64)
    }

    pub(crate) fn body(&self) -> Range<usize> {
        HEADER_BYTES..HEADER_BYTES + self.body_bytes as usize
    }

    pub(crate) fn personal(&self) -> Range<usize> {
        self.body().end..self.batch_bytes()
    }
}

impl Batch {
    /// Checks header, lengths and checksums. Records are checked as they are read.
    pub fn decode(bytes: Arc<[u8]>) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(&bytes)?;
        if bytes.len() != header.batch_bytes() {
            return Err(BatchError::CutShort {
                found: bytes.len(),
                expected: header.batch_bytes(),
            });
        }
        check_crc("body", &bytes[header.body()], header.body_crc)?;
        check_crc(
            "personal part",
            &bytes[header.personal()],
            header.personal_crc,
        )?;
        let chain = chain_after(&bytes, header.body());
        Ok(Self {
            bytes,
            header,
            chain,
        })
    }

    /// The fixed fields.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The bytes as they are stored.
    #[must_use]
    pub const fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// The chain after this batch.
    #[must_use]
    pub const fn chain(&self) -> Hash32 {
        self.chain
    }

    /// Where the stream ends with this batch.
    #[must_use]
    pub const fn tail(&self) -> Tail {
        Tail {
            sequence: self.header.next_sequence(),
            chain: self.chain,
            time: self.header.time,
        }
    }

    /// Whether this batch may follow `tail`: next sequence, same chain, no earlier time.
    #[must_use]
    pub fn follows(&self, tail: &Tail) -> bool {
        self.header.first_sequence == tail.sequence
            && self.header.previous_chain == tail.chain
            && self.header.time >= tail.time
    }

    /// The records in order, each with its sequence.
    ///
    /// After an error the rest cannot be read and the iterator ends.
    pub fn records(&self) -> impl Iterator<Item = Result<(Sequence, Record<'_>), BatchError>> {
        let stored = self.stored_records();
        stored.map(|stored| stored.map(|stored| (stored.sequence, stored.record)))
    }

    /// Like [`Self::records`], each with its bytes: the header, all bodies and then all personal
    /// bytes are the batch again.
    pub fn stored_records(&self) -> impl Iterator<Item = Result<StoredRecord<'_>, BatchError>> {
        let all_body = &self.bytes[self.header.body()];
        let all_personal = &self.bytes[self.header.personal()];
        let mut body = Reader::new(all_body);
        let mut personal = Reader::new(all_personal);
        let mut index = 0;
        let mut failed = false;
        std::iter::from_fn(move || {
            if failed || (index == self.header.count && body.is_at_end() && personal.is_at_end()) {
                return None;
            }
            let (body_from, personal_from) = (body.offset(), personal.offset());
            let record = if index == self.header.count {
                Err(CodecError::OutOfRange {
                    offset: body.offset(),
                    field: "end of the records",
                })
            } else {
                read_record(&mut body, &mut personal)
            };
            let sequence = self.header.first_sequence.advanced(u64::from(index));
            let item = match record {
                Ok(record) => Ok(StoredRecord {
                    sequence,
                    record,
                    body: &all_body[body_from..body.offset()],
                    personal: &all_personal[personal_from..personal.offset()],
                }),
                Err(source) => {
                    failed = true;
                    Err(BatchError::Record { index, source })
                }
            };
            index += 1;
            Some(item)
        })
    }
}

pub(crate) fn chain_after(bytes: &[u8], body: Range<usize>) -> Hash32 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..CHAINED_BYTES]);
    hasher.update(&bytes[body]);
    Hash32::new(*hasher.finalize().as_bytes())
}

fn field<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes[offset..offset + N]
        .try_into()
        .expect("length checked")
}

fn check_crc(part: &'static str, bytes: &[u8], expected: u32) -> Result<(), BatchError> {
    let found = crc32c::crc32c(bytes);
    if found == expected {
        Ok(())
    } else {
        Err(BatchError::Checksum {
            part,
            found,
            expected,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        BatchBuilder, ClaimRecord, HuntNumber, PlayerNumber, RoundNumber, Salt, TileIndex,
    };

    fn sample() -> Batch {
        let mut builder = BatchBuilder::new();
        builder.push_player(PlayerNumber::new(0), "ada", Salt([7; 16]));
        builder.push(&Record::Claim(claim(9)));
        builder.push(&Record::Time);
        let tail = Tail {
            sequence: Sequence::new(41),
            chain: Hash32::new([3; 32]),
            time: TimeMicros::new(5),
        };
        builder.finish(
            ShardId::new(2),
            Epoch::new(4),
            &tail,
            TimeMicros::new(6),
            Sequence::new(40),
        )
    }

    fn claim(tile: u32) -> ClaimRecord {
        ClaimRecord {
            hunt: HuntNumber::new(1),
            round: RoundNumber::new(1_000),
            tile: TileIndex::new(tile),
            player: PlayerNumber::new(0),
            points: 25,
        }
    }

    #[test]
    fn a_batch_survives_its_bytes() {
        let batch = sample();
        let again = Batch::decode(batch.bytes().clone()).expect("own bytes");
        assert_eq!(again, batch);
        assert_eq!(again.tail().sequence, Sequence::new(44));
        let records: Vec<_> = again
            .records()
            .collect::<Result<_, _>>()
            .expect("own records");
        assert_eq!(records.len(), 3);
        assert!(matches!(&records[0].1, Record::Player(player) if player.id == Some("ada")));
        assert_eq!(records[1], (Sequence::new(42), Record::Claim(claim(9))));
        assert_eq!(records[2].1, Record::Time);
    }

    #[test]
    fn a_batchs_header_and_records_put_together_are_its_bytes() {
        let batch = sample();
        let mut bytes = batch.bytes()[..HEADER_BYTES].to_vec();
        let records: Vec<_> = batch
            .stored_records()
            .collect::<Result<_, _>>()
            .expect("own records");
        for stored in &records {
            bytes.extend_from_slice(stored.body);
            assert_eq!(
                stored.personal.is_empty(),
                !matches!(stored.record, Record::Player(_))
            );
        }
        for stored in &records {
            bytes.extend_from_slice(stored.personal);
        }
        assert_eq!(bytes, **batch.bytes());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let batch = sample();
        for index in 0..batch.bytes().len() * 8 {
            let mut bytes = batch.bytes().to_vec();
            bytes[index / 8] ^= 1 << (index % 8);
            assert!(Batch::decode(bytes.into()).is_err(), "bit {index}");
        }
    }

    #[test]
    fn every_cut_is_found() {
        let batch = sample();
        for length in 0..batch.bytes().len() {
            assert!(
                Batch::decode(batch.bytes()[..length].into()).is_err(),
                "length {length}"
            );
        }
    }

    #[test]
    fn erasing_a_player_leaves_the_chain_as_it_was() {
        let batch = sample();
        let mut bytes = batch.bytes().to_vec();
        let personal = batch.header().personal();
        let (salt, rest) = bytes[personal.clone()].split_at_mut(16);
        salt.fill(0);
        rest[1..].fill(0);
        let crc = crc32c::crc32c(&bytes[personal]);
        bytes[88..92].copy_from_slice(&crc.to_le_bytes());
        let header_crc = crc32c::crc32c(&bytes[..92]);
        bytes[92..96].copy_from_slice(&header_crc.to_le_bytes());
        let erased = Batch::decode(bytes.into()).expect("checksums mended");
        assert_eq!(erased.chain(), batch.chain());
        let first = erased
            .records()
            .next()
            .expect("three records")
            .expect("readable");
        assert!(matches!(first.1, Record::Player(player) if player.id.is_none()));
    }

    #[test]
    fn another_id_with_mended_checksums_is_found() {
        let batch = sample();
        let mut bytes = batch.bytes().to_vec();
        let personal = batch.header().personal();
        bytes[personal.end - 1] = b'b';
        let crc = crc32c::crc32c(&bytes[personal]);
        bytes[88..92].copy_from_slice(&crc.to_le_bytes());
        let header_crc = crc32c::crc32c(&bytes[..92]);
        bytes[92..96].copy_from_slice(&header_crc.to_le_bytes());
        let forged = Batch::decode(bytes.into()).expect("checksums mended");
        let first = forged.records().next().expect("three records");
        assert!(
            matches!(first, Err(BatchError::Record { index: 0, .. })),
            "{first:?}"
        );
    }
}
