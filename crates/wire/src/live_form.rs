//! The two forms of the socket's messages, each a WebSocket subprotocol.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;

use crate::proto::{self, ProtoFault};
use crate::{ClientMessage, ServerMessage};

/// The subprotocol of messages in JSON.
pub const LIVE_PROTOCOL: &str = LiveForm::Json.protocol();

/// How messages stand in a socket's frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LiveForm {
    /// Text frames of JSON.
    #[default]
    Json,
    /// Binary frames of protobuf.
    Proto,
}

/// Why bytes are no message.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Not JSON, no object, or no `type`.
    #[error("message cannot be read: {0}")]
    Json(#[source] serde_json::Error),
    /// Not UTF-8, as JSON has to be.
    #[error("message is not UTF-8")]
    Utf8,
    /// Not protobuf, or not within its limits.
    #[error("message cannot be read: {0}")]
    Proto(#[from] ProtoFault),
    /// A type that this version does not know; a reader skips it.
    #[error("message has the unknown type {kind:?}")]
    UnknownType {
        /// The type, or its field's number.
        kind: String,
    },
}

/// What can be told of a message that is none: enough to answer it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageSketch {
    /// Whether it was meant as a claim.
    pub is_claim: bool,
    /// The claim's id, not checked.
    pub id: Option<String>,
}

impl LiveForm {
    /// Every form, in the order in which a server prefers them.
    pub const ALL: [Self; 2] = [Self::Json, Self::Proto];

    /// The WebSocket subprotocol.
    #[must_use]
    pub const fn protocol(self) -> &'static str {
        match self {
            Self::Json => "huntcore.v1.json",
            Self::Proto => "huntcore.v1.proto",
        }
    }

    /// The form of that subprotocol.
    #[must_use]
    pub fn from_protocol(protocol: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|form| form.protocol() == protocol)
    }
}

impl ClientMessage {
    /// What stands in a frame.
    #[must_use]
    pub fn encode(&self, form: LiveForm) -> Bytes {
        match form {
            LiveForm::Json => self.to_json().into(),
            LiveForm::Proto => proto::encode_client_message(self),
        }
    }

    /// Reads what stands in a frame.
    pub fn decode(form: LiveForm, message: &[u8]) -> Result<Self, MessageError> {
        match form {
            LiveForm::Json => Self::from_json(text(message)?),
            LiveForm::Proto => proto::decode_client_message(message),
        }
    }
}

impl ServerMessage {
    /// What stands in a frame.
    #[must_use]
    pub fn encode(&self, form: LiveForm) -> Bytes {
        match form {
            LiveForm::Json => self.to_json().into(),
            LiveForm::Proto => proto::encode_server_message(self),
        }
    }

    /// Reads what stands in a frame. What is new in it to this version is skipped.
    pub fn decode(form: LiveForm, message: &[u8]) -> Result<Self, MessageError> {
        match form {
            LiveForm::Json => Self::from_json(text(message)?),
            LiveForm::Proto => proto::decode_server_message(message, true),
        }
    }

    /// Like [`Self::decode`], but leaves out the claims of deltas, which saves most of the
    /// reading.
    pub fn decode_without_claims(form: LiveForm, message: &[u8]) -> Result<Self, MessageError> {
        match form {
            LiveForm::Json => Self::from_json_without_claims(text(message)?),
            LiveForm::Proto => proto::decode_server_message(message, false),
        }
    }
}

impl MessageSketch {
    /// Looks for what can be found in a client's message.
    #[must_use]
    pub fn of(form: LiveForm, message: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        struct Sketch<'a> {
            #[serde(rename = "type", default, borrow)]
            kind: Option<Cow<'a, str>>,
            #[serde(default, borrow)]
            id: Option<Cow<'a, str>>,
        }
        match form {
            LiveForm::Json => {
                let sketch: Sketch<'_> = serde_json::from_slice(message).unwrap_or_default();
                Self {
                    is_claim: sketch.kind.as_deref() == Some("claim"),
                    id: sketch.id.map(Cow::into_owned),
                }
            }
            LiveForm::Proto => {
                let (is_claim, id) = proto::sketch_client_message(message);
                Self {
                    is_claim,
                    id: id.map(str::to_owned),
                }
            }
        }
    }
}

fn text(message: &[u8]) -> Result<&str, MessageError> {
    std::str::from_utf8(message).map_err(|_| MessageError::Utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_found_by_its_protocol() {
        for form in LiveForm::ALL {
            assert_eq!(LiveForm::from_protocol(form.protocol()), Some(form));
        }
        assert_eq!(LiveForm::from_protocol("huntcore.v2.json"), None);
    }

    #[test]
    fn a_bad_claim_is_still_known_by_its_id() {
        let meant = MessageSketch {
            is_claim: true,
            id: Some("c1".to_owned()),
        };
        let json = br#"{"type":"claim","id":"c1","round":-1}"#;
        // The tile beyond 32 bits; the round's wire type; the end cut off.
        let tile = [
            0x12, 10, 0x0a, 2, b'c', b'1', 0x18, 0xff, 0xff, 0xff, 0xff, 0x1f,
        ];
        let round = [0x12, 6, 0x0a, 2, b'c', b'1', 0x12, 0];
        let cut = [0x12, 5, 0x0a, 2, b'c', b'1', 0x10];
        assert!(ClientMessage::decode(LiveForm::Json, json).is_err());
        assert_eq!(MessageSketch::of(LiveForm::Json, json), meant);
        for bytes in [&tile[..], &round, &cut] {
            assert!(ClientMessage::decode(LiveForm::Proto, bytes).is_err());
            assert_eq!(MessageSketch::of(LiveForm::Proto, bytes), meant);
        }
        for (form, bytes) in [
            (LiveForm::Json, &b"{"[..]),
            (LiveForm::Json, b"\xff"),
            (LiveForm::Json, br#"{"type":"subscribe","interest":{}}"#),
            (LiveForm::Proto, b"\xff"),
            (LiveForm::Proto, b"\x0a\x02\x12\x00"),
        ] {
            assert!(ClientMessage::decode(form, bytes).is_err());
            assert_eq!(MessageSketch::of(form, bytes), MessageSketch::default());
        }
    }
}
