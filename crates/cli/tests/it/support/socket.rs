//! A WebSocket client that can break every rule of the protocol on purpose.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::PATIENCE;

/// One connection to `/v1/hunts/{hunt}/live`.
pub(crate) struct Socket {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A frame as it came or is to go.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) last: bool,
    pub(crate) opcode: Opcode,
    pub(crate) masked: bool,
    pub(crate) payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Socket {
    /// Opens a connection to watch the hunt `park`, as `token`'s player if there is one.
    pub(crate) async fn open(url: &str, token: Option<&str>) -> Self {
        let opened = Self::try_open(url, token).await;
        opened.expect("the server lives")
    }

    /// The same; `None` when the server goes away meanwhile.
    pub(crate) async fn try_open(url: &str, token: Option<&str>) -> Option<Self> {
        let bearer = token.map(|t| format!(", bearer.{t}")).unwrap_or_default();
        let headers = format!("Sec-WebSocket-Protocol: huntcore.v1.json{bearer}\r\n");
        let (socket, head) = Self::shake(url, "/v1/hunts/park/live", &headers).await?;
        assert!(head.starts_with("HTTP/1.1 101 "), "no upgrade: {head}");
        assert!(
            head.to_ascii_lowercase()
                .contains("sec-websocket-protocol: huntcore.v1.json\r\n"),
            "the token is not echoed: {head}"
        );
        Some(socket)
    }

    /// Asks for an upgrade with more `headers`, and returns the head of the answer.
    pub(crate) async fn handshake(url: &str, path: &str, headers: &str) -> (Self, String) {
        let answer = Self::shake(url, path, headers).await;
        answer.expect("the connection lasts to the end of the answer's head")
    }

    async fn shake(url: &str, path: &str, headers: &str) -> Option<(Self, String)> {
        let address = url.strip_prefix("http://").expect("plain HTTP");
        let mut stream = TcpStream::connect(address).await.ok()?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut socket = Self {
            stream,
            read: Vec::new(),
        };
        let end = loop {
            if let Some(at) = socket.read.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            if !socket.fill().await {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&socket.read[..end]).into_owned();
        socket.read.drain(..end);
        Some((socket, head))
    }

    /// Sends a message as a browser would.
    pub(crate) async fn send(&mut self, message: &Value) {
        self.send_frame(&Frame::text(message.to_string())).await;
    }

    /// Subscribes, resuming from an earlier `resume` if there is one.
    pub(crate) async fn subscribe(&mut self, resume: Option<&str>) {
        let mut message = json!({ "type": "subscribe" });
        if let Some(resume) = resume {
            message["resume"] = json!(resume);
        }
        self.send(&message).await;
    }

    /// Sends a frame just as it is.
    pub(crate) async fn send_frame(&mut self, frame: &Frame) {
        // A server that has refused already may have closed its side.
        let _ = self.stream.write_all(&frame.bytes()).await;
    }

    /// Sends bytes that need not be a frame.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next message, pings answered; `Err` holds the close code, or `None` when the
    /// connection ended without one.
    ///
    /// # Panics
    /// When nothing comes in time, or a message is not JSON.
    pub(crate) async fn next(&mut self) -> Result<Value, Option<u16>> {
        self.next_within(PATIENCE).await.expect("a message in time")
    }

    /// The same; `None` when nothing comes in `time`.
    pub(crate) async fn next_within(
        &mut self,
        time: Duration,
    ) -> Option<Result<Value, Option<u16>>> {
        tokio::time::timeout(time, self.message()).await.ok()
    }

    /// The next message of this type, others skipped.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        self.next_where(kind, |message| message["type"] == kind)
            .await
    }

    /// The next message that `fits`, others skipped.
    pub(crate) async fn next_where(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let searching = async {
            loop {
                match self.message().await {
                    Ok(message) if fits(&message) => return message,
                    Ok(_) => {}
                    Err(code) => panic!("{what}: the socket closed with {code:?}"),
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, searching).await;
        found.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
    }

    /// Reads to the end and returns the close code, if there was one.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        let reading = async {
            loop {
                if let Err(code) = self.message().await {
                    return code;
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading)
            .await
            .expect("the server closes the socket")
    }

    async fn message(&mut self) -> Result<Value, Option<u16>> {
        let mut text = Vec::new();
        loop {
            let frame = self.frame().await.ok_or(None)?;
            assert!(!frame.masked, "a server never masks");
            match frame.opcode {
                Opcode::Text | Opcode::Continuation => {
                    text.extend_from_slice(&frame.payload);
                    if frame.last {
                        return Ok(serde_json::from_slice(&text).expect("a message is JSON"));
                    }
                }
                Opcode::Ping => {
                    let pong = Frame {
                        opcode: Opcode::Pong,
                        masked: true,
                        ..frame
                    };
                    self.send_frame(&pong).await;
                }
                Opcode::Close => {
                    let code = frame
                        .payload
                        .first_chunk::<2>()
                        .map(|c| u16::from_be_bytes(*c));
                    return Err(code);
                }
                Opcode::Pong => {}
                Opcode::Binary => panic!("this subprotocol has no binary frames"),
            }
        }
    }

    async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, length)) = Frame::parse(&self.read) {
                self.read.drain(..length);
                return Some(frame);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// Reads what there is; false at the end of the connection.
    async fn fill(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.read).await, Ok(read) if read > 0)
    }
}

impl Frame {
    pub(crate) fn text(text: impl Into<Vec<u8>>) -> Self {
        Self {
            last: true,
            opcode: Opcode::Text,
            masked: true,
            payload: text.into(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![(u8::from(self.last) << 7) | self.opcode as u8];
        let mask_bit = u8::from(self.masked) << 7;
        let length = self.payload.len();
        if length < 126 {
            bytes.push(mask_bit | u8::try_from(length).expect("under 126"));
        } else if let Ok(length) = u16::try_from(length) {
            bytes.push(mask_bit | 126);
            bytes.extend_from_slice(&length.to_be_bytes());
        } else {
            bytes.push(mask_bit | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
        let mask = if self.masked {
            [0x37, 0xfa, 0x21, 0x3d]
        } else {
            [0; 4]
        };
        if self.masked {
            bytes.extend_from_slice(&mask);
        }
        bytes.extend(
            self.payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, m)| byte ^ m),
        );
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        let (length, head) = match second & 0x7f {
            126 => (
                u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
                4,
            ),
            127 => (u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?), 10),
            short => (u64::from(short), 2),
        };
        let end = head + usize::try_from(length).expect("a frame fits in memory");
        let payload = bytes.get(head..end)?.to_vec();
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            other => panic!("opcode {other} is reserved"),
        };
        let frame = Self {
            last: first & 0x80 != 0,
            opcode,
            masked: second & 0x80 != 0,
            payload,
        };
        Some((frame, end))
    }
}
