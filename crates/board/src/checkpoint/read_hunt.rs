//! Reading one hunt's boards.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use huntcore_model::{
    BoardDefinition, BoardName, BoardOrder, DefinedBoard, EventId, HuntNumber, Position,
    RoundNumber, Sequence, SnapshotError, SnapshotReader, TimeMicros,
};

use super::DEFINITION_BYTES_MAX;
use super::read::{read_place, read_player, read_time};
use crate::agenda::{Deed, Due};
use crate::beside::Beside;
use crate::board::{Board, FinalWindow};
use crate::boards::Boards;
use crate::closings::Closings;
use crate::ending::Ending;
use crate::hunt::{Hunt, List, ListAt};
use crate::key::{Key, Place, Ranked, TIME_MAX};
use crate::late::{LATE_EVENTS_MAX, Late, LateRecord};
use crate::limits::BoardCounters;
use crate::ranking::{Ranking, Ranks};
use crate::rule::Span;
use crate::slate::{Base, Counting, Slate, Undo};
use crate::tally::Tally;

/// No sum comes near it.
const EXCESS_MAX: i128 = 1 << 100;
const POSITION_BYTES_MAX: usize = 16 << 10;

type Input<'a, R> = &'a mut SnapshotReader<R>;

pub(super) fn read_hunt<R: Read>(
    boards: &mut Boards,
    number: HuntNumber,
    input: Input<'_, R>,
) -> Result<(), SnapshotError> {
    let players = boards.players.len();
    let shards = boards.streams.len();
    let mut hunt = Hunt::new(number, shards);
    for (ending, stream) in hunt.endings.iter_mut().zip(&mut boards.streams) {
        *ending = read_ending(input)?;
        if let Some(due) = ending.due() {
            stream.endings.insert((due, number));
        }
    }
    hunt.tell_over();
    hunt.disqualified = read_players(input, players)?;
    hunt.corrected = read_corrected(input)?;
    let mut least = None;
    for _ in 0..input.number("number of boards with results")? {
        let name = read_name(input)?;
        if least.replace(name) >= Some(name) {
            return Err(input.invalid("board with results", "it is out of order"));
        }
        let closings = read_closings(input)?;
        if !closings.ahead.is_empty() {
            boards.closed_ahead.insert((number, name));
        }
        hunt.closings.insert(name, closings);
    }
    let count = input.number("number of boards")?;
    for place in 0..count {
        read_board(boards, &mut hunt, place, input)?;
    }
    if hunt.boards.len() as u64 != count {
        return Err(input.invalid("boards", "one that every hunt has is missing"));
    }
    hunt.lists.clear();
    for _ in 0..input.number("number of lists")? {
        let list = read_list(&hunt, input)?;
        hunt.lists.push_back(list);
    }
    for stream in 0..shards {
        let at = ListAt(input.number("list that a stream is at")?);
        if hunt.lists.iter().all(|list| list.at != at) {
            return Err(input.invalid("list that a stream is at", "it is not there"));
        }
        hunt.adopted[stream] = at;
    }
    hunt.route();
    boards.hunts.insert(number, hunt);
    Ok(())
}

fn read_ending<R: Read>(input: Input<'_, R>) -> Result<Ending, SnapshotError> {
    let mut ending = Ending {
        ends_at: input.optional("hunt's end")?.map(TimeMicros::new),
        ..Ending::default()
    };
    for _ in 0..input.number("number of claim windows")? {
        let from_round = RoundNumber::new(input.number("round of a claim window")?);
        let window_ms = input.number("claim window")?;
        let last = ending.longest.last();
        if last.is_some_and(|&(round, known)| round >= from_round || known >= window_ms) {
            return Err(input.invalid("claim window", "it is out of order"));
        }
        ending.longest.push((from_round, window_ms));
    }
    ending.over_at = input
        .optional("time when a hunt was over")?
        .map(TimeMicros::new);
    Ok(ending)
}

