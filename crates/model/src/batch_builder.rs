//! Making batches: records are pushed, and at the end they become one.

use std::sync::Arc;

use crate::batch::chain_after;
use crate::codec::encode_number;
use crate::{
    BATCH_BYTES_MAX, Batch, BatchHeader, ClaimRecord, Epoch, HEADER_BYTES, HuntNumber,
    PlayerNumber, PlayerRecord, Record, RoundNumber, Salt, Sequence, ShardId, Tail, TimeMicros,
};

/// Makes batches one after another, reusing its buffers.
#[derive(Debug)]
pub struct BatchBuilder {
    // The header's place, then the body.
    bytes: Vec<u8>,
    personal: Vec<u8>,
    count: u32,
    claim_start: ClaimStart,
}

/// What claims on one round all start with; claims come in runs.
#[derive(Debug)]
struct ClaimStart {
    hunt: HuntNumber,
    round: RoundNumber,
    bytes: [u8; 16],
    length: usize,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchBuilder {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: vec![0; HEADER_BYTES],
            personal: Vec::new(),
            count: 0,
            claim_start: ClaimStart::new(HuntNumber::default(), RoundNumber::default()),
        }
    }

    /// How many records wait for [`Self::finish`].
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Whether nothing has been pushed since the last batch.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Length that the batch would have now. Keep it below [`BATCH_BYTES_MAX`].
    #[must_use]
    pub const fn batch_bytes(&self) -> usize {
        self.bytes.len() + self.personal.len()
    }

    /// Appends a record other than a player's.
    ///
    /// # Panics
    /// On a `player` record: use [`Self::push_player`], which salts it.
    pub fn push(&mut self, record: &Record<'_>) {
        assert!(
            !matches!(record, Record::Player(_)),
            "a player record needs its salt"
        );
        record.write(Salt([0; 16]), &mut self.bytes, &mut self.personal);
        self.count += 1;
    }

    /// Appends a claim: the same as [`Self::push`] of its record, for when there are millions.
    #[inline]
    pub fn push_claim(&mut self, claim: &ClaimRecord) {
        if (self.claim_start.hunt, self.claim_start.round) != (claim.hunt, claim.round) {
            self.claim_start = ClaimStart::new(claim.hunt, claim.round);
        }
        // Copies of a fixed length cost a few instructions, those of any length a call.
        let mut record = [0; 48];
        record[..16].copy_from_slice(&self.claim_start.bytes);
        let mut length = self.claim_start.length;
        for number in [claim.tile.get(), claim.player.get(), claim.points] {
            let (bytes, number_bytes) = encode_number(u64::from(number));
            record[length..length + 8].copy_from_slice(&bytes[..8]);
            length += number_bytes;
        }
        let end = self.bytes.len() + length;
        self.bytes.extend_from_slice(&record);
        self.bytes.truncate(end);
        self.count += 1;
    }

    /// Appends a `player` record; the salt must not be guessable, nor all zero.
    pub fn push_player(&mut self, number: PlayerNumber, id: &str, salt: Salt) {
        let fingerprint = PlayerRecord::fingerprint(salt, number, id);
        let record = Record::Player(PlayerRecord {
            number,
            fingerprint,
            id: Some(id),
        });
        record.write(salt, &mut self.bytes, &mut self.personal);
        self.count += 1;
    }

    /// Makes the batch that follows `tail` and leaves the builder empty.
    ///
    /// # Panics
    /// If nothing was pushed, or more than [`BATCH_BYTES_MAX`] bytes, or `time` is before
    /// the tail's: the caller broke its word.
    pub fn finish(
        &mut self,
        shard: ShardId,
        epoch: Epoch,
        tail: &Tail,
        time: TimeMicros,
        durable: Sequence,
    ) -> Batch {
        assert!(self.count > 0, "a batch holds at least one record");
        assert!(
            self.batch_bytes() <= BATCH_BYTES_MAX,
            "batch over its limit"
        );
        assert!(time >= tail.time, "a stream's time never goes back");
        let length = |bytes: usize| u32::try_from(bytes).expect("below the limit");
        let body_bytes = self.bytes.len() - HEADER_BYTES;
        let header = BatchHeader {
            shard,
            epoch,
            first_sequence: tail.sequence,
            time,
            durable,
            count: self.count,
            previous_chain: tail.chain,
            body_bytes: length(body_bytes),
            personal_bytes: length(self.personal.len()),
            body_crc: crc32c::crc32c(&self.bytes[HEADER_BYTES..]),
            personal_crc: crc32c::crc32c(&self.personal),
        };
        self.bytes[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
        self.bytes.append(&mut self.personal);
        let batch = Batch {
            chain: chain_after(&self.bytes, header.body()),
            bytes: Arc::from(self.bytes.as_slice()),
            header,
        };
        self.bytes.truncate(HEADER_BYTES);
        self.count = 0;
        batch
    }
}

impl ClaimStart {
    fn new(hunt: HuntNumber, round: RoundNumber) -> Self {
        let mut start = Vec::with_capacity(16);
        ClaimRecord::write_start(hunt, round, &mut start);
        let mut bytes = [0; 16];
        bytes[..start.len()].copy_from_slice(&start);
        Self {
            hunt,
            round,
            bytes,
            length: start.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{PlayerNumber, TileIndex};

    proptest! {
        #[test]
        fn a_claim_is_written_alike_alone_and_among_many(
            rows in proptest::collection::vec((0..3_u32, any::<u64>(), any::<u32>(), any::<u32>(), any::<u32>()), 1..20),
            shift in 0..40_u32,
        ) {
            let (mut one, mut many) = (BatchBuilder::new(), BatchBuilder::new());
            for (hunt, round, tile, player, points) in rows {
                let claim = ClaimRecord {
                    hunt: HuntNumber::new(hunt),
                    round: RoundNumber::new(round >> shift),
                    tile: TileIndex::new(tile >> (shift % 32)),
                    player: PlayerNumber::new(player >> (shift % 32)),
                    points,
                };
                one.push(&Record::Claim(claim));
                many.push_claim(&claim);
            }
            prop_assert_eq!(one.bytes, many.bytes);
            prop_assert_eq!(one.count, many.count);
        }

        #[test]
        fn garbage_behind_a_good_header_never_panics(body: Vec<u8>, personal: Vec<u8>, count in 1_u32..20) {
            let mut builder = BatchBuilder::new();
            builder.bytes.extend_from_slice(&body);
            builder.personal = personal;
            builder.count = count;
            let batch = builder.finish(
                ShardId::new(0),
                Epoch::new(1),
                &Tail::default(),
                TimeMicros::ZERO,
                Sequence::ZERO,
            );
            let read = batch.records().filter(Result::is_ok).count();
            prop_assert!(read <= 20);
        }
    }
}
