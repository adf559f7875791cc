//! What came of attempts, written straight into the bytes that go out.

use bytes::BufMut;
use huntcore_model::{Outcome, OutcomeKind, PositionAfter, TimeMicros};

use crate::ClaimStreamForm;
use crate::claims::{ClaimItem, retry_after_ms};
use crate::proto;
use crate::scratch::Scratch;

/// Room for an item in JSON without a text; the longest has 85 bytes.
const JSON_BYTES_MAX: usize = 128;

/// Appends what came of an attempt that was asked at `now`, as [`ClaimItem::of_outcome`] has it:
/// a line, or a message behind its length.
#[inline]
pub fn put_outcome(
    out: &mut impl BufMut,
    form: ClaimStreamForm,
    outcome: &Outcome,
    now: TimeMicros,
) {
    match form {
        ClaimStreamForm::Lines => put_json(out, outcome, now, b"}\n", 2),
        ClaimStreamForm::Protobuf => proto::put_outcome(out, outcome, now),
    }
}

/// Appends an item whose outcome needed no decision, with what is wrong with it.
#[cold]
pub fn put_refusal(out: &mut impl BufMut, form: ClaimStreamForm, kind: OutcomeKind, error: &str) {
    match form {
        ClaimStreamForm::Lines => {
            put_json_refusal(out, kind, error);
            out.put_u8(b'\n');
        }
        ClaimStreamForm::Protobuf => proto::put_item(out, kind, error),
    }
}

/// Like [`put_outcome`] in JSON, but without a line end.
pub fn put_json_outcome(out: &mut impl BufMut, outcome: &Outcome, now: TimeMicros) {
    put_json(out, outcome, now, b"}\n", 1);
}

/// Like [`put_refusal`] in JSON, but without a line end.
#[cold]
pub fn put_json_refusal(out: &mut impl BufMut, kind: OutcomeKind, error: &str) {
    let item = ClaimItem {
        outcome: kind,
        ..ClaimItem::invalid(error)
    };
    out.put_slice(&serde_json::to_vec(&item).expect("plain data"));
}

#[inline]
fn put_json(
    out: &mut impl BufMut,
    outcome: &Outcome,
    now: TimeMicros,
    end: &[u8; 2],
    end_length: usize,
) {
    let mut item = Scratch::<JSON_BYTES_MAX>::new();
    match *outcome {
        Outcome::Won {
            shard,
            sequence,
            points,
        } => {
            item.put_all(br#"{"outcome":"won","receipt":{"position":""#);
            PositionAfter::new(shard, sequence).with_text(|text| item.put(text));
            item.put_all(br#""},"points":"#);
            item.put_decimal(u64::from(points));
        }
        Outcome::Taken { shard, sequence } => {
            item.put_all(br#"{"outcome":"taken","winner_position":""#);
            PositionAfter::new(shard, sequence).with_text(|text| item.put(text));
            item.put_all(b"\"");
        }
        _ => {
            item.put_all(br#"{"outcome":""#);
            item.put(outcome.kind().name().as_bytes());
            item.put_all(b"\"");
            if let Some(millis) = retry_after_ms(outcome, now) {
                item.put_all(br#","retry_after_ms":"#);
                item.put_decimal(millis);
            }
        }
    }
    item.put_first(end, end_length);
    out.put_slice(item.as_slice());
}
