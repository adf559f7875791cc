//! Making an arbiter again from a snapshot and the increments that it needs.
//!
//! Trusts nothing that it reads: whatever is not a state that an arbiter can be in is an
//! error. That the snapshot belongs to the log shows when the log's next batch is folded.

use std::io::Read;

use huntcore_model::{
    Catalog, EventDigest, Hash32, HuntNumber, PlayerId, PlayerNumber, RoundNumber, Sequence,
    ShardId, SnapshotError, SnapshotReader, Tail, TileIndex, TimeMicros,
};

use crate::answers::ClosedRound;
use crate::arbiter::Arbiter;
use crate::claims::{Held, OpenClaims, TILES_MAX};
use crate::events::{Bucket, EventFact, EventKey, EventSeen};
use crate::exchange::ClosedOrdinal;
use crate::limits::EngineLimits;
use crate::open_rounds::OpenRound;
use crate::snapshot::{ANSWERS_MAGIC, ARBITER_MAGIC, ARBITER_VERSION, Kept};

/// Why an arbiter cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A snapshot or an increment cannot be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The increments are not those that the snapshot needs.
    #[error(
        "snapshot of shard {shard} remembers {expected} closed {what}, its increments hold {found} \
         of them"
    )]
    Answers {
        /// Whose snapshot it is.
        shard: ShardId,
        /// Of what.
        what: &'static str,
        /// How many it needs.
        expected: usize,
        /// How many were found.
        found: usize,
    },
    /// An increment of another shard.
    #[error("an increment belongs to shard {found}, the snapshot to shard {expected}")]
    Shard {
        /// The snapshot's.
        expected: ShardId,
        /// The increment's.
        found: ShardId,
    },
}

impl Arbiter {
    /// Makes the arbiter whose snapshot `base` is; `answers` are the increments written since
    /// [`ArbiterSnapshot::closed_kept_from`](crate::ArbiterSnapshot::closed_kept_from), in
    /// order. Fold the log from its [`tail`](Self::tail) on before its term begins.
    ///
    /// Nothing that a snapshot holds is left out because a limit is lower now. Answers that
    /// are past their time go with the next batch, as always.
    pub fn restore<B: Read, A: Read>(
        limits: EngineLimits,
        secret: [u8; 32],
        base: B,
        answers: impl IntoIterator<Item = A>,
    ) -> Result<Self, RestoreError> {
        let mut input = SnapshotReader::new(base, ARBITER_MAGIC, ARBITER_VERSION)?;
        let shard = read_shard(&mut input)?;
        let mut arbiter = Self::new(shard, limits, secret);
        arbiter.tail = read_tail(&mut input)?;
        arbiter.now = arbiter.tail.time;
        arbiter.catalog = Catalog::read(&mut input)?;
        for _ in 0..input.number("number of runs of expired rounds")? {
            let hunt = HuntNumber::new(input.number_u32("hunt")?);
            let first = RoundNumber::new(input.number("first expired round")?);
            let last = RoundNumber::new(input.number("last expired round")?);
            if arbiter.catalog.by_number(hunt).is_none() || last < first {
                return Err(input
                    .invalid("expired rounds", "no such hunt or run")
                    .into());
            }
            arbiter.kept_expired.keep(hunt, first, last);
        }
        arbiter.read_players(&mut input)?;
        arbiter.read_open_rounds(&mut input)?;
        arbiter.watch_all();
        // Whatever closes has a record at least.
        let closed_max = arbiter.tail.sequence.get();
        arbiter.closed_next = ClosedOrdinal::new(input.number_up_to(closed_max, "next closed")?);
        let rounds_kept = read_kept(&mut input)?;
        let buckets_kept = read_kept(&mut input)?;
        if input.number_up_to(1, "whether there are events")? == 1 {
            let bucket = arbiter.read_events(&mut input)?;
            arbiter.events.keep_open(bucket);
        }
        input.finish()?;
        for increment in answers {
            arbiter.read_answers(increment, rounds_kept, buckets_kept)?;
        }
        let found = [arbiter.answers.extent(), arbiter.events.extent()];
        let kept = [
            (rounds_kept, "rounds"),
            (buckets_kept, "stretches of events"),
        ];
        for ((kept, what), (oldest, count)) in kept.into_iter().zip(found) {
            if (kept.oldest, kept.count) != (oldest, count) {
                return Err(RestoreError::Answers {
                    shard,
                    what,
                    expected: kept.count,
                    found: count,
                });
            }
        }
        Ok(arbiter)
    }

