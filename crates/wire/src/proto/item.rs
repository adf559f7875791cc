//! `ClaimItem`: what came of an attempt.

use bytes::BufMut;
use huntcore_model::{Outcome, OutcomeKind, PositionAfter, TimeMicros};

use super::ProtoFault;
use super::fields::{Fields, number_bytes, put_number};
use crate::claims::retry_after_ms;
use crate::scratch::Scratch;

/// Room for an item without a text, and its length; the longest is 68 bytes.
const ITEM_BYTES_MAX: usize = 96;

/// What came of an attempt, as it stands in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimItemRef<'a> {
    /// The outcome; `None` for one that a newer server knows.
    pub outcome: Option<OutcomeKind>,
    /// Of `won`: just after the claim's record.
    pub position: Option<&'a [u8]>,
    /// Of `won`: what the tile is worth.
    pub points: Option<u32>,
    /// Of `taken`: just after the winner's record.
    pub winner_position: Option<&'a [u8]>,
    /// When to ask again, if that may help.
    pub retry_after_ms: Option<u64>,
    /// Of `invalid` and `unknown-hunt`: what is wrong.
    pub error: Option<&'a str>,
}

/// Reads one `ClaimItem`.
pub fn decode_claim_item(message: &[u8]) -> Result<ClaimItemRef<'_>, ProtoFault> {
    let mut item = ClaimItemRef {
        outcome: None,
        position: None,
        points: None,
        winner_position: None,
        retry_after_ms: None,
        error: None,
    };
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => item.outcome = kind_of(value.number("outcome")?),
            2 => {
                // Of a message that comes twice the second adds to the first.
                let mut receipt = Fields::of(value.bytes("receipt")?);
                let position = item.position.get_or_insert_default();
                while let Some((field, value)) = receipt.next()? {
                    if field == 1 {
                        *position = value.bytes("position")?;
                    }
                }
            }
            3 => item.points = Some(value.number_u32("points")?),
            4 => item.winner_position = Some(value.bytes("winner_position")?),
            5 => item.retry_after_ms = Some(value.number("retry_after_ms")?),
            6 => item.error = Some(value.text("error")?),
            _ => {}
        }
    }
    Ok(item)
}

/// Appends what came of an attempt, asked at `now`, behind its length.
#[inline]
pub(crate) fn put_outcome(out: &mut impl BufMut, outcome: &Outcome, now: TimeMicros) {
    let mut item = Scratch::<ITEM_BYTES_MAX>::new();
    // The length comes last; it fits one byte.
    item.put_all(&[0, 1 << 3, number_of(outcome.kind())]);
    match *outcome {
        Outcome::Won {
            shard,
            sequence,
            points,
        } => {
            let position = PositionAfter::new(shard, sequence);
            let (bytes, length) = position.padded();
            let count = small(length);
            item.put_all(&[2 << 3 | 2, count + 2, 1 << 3 | 2, count]);
            item.put_first(bytes, length);
            put_number_field(&mut item, 3, u64::from(points));
        }
        Outcome::Taken { shard, sequence } => {
            let position = PositionAfter::new(shard, sequence);
            let (bytes, length) = position.padded();
            item.put_all(&[4 << 3 | 2, small(length)]);
            item.put_first(bytes, length);
        }
        _ => {
            if let Some(millis) = retry_after_ms(outcome, now) {
                put_number_field(&mut item, 5, millis);
            }
        }
    }
    item.set_first(small(item.len() - 1));
    out.put_slice(item.as_slice());
}

/// Appends an item that is nothing but its kind and what is wrong, behind its length.
pub(crate) fn put_item(out: &mut impl BufMut, kind: OutcomeKind, error: &str) {
    let (length, count) = number_bytes(error.len() as u64);
    put_number(out, (3 + count + error.len()) as u64);
    out.put_slice(&[1 << 3, number_of(kind), 6 << 3 | 2]);
    out.put_slice(&length[..count]);
    out.put_slice(error.as_bytes());
}

/// Appends a number's field; there has to be room for the longest number.
#[inline]
pub(super) fn put_number_field<const N: usize>(item: &mut Scratch<N>, field: u8, number: u64) {
    let (bytes, length) = number_bytes(number);
    item.put_all(&[field << 3]);
    item.put_first(&bytes, length);
}

pub(super) fn small(length: usize) -> u8 {
    u8::try_from(length).expect("items without a text are short")
}

/// The number of a kind: never used again for another one.
pub(super) const fn number_of(kind: OutcomeKind) -> u8 {
    match kind {
        OutcomeKind::Won => 1,
        OutcomeKind::Taken => 2,
        OutcomeKind::Expired => 3,
        OutcomeKind::NotYetOpen => 4,
        OutcomeKind::UnknownTile => 5,
        OutcomeKind::UnknownHunt => 6,
        OutcomeKind::HuntPaused => 7,
        OutcomeKind::RateLimited => 8,
        OutcomeKind::Overloaded => 9,
        OutcomeKind::StorageFull => 10,
        OutcomeKind::OutcomeUnknown => 11,
        OutcomeKind::Invalid => 12,
    }
}

pub(super) fn kind_of(number: u64) -> Option<OutcomeKind> {
    OutcomeKind::ALL
        .into_iter()
        .find(|&kind| u64::from(number_of(kind)) == number)
}
