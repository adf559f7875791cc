//! An attempt as it stands in the bytes that it came in, and the reading of its JSON.
//!
//! JSON as programs write it (any order of fields, any white space, no escapes) is read here,
//! without an allocation. Whatever is out of that ordinary goes to serde, which is the judge of
//! what JSON is taken, and says what is wrong with the rest.

use std::borrow::Cow;

use huntcore_model::{HuntId, IdError, PlayerId, RoundNumber, TileIndex};

use crate::proto::ProtoFault;
use crate::{ANSWER_BYTES_MAX, ClaimFor};

/// An attempt made for a player; like [`ClaimFor`], but its texts may stay where they are. The
/// ids keep the limits of their kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimForRef<'a> {
    /// Which hunt.
    pub hunt: Cow<'a, str>,
    /// Which round.
    pub round: RoundNumber,
    /// Which of the round's tiles.
    pub tile: TileIndex,
    /// Who asks.
    pub player: Cow<'a, str>,
    /// The answer to the tile's puzzle, if it has one.
    pub answer: Option<Cow<'a, str>>,
}

/// Why an item of a batch is no attempt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimFault {
    /// Not the JSON that is expected; where and why, in words.
    #[error("{0}")]
    Json(String),
    /// serde would take an array for an object, field by field.
    #[error("expected an object, found an array")]
    Array,
    /// Not the protobuf message that is expected.
    #[error(transparent)]
    Proto(#[from] ProtoFault),
    /// More bytes than are looked at.
    #[error("the item has more than {bytes_max} bytes")]
    TooLong {
        /// How many are.
        bytes_max: usize,
    },
    /// The body ended inside the item.
    #[error("the body ends within this item")]
    CutShort,
    /// Not even the next item can be found any more.
    #[error("the item's length cannot be read, so nothing after it can be found")]
    Lost,
}

/// Reads one attempt in JSON.
pub fn parse_claim_for(json: &[u8]) -> Result<ClaimForRef<'_>, ClaimFault> {
    match parse_plain(json) {
        Some(claim) => Ok(claim),
        None => parse_any(json),
    }
}

#[cold]
fn parse_any(json: &[u8]) -> Result<ClaimForRef<'_>, ClaimFault> {
    let claim: ClaimFor =
        serde_json::from_slice(json).map_err(|fault| ClaimFault::Json(fault.to_string()))?;
    if json.trim_ascii_start().first() == Some(&b'[') {
        return Err(ClaimFault::Array);
    }
    Ok(claim.into())
}

impl ClaimForRef<'_> {
    /// The same attempt, apart from the bytes it came in.
    #[must_use]
    pub fn into_owned(self) -> ClaimForRef<'static> {
        ClaimForRef {
            hunt: Cow::Owned(self.hunt.into_owned()),
            round: self.round,
            tile: self.tile,
            player: Cow::Owned(self.player.into_owned()),
            answer: self.answer.map(|answer| Cow::Owned(answer.into_owned())),
        }
    }
}

impl From<ClaimFor> for ClaimForRef<'_> {
    fn from(claim: ClaimFor) -> Self {
        Self {
            hunt: Cow::Owned(claim.hunt.into()),
            round: claim.round,
            tile: claim.tile,
            player: Cow::Owned(claim.player.into()),
            answer: claim.answer.map(Cow::Owned),
        }
    }
}

/// Whether it is a [`HuntId`]; makes none.
#[inline]
pub(crate) fn check_hunt(text: &str) -> Result<(), IdError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let slug = matches!(text.as_bytes(), [first, rest @ ..] if plain(*first)
        && rest.len() < HuntId::BYTES_MAX
        && rest.iter().all(|&byte| plain(byte) || byte == b'-' || byte == b'_'));
    match slug {
        true => Ok(()),
        false => HuntId::new(text).map(drop),
    }
}

/// Whether it is a [`PlayerId`]; makes none.
#[inline]
pub(crate) fn check_player(text: &str) -> Result<(), IdError> {
    match (1..=PlayerId::BYTES_MAX).contains(&text.len()) {
        true => Ok(()),
        false => PlayerId::new(text).map(drop),
    }
}

