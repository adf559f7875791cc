//! What must hold for whatever is sent to the batch door. The fuzz targets and wire's own tests
//! run the same function.

use huntcore_wire::proto::{ClaimItemRef, decode_claim_item, encode_claim_for};
use huntcore_wire::{
    ANSWER_BYTES_MAX, CLAIM_ITEM_BYTES_MAX, ClaimFault, ClaimForRef, ClaimReader, ClaimStreamForm,
    put_refusal,
};

type Item = Result<ClaimForRef<'static>, ClaimFault>;

/// Reads `bytes` as a stream of attempts: whole, and in pieces whose lengths follow each other
/// in a circle of `cuts`.
///
/// # Panics
/// If a promise is broken.
pub(crate) fn check_claim_stream(form: ClaimStreamForm, bytes: &[u8], cuts: &[u8]) {
    let whole = read(form, [bytes]);
    assert!(
        whole.len() <= bytes.len() + 1,
        "an item takes at least a byte"
    );
    for item in &whole {
        match item {
            Ok(claim) => check_claim(claim),
            Err(fault) => check_fault(form, fault),
        }
    }
    let lost = whole.iter().position(|item| *item == Err(ClaimFault::Lost));
    assert!(
        lost.is_none_or(|lost| lost + 1 == whole.len()),
        "nothing follows what is lost"
    );
    let pieces = read(form, pieces(bytes, cuts));
    assert_eq!(pieces, whole, "it makes no difference where chunks are cut");
}

fn read<'a>(form: ClaimStreamForm, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Item> {
    let mut reader = ClaimReader::new(form);
    let mut items = Vec::new();
    for mut chunk in chunks {
        while let Some(item) = reader.next(&mut chunk) {
            items.push(item.map(ClaimForRef::into_owned));
        }
        assert!(chunk.is_empty(), "a chunk is used up");
    }
    items.extend(
        reader
            .finish()
            .map(|item| item.map(ClaimForRef::into_owned)),
    );
    assert!(reader.finish().is_none(), "a stream ends once");
    items
}

fn pieces<'a>(mut bytes: &'a [u8], cuts: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut cuts = cuts.iter().cycle();
    std::iter::from_fn(move || {
        let wanted = cuts.next().map_or(1, |&cut| usize::from(cut).max(1));
        let (piece, rest) = bytes.split_at(wanted.min(bytes.len()));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// An attempt keeps its limits, and survives its protobuf form.
fn check_claim(claim: &ClaimForRef<'_>) {
    assert!((1..=64).contains(&claim.hunt.len()) && claim.hunt.is_ascii());
    assert!((1..=64).contains(&claim.player.len()));
    let answer = claim.answer.as_ref();
    assert!(answer.is_none_or(|answer| answer.len() <= ANSWER_BYTES_MAX));
    let mut bytes = Vec::new();
    encode_claim_for(&mut bytes, claim);
    let again = read(ClaimStreamForm::Protobuf, [&bytes[..]]);
    assert_eq!(again, [Ok(claim.clone().into_owned())]);
}

/// A fault can be told, in few words.
fn check_fault(form: ClaimStreamForm, fault: &ClaimFault) {
    let mut out = Vec::new();
    let error = fault.to_string();
    assert!(!error.is_empty() && error.len() <= 2 * CLAIM_ITEM_BYTES_MAX);
    let invalid = huntcore_model::OutcomeKind::Invalid;
    put_refusal(&mut out, form, invalid, &error);
    match form {
        ClaimStreamForm::Lines => {
            let end = out.iter().position(|&byte| byte == b'\n');
            assert_eq!(end, Some(out.len() - 1), "one line");
            serde_json::from_slice::<huntcore_wire::ClaimItem>(&out).expect("an item");
        }
        ClaimStreamForm::Protobuf => {
            let start = out.iter().position(|&byte| byte < 0x80).expect("a length") + 1;
            let ClaimItemRef {
                outcome,
                error: told,
                ..
            } = decode_claim_item(&out[start..]).expect("an item");
            assert_eq!((outcome, told), (Some(invalid), Some(&*error)));
        }
    }
}
