//! The log's records as CloudEvents 1.0, in that specification's JSON format: the audit trail.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{PositionText, Timestamp, schema};

/// One record of the log, or the batch that the records after it belong to.
///
/// `record` and `personal` are the record's own bytes. With them a reader puts the batches
/// together again and checks their chain: nothing was altered, and nothing removed in between.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudEvent {
    /// Of CloudEvents.
    #[schema(value_type = String, examples("1.0"))]
    pub specversion: SpecVersion,
    /// Stream and sequence; unique within the deployment.
    #[schema(examples("shard-00000/42"))]
    pub id: String,
    /// The hunt that it concerns, or `/v1/log`.
    #[schema(examples("/v1/hunts/park"))]
    pub source: String,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: CloudEventType,
    /// The player that it concerns, unless there is none or they were erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it was written.
    #[schema(value_type = schema::Timestamp)]
    pub time: Timestamp,
    /// Of `data`.
    #[schema(value_type = String, examples("application/json"))]
    pub datacontenttype: DataContentType,
    /// The stream that holds it.
    #[schema(examples("shard-00000"))]
    pub stream: String,
    /// Its place there, with leading zeros so that the order of texts is that of numbers; of a
    /// batch that of its first record.
    #[schema(examples("00000000000000000042"))]
    pub sequence: String,
    /// The record's bytes in base64; of a batch its header's.
    #[schema(value_type = String, content_encoding = "base64")]
    #[serde(with = "base64_text")]
    pub record: Vec<u8>,
    /// Of a player's record the bytes that an erasure overwrites, in base64.
    #[schema(value_type = Option<String>, content_encoding = "base64")]
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "base64_text")]
    pub personal: Vec<u8>,
    /// In a hunt's stream of events, how far whoever has read this one has read: what comes
    /// after it follows from there. An exported trail has none.
    #[schema(value_type = Option<schema::Position>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<PositionText>,
    /// What it says.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

/// What a [`CloudEvent`] is about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
pub enum CloudEventType {
    /// A batch begins; its records follow.
    #[serde(rename = "huntcore.batch.v1")]
    Batch,
    /// Time passed.
    #[serde(rename = "huntcore.time.v1")]
    Time,
    /// A player got a number in the stream.
    #[serde(rename = "huntcore.player.v1")]
    Player,
    /// A tile was won.
    #[serde(rename = "huntcore.claim.v1")]
    Claim,
    /// A score event was taken.
    #[serde(rename = "huntcore.score.v1")]
    Score,
    /// Something about a hunt or a round was laid down, or copied to a shard's stream.
    #[serde(rename = "huntcore.control.v1")]
    Control,
    /// A board's window came to its end.
    #[serde(rename = "huntcore.board-closed.v1")]
    BoardClosed,
    /// An operator corrected something.
    #[serde(rename = "huntcore.correction.v1")]
    Correction,
    /// A hunt's boards were defined anew.
    #[serde(rename = "huntcore.boards-changed.v1")]
    BoardsChanged,
    /// A flag was set, or unset.
    #[serde(rename = "huntcore.flag-set.v1")]
    FlagSet,
}

/// The version of CloudEvents; there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpecVersion {
    /// 1.0.
    #[default]
    #[serde(rename = "1.0")]
    V1,
}

/// What `data` is; there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataContentType {
    /// JSON.
    #[default]
    #[serde(rename = "application/json")]
    Json,
}

impl CloudEventType {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Batch,
        Self::Time,
        Self::Player,
        Self::Claim,
        Self::Score,
        Self::Control,
        Self::BoardClosed,
        Self::Correction,
        Self::BoardsChanged,
        Self::FlagSet,
    ];
    /// What all names begin and end with.
    const PREFIX: &str = "huntcore.";
    const SUFFIX: &str = ".v1";

    /// The type's name, as it stands in an event.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Batch => "huntcore.batch.v1",
            Self::Time => "huntcore.time.v1",
            Self::Player => "huntcore.player.v1",
            Self::Claim => "huntcore.claim.v1",
            Self::Score => "huntcore.score.v1",
            Self::Control => "huntcore.control.v1",
            Self::BoardClosed => "huntcore.board-closed.v1",
            Self::Correction => "huntcore.correction.v1",
            Self::BoardsChanged => "huntcore.boards-changed.v1",
            Self::FlagSet => "huntcore.flag-set.v1",
        }
    }

    /// The middle of the name, which tells them apart: `claim`.
    #[must_use]
    pub fn short_name(self) -> &'static str {
        let name = self.name();
        let middle = name.strip_prefix(Self::PREFIX);
        middle
            .and_then(|rest| rest.strip_suffix(Self::SUFFIX))
            .unwrap_or(name)
    }

    /// The type of that name, be it whole or its middle only.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| [kind.name(), kind.short_name()].contains(&name))
    }

    /// Whether it is about a hunt, and not about the log as such.
    #[must_use]
    pub const fn is_of_hunt(self) -> bool {
        !matches!(self, Self::Batch | Self::Time | Self::Player)
    }
}

mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        STANDARD.decode(&*text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(kind: CloudEventType) -> CloudEvent {
        CloudEvent {
            specversion: SpecVersion::V1,
            id: "shard-00000/42".to_owned(),
            source: "/v1/hunts/park".to_owned(),
            kind,
            subject: Some("ada".to_owned()),
            time: "2026-11-22T10:00:00.123Z".parse().expect("a time"),
            datacontenttype: DataContentType::Json,
            stream: "shard-00000".to_owned(),
            sequence: format!("{:020}", 42),
            record: vec![1, 2, 255],
            personal: Vec::new(),
            position: None,
            data: serde_json::json!({"points": 3}),
        }
    }

    #[test]
    fn an_event_has_the_attributes_that_cloudevents_asks_for() {
        let text = serde_json::to_string(&sample(CloudEventType::Claim)).expect("plain data");
        assert_eq!(
            text,
            r#"{"specversion":"1.0","id":"shard-00000/42","source":"/v1/hunts/park","type":"huntcore.claim.v1","subject":"ada","time":"2026-11-22T10:00:00.123Z","datacontenttype":"application/json","stream":"shard-00000","sequence":"00000000000000000042","record":"AQL/","data":{"points":3}}"#
        );
        let again: CloudEvent = serde_json::from_str(&text).expect("own text");
        assert_eq!(again, sample(CloudEventType::Claim));
    }

    #[test]
    fn every_type_is_written_by_its_name() {
        for kind in CloudEventType::ALL {
            let text = serde_json::to_value(kind).expect("plain data");
            assert_eq!(text, kind.name());
            assert_eq!(CloudEventType::from_name(kind.name()), Some(kind));
            assert_eq!(CloudEventType::from_name(kind.short_name()), Some(kind));
            assert!(kind.short_name().len() < kind.name().len());
        }
        assert_eq!(CloudEventType::from_name("huntcore"), None);
    }

    #[test]
    fn what_is_no_such_event_is_refused() {
        let good = serde_json::to_value(sample(CloudEventType::Time)).expect("plain data");
        for (field, value) in [
            ("specversion", "0.3".into()),
            ("type", "huntcore.claim.v9".into()),
            ("record", "not base64!".into()),
            ("time", "yesterday".into()),
            ("extra", serde_json::Value::Null),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            assert!(
                serde_json::from_value::<CloudEvent>(bad).is_err(),
                "{field}"
            );
        }
    }
}
