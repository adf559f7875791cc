//! Writing a checkpoint of boards.

use std::io::{self, Write};

use huntcore_model::{SnapshotWriter, Tail};

use super::write_hunt::write_hunt;
use super::{FORMAT_VERSION, MAGIC, WRITTEN_ERASED, WRITTEN_KNOWN, WRITTEN_NEW, counters};
use crate::boards::{Boards, Stream};
use crate::key::Place;
use crate::numbers::ERASED;
use crate::players::Players;
use crate::recall::RecentClaims;

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
        for stream in &self.streams {
            write_recent(&mut out, &stream.recent, &places)?;
        }
        out.number(self.hunts.len() as u64)?;
        for (number, hunt) in &self.hunts {
            out.number(u64::from(number.get()))?;
            write_hunt(&mut out, hunt, &places)?;
        }
        out.finish()?;
        Ok(())
    }
}

/// Players by the order in which they are written.
pub(super) struct Places<'a> {
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
    pub(super) fn of(&self, player: u32) -> u64 {
        u64::from(self.places[player as usize] - 1)
    }

    /// What belongs to players, in the order of their places.
    pub(super) fn sorted<T>(&self, of_players: impl Iterator<Item = (u32, T)>) -> Vec<(u64, T)> {
        let mut sorted: Vec<(u64, T)> = of_players
            .map(|(player, value)| (self.of(player), value))
            .collect();
        sorted.sort_by_key(|&(place, _)| place);
        sorted
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

fn write_recent(
    out: &mut SnapshotWriter<impl Write>,
    recent: &RecentClaims,
    places: &Places<'_>,
) -> io::Result<()> {
    out.number(recent.len() as u64)?;
    let mut sequence = 0;
    for claim in recent.iter() {
        out.number(claim.sequence.get() - sequence)?;
        sequence = claim.sequence.get();
        out.number(claim.time.get())?;
        write_place(out, claim.place)?;
        out.number(u64::from(claim.hunt.get()))?;
        out.number(places.of(claim.player))?;
        out.number(u64::from(claim.points))?;
        out.number(u64::from(claim.is_voided))?;
    }
    Ok(())
}

pub(super) fn write_place(out: &mut SnapshotWriter<impl Write>, place: Place) -> io::Result<()> {
    let (when, offset) = place.raw();
    out.number(when)?;
    out.number(u64::from(offset))
}
