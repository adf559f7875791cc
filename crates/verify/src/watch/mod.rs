//! Whether a board blinks (I6), seen from outside: from the pages that were published, in the
//! order in which somebody saw them.
//!
//! What is shown may only move forward. Nobody leaves the top of a board but by being
//! overtaken, no best score falls, no position goes back, whatever the server behind it goes
//! through: restarts, checkpoints, another way of refreshing. Three things look like a blink
//! and are none, and each is told by what a page says of itself: another window, a board
//! defined anew, a logged correction.
//!
//! It knows nothing of the log: whether the scores are the right ones is for
//! [`Verifier`](crate::Verifier).

mod blink;
mod page;

pub use blink::Blink;
pub use page::{BoardPage, PageEntry, PageWindow};

use std::collections::{BTreeMap, HashMap, HashSet};

use huntcore_model::{BoardOperator, BoardOrder, BoardSource, PlayerId, Position, TimeMicros};

/// Blinks listed; all are counted.
pub const BLINKS_MAX: usize = 100;
/// Windows that are held in mind; beyond that the oldest are forgotten.
const WINDOWS_MAX: usize = 256;

/// What may be expected of a board besides that it goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardPromise {
    /// Which scores come first.
    pub order: BoardOrder,
    /// Whether a player's score can only get better: so for a maximum, best highest, for a
    /// count, for a sum of claims. Where it can get worse, players may leave the top without
    /// being overtaken.
    pub improves: bool,
    /// Whether every page was asked for without naming a window, and so shows the newest
    /// one (or the one that covers the whole hunt): then windows only move forward, too.
    pub newest: bool,
    /// Whether players with the same score stay in the order in which they reached it. Not so
    /// where a player may reach the same score again in another stream, which may be read late
    /// and say that it was earlier.
    pub equals_stay: bool,
    /// Which definition of the board all but windows is promised of; `None`: of all.
    pub generation: Option<u64>,
}

/// Follows the pages of one board, as one reader sees them.
///
/// Pages are the top of the board: its first entries, as many as were asked for. They may be
/// of any windows in any turn.
#[derive(Debug)]
pub struct BoardWatch {
    promise: BoardPromise,
    generation: u64,
    position: Position,
    /// Whether there was no board the last time.
    is_gone: bool,
    newest: Option<TimeMicros>,
    /// By the window's start; the whole hunt's is before all others.
    last: BTreeMap<Option<TimeMicros>, BoardPage>,
    report: WatchReport,
}

/// What a watch has seen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct WatchReport {
    /// Pages looked at.
    pub pages: u64,
    /// Of those, how many showed more than the page before: their position had moved.
    pub versions: u64,
    /// Different windows, the whole hunt's included.
    pub windows: u64,
    /// How often the board was defined anew.
    pub generations: u64,
    /// Pages that counted more corrections in than the one before.
    pub corrections: u64,
    /// All that should not have been seen.
    pub blinks_total: u64,
    /// The first [`BLINKS_MAX`] of it.
    pub blinks: Vec<Blink>,
}

impl BoardPromise {
    /// What follows from what a board counts, for pages of its newest window.
    #[must_use]
    pub const fn of(from: BoardSource, operator: BoardOperator, order: BoardOrder) -> Self {
        let improves = match (operator, order) {
            (BoardOperator::Max | BoardOperator::Count, BoardOrder::Descending)
            | (BoardOperator::Min, BoardOrder::Ascending) => true,
            // Points are never less than nothing; the scores of events may be.
            (BoardOperator::Sum, BoardOrder::Descending) => matches!(from, BoardSource::Claims),
            _ => false,
        };
        // A player's events all come from one stream, claims from any; each adds to a sum.
        let is_reached_again = matches!(
            operator,
            BoardOperator::Max | BoardOperator::Min | BoardOperator::Last
        );
        Self {
            order,
            improves,
            newest: true,
            equals_stay: matches!(from, BoardSource::Events) || !is_reached_again,
            generation: None,
        }
    }
}

impl BoardWatch {
    /// Nothing seen so far.
    #[must_use]
    pub fn new(promise: BoardPromise) -> Self {
        Self {
            promise,
            generation: 0,
            position: Position::start(),
            is_gone: false,
            newest: None,
            last: BTreeMap::new(),
            report: WatchReport::default(),
        }
    }

    /// What was seen so far.
    #[must_use]
    pub const fn report(&self) -> &WatchReport {
        &self.report
    }

    /// Ends the watch.
    #[must_use]
    pub fn finish(self) -> WatchReport {
        self.report
    }

    /// Takes the next page; returns how many blinks it shows.
    pub fn see(&mut self, page: BoardPage) -> u64 {
        let before = self.report.blinks_total;
        self.is_gone = false;
        self.report.pages += 1;
        self.report.versions += u64::from(page.position != self.position);
        if !page.position.covers(&self.position) {
            let (before, found) = (self.position.to_string(), page.position.to_string());
            self.blink(Blink::PositionWentBack { before, found });
        }
        self.position.merge(&page.position);
        self.check_in_itself(&page);
        if self.goes_on(&page) {
            let window = page.window.map(|window| window.start);
            if let Some(last) = self.last.remove(&window) {
                self.compare(&last, &page);
            } else {
                self.report.windows += 1;
            }
            self.last.insert(window, page);
            while self.last.len() > WINDOWS_MAX {
                self.last.pop_first();
            }
        }
        self.report.blinks_total - before
    }