/// An attempt out of JSON without anything unusual; `None` says nothing about the JSON.
fn parse_plain(json: &[u8]) -> Option<ClaimForRef<'_>> {
    let text = std::str::from_utf8(json).ok()?;
    let mut at = Cursor { text, offset: 0 };
    let (mut hunt, mut round, mut tile, mut player, mut answer) = (None, None, None, None, None);
    at.expect(b'{')?;
    loop {
        let key = at.string()?;
        at.expect(b':')?;
        match key {
            "hunt" if hunt.is_none() => hunt = Some(at.string()?),
            "round" if round.is_none() => round = Some(at.number()?),
            "tile" if tile.is_none() => tile = Some(u32::try_from(at.number()?).ok()?),
            "player" if player.is_none() => player = Some(at.string()?),
            "answer" if answer.is_none() => answer = Some(at.string()?),
            _ => return None,
        }
        match at.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    at.end()?;
    let (hunt, player) = (hunt?, player?);
    check_hunt(hunt).ok()?;
    check_player(player).ok()?;
    if answer.is_some_and(|answer| answer.len() > ANSWER_BYTES_MAX) {
        return None;
    }
    Some(ClaimForRef {
        hunt: Cow::Borrowed(hunt),
        round: RoundNumber::new(round?),
        tile: TileIndex::new(tile?),
        player: Cow::Borrowed(player),
        answer: answer.map(Cow::Borrowed),
    })
}

/// A place in a JSON text.
struct Cursor<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            let &byte = self.text.as_bytes().get(self.offset)?;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.offset += 1;
        }
    }

    /// The next byte that is not white space.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.offset += 1;
        Some(byte)
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// A string without escapes.
    #[inline]
    fn string(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let rest = &self.text.as_bytes()[self.offset..];
        let length = plain_length(rest)?;
        if rest[length] != b'"' {
            return None;
        }
        let start = self.offset;
        self.offset += length + 1;
        self.text.get(start..start + length)
    }

    /// A number of at most 19 digits, without sign, fraction, exponent or leading zeros.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        self.peek()?;
        let rest = &self.text.as_bytes()[self.offset..];
        let mut number = 0_u64;
        let mut count = 0;
        for &byte in rest.iter().take(20) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            count += 1;
        }
        self.offset += count;
        let plain = (1..=19).contains(&count) && (count == 1 || rest[0] != b'0');
        // A fraction or an exponent is no comma and no brace, and so gets refused there.
        plain.then_some(number)
    }

    fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }
}

