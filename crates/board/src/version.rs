//! What is published: all boards as they were at one position.

use std::sync::Arc;

use huntcore_model::{BoardName, Catalog, DefinedBoard, HuntNumber, Position, TimeMicros};

use crate::board::FinalWindow;
use crate::late::LateEvents;
use crate::limits::BoardCounters;
use crate::players::Players;
use crate::radix::Radix;
use crate::ranking::Ranks;
use crate::results::{self, BoardResult};
use crate::rule::Span;
use crate::shown::{HuntVersion, NOBODY_YET, ShownBoard};
use crate::view::{BoardView, Window};

/// All boards of all hunts as they were at one position; never changes.
///
/// Two versions are equal if their boards, windows, positions and counters are, whatever
/// the order in which the batches of different streams came.
#[derive(Debug)]
pub struct BoardsVersion {
    pub(crate) position: Arc<Position>,
    pub(crate) time: TimeMicros,
    pub(crate) players: Players,
    pub(crate) hunts: Radix<Arc<HuntVersion>>,
    pub(crate) counters: BoardCounters,
}

/// Why there is no such window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The hunt has no board of that name.
    #[error("the hunt has no board {board}")]
    UnknownBoard {
        /// What was asked for.
        board: BoardName,
    },
    /// The board covers the whole hunt.
    #[error("{board} has no windows: it covers the whole hunt")]
    NoWindows {
        /// Which board.
        board: BoardName,
    },
    /// Windows begin elsewhere.
    #[error(
        "no window starts at {} µs: the one around it is {} to {} µs",
        start.get(), around.0.get(), around.1.get()
    )]
    NoStart {
        /// What was asked for.
        start: TimeMicros,
        /// Start and end of the window that it falls into.
        around: (TimeMicros, TimeMicros),
    },
    /// It was final and is kept no longer.
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
    /// It has not begun.
    #[error("window at {} µs has not begun: it is {} µs", start.get(), time.get())]
    NotYet {
        /// What was asked for.
        start: TimeMicros,
        /// The time that every shard has reached.
        time: TimeMicros,
    },
}

/// What a board takes in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardMemory {
    /// Which hunt's.
    pub hunt: HuntNumber,
    /// Which board.
    pub board: BoardName,
    /// Entries of all its windows together.
    pub entries: usize,
    /// What they take on the heap, the players' ids not counted in.
    pub bytes: usize,
}

impl BoardsVersion {
    /// How far each stream had been seen.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The time that every shard had reached: windows are final by it.
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

    /// The hunts that shards have heard of.
    pub fn hunts(&self) -> impl Iterator<Item = HuntNumber> {
        self.hunts.iter().map(|(hunt, _)| HuntNumber::new(hunt))
    }

    /// A hunt's boards, by name. Whether there is such a hunt is not known here.
    pub fn boards(&self, hunt: HuntNumber) -> impl Iterator<Item = &DefinedBoard> {
        let boards = self.of_hunt(hunt).iter();
        boards.map(|board| &*board.shown.defined)
    }

    /// What a board counts, and since when.
    #[must_use]
    pub fn defined(&self, hunt: HuntNumber, name: BoardName) -> Option<&DefinedBoard> {
        Some(&self.find(hunt, name)?.shown.defined)
    }

