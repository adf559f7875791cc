//! The socket's messages as text frames, read and written.

use std::borrow::Cow;

use huntcore_model::RoundNumber;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::{
    ClientMessage, DeltaMessage, HuntStateName, LiveBoards, LiveCorrection, LiveSeed, MessageError,
    PositionText, ServerMessage, Timestamp,
};

impl ClientMessage {
    /// Reads a text frame.
    pub fn from_json(text: &str) -> Result<Self, MessageError> {
        serde_json::from_str(text).map_err(MessageError::Json)
    }

    /// Writes a text frame.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("messages are plain data")
    }
}

impl ServerMessage {
    /// Reads a text frame. What is new in it to this version is skipped.
    pub fn from_json(text: &str) -> Result<Self, MessageError> {
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(rename = "type", borrow)]
            kind: Cow<'a, str>,
        }
        fn read<'a, T: Deserialize<'a>>(
            text: &'a str,
            wrap: fn(T) -> ServerMessage,
        ) -> Result<ServerMessage, MessageError> {
            serde_json::from_str(text)
                .map(wrap)
                .map_err(MessageError::Json)
        }
        // Where the type comes first, one pass is enough; elsewhere two passes still cost less
        // than serde's buffering of a tagged enum.
        let kind = match text
            .strip_prefix(r#"{"type":""#)
            .and_then(|rest| rest.split_once('"'))
        {
            Some((kind, _)) if kind.bytes().all(|byte| byte.is_ascii_lowercase()) => kind.into(),
            _ => {
                let Kind { kind } = serde_json::from_str(text).map_err(MessageError::Json)?;
                kind
            }
        };
        match &*kind {
            "subscribed" => read(text, Self::Subscribed),
            "round" => read(text, Self::Round),
            "delta" => read(text, Self::Delta),
            "snapshot" => read(text, Self::Snapshot),
            "board" => read(text, Self::Board),
            "rank" => read(text, Self::Rank),
            "outcome" => read(text, Self::Outcome),
            "error" => read(text, Self::Error),
            _ => Err(MessageError::UnknownType {
                kind: kind.into_owned(),
            }),
        }
    }

    pub(crate) fn from_json_without_claims(text: &str) -> Result<Self, MessageError> {
        if text.starts_with(r#"{"type":"delta","#) {
            let delta: DeltaWithoutClaims =
                serde_json::from_str(text).map_err(MessageError::Json)?;
            return Ok(Self::Delta(delta.into()));
        }
        Self::from_json(text).map(|message| match message {
            Self::Delta(mut delta) => {
                delta.claims = Vec::new();
                Self::Delta(delta)
            }
            other => other,
        })
    }

    /// Writes a text frame.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("messages are plain data")
    }

    /// The server's clock when the message was made. Most messages are shared or may have
    /// waited, so a client's best guess of the clock comes from the least late one.
    #[must_use]
    pub const fn server_time(&self) -> Timestamp {
        match self {
            Self::Subscribed(message) => message.server_time,
            Self::Round(message) => message.server_time,
            Self::Delta(message) => message.server_time,
            Self::Snapshot(message) => message.server_time,
            Self::Board(message) => message.server_time,
            Self::Rank(message) => message.server_time,
            Self::Outcome(message) => message.server_time,
            Self::Error(message) => message.server_time,
        }
    }
}

/// A delta, read without its longest part.
#[derive(Deserialize)]
struct DeltaWithoutClaims {
    server_time: Timestamp,
    tick: u64,
    from_tick: Option<u64>,
    resume: PositionText,
    oldest: RoundNumber,
    #[serde(rename = "claims")]
    _claims: IgnoredAny,
    #[serde(default)]
    closed: Vec<RoundNumber>,
    #[serde(default)]
    seeds: Vec<LiveSeed>,
    state: Option<HuntStateName>,
    #[serde(default)]
    corrections: Vec<LiveCorrection>,
    boards: Option<LiveBoards>,
}

