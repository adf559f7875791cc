//! Switches that operators turn while everything runs, each turn a durable fact.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{BoardName, HuntNumber, TimeMicros};

/// So many settings are remembered at most; the controller refuses more.
pub const FLAG_SETTINGS_MAX: usize = 4_096;
/// The reason for a change has at most this many bytes.
pub const FLAG_REASON_BYTES_MAX: usize = 256;

/// What can be switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Flag {
    /// How a board is brought up to date.
    #[serde(rename = "boards.refresh")]
    BoardsRefresh,
    /// Whether a board is made the other way too, and compared.
    #[serde(rename = "boards.shadow")]
    BoardsShadow,
}

/// Not a flag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no flag: expected boards.refresh or boards.shadow")]
pub struct UnknownFlag {
    found: String,
}

/// What a flag is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FlagValue {
    /// Of `boards.refresh`.
    Refresh(RefreshMode),
    /// Of `boards.shadow`.
    On(bool),
}

/// How a board is brought up to date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefreshMode {
    /// What has changed is moved.
    #[default]
    Incremental,
    /// Everybody is ranked anew.
    Rebuild,
    /// What is shown stays as it is; scores go on being counted.
    Frozen,
}

/// Who turned it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlagSource {
    /// The configuration file.
    File,
    /// An operator.
    Api,
}

/// A flag was turned, or (`value` is `None`) left to what holds more widely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagSet {
    /// Which flag.
    pub flag: Flag,
    /// For this hunt; for all if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hunt: Option<HuntNumber>,
    /// For this board; for all if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board: Option<BoardName>,
    /// To what.
    pub value: Option<FlagValue>,
    /// Who did it.
    pub by: FlagSource,
    /// Why.
    pub reason: String,
    /// When.
    pub set_at: TimeMicros,
}

/// A flag's name and what it is for.
pub type FlagKey = (Flag, Option<HuntNumber>, Option<BoardName>);

/// How a flag is set for one hunt, one board or all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagSetting {
    /// What holds; `None`: whatever holds more widely.
    pub value: Option<FlagValue>,
    /// What the configuration file said last.
    pub file: Option<FlagValue>,
    /// The latest change.
    pub last: FlagSet,
}

/// How all flags are set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    settings: BTreeMap<FlagKey, FlagSetting>,
}

