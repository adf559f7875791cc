//! Frames that RFC 6455 does not allow, from a raw socket: each ends with its close code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{World, within};

pub(crate) const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// A masked frame (the mask is zero, which is a mask like any other).
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(MASKED | u8::try_from(length).expect("small")),
        length @ 126..=65_535 => {
            bytes.push(MASKED | 126);
            bytes.extend(u16::try_from(length).expect("small").to_be_bytes());
        }
        length => {
            bytes.push(MASKED | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// A socket whose handshake is done.
pub(crate) async fn open(world: &World) -> TcpStream {
    let mut tcp = world.connect().await;
    let key = STANDARD.encode([7; 16]);
    let request = format!(
        "GET /v1/hunts/park/live HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n"
    );
    tcp.write_all(request.as_bytes()).await.expect("it reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(tcp.read_u8()).await.expect("it answers"));
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    tcp
}

/// The code of the close frame that answers `bytes`, whatever else comes before it.
async fn close_code(world: &World, bytes: &[u8]) -> Option<u16> {
    let mut tcp = open(world).await;
    tcp.write_all(bytes).await.expect("it reads");
    let mut answer = Vec::new();
    within(tcp.read_to_end(&mut answer))
        .await
        .expect("it closes");
    let mut rest = answer.as_slice();
    while let [first, length, body @ ..] = rest {
        assert!(*length <= 125, "short frames only");
        let (payload, after) = body.split_at(usize::from(*length));
        if first & 0xf == CLOSE {
            assert!(after.is_empty(), "nothing follows a close");
            return payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        }
        rest = after;
    }
    panic!("no close frame in {answer:?}");
}

#[tokio::test]
async fn each_violation_has_its_close_code() {
    let world = World::new().await;
    let mut unmasked = frame(FIN | TEXT, b"{}");
    unmasked[1] &= 0x7f;
    let huge = {
        // Announces 2^40 bytes and sends none of them.
        let mut bytes = vec![FIN | TEXT, MASKED | 127];
        bytes.extend((1_u64 << 40).to_be_bytes());
        bytes.extend([0; 4]);
        bytes
    };
    let overlong = vec![FIN | TEXT, MASKED | 126, 0, 2, 0, 0, 0, 0, b'{', b'}'];
    let start = frame(TEXT, b"{");
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("unmasked", unmasked, 1002),
        ("reserved bits", frame(FIN | 0x40 | TEXT, b"{}"), 1002),
        ("unknown opcode", frame(FIN | 0x3, b""), 1002),
        ("unknown control opcode", frame(FIN | 0xb, b""), 1002),
        ("fragmented ping", frame(PING, b""), 1002),
        ("long ping", frame(FIN | PING, &[b'x'; 126]), 1002),
        (
            "continuation of nothing",
            frame(FIN | CONTINUATION, b"{}"),
            1002,
        ),
        (
            "text inside a message",
            [start.clone(), frame(FIN | TEXT, b"}")].concat(),
            1002,
        ),
        ("overlong length", overlong, 1002),
        ("close of one byte", frame(FIN | CLOSE, b"x"), 1002),
        (
            "close with no such code",
            frame(FIN | CLOSE, &1005_u16.to_be_bytes()),
            1002,
        ),
        ("not UTF-8", frame(FIN | TEXT, b"\xff\xfe"), 1007),
        (
            "cut UTF-8",
            frame(FIN | TEXT, "ü".as_bytes().get(..1).expect("two bytes")),
            1007,
        ),
        (
            "close reason not UTF-8",
            frame(FIN | CLOSE, b"\x03\xe8\xff"),
            1007,
        ),
        ("binary", frame(FIN | BINARY, b"{}"), 1003),
        ("too big", frame(FIN | TEXT, &[b' '; 4_097]), 1009),
        ("announced too big", huge, 1009),
        (
            "too big in pieces",
            [
                frame(TEXT, &[b' '; 4_000]),
                frame(CONTINUATION, &[b' '; 90]),
                frame(FIN | CONTINUATION, &[b' '; 7]),
            ]
            .concat(),
            1009,
        ),
        (
            "normal close",
            frame(FIN | CLOSE, &1000_u16.to_be_bytes()),
            1000,
        ),
    ];
    for (name, bytes, code) in cases {
        assert_eq!(close_code(&world, &bytes).await, Some(code), "{name}");
    }
    assert_eq!(
        close_code(&world, &frame(FIN | CLOSE, b"")).await,
        None,
        "an empty close"
    );
    within(async {
        while world.counts.sockets() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.get("/healthz").await.ok();
}

#[tokio::test]
async fn a_message_may_come_in_pieces_with_a_ping_between() {
    let world = World::new().await;
    let mut tcp = open(&world).await;
    let bytes = [
        frame(TEXT, b"{\"type\":\"sub"),
        frame(FIN | PING, b"are you there"),
        frame(CONTINUATION, b"scr"),
        frame(FIN | CONTINUATION, b"ibe\"}"),
    ]
    .concat();
    tcp.write_all(&bytes).await.expect("it reads");
    let pong = [&[FIN | PONG, 13][..], b"are you there"].concat();
    let mut answer = vec![0; pong.len()];
    within(tcp.read_exact(&mut answer))
        .await
        .expect("it answers");
    assert_eq!(answer, pong);
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("\"type\":\"snapshot\"") {
        answer.push(within(tcp.read_u8()).await.expect("it goes on"));
    }
}

#[tokio::test]
async fn a_first_frame_may_come_along_with_the_request() {
    let world = World::new().await;
    let mut tcp = world.connect().await;
    let key = STANDARD.encode([7; 16]);
    let mut bytes = format!(
        "GET /v1/hunts/park/live HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend(frame(FIN | TEXT, br#"{"type":"subscribe"}"#));
    tcp.write_all(&bytes).await.expect("it reads");
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("\"type\":\"subscribed\"") {
        answer.push(within(tcp.read_u8()).await.expect("it goes on"));
    }
}
