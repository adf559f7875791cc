//! A stream of attempts out of the chunks that it arrives in.
//!
//! Items are parsed where they lie; only one that is spread over chunks is put together in a
//! buffer, which is as long as the longest item and reused. Every item answers for itself: one
//! that is wrong is a fault, and the next is read as if nothing had been.

use huntcore_model::HuntId;

use crate::attempt::{ClaimFault, ClaimForRef, parse_claim_for};
use crate::proto::{LengthPrefix, decode_likely, length_prefix};

/// An item of a stream of attempts has at most this many bytes.
pub const CLAIM_ITEM_BYTES_MAX: usize = 16 << 10;

/// How a stream of attempts is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimStreamForm {
    /// JSON, an object a line; empty lines are skipped.
    Lines,
    /// Protobuf, each message behind its length.
    Protobuf,
}

/// See the module.
#[derive(Debug)]
pub struct ClaimReader {
    form: ClaimStreamForm,
    likely: Option<HuntId>,
    /// The beginning of an item whose end has not come yet.
    carried: Vec<u8>,
    /// Whether what is carried has been given out.
    given: bool,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In an item, or before the next.
    Item,
    /// In a line that was answered already.
    LongLine,
    /// So many bytes before the end of a message that was answered already.
    LongMessage(u64),
    /// Behind what cannot be read.
    Lost,
}

impl ClaimReader {
    /// A reader before the first byte.
    #[must_use]
    pub const fn new(form: ClaimStreamForm) -> Self {
        Self {
            form,
            likely: None,
            carried: Vec::new(),
            given: false,
            place: Place::Item,
        }
    }

    /// The hunt of most attempts to come: of protobuf, its name is compared and not checked.
    pub fn expect_hunt(&mut self, hunt: Option<HuntId>) {
        self.likely = hunt;
    }

