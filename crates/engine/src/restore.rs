//! Making an arbiter again from a snapshot and the increments that it needs.
//!
//! Trusts nothing that it reads: whatever is not a state that an arbiter can be in is an
//! error. That the snapshot belongs to the log shows when the log's next batch is folded.

use std::collections::VecDeque;
use std::io::Read;

use huntcore_model::{
    Catalog, EventDigest, Hash32, HuntNumber, PlayerId, PlayerNumber, RoundNumber, Sequence,
    ShardId, SnapshotError, SnapshotReader, Tail, TileIndex, TimeMicros,
};

use crate::answers::ClosedRound;
use crate::arbiter::Arbiter;
use crate::chunks::CHUNK_ITEMS;
use crate::claims::{Held, Known, OpenClaims, Row, TILES_MAX};
use crate::closings::Closings;
use crate::corrections::Corrections;
use crate::events::{Bucket, EventSpan, SealedEvents};
use crate::exchange::ClosedOrdinal;
use crate::identity::{EventFact, EventKey, EventSeen};
use crate::limits::EngineLimits;
use crate::open_rounds::OpenRound;
use crate::players::Players;
use crate::snapshot::{ANSWERS_MAGIC, ARBITER_MAGIC, ARBITER_VERSION, ARBITER_VERSION_MIN, Kept};

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
    /// A round that an increment holds as closed and the snapshot as open.
    #[error("round {round} of hunt number {} stands in an increment as closed, and is open", hunt.get())]
    StillOpen {
        /// Its hunt.
        hunt: HuntNumber,
        /// The round.
        round: RoundNumber,
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

/// An arbiter on its way back: a snapshot that was read, and nothing of what had closed.
///
/// In pieces, so that increments can be read beside each other, and beside the players' table
/// being filled: [`Self::scope`] is all that reading one needs.
#[derive(Debug)]
pub struct Restoring {
    arbiter: Arbiter,
    rounds_kept: Kept,
    buckets_kept: Kept,
}

/// What a snapshot says of the increments that it needs.
#[derive(Clone, Copy, Debug)]
pub struct IncrementScope {
    shard: ShardId,
    known: Known,
}

/// What had closed within a stretch of a shard's life.
#[derive(Debug)]
pub struct Increment {
    rounds: Vec<ClosedRound>,
    buckets: Vec<SealedEvents>,
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
        let mut restoring = Restoring::read(limits, secret, base)?;
        restoring.index_players();
        let scope = restoring.scope();
        let increments = answers.into_iter().map(|input| scope.read(input));
        restoring.finish(increments.collect::<Result<Vec<_>, _>>()?)
    }
}

impl Restoring {
    /// Reads a snapshot without what had closed. See [`Arbiter::restore`].
    pub fn read<B: Read>(
        limits: EngineLimits,
        secret: [u8; 32],
        base: B,
    ) -> Result<Self, RestoreError> {
        let versions = ARBITER_VERSION_MIN..=ARBITER_VERSION;
        let mut input = SnapshotReader::of_versions(base, ARBITER_MAGIC, versions)?;
        let shard = read_shard(&mut input)?;
        let mut arbiter = Arbiter::new(shard, limits, secret);
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
        read_players(&mut arbiter.players, &mut input)?;
        arbiter.read_open_rounds(&mut input)?;
        arbiter.watch_all();
        // Whatever closes has a record at least.
        let closed_max = arbiter.tail.sequence.get();
        arbiter.closed_next = ClosedOrdinal::new(input.number_up_to(closed_max, "next closed")?);
        let rounds_kept = read_kept(&mut input)?;
        let buckets_kept = read_kept(&mut input)?;
        let known = arbiter.known();
        let bucket = match input.number_up_to(1, "whether there are events")? {
            0 => None,
            _ => Some(read_events(&known, &mut input)?),
        };
        let mut sealed_to = match &bucket {
            Some(bucket) => bucket.first(),
            None => known.sequence_end,
        };
        let mut elsewhere = VecDeque::new();
        if input.version() >= 3 {
            sealed_to = read_sequence(&known, "start of the newest events", &mut input)?;
            for _ in 0..input.number("number of stretches elsewhere")? {
                elsewhere.push_back(read_span(&known, &mut input)?);
            }
        }
        arbiter.events.keep_open(bucket, sealed_to, elsewhere);
        if input.version() >= 3 {
            let (known, hunts) = (arbiter.known(), arbiter.catalog.hunts().len());
            arbiter.corrections = Corrections::read(&known, hunts, &mut input)?;
            arbiter.closings = Closings::read(&known, hunts, &mut input)?;
        }
        input.finish()?;
        Ok(Self {
            arbiter,
            rounds_kept,
            buckets_kept,
        })
    }

