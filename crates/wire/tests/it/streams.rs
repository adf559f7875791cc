//! Streams of attempts: good ones, mutated ones, and anything else.

use huntcore_wire::proto::encode_claim_for;
use huntcore_wire::{
    CLAIM_ITEM_BYTES_MAX, ClaimFault, ClaimForRef, ClaimReader, ClaimStreamForm, parse_claim_for,
};
use proptest::prelude::*;

// Named by its path: the fuzz targets run the same function.
#[path = "../../../../fuzz/src/claim_stream.rs"]
mod claim_stream;

use claim_stream::check_claim_stream;

const FORMS: [ClaimStreamForm; 2] = [ClaimStreamForm::Lines, ClaimStreamForm::Protobuf];

fn line(tile: u32) -> String {
    format!(r#"{{"hunt":"park","round":1,"tile":{tile},"player":"ada"}}"#)
}

fn message(tile: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let line = line(tile);
    encode_claim_for(
        &mut bytes,
        &parse_claim_for(line.as_bytes()).expect("an attempt"),
    );
    bytes
}

/// Reads chunks, and gives each item's tile or fault.
fn read(form: ClaimStreamForm, chunks: &[&[u8]]) -> Vec<Result<u32, ClaimFault>> {
    let mut reader = ClaimReader::new(form);
    let tile = |item: Result<ClaimForRef<'_>, ClaimFault>| item.map(|claim| claim.tile.get());
    let mut items = Vec::new();
    for mut chunk in chunks.iter().copied() {
        while let Some(item) = reader.next(&mut chunk) {
            items.push(tile(item));
        }
    }
    items.extend(reader.finish().map(tile));
    items
}

#[test]
fn an_item_is_given_as_soon_as_its_last_byte_is_there() {
    let mut reader = ClaimReader::new(ClaimStreamForm::Protobuf);
    let bytes = message(7);
    let (mut head, mut last) = bytes.split_at(bytes.len() - 1);
    assert!(reader.next(&mut head).is_none() && reader.is_within_item());
    assert_eq!(
        reader
            .next(&mut last)
            .expect("whole")
            .expect("good")
            .tile
            .get(),
        7
    );
    assert!(!reader.is_within_item());
}

#[test]
fn the_last_line_needs_no_end_and_empty_ones_are_skipped() {
    let text = format!("\n  \r\n{}\r\n\n{}", line(1), line(2));
    assert_eq!(
        read(ClaimStreamForm::Lines, &[text.as_bytes()]),
        [Ok(1), Ok(2)]
    );
}

#[test]
fn a_stream_that_ends_inside_an_item_says_so_of_that_item_alone() {
    let text = format!("{}\n{}", line(1), &line(2)[..20]);
    let items = read(ClaimStreamForm::Lines, &[text.as_bytes()]);
    assert_eq!(items[0], Ok(1));
    assert!(matches!(&items[1..], [Err(ClaimFault::Json(fault))] if fault.contains("EOF")));
    let bytes = [message(1), message(2)[..9].to_vec()].concat();
    let items = read(ClaimStreamForm::Protobuf, &[&bytes]);
    assert_eq!(items, [Ok(1), Err(ClaimFault::CutShort)]);
}

#[test]
fn an_item_that_is_too_long_is_passed_over_however_it_is_cut() {
    let long = "x".repeat(CLAIM_ITEM_BYTES_MAX + 1);
    let text = format!("{}\n{long}\n{}\n", line(1), line(2)).into_bytes();
    let mut messages = message(1);
    prost::encoding::encode_varint(long.len() as u64, &mut messages);
    messages.extend_from_slice(long.as_bytes());
    messages.extend(message(2));
    for (form, bytes) in [
        (ClaimStreamForm::Lines, text),
        (ClaimStreamForm::Protobuf, messages),
    ] {
        for size in [1, 7, 4_096, bytes.len()] {
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            let too_long = ClaimFault::TooLong {
                bytes_max: CLAIM_ITEM_BYTES_MAX,
            };
            assert_eq!(
                read(form, &chunks),
                [Ok(1), Err(too_long), Ok(2)],
                "{form:?} {size}"
            );
        }
    }
}

#[test]
fn after_a_length_that_is_none_nothing_more_can_be_read() {
    for broken in [vec![0xff; 11], vec![0xff, 0xff, 0xff, 0xff, 0x0f]] {
        let bytes = [message(1), broken, message(2)].concat();
        for size in [1, 3, bytes.len()] {
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            let items = read(ClaimStreamForm::Protobuf, &chunks);
            assert_eq!(items, [Ok(1), Err(ClaimFault::Lost)], "{size}");
        }
    }
}

fn stream(form: ClaimStreamForm, tiles: Vec<u32>) -> Vec<u8> {
    let item = |tile| match form {
        ClaimStreamForm::Lines => (line(tile) + "\n").into_bytes(),
        ClaimStreamForm::Protobuf => message(tile),
    };
    tiles.into_iter().flat_map(item).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn garbage_breaks_no_promise(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        cuts in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        for form in FORMS {
            check_claim_stream(form, &bytes, &cuts);
        }
    }

    #[test]
    fn a_damaged_stream_breaks_no_promise(
        tiles in proptest::collection::vec(any::<u32>(), 1..6),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 0..4),
        cuts in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        for form in FORMS {
            let mut bytes = stream(form, tiles.clone());
            for &(index, byte, kind) in &damage {
                let at = index.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            check_claim_stream(form, &bytes, &cuts);
        }
    }
}
