//! The socket's messages, written.

use bytes::Bytes;
use huntcore_model::{BoardName, Hash32, PlayerId, RoundNumber};

use super::super::fields::number_bytes;
use super::super::item::{number_of, put_number_field, small};
use super::super::writer::{Writer, zigzag};
use super::names::{board_number, correction_number, millis, position_bytes, state_number};
use crate::scratch::Scratch;
use crate::{
    BoardEntry, BoardMessage, BoardWindow, CLAIM_ID_BYTES_MAX, ClaimMessage, ClientMessage,
    DeltaMessage, ErrorMessage, Interest, LiveBoard, LiveBoards, LiveCorrection, LiveSeed,
    OutcomeMessage, OutcomeText, RankMessage, RoundMessage, ServerMessage, SnapshotMessage,
    SnapshotRound, SubscribeMessage, SubscribedMessage, Timestamp,
};

/// Room for what stands before a message: its key and its length.
const HEAD_BYTES: usize = 6;

/// Room for an outcome's message without a detail; the longest is 173 bytes.
const OUTCOME_BYTES_MAX: usize = 192;

/// What a claim takes besides its player's id, about: a byte for the round, two for the tile, one
/// for the points, two before the id; a little more, so that nothing has to grow.
const CLAIM_BYTES: usize = 8;

/// Writes a message for a binary frame.
pub(crate) fn encode_client_message(message: &ClientMessage) -> Bytes {
    match message {
        ClientMessage::Subscribe(subscribe) => {
            enclosed(1, 64, |writer| put_subscribe(writer, subscribe))
        }
        ClientMessage::Claim(claim) => enclosed(2, 128, |writer| put_claim(writer, claim)),
    }
}

/// Writes a message for a binary frame.
pub(crate) fn encode_server_message(message: &ServerMessage) -> Bytes {
    match message {
        ServerMessage::Subscribed(message) => {
            enclosed(1, 256, |writer| put_subscribed(writer, message))
        }
        ServerMessage::Round(message) => enclosed(2, 256, |writer| put_round(writer, message)),
        ServerMessage::Delta(message) => {
            enclosed(3, delta_bytes(message), |writer| put_delta(writer, message))
        }
        ServerMessage::Snapshot(message) => enclosed(4, snapshot_bytes(message), |writer| {
            put_snapshot(writer, message);
        }),
        ServerMessage::Board(message) => {
            enclosed(5, board_bytes(message), |writer| put_board(writer, message))
        }
        ServerMessage::Rank(message) => enclosed(6, 192, |writer| put_rank(writer, message)),
        ServerMessage::Outcome(message) => {
            enclosed(7, 256, |writer| put_outcome_message(writer, message))
        }
        ServerMessage::Error(message) => enclosed(8, 256, |writer| put_error(writer, message)),
    }
}

/// Appends an outcome's message.
#[inline]
pub(crate) fn put_outcome_text(out: &mut Vec<u8>, server_time: Timestamp, text: &OutcomeText<'_>) {
    let id = text.claim.id.as_bytes();
    assert!(id.len() <= CLAIM_ID_BYTES_MAX, "a claim keeps its limits");
    let mut message = Scratch::<OUTCOME_BYTES_MAX>::new();
    // Its head comes last: the key and a length of one byte, or of two.
    message.put_all(&[0; 3]);
    let millis = millis(server_time);
    if millis != 0 {
        put_number_field(&mut message, 1, millis);
    }
    if !id.is_empty() {
        message.put_all(&[2 << 3 | 2, small(id.len())]);
        message.put(id);
    }
    message.put_all(&[3 << 3, number_of(text.kind)]);
    for (field, number) in [
        (4, text.claim.round.get()),
        (5, u64::from(text.claim.tile.get())),
    ] {
        if number != 0 {
            put_number_field(&mut message, field, number);
        }
    }
    if let Some(position) = &text.receipt {
        let (bytes, length) = position.padded();
        let count = small(length);
        message.put_all(&[6 << 3 | 2, count + 2, 1 << 3 | 2, count]);
        message.put_first(bytes, length);
    }
    if let Some(points) = text.points {
        put_number_field(&mut message, 7, u64::from(points));
    }
    if let Some(position) = &text.winner {
        let (bytes, length) = position.padded();
        message.put_all(&[8 << 3 | 2, small(length)]);
        message.put_first(bytes, length);
    }
    if let Some(millis) = text.retry_after_ms {
        put_number_field(&mut message, 9, millis);
    }
    let (length, width) = number_bytes((message.len() - 3) as u64);
    let start = 2 - width;
    let bytes = message.as_mut_slice();
    bytes[start] = 7 << 3 | 2;
    bytes[start + 1..3].copy_from_slice(&length[..width]);
    out.extend_from_slice(&bytes[start..]);
}

