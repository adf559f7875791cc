//! The decoder and encoder beside prost's, which were derived from the same definition.

use std::borrow::Cow;

use huntcore_model::{
    HuntId, Outcome, OutcomeKind, PlayerId, Position, RoundNumber, Sequence, ShardId, TileIndex,
    TimeMicros,
};
use huntcore_wire::proto::{
    ClaimItemRef, DEFINITION, decode_claim_for, decode_claim_item, encode_claim_for,
};
use huntcore_wire::{ANSWER_BYTES_MAX, ClaimForRef, ClaimItem, ClaimStreamForm, put_outcome};
use proptest::prelude::*;
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

#[derive(Clone, PartialEq, Message)]
struct ClaimFor {
    #[prost(string, tag = "1")]
    hunt: String,
    #[prost(uint64, tag = "2")]
    round: u64,
    // Wider than the definition has it, to see what ours refuses instead of cutting it.
    #[prost(uint64, tag = "3")]
    tile: u64,
    #[prost(string, tag = "4")]
    player: String,
    #[prost(string, optional, tag = "5")]
    answer: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Receipt {
    #[prost(bytes = "vec", tag = "1")]
    position: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Item {
    #[prost(int32, tag = "1")]
    outcome: i32,
    #[prost(message, optional, tag = "2")]
    receipt: Option<Receipt>,
    #[prost(uint32, optional, tag = "3")]
    points: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "4")]
    winner_position: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "5")]
    retry_after_ms: Option<u64>,
    #[prost(string, optional, tag = "6")]
    error: Option<String>,
}

/// What prost reads, if it keeps our limits.
fn expected(bytes: &[u8]) -> Option<ClaimForRef<'static>> {
    let claim = ClaimFor::decode(bytes).ok()?;
    let limited = claim
        .answer
        .as_ref()
        .is_none_or(|answer| answer.len() <= ANSWER_BYTES_MAX);
    HuntId::new(&claim.hunt).ok()?;
    PlayerId::new(&claim.player).ok()?;
    (limited && !has_wide_tile(bytes)).then_some(())?;
    Some(ClaimForRef {
        hunt: Cow::Owned(claim.hunt),
        round: RoundNumber::new(claim.round),
        tile: TileIndex::new(u32::try_from(claim.tile).ok()?),
        player: Cow::Owned(claim.player),
        answer: claim.answer.map(Cow::Owned),
    })
}

/// Whether a tile beyond 32 bits stands anywhere in the message: of several, prost looks at the
/// last one only.
fn has_wide_tile(mut bytes: &[u8]) -> bool {
    while let Ok((field, wire_type)) = decode_key(&mut bytes) {
        if field == 3 && wire_type == WireType::Varint {
            if decode_varint(&mut bytes).is_ok_and(|tile| tile > u64::from(u32::MAX)) {
                return true;
            }
        } else if skip_field(wire_type, field, &mut bytes, DecodeContext::default()).is_err() {
            return false;
        }
    }
    false
}

fn claims() -> impl Strategy<Value = ClaimFor> {
    let number = prop_oneof![Just(0_u64), 0..300_u64, any::<u64>()];
    let tile =
        prop_oneof![4 => 0..300_u64, 2 => any::<u32>().prop_map(u64::from), 1 => any::<u64>()];
    let answer = proptest::option::of(".{0,100}");
    ("[a-zA-Z0-9_-]{0,66}", number, tile, ".{0,22}", answer).prop_map(
        |(hunt, round, tile, player, answer)| ClaimFor {
            hunt,
            round,
            tile,
            player,
            answer,
        },
    )
}

