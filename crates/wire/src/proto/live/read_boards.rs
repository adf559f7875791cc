//! What servers send about boards, read: a board's top, which boards there are, corrections.

use huntcore_model::{PlayerId, RoundNumber, TileIndex};

use super::super::ProtoFault;
use super::super::fields::{Fields, Value};
use super::super::writer::unzigzag;
use super::names::{board_named, board_of, correction_of, position, time};
use super::read_server::{player_of, present, read_server_time};
use super::set_once;
use crate::{
    BoardEntry, BoardMessage, BoardWindow, LiveBoard, LiveBoards, LiveCorrection, PositionText,
    Timestamp,
};

pub(super) fn read_correction(value: Value<'_>) -> Result<LiveCorrection, ProtoFault> {
    let (mut kind, mut player, mut reason) = (None, None, "");
    let (mut round, mut tile, mut points) = (None, None, None);
    let (mut corrected_at, mut place) = (Timestamp::default(), PositionText::default());
    let mut fields = Fields::of(value.bytes("corrections")?);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => kind = correction_of(value.number("kind")?)?,
            2 => round = Some(RoundNumber::new(value.number("round")?)),
            3 => tile = Some(TileIndex::new(value.number_u32("tile")?)),
            4 => points = Some(value.number_u32("points")?),
            5 => player = player_of(value.text("player")?)?,
            6 => reason = value.text("reason")?,
            7 => corrected_at = time(value.number("corrected_at_ms")?, "corrected_at_ms")?,
            8 => place = position(value, "position")?,
            _ => {}
        }
    }
    Ok(LiveCorrection {
        kind: present(kind, "kind")?,
        round,
        tile,
        points,
        player,
        reason: reason.to_owned(),
        corrected_at,
        position: place,
    })
}

pub(super) fn read_board_list(value: Value<'_>) -> Result<LiveBoards, ProtoFault> {
    let (mut version, mut list) = (0, Vec::new());
    let mut fields = Fields::of(value.bytes("boards")?);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => version = value.number("version")?,
            2 => list.push(read_live_board(value)?),
            _ => {}
        }
    }
    Ok(LiveBoards { version, list })
}

fn read_live_board(value: Value<'_>) -> Result<LiveBoard, ProtoFault> {
    let (mut board, mut generation) = (None, 0);
    let mut fields = Fields::of(value.bytes("list")?);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => board = Some(board_named(value, "board")?),
            2 => generation = value.number("generation")?,
            _ => {}
        }
    }
    Ok(LiveBoard {
        board: present(board, "board")?,
        generation,
    })
}

pub(super) fn read_board(message: &[u8]) -> Result<BoardMessage, ProtoFault> {
    let (mut server_time, mut board, mut window) = (Timestamp::default(), None, None);
    let (mut seen, mut players, mut entries) = (PositionText::default(), 0, Vec::new());
    let mut generation = 0;
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => server_time = read_server_time(value)?,
            2 => board = board_of(value.number("board")?, "board")?,
            7 => board = Some(board_named(value, "board_name")?),
            8 => generation = value.number("generation")?,
            3 => set_once(&mut window, read_window(value)?, "window")?,
            4 => seen = position(value, "position")?,
            5 => players = value.number("players")?,
            6 => entries.push(read_entry(value)?),
            _ => {}
        }
    }
    Ok(BoardMessage {
        server_time,
        board: present(board, "board")?,
        generation,
        window: present(window, "window")?,
        position: seen,
        players,
        entries,
    })
}

fn read_window(value: Value<'_>) -> Result<BoardWindow, ProtoFault> {
    let mut window = BoardWindow::WHOLE_HUNT;
    let mut fields = Fields::of(value.bytes("window")?);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => window.start = Some(time(value.number("start_ms")?, "start_ms")?),
            2 => window.end = Some(time(value.number("end_ms")?, "end_ms")?),
            3 => window.is_final = value.number("final")? != 0,
            _ => {}
        }
    }
    Ok(window)
}

fn read_entry(value: Value<'_>) -> Result<BoardEntry, ProtoFault> {
    let (mut rank, mut player, mut score) = (0, "", 0);
    let mut fields = Fields::of(value.bytes("entries")?);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => rank = value.number("rank")?,
            2 => player = value.text("player")?,
            3 => score = unzigzag(value.number("score")?),
            _ => {}
        }
    }
    Ok(BoardEntry {
        rank,
        player: PlayerId::new(player)?,
        score,
    })
}
