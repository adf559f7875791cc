//! Every rule of RFC 6455 that a client's bytes can break, and that cutting a stream into
//! other pieces changes nothing.

use proptest::prelude::*;

use super::*;

const MAX: usize = 4_096;

/// A frame with these first two bytes' flags, masked, whatever that makes of it.
#[derive(Clone, Debug)]
struct Frame {
    first: u8,
    payload: Vec<u8>,
    mask: [u8; 4],
    is_masked: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
    Violation(Violation),
}

impl Frame {
    fn new(first: u8, payload: &[u8]) -> Self {
        Self {
            first,
            payload: payload.to_vec(),
            mask: [0x12, 0xfe, 0x00, 0x7f],
            is_masked: true,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let flag = if self.is_masked { 0x80 } else { 0 };
        let mut bytes = vec![self.first];
        match self.payload.len() {
            length @ 0..=125 => bytes.push(flag | u8::try_from(length).expect("small")),
            length @ 126..=65_535 => {
                bytes.push(flag | 126);
                bytes.extend(u16::try_from(length).expect("small").to_be_bytes());
            }
            length => {
                bytes.push(flag | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        if self.is_masked {
            bytes.extend(self.mask);
        }
        let masked = self.payload.iter().zip(self.mask.iter().cycle());
        bytes.extend(masked.map(|(byte, mask)| if self.is_masked { byte ^ mask } else { *byte }));
        bytes
    }
}

/// Everything that comes of `pieces`, read as a socket would: what is left over of one is
/// put before the next.
fn seen(pieces: &[&[u8]]) -> Vec<Seen> {
    seen_of(Kind::Text, pieces)
}

/// The same where messages are text or binary.
fn seen_of(messages: Kind, pieces: &[&[u8]]) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut fragments = None;
    let mut held = Vec::new();
    for piece in pieces {
        held.extend_from_slice(piece);
        let mut start = 0;
        loop {
            match read(&mut held[start..], &mut fragments, messages, MAX) {
                Err(violation) => {
                    seen.push(Seen::Violation(violation));
                    return seen;
                }
                Ok(Read::Incomplete) => break,
                Ok(Read::Frame { length, message }) => {
                    seen.extend(message.map(|message| match message {
                        Message::Text(text) => Seen::Text(text.into_owned()),
                        Message::Binary(bytes) => Seen::Binary(bytes.into_owned()),
                        Message::Ping(payload) => Seen::Ping(payload.to_vec()),
                        Message::Pong => Seen::Pong,
                        Message::Close(code) => Seen::Close(code),
                    }));
                    start += length;
                }
            }
        }
        held.drain(..start);
        assert!(held.len() < HEADER_BYTES_MAX + MAX, "less than a frame");
    }
    seen
}

#[test]
fn each_violation_is_found_and_has_its_code() {
    let frame = |first: u8, payload: &[u8]| Frame::new(first, payload).bytes();
    let unmasked = Frame {
        is_masked: false,
        ..Frame::new(0x81, b"{}")
    };
    let long = |second: u8, length: &[u8]| [&[0x81, second][..], length, &[0; 4]].concat();
    let cases: Vec<(&str, Vec<u8>, Violation, u16)> = vec![
        (
            "first reserved bit",
            frame(0xc1, b""),
            Violation::ReservedBits,
            1002,
        ),
        (
            "second reserved bit",
            frame(0xa1, b""),
            Violation::ReservedBits,
            1002,
        ),
        (
            "third reserved bit",
            frame(0x91, b""),
            Violation::ReservedBits,
            1002,
        ),
        (
            "data opcode 3",
            frame(0x83, b""),
            Violation::UnknownOpcode,
            1002,
        ),
        (
            "data opcode 7",
            frame(0x87, b""),
            Violation::UnknownOpcode,
            1002,
        ),
        (
            "control opcode 11",
            frame(0x8b, b""),
            Violation::UnknownOpcode,
            1002,
        ),
        (
            "control opcode 15",
            frame(0x8f, b""),
            Violation::UnknownOpcode,
            1002,
        ),
        (
            "ping in parts",
            frame(0x09, b""),
            Violation::FragmentedControl,
            1002,
        ),
        (
            "close in parts",
            frame(0x08, b""),
            Violation::FragmentedControl,
            1002,
        ),
        (
            "long ping",
            frame(0x89, &[0; 126]),
            Violation::LongControl,
            1002,
        ),
        (
            "long close",
            frame(0x88, &[0; 70_000]),
            Violation::LongControl,
            1002,
        ),
        (
            "continuation of nothing",
            frame(0x80, b""),
            Violation::ContinuesNothing,
            1002,
        ),
        (
            "continuation after the end",
            [frame(0x01, b"{"), frame(0x80, b"}"), frame(0x80, b"")].concat(),
            Violation::ContinuesNothing,
            1002,
        ),
        (
            "text within a message",
            [frame(0x01, b"{"), frame(0x81, b"}")].concat(),
            Violation::Interleaved,
            1002,
        ),
        (
            "binary within a message",
            [frame(0x01, b"{"), frame(0x82, b"}")].concat(),
            Violation::Interleaved,
            1002,
        ),
        ("unmasked", unmasked.bytes(), Violation::Unmasked, 1002),
        (
            "2 bytes for 125",
            long(0xfe, &125_u16.to_be_bytes()),
            Violation::Length,
            1002,
        ),
        (
            "8 bytes for 65535",
            long(0xff, &65_535_u64.to_be_bytes()),
            Violation::Length,
            1002,
        ),
        (
            "negative length",
            long(0xff, &(1_u64 << 63).to_be_bytes()),
            Violation::Length,
            1002,
        ),
        (
            "close with half a code",
            frame(0x88, b"x"),
            Violation::CloseCode,
            1002,
        ),
        (
            "close with 999",
            frame(0x88, &999_u16.to_be_bytes()),
            Violation::CloseCode,
            1002,
        ),
        (
            "close with 1004",
            frame(0x88, &1004_u16.to_be_bytes()),
            Violation::CloseCode,
            1002,
        ),
        (
            "close with 1005",
            frame(0x88, &1005_u16.to_be_bytes()),
            Violation::CloseCode,
            1002,
        ),
        (
            "close with 1006",
            frame(0x88, &1006_u16.to_be_bytes()),
            Violation::CloseCode,
            1002,
        ),
        (
            "close with 1015",
            frame(0x88, &1015_u16.to_be_bytes()),
            Violation::CloseCode,
            1002,
        ),
        (
            "close with 2999",
            frame(0x88, &2999_u16.to_be_bytes()),
            Violation::CloseCode,
            1002,
        ),
        (
            "close with 5000",
            frame(0x88, &5000_u16.to_be_bytes()),
            Violation::CloseCode,
            1002,
        ),
        (
            "reason not UTF-8",
            frame(0x88, b"\x03\xe8\xff"),
            Violation::NotUtf8,
            1007,
        ),
        (
            "text not UTF-8",
            frame(0x81, b"\xff\xfe"),
            Violation::NotUtf8,
            1007,
        ),
        (
            "a cut character",
            frame(0x81, b"\xc3"),
            Violation::NotUtf8,
            1007,
        ),
        (
            "a surrogate",
            frame(0x81, b"\xed\xa0\x80"),
            Violation::NotUtf8,
            1007,
        ),
        (
            "an overlong slash",
            frame(0x81, b"\xc0\xaf"),
            Violation::NotUtf8,
            1007,
        ),
        (
            "a character cut by parts and not ended",
            [frame(0x01, b"\xf0\x9f"), frame(0x80, b"\x90")].concat(),
            Violation::NotUtf8,
            1007,
        ),
        ("binary", frame(0x82, b""), Violation::Binary, 1003),
        (
            "too big",
            frame(0x81, &[b' '; MAX + 1]),
            Violation::TooBig,
            1009,
        ),
        (
            "announced as huge",
            long(0xff, &(1_u64 << 62).to_be_bytes()),
            Violation::TooBig,
            1009,
        ),
        (
            "too big in parts",
            [
                frame(0x01, &[b' '; MAX]),
                frame(0x00, b""),
                frame(0x80, b" "),
            ]
            .concat(),
            Violation::TooBig,
            1009,
        ),
    ];
    for (name, bytes, violation, code) in cases {
        assert_eq!(
            seen(&[&bytes]).last(),
            Some(&Seen::Violation(violation)),
            "{name}"
        );
        assert_eq!(violation.code().code(), code, "{name}");
        let mut close = Vec::new();
        push_close(&mut close, Some(code), violation.reason());
        assert_eq!(
            usize::from(close[1]),
            close.len() - 2,
            "{name}: a short frame"
        );
    }
}

#[test]
fn a_message_in_parts_is_one_and_control_frames_may_stand_between() {
    let frames = [
        Frame::new(0x01, b"\xf0\x9f"),
        Frame::new(0x89, b"are you there"),
        Frame::new(0x00, b""),
        Frame::new(0x8a, b"unasked"),
        Frame::new(0x80, b"\x90\x99"),
        Frame::new(0x81, b""),
        Frame::new(0x81, &[b'x'; MAX]),
        Frame::new(0x88, b"\x0f\xa0bye"),
    ];
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
    assert_eq!(
        seen(&[&bytes]),
        [
            Seen::Ping(b"are you there".to_vec()),
            Seen::Pong,
            Seen::Text("🐙".to_owned()),
            Seen::Text(String::new()),
            Seen::Text("x".repeat(MAX)),
            Seen::Close(Some(4000)),
        ]
    );
    assert_eq!(seen(&[&Frame::new(0x88, b"").bytes()]), [Seen::Close(None)]);
}

#[test]
fn binary_messages_are_bytes_of_any_kind_and_texts_among_them_a_violation() {
    let frames = [
        Frame::new(0x02, b"\xff"),
        Frame::new(0x89, b""),
        Frame::new(0x80, b"\xc0\xaf"),
        Frame::new(0x82, b""),
    ];
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
    assert_eq!(
        seen_of(Kind::Binary, &[&bytes]),
        [
            Seen::Ping(Vec::new()),
            Seen::Binary(b"\xff\xc0\xaf".to_vec()),
            Seen::Binary(Vec::new()),
        ]
    );
    let text = Frame::new(0x81, b"{}").bytes();
    let refused = [Seen::Violation(Violation::Text)];
    assert_eq!(seen_of(Kind::Binary, &[&text]), refused);
    assert_eq!(Violation::Text.code().code(), 1003);
    let parts = [frames[0].bytes(), text].concat();
    let refused = [Seen::Violation(Violation::Interleaved)];
    assert_eq!(seen_of(Kind::Binary, &[&parts]), refused);
}

#[test]
fn a_violation_is_found_before_the_bytes_that_it_announces() {
    for (bytes, violation) in [
        (&[0xc1_u8][..], Violation::ReservedBits),
        (&[0x82], Violation::Binary),
        (&[0x81, 0x00], Violation::Unmasked),
        (&[0x89, 0xfe], Violation::LongControl),
        (&[0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0], Violation::TooBig),
    ] {
        assert_eq!(seen(&[bytes]), [Seen::Violation(violation)]);
    }
}

#[test]
fn a_message_has_the_header_that_its_length_needs() {
    for (length, kind) in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000]
        .into_iter()
        .flat_map(|length| [(length, Kind::Text), (length, Kind::Binary)])
    {
        let text = vec![b'x'; length];
        let mut framed = b"before".to_vec();
        push_message(&mut framed, kind, |out| out.extend_from_slice(&text));
        let mut expected = b"before".to_vec();
        push_header(&mut expected, kind, length);
        expected.extend_from_slice(&text);
        assert_eq!(framed, expected, "{length}");
        let header = match length {
            0..=125 => 2,
            126..=65_535 => 4,
            _ => 10,
        };
        assert_eq!(framed.len(), "before".len() + header + length);
    }
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let firsts = prop_oneof![
        8 => Just(0x81_u8),
        3 => Just(0x01),
        3 => Just(0x00),
        3 => Just(0x80),
        2 => Just(0x89),
        2 => Just(0x8a),
        1 => Just(0x88),
        1 => any::<u8>(),
    ];
    let payloads = prop_oneof![
        8 => "[a-zü🐙]{0,40}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..130),
        1 => (0..MAX + 2).prop_map(|length| vec![b'x'; length]),
    ];
    (
        firsts,
        payloads,
        any::<[u8; 4]>(),
        proptest::bool::weighted(0.99),
    )
        .prop_map(|(first, payload, mask, is_masked)| Frame {
            first,
            payload,
            mask,
            is_masked,
        })
}

proptest! {
    #[test]
    fn however_a_stream_is_cut_it_gives_the_same_messages(
        frames in proptest::collection::vec(any_frame(), 1..12),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        let whole = seen(&[&bytes]);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(&seen(&pieces), &whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&seen(&single), &whole);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for messages in [Kind::Text, Kind::Binary] {
            let whole = seen_of(messages, &[&bytes]);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(seen_of(messages, &single), whole);
        }
    }
}
