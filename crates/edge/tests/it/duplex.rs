//! A client that sends a request and reads its answer at the same time, byte by byte if need be.

use std::collections::VecDeque;

use huntcore_model::OutcomeKind;
use huntcore_wire::proto::{decode_claim_item, encode_claim_for};
use huntcore_wire::{ClaimItem, parse_claim_for};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{SERVICE_KEY, World, within};

/// One connection, on which requests of the batch door follow each other.
pub(crate) struct Duplex {
    pub(crate) tcp: TcpStream,
    /// What came in and is not yet understood.
    raw: Vec<u8>,
    /// The answer's body as far as it came, not yet given out.
    body: VecDeque<u8>,
    ended: bool,
}

pub(crate) fn line(tile: u32, player: &str) -> String {
    format!("{{\"hunt\":\"park\",\"round\":1,\"tile\":{tile},\"player\":\"{player}\"}}\n")
}

pub(crate) fn message(tile: u32, player: &str) -> Vec<u8> {
    let line = line(tile, player);
    let mut bytes = Vec::new();
    encode_claim_for(
        &mut bytes,
        &parse_claim_for(line.as_bytes()).expect("an attempt"),
    );
    bytes
}

impl Duplex {
    pub(crate) async fn connect(world: &World) -> Self {
        Self {
            tcp: world.connect().await,
            raw: Vec::new(),
            body: VecDeque::new(),
            ended: false,
        }
    }

    /// A connection on which a chunked stream of that media type has begun and is answered.
    pub(crate) async fn open(world: &World, media_type: &str) -> Self {
        let mut duplex = Self::connect(world).await;
        duplex
            .begin(media_type, "transfer-encoding: chunked\r\n")
            .await;
        assert!(duplex.head().await.starts_with("HTTP/1.1 200 "));
        duplex
    }

    /// Sends the head of a request.
    pub(crate) async fn begin(&mut self, media_type: &str, more: &str) {
        let head = format!(
            "POST /v1/claims HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SERVICE_KEY}\r\n\
             content-type: {media_type}\r\n{more}\r\n"
        );
        self.write(head.as_bytes()).await;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        within(self.tcp.write_all(bytes)).await.expect("it reads");
    }

    /// Sends a chunk.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        self.write(&chunk).await;
    }

    /// Sends the last chunk.
    pub(crate) async fn finish(&mut self) {
        self.write(b"0\r\n\r\n").await;
    }

    /// Reads the head of an answer, whose body comes next.
    pub(crate) async fn head(&mut self) -> String {
        loop {
            if let Some(end) = find(&self.raw, b"\r\n\r\n") {
                let head: Vec<u8> = self.raw.drain(..end + 4).collect();
                self.ended = false;
                return String::from_utf8(head).expect("ASCII");
            }
            assert!(self.read().await, "closed before an answer");
        }
    }

    /// The next line of the answer; `None` at its end.
    pub(crate) async fn next_line(&mut self) -> Option<ClaimItem> {
        loop {
            if let Some(end) = self.body.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.body.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("an item"));
            }
            if !self.more().await {
                assert!(self.body.is_empty(), "whole lines only");
                return None;
            }
        }
    }

    /// The next message's kind and error; `None` at the answer's end.
    pub(crate) async fn next_message(&mut self) -> Option<(OutcomeKind, String)> {
        loop {
            let bytes: &[u8] = self.body.make_contiguous();
            let prefix = bytes
                .iter()
                .position(|&byte| byte < 0x80)
                .map_or(0, |at| at + 1);
            let length = bytes[..prefix].iter().rev();
            let length = length.fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
            if prefix > 0 && bytes.len() >= prefix + length {
                let message: Vec<u8> = self.body.drain(..prefix + length).collect();
                let item = decode_claim_item(&message[prefix..]).expect("an item");
                let kind = item.outcome.expect("a known outcome");
                return Some((kind, item.error.unwrap_or_default().to_owned()));
            }
            if !self.more().await {
                assert!(self.body.is_empty(), "whole messages only");
                return None;
            }
        }
    }

    /// The names of the lines' outcomes until the answer ends.
    pub(crate) async fn rest_of_lines(&mut self) -> Vec<&'static str> {
        let mut names = Vec::new();
        while let Some(item) = self.next_line().await {
            names.push(item.outcome.name());
        }
        names
    }

    /// Whether the connection is at its end, with nothing left over.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.raw.is_empty() && !self.read().await
    }

    /// Understands one more chunk of the answer; false at its end.
    async fn more(&mut self) -> bool {
        while !self.ended {
            if let Some(end) = find(&self.raw, b"\r\n") {
                let size = std::str::from_utf8(&self.raw[..end]).expect("hex");
                let size = usize::from_str_radix(size, 16).expect("hex");
                if self.raw.len() >= end + 2 + size + 2 {
                    self.body.extend(&self.raw[end + 2..end + 2 + size]);
                    self.raw.drain(..end + 2 + size + 2);
                    self.ended = size == 0;
                    return !self.ended;
                }
            }
            assert!(self.read().await, "closed inside an answer");
        }
        false
    }

    async fn read(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        let count = within(self.tcp.read(&mut buffer))
            .await
            .expect("it answers");
        self.raw.extend_from_slice(&buffer[..count]);
        count > 0
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .position(|window| window == pattern)
}
