//! All of the boards as bytes, and back.
//!
//! A snapshot of the model's making (checked blocks) with the magic "HCBC". Its fields:
//! number of shards; the control stream's tail; for each shard its tail and player numbers;
//! counters; hunts, each with its rankings, best first.
//!
//! A player's id stands where the first of all streams gives the player a number; from then
//! on players are named by the order in which that happens. So the bytes depend on what was
//! applied and not on how the streams interleaved (I5). Limits are configuration and not in
//! it: restored boards live under the limits they are given.

use std::io::{self, Read, Write};

use huntcore_model::{
    BoardOperator, BoardOrder, Hash32, HuntNumber, PlayerId, Sequence, ShardMap, SnapshotError,
    SnapshotReader, SnapshotWriter, Tail, TimeMicros,
};

use crate::beside::Beside;
use crate::boards::{Boards, Hunt, Stream};
use crate::key::{Key, Place, Ranked, TIME_MAX};
use crate::limits::{BoardCounters, BoardLimits};
use crate::numbers::{ERASED, LEFT_OUT, Numbers};
use crate::players::Players;
use crate::ranking::{Ranking, Ranks};
use crate::tally::Tally;
use crate::windows::{WINDOW_MICROS, window_end};

const ORDER: BoardOrder = BoardOrder::Descending;
const MAGIC: [u8; 4] = *b"HCBC";
const FORMAT_VERSION: u16 = 3;

/// What stands for a player where numbers are given out; above these a player named before.
const WRITTEN_ERASED: u64 = 0;
const WRITTEN_NEW: u64 = 1;
const WRITTEN_KNOWN: u64 = 2;

/// Why bytes are not a checkpoint of these boards.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The bytes cannot be read, or are not those that were written, or are impossible.
    #[error("boards cannot be restored")]
    Snapshot(#[from] SnapshotError),
    /// It was taken with another number of shards.
    #[error("checkpoint of boards is of {found} shards, but there are {expected}")]
    Shards {
        /// The checkpoint's.
        found: u64,
        /// The deployment's.
        expected: u16,
    },
}

impl Boards {
    /// Writes everything as bytes that [`Self::restore`] takes.
    ///
    /// Equal boards give equal bytes. Takes time in proportion to what the boards hold: let
    /// another thread do it on a clone, which costs little. Writes in pieces of 64 KiB.
    pub fn checkpoint(&self, out: &mut impl Write) -> io::Result<()> {
        if !self.is_flushed() {
            let mut flushed = self.clone();
            flushed.flush();
            return flushed.checkpoint(out);
        }
        let mut out = SnapshotWriter::new(out, MAGIC, FORMAT_VERSION)?;
        out.number(u64::from(self.shards.count()))?;
        write_tail(&mut out, &self.control)?;
        let mut places = Places::new(&self.players);
        for stream in &self.streams {
            write_stream(&mut out, stream, &mut places)?;
        }
        for counter in counters(&mut self.counters.clone()) {
            out.number(*counter)?;
        }
        out.number(self.hunts.len() as u64)?;
        for (number, hunt) in &self.hunts {
            out.number(u64::from(number.get()))?;
            write_hunt(&mut out, hunt, &places)?;
        }
        out.finish()?;
        Ok(())
    }

    /// Boards as they were when the checkpoint was taken: they publish an equal version and
    /// go on alike. If limits are tighter now, windows are dropped when the next one is
    /// final. Reads to the checkpoint's end and no further.
    pub fn restore(
        shards: ShardMap,
        limits: BoardLimits,
        input: &mut impl Read,
    ) -> Result<Self, RestoreError> {
        let mut input = SnapshotReader::new(input, MAGIC, FORMAT_VERSION)?;
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
        for counter in counters(&mut boards.counters) {
            *counter = input.number("counter")?;
        }
        (boards.time, _) = boards.slowest();
        let mut least = 0;
        for _ in 0..input.number("number of hunts")? {
            let number = input.number_u32("hunt")?;
            if number < least {
                return Err(input.invalid("hunt", "it is out of order").into());
            }
            least = number.saturating_add(1);
            read_hunt(&mut boards, HuntNumber::new(number), &mut input)?;
        }
        input.finish()?;
        boards.mark_all();
        Ok(boards)
    }
}

/// Players by the order in which they are written.
struct Places<'a> {
    players: &'a Players,
    // By index; one higher, as 0 stands for those that are not written yet.
    places: Vec<u32>,
    written: u32,
}

impl<'a> Places<'a> {
    fn new(players: &'a Players) -> Self {
        Self {
            players,
            places: vec![0; players.len()],
            written: 0,
        }
    }

    /// Names whom a number stands for, with the id the first time.
    fn write(&mut self, out: &mut SnapshotWriter<impl Write>, player: u32) -> io::Result<()> {
        if player == ERASED {
            return out.number(WRITTEN_ERASED);
        }
        let place = &mut self.places[player as usize];
        if *place > 0 {
            return out.number(WRITTEN_KNOWN + u64::from(*place - 1));
        }
        self.written += 1;
        *place = self.written;
        out.number(WRITTEN_NEW)?;
        out.bytes(self.players.id(player).as_str().as_bytes())
    }

    /// The place of a player on a board, who always has a number.
    fn of(&self, player: u32) -> u64 {
        u64::from(self.places[player as usize] - 1)
    }
}

fn write_tail(out: &mut SnapshotWriter<impl Write>, tail: &Tail) -> io::Result<()> {
    out.number(tail.sequence.get())?;
    out.number(tail.time.get())?;
    out.raw(tail.chain.bytes())
}

