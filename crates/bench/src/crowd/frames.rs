//! WebSocket frames, as little of them as a load needs: whole, short, unfragmented.

const MASK: [u8; 4] = [0x6b, 0x1d, 0xa7, 0x3c];
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// What a frame is for.
pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A frame as it lies in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    /// Where its payload begins and ends; it ends there too.
    pub(crate) start: usize,
    pub(crate) end: usize,
    mask: Option<[u8; 4]>,
}

impl Frame {
    /// The first frame of `bytes`, once it is whole.
    pub(crate) fn first(bytes: &[u8]) -> Option<Self> {
        let (&kind, &length) = (bytes.first()?, bytes.get(1)?);
        let (length, mut start) = match length & !MASKED {
            126 => {
                let long = bytes.get(2..4)?;
                (usize::from(u16::from_be_bytes([long[0], long[1]])), 4)
            }
            127 => {
                let long: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
                (usize::try_from(u64::from_be_bytes(long)).ok()?, 10)
            }
            short => (usize::from(short), 2),
        };
        let mask = if bytes[1] & MASKED == 0 {
            None
        } else {
            let key: [u8; 4] = bytes.get(start..start + 4)?.try_into().ok()?;
            start += 4;
            Some(key)
        };
        let end = start + length;
        (end <= bytes.len()).then_some(Self {
            opcode: kind & 0x0f,
            start,
            end,
            mask,
        })
    }
}

/// Appends a client's text frame; `payload` writes its text.
pub(crate) fn put_masked(out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    put_masked_frame(out, TEXT, payload);
}

/// Appends a client's frame; `payload` writes what it holds.
pub(crate) fn put_masked_frame(out: &mut Vec<u8>, opcode: u8, payload: impl FnOnce(&mut Vec<u8>)) {
    // Two bytes of length are right for every text of 126 to 65,535 bytes; shorter ones are
    // moved up.
    let head = out.len();
    out.extend([FINAL | opcode, MASKED]);
    out.extend(MASK);
    let start = out.len();
    payload(out);
    let length = out.len() - start;
    for (byte, key) in out[start..].iter_mut().zip(MASK.iter().cycle()) {
        *byte ^= key;
    }
    if let Ok(short @ 0..=125) = u8::try_from(length) {
        out[head + 1] = MASKED | short;
    } else {
        let long = u16::try_from(length).expect("a load's texts are short");
        out[head + 1] = MASKED | 126;
        let _ = out.splice(head + 2..head + 2, long.to_be_bytes());
    }
}

/// Appends a server's frame.
pub(crate) fn put_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(FINAL | opcode);
    match u8::try_from(payload.len()) {
        Ok(short @ 0..=125) => out.push(short),
        _ => {
            out.push(126);
            let long = u16::try_from(payload.len()).expect("a load's texts are short");
            out.extend(long.to_be_bytes());
        }
    }
    out.extend(payload);
}

/// Appends a server's frame with the payload of a client's.
pub(super) fn put_echo(out: &mut Vec<u8>, bytes: &[u8], frame: &Frame) {
    let payload = &bytes[frame.start..frame.end];
    put_frame(out, frame.opcode, payload);
    let start = out.len() - payload.len();
    if let Some(mask) = frame.mask {
        for (byte, key) in out[start..].iter_mut().zip(mask.iter().cycle()) {
            *byte ^= key;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sends_comes_back_from_an_echo() {
        for length in [0, 1, 125, 126, 127, 300, 65_535] {
            let text: Vec<u8> = (0..length).map(|index| b'a' + (index % 26) as u8).collect();
            let mut sent = vec![];
            put_masked(&mut sent, |out| out.extend(&text));
            for cut in 0..sent.len().min(200) {
                assert_eq!(Frame::first(&sent[..cut]), None);
            }
            let frame = Frame::first(&sent).expect("whole");
            assert_eq!((frame.opcode, frame.end), (TEXT, sent.len()));
            let mut back = vec![];
            put_echo(&mut back, &sent, &frame);
            let frame = Frame::first(&back).expect("whole");
            assert_eq!(&back[frame.start..frame.end], text);
        }
    }
}
