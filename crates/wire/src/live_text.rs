//! The socket's two hot messages without an allocation: a claim read with its id borrowed, and
//! an outcome written straight into a buffer.
//!
//! They are shortcuts and decide nothing: whatever [`ClaimText::read`] and
//! [`ClaimText::read_proto`] do not take goes to [`crate::ClientMessage::decode`], and an
//! outcome's bytes are those of [`crate::OutcomeMessage`].

use huntcore_model::{Outcome, OutcomeKind, PositionAfter, RoundNumber, TileIndex, TimeMicros};
use serde::Deserialize;

use crate::claims::{ANSWER_BYTES_MAX, retry_after_ms};
use crate::{CLAIM_ID_BYTES_MAX, ClaimMessage, Timestamp, proto};

/// A claim as it stands in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimText<'a> {
    /// The client's own.
    pub id: &'a str,
    /// Which round.
    pub round: RoundNumber,
    /// Which of the round's tiles.
    pub tile: TileIndex,
}

/// What came of a claim, about to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomeText<'a> {
    pub(crate) claim: ClaimText<'a>,
    pub(crate) kind: OutcomeKind,
    pub(crate) receipt: Option<PositionAfter>,
    pub(crate) points: Option<u32>,
    pub(crate) winner: Option<PositionAfter>,
    pub(crate) retry_after_ms: Option<u64>,
}

impl<'a> ClaimText<'a> {
    /// Reads a claim as nearly all clients write it. `None` says nothing against the text: it
    /// may be another message, or a claim with escapes in it.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Fields<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            id: &'a str,
            round: RoundNumber,
            tile: TileIndex,
            #[serde(default, borrow)]
            answer: Option<&'a str>,
        }
        // serde would take an array for an object, field by field.
        if !text.trim_ascii_start().starts_with('{') {
            return None;
        }
        let fields: Fields<'a> = serde_json::from_str(text).ok()?;
        let good = fields.kind == "claim"
            && (1..=CLAIM_ID_BYTES_MAX).contains(&fields.id.len())
            && fields
                .answer
                .is_none_or(|answer| answer.len() <= ANSWER_BYTES_MAX);
        good.then_some(Self {
            id: fields.id,
            round: fields.round,
            tile: fields.tile,
        })
    }

    /// Reads a claim in protobuf. `None` says nothing against the message: it may be another one.
    #[inline]
    #[must_use]
    pub fn read_proto(message: &'a [u8]) -> Option<Self> {
        proto::decode_claim_text(message)
    }
}

impl<'a> From<&'a ClaimMessage> for ClaimText<'a> {
    fn from(message: &'a ClaimMessage) -> Self {
        Self {
            id: &message.id,
            round: message.round,
            tile: message.tile,
        }
    }
}

impl<'a> OutcomeText<'a> {
    /// What came of `claim`, told at `now`.
    #[must_use]
    pub fn of_outcome(claim: ClaimText<'a>, outcome: &Outcome, now: TimeMicros) -> Self {
        let mut text = Self::refused(claim, outcome.kind(), retry_after_ms(outcome, now));
        match *outcome {
            Outcome::Won {
                shard,
                sequence,
                points,
            } => {
                text.receipt = Some(PositionAfter::new(shard, sequence));
                text.points = Some(points);
            }
            Outcome::Taken { shard, sequence } => {
                text.winner = Some(PositionAfter::new(shard, sequence));
            }
            _ => {}
        }
        text
    }

    /// A claim refused before it was decided, such as `rate-limited`.
    #[must_use]
    pub const fn refused(
        claim: ClaimText<'a>,
        kind: OutcomeKind,
        retry_after_ms: Option<u64>,
    ) -> Self {
        Self {
            claim,
            kind,
            receipt: None,
            points: None,
            winner: None,
            retry_after_ms,
        }
    }

    /// The outcome's kind.
    #[must_use]
    pub const fn kind(&self) -> OutcomeKind {
        self.kind
    }

