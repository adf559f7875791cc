//! The fold as bytes, and back.
//!
//! A snapshot of the model's making (checked blocks) with the magic "HCLC". Its fields:
//! number of shards; the control stream's next sequence; for each shard its next sequence,
//! its time and its players' ids by number; records left out; hunts, each with its rounds
//! and their claims by tile, its boards and its last corrections.
//!
//! Only what follows from the log is in it, so equal folds give equal bytes, however streams
//! interleaved and ticks were cut (I5). Frames and boards are not: the boards' projection
//! pushes them again, and whoever was connected resumes from the position of the checkpoint
//! on, or gets a snapshot. Limits are configuration and not in it either.

use std::io::{self, Read, Write};
use std::sync::Arc;

use huntcore_model::{
    CORRECTION_REASON_BYTES_MAX, Correction, Hash32, HuntId, HuntNumber, PlayerId, PlayerNumber,
    Position, RoundNumber, RoundOpened, RoundSchedule, Sequence, ShardId, ShardMap, SnapshotError,
    SnapshotReader, SnapshotWriter, TileIndex, TimeMicros,
};
use huntcore_wire::CORRECTIONS_SHOWN;

use crate::corrections::PlacedCorrection;
use crate::hunt::{HuntFold, Latest};
use crate::names::Names;
use crate::round::{Claim, RoundFold};
use crate::{Broadcast, BroadcastLimits};

const MAGIC: [u8; 4] = *b"HCLC";
const FORMAT_VERSION: u16 = 3;
/// From this format on a hunt has boards of its own and corrections.
const WITH_BOARDS: u16 = 3;
/// The first format, with a claim's numbers one after another. Still read.
const FORMAT_VERSION_MIN: u16 = 1;
/// A claim: its tile, its player's number, its points, its shard, each as little-endian bytes.
const CLAIM_BYTES: usize = 14;
/// Claims that are read in one go.
const CLAIMS_AT_ONCE: usize = 4_096;
/// The definitions of a hunt's boards in JSON; those of the log are far shorter.
const BOARDS_BYTES_MAX: usize = 1 << 20;
const VOIDED: u64 = 1;
const DISQUALIFIED: u64 = 2;
const REINSTATED: u64 = 3;
/// The last millisecond that there is in microseconds.
const MILLIS_MAX: u64 = u64::MAX / 1_000;
/// No hunt gets as far, so that the round after any can be named.
const ROUND_MAX: u64 = u64::MAX >> 1;

/// Why bytes are not a checkpoint of this broadcast.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The bytes cannot be read, or are not those that were written, or are impossible.
    #[error("broadcast cannot be restored")]
    Snapshot(#[from] SnapshotError),
    /// It was taken with another number of shards.
    #[error("checkpoint of broadcast is of {found} shards, but there are {expected}")]
    Shards {
        /// The checkpoint's.
        found: u64,
        /// The deployment's.
        expected: u16,
    },
}

impl Broadcast {
    /// Writes everything that was folded as bytes that [`Self::restore`] takes.
    ///
    /// Equal folds give equal bytes. Takes time in proportion to what is held: let another
    /// thread do it on a clone, which costs little. Writes in pieces of 64 KiB.
    pub fn checkpoint(&self, out: &mut impl Write) -> io::Result<()> {
        let mut out = SnapshotWriter::new(out, MAGIC, FORMAT_VERSION)?;
        out.number(u64::from(self.shards.count()))?;
        out.number(self.position.next(ShardId::CONTROL).get())?;
        let streams = self.shards.shards().zip(&self.times).zip(&self.names);
        for ((shard, time), names) in streams {
            out.number(self.position.next(shard).get())?;
            out.number(time.get())?;
            out.number(names.len() as u64)?;
            for id in names.iter() {
                out.bytes(id.unwrap_or_default().as_bytes())?;
            }
        }
        out.number(self.records_left_out)?;
        out.number(self.hunts.len() as u64)?;
        for (number, hunt) in &self.hunts {
            out.number(u64::from(number.get()))?;
            write_hunt(&mut out, &hunt.fold)?;
        }
        out.finish()?;
        Ok(())
    }

