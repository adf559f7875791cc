//! The two forms of the socket's messages, each a WebSocket subprotocol.

use bytes::Bytes;

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
}
