//! Server frames: whole messages, unmasked.

/// No control frame carries more.
pub(super) const CONTROL_BYTES_MAX: usize = 125;

const FIN: u8 = 0x80;
/// The header of all but the shortest and the longest messages.
const MIDDLE_HEADER: usize = 4;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xa,
}

/// Appends the header of a frame of `length` bytes.
pub(crate) fn push_header(out: &mut Vec<u8>, kind: Kind, length: usize) {
    let (header, bytes) = header(kind, length);
    out.extend_from_slice(&header[..bytes]);
}

/// Appends the message that `write` appends, with a header before it.
pub(crate) fn push_message(out: &mut Vec<u8>, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; MIDDLE_HEADER]);
    write(out);
    let length = out.len() - start - MIDDLE_HEADER;
    let (header, bytes) = header(kind, length);
    let message = start + MIDDLE_HEADER..out.len();
    if bytes < MIDDLE_HEADER {
        out.copy_within(message, start + bytes);
        out.truncate(start + bytes + length);
    } else if bytes > MIDDLE_HEADER {
        out.resize(start + bytes + length, 0);
        out.copy_within(message, start + bytes);
    }
    out[start..start + bytes].copy_from_slice(&header[..bytes]);
}

/// Appends a ping or pong.
pub(crate) fn push_control(out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    debug_assert!(payload.len() <= CONTROL_BYTES_MAX);
    push_header(out, kind, payload.len());
    out.extend_from_slice(payload);
}

/// Appends a close frame; without a code it has no reason either.
pub(crate) fn push_close(out: &mut Vec<u8>, code: Option<u16>, reason: &'static str) {
    let Some(code) = code else {
        return push_header(out, Kind::Close, 0);
    };
    debug_assert!(reason.len() + 2 <= CONTROL_BYTES_MAX);
    push_header(out, Kind::Close, reason.len() + 2);
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

fn header(kind: Kind, length: usize) -> ([u8; 10], usize) {
    let mut header = [0; 10];
    header[0] = FIN | kind as u8;
    let bytes = match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..=125), _) => {
            header[1] = length;
            2
        }
        (_, Ok(length)) => {
            header[1] = 126;
            header[2..4].copy_from_slice(&length.to_be_bytes());
            4
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&(length as u64).to_be_bytes());
            10
        }
    };
    (header, bytes)
}
