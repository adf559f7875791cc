//! What a published version holds of one board.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};

use huntcore_model::{BoardDefinition, DefinedBoard, HuntNumber, Position, Sequence, TimeMicros};

use crate::agenda::BoardKey;
use crate::board::{Board, FinalWindow};
use crate::hunt::Hunt;
use crate::late::Late;
use crate::ranking::{Frozen, Ranking, Ranks};
use crate::rule::{Rule, Span};

/// One hunt's boards, by name.
#[derive(Debug)]
pub(crate) struct HuntVersion {
    pub(crate) boards: Vec<ShownBoard>,
    /// The hunt is over in every stream.
    pub(crate) is_over: bool,
}

/// A board as it is shown, and as it is counted.
#[derive(Clone, Debug)]
pub(crate) struct ShownBoard {
    pub(crate) shown: Arc<BoardVersion>,
    /// Up to where what is shown is counted; `None`: up to the version's position.
    pub(crate) as_of: Option<Arc<Position>>,
    pub(crate) counted: Arc<BoardVersion>,
}

/// One board.
#[derive(Debug)]
pub(crate) struct BoardVersion {
    pub(crate) key: BoardKey,
    pub(crate) defined: Arc<DefinedBoard>,
    pub(crate) rule: Arc<Rule>,
    pub(crate) open: Vec<(Span, OpenRanks)>,
    pub(crate) kept: Arc<VecDeque<FinalWindow>>,
    pub(crate) dropped_before: TimeMicros,
    pub(crate) late: Arc<Late>,
    pub(crate) corrected: Arc<Position>,
    /// Up to where the log was counted in when it was made: a version without changes shares
    /// the board with the one before.
    pub(crate) changed: Arc<Position>,
    /// The end of the newest window whose results are written.
    pub(crate) recorded_until: TimeMicros,
}

/// A ranking that goes on, as it was brought up to date or made anew.
#[derive(Clone, Debug)]
pub(crate) enum OpenRanks {
    Growing(Ranking),
    Anew(Arc<Frozen>),
}

/// The built-in boards of a hunt of which no record has come yet.
pub(crate) static NOBODY_YET: LazyLock<Vec<ShownBoard>> = LazyLock::new(|| {
    let hunt = Hunt::new(HuntNumber::new(0), 1);
    let boards = hunt.boards.iter();
    let boards = boards.map(|board| {
        ShownBoard::of(Arc::new(BoardVersion::of(
            board,
            &Arc::default(),
            TimeMicros::ZERO,
            Arc::default(),
        )))
    });
    boards.collect()
});

impl ShownBoard {
    /// A board that is shown as it is counted.
    pub(crate) fn of(board: Arc<BoardVersion>) -> Self {
        Self {
            shown: Arc::clone(&board),
            as_of: None,
            counted: board,
        }
    }
}

impl BoardVersion {
    /// A board as it was last brought up to date.
    pub(crate) fn of(
        board: &Board,
        corrected: &Arc<Position>,
        recorded_until: TimeMicros,
        changed: Arc<Position>,
    ) -> Self {
        let open = board.open.iter().map(|(&start, window)| {
            let span = Span {
                start,
                end: window.end,
            };
            let ranking = window.slate.tally.ranking().clone();
            (span, OpenRanks::Growing(ranking))
        });
        Self {
            key: board.key,
            defined: Arc::clone(&board.defined),
            rule: Arc::clone(&board.rule),
            open: open.collect(),
            kept: Arc::clone(&board.kept),
            dropped_before: board.dropped_before,
            late: Arc::clone(&board.late),
            corrected: merged(corrected, &board.corrected),
            changed,
            recorded_until,
        }
    }

    pub(crate) fn definition(&self) -> &BoardDefinition {
        &self.defined.definition
    }

    pub(crate) fn generation(&self) -> Sequence {
        self.defined.defined_at
    }

    pub(crate) fn nobody(&self) -> Ranks<'static> {
        Ranks::empty(self.defined.definition.order)
    }

    /// Entries of all windows, and what they take on the heap.
    pub(crate) fn size(&self) -> (usize, usize) {
        let open = self.open.iter().map(|(_, ranks)| match ranks {
            OpenRanks::Growing(ranking) => (ranking.len(), ranking.heap_bytes()),
            OpenRanks::Anew(frozen) => (frozen.len(), frozen.heap_bytes()),
        });
        let kept = self.kept.iter();
        let kept = kept.map(|window| (window.ranking.len(), window.ranking.heap_bytes()));
        let (entries, bytes) = open
            .chain(kept)
            .fold((0, 0), |(entries, bytes), (more, size)| {
                (entries + more, bytes + size)
            });
        (entries, bytes + self.late.heap_bytes())
    }
}

/// Up to where both positions are.
fn merged(one: &Arc<Position>, other: &Arc<Position>) -> Arc<Position> {
    let mut merged = Arc::clone(one);
    if !one.covers(other) {
        Arc::make_mut(&mut merged).merge(other);
    }
    merged
}

impl OpenRanks {
    pub(crate) fn ranks(&self) -> Ranks<'_> {
        match self {
            Self::Growing(ranking) => Ranks::Growing(ranking),
            Self::Anew(frozen) => Ranks::Frozen(frozen),
        }
    }
}
