//! Writing one hunt's boards.

use std::io::{self, Write};
use std::ops::Range;

use huntcore_model::{BoardOrder, Sequence, SnapshotWriter, TimeMicros};

use super::write::{Places, write_place};
use crate::beside::Beside;
use crate::board::Board;
use crate::closings::Closings;
use crate::ending::Ending;
use crate::hunt::{Hunt, List};
use crate::key::Key;
use crate::late::Late;
use crate::ranking::Ranks;
use crate::slate::Undo;

pub(super) fn write_hunt(
    out: &mut SnapshotWriter<impl Write>,
    hunt: &Hunt,
    places: &Places<'_>,
) -> io::Result<()> {
    for ending in &hunt.endings {
        write_ending(out, ending)?;
    }
    let disqualified = hunt.disqualified.iter().map(|&player| (player, ()));
    write_players(out, places.sorted(disqualified))?;
    out.bytes(&hunt.corrected.to_bytes())?;
    out.number(hunt.closings.len() as u64)?;
    for (name, closings) in &hunt.closings {
        out.bytes(name.as_str().as_bytes())?;
        write_closings(out, closings)?;
    }
    out.number(hunt.boards.len() as u64)?;
    for board in &hunt.boards {
        write_board(out, board, places)?;
    }
    out.number(hunt.lists.len() as u64)?;
    for list in &hunt.lists {
        write_list(out, list, &hunt.boards)?;
    }
    for adopted in &hunt.adopted {
        out.number(adopted.0)?;
    }
    Ok(())
}

fn write_ending(out: &mut SnapshotWriter<impl Write>, ending: &Ending) -> io::Result<()> {
    out.optional(ending.ends_at.map(TimeMicros::get))?;
    out.number(ending.longest.len() as u64)?;
    for (from_round, window_ms) in &ending.longest {
        out.number(from_round.get())?;
        out.number(*window_ms)?;
    }
    out.optional(ending.over_at.map(TimeMicros::get))
}

fn write_players(out: &mut SnapshotWriter<impl Write>, players: Vec<(u64, ())>) -> io::Result<()> {
    out.number(players.len() as u64)?;
    for (player, ()) in players {
        out.number(player)?;
    }
    Ok(())
}

fn write_closings(out: &mut SnapshotWriter<impl Write>, closings: &Closings) -> io::Result<()> {
    out.number(closings.passed.get())?;
    out.number(closings.ahead.len() as u64)?;
    for (end, written_at) in &closings.ahead {
        out.number(end.get())?;
        out.number(written_at.get())?;
    }
    Ok(())
}

fn write_list(
    out: &mut SnapshotWriter<impl Write>,
    list: &List,
    boards: &[Board],
) -> io::Result<()> {
    out.number(list.at.0)?;
    out.number(list.left_at.get())?;
    out.number(list.boards.len() as u64)?;
    for defined in &list.boards {
        let same = |board: &Board| board.defined == *defined;
        let place = boards.iter().position(same);
        out.number(place.expect("a list's boards are there") as u64)?;
    }
    Ok(())
}

fn write_board(
    out: &mut SnapshotWriter<impl Write>,
    board: &Board,
    places: &Places<'_>,
) -> io::Result<()> {
    out.bytes(board.key.name.as_str().as_bytes())?;
    // The boards that every hunt has are known by their names.
    if !board.key.name.is_built_in() {
        out.number(board.key.generation.get())?;
        let json = serde_json::to_vec(board.definition()).expect("definitions are plain data");
        out.bytes(&json)?;
        for span in &board.spans {
            write_span(out, span)?;
        }
    }
    out.optional(board.leaves_at.map(TimeMicros::get))?;
    out.number(board.dropped_before.get())?;
    out.bytes(&board.corrected.to_bytes())?;
    write_late(out, &board.late, places)?;
    out.number(board.kept.len() as u64)?;
    for window in &*board.kept {
        out.number(window.span.start.get())?;
        out.number(window.span.end.get())?;
        out.number(window.weight as u64)?;
        out.optional(window.recorded_at.map(TimeMicros::get))?;
        let ranks = Ranks::Frozen(&window.ranking);
        write_counted(out, ranks, window.ranking.beside(), &window.undo, places)?;
    }
    out.number(board.open.len() as u64)?;
    for (start, window) in &board.open {
        let tally = &window.slate.tally;
        out.number(start.get())?;
        let ranks = Ranks::Growing(tally.ranking());
        write_counted(out, ranks, tally.beside(), &window.slate.undo, places)?;
    }
    Ok(())
}

/// Which of a stream's records go to a board; "never" is one below the first.
fn write_span(out: &mut SnapshotWriter<impl Write>, span: &Range<Sequence>) -> io::Result<()> {
    out.number(span.start.get().wrapping_add(1))?;
    out.number(span.end.get().wrapping_add(1))
}

fn write_late(
    out: &mut SnapshotWriter<impl Write>,
    late: &Late,
    places: &Places<'_>,
) -> io::Result<()> {
    out.number(late.count)?;
    out.number(late.newest.len() as u64)?;
    for (place, record) in &late.newest {
        write_place(out, *place)?;
        out.number(places.of(record.player))?;
        out.raw(&record.score.to_le_bytes())?;
        out.number(record.event_time.get())?;
        out.number(record.batch_time.get())?;
        out.bytes(record.event_id.as_bytes())?;
    }
    Ok(())
}

/// All that was counted in a window.
fn write_counted(
    out: &mut SnapshotWriter<impl Write>,
    ranks: Ranks<'_>,
    beside: &Beside,
    undo: &Undo,
    places: &Places<'_>,
) -> io::Result<()> {
    out.number(ranks.len() as u64)?;
    let mut before = i64::MIN;
    for ranked in ranks.iter_from(0) {
        let rising = rising(ranks.order(), ranked.key);
        out.number(before.abs_diff(rising))?;
        write_place(out, ranked.key.place())?;
        out.number(places.of(ranked.player))?;
        before = rising;
    }
    // Who is set aside without a score has nothing here.
    let aside = beside.aside.iter();
    let aside = aside.filter_map(|(&player, &key)| Some((player, key?)));
    let aside = places.sorted(aside);
    out.number(aside.len() as u64)?;
    for (player, key) in aside {
        out.number(player)?;
        write_key(out, ranks.order(), key)?;
    }
    let excess = beside.excess.iter();
    let excess = places.sorted(excess.map(|(&player, &excess)| (player, excess)));
    out.number(excess.len() as u64)?;
    for (player, excess) in excess {
        out.number(player)?;
        out.raw(&excess.to_le_bytes())?;
    }
    let bases = undo.bases.iter();
    let bases = places.sorted(bases.map(|(&player, &base)| (player, base)));
    out.number(bases.len() as u64)?;
    for (player, base) in bases {
        out.number(player)?;
        out.number(u64::from(base.claims))?;
        out.number(u64::from(base.key.is_some()))?;
        if let Some(key) = base.key {
            write_key(out, ranks.order(), key)?;
        }
    }
    let emptied = undo.emptied.iter().map(|&player| (player, ()));
    write_players(out, places.sorted(emptied))
}

fn write_key(out: &mut SnapshotWriter<impl Write>, order: BoardOrder, key: Key) -> io::Result<()> {
    out.raw(&key.score(order).to_le_bytes())?;
    write_place(out, key.place())
}

/// A number that is the higher, the worse a score is.
pub(super) const fn rising(order: BoardOrder, key: Key) -> i64 {
    match order {
        BoardOrder::Descending => !key.score(order),
        BoardOrder::Ascending => key.score(order),
    }
}