/// How many bytes come before the first that a string cannot have as it is: a quote, a
/// backslash, a control character.
#[inline]
fn plain_length(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    // The lowest bit that this sets is in the first byte that is zero.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let mut start = 0;
    while let Some(eight) = bytes[start..].first_chunk() {
        let word = u64::from_le_bytes(*eight);
        let quotes = zeros(word ^ (ONES * u64::from(b'"')));
        let backslashes = zeros(word ^ (ONES * u64::from(b'\\')));
        let controls = zeros(word & (ONES * 0xe0));
        let found = quotes | backslashes | controls;
        if found != 0 {
            return Some(start + found.trailing_zeros() as usize / 8);
        }
        start += eight.len();
    }
    let ends = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    Some(start + bytes[start..].iter().position(ends)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What serde says, which is what counts.
    fn judge(json: &[u8]) -> Option<ClaimForRef<'_>> {
        parse_any(json).ok()
    }

    #[test]
    fn json_as_programs_write_it_needs_no_allocation() {
        for json in [
            r#"{"hunt":"park","round":17,"tile":5,"player":"ada"}"#,
            r#"{ "player" : "\u00fc", "tile":0 }"#,
            " {\t\"tile\": 4294967295 ,\r\"player\":\"Ünï 🐙\",\"hunt\" : \"a-b_9\"\n,\"round\":9007199254740991,\"answer\":\"\"} ",
        ] {
            let plain = parse_plain(json.as_bytes());
            assert_eq!(plain, judge(json.as_bytes()), "{json}");
            let borrowed = |claim: ClaimForRef<'_>| {
                matches!(
                    (claim.hunt, claim.player),
                    (Cow::Borrowed(_), Cow::Borrowed(_))
                )
            };
            assert_eq!(plain.is_some_and(borrowed), !json.contains('\\'), "{json}");
        }
    }

    #[test]
    fn escapes_are_understood_and_faults_told_where_they_are() {
        let escaped = br#"{"hunt":"\u0070ark","round":1,"tile":2,"player":"a\"da","answer":null}"#;
        let claim = parse_claim_for(escaped).expect("an attempt");
        assert_eq!((&*claim.hunt, &*claim.player), ("park", "a\"da"));
        for (json, fault) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            (
                r#"{"hunt":"park"}"#,
                "missing field `round` at line 1 column 15",
            ),
            (
                r#"["park",1,2,"ada",null]"#,
                "expected an object, found an array",
            ),
            (
                r#"{"hunt":"Park","round":1,"tile":2,"player":"a"}"#,
                "hunt id has 'P' at byte 0",
            ),
            (
                r#"{"hunt":"p","round":1,"tile":2,"player":""}"#,
                "player id is empty",
            ),
            (
                r#"{"hunt":"p","round":1,"tile":2,"player":"a","x":1}"#,
                "unknown field `x`",
            ),
            (
                r#"{"hunt":"p","round":1,"tile":2,"tile":2,"player":"a"}"#,
                "duplicate field `tile`",
            ),
            (
                r#"{"hunt":"p","round":1.5,"tile":2,"player":"a"}"#,
                "floating point `1.5`",
            ),
            (
                r#"{"hunt":"p","round":1,"tile":4294967296,"player":"a"}"#,
                "4294967296",
            ),
            (
                r#"{"hunt":"p","round":01,"tile":2,"player":"a"}"#,
                "invalid number",
            ),
            (
                r#"{"hunt":"p","round":1,"tile":2,"player":"a"} x"#,
                "trailing characters",
            ),
        ] {
            let found = parse_claim_for(json.as_bytes())
                .expect_err(json)
                .to_string();
            assert!(found.contains(fault), "{json}: {found}");
        }
    }

    fn near_json() -> impl Strategy<Value = String> {
        let key = prop_oneof![
            4 => Just("hunt"), 4 => Just("round"), 4 => Just("tile"), 4 => Just("player"),
            1 => Just("answer"), 1 => Just("x"), 1 => Just("h\\u0075nt"),
        ];
        let value = prop_oneof![
            4 => "\"[a-c]{1,3}\"", 1 => "\".{0,3}\"", 4 => "[0-9]{1,3}", 1 => "[0-9]{1,22}",
            1 => Just("null".to_owned()), 1 => "-?[0-9]{1,2}(\\.[0-9])?(e[0-9])?",
            1 => Just("true".to_owned()),
        ];
        let white = "[ \t\n\r]{0,2}";
        let field = (key, value, white).prop_map(|(key, value, white)| {
            format!("{white}\"{key}\"{white}:{white}{value}{white}")
        });
        (
            proptest::collection::vec(field, 0..6),
            "[,}\\]a]{0,2}",
            white,
        )
            .prop_map(|(fields, rest, white)| format!("{white}{{{}}}{rest}", fields.join(",")))
    }

    fn fields_in_any_order() -> impl Strategy<Value = String> {
        let values = ("[a-zA-Z-]{1,3}", any::<u64>(), any::<u32>(), ".{0,66}");
        (values, any::<[u8; 4]>()).prop_map(|((hunt, round, tile, player), order)| {
            let player = serde_json::to_string(&player).expect("a string");
            let mut fields = [
                (order[0], format!("\"hunt\":\"{hunt}\"")),
                (order[1], format!("\"round\":{round}")),
                (order[2], format!("\"tile\":{tile}")),
                (order[3], format!("\"player\":{player}")),
            ];
            fields.sort();
            format!("{{{}}}", fields.map(|(_, field)| field).join(","))
        })
    }

    proptest! {
        #[test]
        fn what_is_read_quickly_is_what_serde_reads(json in prop_oneof![near_json(), fields_in_any_order()]) {
            if let Some(plain) = parse_plain(json.as_bytes()) {
                prop_assert_eq!(Some(plain), judge(json.as_bytes()));
            }
        }

        #[test]
        fn any_bytes_are_taken_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some(plain) = parse_plain(&bytes) {
                prop_assert_eq!(Some(plain), judge(&bytes));
            }
        }

        #[test]
        fn a_string_ends_at_its_first_special_byte(
            text in proptest::collection::vec(prop_oneof![
                8 => 0x20..=0xff_u8, 1 => Just(b'"'), 1 => Just(b'\\'), 1 => 0..0x21_u8,
            ], 0..40),
        ) {
            let ends = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
            prop_assert_eq!(plain_length(&text), text.iter().position(ends));
        }

        #[test]
        fn ids_are_checked_as_the_model_checks_them(text in "[a-zA-Z0-9_é-]{0,66}") {
            prop_assert_eq!(check_hunt(&text), HuntId::new(&text).map(drop));
            prop_assert_eq!(check_player(&text), PlayerId::new(&text).map(drop));
        }
    }
}