    /// A hunt's board; of one with windows the newest one that anybody is in, be it final or
    /// not. Of `second` the newest final one: half a second's scores are no board to show.
    ///
    /// One of a whole hunt is there, if need be empty, as soon as its definition is; `None`:
    /// no such board, or nobody is in a window of it yet.
    #[must_use]
    pub fn board(&self, hunt: HuntNumber, name: BoardName) -> Option<BoardView<'_>> {
        let board = self.find(hunt, name)?;
        if board.shown.rule.is_whole() {
            let ranks = board.shown.open.first().map(|(_, ranks)| ranks.ranks());
            let ranks = ranks.unwrap_or_else(|| board.shown.nobody());
            return Some(self.view(hunt, board, Span::EVER, ranks, false));
        }
        match board.shown.open.last() {
            Some((span, ranks)) if !name.is_built_in() => {
                Some(self.view(hunt, board, *span, ranks.ranks(), false))
            }
            _ => self.latest_final(hunt, name),
        }
    }

    /// The newest window of a board that is final and that anybody was in.
    #[must_use]
    pub fn latest_final(&self, hunt: HuntNumber, name: BoardName) -> Option<BoardView<'_>> {
        let board = self.find(hunt, name)?;
        Some(self.final_view(hunt, board, board.shown.kept.back()?))
    }

    /// The window of a board that starts at `start`, empty if nobody was in it (yet).
    pub fn window(
        &self,
        hunt: HuntNumber,
        name: BoardName,
        start: TimeMicros,
    ) -> Result<BoardView<'_>, WindowError> {
        let view = self.window_at(hunt, name, start);
        let board = self.find(hunt, name).map(|board| &*board.shown.rule);
        match board.map(|rule| rule.span(start)) {
            Some(span)
                if !matches!(view, Err(WindowError::NoWindows { .. })) && span.start != start =>
            {
                Err(WindowError::NoStart {
                    start,
                    around: (span.start, span.end),
                })
            }
            _ => view,
        }
    }

    /// The window of a board that `time` falls into, empty if nobody was in it (yet).
    pub fn window_at(
        &self,
        hunt: HuntNumber,
        name: BoardName,
        time: TimeMicros,
    ) -> Result<BoardView<'_>, WindowError> {
        let board = self
            .find(hunt, name)
            .ok_or(WindowError::UnknownBoard { board: name })?;
        if board.shown.rule.is_whole() {
            return Err(WindowError::NoWindows { board: name });
        }
        let span = board.shown.rule.span(time);
        let kept = &board.shown.kept;
        if let Ok(at) = kept.binary_search_by_key(&span.start, |window| window.span.start) {
            return Ok(self.final_view(hunt, board, &kept[at]));
        }
        let open = &board.shown.open;
        if let Ok(at) = open.binary_search_by_key(&span.start, |(span, _)| span.start) {
            return Ok(self.view(hunt, board, span, open[at].1.ranks(), false));
        }
        let start = span.start;
        if start < board.shown.dropped_before {
            return Err(WindowError::Dropped {
                start,
                dropped_before: board.shown.dropped_before,
            });
        }
        if start > self.time {
            return Err(WindowError::NotYet {
                start,
                time: self.time,
            });
        }
        // Nobody will be in it any more.
        let version = self.hunts.get(hunt.get());
        let is_final = board.as_of.is_none() && version.is_some_and(|version| version.is_over);
        Ok(self.view(hunt, board, span, board.shown.nobody(), is_final))
    }

    /// The window of a board that is going on now, empty if nobody is in it yet.
    pub fn current_window(
        &self,
        hunt: HuntNumber,
        name: BoardName,
    ) -> Result<BoardView<'_>, WindowError> {
        self.window_at(hunt, name, self.time)
    }

    /// The windows of a board that are kept and that anybody was in, oldest first; the last
    /// ones may not be final. None of a board of a whole hunt.
    pub fn windows(
        &self,
        hunt: HuntNumber,
        name: BoardName,
    ) -> impl DoubleEndedIterator<Item = BoardView<'_>> {
        let board = self.find(hunt, name);
        let board = board.filter(|board| !board.shown.rule.is_whole());
        board.into_iter().flat_map(move |board| {
            let kept = board.shown.kept.iter();
            let kept = kept.map(move |window| self.final_view(hunt, board, window));
            let open = board.shown.open.iter();
            kept.chain(
                open.map(move |(span, ranks)| self.view(hunt, board, *span, ranks.ranks(), false)),
            )
        })
    }

    /// The windows of a board, newest first, from those on that begin before `before`.
    pub fn windows_before(
        &self,
        hunt: HuntNumber,
        name: BoardName,
        before: TimeMicros,
    ) -> impl Iterator<Item = BoardView<'_>> {
        let board = self.find(hunt, name);
        let board = board.filter(|board| !board.shown.rule.is_whole());
        board.into_iter().flat_map(move |board| {
            let (kept, open) = (&board.shown.kept, &board.shown.open);
            let kept = kept.range(..kept.partition_point(|window| window.span.start < before));
            let open = &open[..open.partition_point(|(span, _)| span.start < before)];
            let open = open.iter().rev();
            let open =
                open.map(move |(span, ranks)| self.view(hunt, board, *span, ranks.ranks(), false));
            open.chain(
                kept.rev()
                    .map(move |window| self.final_view(hunt, board, window)),
            )
        })
    }

    /// What came too late for a board.
    #[must_use]
    pub fn late_events(&self, hunt: HuntNumber, name: BoardName) -> Option<LateEvents<'_>> {
        let board = self.find(hunt, name)?;
        Some(LateEvents {
            late: &board.shown.late,
            players: &self.players,
        })
    }

    /// Results that are to be written and are not: of final windows, and of boards of whole
    /// hunts that are closed, or ended so long ago that their last rounds have closed.
    ///
    /// Oldest first, at most `count` of them. They are of what is counted, also where what is
    /// shown is frozen.
    #[must_use]
    pub fn due_results(&self, catalog: &Catalog, count: usize) -> Vec<BoardResult> {
        results::due(self, catalog, count)
    }

    /// What each board takes, to be asked every few seconds: walks all but single entries.
    pub fn memory(&self) -> impl Iterator<Item = BoardMemory> {
        self.hunts.iter().flat_map(|(hunt, version)| {
            version.boards.iter().map(move |board| {
                let (entries, bytes) = board.counted.size();
                BoardMemory {
                    hunt: HuntNumber::new(hunt),
                    board: board.counted.key.name,
                    entries,
                    bytes,
                }
            })
        })
    }

    pub(crate) fn of_hunt(&self, hunt: HuntNumber) -> &[ShownBoard] {
        match self.hunts.get(hunt.get()) {
            Some(version) => &version.boards,
            None => &NOBODY_YET,
        }
    }

    pub(crate) fn find(&self, hunt: HuntNumber, name: BoardName) -> Option<&ShownBoard> {
        let boards = self.of_hunt(hunt);
        let at = boards.binary_search_by_key(&name, |board| board.shown.key.name);
        at.ok().map(|at| &boards[at])
    }

    fn final_view<'a>(
        &'a self,
        hunt: HuntNumber,
        board: &'a ShownBoard,
        window: &'a FinalWindow,
    ) -> BoardView<'a> {
        let ranks = Ranks::Frozen(&window.ranking);
        let mut view = self.view(hunt, board, window.span, ranks, true);
        view.window.is_recorded = window.recorded_at.is_some();
        view
    }

    fn view<'a>(
        &'a self,
        hunt: HuntNumber,
        board: &'a ShownBoard,
        span: Span,
        ranks: Ranks<'a>,
        is_final: bool,
    ) -> BoardView<'a> {
        let is_whole = board.shown.rule.is_whole();
        let lateness_ms = board.shown.defined.definition.lateness_ms();
        BoardView {
            hunt,
            board: &board.shown,
            window: Window {
                start: (!is_whole).then_some(span.start),
                end: (!is_whole).then_some(span.end),
                // One that nobody was in is never made final: nothing is there to keep.
                is_final: is_final
                    || (!is_whole
                        && board.as_of.is_none()
                        && span.end.plus_millis(lateness_ms) <= self.time),
                is_recorded: is_whole && board.shown.recorded_until > TimeMicros::ZERO,
            },
            ranks,
            players: &self.players,
            position: board.as_of.as_deref().unwrap_or(&self.position),
        }
    }

    fn views(&self) -> impl Iterator<Item = BoardView<'_>> {
        self.hunts().flat_map(move |hunt| {
            self.of_hunt(hunt).iter().flat_map(move |board| {
                let name = board.shown.key.name;
                let is_whole = board.shown.rule.is_whole();
                let whole = is_whole.then(|| self.board(hunt, name)).flatten();
                whole.into_iter().chain(self.windows(hunt, name))
            })
        })
    }
}

