//! One board of one published version, to read.

use std::fmt;
use std::str::FromStr;

use huntcore_model::{BoardOrder, HuntNumber, PlayerId, TimeMicros};

use crate::cursor::{BoardPlace, Cursor, CursorError};
use crate::key::Ranked;
use crate::players::Players;
use crate::ranking::Ranks;

/// One board, or one window of it, as it was when its version was published.
///
/// Reading takes no lock and nothing that happens later changes it.
#[derive(Clone, Copy, Debug)]
pub struct BoardView<'a> {
    pub(crate) hunt: HuntNumber,
    pub(crate) name: BoardName,
    pub(crate) window: Window,
    pub(crate) ranks: Ranks<'a>,
    pub(crate) players: &'a Players,
}

/// The built-in boards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BoardName {
    /// The sum of the points of a player's claims.
    Total,
    /// A player's highest score event.
    Best,
    /// A player's highest score event within one second.
    Second,
}

/// The span of time that a board covers: from the start on, up to but without the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// `None` on boards of a whole hunt.
    pub start: Option<TimeMicros>,
    /// `None` on boards of a whole hunt.
    pub end: Option<TimeMicros>,
    /// Nothing will change any more. Boards of a whole hunt never say so.
    pub is_final: bool,
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

/// No board has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no board is called {found:?}, expected total, best or second")]
pub struct BoardNameError {
    found: String,
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
        self.name
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
    /// depth. A cursor of another hunt, board or window is refused.
    pub fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page<'a>, CursorError> {
        let place = self.place();
        let skip = match cursor {
            None => 0,
            Some(cursor) => self.ranks.count_through(cursor.key_on(place)?),
        };
        let mut last = None;
        let entries: Vec<_> = self
            .ranked(skip)
            .take(limit)
            .inspect(|(_, ranked)| last = Some(ranked.key))
            .map(|(rank, ranked)| entry(self.players, self.ranks.order(), rank, ranked))
            .collect();
        let more = skip + entries.len() < self.len();
        let next = last.filter(|_| more).map(|key| Cursor::after(place, key));
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

    /// What a cursor of this board is bound to.
    #[must_use]
    pub const fn place(&self) -> BoardPlace {
        BoardPlace {
            hunt: self.hunt,
            board: self.name,
            window: self.window.start,
        }
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

impl BoardName {
    /// Every board, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::Total, Self::Best, Self::Second];

    /// The public name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Best => "best",
            Self::Second => "second",
        }
    }
}

impl fmt::Display for BoardName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for BoardName {
    type Err = BoardNameError;

    fn from_str(text: &str) -> Result<Self, BoardNameError> {
        let found = Self::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| BoardNameError {
            found: text.chars().take(80).collect(),
        })
    }
}

impl Window {
    pub(crate) const WHOLE: Self = Self {
        start: None,
        end: None,
        is_final: false,
    };
}