/// A hunt as version 2 wrote it: three boards, the last one's windows of one second.
pub(super) fn read_old_hunt<R: Read>(
    boards: &mut Boards,
    number: HuntNumber,
    input: Input<'_, R>,
) -> Result<(), SnapshotError> {
    const WINDOW_MICROS: u64 = 1_000_000;
    let players = boards.players.len();
    let mut hunt = Hunt::new(number, boards.streams.len());
    let place_of = |name| {
        let boards = &hunt.boards;
        let place = boards.iter().position(|board| board.key.name == name);
        place.expect("every hunt has it")
    };
    let [total, best, second] = BoardName::BUILT_IN.map(place_of);
    for place in [total, best] {
        let board = &mut hunt.boards[place];
        let ranking = read_old_ranking(input, players, board.counting)?;
        if ranking.len() > 0 {
            let tally = Tally::restored(board.counting.operator, ranking, Beside::new());
            let slate = Slate::restored(board.counting, tally, Undo::default());
            board.begin(&mut boards.agenda, Span::EVER, slate);
        }
    }
    let board = &mut hunt.boards[second];
    board.dropped_before = read_time(input, "end of the dropped windows")?;
    let mut least = board.dropped_before;
    for is_final in [true, false] {
        for _ in 0..input.number("number of windows")? {
            let start = input.number_up_to(TIME_MAX.get() / WINDOW_MICROS, "window")?;
            let span = board.rule.span(TimeMicros::new(start * WINDOW_MICROS));
            let ranking = read_old_ranking(input, players, board.counting)?;
            check_window(board, span, is_final, (least, boards.time), input)?;
            least = span.end;
            let tally = Tally::restored(board.counting.operator, ranking, Beside::new());
            if is_final {
                let weight = tally.ranking().len();
                let window = FinalWindow {
                    span,
                    ranking: Arc::new(tally.freeze()),
                    undo: Arc::default(),
                    weight,
                    recorded_at: None,
                };
                board.keep(&mut boards.agenda, window);
            } else {
                let slate = Slate::restored(board.counting, tally, Undo::default());
                board.begin(&mut boards.agenda, span, slate);
            }
        }
    }
    boards.hunts.insert(number, hunt);
    Ok(())
}

fn read_name<R: Read>(input: Input<'_, R>) -> Result<BoardName, SnapshotError> {
    let name = input.bytes(BoardName::BYTES_MAX, "board's name")?;
    let name = std::str::from_utf8(&name).ok();
    name.and_then(|name| BoardName::new(name).ok())
        .ok_or_else(|| input.invalid("board's name", "it is none"))
}

fn read_players<R: Read>(
    input: Input<'_, R>,
    players: usize,
) -> Result<BTreeSet<u32>, SnapshotError> {
    let count = input.number_up_to(players as u64, "number of players")?;
    (0..count).map(|_| read_player(input, players)).collect()
}

fn read_closings<R: Read>(input: Input<'_, R>) -> Result<Closings, SnapshotError> {
    let mut closings = Closings {
        passed: TimeMicros::new(input.number("end of results")?),
        ahead: BTreeMap::new(),
    };
    for _ in 0..input.number("number of results ahead")? {
        let end = TimeMicros::new(input.number("end of results")?);
        let written_at = read_time(input, "time of results")?;
        closings.ahead.insert(end, written_at);
    }
    Ok(closings)
}

fn read_corrected<R: Read>(input: Input<'_, R>) -> Result<Arc<Position>, SnapshotError> {
    const FIELD: &str = "position of corrections";
    let position = Position::from_bytes(&input.bytes(POSITION_BYTES_MAX, FIELD)?);
    let position = position.map_err(|error| input.invalid(FIELD, &error.to_string()))?;
    Ok(Arc::new(position))
}

fn read_list<R: Read>(hunt: &Hunt, input: Input<'_, R>) -> Result<List, SnapshotError> {
    let at = ListAt(input.number("list")?);
    if hunt.lists.back().is_some_and(|before| before.at >= at) {
        return Err(input.invalid("list", "it is out of order"));
    }
    let left_at = read_time(input, "time at which a list was left")?;
    let mut list = List::new(at, Vec::new());
    list.left_at = left_at;
    for _ in 0..input.number_up_to(hunt.boards.len() as u64, "number of a list's boards")? {
        let place = input.number_up_to(hunt.boards.len() as u64 - 1, "board of a list")?;
        let board = &hunt.boards[usize::try_from(place).expect("just checked")];
        list.boards.push(Arc::clone(&board.defined));
    }
    Ok(list)
}

