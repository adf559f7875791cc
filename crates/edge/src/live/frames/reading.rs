//! Client frames, strictly.

use std::borrow::Cow;

use super::Violation;
use super::writing::{CONTROL_BYTES_MAX, Kind};

/// No frame's header is longer.
pub(crate) const HEADER_BYTES_MAX: usize = 14;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const CONTROL: u8 = 0x08;
const MASKED: u8 = 0x80;

/// A whole message, or a control frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// Owned only if it came in parts.
    Text(Cow<'a, str>),
    /// Likewise.
    Binary(Cow<'a, [u8]>),
    /// To be answered with the same bytes.
    Ping(&'a [u8]),
    Pong,
    /// To be answered with the same code, or with none.
    Close(Option<u16>),
}

/// What stands at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read<'a> {
    /// Part of a frame, and so far a good one.
    Incomplete,
    /// A frame.
    Frame {
        /// Its bytes, header included.
        length: usize,
        /// What it completes; a fragment that is not the last completes nothing.
        message: Option<Message<'a>>,
    },
}

/// Reads the frame at the start of `input` and takes its mask off in place. Messages are
/// `messages`: text or binary.
///
/// `fragments` is what came of a message whose end is still to come; between two calls for
/// one peer it is left alone. Faults are found in the order of their bytes, so however a
/// stream is cut into inputs, it gives the same messages and then the same violation.
pub(crate) fn read<'a>(
    input: &'a mut [u8],
    fragments: &mut Option<Vec<u8>>,
    messages: Kind,
    message_bytes_max: usize,
) -> Result<Read<'a>, Violation> {
    let before = fragments.as_ref().map(Vec::len);
    let Some(header) = Header::read(input, before, messages, message_bytes_max)? else {
        return Ok(Read::Incomplete);
    };
    let length = header.bytes + header.payload;
    let Some(payload) = input.get_mut(header.bytes..length) else {
        return Ok(Read::Incomplete);
    };
    unmask(payload, header.mask);
    let payload: &'a [u8] = payload;
    let message = match header.opcode {
        Opcode::Data | Opcode::Continuation => {
            match data(payload, header.is_last, fragments) {
                None => None,
                Some(whole) if messages == Kind::Binary => Some(Message::Binary(whole)),
                // A character may be cut by fragments: only the whole can be judged.
                Some(whole) => Some(Message::Text(text(whole)?)),
            }
        }
        Opcode::Ping => Some(Message::Ping(payload)),
        Opcode::Pong => Some(Message::Pong),
        Opcode::Close => Some(Message::Close(close_code(payload)?)),
    };
    Ok(Read::Frame { length, message })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opcode {
    Continuation,
    Data,
    Close,
    Ping,
    Pong,
}

struct Header {
    opcode: Opcode,
    is_last: bool,
    /// Its own length.
    bytes: usize,
    /// The length of what follows it.
    payload: usize,
    mask: [u8; 4],
}

impl Header {
    /// `None` if it is not all there; what is there is good.
    fn read(
        input: &[u8],
        before: Option<usize>,
        messages: Kind,
        message_bytes_max: usize,
    ) -> Result<Option<Self>, Violation> {
        let Some(&first) = input.first() else {
            return Ok(None);
        };
        let opcode = opcode(first, before.is_some(), messages)?;
        let Some(&second) = input.get(1) else {
            return Ok(None);
        };
        if second & MASKED == 0 {
            return Err(Violation::Unmasked);
        }
        let short = usize::from(second & !MASKED);
        if first & CONTROL != 0 && short > CONTROL_BYTES_MAX {
            return Err(Violation::LongControl);
        }
        let rest = &input[2..];
        let (payload, mask) = match short {
            126 => {
                let Some((length, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                let length = u16::from_be_bytes(*length);
                if usize::from(length) <= CONTROL_BYTES_MAX {
                    return Err(Violation::Length);
                }
                (usize::from(length), rest)
            }
            127 => {
                let Some((length, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                let length = u64::from_be_bytes(*length);
                if length <= u64::from(u16::MAX) || length >> 63 != 0 {
                    return Err(Violation::Length);
                }
                (usize::try_from(length).unwrap_or(usize::MAX), rest)
            }
            _ => (short, rest),
        };
        // Refused when announced: nobody makes room for it.
        if first & CONTROL == 0 && payload > message_bytes_max - before.unwrap_or(0) {
            return Err(Violation::TooBig);
        }
        let Some(&mask) = mask.first_chunk() else {
            return Ok(None);
        };
        let bytes = match short {
            126 => 8,
            127 => 14,
            _ => 6,
        };
        Ok(Some(Self {
            opcode,
            is_last: first & FIN != 0,
            bytes,
            payload,
            mask,
        }))
    }
}

fn opcode(first: u8, is_within: bool, messages: Kind) -> Result<Opcode, Violation> {
    if first & RESERVED != 0 {
        return Err(Violation::ReservedBits);
    }
    let opcode = match first & OPCODE {
        0x0 if !is_within => return Err(Violation::ContinuesNothing),
        0x1 | 0x2 if is_within => return Err(Violation::Interleaved),
        0x0 => Opcode::Continuation,
        0x1 if messages == Kind::Text => Opcode::Data,
        0x1 => return Err(Violation::Text),
        0x2 if messages == Kind::Binary => Opcode::Data,
        0x2 => return Err(Violation::Binary),
        0x8 => Opcode::Close,
        0x9 => Opcode::Ping,
        0xa => Opcode::Pong,
        _ => return Err(Violation::UnknownOpcode),
    };
    if first & CONTROL != 0 && first & FIN == 0 {
        return Err(Violation::FragmentedControl);
    }
    Ok(opcode)
}

fn text(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, Violation> {
    let text = match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).ok(),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).ok(),
    };
    text.ok_or(Violation::NotUtf8)
}

/// The message that a frame completes, if it does.
fn data<'a>(
    payload: &'a [u8],
    is_last: bool,
    fragments: &mut Option<Vec<u8>>,
) -> Option<Cow<'a, [u8]>> {
    match fragments.take() {
        None if is_last => Some(Cow::Borrowed(payload)),
        before => {
            let mut whole = before.unwrap_or_default();
            whole.extend_from_slice(payload);
            if is_last {
                return Some(Cow::Owned(whole));
            }
            *fragments = Some(whole);
            None
        }
    }
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    if payload.is_empty() {
        return Ok(None);
    }
    let Some((code, reason)) = payload.split_first_chunk() else {
        return Err(Violation::CloseCode);
    };
    let code = u16::from_be_bytes(*code);
    // 1004 to 1006 and 1015 stand for what no frame says; the rest is free or not given out.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::CloseCode);
    }
    match std::str::from_utf8(reason) {
        Ok(_) => Ok(Some(code)),
        Err(_) => Err(Violation::NotUtf8),
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}
