//! The socket's messages, one in each binary frame.

mod names;
mod read_boards;
mod read_client;
mod read_server;
mod write;

pub(crate) use read_client::{decode_claim_text, decode_client_message, sketch_client_message};
pub(crate) use read_server::decode_server_message;
pub(crate) use write::{encode_client_message, encode_server_message, put_outcome_text};

use huntcore_model::BoardName;

use super::ProtoFault;
use super::fields::{Fields, Value};
use crate::{CellText, INTEREST_BOARDS_MAX, Interest, InterestError, MessageError};
use names::{board_named, board_of};

/// The one field of a frame's message.
#[inline]
fn enclosed(message: &[u8]) -> Result<(u32, Value<'_>), ProtoFault> {
    let mut fields = Fields::of(message);
    let first = fields
        .next()?
        .ok_or(ProtoFault::Missing { field: "message" })?;
    match fields.next()? {
        None => Ok(first),
        Some(_) => Err(ProtoFault::Repeated { field: "message" }),
    }
}

fn unknown_type(field: u32) -> MessageError {
    MessageError::UnknownType {
        kind: format!("field {field}"),
    }
}

/// Keeps a message that may come once: what protobuf makes of two, one, would be neither.
fn set_once<T>(place: &mut Option<T>, value: T, field: &'static str) -> Result<(), ProtoFault> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(ProtoFault::Repeated { field }),
    }
}

fn read_interest(value: Value<'_>) -> Result<Interest, ProtoFault> {
    let mut interest = None;
    let mut fields = Fields::of(value.bytes("interest")?);
    while let Some((field, value)) = fields.next()? {
        let read = match field {
            1 => {
                let cells = read_list(value, "cells")?;
                Interest::cells(cells.into_iter().map(CellText::new))
            }
            2 => Interest::boards(read_boards(value)?),
            _ => continue,
        };
        set_once(&mut interest, read?, "interest")?;
    }
    // One that this version does not know is not to pass for everything.
    interest.ok_or(ProtoFault::Missing { field: "interest" })
}

/// Built-in boards by number, others by name. More than an interest may have are not looked at.
fn read_boards(value: Value<'_>) -> Result<Vec<BoardName>, ProtoFault> {
    let (mut boards, mut numbers) = (Vec::new(), Vec::new());
    let mut fields = Fields::of(value.bytes("boards")?);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => value.append_to(&mut numbers, "boards")?,
            2 => boards.push(board_named(value, "names")?),
            _ => {}
        }
        let found = boards.len() + numbers.len();
        if found > INTEREST_BOARDS_MAX {
            return Err(InterestError::Boards { found }.into());
        }
    }
    for number in numbers {
        boards.push(board_of(number, "boards")?.ok_or(ProtoFault::Range {
            field: "boards",
            found: number,
        })?);
    }
    Ok(boards)
}

/// A message that is nothing but a list of numbers.
fn read_list(value: Value<'_>, name: &'static str) -> Result<Vec<u64>, ProtoFault> {
    let mut list = Vec::new();
    let mut fields = Fields::of(value.bytes(name)?);
    while let Some((field, value)) = fields.next()? {
        if field == 1 {
            value.append_to(&mut list, name)?;
        }
    }
    Ok(list)
}
