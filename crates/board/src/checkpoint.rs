//! All of the boards as bytes, and back.
//!
//! ```text
//! magic "HCBC" · version u16 LE · fields, numbers as LEB128 · BLAKE3 of all before
//! fields: shards; for each its tail and player numbers; the control stream's tail;
//!         players, sorted by id; counters; hunts, each with its rankings, best first
//! ```
//! Players are named by their place in the sorted list, so the bytes depend on what was
//! applied and not on how the streams interleaved (I5). Limits are configuration and not
//! in it: a restored projection lives under the limits it is given.

use huntcore_model::{Hash32, HuntNumber, Sequence, ShardMap, Tail, TimeMicros};

use crate::boards::{Boards, ERASED, Hunt, Stream};
use crate::codec::{Fault, Reader, write_number};
use crate::key::{Key, Place, Ranked, TIME_MAX};
use crate::limits::{BoardCounters, BoardLimits};
use crate::players::Players;
use crate::radix::Radix;
use crate::ranking::{Ranking, Ranks};
use crate::windows::{WINDOW_MICROS, window_end};

const MAGIC: [u8; 4] = *b"HCBC";
const FORMAT_VERSION: u16 = 1;
const HASH_BYTES: usize = 32;

/// Why bytes are not a checkpoint of these boards.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// No checkpoint of boards starts like this.
    #[error("not a checkpoint of boards")]
    NoCheckpoint,
    /// A later format.
    #[error("checkpoint has format version {found}, this program reads {FORMAT_VERSION}")]
    Version {
        /// The version found.
        found: u16,
    },
    /// The bytes are not those that were written.
    #[error("checkpoint of {bytes} bytes is damaged: its checksum does not fit")]
    Checksum {
        /// How many bytes there are.
        bytes: usize,
    },
    /// It was taken with another number of shards.
    #[error("checkpoint is of {found} shards, but there are {expected}")]
    Shards {
        /// The checkpoint's.
        found: u64,
        /// The deployment's.
        expected: u16,
    },
    /// The checksum fits but the content is impossible.
    #[error("checkpoint has an impossible {field} at byte {offset}")]
    Content {
        /// Where in the bytes.
        offset: usize,
        /// Which field.
        field: &'static str,
    },
}

impl From<Fault> for RestoreError {
    fn from(fault: Fault) -> Self {
        Self::Content {
            offset: fault.offset + MAGIC.len() + size_of_val(&FORMAT_VERSION),
            field: fault.field,
        }
    }
}

impl Boards {
    /// Everything as bytes that [`Self::restore`] takes.
    ///
    /// Equal boards give equal bytes. Takes time in proportion to what the boards hold: let
    /// another thread do it on a clone, which costs little.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        let places = write_players(&mut out, &self.players);
        write_number(&mut out, u64::from(self.shards.count()));
        write_tail(&mut out, &self.control);
        for stream in &self.streams {
            write_stream(&mut out, stream, &places);
        }
        for counter in counters(&mut self.counters.clone()) {
            write_number(&mut out, *counter);
        }
        write_number(&mut out, self.hunts.len() as u64);
        for (number, hunt) in &self.hunts {
            write_number(&mut out, u64::from(number.get()));
            write_hunt(&mut out, hunt, &places);
        }
        let hash = blake3::hash(&out);
        out.extend_from_slice(hash.as_bytes());
        out
    }

    /// Boards as they were when the checkpoint was taken: they publish an equal version and
    /// go on alike. If limits are tighter now, windows are dropped when the next one is
    /// final.
    pub fn restore(
        shards: ShardMap,
        limits: BoardLimits,
        checkpoint: &[u8],
    ) -> Result<Self, RestoreError> {
        let (payload, hash) = checkpoint
            .split_last_chunk::<HASH_BYTES>()
            .ok_or(RestoreError::NoCheckpoint)?;
        let (version, fields) = payload
            .strip_prefix(&MAGIC)
            .and_then(|rest| rest.split_first_chunk())
            .ok_or(RestoreError::NoCheckpoint)?;
        let found = u16::from_le_bytes(*version);
        if found != FORMAT_VERSION {
            return Err(RestoreError::Version { found });
        }
        if blake3::hash(payload) != *hash {
            return Err(RestoreError::Checksum {
                bytes: checkpoint.len(),
            });
        }
        read_boards(Self::new(shards, limits), &mut Reader::new(fields))
    }
}