    /// What it takes to read the increments.
    #[must_use]
    pub fn scope(&self) -> IncrementScope {
        IncrementScope {
            shard: self.arbiter.shard,
            known: self.arbiter.known(),
        }
    }

    /// Makes the players be found by their ids; without it they never are.
    pub fn index_players(&mut self) {
        self.arbiter.players.index();
    }

    /// Takes from the increments, in their order, what the snapshot remembers.
    pub fn finish(
        mut self,
        increments: impl IntoIterator<Item = Increment>,
    ) -> Result<Arbiter, RestoreError> {
        for increment in increments {
            for round in increment.rounds {
                let newest = self.arbiter.answers.newest();
                if !self.is_wanted(round.ordinal, self.rounds_kept, newest) {
                    continue;
                }
                if self.arbiter.open.find(round.key).is_some() {
                    let (hunt, round) = round.key;
                    return Err(RestoreError::StillOpen { hunt, round });
                }
                self.arbiter.answers.keep(round);
            }
            for sealed in increment.buckets {
                let newest = self.arbiter.events.newest_sealed();
                if self.is_wanted(sealed.ordinal, self.buckets_kept, newest) {
                    self.arbiter.events.keep(sealed);
                }
            }
        }
        let found = [self.arbiter.answers.extent(), self.arbiter.events.extent()];
        let kept = [
            (self.rounds_kept, "rounds"),
            (self.buckets_kept, "stretches of events"),
        ];
        for ((kept, what), (oldest, count)) in kept.into_iter().zip(found) {
            if (kept.oldest, kept.count) != (oldest, count) {
                return Err(RestoreError::Answers {
                    shard: self.arbiter.shard,
                    what,
                    expected: kept.count,
                    found: count,
                });
            }
        }
        Ok(self.arbiter)
    }

    /// Whether something that has closed is remembered, and not there yet.
    fn is_wanted(&self, ordinal: ClosedOrdinal, kept: Kept, newest: Option<ClosedOrdinal>) -> bool {
        let remembered = kept.oldest.is_some_and(|oldest| oldest <= ordinal);
        remembered && ordinal < self.arbiter.closed_next && newest < Some(ordinal)
    }
}

