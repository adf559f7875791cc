//! What boards a hunt is given, besides those that every hunt has.

use huntcore_model::{
    BOARDS_MAX, BoardDefinition, ControlRecord, HuntEntry, HuntNumber, WindowRule,
};

use crate::commands::CommandError;
use crate::controller::Controller;

impl Controller {
    /// Whether [`Self::set_boards`] would accept these boards.
    pub fn check_boards(
        &self,
        hunt: HuntNumber,
        boards: &[BoardDefinition],
    ) -> Result<(), CommandError> {
        self.changeable(hunt)?;
        check_boards(boards)
    }

    /// Gives a hunt these boards and no others, besides the built-in ones. A board that is
    /// defined as before goes on; giving the same boards again changes nothing.
    pub fn set_boards(
        &mut self,
        hunt: HuntNumber,
        boards: Vec<BoardDefinition>,
    ) -> Result<(), CommandError> {
        self.check_boards(hunt, &boards)?;
        let entry = self.changeable(hunt)?;
        let boards: Vec<_> = boards
            .into_iter()
            .map(|board| as_known(entry, board))
            .collect();
        let known = entry.boards.iter().map(|board| &board.definition);
        if !known.eq(&boards) {
            self.record(&ControlRecord::BoardsChanged { hunt, boards });
        }
        Ok(())
    }
}

/// Whether both say the same, whenever their zones were looked up: what is known of a zone
/// reaches so far from the day that it was, and changes with its laws.
#[must_use]
pub fn are_defined_alike(one: &BoardDefinition, other: &BoardDefinition) -> bool {
    without_offsets(one) == without_offsets(other)
}

/// Whether a hunt has just these boards, in whatever order.
pub(crate) fn has_boards(hunt: &HuntEntry, boards: &[BoardDefinition]) -> bool {
    let is_known = |board: &BoardDefinition| {
        let mut known = hunt.boards.iter();
        known.any(|known| are_defined_alike(&known.definition, board))
    };
    hunt.boards.len() == boards.len() && boards.iter().all(is_known)
}

/// Whether a hunt can have these boards together.
pub(crate) fn check_boards(boards: &[BoardDefinition]) -> Result<(), CommandError> {
    if boards.len() > BOARDS_MAX {
        return Err(CommandError::TooManyBoards {
            found: boards.len(),
            max: BOARDS_MAX,
        });
    }
    for (index, board) in boards.iter().enumerate() {
        let fault = |field, reason: &str| CommandError::Board {
            board: board.name,
            field,
            reason: reason.to_owned(),
        };
        if board.name.is_built_in() {
            return Err(fault("name", "is that of a board which every hunt has"));
        }
        if boards[..index].iter().any(|other| other.name == board.name) {
            return Err(fault("name", "is that of another of these boards, too"));
        }
        board.check().map_err(|error| CommandError::Board {
            board: error.board,
            field: error.field,
            reason: error.reason,
        })?;
    }
    Ok(())
}

/// The definition as it stands in the log, if the hunt has that board: with its zone's offsets
/// as they were then, so that it goes on.
fn as_known(hunt: &HuntEntry, board: BoardDefinition) -> BoardDefinition {
    let mut known = hunt.boards.iter().map(|known| &known.definition);
    known
        .find(|known| are_defined_alike(known, &board))
        .cloned()
        .unwrap_or(board)
}

fn without_offsets(definition: &BoardDefinition) -> BoardDefinition {
    let mut definition = definition.clone();
    if let WindowRule::Calendar { zone, .. } | WindowRule::Cron { zone, .. } =
        &mut definition.window
    {
        zone.offsets.clear();
    }
    definition
}