    /// A broadcast that goes on where the checkpoint was taken and ends with the same, in
    /// what clients know, as if it had folded the log from its start.
    ///
    /// It has a feed for each hunt at once, in which those can resume who have seen at least
    /// what the checkpoint holds. Reads to the checkpoint's end and no further.
    pub fn restore(
        shards: ShardMap,
        limits: BroadcastLimits,
        input: &mut impl Read,
    ) -> Result<Self, RestoreError> {
        let versions = FORMAT_VERSION_MIN..=FORMAT_VERSION;
        let mut input = SnapshotReader::of_versions(input, MAGIC, versions)?;
        let mut broadcast = Self::new(shards, limits);
        let found = input.number("number of shards")?;
        if found != u64::from(shards.count()) {
            return Err(RestoreError::Shards {
                found,
                expected: shards.count(),
            });
        }
        read_position(&mut input, &mut broadcast.position, ShardId::CONTROL)?;
        for (index, shard) in shards.shards().enumerate() {
            read_position(&mut input, &mut broadcast.position, shard)?;
            broadcast.times[index] = TimeMicros::new(input.number("time")?);
            broadcast.names[index] = read_names(&mut input)?;
        }
        broadcast.time = broadcast.times.iter().copied().min().unwrap_or_default();
        broadcast.records_left_out = input.number("records left out")?;
        let mut least = 0;
        for _ in 0..input.number("number of hunts")? {
            let number = input.number_u32("hunt")?;
            if number < least {
                return Err(input.invalid("hunt", "it is out of order").into());
            }
            least = number.saturating_add(1);
            let number = HuntNumber::new(number);
            let fold = read_hunt(&mut input, number, shards)?;
            // Fewer may have a feed now than when it was written.
            if (number.get() as usize) < limits.hunts {
                broadcast.hunts.entry(number).or_default().fold = fold;
            }
        }
        input.finish()?;
        broadcast.cut_tick(broadcast.time);
        Ok(broadcast)
    }
}

fn write_hunt(out: &mut SnapshotWriter<impl Write>, hunt: &HuntFold) -> io::Result<()> {
    let id = hunt.id.as_ref().map_or("", HuntId::as_str);
    out.bytes(id.as_bytes())?;
    out.number(hunt.starts_at.get())?;
    out.optional(hunt.ends_at.at.map(Sequence::get))?;
    out.optional(hunt.ends_at.value.map(TimeMicros::get))?;
    out.optional(hunt.paused.at.map(Sequence::get))?;
    out.number(u64::from(hunt.paused.value))?;
    out.number(u64::from(hunt.closed))?;
    out.number(hunt.floor.get())?;
    out.number(hunt.newest.get())?;
    out.number(hunt.oldest.get())?;
    // Those before the oldest have no effect any more, and whether they were ever noted
    // depends on how streams interleaved.
    let closed_shown = || hunt.closed_shown.range(hunt.oldest..);
    out.number(closed_shown().count() as u64)?;
    for round in closed_shown() {
        out.number(round.get())?;
    }
    out.number(hunt.rounds.len() as u64)?;
    for (number, round) in &hunt.rounds {
        out.number(number.get())?;
        write_round(out, round)?;
    }
    out.optional(hunt.boards.at.map(Sequence::get))?;
    let boards = serde_json::to_vec(&hunt.boards.value).expect("definitions are plain data");
    out.bytes(&boards)?;
    let corrections = hunt.corrections.iter();
    out.number(corrections.len() as u64)?;
    for correction in corrections {
        write_correction(out, correction)?;
    }
    Ok(())
}

fn write_correction(
    out: &mut SnapshotWriter<impl Write>,
    correction: &PlacedCorrection,
) -> io::Result<()> {
    out.number(u64::from(correction.shard.get()))?;
    out.number(correction.sequence.get())?;
    out.number(correction.time.millis())?;
    out.number(u64::from(correction.player.get()))?;
    match correction.what {
        Correction::ClaimVoided {
            round,
            tile,
            points,
            claimed,
        } => {
            out.number(VOIDED)?;
            out.number(round.get())?;
            out.number(u64::from(tile.get()))?;
            out.number(u64::from(points))?;
            out.number(claimed.get())?;
        }
        Correction::Disqualified => out.number(DISQUALIFIED)?,
        Correction::Reinstated => out.number(REINSTATED)?,
    }
    out.bytes(correction.reason.as_bytes())
}

fn write_round(out: &mut SnapshotWriter<impl Write>, round: &RoundFold) -> io::Result<()> {
    out.number(u64::from(round.opened.is_some()))?;
    if let Some(opened) = &round.opened {
        out.number(u64::from(opened.config_version))?;
        for hash in [&opened.map, &opened.commitment, &opened.layout] {
            out.raw(hash.bytes())?;
        }
        out.number(u64::from(opened.tiles))?;
        out.number(opened.schedule.opens_at.get())?;
        out.number(opened.schedule.closes_at.get())?;
    }
    out.number(u64::from(round.announced))?;
    out.number(u64::from(round.closed))?;
    out.number(u64::from(round.seed.is_some()))?;
    if let Some(seed) = &round.seed {
        out.raw(seed.bytes())?;
    }
    let mut claims: Vec<Claim> = round.claims.iter().copied().collect();
    claims.sort_unstable();
    out.number(claims.len() as u64)?;
    let mut bytes = Vec::with_capacity(CLAIM_BYTES * claims.len().min(CLAIMS_AT_ONCE));
    for claims in claims.chunks(CLAIMS_AT_ONCE) {
        bytes.clear();
        for claim in claims {
            bytes.extend_from_slice(&claim.tile.get().to_le_bytes());
            bytes.extend_from_slice(&claim.player.get().to_le_bytes());
            bytes.extend_from_slice(&claim.points.to_le_bytes());
            bytes.extend_from_slice(&claim.shard.get().to_le_bytes());
        }
        out.raw(&bytes)?;
    }
    out.number(round.voided.len() as u64)?;
    for tile in &*round.voided {
        out.number(u64::from(tile.get()))?;
    }
    Ok(())
}