    fn read_players<R: Read>(
        &mut self,
        input: &mut SnapshotReader<R>,
    ) -> Result<(), SnapshotError> {
        let count = input.number_u32("number of players")?;
        let mut id = Vec::new();
        for _ in 0..count {
            id.clear();
            input.bytes_onto(&mut id, PlayerId::BYTES_MAX, "player id")?;
            let text = std::str::from_utf8(&id);
            let text = text.map_err(|error| input.invalid("player id", &error.to_string()))?;
            self.players.append((!text.is_empty()).then_some(text));
        }
        self.players.index();
        Ok(())
    }

    fn read_open_rounds<R: Read>(
        &mut self,
        input: &mut SnapshotReader<R>,
    ) -> Result<(), SnapshotError> {
        for _ in 0..input.number("number of open rounds")? {
            let hunt = HuntNumber::new(input.number_u32("hunt")?);
            let round = RoundNumber::new(input.number("round")?);
            let key = (hunt, round);
            if self.catalog.by_number(hunt).is_none() || self.open.find(key).is_some() {
                return Err(input.invalid("open round", "no such hunt, or it stands here twice"));
            }
            let opens_at = TimeMicros::new(input.number("round's opening")?);
            let closes_at = TimeMicros::new(input.number("round's closing")?);
            let tiles = input.number_up_to(u64::from(TILES_MAX), "round's tiles")?;
            let tiles = u32::try_from(tiles).expect("checked");
            let kept_expired = input.number_up_to(1, "whether it stays expired")? == 1;
            if closes_at <= self.tail.time {
                return Err(input.invalid("open round", "it has closed"));
            }
            self.open.add(OpenRound {
                key,
                opens_at,
                closes_at,
                tiles,
                kept_expired,
                points: None,
                claims: self.read_claims(tiles, input)?,
            });
        }
        Ok(())
    }

    fn read_claims<R: Read>(
        &self,
        tiles: u32,
        input: &mut SnapshotReader<R>,
    ) -> Result<OpenClaims, SnapshotError> {
        let players = self.players.count() as u64;
        let mut claims = OpenClaims::default();
        let mut sequence = 0_u64;
        for index in 0..input.number_up_to(u64::from(tiles), "number of claims")? {
            let distance = input.number("claim's sequence")?;
            let reached = sequence.checked_add(distance);
            let reached = reached.filter(|&sequence| sequence < self.tail.sequence.get());
            sequence = reached.ok_or_else(|| input.invalid("claim", "it is not in the log yet"))?;
            let held = Held {
                sequence: Sequence::new(sequence),
                tile: TileIndex::new(input.number_u32("claim's tile")?),
                player: PlayerNumber::new(input.number_u32("claim's player")?),
                points: input.number_u32("claim's points")?,
            };
            let in_order = index == 0 || distance > 0;
            let known = u64::from(held.player.get()) < players && held.tile.get() < tiles;
            if !in_order || !known || claims.place(held.tile) != 0 || !claims.insert(tiles, &held) {
                return Err(input.invalid("claim", "it is not one that a round can have"));
            }
        }
        Ok(claims)
    }

