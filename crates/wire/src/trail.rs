//! What is asked of a hunt's events, for `GET /v1/hunts/{hunt}/events`.

use std::fmt;
use std::str::FromStr;

use huntcore_model::PlayerId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{CloudEventType, PositionText, Timestamp, schema};

/// Which of a hunt's events are wanted, and from where on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// The position of the last event seen; what follows it is sent. Without it, all that the
    /// log still has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Position>, required = false)]
    pub from: Option<PositionText>,
    /// Leave out what was written before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Timestamp>, required = false)]
    pub since: Option<Timestamp>,
    /// Of these types only, with commas between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, required = false, example = "claim,score",
        pattern = "^(claim|score|control|board-closed|correction|boards-changed|flag-set)(,(claim|score|control|board-closed|correction|boards-changed|flag-set))*$")]
    pub types: Option<EventTypes>,
    /// About this player only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::PlayerId>, required = false)]
    pub player: Option<PlayerId>,
    /// End after so many events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(required = false, minimum = 1)]
    pub limit: Option<u64>,
    /// Go on as more is committed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[param(required = false)]
    pub follow: bool,
}

/// Types of events, as a list with commas: each by its whole name, `huntcore.claim.v1`, or by
/// its middle, `claim`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
pub struct EventTypes(Vec<CloudEventType>);

/// Why a text is no list of types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventTypesError {
    /// Nothing goes by that name.
    #[error("{found:?} is no type of events: expected {}", names_of_hunts())]
    Unknown {
        /// What was found.
        found: String,
    },
    /// What goes by that name concerns no hunt.
    #[error(
        "{} concerns no hunt in particular: `huntcore log export` has it; expected {}",
        found.name(),
        names_of_hunts()
    )]
    OfNoHunt {
        /// What was found.
        found: CloudEventType,
    },
}

impl EventTypes {
    /// These types.
    pub fn new(types: impl IntoIterator<Item = CloudEventType>) -> Result<Self, EventTypesError> {
        let checked = types.into_iter().map(|found| match found.is_of_hunt() {
            true => Ok(found),
            false => Err(EventTypesError::OfNoHunt { found }),
        });
        checked.collect::<Result<_, _>>().map(Self)
    }

    /// Each of them.
    #[must_use]
    pub fn as_slice(&self) -> &[CloudEventType] {
        &self.0
    }
}

impl FromStr for EventTypes {
    type Err = EventTypesError;

    fn from_str(text: &str) -> Result<Self, EventTypesError> {
        let types = text.split(',').map(|name| {
            CloudEventType::from_name(name).ok_or_else(|| EventTypesError::Unknown {
                found: name.chars().take(64).collect(),
            })
        });
        Self::new(types.collect::<Result<Vec<_>, _>>()?)
    }
}

impl TryFrom<String> for EventTypes {
    type Error = EventTypesError;

    fn try_from(text: String) -> Result<Self, EventTypesError> {
        text.parse()
    }
}

impl From<EventTypes> for String {
    fn from(types: EventTypes) -> Self {
        types.to_string()
    }
}

impl fmt::Display for EventTypes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, kind) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(",")?;
            }
            formatter.write_str(kind.short_name())?;
        }
        Ok(())
    }
}

fn names_of_hunts() -> String {
    let types = CloudEventType::ALL.iter().filter(|kind| kind.is_of_hunt());
    types
        .map(|kind| kind.short_name())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_go_by_their_whole_name_or_its_middle() {
        let types: EventTypes = "claim,huntcore.score.v1".parse().expect("both are known");
        assert_eq!(
            types.as_slice(),
            [CloudEventType::Claim, CloudEventType::Score]
        );
        assert_eq!(types.to_string(), "claim,score");
        assert_eq!(types.to_string().parse(), Ok(types));
        for (wrong, expected) in [
            ("", "\"\" is no type of events"),
            ("claim,", "\"\" is no type"),
            ("claims", "\"claims\" is no type"),
            ("claim,batch", "concerns no hunt"),
            ("huntcore.claim.v2", "is no type"),
        ] {
            let error = wrong.parse::<EventTypes>().expect_err(wrong).to_string();
            assert!(error.contains(expected), "{error}");
            assert!(
                error.contains("correction"),
                "it says what there is: {error}"
            );
        }
    }

    #[test]
    fn what_is_left_out_is_not_sent() {
        let query = EventsQuery {
            limit: Some(3),
            ..EventsQuery::default()
        };
        let text = serde_json::to_string(&query).expect("plain data");
        assert_eq!(text, r#"{"limit":3}"#);
        assert_eq!(serde_json::from_str::<EventsQuery>(&text).ok(), Some(query));
    }
}
