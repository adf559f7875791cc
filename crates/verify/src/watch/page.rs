//! A published page, with what it says of itself.

use huntcore_model::{PlayerId, Position, TimeMicros};

/// The top of a board, as somebody saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardPage {
    /// The window; `None` of a board that counts the whole hunt.
    pub window: Option<PageWindow>,
    /// How far the log is counted in.
    pub position: Position,
    /// Grows when the board is defined anew, and then begins empty.
    pub generation: u64,
    /// How far corrections of this board are counted in; moves with each, and only forward.
    pub corrected: Position,
    /// How many players are on the board.
    pub players: u64,
    /// How many entries were asked for, if that is known.
    pub limit: Option<u64>,
    /// The first of them, best first.
    pub entries: Vec<PageEntry>,
}

/// A part of time, half-open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageWindow {
    /// From this time on.
    pub start: TimeMicros,
    /// Whether nothing can change it any more but a correction.
    pub is_final: bool,
}

/// A player with a score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageEntry {
    /// Who.
    pub player: PlayerId,
    /// How much.
    pub score: i64,
}

impl BoardPage {
    pub(super) fn start(&self) -> Option<TimeMicros> {
        self.window.map(|window| window.start)
    }

    pub(super) fn is_final(&self) -> bool {
        self.window.is_some_and(|window| window.is_final)
    }

    /// Whether nobody is on the board who is not on this page.
    pub(super) const fn shows_all(&self) -> bool {
        self.entries.len() as u64 >= self.players
    }
}