/// Writes the ids in order and returns each player's place among them, by index.
fn write_players(out: &mut Vec<u8>, players: &Players) -> Vec<u32> {
    let mut sorted: Vec<_> = players.iter().collect();
    sorted.sort_unstable_by_key(|(_, id)| *id);
    let mut places = vec![0; sorted.len()];
    write_number(out, sorted.len() as u64);
    for (place, (player, id)) in (0_u32..).zip(sorted) {
        places[player as usize] = place;
        write_number(out, id.as_str().len() as u64);
        out.extend_from_slice(id.as_str().as_bytes());
    }
    places
}

fn write_tail(out: &mut Vec<u8>, tail: &Tail) {
    write_number(out, tail.sequence.get());
    write_number(out, tail.time.get());
    out.extend_from_slice(tail.chain.bytes());
}

fn write_stream(out: &mut Vec<u8>, stream: &Stream, places: &[u32]) {
    write_tail(out, &stream.tail);
    write_number(out, stream.same_time_from.get());
    write_number(out, u64::from(stream.given));
    write_number(out, stream.numbers.len() as u64);
    let mut next = 0;
    for (number, &player) in stream.numbers.iter() {
        // Numbers are only left out where a limit was raised after it was reached.
        write_number(out, u64::from(number - next));
        next = number + 1;
        // 0 stands for an erased player, so places are written one higher.
        let place = if player == ERASED {
            0
        } else {
            u64::from(places[player as usize]) + 1
        };
        write_number(out, place);
    }
}

fn write_hunt(out: &mut Vec<u8>, hunt: &Hunt, places: &[u32]) {
    write_ranks(out, Ranks::Growing(&hunt.total), places);
    write_ranks(out, Ranks::Growing(&hunt.best), places);
    let windows = &hunt.windows;
    write_number(out, windows.dropped_before.get());
    write_number(out, windows.kept.len() as u64);
    for window in &*windows.kept {
        write_number(out, window.start.get() / WINDOW_MICROS);
        write_ranks(out, Ranks::Frozen(&window.ranking), places);
    }
    write_number(out, windows.open.len() as u64);
    for (start, ranking) in &windows.open {
        write_number(out, start.get() / WINDOW_MICROS);
        write_ranks(out, Ranks::Growing(ranking), places);
    }
}

fn write_ranks(out: &mut Vec<u8>, ranks: Ranks<'_>, places: &[u32]) {
    write_number(out, ranks.len() as u64);
    let mut before = i64::MAX;
    for ranked in ranks.iter_from(0) {
        let score = ranked.key.score();
        let (when, offset) = ranked.key.place().raw();
        write_number(out, before.abs_diff(score));
        write_number(out, when);
        write_number(out, u64::from(offset));
        write_number(out, u64::from(places[ranked.player as usize]));
        before = score;
    }
}

fn counters(counters: &mut BoardCounters) -> [&mut u64; 4] {
    [
        &mut counters.windows_dropped,
        &mut counters.players_refused,
        &mut counters.records_refused,
        &mut counters.records_erased,
    ]
}

fn read_boards(mut boards: Boards, reader: &mut Reader<'_>) -> Result<Boards, RestoreError> {
    boards.players = read_players(reader)?;
    let players = boards.players.len();
    let shards = reader.number("number of shards")?;
    if shards != u64::from(boards.shards.count()) {
        return Err(RestoreError::Shards {
            found: shards,
            expected: boards.shards.count(),
        });
    }
    boards.control = read_tail(reader)?;
    for stream in &mut boards.streams {
        *stream = read_stream(reader, players)?;
    }
    for counter in counters(&mut boards.counters) {
        *counter = reader.number("counter")?;
    }
    (boards.time, _) = boards.slowest();
    let mut last = None;
    for _ in 0..reader.count("number of hunts")? {
        let fault = reader.fault("hunt");
        let number = HuntNumber::new(reader.number_u32("hunt")?);
        if last.is_some_and(|last| last >= number) {
            return Err(fault.into());
        }
        last = Some(number);
        read_hunt(&mut boards, number, reader)?;
    }
    reader.end()?;
    boards.mark_all();
    Ok(boards)
}

fn read_players(reader: &mut Reader<'_>) -> Result<Players, Fault> {
    let mut players = Players::new();
    let mut last = "";
    for _ in 0..reader.count("number of players")? {
        let fault = reader.fault("player id");
        let length = reader.count("length of a player id")?;
        let id = reader.take(length, "player id")?;
        let id = std::str::from_utf8(id).map_err(|_| fault)?;
        if id <= last {
            return Err(fault);
        }
        last = id;
        players.intern(id).ok_or(fault)?;
    }
    Ok(players)
}