/// The one field of a frame's message. Room for its head is left before it, so that long ones
/// need not be moved.
fn enclosed(field: u8, capacity: usize, write: impl FnOnce(&mut Writer<'_>)) -> Bytes {
    let mut out = Vec::with_capacity(HEAD_BYTES + capacity);
    out.extend_from_slice(&[0; HEAD_BYTES]);
    write(&mut Writer::new(&mut out));
    let (length, width) = number_bytes((out.len() - HEAD_BYTES) as u64);
    let start = HEAD_BYTES - 1 - width;
    out[start] = field << 3 | 2;
    out[start + 1..HEAD_BYTES].copy_from_slice(&length[..width]);
    Bytes::from(out).slice(start..)
}

fn put_subscribe(writer: &mut Writer<'_>, message: &SubscribeMessage) {
    let resume = message.resume.as_ref().map(position_bytes);
    writer.some_bytes(1, resume.as_deref());
    put_interest(writer, 2, &message.interest);
    put_board_name(writer, (3, 4), message.own_rank);
}

fn put_claim(writer: &mut Writer<'_>, message: &ClaimMessage) {
    writer.bytes(1, message.id.as_bytes());
    writer.number(2, message.round.get());
    writer.number(3, u64::from(message.tile.get()));
    writer.some_bytes(4, message.answer.as_ref().map(String::as_bytes));
}

fn put_subscribed(writer: &mut Writer<'_>, message: &SubscribedMessage) {
    writer.number(1, millis(message.server_time));
    writer.bytes(2, message.hunt.as_str().as_bytes());
    let player = message.player.as_ref();
    writer.some_bytes(3, player.map(|player| player.as_str().as_bytes()));
    writer.number(4, u64::from(message.resumed));
    writer.number(5, message.tick);
    writer.bytes(6, &position_bytes(&message.resume));
    writer.number(7, message.tick_ms);
    put_interest(writer, 8, &message.interest);
    put_board_name(writer, (9, 10), message.own_rank);
}

fn put_round(writer: &mut Writer<'_>, message: &RoundMessage) {
    writer.number(1, millis(message.server_time));
    writer.bytes(2, message.hunt.as_str().as_bytes());
    writer.number(3, message.round.get());
    writer.number(4, u64::from(message.config_version));
    put_hash(writer, 5, &message.map);
    put_hash(writer, 6, &message.commitment);
    put_hash(writer, 7, &message.layout);
    writer.number(8, u64::from(message.tiles));
    writer.number(9, millis(message.opens_at));
    writer.number(10, millis(message.closes_at));
}

fn put_delta(writer: &mut Writer<'_>, message: &DeltaMessage) {
    let claims = message.claims.iter();
    let oldest = message.oldest.get();
    writer.number(1, millis(message.server_time));
    writer.number(2, message.tick);
    writer.some_number(3, message.from_tick);
    writer.bytes(4, &position_bytes(&message.resume));
    writer.number(5, oldest);
    let rounds = claims.clone();
    writer.column(
        6,
        rounds.map(|claim| claim.round.get().wrapping_sub(oldest)),
    );
    let tiles = claims.clone();
    writer.column(7, tiles.map(|claim| u64::from(claim.tile.get())));
    writer.column(8, claims.clone().map(|claim| u64::from(claim.points)));
    let winners = claims.clone();
    winners.for_each(|claim| put_winner(writer, 9, claim.player.as_ref()));
    writer.column(10, message.closed.iter().map(|round| round.get()));
    for LiveSeed { round, seed } in &message.seeds {
        writer.message(11, |writer| {
            writer.number(1, round.get());
            put_hash(writer, 2, seed);
        });
    }
    writer.number(12, message.state.map_or(0, state_number));
    put_corrections(writer, 13, &message.corrections);
    put_boards(writer, 14, message.boards.as_ref());
    put_voided(writer, 15, claims.map(|claim| claim.voided));
}

fn put_snapshot(writer: &mut Writer<'_>, message: &SnapshotMessage) {
    writer.number(1, millis(message.server_time));
    writer.number(2, message.tick);
    writer.bytes(3, &position_bytes(&message.resume));
    writer.bytes(4, message.hunt.as_str().as_bytes());
    writer.number(5, state_number(message.state));
    writer.number(6, message.oldest.get());
    for round in &message.rounds {
        writer.message(7, |writer| put_snapshot_round(writer, round));
    }
    if let Some(board) = &message.board {
        writer.message(8, |writer| put_board(writer, board));
    }
    put_corrections(writer, 9, &message.corrections);
    put_boards(writer, 10, message.boards.as_ref());
}

fn put_snapshot_round(writer: &mut Writer<'_>, round: &SnapshotRound) {
    let claims = round.claims.iter();
    writer.number(1, round.round.get());
    writer.number(2, u64::from(round.config_version));
    put_hash(writer, 3, &round.map);
    put_hash(writer, 4, &round.commitment);
    put_hash(writer, 5, &round.layout);
    writer.number(6, u64::from(round.tiles));
    writer.number(7, millis(round.opens_at));
    writer.number(8, millis(round.closes_at));
    writer.number(9, u64::from(round.closed));
    let seed = round.seed.as_ref().map(Hash32::bytes);
    writer.some_bytes(10, seed.map(|seed| &seed[..]));
    let tiles = claims.clone();
    writer.column(11, tiles.map(|claim| u64::from(claim.tile.get())));
    writer.column(12, claims.clone().map(|claim| u64::from(claim.points)));
    let winners = claims.clone();
    winners.for_each(|claim| put_winner(writer, 13, claim.player.as_ref()));
    put_voided(writer, 14, claims.map(|claim| claim.voided));
}

/// The places of claims that count no more: there are hardly any.
fn put_voided(writer: &mut Writer<'_>, field: u8, claims: impl Iterator<Item = bool>) {
    let places = (0_u64..).zip(claims);
    let voided = places.filter_map(|(place, voided)| voided.then_some(place));
    let voided: Vec<u64> = voided.collect();
    writer.column(field, voided.iter().copied());
}

fn put_corrections(writer: &mut Writer<'_>, field: u8, corrections: &[LiveCorrection]) {
    for correction in corrections {
        writer.message(field, |writer| {
            let player = correction.player.as_ref();
            writer.number(1, correction_number(correction.kind));
            writer.some_number(2, correction.round.map(RoundNumber::get));
            writer.some_number(3, correction.tile.map(|tile| u64::from(tile.get())));
            writer.some_number(4, correction.points.map(u64::from));
            writer.bytes(5, player.map_or("", PlayerId::as_str).as_bytes());
            writer.bytes(6, correction.reason.as_bytes());
            writer.number(7, millis(correction.corrected_at));
            writer.bytes(8, &position_bytes(&correction.position));
        });
    }
}

fn put_boards(writer: &mut Writer<'_>, field: u8, boards: Option<&LiveBoards>) {
    let Some(LiveBoards { version, list }) = boards else {
        return;
    };
    writer.message(field, |writer| {
        writer.number(1, *version);
        for LiveBoard { board, generation } in list {
            writer.message(2, |writer| {
                writer.short_text(1, board.as_str());
                writer.number(2, *generation);
            });
        }
    });
}

fn put_board(writer: &mut Writer<'_>, message: &BoardMessage) {
    let BoardWindow {
        start,
        end,
        is_final,
    } = message.window;
    writer.number(1, millis(message.server_time));
    writer.some_number(2, board_number(message.board));
    writer.message(3, |writer| {
        writer.some_number(1, start.map(millis));
        writer.some_number(2, end.map(millis));
        writer.number(3, u64::from(is_final));
    });
    writer.bytes(4, &position_bytes(&message.position));
    writer.number(5, message.players);
    for BoardEntry {
        rank,
        player,
        score,
    } in &message.entries
    {
        writer.message(6, |writer| {
            writer.number(1, *rank);
            writer.bytes(2, player.as_str().as_bytes());
            writer.number(3, zigzag(*score));
        });
    }
    put_other_board(writer, 7, message.board);
    writer.number(8, message.generation);
}

fn put_rank(writer: &mut Writer<'_>, message: &RankMessage) {
    writer.number(1, millis(message.server_time));
    writer.some_number(2, board_number(message.board));
    writer.bytes(3, message.player.as_str().as_bytes());
    writer.some_number(4, message.rank);
    writer.some_number(5, message.score.map(zigzag));
    writer.number(6, message.players);
    writer.bytes(7, &position_bytes(&message.position));
    put_other_board(writer, 8, message.board);
}

fn put_outcome_message(writer: &mut Writer<'_>, message: &OutcomeMessage) {
    let receipt = message.receipt.as_ref();
    let receipt = receipt.map(|receipt| position_bytes(&receipt.position));
    let winner = message.winner_position.as_ref().map(position_bytes);
    writer.number(1, millis(message.server_time));
    writer.bytes(2, message.id.as_bytes());
    writer.number(3, u64::from(number_of(message.outcome)));
    writer.number(4, message.round.get());
    writer.number(5, u64::from(message.tile.get()));
    if let Some(position) = receipt {
        writer.message(6, |writer| writer.bytes(1, &position));
    }
    writer.some_number(7, message.points.map(u64::from));
    writer.some_bytes(8, winner.as_deref());
    writer.some_number(9, message.retry_after_ms);
    writer.some_bytes(10, message.detail.as_ref().map(String::as_bytes));
}

fn put_error(writer: &mut Writer<'_>, message: &ErrorMessage) {
    writer.number(1, millis(message.server_time));
    writer.some_bytes(2, message.id.as_ref().map(String::as_bytes));
    writer.bytes(3, message.code.as_bytes());
    writer.bytes(4, message.detail.as_bytes());
}

fn put_interest(writer: &mut Writer<'_>, field: u8, interest: &Interest) {
    match interest {
        Interest::Everything => {}
        Interest::Cells(cells) => writer.message(field, |writer| {
            let cells = cells.as_slice().iter();
            writer.message(1, |writer| writer.column(1, cells.map(|cell| cell.get())));
        }),
        Interest::Boards(boards) => writer.message(field, |writer| {
            let boards = boards.as_slice().iter().copied();
            let mut numbers: Vec<u64> = boards.clone().filter_map(board_number).collect();
            numbers.sort_unstable();
            writer.message(2, |writer| {
                writer.column(1, numbers.iter().copied());
                boards.for_each(|board| put_other_board(writer, 2, board));
            });
        }),
    }
}

/// One of two fields that follow each other: a built-in board's number, or another one's name.
fn put_board_name(writer: &mut Writer<'_>, (number, name): (u8, u8), board: Option<BoardName>) {
    writer.some_number(number, board.and_then(board_number));
    if let Some(board) = board {
        put_other_board(writer, name, board);
    }
}

/// The name of a board that has no number.
fn put_other_board(writer: &mut Writer<'_>, field: u8, board: BoardName) {
    if board_number(board).is_none() {
        writer.short_text(field, board.as_str());
    }
}

fn put_hash(writer: &mut Writer<'_>, field: u8, hash: &Hash32) {
    writer.bytes(field, hash.bytes());
}

/// One of a column of texts, in which an erased player is the empty one.
#[inline]
fn put_winner(writer: &mut Writer<'_>, field: u8, player: Option<&PlayerId>) {
    let id = player.map_or("", PlayerId::as_str);
    writer.short_text(field, id);
}

fn delta_bytes(message: &DeltaMessage) -> usize {
    let winners = message.claims.iter().map(|claim| &claim.player);
    let lists = 11 * message.closed.len() + 48 * message.seeds.len();
    let corrected = corrections_bytes(&message.corrections) + boards_bytes(message.boards.as_ref());
    64 + message.resume.as_str().len() + lists + corrected + claims_bytes(winners)
}

fn snapshot_bytes(message: &SnapshotMessage) -> usize {
    let rounds = message
        .rounds
        .iter()
        .map(|round| 192 + claims_bytes(round.claims.iter().map(|claim| &claim.player)));
    let board = message.board.as_ref().map_or(0, board_bytes);
    let corrected = corrections_bytes(&message.corrections) + boards_bytes(message.boards.as_ref());
    128 + message.resume.as_str().len() + rounds.sum::<usize>() + board + corrected
}

fn corrections_bytes(corrections: &[LiveCorrection]) -> usize {
    let each = corrections.iter().map(|correction| {
        let player = correction.player.as_ref().map_or(0, |id| id.as_str().len());
        96 + player + correction.reason.len()
    });
    each.sum()
}

fn boards_bytes(boards: Option<&LiveBoards>) -> usize {
    boards.map_or(0, |boards| 16 + 48 * boards.list.len())
}

fn board_bytes(message: &BoardMessage) -> usize {
    let entries = message
        .entries
        .iter()
        .map(|entry| entry.player.as_str().len() + 16);
    64 + message.position.as_str().len() + entries.sum::<usize>()
}

fn claims_bytes<'a>(winners: impl Iterator<Item = &'a Option<PlayerId>>) -> usize {
    let bytes =
        winners.map(|player| CLAIM_BYTES + player.as_ref().map_or(0, |id| id.as_str().len()));
    bytes.sum()
}