impl IncrementScope {
    /// Reads one increment.
    pub fn read<R: Read>(&self, increment: R) -> Result<Increment, RestoreError> {
        let versions = ARBITER_VERSION_MIN..=ARBITER_VERSION;
        let mut input = SnapshotReader::of_versions(increment, ANSWERS_MAGIC, versions)?;
        let found = read_shard(&mut input)?;
        if found != self.shard {
            return Err(RestoreError::Shard {
                expected: self.shard,
                found,
            });
        }
        let mut rounds = Vec::new();
        for _ in 0..input.number("number of closed rounds")? {
            let ordinal = ClosedOrdinal::new(input.number("round's ordinal")?);
            let hunt = HuntNumber::new(input.number_u32("hunt")?);
            let round = RoundNumber::new(input.number("round")?);
            let closed_at = TimeMicros::new(input.number("round's closing")?);
            let tiles = read_tiles(&mut input)?;
            let claims = read_claims(tiles, &self.known, &mut input)?;
            if claims.len() == 0 {
                return Err(input.invalid("closed round", "it has no claims").into());
            }
            rounds.push(ClosedRound {
                ordinal,
                key: (hunt, round),
                closed_at,
                tiles,
                claims: claims.sealed(),
            });
        }
        let mut buckets = Vec::new();
        for _ in 0..input.number("number of stretches of events")? {
            let ordinal = ClosedOrdinal::new(input.number("ordinal of events")?);
            let bucket = read_events(&self.known, &mut input)?;
            if bucket.len() == 0 {
                return Err(input.invalid("events", "there are none").into());
            }
            // Earlier formats do not say from where on and up to where these are all.
            let mut span = EventSpan {
                first: bucket.first(),
                end: bucket.end(),
                newest: bucket.ends_at,
            };
            let mut chain = Hash32::ZERO;
            if input.version() >= 3 {
                span = read_span(&self.known, &mut input)?;
                chain = Hash32::new(input.array()?);
            }
            buckets.push(SealedEvents {
                ordinal,
                span,
                chain,
                bucket,
            });
        }
        input.finish()?;
        Ok(Increment { rounds, buckets })
    }
}

impl Arbiter {
    fn known(&self) -> Known {
        Known {
            players: u32::try_from(self.players.count()).expect("limited to fewer than 2^32"),
            sequence_end: self.tail.sequence,
        }
    }

    fn read_open_rounds<R: Read>(
        &mut self,
        input: &mut SnapshotReader<R>,
    ) -> Result<(), SnapshotError> {
        for _ in 0..input.number("number of open rounds")? {
            let hunt = HuntNumber::new(input.number_u32("hunt")?);
            let round = RoundNumber::new(input.number("round")?);
            let key = (hunt, round);
            let entry = self.catalog.by_number(hunt);
            let Some(entry) = entry.filter(|_| self.open.find(key).is_none()) else {
                return Err(input.invalid("open round", "no such hunt, or it stands here twice"));
            };
            let opens_at = TimeMicros::new(input.number("round's opening")?);
            let closes_at = TimeMicros::new(input.number("round's closing")?);
            let tiles = read_tiles(input)?;
            let kept_expired = input.number_up_to(1, "whether it stays expired")? == 1;
            let time = self.tail.time;
            if closes_at <= time {
                return Err(input.invalid("open round", "it has closed"));
            }
            // The first format's rounds stayed open when their hunts closed.
            let over_at = entry.closed_at.map_or(closes_at, |_| time);
            let claims = read_claims(tiles, &self.known(), input)?;
            self.open.add(OpenRound {
                key,
                opens_at,
                closes_at,
                over_at,
                tiles,
                kept_expired,
                points: None,
                claims,
            });
        }
        Ok(())
    }
}

fn read_players<R: Read>(
    players: &mut Players,
    input: &mut SnapshotReader<R>,
) -> Result<(), SnapshotError> {
    let count = input.number_u32("number of players")?;
    if input.version() < 2 {
        let mut id = Vec::new();
        for _ in 0..count {
            id.clear();
            input.bytes_onto(&mut id, PlayerId::BYTES_MAX, "player id")?;
            let text = std::str::from_utf8(&id);
            let text = text.map_err(|error| input.invalid("player id", &error.to_string()))?;
            players.append((!text.is_empty()).then_some(text));
        }
        return Ok(());
    }
    let mut lengths = Vec::new();
    let mut left = count as usize;
    while left > 0 {
        lengths.resize(left.min(CHUNK_ITEMS), 0);
        left -= lengths.len();
        input.raw(&mut lengths)?;
        let bytes = lengths.iter().map(|&length| usize::from(length)).sum();
        let mut ids = vec![0; bytes];
        input.raw(&mut ids)?;
        if !players.append_all(&lengths, ids) {
            return Err(input.invalid("player ids", "they are no ids"));
        }
    }
    Ok(())
}

