//! `ClaimFor`: an attempt made for a player.

use std::borrow::Cow;

use bytes::BufMut;
use huntcore_model::{RoundNumber, TileIndex};

use super::ProtoFault;
use super::fields::{Fields, key, narrow, number_length, put_number, text};
use crate::ANSWER_BYTES_MAX;
use crate::attempt::{ClaimForRef, check_hunt, check_player};

const HUNT: u8 = key(1, 2);
const ROUND: u8 = key(2, 0);
const TILE: u8 = key(3, 0);
const PLAYER: u8 = key(4, 2);
const ANSWER: u8 = key(5, 2);

/// Reads one `ClaimFor`.
pub fn decode_claim_for(message: &[u8]) -> Result<ClaimForRef<'_>, ProtoFault> {
    decode_likely(message, "")
}

/// Like [`decode_claim_for`]; of the hunt that is `likely` the name costs a comparison. It is
/// empty or the id of a hunt.
#[inline]
pub(crate) fn decode_likely<'a>(
    message: &'a [u8],
    likely: &'a str,
) -> Result<ClaimForRef<'a>, ProtoFault> {
    let (mut hunt, mut round, mut tile, mut player, mut answer) = ("", 0, 0, "", None);
    let mut hunt_is_likely = false;
    let mut fields = Fields::of(message);
    while let Some(byte) = fields.key_byte() {
        match byte {
            HUNT => {
                let bytes = fields.bytes_here()?;
                hunt_is_likely = !bytes.is_empty() && bytes == likely.as_bytes();
                hunt = match hunt_is_likely {
                    true => likely,
                    false => text(bytes, "hunt")?,
                };
            }
            ROUND => round = fields.number_here()?,
            TILE => tile = narrow(fields.number_here()?, "tile")?,
            PLAYER => player = text(fields.bytes_here()?, "player")?,
            ANSWER => answer = Some(text(fields.bytes_here()?, "answer")?),
            _ => {
                // A field that is not known, or one of ours with a key of more bytes than needed.
                let Some((field, value)) = fields.next()? else {
                    break;
                };
                match field {
                    1 => (hunt, hunt_is_likely) = (value.text("hunt")?, false),
                    2 => round = value.number("round")?,
                    3 => tile = value.number_u32("tile")?,
                    4 => player = value.text("player")?,
                    5 => answer = Some(value.text("answer")?),
                    _ => {}
                }
            }
        }
    }
    if !hunt_is_likely {
        check_hunt(hunt)?;
    }
    check_player(player)?;
    if let Some(long) = answer.filter(|answer| answer.len() > ANSWER_BYTES_MAX) {
        return Err(ProtoFault::TooLong {
            field: "answer",
            bytes: long.len(),
            bytes_max: ANSWER_BYTES_MAX,
        });
    }
    Ok(ClaimForRef {
        hunt: Cow::Borrowed(hunt),
        round: RoundNumber::new(round),
        tile: TileIndex::new(tile),
        player: Cow::Borrowed(player),
        answer: answer.map(Cow::Borrowed),
    })
}

/// Appends one `ClaimFor` behind its length.
pub fn encode_claim_for(out: &mut impl BufMut, claim: &ClaimForRef<'_>) {
    let text_length = |text: &str| 1 + number_length(text.len() as u64) + text.len();
    let number_field_length = |number: u64| match number {
        0 => 0,
        _ => 1 + number_length(number),
    };
    let (round, tile) = (claim.round.get(), u64::from(claim.tile.get()));
    let answer = claim.answer.as_deref();
    let length = text_length(&claim.hunt)
        + number_field_length(round)
        + number_field_length(tile)
        + text_length(&claim.player)
        + answer.map_or(0, text_length);
    put_number(out, length as u64);
    put_text(out, HUNT, &claim.hunt);
    for (key, number) in [(ROUND, round), (TILE, tile)] {
        if number != 0 {
            out.put_u8(key);
            put_number(out, number);
        }
    }
    put_text(out, PLAYER, &claim.player);
    if let Some(answer) = answer {
        put_text(out, ANSWER, answer);
    }
}

fn put_text(out: &mut impl BufMut, key: u8, text: &str) {
    out.put_u8(key);
    put_number(out, text.len() as u64);
    out.put_slice(text.as_bytes());
}
