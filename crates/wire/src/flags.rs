//! Flags: how they are set, and setting them.

use huntcore_model::{
    BoardName, FLAG_REASON_BYTES_MAX, Flag, FlagSource, FlagValue, HuntId, RefreshMode,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{Timestamp, bounded, schema};

/// Sets a flag (`PUT /v1/flags/{flag}`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlagRequest {
    /// To what: `incremental`, `rebuild` or `frozen` for `boards.refresh`; `true` or `false`
    /// for `boards.shadow`.
    #[schema(value_type = FlagValueText)]
    pub value: FlagValue,
    /// For this hunt; for all if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::HuntId>)]
    pub hunt: Option<HuntId>,
    /// For this board; for all if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 31, pattern = "^[a-z][a-z0-9-]{0,30}$")]
    pub board: Option<BoardName>,
    /// Why; kept in the log.
    #[serde(deserialize_with = "bounded::text::<_, 1, FLAG_REASON_BYTES_MAX>")]
    #[schema(
        min_length = 1,
        max_length = 256,
        examples("trying a rebuild on one board")
    )]
    pub reason: String,
}

/// Which setting of a flag to take back (`DELETE /v1/flags/{flag}`), and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FlagQuery {
    /// That for this hunt; that for all if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::HuntId>)]
    pub hunt: Option<HuntId>,
    /// That for this board; that for all if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, min_length = 1, max_length = 31, pattern = "^[a-z][a-z0-9-]{0,30}$")]
    pub board: Option<BoardName>,
    /// Why; kept in the log.
    #[serde(deserialize_with = "bounded::text::<_, 1, FLAG_REASON_BYTES_MAX>")]
    #[param(min_length = 1, max_length = 256)]
    pub reason: String,
}

/// What a flag may be set to.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(title = "FlagValue")]
#[serde(untagged)]
pub enum FlagValueText {
    /// Of `boards.refresh`.
    Refresh(RefreshName),
    /// Of `boards.shadow`.
    On(bool),
}

/// How a board is brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RefreshName {
    /// What has changed is moved.
    Incremental,
    /// Everybody is ranked anew.
    Rebuild,
    /// What is shown stays as it is.
    Frozen,
}

impl From<RefreshMode> for RefreshName {
    fn from(mode: RefreshMode) -> Self {
        match mode {
            RefreshMode::Incremental => Self::Incremental,
            RefreshMode::Rebuild => Self::Rebuild,
            RefreshMode::Frozen => Self::Frozen,
        }
    }
}

/// How a flag is set for one hunt, one board or all. What is set more closely holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlagView {
    /// Which flag.
    #[schema(value_type = schema::FlagName)]
    pub flag: Flag,
    /// For this hunt; for all if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::HuntId>)]
    pub hunt: Option<HuntId>,
    /// For this board; for all if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub board: Option<BoardName>,
    /// What holds; `null` if it was left to what holds more widely.
    #[schema(value_type = Option<FlagValueText>, required = true)]
    pub value: Option<FlagValue>,
    /// What the configuration file says, which an operator may have set otherwise since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<FlagValueText>)]
    pub file: Option<FlagValue>,
    /// Who set it last.
    pub by: FlagSourceName,
    /// Why.
    pub reason: String,
    /// When.
    #[schema(value_type = schema::Timestamp)]
    pub set_at: Timestamp,
}

/// Who set a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FlagSourceName {
    /// The configuration file.
    File,
    /// An operator.
    Api,
}

impl From<FlagSource> for FlagSourceName {
    fn from(source: FlagSource) -> Self {
        match source {
            FlagSource::File => Self::File,
            FlagSource::Api => Self::Api,
        }
    }
}

/// How all flags are set (`GET /v1/flags`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlagList {
    /// By flag, hunt and board; those that were never set are not here.
    pub flags: Vec<FlagView>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_set_in_its_own_words() {
        let parse = |json: &str| serde_json::from_str::<FlagRequest>(json);
        let request = parse(r#"{"value":"rebuild","board":"total","reason":"canary"}"#);
        let request = request.expect("a mode");
        assert_eq!(request.value, FlagValue::Refresh(RefreshMode::Rebuild));
        let request = parse(r#"{"value":true,"hunt":"park","reason":"compare"}"#);
        assert_eq!(request.expect("a switch").value, FlagValue::On(true));
        for bad in [
            r#"{"value":"sometimes","reason":"r"}"#,
            r#"{"value":true}"#,
            r#"{"value":true,"reason":""}"#,
            r#"{"value":true,"reason":"r","all":1}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
