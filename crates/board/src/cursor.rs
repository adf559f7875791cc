//! Where a page of a board ended, as one opaque string.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use huntcore_model::{BoardName, BoardOrder, HuntNumber, Sequence, TimeMicros};

use crate::codec::{Fault, Reader, write_number, write_signed};
use crate::key::{Key, Place};

const FORMAT: u8 = 2;
const TEXT_BYTES_MAX: usize = 128;
const CRC_BYTES: usize = 4;

/// Where a page ended: a board, and the last key that was shown.
///
/// Outside it is an opaque string, good for any later version, in any process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    place: BoardPlace,
    score: i64,
    reached: Place,
}

/// What a cursor is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardPlace {
    /// Which hunt.
    pub hunt: HuntNumber,
    /// Which board.
    pub board: BoardName,
    /// The control entry that defined it.
    pub generation: Sequence,
    /// The start of its window; `None` on boards of a whole hunt.
    pub window: Option<TimeMicros>,
}

/// Why a cursor is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// The text is no cursor.
    #[error("not a cursor: {reason}")]
    Malformed {
        /// In what way.
        reason: &'static str,
    },
    /// It was made for another board.
    #[error("cursor is for {found}, not for {expected}")]
    OtherBoard {
        /// Where it belongs.
        found: Box<BoardPlace>,
        /// Where it was used.
        expected: Box<BoardPlace>,
    },
    /// It was made for another window of the board, which may have begun anew since.
    #[error("cursor is for {found}, and this is {expected}: begin without a cursor")]
    OtherWindow {
        /// Where it belongs.
        found: Box<BoardPlace>,
        /// Where it was used.
        expected: Box<BoardPlace>,
    },
    /// The board was defined otherwise since, and began anew.
    #[error("cursor is from before {} was defined anew: begin without a cursor", expected.board)]
    BeforeReset {
        /// Where it belongs.
        found: Box<BoardPlace>,
        /// Where it was used.
        expected: Box<BoardPlace>,
    },
}

impl Cursor {
    pub(crate) const fn after(place: BoardPlace, order: BoardOrder, key: Key) -> Self {
        Self {
            place,
            score: key.score(order),
            reached: key.place(),
        }
    }

    /// The board and window that it belongs to.
    #[must_use]
    pub const fn place(&self) -> BoardPlace {
        self.place
    }

    pub(crate) fn key_on(
        &self,
        expected: BoardPlace,
        order: BoardOrder,
    ) -> Result<Key, CursorError> {
        if self.place == expected {
            return Ok(Key::new(order, self.score, self.reached));
        }
        let (found, expected) = (Box::new(self.place), Box::new(expected));
        Err(
            if (found.hunt, found.board) != (expected.hunt, expected.board) {
                CursorError::OtherBoard { found, expected }
            } else if found.generation != expected.generation {
                CursorError::BeforeReset { found, expected }
            } else {
                CursorError::OtherWindow { found, expected }
            },
        )
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.place.board.as_str().as_bytes();
        let mut bytes = vec![FORMAT];
        write_number(&mut bytes, name.len() as u64);
        bytes.extend_from_slice(name);
        write_number(&mut bytes, self.place.generation.get());
        write_number(&mut bytes, u64::from(self.place.hunt.get()));
        // 0 stands for "none", so a start is written one higher; none is near the end of time.
        let start = self.place.window.map_or(0, |start| start.get() + 1);
        write_number(&mut bytes, start);
        let (when, offset) = self.reached.raw();
        write_signed(&mut bytes, self.score);
        write_number(&mut bytes, when);
        write_number(&mut bytes, u64::from(offset));
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        formatter.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let fail = |reason| CursorError::Malformed { reason };
        if text.len() > TEXT_BYTES_MAX {
            return Err(fail("too long"));
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| fail("not base64url"))?;
        let (fields, crc) = bytes
            .split_last_chunk::<CRC_BYTES>()
            .ok_or(fail("cut short"))?;
        if crc32c::crc32c(fields).to_le_bytes() != *crc {
            return Err(fail("cut short or changed"));
        }
        read(fields).map_err(|_: Fault| fail("unknown format"))
    }
}

fn read(bytes: &[u8]) -> Result<Cursor, Fault> {
    let mut reader = Reader::new(bytes);
    if reader.byte("format")? != FORMAT {
        return Err(reader.fault("format"));
    }
    let length = usize::from(reader.byte("length of the board's name")?);
    let fault = reader.fault("board");
    let name = std::str::from_utf8(reader.take(length, "board")?).ok();
    let board = name
        .and_then(|name| BoardName::new(name).ok())
        .ok_or(fault)?;
    let generation = Sequence::new(reader.number("generation")?);
    let hunt = HuntNumber::new(reader.number_u32("hunt")?);
    let window = reader.number("window")?.checked_sub(1).map(TimeMicros::new);
    // `u64::MAX` cannot be written one higher again.
    if window == Some(TimeMicros::MAX) {
        return Err(reader.fault("window"));
    }
    let score = reader.signed("score")?;
    let when = reader.number("when")?;
    let offset = reader.number_u32("offset")?;
    reader.end()?;
    let place = BoardPlace {
        hunt,
        board,
        generation,
        window,
    };
    Ok(Cursor {
        place,
        score,
        reached: Place::from_raw(when, offset),
    })
}

impl fmt::Display for BoardPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "board {} of hunt {}", self.board, self.hunt)?;
        match self.window {
            None => Ok(()),
            Some(start) => write!(formatter, " at {} µs", start.get()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_survives_its_text(hunt: u32, board in "[a-z][a-z0-9-]{0,30}", generation: u64, window in proptest::option::of(0..u64::MAX), score: i64, when: u64, offset: u32) {
            let place = BoardPlace {
                hunt: HuntNumber::new(hunt),
                board: board.parse().expect("a name"),
                generation: Sequence::new(generation),
                window: window.map(TimeMicros::new),
            };
            let order = BoardOrder::Ascending;
            let key = Key::new(order, score, Place::from_raw(when, offset));
            let cursor = Cursor::after(place, order, key);
            prop_assert_eq!(cursor.key_on(place, order), Ok(key));
            let text = cursor.to_string();
            prop_assert!(text.len() <= TEXT_BYTES_MAX);
            prop_assert_eq!(text.parse(), Ok(cursor));
            prop_assert!(text[1..].parse::<Cursor>().is_err());
        }

        #[test]
        fn any_text_is_taken_or_refused(text in ".{0,140}", bytes: Vec<u8>) {
            let _: Result<Cursor, _> = text.parse();
            let _: Result<Cursor, _> = read(&bytes);
            let mut signed = bytes.clone();
            signed.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
            let _: Result<Cursor, _> = URL_SAFE_NO_PAD.encode(signed).parse();
        }
    }
}