    /// Appends the message in protobuf.
    ///
    /// # Panics
    /// If the claim's id is longer than [`CLAIM_ID_BYTES_MAX`], which none that was read is.
    pub fn write_proto(&self, server_time: Timestamp, out: &mut Vec<u8>) {
        proto::put_outcome_text(out, server_time, self);
    }

    /// Appends the message in JSON. `server_time` is the text of a [`Timestamp`], which one
    /// moment's outcomes share.
    pub fn write(&self, server_time: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"type":"outcome","server_time":""#);
        out.extend_from_slice(server_time.as_bytes());
        out.extend_from_slice(br#"","id":"#);
        serde_json::to_writer(&mut *out, self.claim.id).expect("a text in memory");
        out.extend_from_slice(br#","outcome":""#);
        out.extend_from_slice(self.kind.name().as_bytes());
        number(out, br#"","round":"#, self.claim.round.get());
        number(out, br#","tile":"#, u64::from(self.claim.tile.get()));
        if let Some(receipt) = &self.receipt {
            out.extend_from_slice(br#","receipt":{"position":""#);
            receipt.with_text(|text| out.extend_from_slice(text));
            out.extend_from_slice(br#""}"#);
        }
        if let Some(points) = self.points {
            number(out, br#","points":"#, u64::from(points));
        }
        if let Some(winner) = &self.winner {
            out.extend_from_slice(br#","winner_position":""#);
            winner.with_text(|text| out.extend_from_slice(text));
            out.push(b'"');
        }
        if let Some(retry_after_ms) = self.retry_after_ms {
            number(out, br#","retry_after_ms":"#, retry_after_ms);
        }
        out.push(b'}');
    }
}

fn number(out: &mut Vec<u8>, name: &[u8], number: u64) {
    out.extend_from_slice(name);
    serde_json::to_writer(out, &number).expect("a number in memory");
}

#[cfg(test)]
mod tests {
    use huntcore_model::{Sequence, ShardId};

    use super::*;
    use crate::{ClientMessage, LiveForm, OutcomeMessage, ServerMessage};

    #[test]
    fn what_is_read_is_what_the_long_way_reads() {
        let (long_id, longest_id) = ("x".repeat(65), "x".repeat(64));
        let (long_answer, longest_answer) = ("x".repeat(257), "x".repeat(256));
        let texts = [
            r#"{"type":"claim","id":"c1","round":3,"tile":0}"#.to_owned(),
            r#" { "tile" : 7, "round":18446744073709551615, "id":"ü", "type":"claim" } "#
                .to_owned(),
            r#"{"type":"claim","id":"c1","round":3,"tile":0,"answer":"42"}"#.to_owned(),
            r#"{"type":"claim","id":"c1","round":3,"tile":0,"answer":null}"#.to_owned(),
            format!(
                r#"{{"type":"claim","id":"{longest_id}","round":3,"tile":0,"answer":"{longest_answer}"}}"#
            ),
        ];
        for text in &texts {
            let Ok(ClientMessage::Claim(claim)) = ClientMessage::from_json(text) else {
                panic!("no claim: {text}");
            };
            assert_eq!(ClaimText::read(text), Some((&claim).into()), "{text}");
        }
        for not_taken in [
            "",
            "?",
            "[]",
            r#"["claim","c1",3,0,null]"#,
            "{}",
            r#"{"type":"subscribe"}"#,
            r#"{"type":"claim","id":"","round":3,"tile":0}"#,
            r#"{"type":"claim","id":"a\"b","round":3,"tile":0}"#,
            r#"{"type":"claim","id":"c","round":3,"tile":0} x"#,
            r#"{"type":"claim","id":"c","id":"d","round":3,"tile":0}"#,
            r#"{"type":"claim","id":"c","round":3,"tile":0,"player":"ada"}"#,
            r#"{"type":"claim","id":"c","round":3.0,"tile":0}"#,
            r#"{"type":"claim","id":"c","round":-3,"tile":0}"#,
            r#"{"type":"claim","id":"c","round":3,"tile":4294967296}"#,
            r#"{"type":"claim","id":"c","round":null,"tile":0}"#,
            &format!(r#"{{"type":"claim","id":"{long_id}","round":3,"tile":0}}"#),
            &format!(r#"{{"type":"claim","id":"c","round":3,"tile":0,"answer":"{long_answer}"}}"#),
        ] {
            assert_eq!(ClaimText::read(not_taken), None, "{not_taken}");
        }
    }

    fn assert_bytes(text: &OutcomeText<'_>, message: OutcomeMessage, now: TimeMicros) {
        let message = ServerMessage::Outcome(message);
        let mut written = Vec::new();
        text.write(&Timestamp::from(now).to_string(), &mut written);
        assert_eq!(String::from_utf8_lossy(&written), message.to_json());
        written.clear();
        text.write_proto(now.into(), &mut written);
        assert_eq!(written, message.encode(LiveForm::Proto));
    }

    #[test]
    fn a_claim_in_protobuf_is_read_as_the_long_way_reads_it() {
        let claim = |id: &str, answer: Option<usize>| ClaimMessage {
            id: id.to_owned(),
            round: RoundNumber::new(u64::MAX),
            tile: TileIndex::new(7),
            answer: answer.map(|length| "x".repeat(length)),
        };
        for claim in [claim("c1", None), claim(&"ü".repeat(32), Some(256))] {
            let bytes = ClientMessage::Claim(claim.clone()).encode(LiveForm::Proto);
            assert_eq!(ClaimText::read_proto(&bytes), Some((&claim).into()));
        }
        for bad in [
            claim("", None),
            claim(&"x".repeat(65), None),
            claim("c1", Some(257)),
        ] {
            let bytes = ClientMessage::Claim(bad).encode(LiveForm::Proto);
            assert_eq!(ClaimText::read_proto(&bytes), None);
            assert!(ClientMessage::decode(LiveForm::Proto, &bytes).is_err());
        }
        let subscribe = ClientMessage::Subscribe(crate::SubscribeMessage::default());
        let bytes = subscribe.encode(LiveForm::Proto);
        assert_eq!(ClaimText::read_proto(&bytes), None);
    }

    #[test]
    fn an_outcome_has_the_bytes_of_its_message() {
        let now = TimeMicros::from_millis(1_700_000_000_123);
        let (shard, sequence) = (ShardId::new(300), Sequence::new(1 << 40));
        let outcomes = [
            Outcome::Won {
                shard,
                sequence,
                points: 25,
            },
            Outcome::Taken { shard, sequence },
            Outcome::NotYetOpen {
                opens_at: now.plus_millis(7),
            },
            Outcome::Expired,
            Outcome::UnknownTile,
            Outcome::UnknownHunt,
            Outcome::HuntPaused,
            Outcome::Overloaded,
            Outcome::StorageFull,
            Outcome::OutcomeUnknown,
        ];
        // The last one makes a message whose length has two bytes.
        for id in [
            "c1",
            "ü \"\\\u{1}\n</script>",
            "🐙",
            &"x".repeat(CLAIM_ID_BYTES_MAX),
        ] {
            let claim = ClaimMessage {
                id: id.to_owned(),
                round: RoundNumber::new(u64::MAX),
                tile: TileIndex::new(u32::MAX),
                answer: None,
            };
            for outcome in &outcomes {
                let text = OutcomeText::of_outcome((&claim).into(), outcome, now);
                let message = OutcomeMessage::of_outcome(claim.clone(), outcome, now);
                assert_bytes(&text, message, now);
            }
            let kind = OutcomeKind::RateLimited;
            let text = OutcomeText::refused((&claim).into(), kind, Some(20));
            let message = OutcomeMessage {
                retry_after_ms: Some(20),
                ..OutcomeMessage::refused(claim.clone(), kind, now)
            };
            assert_bytes(&text, message, now);
        }
    }
}
