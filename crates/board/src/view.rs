//! One board of one published version, to read.

use std::sync::Arc;

use huntcore_model::{
    BoardDefinition, BoardName, BoardOrder, HuntNumber, PlayerId, Position, Sequence, TimeMicros,
};

use crate::cursor::{BoardPlace, Cursor, CursorError};
use crate::key::Ranked;
use crate::players::Players;
use crate::ranking::Ranks;
use crate::shown::BoardVersion;

/// One board, or one window of it, as it was when its version was published.
///
/// Reading takes no lock and nothing that happens later changes it.
#[derive(Clone, Copy, Debug)]
pub struct BoardView<'a> {
    pub(crate) hunt: HuntNumber,
    pub(crate) board: &'a BoardVersion,
    pub(crate) window: Window,
    pub(crate) ranks: Ranks<'a>,
    pub(crate) players: &'a Players,
    pub(crate) position: &'a Position,
}

/// The span of time that a board covers: from the start on, up to but without the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// `None` on boards of a whole hunt.
    pub start: Option<TimeMicros>,
    /// `None` on boards of a whole hunt.
    pub end: Option<TimeMicros>,
    /// Nothing but a correction will change it any more. Boards of a whole hunt never say so.
    pub is_final: bool,
    /// Its results stand in the log.
    pub is_recorded: bool,
}

/// A player on a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// From 1; no two players share one.
    pub rank: u64,
    /// Who.
    pub player: &'a PlayerId,
    /// How much.
    pub score: i64,
}

/// Where one player stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// From 1; no two players share one.
    pub rank: u64,
    /// How much.
    pub score: i64,
}

/// A part of a board, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<'a> {
    /// The entries.
    pub entries: Vec<Entry<'a>>,
    /// Where the next page begins; `None` if the board ends here.
    pub next: Option<Cursor>,
}

/// Where a score would stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreRank {
    /// How many players have a better score: the rank of the first with this one is one
    /// more.
    pub better: u64,
    /// How many have exactly this one; whoever reaches it now comes behind them.
    pub equal: u64,
}

impl<'a> BoardView<'a> {
    /// Which hunt's board.
    #[must_use]
    pub const fn hunt(&self) -> HuntNumber {
        self.hunt
    }

    /// Which board.
    #[must_use]
    pub const fn name(&self) -> BoardName {
        self.board.key.name
    }

    /// What it counts.
    #[must_use]
    pub fn definition(&self) -> &'a BoardDefinition {
        self.board.definition()
    }

    /// Up to where the log is counted in. A board that is frozen, or waits for its turn to be
    /// made anew, is behind its version's position.
    #[must_use]
    pub const fn position(&self) -> &'a Position {
        self.position
    }

    /// Up to where the log was counted in when the board was last made: two readings of a
    /// window with the same definition and the same place here show the same, as long as
    /// both say, or neither, that it is final.
    #[must_use]
    pub const fn changed(&self) -> &'a Arc<Position> {
        &self.board.changed
    }

    /// Just after the last correction of each stream: where this has moved between two
    /// versions, somebody may have vanished or lost a score (I6).
    #[must_use]
    pub fn corrected(&self) -> &'a Position {
        &self.board.corrected
    }

    /// What span it covers.
    #[must_use]
    pub const fn window(&self) -> Window {
        self.window
    }

    /// How many players are on it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranks.len()
    }

    /// Whether nobody is on it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first `count` entries.
    #[must_use]
    pub fn top(&self, count: usize) -> Vec<Entry<'a>> {
        self.entries(0).take(count).collect()
    }

    /// The entries after `skip` better ones, in order.
    pub fn entries(&self, skip: usize) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let (players, order) = (self.players, self.ranks.order());
        self.ranked(skip)
            .map(move |(rank, ranked)| entry(players, order, rank, ranked))
    }

    /// The first `limit` entries, or those after the cursor of another page.
    ///
    /// A page goes on after the last key that the one before showed, also on a later
    /// version: nobody whose score stayed is shown twice or left out. Costs the same at any
    /// depth. A cursor of another hunt, board or window is refused, and so is one from
    /// before the board was defined anew.
    pub fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page<'a>, CursorError> {
        let place = self.place();
        let skip = match cursor {
            None => 0,
            Some(cursor) => {
                let key = cursor.key_on(place, self.ranks.order())?;
                self.ranks.count_through(key)
            }
        };
        let mut last = None;
        let entries: Vec<_> = self
            .ranked(skip)
            .take(limit)
            .inspect(|(_, ranked)| last = Some(ranked.key))
            .map(|(rank, ranked)| entry(self.players, self.ranks.order(), rank, ranked))
            .collect();
        let more = skip + entries.len() < self.len();
        let order = self.ranks.order();
        let next = last.filter(|_| more);
        let next = next.map(|key| Cursor::after(place, order, key));
        Ok(Page { entries, next })
    }

    /// Where `player` stands; `None` if nowhere.
    #[must_use]
    pub fn standing(&self, player: &PlayerId) -> Option<Standing> {
        let (rank, ranked) = self.find(player)?;
        Some(Standing {
            rank: rank as u64 + 1,
            score: ranked.key.score(self.ranks.order()),
        })
    }

    /// `player` and up to `count` neighbours on either side, in order; `None` if `player`
    /// is not on the board.
    #[must_use]
    pub fn around(&self, player: &PlayerId, count: usize) -> Option<Vec<Entry<'a>>> {
        let (rank, _) = self.find(player)?;
        let start = rank.saturating_sub(count);
        let end = rank.saturating_add(count).saturating_add(1);
        Some(self.entries(start).take(end - start).collect())
    }

    /// Where a score would stand. Costs as much as a rank.
    #[must_use]
    pub fn rank_at(&self, score: i64) -> ScoreRank {
        let better = self.ranks.count_better(score);
        let next = match self.ranks.order() {
            BoardOrder::Descending => score.checked_sub(1),
            BoardOrder::Ascending => score.checked_add(1),
        };
        let through = next.map_or(self.len(), |next| self.ranks.count_better(next));
        ScoreRank {
            better: better as u64,
            equal: (through - better) as u64,
        }
    }

    /// What a cursor of this board is bound to.
    #[must_use]
    pub fn place(&self) -> BoardPlace {
        BoardPlace {
            hunt: self.hunt,
            board: self.name(),
            generation: self.generation(),
            window: self.window.start,
        }
    }

    /// The control entry that defined the board; a board that is defined otherwise is another
    /// one.
    #[must_use]
    pub fn generation(&self) -> Sequence {
        self.board.generation()
    }

    fn find(&self, player: &PlayerId) -> Option<(usize, Ranked)> {
        self.ranks.find(self.players.find(player.as_str())?)
    }

    fn ranked(&self, skip: usize) -> impl Iterator<Item = (usize, &'a Ranked)> + use<'a> {
        (skip..).zip(self.ranks.iter_from(skip))
    }
}

fn entry<'a>(players: &'a Players, order: BoardOrder, rank: usize, ranked: &Ranked) -> Entry<'a> {
    Entry {
        rank: rank as u64 + 1,
        player: players.id(ranked.player),
        score: ranked.key.score(order),
    }
}

/// The same players in the same order with the same scores, reached at the same places.
impl PartialEq for BoardView<'_> {
    fn eq(&self, other: &Self) -> bool {
        let keys = |view: &Self| {
            let players = view.players;
            let ranked = view.ranked(0);
            ranked.map(move |(_, ranked)| (players.id(ranked.player), ranked.key))
        };
        self.place() == other.place()
            && self.window == other.window
            && self.len() == other.len()
            && keys(self).eq(keys(other))
    }
}
