//! What of the socket's messages is not taken, and bytes that must never change.

use huntcore_model::{BoardName, RoundNumber, TileIndex, TimeMicros};
use huntcore_wire::{
    CellText, ClaimMessage, ClientMessage, DeltaMessage, HuntStateName, INTEREST_CELLS_MAX,
    Interest, LiveClaim, LiveForm, MessageError, POSITION_TEXT_BYTES_MAX, PositionText,
    RankMessage, ServerMessage, SubscribeMessage,
};

/// A field of bytes, a message or a column.
fn field(number: u8, inner: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    prost::encoding::encode_varint(inner.len() as u64, &mut bytes);
    bytes.extend_from_slice(inner);
    bytes
}

fn refusal(bytes: &[u8]) -> String {
    match ClientMessage::decode(LiveForm::Proto, bytes) {
        Err(MessageError::Proto(fault)) => fault.to_string(),
        other => panic!("expected a refusal: {other:?}"),
    }
}

#[test]
fn a_clients_message_says_one_thing_within_its_limits() {
    let subscribe = |inner: &[u8]| field(1, inner);
    let interest = |inner: &[u8]| subscribe(&field(2, inner));
    let cells = |count: usize| interest(&field(1, &field(1, &vec![1; count])));
    let claim = field(2, &[0x0a, 1, b'c']);
    let twice = |inner: &[u8]| subscribe(&[field(2, inner), field(2, inner)].concat());
    let boards = |numbers: &[u8]| field(2, &field(1, numbers));
    let long = PositionText::new("A".repeat(POSITION_TEXT_BYTES_MAX));
    let long_resume = field(1, &vec![1; POSITION_TEXT_BYTES_MAX / 4 * 3 + 1]);
    for (bytes, expected) in [
        (Vec::new(), "field message is missing"),
        (
            [claim.clone(), claim.clone()].concat(),
            "field message comes more than once",
        ),
        (subscribe(&[0x0a]), "the message ends within a field"),
        (vec![0x08, 1], "field subscribe has wire type 0, expected 2"),
        (interest(&[]), "field interest is missing"),
        (interest(&[0x1a, 0]), "field interest is missing"),
        (twice(&boards(&[1])), "field interest comes more than once"),
        (
            interest(&boards(&[])),
            "interest names 0 boards, expected 1 to 19",
        ),
        (
            interest(&boards(&[1; 20])),
            "interest names 20 boards, expected 1 to 19",
        ),
        (
            interest(&boards(&[0])),
            "field boards is 0, which is out of range",
        ),
        (
            interest(&boards(&[4])),
            "field boards is 4, which is out of range",
        ),
        (
            interest(&field(2, &[field(1, &[1]), field(2, b"Week")].concat())),
            "board name has 'W' at byte 0, expected a-z, and after the first character 0-9 and -",
        ),
        (
            subscribe(&field(4, b"")),
            "board name is empty, expected 1 to 31 bytes",
        ),
        (cells(0), "interest names 0 cells, expected 1 to 64"),
        (
            cells(INTEREST_CELLS_MAX + 1),
            "interest names 65 cells, expected 1 to 64",
        ),
        (
            subscribe(&[0x18, 4]),
            "field own_rank is 4, which is out of range",
        ),
        (
            subscribe(&long_resume),
            "field resume has 12313 bytes, expected at most 12312",
        ),
        (field(2, &[]), "field id is missing"),
        (field(2, &field(1, &[0xff])), "field id is not UTF-8"),
        (
            field(2, &field(1, &[b'x'; 65])),
            "field id has 65 bytes, expected at most 64",
        ),
    ] {
        assert_eq!(refusal(&bytes), expected, "{bytes:?}");
    }
    let json = |resume: &str| {
        let text = format!(r#"{{"type":"subscribe","resume":"{resume}"}}"#);
        ClientMessage::from_json(&text)
    };
    assert!(json(long.as_str()).is_ok());
    assert!(json(&format!("{long}A")).is_err());
    assert!(ClientMessage::decode(LiveForm::Proto, &cells(INTEREST_CELLS_MAX)).is_ok());
    let newer = ClientMessage::decode(LiveForm::Proto, &field(3, &[]));
    assert!(matches!(newer, Err(MessageError::UnknownType { kind }) if kind == "field 3"));
}

#[test]
fn what_is_new_to_a_reader_is_skipped_where_it_may_be() {
    // A new field in a known message, in both directions.
    let claim = field(2, &[0x0a, 1, b'c', 0x7a, 1, 9]);
    assert!(ClientMessage::decode(LiveForm::Proto, &claim).is_ok());
    let newer = ServerMessage::decode(LiveForm::Proto, &field(15, &[1, 2, 3]));
    assert!(matches!(newer, Err(MessageError::UnknownType { kind }) if kind == "field 15"));
}

#[test]
fn columns_of_claims_are_equally_long() {
    let told = |fields: &[Vec<u8>]| match ServerMessage::decode(
        LiveForm::Proto,
        &field(3, &fields.concat()),
    ) {
        Ok(ServerMessage::Delta(delta)) => Ok(delta.claims.len()),
        Ok(other) => panic!("a delta became {other:?}"),
        Err(error) => Err(error.to_string()),
    };
    let columns = [field(6, &[0, 0]), field(7, &[1, 2]), field(8, &[5, 5])];
    let whole = [&columns[..], &[field(9, b"ada"), field(9, b"")]].concat();
    assert_eq!(told(&whole), Ok(2));
    let refused = |found| format!("message cannot be read: field {found}");
    assert_eq!(
        told(&whole[..4]),
        Err(refused("claim_players has 1 values, expected 2"))
    );
    assert_eq!(
        told(&whole[1..]),
        Err(refused("claim_rounds has 0 values, expected 2"))
    );
    // Not packed, as writers may do it.
    let single = [vec![0x30, 0, 0x38, 7, 0x40, 1], field(9, b"ada")];
    assert_eq!(told(&single), Ok(1));
}

/// A built-in board may come by its name, too, and a set is the same whichever way it comes.
#[test]
fn boards_come_by_number_or_by_name() {
    let interest = |list: &[u8]| field(1, &field(2, &field(2, list)));
    let named = interest(&[field(2, b"best"), field(2, b"total"), field(2, b"total")].concat());
    let numbered = interest(&field(1, &[2, 1]));
    let mixed = interest(&[field(2, b"best"), field(1, &[1])].concat());
    let read = |bytes: &[u8]| ClientMessage::decode(LiveForm::Proto, bytes).expect("an interest");
    assert_eq!(read(&named), read(&numbered));
    assert_eq!(read(&mixed), read(&numbered));
}

/// Bytes that clients and servers in the field exchange: a change here breaks them.
#[test]
fn the_bytes_of_messages_stay_as_they_are() {
    let position = PositionText::new("AQEAKg".to_owned());
    let server_time = TimeMicros::from_millis(1_795_341_600_123).into();
    let cells = ["871fb4674ffffff", "891fb46741bffff"].map(str::parse::<CellText>);
    let interest = Interest::cells(cells.map(|cell| cell.expect("hex"))).expect("two");
    let player = huntcore_model::PlayerId::new("ada").expect("valid");
    let subscribe = ClientMessage::Subscribe(SubscribeMessage {
        resume: Some(position.clone()),
        interest,
        own_rank: Some(BoardName::TOTAL),
    });
    let claim = ClientMessage::Claim(ClaimMessage {
        id: "c1".to_owned(),
        round: RoundNumber::new(300),
        tile: TileIndex::new(7),
        answer: None,
    });
    let delta = ServerMessage::Delta(DeltaMessage {
        server_time,
        tick: 9,
        from_tick: None,
        resume: position.clone(),
        oldest: RoundNumber::new(299),
        claims: vec![
            LiveClaim {
                round: RoundNumber::new(299),
                tile: TileIndex::new(1),
                player: Some(player.clone()),
                points: 25,
                voided: false,
            },
            LiveClaim {
                round: RoundNumber::new(300),
                tile: TileIndex::new(500),
                player: None,
                points: 1,
                voided: false,
            },
        ],
        closed: vec![RoundNumber::new(298)],
        seeds: Vec::new(),
        state: Some(HuntStateName::Paused),
        corrections: Vec::new(),
        boards: None,
    });
    let rank = ServerMessage::Rank(RankMessage {
        server_time,
        board: BoardName::TOTAL,
        player,
        rank: Some(3),
        score: Some(-2),
        players: 1_000,
        position,
    });
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let found = [
        hex(&subscribe.encode(LiveForm::Proto)),
        hex(&claim.encode(LiveForm::Proto)),
        hex(&delta.encode(LiveForm::Proto)),
        hex(&rank.encode(LiveForm::Proto)),
    ];
    assert_eq!(
        found,
        [
            "0a170a040101002a120d0a0b0a09ffffffa7e7e8feb8081801",
            "12090a02633110ac021807",
            "1a2c08fb8acb95a034100922040101002a28ab02320200013a0301f403420219014a036164614a005202aa026003",
            "321b08fb8acb95a03410011a036164612003280330e8073a040101002a",
        ]
    );
    // A board of the hunt's own goes by its name, in a field of its own.
    let own = Interest::boards([BoardName::new("week").expect("a name"), BoardName::TOTAL]);
    let own = ClientMessage::Subscribe(SubscribeMessage {
        resume: None,
        interest: own.expect("two"),
        own_rank: Some(BoardName::new("week").expect("a name")),
    });
    assert_eq!(
        hex(&own.encode(LiveForm::Proto)),
        "0a13120b12090a01011204 7765656b2204 7765656b".replace(' ', "")
    );
    assert_eq!(
        rank.to_json(),
        r#"{"type":"rank","server_time":"2026-11-22T10:00:00.123Z","board":"total","player":"ada","rank":3,"score":-2,"players":1000,"position":"AQEAKg"}"#
    );
    assert_eq!(
        subscribe.to_json(),
        r#"{"type":"subscribe","resume":"AQEAKg","interest":{"cells":["871fb4674ffffff"]},"own_rank":"total"}"#
    );
}