fn read_tiles<R: Read>(input: &mut SnapshotReader<R>) -> Result<u32, SnapshotError> {
    let tiles = input.number_up_to(u64::from(TILES_MAX), "round's tiles")?;
    Ok(u32::try_from(tiles).expect("checked"))
}

fn read_claims<R: Read>(
    tiles: u32,
    known: &Known,
    input: &mut SnapshotReader<R>,
) -> Result<OpenClaims, SnapshotError> {
    if input.version() < 2 {
        return read_claims_of_version_1(tiles, known, input);
    }
    let count = input.number_up_to(u64::from(tiles), "number of claims")?;
    let first = Sequence::new(input.number("first claim's sequence")?);
    let mut left = usize::try_from(count).expect("at most as many as tiles");
    if left == 0 {
        return Ok(OpenClaims::default());
    }
    let mut claims = OpenClaims::stored(first, tiles);
    let mut bytes = Vec::new();
    while left > 0 {
        let rows = left.min(CHUNK_ITEMS);
        left -= rows;
        bytes.resize(rows * size_of::<Row>(), 0);
        input.raw(&mut bytes)?;
        let (rows, _) = bytes.as_chunks();
        if !claims.append(rows, known) {
            return Err(input.invalid("claim", "it is not one that a round can have"));
        }
    }
    Ok(claims)
}

fn read_claims_of_version_1<R: Read>(
    tiles: u32,
    known: &Known,
    input: &mut SnapshotReader<R>,
) -> Result<OpenClaims, SnapshotError> {
    let mut claims = OpenClaims::default();
    let mut sequence = 0_u64;
    for index in 0..input.number_up_to(u64::from(tiles), "number of claims")? {
        let distance = input.number("claim's sequence")?;
        let reached = sequence.checked_add(distance);
        let reached = reached.filter(|&sequence| sequence < known.sequence_end.get());
        sequence = reached.ok_or_else(|| input.invalid("claim", "it is not in the log yet"))?;
        let held = Held {
            sequence: Sequence::new(sequence),
            tile: TileIndex::new(input.number_u32("claim's tile")?),
            player: PlayerNumber::new(input.number_u32("claim's player")?),
            points: input.number_u32("claim's points")?,
        };
        let in_order = index == 0 || distance > 0;
        let is_known = held.player.get() < known.players && held.tile.get() < tiles;
        if !in_order || !is_known || claims.place(held.tile) != 0 || !claims.insert(tiles, &held) {
            return Err(input.invalid("claim", "it is not one that a round can have"));
        }
    }
    Ok(claims)
}

fn read_events<R: Read>(
    known: &Known,
    input: &mut SnapshotReader<R>,
) -> Result<Bucket, SnapshotError> {
    let starts_at = TimeMicros::new(input.number("start of events")?);
    let ends_at = TimeMicros::new(input.number("end of events")?);
    let mut bucket = Bucket::new(starts_at, ends_at);
    let mut sequence = 0_u64;
    for _ in 0..input.number_u32("number of events")? {
        let reached = sequence.checked_add(input.number("event's sequence")?);
        let reached = reached.filter(|&sequence| sequence < known.sequence_end.get());
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

fn read_sequence<R: Read>(
    known: &Known,
    field: &'static str,
    input: &mut SnapshotReader<R>,
) -> Result<Sequence, SnapshotError> {
    let sequence = input.number_up_to(known.sequence_end.get(), field)?;
    Ok(Sequence::new(sequence))
}

fn read_span<R: Read>(
    known: &Known,
    input: &mut SnapshotReader<R>,
) -> Result<EventSpan, SnapshotError> {
    let span = EventSpan {
        first: read_sequence(known, "start of a stretch", input)?,
        end: read_sequence(known, "end of a stretch", input)?,
        newest: TimeMicros::new(input.number("time of a stretch")?),
    };
    if span.first < span.end {
        Ok(span)
    } else {
        Err(input.invalid("stretch of events", "it ends before it begins"))
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