    /// Whether nothing that may still come can be read. The last item said why.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.place == Place::Lost
    }

    /// Whether an item has begun that has not ended.
    #[must_use]
    pub fn is_within_item(&self) -> bool {
        !self.given && !self.carried.is_empty()
    }

    /// The next item, if `chunk` has its end; moves `chunk` past it. `None` once `chunk` is
    /// used up.
    #[inline]
    pub fn next<'item, 'chunk: 'item>(
        &'item mut self,
        chunk: &mut &'chunk [u8],
    ) -> Option<Result<ClaimForRef<'item>, ClaimFault>> {
        if self.given {
            self.carried.clear();
            self.given = false;
        }
        match self.form {
            ClaimStreamForm::Lines => self.next_line(chunk),
            ClaimStreamForm::Protobuf => self.next_message(chunk),
        }
    }

    /// The last item, if the stream ended inside one. A last line needs no line end.
    pub fn finish(&mut self) -> Option<Result<ClaimForRef<'_>, ClaimFault>> {
        if !self.is_within_item() {
            return None;
        }
        self.given = true;
        match self.form {
            ClaimStreamForm::Lines => line(&self.carried),
            ClaimStreamForm::Protobuf => Some(Err(ClaimFault::CutShort)),
        }
    }

    fn next_line<'item, 'chunk: 'item>(
        &'item mut self,
        chunk: &mut &'chunk [u8],
    ) -> Option<Result<ClaimForRef<'item>, ClaimFault>> {
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            let (head, rest) = (&chunk[..end], &chunk[end + 1..]);
            *chunk = rest;
            if self.place == Place::LongLine {
                self.place = Place::Item;
                continue;
            }
            if self.carried.is_empty() {
                match line(head) {
                    None => continue,
                    item => return item,
                }
            }
            if self.carried.len() + head.len() > CLAIM_ITEM_BYTES_MAX {
                self.carried.clear();
                return Some(Err(TOO_LONG));
            }
            self.carried.extend_from_slice(head);
            if self.carried.trim_ascii().is_empty() {
                self.carried.clear();
                continue;
            }
            self.given = true;
            return line(&self.carried);
        }
        let rest = std::mem::take(chunk);
        if self.place == Place::LongLine {
            return None;
        }
        if self.carried.len() + rest.len() > CLAIM_ITEM_BYTES_MAX {
            self.carried.clear();
            self.place = Place::LongLine;
            return Some(Err(TOO_LONG));
        }
        self.carried.extend_from_slice(rest);
        None
    }

    #[inline]
    fn next_message<'item, 'chunk: 'item>(
        &'item mut self,
        chunk: &mut &'chunk [u8],
    ) -> Option<Result<ClaimForRef<'item>, ClaimFault>> {
        match self.place {
            Place::Lost => {
                *chunk = &[];
                return None;
            }
            Place::LongMessage(left) => {
                let skipped = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                *chunk = &chunk[skipped..];
                let left = left - skipped as u64;
                if left > 0 {
                    self.place = Place::LongMessage(left);
                    return None;
                }
                self.place = Place::Item;
            }
            Place::Item | Place::LongLine => {}
        }
        if self.carried.is_empty() {
            return self.next_in_place(chunk);
        }
        self.next_carried(chunk)
    }

    /// The next message, if it lies in `chunk` as a whole.
    #[inline]
    fn next_in_place<'item, 'chunk: 'item>(
        &'item mut self,
        chunk: &mut &'chunk [u8],
    ) -> Option<Result<ClaimForRef<'item>, ClaimFault>> {
        let bytes = *chunk;
        match length_prefix(bytes) {
            LengthPrefix::Broken => Some(Err(self.lose(chunk))),
            LengthPrefix::Whole { prefix, message } if message <= ITEM_LENGTH_MAX => {
                let end = prefix + usize::try_from(message).expect("checked");
                match bytes.get(prefix..end) {
                    Some(message) => {
                        let likely = self.likely.as_ref().map_or("", HuntId::as_str);
                        *chunk = &bytes[end..];
                        Some(decode_likely(message, likely).map_err(ClaimFault::Proto))
                    }
                    None => self.carry(chunk),
                }
            }
            LengthPrefix::Whole { prefix, message } => {
                *chunk = &bytes[prefix..];
                self.place = Place::LongMessage(message);
                Some(Err(TOO_LONG))
            }
            LengthPrefix::CutShort => self.carry(chunk),
        }
    }

    /// The next message, whose beginning is carried.
    fn next_carried<'item, 'chunk: 'item>(
        &'item mut self,
        chunk: &mut &'chunk [u8],
    ) -> Option<Result<ClaimForRef<'item>, ClaimFault>> {
        loop {
            let missing = match length_prefix(&self.carried) {
                LengthPrefix::Broken => return Some(Err(self.lose(chunk))),
                LengthPrefix::Whole { prefix, message } if message <= ITEM_LENGTH_MAX => {
                    let end = prefix + usize::try_from(message).expect("checked");
                    if self.carried.len() == end {
                        self.given = true;
                        let likely = self.likely.as_ref().map_or("", HuntId::as_str);
                        let message = &self.carried[prefix..];
                        return Some(decode_likely(message, likely).map_err(ClaimFault::Proto));
                    }
                    end - self.carried.len()
                }
                LengthPrefix::Whole { message, .. } => {
                    // Only the prefix is carried: its last byte came just now.
                    self.carried.clear();
                    self.place = Place::LongMessage(message);
                    return Some(Err(TOO_LONG));
                }
                LengthPrefix::CutShort => 1,
            };
            if chunk.is_empty() {
                return None;
            }
            let (head, rest) = chunk.split_at(missing.min(chunk.len()));
            self.carried.extend_from_slice(head);
            *chunk = rest;
        }
    }

    fn carry<T>(&mut self, chunk: &mut &[u8]) -> Option<T> {
        self.carried.extend_from_slice(chunk);
        *chunk = &[];
        None
    }

    fn lose(&mut self, chunk: &mut &[u8]) -> ClaimFault {
        *chunk = &[];
        self.carried.clear();
        self.place = Place::Lost;
        ClaimFault::Lost
    }
}

const ITEM_LENGTH_MAX: u64 = CLAIM_ITEM_BYTES_MAX as u64;
const TOO_LONG: ClaimFault = ClaimFault::TooLong {
    bytes_max: CLAIM_ITEM_BYTES_MAX,
};

/// The item that a line holds, unless it is empty.
#[inline]
fn line(text: &[u8]) -> Option<Result<ClaimForRef<'_>, ClaimFault>> {
    // White space counts too, so that it makes no difference where chunks are cut.
    if text.len() > CLAIM_ITEM_BYTES_MAX {
        return Some(Err(TOO_LONG));
    }
    let text = text.trim_ascii();
    (!text.is_empty()).then(|| parse_claim_for(text))
}