impl PartialEq for BoardsVersion {
    fn eq(&self, other: &Self) -> bool {
        let facts = |version: &Self| {
            let hunts = version.hunts.iter();
            let boards = hunts.flat_map(|(_, hunt)| {
                let is_over = hunt.is_over;
                hunt.boards.iter().map(move |board| {
                    let board = &board.shown;
                    (
                        (board.key, is_over, board.dropped_before),
                        (board.recorded_until, Arc::clone(&board.corrected)),
                    )
                })
            });
            boards.collect::<Vec<_>>()
        };
        let late = |version: &Self| {
            let hunts = version.hunts.iter();
            let lists = hunts.flat_map(|(hunt, of_hunt)| {
                let boards = of_hunt.boards.iter();
                boards.map(move |board| (HuntNumber::new(hunt), board.shown.key.name))
            });
            let lists = lists.filter_map(|(hunt, name)| version.late_events(hunt, name));
            let lists = lists.map(|late| {
                let newest = late.newest().map(|event| {
                    let times = (event.event_time, event.batch_time);
                    (
                        event.player.clone(),
                        event.score,
                        times,
                        event.event_id.to_owned(),
                    )
                });
                (late.count(), newest.collect::<Vec<_>>())
            });
            lists.collect::<Vec<_>>()
        };
        self.position == other.position
            && self.time == other.time
            && self.counters == other.counters
            && facts(self) == facts(other)
            && late(self) == late(other)
            && self.views().eq(other.views())
    }
}
