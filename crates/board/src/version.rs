//! What is published: all boards as they were at one position.

use std::collections::VecDeque;
use std::sync::Arc;

use huntcore_model::{BoardOrder, HuntNumber, Position, TimeMicros};

use crate::limits::BoardCounters;
use crate::players::Players;
use crate::radix::Radix;
use crate::ranking::{Ranking, Ranks};
use crate::view::{BoardName, BoardView, Window};
use crate::windows::{FinalWindow, HuntWindows, WINDOW_MICROS, window_end};

/// All boards of all hunts as they were at one position; never changes.
///
/// Two versions are equal if their boards, windows, positions and counters are, whatever
/// the order in which the batches of different streams came.
#[derive(Debug)]
pub struct BoardsVersion {
    pub(crate) position: Position,
    pub(crate) time: TimeMicros,
    pub(crate) players: Players,
    pub(crate) hunts: Radix<Arc<HuntVersion>>,
    pub(crate) counters: BoardCounters,
}

/// One hunt's boards.
#[derive(Debug)]
pub(crate) struct HuntVersion {
    total: Ranking,
    best: Ranking,
    open: Vec<(TimeMicros, Ranking)>,
    kept: Arc<VecDeque<FinalWindow>>,
    dropped_before: TimeMicros,
}

/// Why there is no such window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Windows start on whole seconds.
    #[error("no window starts at {} µs: windows start on whole seconds", start.get())]
    NoStart {
        /// What was asked for.
        start: TimeMicros,
    },
    /// It was final and made room for newer ones.
    #[error(
        "window at {} µs is no longer kept: those that ended by {} µs were dropped",
        start.get(),
        dropped_before.get()
    )]
    Dropped {
        /// What was asked for.
        start: TimeMicros,
        /// Where the newest dropped window ended.
        dropped_before: TimeMicros,
    },
}

impl BoardsVersion {
    /// How far each stream had been seen.
    #[must_use]
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// The time that every shard had reached: windows that ended by then are final.
    #[must_use]
    pub const fn time(&self) -> TimeMicros {
        self.time
    }

    /// What was left out or dropped so far (I8).
    #[must_use]
    pub const fn counters(&self) -> &BoardCounters {
        &self.counters
    }

    /// How many players are known, on any board.
    #[must_use]
    pub fn players(&self) -> usize {
        self.players.len()
    }

    /// The hunts that have anything on their boards.
    pub fn hunts(&self) -> impl Iterator<Item = HuntNumber> {
        self.hunts.iter().map(|(hunt, _)| HuntNumber::new(hunt))
    }