fn read_position(
    input: &mut SnapshotReader<impl Read>,
    position: &mut Position,
    shard: ShardId,
) -> Result<(), SnapshotError> {
    position.advance(shard, Sequence::new(input.number("next sequence")?));
    Ok(())
}

fn read_names(input: &mut SnapshotReader<impl Read>) -> Result<Names, SnapshotError> {
    let mut names = Names::default();
    let mut text = Vec::new();
    let count = input.number_up_to(u64::from(u32::MAX), "number of players")?;
    for _ in 0..count {
        text.clear();
        input.bytes_onto(&mut text, PlayerId::BYTES_MAX, "player id")?;
        match std::str::from_utf8(&text) {
            Ok("") => names.push(None),
            Ok(id) => names.push(Some(id)),
            Err(_) => return Err(input.invalid("player id", "it is not UTF-8")),
        }
    }
    Ok(names)
}

fn read_hunt(
    input: &mut SnapshotReader<impl Read>,
    number: HuntNumber,
    shards: ShardMap,
) -> Result<HuntFold, SnapshotError> {
    let mut hunt = HuntFold::default();
    let id = input.bytes(HuntId::BYTES_MAX, "hunt id")?;
    if !id.is_empty() {
        let id = std::str::from_utf8(&id)
            .ok()
            .and_then(|id| HuntId::new(id).ok());
        hunt.id = Some(id.ok_or_else(|| input.invalid("hunt id", "it is no hunt id"))?);
    }
    hunt.starts_at = TimeMicros::new(input.number("start")?);
    hunt.ends_at = Latest {
        at: input
            .optional("entry that moved the end")?
            .map(Sequence::new),
        value: input.optional("end")?.map(TimeMicros::new),
    };
    hunt.paused = Latest {
        at: input.optional("entry that paused")?.map(Sequence::new),
        value: read_bool(input, "paused")?,
    };
    hunt.closed = read_bool(input, "closed")?;
    hunt.floor = read_round_number(input, "lowest round")?;
    hunt.newest = read_round_number(input, "newest round")?;
    hunt.oldest = read_round_number(input, "oldest round")?;
    for _ in 0..input.number("number of closed rounds shown")? {
        let round = read_round_number(input, "closed round")?;
        if hunt.closed_shown.last().is_some_and(|&last| last >= round) {
            return Err(input.invalid("closed round", "it is out of order"));
        }
        hunt.closed_shown.insert(round);
    }
    let mut least = hunt.oldest;
    for _ in 0..input.number("number of rounds")? {
        let round = read_round_number(input, "round")?;
        if round < least {
            return Err(input.invalid("round", "it is out of order"));
        }
        least = round.next();
        let fold = read_round(input, number, round, shards)?;
        hunt.rounds.insert(round, fold);
    }
    if input.version() >= WITH_BOARDS {
        hunt.boards.at = input
            .optional("entry that defined boards")?
            .map(Sequence::new);
        let boards = input.bytes(BOARDS_BYTES_MAX, "boards")?;
        hunt.boards.value = serde_json::from_slice(&boards)
            .map_err(|error| input.invalid("boards", &error.to_string()))?;
        hunt.list_boards();
        let most = CORRECTIONS_SHOWN as u64;
        for _ in 0..input.number_up_to(most, "number of corrections")? {
            let correction = read_correction(input, shards)?;
            hunt.corrections.insert(Arc::new(correction));
        }
    }
    // When the next one opens or closes is found out with the next batch.
    hunt.next_change = TimeMicros::ZERO;
    Ok(hunt)
}