/// Bytes that look like fields: keys of every type, and values that may not fit them.
fn fields() -> impl Strategy<Value = Vec<u8>> {
    let known = prop_oneof![
        Just(0x0a_u8),
        Just(0x10),
        Just(0x18),
        Just(0x22),
        Just(0x2a)
    ];
    let group = proptest::collection::vec(
        prop_oneof![
            Just(vec![0x3b]),
            Just(vec![0x3c]),
            Just(vec![0x33, 0x08, 0x01, 0x34])
        ],
        0..5,
    );
    let field = prop_oneof![
        4 => (known, proptest::collection::vec(any::<u8>(), 0..4)).prop_map(|(key, mut rest)| {
            rest.insert(0, key);
            rest
        }),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(key, value)| vec![key, value & 0x7f]),
        1 => proptest::collection::vec(any::<u8>(), 0..12),
        1 => group.prop_map(|parts| parts.concat()),
        1 => Just(vec![0x3d, 1, 2, 3, 4, 0x39, 1, 2, 3, 4, 5, 6, 7, 8]),
    ];
    (claims(), proptest::collection::vec(field, 0..4)).prop_map(|(claim, fields)| {
        let mut bytes = claim.encode_to_vec();
        bytes.extend(fields.concat());
        bytes
    })
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let place = (any::<u16>(), 0..u64::MAX, any::<u32>());
    prop_oneof![
        place
            .clone()
            .prop_map(|(shard, sequence, points)| Outcome::Won {
                shard: ShardId::new(shard),
                sequence: Sequence::new(sequence),
                points,
            }),
        place.prop_map(|(shard, sequence, _)| Outcome::Taken {
            shard: ShardId::new(shard),
            sequence: Sequence::new(sequence),
        }),
        any::<u64>().prop_map(|at| Outcome::NotYetOpen {
            opens_at: TimeMicros::new(at)
        }),
        prop_oneof![
            Just(Outcome::Expired),
            Just(Outcome::UnknownTile),
            Just(Outcome::UnknownHunt),
            Just(Outcome::HuntPaused),
            Just(Outcome::Overloaded),
            Just(Outcome::StorageFull),
            Just(Outcome::OutcomeUnknown),
        ],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn an_attempt_is_read_as_prost_reads_it(bytes in fields()) {
        prop_assert_eq!(decode_claim_for(&bytes).ok(), expected(&bytes));
    }

    #[test]
    fn a_tile_beyond_32_bits_is_refused_wherever_it_stands(
        claim in claims(),
        later in 0..300_u64,
    ) {
        let wide = ClaimFor { tile: u64::from(u32::MAX) + 1, ..claim.clone() };
        let narrow = ClaimFor { tile: later, ..claim };
        let bytes = [wide.encode_to_vec(), narrow.encode_to_vec()].concat();
        prop_assert!(decode_claim_for(&bytes).is_err());
        prop_assert_eq!(expected(&bytes), None);
    }

    #[test]
    fn any_bytes_are_an_attempt_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        prop_assert_eq!(decode_claim_for(&bytes).ok(), expected(&bytes));
    }

    #[test]
    fn prost_reads_an_attempt_as_it_was_written(claim in claims()) {
        if let Some(expected) = expected(&claim.encode_to_vec()) {
            let mut bytes = Vec::new();
            encode_claim_for(&mut bytes, &expected);
            prop_assert_eq!(ClaimFor::decode_length_delimited(&bytes[..]), Ok(claim));
        }
    }

    #[test]
    fn prost_and_json_read_an_outcome_as_it_was_written(outcome in outcomes(), now in any::<u64>()) {
        let now = TimeMicros::new(now);
        let expected = ClaimItem::of_outcome(&outcome, now);
        let mut bytes = Vec::new();
        put_outcome(&mut bytes, ClaimStreamForm::Lines, &outcome, now);
        let line = serde_json::to_string(&expected).expect("plain data") + "\n";
        prop_assert_eq!(String::from_utf8_lossy(&bytes), line);
        bytes.clear();
        put_outcome(&mut bytes, ClaimStreamForm::Protobuf, &outcome, now);
        let item = Item::decode_length_delimited(&bytes[..]).expect("an item");
        prop_assert_eq!(item.encode_to_vec(), &bytes[1..], "the shortest form");
        let position = |text: huntcore_wire::PositionText| text.parse().expect("ours");
        let binary = |bytes: Vec<u8>| Position::from_bytes(&bytes).expect("ours");
        let kind = |number: i32| OutcomeKind::ALL[usize::try_from(number).expect("positive") - 1];
        prop_assert_eq!(kind(item.outcome), outcome.kind());
        prop_assert_eq!(
            item.receipt.map(|receipt| binary(receipt.position)),
            expected.receipt.map(|receipt| position(receipt.position))
        );
        prop_assert_eq!(item.points, expected.points);
        prop_assert_eq!(item.winner_position.map(binary), expected.winner_position.map(position));
        prop_assert_eq!(item.retry_after_ms, expected.retry_after_ms);
        prop_assert_eq!(item.error, None);
    }

    #[test]
    fn an_item_is_read_as_prost_reads_it(
        outcome in 0..14_i32,
        receipt in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
        points in proptest::option::of(any::<u32>()),
        retry_after_ms in proptest::option::of(any::<u64>()),
        error in proptest::option::of(".{0,20}"),
        garbage in proptest::collection::vec(any::<u8>(), 0..10),
    ) {
        let receipt = receipt.map(|position| Receipt { position });
        let item = Item {
            outcome,
            winner_position: receipt.as_ref().map(|receipt| receipt.position.clone()),
            receipt,
            points,
            retry_after_ms,
            error,
        };
        let bytes = item.encode_to_vec();
        let read = decode_claim_item(&bytes).expect("an item");
        let expected = ClaimItemRef {
            outcome: usize::try_from(outcome - 1).ok().and_then(|at| OutcomeKind::ALL.get(at).copied()),
            position: item.receipt.as_ref().map(|receipt| &receipt.position[..]),
            points,
            winner_position: item.winner_position.as_deref(),
            retry_after_ms,
            error: item.error.as_deref(),
        };
        prop_assert_eq!(read, expected);
        let _ = decode_claim_item(&garbage);
    }
}

#[test]
fn the_published_definition_names_every_field_and_every_outcome() {
    for field in [
        "string hunt = 1",
        "uint64 round = 2",
        "uint32 tile = 3",
        "string player = 4",
        "optional string answer = 5",
        "Outcome outcome = 1",
        "Receipt receipt = 2",
        "optional uint32 points = 3",
        "optional bytes winner_position = 4",
        "optional uint64 retry_after_ms = 5",
        "optional string error = 6",
        "bytes position = 1",
    ] {
        assert!(DEFINITION.contains(&format!("  {field};\n")), "{field}");
    }
    for (kind, number) in OutcomeKind::ALL.iter().zip(1..) {
        let name = kind.name().to_uppercase().replace('-', "_");
        assert!(
            DEFINITION.contains(&format!("  OUTCOME_{name} = {number};\n")),
            "{name}"
        );
    }
}
