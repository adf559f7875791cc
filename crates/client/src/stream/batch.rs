//! Attempts written as they are added, and outcomes read as they are asked for.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use huntcore_model::{OutcomeKind, RoundNumber, TileIndex};
use huntcore_wire::proto::{ClaimItemRef, decode_claim_item, encode_claim_for};
use huntcore_wire::{ClaimForRef, ClaimItem, ClaimStreamForm, PositionText, Receipt};

use crate::ClientError;

/// What a known outcome's line begins with; the name follows, and a quotation mark.
const LINE_START: &[u8] = br#"{"outcome":""#;

/// Attempts in the form that they are sent in.
#[derive(Debug)]
pub struct ClaimBatch {
    form: ClaimStreamForm,
    bytes: BytesMut,
    len: usize,
}

/// A batch's outcomes, one for each attempt and in order.
#[derive(Debug)]
pub struct AnsweredBatch {
    /// The caller's own, given with the batch.
    pub tag: u64,
    form: ClaimStreamForm,
    bytes: Vec<u8>,
    len: usize,
}

impl ClaimBatch {
    /// An empty batch; to be sent on a stream of the same form.
    #[must_use]
    pub fn new(form: ClaimStreamForm) -> Self {
        Self {
            form,
            bytes: BytesMut::new(),
            len: 0,
        }
    }

    /// How many attempts it holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Makes room for so many bytes more, so that a batch as long as the last one grows once.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// How many bytes it takes on its way.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds an attempt. The server is the judge of hunt and player: what it does not take is
    /// answered `invalid`.
    pub fn push(&mut self, hunt: &str, round: RoundNumber, tile: TileIndex, player: &str) {
        match self.form {
            ClaimStreamForm::Protobuf => {
                let claim = ClaimForRef {
                    hunt: Cow::Borrowed(hunt),
                    round,
                    tile,
                    player: Cow::Borrowed(player),
                    answer: None,
                };
                encode_claim_for(&mut self.bytes, &claim);
            }
            ClaimStreamForm::Lines => self.push_line(hunt, round, tile, player),
        }
        self.len += 1;
    }

    fn push_line(&mut self, hunt: &str, round: RoundNumber, tile: TileIndex, player: &str) {
        let out = &mut self.bytes;
        out.put_slice(br#"{"hunt":"#);
        put_text(out, hunt);
        out.put_slice(br#","round":"#);
        put_number(out, round.get());
        out.put_slice(br#","tile":"#);
        put_number(out, u64::from(tile.get()));
        out.put_slice(br#","player":"#);
        put_text(out, player);
        out.put_slice(b"}\n");
    }

    /// All of it, as the body of a request.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes.freeze()
    }

    pub(crate) fn into_parts(self) -> (Bytes, usize) {
        (self.bytes.freeze(), self.len)
    }
}

impl AnsweredBatch {
    pub(crate) const fn new(tag: u64, form: ClaimStreamForm, bytes: Vec<u8>, len: usize) -> Self {
        Self {
            tag,
            form,
            bytes,
            len,
        }
    }

    /// How many outcomes it holds: as many as the batch held attempts.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The outcomes' kinds, without reading the rest.
    pub fn kinds(&self) -> impl Iterator<Item = Result<OutcomeKind, ClientError>> + '_ {
        self.texts().map(|text| match self.form {
            ClaimStreamForm::Lines => kind_of_line(text),
            ClaimStreamForm::Protobuf => {
                message(text).and_then(|item| item.outcome.ok_or_else(unknown_kind))
            }
        })
    }

    /// The outcomes with all that belongs to them.
    pub fn items(&self) -> impl Iterator<Item = Result<ClaimItem, ClientError>> + '_ {
        self.texts().map(|text| match self.form {
            ClaimStreamForm::Lines => line(text),
            ClaimStreamForm::Protobuf => message(text).and_then(|item| item_of(&item)),
        })
    }

    fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (body, end) = first_item(self.form, rest).ok()??;
            let text = &rest[body..end];
            rest = &rest[end..];
            Some(text)
        })
    }
}

/// Where the first item of `bytes` begins, without its length, and where it ends, its line end
/// included; `None` if its end has not come.
pub(crate) fn first_item(
    form: ClaimStreamForm,
    bytes: &[u8],
) -> Result<Option<(usize, usize)>, ClientError> {
    match form {
        ClaimStreamForm::Lines => Ok(memchr::memchr(b'\n', bytes).map(|end| (0, end + 1))),
        ClaimStreamForm::Protobuf => {
            let mut length = 0;
            for (index, &byte) in bytes.iter().enumerate() {
                if index == 4 {
                    return Err(ClientError::protocol("an item has no length that can be"));
                }
                length |= usize::from(byte & 0x7f) << (7 * index);
                if byte < 0x80 {
                    let (start, end) = (index + 1, index + 1 + length);
                    return Ok((end <= bytes.len()).then_some((start, end)));
                }
            }
            Ok(None)
        }
    }
}

fn kind_of_line(text: &[u8]) -> Result<OutcomeKind, ClientError> {
    let name = text.strip_prefix(LINE_START).and_then(|rest| {
        let end = rest.iter().position(|&byte| byte == b'"')?;
        Some(&rest[..end])
    });
    let known = name.and_then(|name| {
        OutcomeKind::ALL
            .into_iter()
            .find(|kind| kind.name().as_bytes() == name)
    });
    match known {
        Some(kind) => Ok(kind),
        // Written in another way, or no outcome at all: serde tells.
        None => line(text).map(|item| item.outcome),
    }
}

