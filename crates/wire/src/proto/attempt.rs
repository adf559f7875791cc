//! `ClaimFor`: an attempt made for a player.

use std::borrow::Cow;

use bytes::BufMut;
use huntcore_model::{RoundNumber, TileIndex};

use super::ProtoFault;
use super::fields::{Fields, number_length, put_number};
use crate::ANSWER_BYTES_MAX;
use crate::attempt::{ClaimForRef, check_hunt, check_player};

/// Reads one `ClaimFor`.
pub fn decode_claim_for(message: &[u8]) -> Result<ClaimForRef<'_>, ProtoFault> {
    let (mut hunt, mut round, mut tile, mut player, mut answer) = ("", 0, 0, "", None);
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => hunt = value.text("hunt")?,
            2 => round = value.number("round")?,
            3 => tile = value.number_u32("tile")?,
            4 => player = value.text("player")?,
            5 => answer = Some(value.text("answer")?),
            _ => {}
        }
    }
    check_hunt(hunt)?;
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
    put_text(out, 1, &claim.hunt);
    for (field, number) in [(2, round), (3, tile)] {
        if number != 0 {
            out.put_u8(field << 3);
            put_number(out, number);
        }
    }
    put_text(out, 4, &claim.player);
    if let Some(answer) = answer {
        put_text(out, 5, answer);
    }
}

fn put_text(out: &mut impl BufMut, field: u8, text: &str) {
    out.put_u8(field << 3 | 2);
    put_number(out, text.len() as u64);
    out.put_slice(text.as_bytes());
}