/// Reads the board of that place into the hunt, which has those that every hunt has.
fn read_board<R: Read>(
    boards: &mut Boards,
    hunt: &mut Hunt,
    place: u64,
    input: Input<'_, R>,
) -> Result<(), SnapshotError> {
    let name = read_name(input)?;
    let out_of_order = "it is out of order, or cannot be made";
    if !name.is_built_in() {
        let generation = Sequence::new(input.number("board's generation")?);
        let json = input.bytes(DEFINITION_BYTES_MAX, "definition")?;
        let definition: BoardDefinition = serde_json::from_slice(&json)
            .map_err(|error| input.invalid("definition", &error.to_string()))?;
        let defined = DefinedBoard {
            definition,
            defined_at: generation,
        };
        let is_known = hunt.boards.iter().any(|board| *board.defined == defined);
        let is_other = defined.definition.name != name || is_known;
        if is_other || !hunt.add(Arc::new(defined), &mut BoardCounters::default()) {
            return Err(input.invalid("board", out_of_order));
        }
    }
    let board = usize::try_from(place).ok();
    let board = board.and_then(|place| hunt.boards.get_mut(place));
    let Some(board) = board.filter(|board| board.key.name == name) else {
        return Err(input.invalid("board", out_of_order));
    };
    if !name.is_built_in() {
        for span in &mut board.spans {
            *span = read_span(input)?;
        }
    }
    if let Some(at) = input.optional("time at which a board leaves")? {
        board.leaves_at = Some(TimeMicros::new(at));
        boards.agenda.add(Due {
            at: TimeMicros::new(at),
            deed: Deed::Leave,
            board: board.key,
            start: TimeMicros::ZERO,
        });
    }
    board.dropped_before = TimeMicros::new(input.number("end of the dropped windows")?);
    board.corrected = read_corrected(input)?;
    let players = boards.players.len();
    board.late = Arc::new(read_late(input, players)?);
    let mut least = board.dropped_before;
    for _ in 0..input.number("number of final windows")? {
        let start = TimeMicros::new(input.number("window's start")?);
        let span = Span {
            start,
            end: TimeMicros::new(input.number("window's end")?),
        };
        let weight = input.number_up_to(players as u64, "players of a window")?;
        let recorded_at = input.optional("time of results")?;
        let slate = read_slate(input, players, board.counting, &BTreeSet::new())?;
        check_window(board, span, true, (least, boards.time), input)?;
        least = span.end;
        let (ranking, undo) = slate.freeze();
        let window = FinalWindow {
            span,
            ranking: Arc::new(ranking),
            undo: Arc::new(undo),
            weight: usize::try_from(weight).expect("no more than players"),
            recorded_at: recorded_at.map(TimeMicros::new),
        };
        board.keep(&mut boards.agenda, window);
    }
    for _ in 0..input.number("number of open windows")? {
        let start = TimeMicros::new(input.number("window's start")?);
        let span = board.rule.span(start);
        if span.start != start {
            return Err(input.invalid("window", "no window starts there"));
        }
        let slate = read_slate(input, players, board.counting, &hunt.disqualified)?;
        check_window(board, span, false, (least, boards.time), input)?;
        least = span.end;
        board.begin(&mut boards.agenda, span, slate);
    }
    Ok(())
}

/// Whether a window is where the rule cuts, after those before, and final when it should be.
fn check_window<R: Read>(
    board: &Board,
    span: Span,
    is_final: bool,
    (least, time): (TimeMicros, TimeMicros),
    input: Input<'_, R>,
) -> Result<(), SnapshotError> {
    if span.start < least || board.rule.span(span.start) != span {
        return Err(input.invalid("window", "it is out of order"));
    }
    if (board.final_at(span.end) <= time) != is_final {
        return Err(input.invalid("window", "it is final too early or too late"));
    }
    Ok(())
}

fn read_span<R: Read>(input: Input<'_, R>) -> Result<Range<Sequence>, SnapshotError> {
    let mut sequence = || -> Result<Sequence, SnapshotError> {
        Ok(Sequence::new(
            input.number("sequence of a board")?.wrapping_sub(1),
        ))
    };
    Ok(sequence()?..sequence()?)
}