    /// Takes note that there is no page: no such board, or nobody in any window of it. `listed`
    /// is the definition that the hunt's list of boards names, if it names the board. Returns how
    /// many blinks that is: none before the first page, and none of a board defined anew. However
    /// long it is gone, it is so once.
    pub fn see_none(&mut self, listed: Option<u64>) -> u64 {
        let is_another = listed.is_some_and(|listed| listed > self.generation);
        if self.report.pages == 0 || self.is_gone || is_another {
            return 0;
        }
        self.is_gone = true;
        let before = self.position.to_string();
        self.blink(Blink::Gone { before });
        1
    }

    /// Whether the page is of the board as it is now defined.
    fn goes_on(&mut self, page: &BoardPage) -> bool {
        if page.generation < self.generation {
            let (before, found) = (self.generation, page.generation);
            self.blink(Blink::GenerationWentBack { before, found });
            return false;
        }
        if page.generation > self.generation {
            // The first one is no change.
            self.report.generations += u64::from(!self.last.is_empty());
            self.generation = page.generation;
            self.last.clear();
            self.newest = None;
        }
        if self.promise.newest {
            let found = page.window.map(|window| window.start);
            if found < self.newest {
                let before = self.newest.unwrap_or_default();
                self.blink(Blink::WindowWentBack { before, found });
            }
            self.newest = self.newest.max(found);
        }
        true
    }

    /// A page's own order.
    fn check_in_itself(&mut self, page: &BoardPage) {
        let window = page.start();
        let mut players = HashSet::with_capacity(page.entries.len());
        for entry in &page.entries {
            if !players.insert(&entry.player) {
                let player = entry.player.to_string();
                self.blink(Blink::Twice { window, player });
            }
        }
        let is_promised = self.promises(page);
        for pair in page.entries.windows(2) {
            if is_promised && self.is_better(pair[1].score, pair[0].score) {
                let (player, score) = (pair[1].player.to_string(), pair[1].score);
                let behind = pair[0].score;
                self.blink(Blink::OutOfOrder {
                    window,
                    player,
                    score,
                    behind,
                });
            }
        }
        let shown = page.entries.len() as u64;
        let players = page.players;
        let expected = page
            .limit
            .map_or(shown.min(players), |limit| limit.min(players));
        if shown != expected {
            self.blink(Blink::Miscounted {
                window,
                shown,
                expected,
                players,
            });
        }
    }

    fn compare(&mut self, last: &BoardPage, page: &BoardPage) {
        let window = page.start();
        if last.is_final() && !page.is_final() {
            self.blink(Blink::OpenAgain { window });
        }
        if !page.corrected.covers(&last.corrected) {
            let (before, found) = (last.corrected.to_string(), page.corrected.to_string());
            self.blink(Blink::CorrectionLost {
                window,
                before,
                found,
            });
        }
        if page.corrected != last.corrected {
            // Whom it was about a page does not say: the rest of it is the new beginning.
            self.report.corrections += 1;
            return;
        }
        let improves = self.promise.improves && self.promises(page);
        let length = last.entries.len().min(page.entries.len());
        let same = last.entries[..length] == page.entries[..length] && last.players == page.players;
        if !same && last.is_final() {
            self.blink(Blink::FinalChanged { window });
        } else if !same && last.position == page.position {
            let position = page.position.to_string();
            self.blink(Blink::SamePositionDiffers { window, position });
        }
        if page.players < last.players {
            self.blink(Blink::FewerPlayers {
                window,
                before: last.players,
                found: page.players,
            });
        }
        let shown: HashMap<&PlayerId, i64> = page
            .entries
            .iter()
            .map(|entry| (&entry.player, entry.score))
            .collect();
        for (rank, entry) in last.entries.iter().enumerate() {
            let blink = match shown.get(&entry.player) {
                Some(&found) if improves && self.is_better(entry.score, found) => {
                    Blink::ScoreFell {
                        window,
                        player: entry.player.to_string(),
                        before: entry.score,
                        found,
                    }
                }
                Some(_) => continue,
                None if self.was_overtaken(rank, entry, last, page, &shown) => continue,
                None => Blink::Vanished {
                    window,
                    player: entry.player.to_string(),
                    rank: rank as u64 + 1,
                    score: entry.score,
                    last: page.entries.last().map(|entry| entry.score),
                    players: page.players,
                },
            };
            self.blink(blink);
        }
    }

    /// Whether there is room for someone who is not on a page to be behind its last entry.
    fn was_overtaken(
        &self,
        rank: usize,
        entry: &PageEntry,
        last: &BoardPage,
        page: &BoardPage,
        shown: &HashMap<&PlayerId, i64>,
    ) -> bool {
        let Some(end) = page.entries.last() else {
            return false;
        };
        if page.shows_all() {
            return false;
        }
        let improves = self.promise.improves && self.promises(page);
        if !improves || self.is_better(end.score, entry.score) {
            return true;
        }
        if end.score != entry.score {
            return false;
        }
        if !self.promise.equals_stay {
            return true;
        }
        // Of equals the earlier stands before the later. Whoever stood behind with the same
        // score still does; but nothing at all may be reached again by less.
        let equals_behind = last.entries[rank + 1..]
            .iter()
            .take_while(|behind| behind.score == entry.score);
        let mut still_there =
            equals_behind.filter(|behind| shown.get(&behind.player) == Some(&entry.score));
        entry.score == 0 || still_there.next().is_none()
    }

    /// Whether what is promised is promised of this page's definition.
    fn promises(&self, page: &BoardPage) -> bool {
        let generation = self.promise.generation;
        generation.is_none_or(|generation| generation == page.generation)
    }

    fn is_better(&self, a: i64, b: i64) -> bool {
        match self.promise.order {
            BoardOrder::Descending => a > b,
            BoardOrder::Ascending => a < b,
        }
    }

    fn blink(&mut self, blink: Blink) {
        self.report.blinks_total += 1;
        if self.report.blinks.len() < BLINKS_MAX {
            self.report.blinks.push(blink);
        }
    }
}
