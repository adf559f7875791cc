//! `[flags]`: what can be turned while the server runs, also by editing the file.

use std::collections::BTreeMap;

use huntcore_model::{BoardName, Flag, FlagValue, HuntId, RefreshMode};
use serde::Deserialize;
use toml::{Spanned, Value};

use super::{ConfigError, Source};

/// `[flags]`: keys such as `"boards.refresh"`, `"boards.refresh/HUNT"` and
/// `"boards.refresh/HUNT/BOARD"`, where `*` stands for every hunt.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct FlagsSection(BTreeMap<String, Spanned<Value>>);

/// What the file says of a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FlagLine {
    pub(crate) flag: Flag,
    /// For this hunt; for all if absent.
    pub(crate) hunt: Option<HuntId>,
    /// For this board; for all if absent.
    pub(crate) board: Option<BoardName>,
    pub(crate) value: FlagValue,
    /// Where it says so.
    pub(crate) line: usize,
}

impl FlagsSection {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn lines(&self, source: &Source) -> Result<Vec<FlagLine>, ConfigError> {
        let line = |(key, value): (&String, &Spanned<Value>)| {
            let fault =
                |reason: String| source.fault(&value.span(), format!("flags: {key}"), reason);
            let (flag, hunt, board) = read_key(key).map_err(fault)?;
            let value_now = read_value(flag, value.get_ref()).map_err(fault)?;
            Ok(FlagLine {
                flag,
                hunt,
                board,
                value: value_now,
                line: source.line(&value.span()),
            })
        };
        self.0.iter().map(line).collect()
    }
}

type Key = (Flag, Option<HuntId>, Option<BoardName>);

fn read_key(key: &str) -> Result<Key, String> {
    let mut parts = key.split('/');
    let flag = parts.next().unwrap_or_default().parse::<Flag>();
    let flag = flag.map_err(|error| error.to_string())?;
    let hunt = match parts.next() {
        None | Some("*") => None,
        Some(hunt) => Some(HuntId::new(hunt).map_err(|error| error.to_string())?),
    };
    let board = parts.next().map(str::parse::<BoardName>);
    let board = board.transpose().map_err(|error| error.to_string())?;
    match parts.next() {
        None => Ok((flag, hunt, board)),
        Some(_) => Err("has more parts than FLAG/HUNT/BOARD".to_owned()),
    }
}

fn read_value(flag: Flag, value: &Value) -> Result<FlagValue, String> {
    match (flag, value) {
        (Flag::BoardsShadow, Value::Boolean(on)) => Ok(FlagValue::On(*on)),
        (Flag::BoardsShadow, other) => Err(format!("is {other}, expected true or false")),
        (Flag::BoardsRefresh, Value::String(mode)) => match mode.as_str() {
            "incremental" => Ok(FlagValue::Refresh(RefreshMode::Incremental)),
            "rebuild" => Ok(FlagValue::Refresh(RefreshMode::Rebuild)),
            "frozen" => Ok(FlagValue::Refresh(RefreshMode::Frozen)),
            other => Err(format!(
                "is {other:?}, expected \"incremental\", \"rebuild\" or \"frozen\""
            )),
        },
        (Flag::BoardsRefresh, other) => Err(format!(
            "is {other}, expected \"incremental\", \"rebuild\" or \"frozen\""
        )),
    }
}