fn read_tail(reader: &mut Reader<'_>) -> Result<Tail, Fault> {
    Ok(Tail {
        sequence: Sequence::new(reader.number("sequence")?),
        time: read_time(reader, "time")?,
        chain: Hash32::new(reader.array("chain")?),
    })
}

fn read_time(reader: &mut Reader<'_>, field: &'static str) -> Result<TimeMicros, Fault> {
    let fault = reader.fault(field);
    let time = TimeMicros::new(reader.number(field)?);
    if time <= TIME_MAX {
        Ok(time)
    } else {
        Err(fault)
    }
}

fn read_stream(reader: &mut Reader<'_>, players: usize) -> Result<Stream, Fault> {
    let tail = read_tail(reader)?;
    let fault = reader.fault("stream");
    let same_time_from = Sequence::new(reader.number("first sequence of a time")?);
    let given = reader.number_u32("player numbers given")?;
    let count = reader.count("number of player numbers")?;
    if same_time_from > tail.sequence {
        return Err(fault);
    }
    let mut numbers = Radix::new();
    let mut next = 0_u32;
    for _ in 0..count {
        let fault = reader.fault("player number");
        let number = next.checked_add(reader.number_u32("player number")?);
        let number = number.filter(|&number| number < given).ok_or(fault)?;
        next = number + 1;
        let fault = reader.fault("player");
        let player = match reader.number_u32("player")?.checked_sub(1) {
            None => ERASED,
            Some(player) if (player as usize) < players => player,
            Some(_) => return Err(fault),
        };
        numbers.insert(number, player);
    }
    Ok(Stream {
        tail,
        same_time_from,
        numbers,
        given,
    })
}

fn read_hunt(
    boards: &mut Boards,
    number: HuntNumber,
    reader: &mut Reader<'_>,
) -> Result<(), Fault> {
    let players = boards.players.len();
    let mut hunt = Hunt::default();
    hunt.total = read_ranking(reader, players)?;
    hunt.best = read_ranking(reader, players)?;
    let windows = &mut hunt.windows;
    windows.dropped_before = read_time(reader, "end of the dropped windows")?;
    let mut least = windows.dropped_before;
    for _ in 0..reader.count("number of final windows")? {
        let fault = reader.fault("final window");
        let (start, ranking) = read_window(reader, players, least)?;
        least = window_end(start);
        if least > boards.time {
            return Err(fault);
        }
        boards.agenda.keep(number, windows, start, ranking.freeze());
    }
    for _ in 0..reader.count("number of open windows")? {
        let fault = reader.fault("open window");
        let (start, ranking) = read_window(reader, players, least)?;
        least = window_end(start);
        if least <= boards.time {
            return Err(fault);
        }
        boards.agenda.reopen(number, windows, start, ranking);
    }
    boards.hunts.insert(number, hunt);
    Ok(())
}

fn read_window(
    reader: &mut Reader<'_>,
    players: usize,
    least: TimeMicros,
) -> Result<(TimeMicros, Ranking), Fault> {
    let fault = reader.fault("window");
    let start = reader.number("window")?.checked_mul(WINDOW_MICROS);
    let start = TimeMicros::new(start.ok_or(fault)?);
    let ranking = read_ranking(reader, players)?;
    if start < least || start > TIME_MAX || ranking.len() == 0 {
        return Err(fault);
    }
    Ok((start, ranking))
}

fn read_ranking(reader: &mut Reader<'_>, players: usize) -> Result<Ranking, Fault> {
    let fault = reader.fault("ranking");
    let count = reader.count("number of entries")?;
    if count > players {
        return Err(fault);
    }
    let mut entries = Vec::with_capacity(count);
    let mut before = i64::MAX;
    for _ in 0..count {
        let fault = reader.fault("entry");
        let below = reader.number("score")?;
        let score = before.checked_sub_unsigned(below).ok_or(fault)?;
        let when = reader.number("when")?;
        let offset = reader.number_u32("offset")?;
        let player = reader.number_u32("player")?;
        if player as usize >= players {
            return Err(fault);
        }
        let key = Key::new(score, Place::from_raw(when, offset));
        entries.push(Ranked { key, player });
        before = score;
    }
    Ranking::from_sorted(&entries).ok_or(fault)
}
