//! Reading a batch's records at the speed that a fold of millions of claims a second needs.
//!
//! Nearly all records are claims, and nearly all of a claim's numbers are a byte to three
//! long. So claims are unpacked straight from the bytes, without a [`Record`] in between;
//! whatever is unusual, up to malformed, is left to the one reader that knows it all.

use crate::codec::Reader;
use crate::record::{TAG_CLAIM, read_record};
use crate::{
    Batch, BatchError, ClaimRecord, HuntNumber, PlayerNumber, Record, RoundNumber, Sequence,
    TileIndex,
};

/// A kind and five numbers, if none of them is longer than a `u32` needs to be.
const CLAIM_BYTES_MAX: usize = 1 + 5 * NUMBER_BYTES_MAX;
const NUMBER_BYTES_MAX: usize = 5;
/// A power of two, so that a place in the window needs no check.
const WINDOW_BYTES: usize = 32;

const _: () = assert!(CLAIM_BYTES_MAX <= WINDOW_BYTES);

/// What [`Batch::scan`] hands the records to, in their order.
pub trait RecordSink<'a> {
    /// A tile is won.
    fn claim(&mut self, sequence: Sequence, claim: ClaimRecord);

    /// Any other record; never a claim.
    fn other(&mut self, sequence: Sequence, record: Record<'a>);
}

impl Batch {
    /// Hands every record over, as [`Batch::records`] does, several times as fast.
    ///
    /// After an error the sink holds the records before the one that cannot be read.
    #[inline]
    pub fn scan<'a>(&'a self, sink: &mut impl RecordSink<'a>) -> Result<(), BatchError> {
        let header = self.header();
        let body = &self.bytes()[header.body()];
        let mut personal = Reader::new(&self.bytes()[header.personal()]);
        let mut at = 0;
        for index in 0..header.count {
            let sequence = header.first_sequence.advanced(u64::from(index));
            if let Some((claim, bytes)) = usual_claim(&body[at..]) {
                at += bytes;
                sink.claim(sequence, claim);
                continue;
            }
            let mut reader = Reader::new(&body[at..]);
            match read_record(&mut reader, &mut personal) {
                Ok(Record::Claim(claim)) => sink.claim(sequence, claim),
                Ok(record) => sink.other(sequence, record),
                Err(_) => return Err(self.fault()),
            }
            at += reader.offset();
        }
        if at == body.len() && personal.is_at_end() {
            Ok(())
        } else {
            Err(self.fault())
        }
    }

    /// What is wrong with the records, told with its place.
    #[cold]
    fn fault(&self) -> BatchError {
        let fault = self.records().find_map(Result::err);
        fault.expect("both readers read the same bytes alike")
    }
}

/// The claim that the bytes begin with and its length; `None` if it is another record, too
/// near the end, or not written as briefly as it could be.
#[inline(always)]
fn usual_claim(bytes: &[u8]) -> Option<(ClaimRecord, usize)> {
    let window: &[u8; WINDOW_BYTES] = bytes.first_chunk()?;
    if window[0] != TAG_CLAIM {
        return None;
    }
    let mut at = 1;
    let claim = ClaimRecord {
        hunt: HuntNumber::new(number(window, &mut at)?),
        round: RoundNumber::new(u64::from(number(window, &mut at)?)),
        tile: TileIndex::new(number(window, &mut at)?),
        player: PlayerNumber::new(number(window, &mut at)?),
        points: number(window, &mut at)?,
    };
    Some((claim, at))
}

#[inline(always)]
fn number(window: &[u8; WINDOW_BYTES], at: &mut usize) -> Option<u32> {
    let mut value = 0;
    for place in 0..NUMBER_BYTES_MAX {
        let byte = window[*at % WINDOW_BYTES];
        *at += 1;
        // Of the last byte only four bits have room.
        if place == NUMBER_BYTES_MAX - 1 && byte > 0x0f {
            return None;
        }
        value |= u32::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{BatchBuilder, Epoch, HEADER_BYTES, Salt, ShardId, Tail, TimeMicros};

    #[derive(Default)]
    struct Collected<'a>(Vec<(Sequence, Record<'a>)>);

    impl<'a> RecordSink<'a> for Collected<'a> {
        fn claim(&mut self, sequence: Sequence, claim: ClaimRecord) {
            self.0.push((sequence, Record::Claim(claim)));
        }

        fn other(&mut self, sequence: Sequence, record: Record<'a>) {
            assert!(!matches!(record, Record::Claim(_)));
            self.0.push((sequence, record));
        }
    }

    fn check(batch: &Batch) {
        let mut found = Collected::default();
        let result = batch.scan(&mut found);
        let mut expected = Vec::new();
        let mut fault = Ok(());
        for item in batch.records() {
            match item {
                Ok(item) => expected.push(item),
                Err(error) => fault = Err(error),
            }
        }
        assert_eq!((result, found.0), (fault, expected));
    }

    fn any_record() -> impl Strategy<Value = Option<ClaimRecord>> {
        let number =
            || (0..=u32::BITS, any::<u32>()).prop_map(|(bits, n)| n.checked_shr(bits).unwrap_or(0));
        let round = (0..u64::BITS, any::<u64>()).prop_map(|(bits, n)| n >> bits);
        let claim = (number(), round, number(), number(), number());
        let claim = claim.prop_map(|(hunt, round, tile, player, points)| ClaimRecord {
            hunt: HuntNumber::new(hunt),
            round: RoundNumber::new(round),
            tile: TileIndex::new(tile),
            player: PlayerNumber::new(player),
            points,
        });
        prop_oneof![9 => claim.prop_map(Some), 1 => Just(None)]
    }

    proptest! {
        #[test]
        fn a_scan_finds_what_reading_finds(
            records in prop::collection::vec(any_record(), 1..60),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        ) {
            let mut builder = BatchBuilder::new();
            for (number, record) in (0..).zip(&records) {
                match record {
                    Some(claim) => builder.push(&Record::Claim(*claim)),
                    None if number % 2 == 0 => builder.push(&Record::Time),
                    None => builder.push_player(PlayerNumber::new(number), "ada", Salt([1; 16])),
                }
            }
            let (shard, tail) = (ShardId::new(0), Tail::default());
            let batch = builder.finish(shard, Epoch::new(1), &tail, TimeMicros::ZERO, Sequence::ZERO);
            check(&batch);
            let mut bytes = batch.bytes().to_vec();
            let body = batch.header().body();
            for (at, value) in changes {
                bytes[HEADER_BYTES + at.index(body.len())] = value;
            }
            let crc = crc32c::crc32c(&bytes[body]);
            bytes[84..88].copy_from_slice(&crc.to_le_bytes());
            let crc = crc32c::crc32c(&bytes[..92]);
            bytes[92..96].copy_from_slice(&crc.to_le_bytes());
            check(&Batch::decode(bytes.into()).expect("checksums mended"));
        }
    }
}
