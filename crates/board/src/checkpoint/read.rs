//! Reading a checkpoint of boards, and trusting none of it.

use std::collections::BTreeSet;
use std::io::Read;

use huntcore_model::{
    Hash32, HuntNumber, PlayerId, Sequence, ShardMap, SnapshotError, SnapshotReader, Tail,
    TimeMicros,
};

use super::read_hunt::{read_hunt, read_old_hunt};
use super::{
    COUNTERS_OLD, FORMAT_VERSION, FORMAT_VERSION_OLD, MAGIC, RestoreError, WRITTEN_ERASED,
    WRITTEN_KNOWN, WRITTEN_NEW, counters,
};
use crate::boards::{Boards, Stream};
use crate::key::{Place, TIME_MAX};
use crate::limits::BoardLimits;
use crate::numbers::{ERASED, LEFT_OUT, Numbers};
use crate::players::Players;
use crate::recall::{RecentClaim, RecentClaims};

impl Boards {
    /// Boards as they were when the checkpoint was taken: they publish an equal version and
    /// go on alike. If limits are tighter now, windows are dropped when the next one is
    /// final. Reads to the checkpoint's end and no further.
    pub fn restore(
        shards: ShardMap,
        limits: BoardLimits,
        input: &mut impl Read,
    ) -> Result<Self, RestoreError> {
        let versions = FORMAT_VERSION_OLD..=FORMAT_VERSION;
        let mut input = SnapshotReader::of_versions(input, MAGIC, versions)?;
        let is_old = input.version() == FORMAT_VERSION_OLD;
        let mut boards = Self::new(shards, limits);
        let found = input.number("number of shards")?;
        if found != u64::from(shards.count()) {
            return Err(RestoreError::Shards {
                found,
                expected: shards.count(),
            });
        }
        boards.control = read_tail(&mut input)?;
        let mut ids = Vec::new();
        for stream in &mut boards.streams {
            *stream = read_stream(&mut input, &mut ids)?;
        }
        boards.players = Players::from_ids(ids)
            .ok_or_else(|| input.invalid("player ids", "one is there twice"))?;
        let known = if is_old { COUNTERS_OLD } else { usize::MAX };
        for counter in counters(&mut boards.counters).into_iter().take(known) {
            *counter = input.number("counter")?;
        }
        (boards.time, _) = boards.slowest();
        if !is_old {
            let players = boards.players.len();
            for stream in &mut boards.streams {
                stream.recent = read_recent(&mut input, stream, players)?;
            }
        }
        let mut least = 0;
        for _ in 0..input.number("number of hunts")? {
            let number = input.number_u32("hunt")?;
            if number < least {
                return Err(input.invalid("hunt", "it is out of order").into());
            }
            least = number.saturating_add(1);
            let number = HuntNumber::new(number);
            if is_old {
                read_old_hunt(&mut boards, number, &mut input)?;
            } else {
                read_hunt(&mut boards, number, &mut input)?;
            }
        }
        input.finish()?;
        boards.mark_all();
        Ok(boards)
    }
}

fn read_tail(input: &mut SnapshotReader<impl Read>) -> Result<Tail, SnapshotError> {
    Ok(Tail {
        sequence: Sequence::new(input.number("sequence")?),
        time: read_time(input, "time")?,
        chain: Hash32::new(input.array()?),
    })
}

/// A time of a record.
pub(super) fn read_time(
    input: &mut SnapshotReader<impl Read>,
    field: &'static str,
) -> Result<TimeMicros, SnapshotError> {
    let time = input.number_up_to(TIME_MAX.get(), field)?;
    Ok(TimeMicros::new(time))
}

pub(super) fn read_place(input: &mut SnapshotReader<impl Read>) -> Result<Place, SnapshotError> {
    let when = input.number("when")?;
    let offset = input.number_u32("offset")?;
    Ok(Place::from_raw(when, offset))
}

pub(super) fn read_player(
    input: &mut SnapshotReader<impl Read>,
    players: usize,
) -> Result<u32, SnapshotError> {
    let player = input.number_u32("player")?;
    if player as usize >= players {
        return Err(input.invalid("player", "it has not been named"));
    }
    Ok(player)
}

fn read_stream(
    input: &mut SnapshotReader<impl Read>,
    ids: &mut Vec<PlayerId>,
) -> Result<Stream, SnapshotError> {
    let tail = read_tail(input)?;
    let same_time_from = input.number_up_to(tail.sequence.get(), "first sequence of a time")?;
    let given = input.number_u32("player numbers given")?;
    let count = input.number_up_to(u64::from(given), "number of player numbers")?;
    let mut numbers = Numbers::default();
    let mut next = 0_u32;
    let mut text = Vec::new();
    for _ in 0..count {
        let number = next.checked_add(input.number_u32("player number")?);
        let number = number
            .filter(|&number| number < given)
            .ok_or_else(|| input.invalid("player number", "it was not given out"))?;
        next = number + 1;
        let player = match input.number("player")? {
            WRITTEN_ERASED => ERASED,
            WRITTEN_NEW => {
                ids.push(read_id(input, &mut text)?);
                u32::try_from(ids.len() - 1)
                    .ok()
                    .filter(|&player| player < LEFT_OUT)
                    .ok_or_else(|| input.invalid("player", "there are too many"))?
            }
            known => u32::try_from(known - WRITTEN_KNOWN)
                .ok()
                .filter(|&player| (player as usize) < ids.len())
                .ok_or_else(|| input.invalid("player", "it has not been named"))?,
        };
        numbers.insert(number, player);
    }
    Ok(Stream {
        tail,
        same_time_from: Sequence::new(same_time_from),
        numbers,
        given,
        recent: RecentClaims::default(),
        endings: BTreeSet::new(),
    })
}

fn read_id(
    input: &mut SnapshotReader<impl Read>,
    text: &mut Vec<u8>,
) -> Result<PlayerId, SnapshotError> {
    text.clear();
    input.bytes_onto(text, PlayerId::BYTES_MAX, "player id")?;
    let id = std::str::from_utf8(text).ok();
    id.and_then(|id| PlayerId::new(id).ok())
        .ok_or_else(|| input.invalid("player id", "it is empty or not UTF-8"))
}

fn read_recent(
    input: &mut SnapshotReader<impl Read>,
    stream: &Stream,
    players: usize,
) -> Result<RecentClaims, SnapshotError> {
    let mut recent = RecentClaims::default();
    let (mut sequence, mut time) = (0_u64, TimeMicros::ZERO);
    for _ in 0..input.number("number of recent claims")? {
        let further = input.number("recent claim")?;
        let next = sequence.checked_add(further);
        let next = next.filter(|&next| next < stream.tail.sequence.get());
        let next = next.filter(|_| further > 0 || recent.len() == 0);
        sequence = next.ok_or_else(|| input.invalid("recent claim", "it is not in the log"))?;
        let at = read_time(input, "time of a recent claim")?;
        if at < time || at > stream.tail.time {
            return Err(input.invalid("recent claim", "its time is out of order"));
        }
        time = at;
        recent.push(RecentClaim {
            sequence: Sequence::new(sequence),
            time,
            place: read_place(input)?,
            hunt: HuntNumber::new(input.number_u32("hunt of a recent claim")?),
            player: read_player(input, players)?,
            points: input.number_u32("points")?,
            is_voided: input.number_up_to(1, "whether a claim is voided")? == 1,
        });
    }
    Ok(recent)
}
