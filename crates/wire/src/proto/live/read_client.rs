//! What clients send, read: strangers' bytes.

use huntcore_model::{RoundNumber, TileIndex};

use super::super::ProtoFault;
use super::super::fields::{Fields, Value, key, narrow, text};
use super::names::{board_named, board_of, position};
use super::{enclosed, read_interest, set_once, unknown_type};
use crate::{
    ANSWER_BYTES_MAX, CLAIM_ID_BYTES_MAX, ClaimMessage, ClaimText, ClientMessage, MessageError,
    SubscribeMessage,
};

const CLAIM: u8 = key(2, 2);
const ID: u8 = key(1, 2);
const ROUND: u8 = key(2, 0);
const TILE: u8 = key(3, 0);
const ANSWER: u8 = key(4, 2);

/// Reads a binary frame's message.
pub(crate) fn decode_client_message(message: &[u8]) -> Result<ClientMessage, MessageError> {
    match enclosed(message)? {
        (1, value) => Ok(ClientMessage::Subscribe(read_subscribe(
            value.bytes("subscribe")?,
        )?)),
        (2, value) => {
            let (claim, answer) = read_claim(value.bytes("claim")?)?;
            Ok(ClientMessage::Claim(ClaimMessage {
                id: claim.id.to_owned(),
                round: claim.round,
                tile: claim.tile,
                answer: answer.map(str::to_owned),
            }))
        }
        (field, _) => Err(unknown_type(field)),
    }
}

/// Reads a binary frame's message if it is a claim, and a good one.
#[inline]
pub(crate) fn decode_claim_text(message: &[u8]) -> Option<ClaimText<'_>> {
    let claim = match message {
        // Nearly every claim's length has one byte.
        [CLAIM, length, claim @ ..] if usize::from(*length) == claim.len() && *length < 0x80 => {
            claim
        }
        _ => match enclosed(message).ok()? {
            (2, Value::Bytes(claim)) => claim,
            _ => return None,
        },
    };
    read_claim(claim).ok().map(|(claim, _)| claim)
}

/// Whether a message was meant as a claim, and the claim's id, as far as either can be read.
pub(crate) fn sketch_client_message(message: &[u8]) -> (bool, Option<&str>) {
    let Ok(Some((2, Value::Bytes(claim)))) = Fields::of(message).next() else {
        return (false, None);
    };
    let mut fields = Fields::of(claim);
    while let Ok(Some((field, value))) = fields.next() {
        if let (1, Ok(id)) = (field, value.text("id")) {
            return (true, Some(id));
        }
    }
    (true, None)
}

#[inline]
fn read_claim(message: &[u8]) -> Result<(ClaimText<'_>, Option<&str>), ProtoFault> {
    let (mut id, mut round, mut tile, mut answer) = ("", 0, 0, None);
    let mut fields = Fields::of(message);
    while let Some(byte) = fields.key_byte() {
        match byte {
            ID => id = text(fields.bytes_here()?, "id")?,
            ROUND => round = fields.number_here()?,
            TILE => tile = narrow(fields.number_here()?, "tile")?,
            ANSWER => answer = Some(text(fields.bytes_here()?, "answer")?),
            _ => {
                // A field that is not known, or one of ours with a key of more bytes than needed.
                let Some((field, value)) = fields.next()? else {
                    break;
                };
                match field {
                    1 => id = value.text("id")?,
                    2 => round = value.number("round")?,
                    3 => tile = value.number_u32("tile")?,
                    4 => answer = Some(value.text("answer")?),
                    _ => {}
                }
            }
        }
    }
    if id.is_empty() {
        return Err(ProtoFault::Missing { field: "id" });
    }
    at_most("id", id, CLAIM_ID_BYTES_MAX)?;
    at_most("answer", answer.unwrap_or_default(), ANSWER_BYTES_MAX)?;
    let claim = ClaimText {
        id,
        round: RoundNumber::new(round),
        tile: TileIndex::new(tile),
    };
    Ok((claim, answer))
}

fn at_most(field: &'static str, text: &str, bytes_max: usize) -> Result<(), ProtoFault> {
    match text.len() {
        bytes if bytes > bytes_max => Err(ProtoFault::TooLong {
            field,
            bytes,
            bytes_max,
        }),
        _ => Ok(()),
    }
}

fn read_subscribe(message: &[u8]) -> Result<SubscribeMessage, ProtoFault> {
    let mut subscribe = SubscribeMessage::default();
    let mut interest = None;
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => subscribe.resume = Some(position(value, "resume")?),
            2 => set_once(&mut interest, read_interest(value)?, "interest")?,
            3 => subscribe.own_rank = board_of(value.number("own_rank")?, "own_rank")?,
            4 => subscribe.own_rank = Some(board_named(value, "own_rank_name")?),
            _ => {}
        }
    }
    subscribe.interest = interest.unwrap_or_default();
    Ok(subscribe)
}