fn read_late<R: Read>(input: Input<'_, R>, players: usize) -> Result<Late, SnapshotError> {
    let mut late = Late {
        count: input.number("number of late events")?,
        newest: BTreeMap::new(),
    };
    for _ in 0..input.number_up_to(LATE_EVENTS_MAX as u64, "number of newest late events")? {
        let place = read_place(input)?;
        let record = LateRecord {
            player: read_player(input, players)?,
            score: i64::from_le_bytes(input.array()?),
            event_time: TimeMicros::new(input.number("event's time")?),
            batch_time: TimeMicros::new(input.number("batch's time")?),
            event_id: read_event_id(input)?,
        };
        late.newest.insert(place, record);
    }
    Ok(late)
}

fn read_event_id<R: Read>(input: Input<'_, R>) -> Result<Box<str>, SnapshotError> {
    let id = input.bytes(EventId::BYTES_MAX, "event id")?;
    String::from_utf8(id.to_vec())
        .map(String::into_boxed_str)
        .map_err(|_| input.invalid("event id", "it is not UTF-8"))
}

/// All that was counted in a window.
fn read_slate<R: Read>(
    input: Input<'_, R>,
    players: usize,
    counting: Counting,
    disqualified: &BTreeSet<u32>,
) -> Result<Slate, SnapshotError> {
    let order = counting.order;
    let ranking = read_ranking(input, players, order, |_, place| place)?;
    let mut beside = Beside::new();
    for _ in 0..input.number_up_to(players as u64, "number of players set aside")? {
        let player = read_player(input, players)?;
        let key = read_key(input, order)?;
        beside.aside.insert(player, Some(key));
    }
    let is_ranked = |player| Ranks::Growing(&ranking).find(player).is_some();
    if beside
        .aside
        .keys()
        .chain(disqualified)
        .any(|&player| is_ranked(player))
    {
        return Err(input.invalid("player set aside", "the player is ranked"));
    }
    for _ in 0..input.number_up_to(players as u64, "number of sums past what is shown")? {
        let player = read_player(input, players)?;
        let excess = i128::from_le_bytes(input.array()?);
        if excess.abs() > EXCESS_MAX {
            return Err(input.invalid("sum", "it is out of range"));
        }
        beside.excess.insert(player, excess);
    }
    let mut undo = Undo::default();
    for _ in 0..input.number_up_to(players as u64, "number of players with recent claims")? {
        let player = read_player(input, players)?;
        let claims = input.number_u32("number of recent claims")?;
        let key = match input.number_up_to(1, "whether there is more")? {
            0 => None,
            _ => Some(read_key(input, order)?),
        };
        undo.bases.insert(player, Base { key, claims });
    }
    undo.emptied = read_players(input, players)?;
    let tally = Tally::restored(counting.operator, ranking, beside);
    Ok(Slate::restored(counting, tally, undo))
}

fn read_key<R: Read>(input: Input<'_, R>, order: BoardOrder) -> Result<Key, SnapshotError> {
    let score = i64::from_le_bytes(input.array()?);
    Ok(Key::new(order, score, read_place(input)?))
}

/// A ranking as version 2 wrote it: places were not marked as idle.
fn read_old_ranking<R: Read>(
    input: Input<'_, R>,
    players: usize,
    counting: Counting,
) -> Result<Ranking, SnapshotError> {
    let is_sum = counting.operator == huntcore_model::BoardOperator::Sum;
    read_ranking(input, players, counting.order, |score, place| {
        let (when, offset) = place.raw();
        let place = Place::from_raw(when, offset.saturating_mul(2));
        // A sum of nothing was reached with nothing.
        if is_sum && score == 0 {
            place.idle()
        } else {
            place
        }
    })
}

fn read_ranking<R: Read>(
    input: Input<'_, R>,
    players: usize,
    order: BoardOrder,
    placed: impl Fn(i64, Place) -> Place,
) -> Result<Ranking, SnapshotError> {
    let count = input.number_up_to(players as u64, "number of entries")?;
    let mut entries = Vec::new();
    let mut before = i64::MIN;
    for _ in 0..count {
        let further = input.number("score")?;
        before = before
            .checked_add_unsigned(further)
            .ok_or_else(|| input.invalid("score", "it is out of range"))?;
        let score = match order {
            BoardOrder::Descending => !before,
            BoardOrder::Ascending => before,
        };
        let place = placed(score, read_place(input)?);
        let key = Key::new(order, score, place);
        let player = read_player(input, players)?;
        entries.push(Ranked { key, player });
    }
    Ranking::from_sorted(order, &entries)
        .ok_or_else(|| input.invalid("ranking", "it is out of order, or names a player twice"))
}
