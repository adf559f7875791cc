//! What a connection says and hears: attempts as WebSocket messages or HTTP requests.

use std::io::Write as _;
use std::net::SocketAddr;
use std::ops::Range;

use super::connect::sign_token;
use super::frames::{CLOSE, Frame, TEXT, put_masked};
use crate::load::{Crowd, Source, Winners};
use crate::report::BenchError;

/// How attempts are put, and how answers are read.
#[derive(Debug)]
pub(crate) struct Speech {
    round: u64,
    source: Source,
    count: u64,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// The answer to a claim is an `outcome`.
    Socket,
    /// The answer is what was said.
    Echo,
    /// A request's head for each player, up to its content's length.
    Http(Vec<String>),
}

/// What came of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// `won`, `taken` or `expired`.
    Decided,
    /// For want of room or for asking too often; says when to come again.
    Refused,
    /// Something that answers nothing.
    Aside,
}

impl Speech {
    /// Claims in a hunt's round over its live socket.
    pub(crate) fn socket(round: u64) -> Self {
        Self::new(round, Form::Socket)
    }

    /// The same to somebody who says everything back.
    pub(crate) fn echo(round: u64) -> Self {
        Self::new(round, Form::Echo)
    }

    /// Claims as HTTP requests; the players share the connections evenly.
    pub(crate) fn http(
        address: SocketAddr,
        hunt: &str,
        round: u64,
        players: Range<u32>,
        player_key: &str,
    ) -> Result<Self, BenchError> {
        let crowd = Crowd::new();
        let head = |player| {
            let token = sign_token(crowd.id(player), player_key)?;
            Ok(format!(
                "POST /v1/hunts/{hunt}/claims HTTP/1.1\r\nHost: {address}\r\n\
                 Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
                 Content-Length: "
            ))
        };
        let heads = players.map(head).collect::<Result<_, _>>()?;
        Ok(Self::new(round, Form::Http(heads)))
    }

    fn new(round: u64, form: Form) -> Self {
        Self {
            round,
            source: Source::new(1, Winners::HALF),
            count: 0,
            form,
        }
    }

    /// Appends the next request of a connection.
    pub(super) fn say(&mut self, connection: usize, out: &mut Vec<u8>) {
        // When every tile was asked for, the first come again, and are taken.
        let drawn = self.source.draw().or_else(|| {
            self.source = Source::new(1, Winners::HALF);
            self.source.draw()
        });
        let tile = drawn.map_or(0, |drawn| drawn.tile);
        let (round, count) = (self.round, self.count);
        self.count += 1;
        match &self.form {
            Form::Socket | Form::Echo => put_masked(out, |out| {
                write!(
                    out,
                    r#"{{"type":"claim","id":"c{count}","round":{round},"tile":{tile}}}"#
                )
                .expect("a Vec takes all");
            }),
            Form::Http(heads) => {
                let body = format!(r#"{{"round":{round},"tile":{tile}}}"#);
                let head = &heads[connection % heads.len()];
                write!(out, "{head}{}\r\n\r\n{body}", body.len()).expect("a Vec takes all");
            }
        }
    }

    /// The first answer in `bytes` and how many of them it takes, once it is whole.
    pub(super) fn hear(&self, bytes: &[u8]) -> Result<Option<(usize, Heard)>, BenchError> {
        if let Form::Http(_) = self.form {
            return hear_http(bytes);
        }
        let Some(frame) = Frame::first(bytes) else {
            return Ok(None);
        };
        let text = &bytes[frame.start..frame.end];
        let heard = match (frame.opcode, &self.form) {
            (TEXT, Form::Echo) => Heard::Decided,
            (TEXT, _) => outcome(text)?,
            (CLOSE, _) => return Err(unexpected("a close frame", text)),
            _ => Heard::Aside,
        };
        Ok(Some((frame.end, heard)))
    }
}

fn outcome(text: &[u8]) -> Result<Heard, BenchError> {
    let has = |wanted: &[u8]| memchr::memmem::find(text, wanted).is_some();
    if !has(br#""type":"outcome""#) {
        return match has(br#""type":"error""#) {
            true => Err(unexpected("an error", text)),
            false => Ok(Heard::Aside),
        };
    }
    if has(br#""outcome":"won""#) || has(br#""outcome":"taken""#) {
        Ok(Heard::Decided)
    } else if has(br#""outcome":"overloaded""#) {
        Ok(Heard::Refused)
    } else {
        Err(unexpected("an outcome that should not be", text))
    }
}

fn hear_http(bytes: &[u8]) -> Result<Option<(usize, Heard)>, BenchError> {
    let Some(head_end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = &bytes[..head_end];
    let length = header(head, b"content-length: ").ok_or_else(|| unexpected("an answer", head))?;
    let end = head_end + 4 + length;
    if end > bytes.len() {
        return Ok(None);
    }
    let heard = match head.get(9..12) {
        // A 409 may also say that the hunt is paused; none is here.
        Some(b"200" | b"409") => Heard::Decided,
        Some(b"429" | b"503") if header(head, b"retry-after: ").is_some() => Heard::Refused,
        _ => return Err(unexpected("an answer", &bytes[..end])),
    };
    Ok(Some((end, heard)))
}

/// A header's number; its name in lower case, as the server writes it.
fn header(head: &[u8], name: &[u8]) -> Option<usize> {
    let start = memchr::memmem::find(head, name)? + name.len();
    let digits = head[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    std::str::from_utf8(&head[start..start + digits.count()])
        .ok()?
        .parse()
        .ok()
}

fn unexpected(what: &str, text: &[u8]) -> BenchError {
    BenchError::Huntcore(format!("{what} came: {}", String::from_utf8_lossy(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_answers_are_found_whole_and_one_by_one() {
        let speech = Speech::new(1, Form::Http(vec![String::new()]));
        let one = b"HTTP/1.1 409 Conflict\r\ncontent-length: 2\r\n\r\n{}";
        let two = [
            one.as_slice(),
            b"HTTP/1.1 503 x\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n",
        ]
        .concat();
        for cut in 0..one.len() {
            assert_eq!(speech.hear(&two[..cut]).expect("good so far"), None);
        }
        let (used, heard) = speech.hear(&two).expect("good").expect("whole");
        assert_eq!((used, heard), (one.len(), Heard::Decided));
        let (_, heard) = speech.hear(&two[used..]).expect("good").expect("whole");
        assert_eq!(heard, Heard::Refused);
        assert!(
            speech
                .hear(b"HTTP/1.1 401 x\r\ncontent-length: 0\r\n\r\n")
                .is_err()
        );
    }

    #[test]
    fn only_an_outcome_answers_a_claim() {
        assert_eq!(
            outcome(br#"{"type":"outcome","id":"c1","outcome":"taken"}"#).expect("good"),
            Heard::Decided
        );
        assert_eq!(outcome(br#"{"type":"round"}"#).expect("good"), Heard::Aside);
        assert!(outcome(br#"{"type":"error"}"#).is_err());
        assert!(outcome(br#"{"type":"outcome","outcome":"unknown-tile"}"#).is_err());
    }
}