impl From<DeltaWithoutClaims> for DeltaMessage {
    fn from(delta: DeltaWithoutClaims) -> Self {
        Self {
            server_time: delta.server_time,
            tick: delta.tick,
            from_tick: delta.from_tick,
            resume: delta.resume,
            oldest: delta.oldest,
            claims: Vec::new(),
            closed: delta.closed,
            seeds: delta.seeds,
            state: delta.state,
            corrections: delta.corrections,
            boards: delta.boards,
        }
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{BoardName, HuntId, Outcome, PlayerId, TileIndex, TimeMicros};

    use super::*;
    use crate::{
        BoardMessage, BoardWindow, ClaimMessage, LiveClaim, OutcomeMessage, SnapshotMessage,
        SubscribeMessage,
    };

    fn message() -> BoardMessage {
        BoardMessage {
            server_time: Timestamp::default(),
            board: BoardName::TOTAL,
            generation: 0,
            window: BoardWindow::WHOLE_HUNT,
            position: PositionText::new("AQ".to_owned()),
            players: 0,
            entries: Vec::new(),
        }
    }

    #[test]
    fn a_client_message_is_taken_strictly() {
        assert_eq!(
            ClientMessage::from_json(r#"{"type":"subscribe"}"#).expect("valid"),
            ClientMessage::Subscribe(SubscribeMessage::default())
        );
        let claim = ClientMessage::from_json(r#"{"type":"claim","id":"c1","round":3,"tile":0}"#)
            .expect("valid");
        assert_eq!(
            claim.to_json(),
            r#"{"type":"claim","id":"c1","round":3,"tile":0}"#
        );
        let long = "x".repeat(65);
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"type":"unsubscribe"}"#,
            r#"{"type":"subscribe","resum":"x"}"#,
            r#"{"type":"claim","round":3,"tile":0}"#,
            r#"{"type":"claim","id":"","round":3,"tile":0}"#,
            r#"{"type":"claim","id":"c","round":3.0,"tile":0}"#,
            &format!(r#"{{"type":"claim","id":"{long}","round":3,"tile":0}}"#),
        ] {
            assert!(ClientMessage::from_json(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_delta_leaves_out_what_has_not_changed() {
        let delta = ServerMessage::Delta(DeltaMessage {
            server_time: Timestamp::default(),
            tick: 7,
            from_tick: None,
            resume: PositionText::new("AQ".to_owned()),
            oldest: RoundNumber::FIRST,
            claims: vec![LiveClaim {
                round: RoundNumber::new(2),
                tile: TileIndex::new(5),
                player: Some(PlayerId::new("ada").expect("valid")),
                points: 25,
                voided: false,
            }],
            closed: Vec::new(),
            seeds: Vec::new(),
            state: None,
            corrections: Vec::new(),
            boards: None,
        });
        let json = delta.to_json();
        assert_eq!(
            json,
            r#"{"type":"delta","server_time":"1970-01-01T00:00:00.000Z","tick":7,"resume":"AQ","oldest":1,"claims":[{"round":2,"tile":5,"player":"ada","points":25}]}"#
        );
        assert_eq!(ServerMessage::from_json(&json).expect("own JSON"), delta);
    }

    #[test]
    fn a_snapshot_holds_the_total_board() {
        let snapshot = ServerMessage::Snapshot(SnapshotMessage {
            server_time: Timestamp::default(),
            tick: 7,
            resume: PositionText::new("AQ".to_owned()),
            hunt: HuntId::new("park").expect("a slug"),
            state: HuntStateName::Paused,
            oldest: RoundNumber::FIRST,
            rounds: Vec::new(),
            board: Some(message()),
            corrections: Vec::new(),
            boards: None,
        });
        let json = snapshot.to_json();
        assert_eq!(
            json,
            r#"{"type":"snapshot","server_time":"1970-01-01T00:00:00.000Z","tick":7,"resume":"AQ","hunt":"park","state":"paused","oldest":1,"rounds":[],"board":{"server_time":"1970-01-01T00:00:00.000Z","board":"total","window":{"start":null,"end":null,"final":false},"position":"AQ","players":0,"entries":[]}}"#
        );
        assert_eq!(ServerMessage::from_json(&json).expect("own JSON"), snapshot);
    }

    #[test]
    fn an_outcome_answers_its_claim() {
        let claim = ClaimMessage {
            id: "c1".to_owned(),
            round: RoundNumber::new(3),
            tile: TileIndex::new(0),
            answer: None,
        };
        let outcome = Outcome::NotYetOpen {
            opens_at: TimeMicros::from_millis(30),
        };
        let told = OutcomeMessage::of_outcome(claim, &outcome, TimeMicros::from_millis(10));
        assert_eq!(
            ServerMessage::Outcome(told).to_json(),
            r#"{"type":"outcome","server_time":"1970-01-01T00:00:00.010Z","id":"c1","outcome":"not-yet-open","round":3,"tile":0,"retry_after_ms":20}"#
        );
    }

    #[test]
    fn a_reader_skips_what_is_new_to_it() {
        let mut json = ServerMessage::Board(message()).to_json();
        json.insert_str(1, r#""new":[{}],"#);
        assert_eq!(
            ServerMessage::from_json(&json).expect("readable"),
            ServerMessage::Board(message())
        );
        assert!(matches!(
            ServerMessage::from_json(r#"{"type":"prize","tile":1}"#),
            Err(MessageError::UnknownType { kind }) if kind == "prize"
        ));
    }
}