    /// A hunt's board; of `second` the latest final window.
    ///
    /// `total` and `best` are always there, if need be empty; `second` is `None` until a
    /// window with a score in it is final. Whether there is such a hunt is not known here.
    #[must_use]
    pub fn board(&self, hunt: HuntNumber, name: BoardName) -> Option<BoardView<'_>> {
        let version = self.hunts.get(hunt.get());
        let ranks = match name {
            BoardName::Total => version.map(|version| Ranks::Growing(&version.total)),
            BoardName::Best => version.map(|version| Ranks::Growing(&version.best)),
            BoardName::Second => return self.latest_final(hunt),
        };
        let ranks = ranks.unwrap_or_else(|| Ranks::empty(BoardOrder::Descending));
        Some(self.view(hunt, name, Window::WHOLE, ranks))
    }

    /// The newest window of `second` that is final and has a score in it.
    #[must_use]
    pub fn latest_final(&self, hunt: HuntNumber) -> Option<BoardView<'_>> {
        let newest = self.hunts.get(hunt.get())?.kept.back()?;
        let ranks = Ranks::Frozen(&newest.ranking);
        Some(self.view_of_window(hunt, newest.start, ranks))
    }

    /// The window of `second` that starts at `start`, empty if nobody scored in it (yet).
    pub fn window(
        &self,
        hunt: HuntNumber,
        start: TimeMicros,
    ) -> Result<BoardView<'_>, WindowError> {
        if !start.get().is_multiple_of(WINDOW_MICROS) {
            return Err(WindowError::NoStart { start });
        }
        let ranks = match self.hunts.get(hunt.get()) {
            None => None,
            Some(version) if start < version.dropped_before => {
                return Err(WindowError::Dropped {
                    start,
                    dropped_before: version.dropped_before,
                });
            }
            Some(version) => version.window(start),
        };
        Ok(self.view_of_window(
            hunt,
            start,
            ranks.unwrap_or_else(|| Ranks::empty(BoardOrder::Descending)),
        ))
    }

    /// The windows of `second` that are kept and have a score in them, oldest first; the
    /// last ones may not be final.
    pub fn windows(&self, hunt: HuntNumber) -> impl DoubleEndedIterator<Item = BoardView<'_>> {
        let version = self.hunts.get(hunt.get()).map(|version| &**version);
        version
            .into_iter()
            .flat_map(HuntVersion::windows)
            .map(move |(start, ranks)| self.view_of_window(hunt, start, ranks))
    }

    fn view_of_window<'a>(
        &'a self,
        hunt: HuntNumber,
        start: TimeMicros,
        ranks: Ranks<'a>,
    ) -> BoardView<'a> {
        let end = window_end(start);
        let window = Window {
            start: Some(start),
            end: Some(end),
            is_final: end <= self.time,
        };
        self.view(hunt, BoardName::Second, window, ranks)
    }

    const fn view<'a>(
        &'a self,
        hunt: HuntNumber,
        name: BoardName,
        window: Window,
        ranks: Ranks<'a>,
    ) -> BoardView<'a> {
        BoardView {
            hunt,
            name,
            window,
            ranks,
            players: &self.players,
        }
    }

    fn views(&self) -> impl Iterator<Item = BoardView<'_>> {
        self.hunts().flat_map(move |hunt| {
            let whole = [BoardName::Total, BoardName::Best];
            let boards = whole
                .into_iter()
                .filter_map(move |name| self.board(hunt, name));
            boards.chain(self.windows(hunt))
        })
    }
}

impl PartialEq for BoardsVersion {
    fn eq(&self, other: &Self) -> bool {
        let dropped = |version: &Self| {
            let hunts = version.hunts.iter();
            hunts
                .map(|(hunt, version)| (hunt, version.dropped_before))
                .collect::<Vec<_>>()
        };
        self.position == other.position
            && self.time == other.time
            && self.counters == other.counters
            && dropped(self) == dropped(other)
            && self.views().eq(other.views())
    }
}

impl HuntVersion {
    pub(crate) fn new(total: &Ranking, best: &Ranking, windows: &HuntWindows) -> Self {
        let open = windows.open.iter();
        Self {
            total: total.clone(),
            best: best.clone(),
            open: open
                .map(|(&start, tally)| (start, tally.ranking().clone()))
                .collect(),
            kept: Arc::clone(&windows.kept),
            dropped_before: windows.dropped_before,
        }
    }

    fn window(&self, start: TimeMicros) -> Option<Ranks<'_>> {
        if let Ok(at) = self
            .kept
            .binary_search_by_key(&start, |window| window.start)
        {
            return Some(Ranks::Frozen(&self.kept[at].ranking));
        }
        let at = self.open.binary_search_by_key(&start, |&(start, _)| start);
        at.ok().map(|at| Ranks::Growing(&self.open[at].1))
    }

    fn windows(&self) -> impl DoubleEndedIterator<Item = (TimeMicros, Ranks<'_>)> {
        let kept = self.kept.iter();
        let open = self.open.iter();
        kept.map(|window| (window.start, Ranks::Frozen(&window.ranking)))
            .chain(open.map(|(start, ranking)| (*start, Ranks::Growing(ranking))))
    }
}