    fn read_events<R: Read>(&self, input: &mut SnapshotReader<R>) -> Result<Bucket, SnapshotError> {
        let starts_at = TimeMicros::new(input.number("start of events")?);
        let ends_at = TimeMicros::new(input.number("end of events")?);
        let mut bucket = Bucket::new(starts_at, ends_at);
        let mut sequence = 0_u64;
        for _ in 0..input.number_u32("number of events")? {
            let reached = sequence.checked_add(input.number("event's sequence")?);
            let reached = reached.filter(|&sequence| sequence < self.tail.sequence.get());
            sequence = reached.ok_or_else(|| input.invalid("event", "it is not in the log yet"))?;
            bucket.push(EventFact {
                key: EventKey(input.array()?),
                seen: EventSeen {
                    digest: EventDigest(input.array()?),
                    sequence: Sequence::new(sequence),
                },
            });
        }
        Ok(bucket)
    }

    /// Takes from an increment what the snapshot remembers.
    fn read_answers<R: Read>(
        &mut self,
        increment: R,
        rounds_kept: Kept,
        buckets_kept: Kept,
    ) -> Result<(), RestoreError> {
        let mut input = SnapshotReader::new(increment, ANSWERS_MAGIC, ARBITER_VERSION)?;
        let found = read_shard(&mut input)?;
        if found != self.shard {
            return Err(RestoreError::Shard {
                expected: self.shard,
                found,
            });
        }
        for _ in 0..input.number("number of closed rounds")? {
            let ordinal = ClosedOrdinal::new(input.number("round's ordinal")?);
            let hunt = HuntNumber::new(input.number_u32("hunt")?);
            let round = RoundNumber::new(input.number("round")?);
            let closed_at = TimeMicros::new(input.number("round's closing")?);
            let tiles = input.number_up_to(u64::from(TILES_MAX), "round's tiles")?;
            let tiles = u32::try_from(tiles).expect("checked");
            let claims = self.read_claims(tiles, &mut input)?;
            if !self.is_wanted(ordinal, rounds_kept, self.answers.newest()) {
                continue;
            }
            let key = (hunt, round);
            if claims.len() == 0 || self.open.find(key).is_some() {
                let error = input.invalid("closed round", "it has no claims or is still open");
                return Err(error.into());
            }
            self.answers.keep(ClosedRound {
                ordinal,
                key,
                closed_at,
                tiles,
                claims: claims.sealed(),
            });
        }
        for _ in 0..input.number("number of stretches of events")? {
            let ordinal = ClosedOrdinal::new(input.number("ordinal of events")?);
            let bucket = self.read_events(&mut input)?;
            if self.is_wanted(ordinal, buckets_kept, self.events.newest_sealed()) {
                self.events.keep(ordinal, bucket);
            }
        }
        input.finish()?;
        Ok(())
    }

    /// Whether something that has closed is remembered, and not there yet.
    fn is_wanted(&self, ordinal: ClosedOrdinal, kept: Kept, newest: Option<ClosedOrdinal>) -> bool {
        let remembered = kept.oldest.is_some_and(|oldest| oldest <= ordinal);
        remembered && ordinal < self.closed_next && newest < Some(ordinal)
    }
}

pub(crate) fn read_tail<R: Read>(input: &mut SnapshotReader<R>) -> Result<Tail, SnapshotError> {
    Ok(Tail {
        sequence: Sequence::new(input.number("next sequence")?),
        chain: Hash32::new(input.array()?),
        time: TimeMicros::new(input.number("time")?),
    })
}

fn read_shard<R: Read>(input: &mut SnapshotReader<R>) -> Result<ShardId, SnapshotError> {
    let shard = input.number_up_to(u64::from(u16::MAX), "shard")?;
    Ok(ShardId::new(u16::try_from(shard).expect("checked")))
}

fn read_kept<R: Read>(input: &mut SnapshotReader<R>) -> Result<Kept, SnapshotError> {
    let oldest = input.optional("oldest closed")?.map(ClosedOrdinal::new);
    let count = input.number("number of closed")?;
    Ok(Kept {
        oldest,
        count: usize::try_from(count).map_err(|_| input.invalid("number of closed", "too many"))?,
    })
}