fn write_stream(
    out: &mut SnapshotWriter<impl Write>,
    stream: &Stream,
    places: &mut Places<'_>,
) -> io::Result<()> {
    write_tail(out, &stream.tail)?;
    out.number(stream.same_time_from.get())?;
    out.number(u64::from(stream.given))?;
    out.number(stream.numbers.len() as u64)?;
    let mut next = 0;
    for (number, player) in stream.numbers.iter() {
        // Numbers are only left out where a limit was raised after it was reached.
        out.number(u64::from(number - next))?;
        next = number + 1;
        places.write(out, player)?;
    }
    Ok(())
}

fn write_hunt(
    out: &mut SnapshotWriter<impl Write>,
    hunt: &Hunt,
    places: &Places<'_>,
) -> io::Result<()> {
    write_ranks(out, Ranks::Growing(hunt.total.ranking()), places)?;
    write_ranks(out, Ranks::Growing(hunt.best.ranking()), places)?;
    let windows = &hunt.windows;
    out.number(windows.dropped_before.get())?;
    out.number(windows.kept.len() as u64)?;
    for window in &*windows.kept {
        out.number(window.start.get() / WINDOW_MICROS)?;
        write_ranks(out, Ranks::Frozen(&window.ranking), places)?;
    }
    out.number(windows.open.len() as u64)?;
    for (start, tally) in &windows.open {
        out.number(start.get() / WINDOW_MICROS)?;
        write_ranks(out, Ranks::Growing(tally.ranking()), places)?;
    }
    Ok(())
}

fn write_ranks(
    out: &mut SnapshotWriter<impl Write>,
    ranks: Ranks<'_>,
    places: &Places<'_>,
) -> io::Result<()> {
    out.number(ranks.len() as u64)?;
    let mut before = i64::MAX;
    for ranked in ranks.iter_from(0) {
        let score = ranked.key.score(ranks.order());
        let (when, offset) = ranked.key.place().raw();
        out.number(before.abs_diff(score))?;
        out.number(when)?;
        out.number(u64::from(offset))?;
        out.number(places.of(ranked.player))?;
        before = score;
    }
    Ok(())
}

fn counters(counters: &mut BoardCounters) -> [&mut u64; 4] {
    [
        &mut counters.windows_dropped,
        &mut counters.players_refused,
        &mut counters.records_refused,
        &mut counters.records_erased,
    ]
}

fn read_tail(input: &mut SnapshotReader<impl Read>) -> Result<Tail, SnapshotError> {
    Ok(Tail {
        sequence: Sequence::new(input.number("sequence")?),
        time: read_time(input, "time")?,
        chain: Hash32::new(input.array()?),
    })
}

fn read_time(
    input: &mut SnapshotReader<impl Read>,
    field: &'static str,
) -> Result<TimeMicros, SnapshotError> {
    let time = input.number_up_to(TIME_MAX.get(), field)?;
    Ok(TimeMicros::new(time))
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

fn read_hunt(
    boards: &mut Boards,
    number: HuntNumber,
    input: &mut SnapshotReader<impl Read>,
) -> Result<(), SnapshotError> {
    let players = boards.players.len();
    let mut hunt = Hunt::default();
    hunt.total = counted(BoardOperator::Sum, read_ranking(input, players)?);
    hunt.best = counted(BoardOperator::Max, read_ranking(input, players)?);
    let windows = &mut hunt.windows;
    windows.dropped_before = read_time(input, "end of the dropped windows")?;
    let mut least = windows.dropped_before;
    for _ in 0..input.number("number of final windows")? {
        let (start, ranking) = read_window(input, players, least)?;
        least = window_end(start);
        if least > boards.time {
            return Err(input.invalid("final window", "it has not ended"));
        }
        let frozen = ranking.freeze(Beside::new());
        boards.agenda.keep(number, windows, start, frozen);
    }
    for _ in 0..input.number("number of open windows")? {
        let (start, ranking) = read_window(input, players, least)?;
        least = window_end(start);
        if least <= boards.time {
            return Err(input.invalid("open window", "it has ended"));
        }
        let tally = counted(BoardOperator::Max, ranking);
        boards.agenda.reopen(number, windows, start, tally);
    }
    boards.hunts.insert(number, hunt);
    Ok(())
}

/// A tally that goes on from a ranking.
const fn counted(operator: BoardOperator, ranking: Ranking) -> Tally {
    Tally::restored(operator, ranking, Beside::new())
}

fn read_window(
    input: &mut SnapshotReader<impl Read>,
    players: usize,
    least: TimeMicros,
) -> Result<(TimeMicros, Ranking), SnapshotError> {
    let start = input.number_up_to(TIME_MAX.get() / WINDOW_MICROS, "window")?;
    let start = TimeMicros::new(start * WINDOW_MICROS);
    let ranking = read_ranking(input, players)?;
    if start < least || ranking.len() == 0 {
        return Err(input.invalid("window", "it is out of order, or nobody is in it"));
    }
    Ok((start, ranking))
}

fn read_ranking(
    input: &mut SnapshotReader<impl Read>,
    players: usize,
) -> Result<Ranking, SnapshotError> {
    let count = input.number_up_to(players as u64, "number of entries")?;
    let mut entries = Vec::new();
    let mut before = i64::MAX;
    for _ in 0..count {
        let below = input.number("score")?;
        let score = before
            .checked_sub_unsigned(below)
            .ok_or_else(|| input.invalid("score", "it is out of range"))?;
        let when = input.number("when")?;
        let offset = input.number_u32("offset")?;
        let player = input.number_u32("player")?;
        if player as usize >= players {
            return Err(input.invalid("player", "it has not been named"));
        }
        let key = Key::new(ORDER, score, Place::from_raw(when, offset));
        entries.push(Ranked { key, player });
        before = score;
    }
    Ranking::from_sorted(ORDER, &entries)
        .ok_or_else(|| input.invalid("ranking", "it is out of order, or names a player twice"))
}