impl Flag {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::BoardsRefresh, Self::BoardsShadow];

    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BoardsRefresh => "boards.refresh",
            Self::BoardsShadow => "boards.shadow",
        }
    }

    /// Whether it can be set to that.
    #[must_use]
    pub const fn takes(self, value: FlagValue) -> bool {
        matches!(
            (self, value),
            (Self::BoardsRefresh, FlagValue::Refresh(_)) | (Self::BoardsShadow, FlagValue::On(_))
        )
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Flag {
    type Err = UnknownFlag;

    fn from_str(text: &str) -> Result<Self, UnknownFlag> {
        let found = Self::ALL.into_iter().find(|flag| flag.name() == text);
        found.ok_or_else(|| UnknownFlag {
            found: text.to_owned(),
        })
    }
}

impl FlagSet {
    /// Which flag, for what.
    #[must_use]
    pub const fn key(&self) -> FlagKey {
        (self.flag, self.hunt, self.board)
    }
}

impl Flags {
    /// How a board is brought up to date.
    #[must_use]
    pub fn refresh(&self, hunt: HuntNumber, board: BoardName) -> RefreshMode {
        match self.value(Flag::BoardsRefresh, hunt, board) {
            Some(FlagValue::Refresh(mode)) => mode,
            _ => RefreshMode::default(),
        }
    }

    /// Whether a board is made the other way too, and compared.
    #[must_use]
    pub fn shadow(&self, hunt: HuntNumber, board: BoardName) -> bool {
        self.value(Flag::BoardsShadow, hunt, board) == Some(FlagValue::On(true))
    }

    /// What holds for a board: its own setting, else its hunt's, else that for all.
    #[must_use]
    pub fn value(&self, flag: Flag, hunt: HuntNumber, board: BoardName) -> Option<FlagValue> {
        // The board of every hunt comes before all boards of one: it was meant more closely.
        let keys = [
            (flag, Some(hunt), Some(board)),
            (flag, None, Some(board)),
            (flag, Some(hunt), None),
            (flag, None, None),
        ];
        let settings = keys.iter().filter_map(|key| self.settings.get(key));
        settings.filter_map(|setting| setting.value).next()
    }

    /// How a flag is set for exactly that.
    #[must_use]
    pub fn setting(&self, key: &FlagKey) -> Option<&FlagSetting> {
        self.settings.get(key)
    }

    /// Every setting, in order.
    pub fn settings(&self) -> impl ExactSizeIterator<Item = (&FlagKey, &FlagSetting)> {
        self.settings.iter()
    }

    pub(crate) fn apply(&mut self, set: &FlagSet) {
        let key = set.key();
        let known = self.settings.get(&key);
        let file = match set.by {
            FlagSource::File => set.value,
            FlagSource::Api => known.and_then(|known| known.file),
        };
        if set.value.is_none() && file.is_none() {
            self.settings.remove(&key);
            return;
        }
        let setting = FlagSetting {
            value: set.value,
            file,
            last: set.clone(),
        };
        self.settings.insert(key, setting);
    }

    pub(crate) fn keep(&mut self, setting: FlagSetting) {
        self.settings.insert(setting.last.key(), setting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(hunt: Option<u32>, board: Option<BoardName>, mode: Option<RefreshMode>) -> FlagSet {
        FlagSet {
            flag: Flag::BoardsRefresh,
            hunt: hunt.map(HuntNumber::new),
            board,
            value: mode.map(FlagValue::Refresh),
            by: FlagSource::Api,
            reason: String::new(),
            set_at: TimeMicros::ZERO,
        }
    }

    #[test]
    fn what_is_set_more_closely_holds() {
        let mut flags = Flags::default();
        let park = HuntNumber::new(3);
        let refresh = |flags: &Flags| flags.refresh(park, BoardName::TOTAL);
        assert_eq!(refresh(&flags), RefreshMode::Incremental);
        flags.apply(&set(None, None, Some(RefreshMode::Frozen)));
        assert_eq!(refresh(&flags), RefreshMode::Frozen);
        flags.apply(&set(Some(3), None, Some(RefreshMode::Rebuild)));
        assert_eq!(refresh(&flags), RefreshMode::Rebuild);
        let total = Some(BoardName::TOTAL);
        flags.apply(&set(Some(3), total, Some(RefreshMode::Incremental)));
        assert_eq!(refresh(&flags), RefreshMode::Incremental);
        assert_eq!(flags.refresh(park, BoardName::BEST), RefreshMode::Rebuild);
        flags.apply(&set(Some(3), total, None));
        assert_eq!(refresh(&flags), RefreshMode::Rebuild);
        assert_eq!(flags.settings().len(), 2);
    }

    #[test]
    fn what_the_file_said_last_is_remembered_beside_what_an_operator_set() {
        let mut flags = Flags::default();
        let by_file = FlagSet {
            by: FlagSource::File,
            ..set(None, None, Some(RefreshMode::Rebuild))
        };
        flags.apply(&by_file);
        flags.apply(&set(None, None, None));
        let setting = flags.setting(&by_file.key()).expect("the file set it");
        assert_eq!((setting.value, setting.file), (None, by_file.value));
    }

    #[test]
    fn a_flag_is_read_from_its_json() {
        let json =
            r#"{"flag":"boards.refresh","value":"frozen","by":"file","reason":"","set_at":0}"#;
        let flag: FlagSet = serde_json::from_str(json).expect("a setting");
        assert_eq!(flag.value, Some(FlagValue::Refresh(RefreshMode::Frozen)));
        assert_eq!(serde_json::to_string(&flag).expect("plain data"), json);
    }
}
