//! What happens to windows and boards as time goes on, for all hunts in one order.
//!
//! Windows become final, and are dropped, one by one in the order of time. Doing it one by
//! one makes what is kept a function of what became final, and not of how far time moved in
//! each step; so it does not depend on how streams interleave.

use std::collections::BTreeSet;

use huntcore_model::{BoardName, HuntNumber, Sequence, TimeMicros};

use crate::limits::BoardLimits;

/// One board of one hunt, as one control entry defined it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BoardKey {
    pub(crate) hunt: HuntNumber,
    pub(crate) name: BoardName,
    pub(crate) generation: Sequence,
}

/// What is to be done. At one time in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deed {
    /// A window becomes final.
    Finish,
    /// A final window was kept for long enough.
    Expire,
    /// Every stream has dropped a board.
    Leave,
}

/// What is to be done, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) at: TimeMicros,
    pub(crate) deed: Deed,
    pub(crate) board: BoardKey,
    /// Of the window.
    pub(crate) start: TimeMicros,
}

/// What all boards' windows take together, and what comes next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agenda {
    dues: BTreeSet<Due>,
    // Final windows that a newer one of their board has followed: end, board, start.
    droppable: BTreeSet<(TimeMicros, BoardKey, TimeMicros)>,
    final_entries: usize,
    /// At most so many: those who wait to be ranked may be ranked already.
    pub(crate) open_entries: usize,
}

impl Agenda {
    /// Takes note of what is to be done; what is at the end of time never is.
    pub(crate) fn add(&mut self, due: Due) {
        if due.at < TimeMicros::MAX {
            self.dues.insert(due);
        }
    }

    /// It is not to be done at that time.
    pub(crate) fn remove(&mut self, due: &Due) {
        self.dues.remove(due);
    }

    /// The next thing to do, if it is due by `time`. It is not told again.
    pub(crate) fn take(&mut self, time: TimeMicros) -> Option<Due> {
        let &next = self.dues.first().filter(|due| due.at <= time)?;
        self.dues.pop_first();
        Some(next)
    }

    /// Counts a window that is kept, and the one before, which may go now.
    pub(crate) fn keep(
        &mut self,
        board: BoardKey,
        weight: usize,
        before: Option<(TimeMicros, TimeMicros)>,
    ) {
        self.final_entries += weight;
        if let Some((end, start)) = before {
            self.droppable.insert((end, board, start));
        }
    }

    /// Takes a window off that is kept no longer.
    pub(crate) fn forget(
        &mut self,
        board: BoardKey,
        weight: usize,
        (end, start): (TimeMicros, TimeMicros),
    ) {
        self.final_entries -= weight;
        self.droppable.remove(&(end, board, start));
    }

    /// The board whose oldest final window has to make room, if there are too many entries.
    pub(crate) fn over_limit(&self, limits: &BoardLimits) -> Option<BoardKey> {
        if self.final_entries <= limits.window_entries_max {
            return None;
        }
        self.droppable.first().map(|&(_, board, _)| board)
    }
}
