//! What a server says to its listeners, and how each begins.

use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::crowd::put_masked;

/// How a server is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Dialect {
    /// A hunt's live socket.
    Huntcore {
        /// Its public name.
        hunt: String,
    },
    /// Frames from the first byte on; nothing is asked.
    Plain,
    /// A WebSocket on which everything is a message for everybody.
    WebSocket,
    /// The NATS protocol in WebSocket frames.
    Nats,
    /// Centrifugo's JSON protocol in WebSocket frames.
    Centrifugo,
}

/// The subject, or channel, of peers that have such.
pub(crate) const SUBJECT: &str = "hunt";
const NATS_CONNECT: &str = concat!(
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"bench\",\"version\":\"1\",",
    "\"protocol\":1,\"echo\":false}\r\n",
    "SUB hunt 1\r\n",
    "PING\r\n"
);
const CENTRIFUGO_CONNECT: &str = concat!(
    "{\"id\":1,\"connect\":{}}\n",
    "{\"id\":2,\"subscribe\":{\"channel\":\"hunt\"}}"
);

/// What a frame's payload is to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// A change of this text.
    Change(&'a [u8]),
    /// Everything up to now.
    Everything(&'a [u8]),
    /// A round is announced.
    Round(&'a [u8]),
    /// Counted, and not looked into.
    Other,
    /// From here on changes follow.
    Begun,
    /// The peer asks whether somebody is there: answer with these bytes.
    Ping(&'static [u8]),
    /// Something that answers nothing and counts for nothing.
    Aside,
    /// The server refuses to go on.
    Refused(&'a [u8]),
}

impl Dialect {
    /// What is sent first; empty for nothing.
    pub(super) fn opening(&self, host: &str) -> String {
        let (path, protocol) = match self {
            Self::Plain => return String::new(),
            Self::Huntcore { hunt } => (
                format!("/v1/hunts/{hunt}/live"),
                "Sec-WebSocket-Protocol: huntcore.v1.json\r\n",
            ),
            Self::WebSocket | Self::Nats => ("/".to_owned(), ""),
            Self::Centrifugo => ("/connection/websocket".to_owned(), ""),
        };
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: aHVudGNvcmUtYmVuY2gtMQ==\r\n\
             {protocol}\r\n"
        )
    }

    /// What is sent after the handshake.
    pub(super) fn greeting(&self, resume: Option<&str>) -> Vec<u8> {
        let mut out = Vec::new();
        let text = match (self, resume) {
            (Self::Plain | Self::WebSocket, _) => return out,
            (Self::Huntcore { .. }, None) => r#"{"type":"subscribe"}"#.to_owned(),
            (Self::Huntcore { .. }, Some(resume)) => {
                format!(r#"{{"type":"subscribe","resume":"{resume}"}}"#)
            }
            (Self::Nats, _) => NATS_CONNECT.to_owned(),
            (Self::Centrifugo, _) => CENTRIFUGO_CONNECT.to_owned(),
        };
        put_masked(&mut out, |out| out.extend(text.as_bytes()));
        out
    }

    /// Whether changes follow as soon as the handshake is done.
    pub(super) const fn begins_by_itself(&self) -> bool {
        matches!(self, Self::Plain | Self::WebSocket)
    }

    /// Takes a frame's payload apart.
    pub(super) fn hear<'a>(&self, payload: &'a [u8], mut each: impl FnMut(Said<'a>)) {
        match self {
            Self::Plain | Self::WebSocket => each(Said::Change(payload)),
            Self::Huntcore { .. } => each(huntcore(payload)),
            Self::Nats => nats(payload, each),
            Self::Centrifugo => {
                for line in payload.split(|&byte| byte == b'\n') {
                    each(centrifugo(line));
                }
            }
        }
    }
}

fn huntcore(text: &[u8]) -> Said<'_> {
    let kind = text.strip_prefix(br#"{"type":""#).unwrap_or_default();
    match kind {
        [b'd', ..] => Said::Change(text),
        [b's', b'n', ..] => Said::Everything(text),
        [b's', b'u', ..] if memmem::find(text, br#""resumed":true"#).is_some() => Said::Begun,
        [b's', b'u', ..] => Said::Aside,
        [b'r', b'o', ..] => Said::Round(text),
        [b'e', ..] => Said::Refused(text),
        _ => Said::Other,
    }
}

fn nats<'a>(mut rest: &'a [u8], mut each: impl FnMut(Said<'a>)) {
    while !rest.is_empty() {
        let Some(line_end) = memmem::find(rest, b"\r\n") else {
            return each(Said::Refused(rest));
        };
        let (line, after) = (&rest[..line_end], &rest[line_end + 2..]);
        rest = after;
        if line.starts_with(b"MSG ") {
            let length = line.rsplit(|&byte| byte == b' ').next();
            let length = length.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            // A message cut in two by frames would be a gap; none of these servers cuts them.
            let Some(text) = length.and_then(|length: usize| after.get(..length)) else {
                return each(Said::Refused(line));
            };
            each(Said::Change(text));
            rest = after.get(text.len() + 2..).unwrap_or_default();
        } else if line == b"PONG" {
            each(Said::Begun);
        } else if line == b"PING" {
            each(Said::Ping(b"PONG\r\n"));
        } else if line.starts_with(b"-ERR") {
            each(Said::Refused(line));
        } else {
            each(Said::Aside);
        }
    }
}

fn centrifugo(line: &[u8]) -> Said<'_> {
    if line == b"{}" {
        Said::Ping(b"{}")
    } else if line.starts_with(br#"{"push""#) {
        Said::Change(line)
    } else if line.starts_with(br#"{"id":2"#) && memmem::find(line, b"\"error\"").is_none() {
        Said::Begun
    } else if memmem::find(line, b"\"error\"").is_some() {
        Said::Refused(line)
    } else {
        Said::Aside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<'a>(dialect: &Dialect, payload: &'a [u8]) -> Vec<Said<'a>> {
        let mut all = Vec::new();
        dialect.hear(payload, |said| all.push(said));
        all
    }

    #[test]
    fn a_hunts_messages_are_told_apart_by_their_type() {
        let hunt = Dialect::Huntcore {
            hunt: "park".to_owned(),
        };
        let check = |text: &[u8], expected| assert_eq!(said(&hunt, text), [expected]);
        let delta = br#"{"type":"delta","tick":1}"#;
        check(delta, Said::Change(delta));
        let snapshot = br#"{"type":"snapshot"}"#;
        check(snapshot, Said::Everything(snapshot));
        let round = br#"{"type":"round"}"#;
        check(round, Said::Round(round));
        let error = br#"{"type":"error"}"#;
        check(error, Said::Refused(error));
        check(br#"{"type":"rank"}"#, Said::Other);
        check(br#"{"type":"board"}"#, Said::Other);
        check(br#"{"type":"subscribed","resumed":true}"#, Said::Begun);
        check(br#"{"type":"subscribed","resumed":false}"#, Said::Aside);
    }

    #[test]
    fn several_messages_of_one_nats_frame_are_all_heard() {
        let frame = b"MSG hunt 1 3\r\nabc\r\nMSG hunt 1 2\r\nde\r\nPING\r\n";
        assert_eq!(
            said(&Dialect::Nats, frame),
            [
                Said::Change(b"abc"),
                Said::Change(b"de"),
                Said::Ping(b"PONG\r\n")
            ]
        );
        let cut = said(&Dialect::Nats, b"MSG hunt 1 9\r\nabc");
        assert!(matches!(cut[..], [Said::Refused(_)]));
    }
}