fn line(text: &[u8]) -> Result<ClaimItem, ClientError> {
    serde_json::from_slice(text)
        .map_err(|error| ClientError::protocol(format!("an outcome is not as expected: {error}")))
}

fn message(text: &[u8]) -> Result<ClaimItemRef<'_>, ClientError> {
    decode_claim_item(text)
        .map_err(|error| ClientError::protocol(format!("an outcome is not as expected: {error}")))
}

fn item_of(item: &ClaimItemRef<'_>) -> Result<ClaimItem, ClientError> {
    let position = |bytes: &[u8]| PositionText::new(URL_SAFE_NO_PAD.encode(bytes));
    let receipt = item.position.map(position);
    Ok(ClaimItem {
        outcome: item.outcome.ok_or_else(unknown_kind)?,
        receipt: receipt.map(|position| Receipt { position }),
        points: item.points,
        winner_position: item.winner_position.map(position),
        retry_after_ms: item.retry_after_ms,
        error: item.error.map(str::to_owned),
    })
}

fn unknown_kind() -> ClientError {
    ClientError::protocol("an outcome is of a kind that this version does not know")
}

/// A JSON string; texts that need escapes are left to serde.
fn put_text(out: &mut BytesMut, text: &str) {
    let plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
    if text.as_bytes().iter().all(plain) {
        out.put_u8(b'"');
        out.put_slice(text.as_bytes());
        out.put_u8(b'"');
    } else {
        out.put_slice(&serde_json::to_vec(text).expect("a text is JSON"));
    }
}

fn put_number(out: &mut BytesMut, number: u64) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    let mut rest = number;
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.put_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use huntcore_model::{Outcome, Sequence, ShardId, TimeMicros};
    use huntcore_wire::{ClaimFor, put_outcome, put_refusal};

    use super::*;

    const FORMS: [ClaimStreamForm; 2] = [ClaimStreamForm::Lines, ClaimStreamForm::Protobuf];

    #[test]
    fn lines_are_the_json_that_serde_reads() {
        let mut batch = ClaimBatch::new(ClaimStreamForm::Lines);
        let players = ["ada", "Ünï 🐙", "a\"b\\c\n\u{1}"];
        for (tile, player) in (0..).zip(players) {
            batch.push(
                "park",
                RoundNumber::new(u64::MAX >> 11),
                TileIndex::new(tile),
                player,
            );
        }
        let (bytes, len) = batch.into_parts();
        let lines: Vec<ClaimFor> = serde_json::Deserializer::from_slice(&bytes)
            .into_iter()
            .collect::<Result<_, _>>()
            .expect("JSON lines");
        assert_eq!(lines.len(), len);
        for ((tile, player), claim) in (0..).zip(players).zip(&lines) {
            assert_eq!(claim.player.as_str(), player);
            assert_eq!(claim.tile, TileIndex::new(tile));
            assert_eq!(claim.round, RoundNumber::new(u64::MAX >> 11));
        }
    }

    #[test]
    fn outcomes_are_read_as_the_server_writes_them() {
        let outcomes = [
            Outcome::Won {
                shard: ShardId::new(2),
                sequence: Sequence::new(299),
                points: 25,
            },
            Outcome::Taken {
                shard: ShardId::new(0),
                sequence: Sequence::new(1 << 40),
            },
            Outcome::Expired,
            Outcome::Overloaded,
            Outcome::OutcomeUnknown,
        ];
        for form in FORMS {
            let mut bytes = Vec::new();
            for outcome in &outcomes {
                put_outcome(&mut bytes, form, outcome, TimeMicros::ZERO);
            }
            put_refusal(&mut bytes, form, OutcomeKind::Invalid, "no \"tile\"");
            let batch = AnsweredBatch::new(7, form, bytes, outcomes.len() + 1);
            let items: Vec<ClaimItem> = batch.items().map(|item| item.expect("good")).collect();
            let mut expected: Vec<ClaimItem> = outcomes
                .iter()
                .map(|outcome| ClaimItem::of_outcome(outcome, TimeMicros::ZERO))
                .collect();
            expected.push(ClaimItem::invalid("no \"tile\""));
            assert_eq!(items, expected, "{form:?}");
            let kinds: Vec<OutcomeKind> = batch.kinds().map(|kind| kind.expect("good")).collect();
            let of_items: Vec<OutcomeKind> = items.iter().map(|item| item.outcome).collect();
            assert_eq!(kinds, of_items, "{form:?}");
        }
    }

    #[test]
    fn an_item_is_found_only_once_its_end_has_come() {
        for form in FORMS {
            let mut bytes = Vec::new();
            put_outcome(&mut bytes, form, &Outcome::Overloaded, TimeMicros::ZERO);
            for cut in 0..bytes.len() {
                assert!(first_item(form, &bytes[..cut]).is_ok_and(|item| item.is_none()));
            }
            let whole = first_item(form, &bytes).expect("an item").expect("whole");
            assert_eq!(whole.1, bytes.len());
        }
        assert!(first_item(ClaimStreamForm::Protobuf, &[0xff; 9]).is_err());
    }

    #[test]
    fn garbage_among_outcomes_is_an_error_and_not_an_outcome() {
        let lines = b"{\"outcome\":\"whatever\"}\nnonsense\n".to_vec();
        let batch = AnsweredBatch::new(0, ClaimStreamForm::Lines, lines, 2);
        assert!(batch.kinds().all(|kind| kind.is_err()));
        assert!(batch.items().all(|item| item.is_err()));
        let messages = vec![2, 8, 99, 1, 0xff];
        let batch = AnsweredBatch::new(0, ClaimStreamForm::Protobuf, messages, 2);
        assert_eq!(batch.kinds().filter(Result::is_err).count(), 2);
    }
}
