//! The streaming batch door, both ways at once, as fast as bytes can be written.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::SERVICE_KEY;

/// Sends attempts, one a line.
pub(crate) struct DoorWriter(OwnedWriteHalf);

/// Reads outcomes, one a line.
pub(crate) struct DoorReader {
    stream: OwnedReadHalf,
    read: Vec<u8>,
    /// Of the body, not yet a whole line.
    body: Vec<u8>,
    has_head: bool,
    has_ended: bool,
}

/// Opens `POST /v1/claims` for lines.
pub(crate) async fn open_door(url: &str) -> (DoorWriter, DoorReader) {
    let address = url.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(address).await.expect("it accepts");
    let head = format!(
        "POST /v1/claims HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {SERVICE_KEY}\r\n\
         Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("it reads");
    let (reader, writer) = stream.into_split();
    let reader = DoorReader {
        stream: reader,
        read: Vec::new(),
        body: Vec::new(),
        has_head: false,
        has_ended: false,
    };
    (DoorWriter(writer), reader)
}

impl DoorWriter {
    /// Sends whole lines; false once the server has gone or hung up.
    pub(crate) async fn send(&mut self, lines: &str) -> bool {
        let chunk = format!("{:x}\r\n{lines}\r\n", lines.len());
        self.0.write_all(chunk.as_bytes()).await.is_ok()
    }

    /// Ends the body.
    pub(crate) async fn finish(mut self) {
        // The server may have hung up.
        let _ = self.0.write_all(b"0\r\n\r\n").await;
    }
}

impl DoorReader {
    /// The next outcomes, as many as have come; empty at the end.
    pub(crate) async fn outcomes(&mut self) -> Vec<Value> {
        loop {
            let lines = self.lines();
            if !lines.is_empty() || self.has_ended {
                return lines;
            }
            let more = self.stream.read_buf(&mut self.read).await;
            if !matches!(more, Ok(read) if read > 0) {
                self.has_ended = true;
            }
        }
    }

    fn lines(&mut self) -> Vec<Value> {
        if !self.has_head {
            let Some(end) = self.read.windows(4).position(|w| w == b"\r\n\r\n") else {
                return Vec::new();
            };
            let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            self.read.drain(..end + 4);
            self.has_head = true;
        }
        self.take_chunks();
        let Some(end) = self.body.iter().rposition(|&byte| byte == b'\n') else {
            return Vec::new();
        };
        let whole: Vec<u8> = self.body.drain(..=end).collect();
        whole
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("each line is JSON"))
            .collect()
    }

    /// Moves the chunks that are there in full from what was read to the body.
    fn take_chunks(&mut self) {
        let mut at = 0;
        while let Some(line) = self.read[at..].windows(2).position(|w| w == b"\r\n") {
            let size = std::str::from_utf8(&self.read[at..at + line]).expect("a chunk's size");
            let size = usize::from_str_radix(size, 16).expect("hex");
            let start = at + line + 2;
            if self.read.len() < start + size + 2 {
                break;
            }
            self.body.extend_from_slice(&self.read[start..start + size]);
            at = start + size + 2;
            if size == 0 {
                self.has_ended = true;
                break;
            }
        }
        self.read.drain(..at);
    }
}