fn read_correction(
    input: &mut SnapshotReader<impl Read>,
    shards: ShardMap,
) -> Result<PlacedCorrection, SnapshotError> {
    let shard = read_shard(input, shards, "shard of a correction")?;
    let sequence = Sequence::new(input.number_up_to(u64::MAX - 1, "place of a correction")?);
    let time = TimeMicros::from_millis(input.number_up_to(MILLIS_MAX, "time of a correction")?);
    let player = PlayerNumber::new(input.number_u32("player of a correction")?);
    let what = match input.number_up_to(REINSTATED, "kind of a correction")? {
        VOIDED => Correction::ClaimVoided {
            round: read_round_number(input, "round of a correction")?,
            tile: TileIndex::new(input.number_u32("tile of a correction")?),
            points: input.number_u32("points of a correction")?,
            claimed: Sequence::new(input.number("claim of a correction")?),
        },
        DISQUALIFIED => Correction::Disqualified,
        REINSTATED => Correction::Reinstated,
        _ => return Err(input.invalid("kind of a correction", "it is none")),
    };
    let reason = input.bytes(CORRECTION_REASON_BYTES_MAX, "reason")?;
    let reason =
        String::from_utf8(reason).map_err(|_| input.invalid("reason", "it is not UTF-8"))?;
    Ok(PlacedCorrection {
        shard,
        sequence,
        time,
        player,
        what,
        reason,
    })
}

fn read_shard(
    input: &mut SnapshotReader<impl Read>,
    shards: ShardMap,
    field: &'static str,
) -> Result<ShardId, SnapshotError> {
    let number = input.number_up_to(u64::from(shards.count()) - 1, field)?;
    Ok(ShardId::new(
        u16::try_from(number).expect("at most the number of shards"),
    ))
}

fn read_round(
    input: &mut SnapshotReader<impl Read>,
    hunt: HuntNumber,
    round: RoundNumber,
    shards: ShardMap,
) -> Result<RoundFold, SnapshotError> {
    let mut fold = RoundFold::default();
    if read_bool(input, "whether the round is known")? {
        fold.opened = Some(Arc::new(RoundOpened {
            hunt,
            round,
            config_version: input.number_u32("configuration version")?,
            map: Hash32::new(input.array()?),
            commitment: Hash32::new(input.array()?),
            layout: Hash32::new(input.array()?),
            tiles: input.number_u32("tiles")?,
            schedule: RoundSchedule {
                opens_at: TimeMicros::new(input.number("opening")?),
                closes_at: TimeMicros::new(input.number("closing")?),
            },
        }));
    }
    fold.announced = read_bool(input, "announced")?;
    fold.closed = read_bool(input, "closed")?;
    if read_bool(input, "whether the seed is known")? {
        fold.seed = Some(Hash32::new(input.array()?));
    }
    if input.version() < 2 {
        read_claims_of_version_1(input, &mut fold, shards)?;
        return Ok(fold);
    }
    let mut left = input.number("number of claims")?;
    let mut bytes = Vec::new();
    while left > 0 {
        let count = left.min(CLAIMS_AT_ONCE as u64);
        left -= count;
        bytes.resize(usize::try_from(count).expect("few") * CLAIM_BYTES, 0);
        input.raw(&mut bytes)?;
        let (claims, _) = bytes.as_chunks::<CLAIM_BYTES>();
        for &[a, b, c, d, e, f, g, h, i, j, k, l, low, high] in claims {
            let shard = u16::from_le_bytes([low, high]);
            if shard >= shards.count() {
                return Err(input.invalid("shard of a claim", "there are not so many"));
            }
            fold.claims.push(Claim {
                tile: TileIndex::new(u32::from_le_bytes([a, b, c, d])),
                shard: ShardId::new(shard),
                player: PlayerNumber::new(u32::from_le_bytes([e, f, g, h])),
                points: u32::from_le_bytes([i, j, k, l]),
            });
        }
    }
    if input.version() >= WITH_BOARDS {
        for _ in 0..input.number("number of voided claims")? {
            let tile = TileIndex::new(input.number_u32("voided tile")?);
            if fold.voided.last().is_some_and(|&last| last >= tile) {
                return Err(input.invalid("voided tile", "it is out of order"));
            }
            fold.void(tile);
        }
    }
    Ok(fold)
}

fn read_claims_of_version_1(
    input: &mut SnapshotReader<impl Read>,
    fold: &mut RoundFold,
    shards: ShardMap,
) -> Result<(), SnapshotError> {
    let mut before = 0_u32;
    for _ in 0..input.number("number of claims")? {
        let tile = before.checked_add(input.number_u32("tile")?);
        let tile = tile.ok_or_else(|| input.invalid("tile", "it has more than 32 bits"))?;
        let shard = read_shard(input, shards, "shard of a claim")?;
        fold.claims.push(Claim {
            tile: TileIndex::new(tile),
            shard,
            player: PlayerNumber::new(input.number_u32("player")?),
            points: input.number_u32("points")?,
        });
        before = tile;
    }
    Ok(())
}

fn read_bool(
    input: &mut SnapshotReader<impl Read>,
    field: &'static str,
) -> Result<bool, SnapshotError> {
    Ok(input.number_up_to(1, field)? == 1)
}

fn read_round_number(
    input: &mut SnapshotReader<impl Read>,
    field: &'static str,
) -> Result<RoundNumber, SnapshotError> {
    Ok(RoundNumber::new(input.number_up_to(ROUND_MAX, field)?))
}
