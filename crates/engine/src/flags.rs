//! Turning flags: what operators try out on one board, on one hunt or on all.

use huntcore_model::{
    BoardName, ControlRecord, FLAG_REASON_BYTES_MAX, FLAG_SETTINGS_MAX, Flag, FlagKey, FlagSet,
    FlagSource, FlagValue, HuntNumber,
};

use crate::commands::CommandError;
use crate::controller::Controller;

/// How a flag is to be set from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFlag {
    /// Which flag.
    pub flag: Flag,
    /// For this hunt; for all if absent.
    pub hunt: Option<HuntNumber>,
    /// For this board; for all if absent.
    pub board: Option<BoardName>,
    /// To what; absent: to whatever holds more widely.
    pub value: Option<FlagValue>,
    /// Who wants it.
    pub by: FlagSource,
    /// Why.
    pub reason: String,
}

impl Controller {
    /// Turns a flag. One that is so already stays as it is, and nothing is written.
    ///
    /// What the file says is remembered beside what holds: the file saying again what it said
    /// before does not undo what an operator has set since.
    pub fn set_flag(&mut self, new: NewFlag) -> Result<(), CommandError> {
        if let Some(value) = new.value
            && !new.flag.takes(value)
        {
            return Err(CommandError::Flag {
                flag: new.flag,
                reason: "cannot be set to that".to_owned(),
            });
        }
        if new.reason.len() > FLAG_REASON_BYTES_MAX {
            let bytes = new.reason.len();
            return Err(CommandError::Flag {
                flag: new.flag,
                reason: format!(
                    "is given a reason of {bytes} bytes, expected at most {FLAG_REASON_BYTES_MAX}"
                ),
            });
        }
        self.check_place(&new)?;
        let key: FlagKey = (new.flag, new.hunt, new.board);
        let flags = self.catalog.flags();
        let known = flags.setting(&key);
        let holds = known.and_then(|known| known.value);
        let is_so = match new.by {
            FlagSource::Api => holds == new.value,
            FlagSource::File => known.and_then(|known| known.file) == new.value,
        };
        if is_so {
            return Ok(());
        }
        if known.is_none() && flags.settings().len() >= FLAG_SETTINGS_MAX {
            return Err(CommandError::TooMany {
                what: "settings of flags",
                max: FLAG_SETTINGS_MAX,
            });
        }
        self.record(&ControlRecord::FlagSet(FlagSet {
            flag: new.flag,
            hunt: new.hunt,
            board: new.board,
            value: new.value,
            by: new.by,
            reason: new.reason,
            set_at: self.now,
        }));
        Ok(())
    }

    /// Whether there is what the flag is for. What is unset need not be there any more.
    fn check_place(&self, new: &NewFlag) -> Result<(), CommandError> {
        let Some(hunt) = new.hunt else { return Ok(()) };
        let hunt = self
            .catalog
            .by_number(hunt)
            .ok_or(CommandError::UnknownHunt)?;
        let is_there = |name: BoardName| {
            let mut given = hunt.boards.iter();
            name.is_built_in() || given.any(|board| board.definition.name == name)
        };
        match new.board {
            Some(board) if new.value.is_some() && !is_there(board) => {
                Err(CommandError::UnknownBoard {
                    hunt: hunt.id.clone(),
                    board,
                })
            }
            _ => Ok(()),
        }
    }
}
