//! Results of windows that are to be written down.

use huntcore_model::{BoardName, Catalog, HuntEntry, HuntNumber, PlayerId, TimeMicros};

use crate::players::Players;
use crate::ranking::Ranks;
use crate::shown::BoardVersion;
use crate::version::BoardsVersion;

/// What a window came to, and is to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardResult {
    /// Which hunt.
    pub hunt: HuntNumber,
    /// Which board.
    pub board: BoardName,
    /// From when on the window counted; of a whole hunt, its start.
    pub start: TimeMicros,
    /// Up to when; of a whole hunt, when it was closed or ended.
    pub end: TimeMicros,
    /// How many players were on it.
    pub players: u64,
    /// The best of them, best first, as many as the board's definition asks for.
    pub entries: Vec<(PlayerId, i64)>,
}

/// A window with results to be written, before anybody's id is looked up.
struct Found<'a> {
    hunt: HuntNumber,
    board: &'a BoardVersion,
    start: TimeMicros,
    end: TimeMicros,
    ranks: Ranks<'a>,
}

/// The results that [`BoardsVersion::due_results`] tells of.
pub(crate) fn due(version: &BoardsVersion, catalog: &Catalog, count: usize) -> Vec<BoardResult> {
    let mut found = Vec::new();
    for (number, hunt) in version.hunts.iter() {
        let number = HuntNumber::new(number);
        for board in &hunt.boards {
            let board = &*board.counted;
            if board.definition().results == 0 {
                continue;
            }
            if !board.rule.is_whole() {
                found.extend(windows(number, board).take(count));
            } else if let Some(entry) = catalog.by_number(number)
                && let Some(end) = end_of(entry, hunt.is_over, version.time())
                && end > board.recorded_until
                && let Some((_, ranks)) = board.open.first()
                && ranks.ranks().len() > 0
            {
                found.push(Found {
                    hunt: number,
                    board,
                    start: entry.starts_at.min(end),
                    end,
                    ranks: ranks.ranks(),
                });
            }
        }
    }
    found.sort_by_key(|found| (found.end, found.board.key));
    let found = found.iter().take(count);
    found.map(|found| found.result(&version.players)).collect()
}

/// Final windows without results, oldest first. A window that nobody is left in writes none.
fn windows(hunt: HuntNumber, board: &BoardVersion) -> impl Iterator<Item = Found<'_>> {
    let kept = &board.kept;
    let recorded = kept.partition_point(|window| window.recorded_at.is_some());
    let due = kept.range(recorded..);
    let due = due.filter(|window| window.recorded_at.is_none() && window.ranking.len() > 0);
    due.map(move |window| Found {
        hunt,
        board,
        start: window.span.start,
        end: window.span.end,
        ranks: Ranks::Frozen(&window.ranking),
    })
}

/// When a hunt ended, if nothing comes any more: it is over in every stream, or its end and the
/// longest claim window have passed, as is the case then for a hunt that was not closed.
fn end_of(hunt: &HuntEntry, is_over: bool, time: TimeMicros) -> Option<TimeMicros> {
    let ended = hunt.ends_at.filter(|ends_at| {
        let windows_ms = hunt.versions.iter();
        let windows_ms = windows_ms.map(|version| version.config.claim_window_ms);
        ends_at.plus_millis(windows_ms.max().unwrap_or(0)) <= time
    });
    let closed = hunt.closed_at.filter(|_| is_over);
    match (ended, closed) {
        (Some(ended), Some(closed)) => Some(ended.min(closed)),
        (ended, closed) => ended.or(closed),
    }
}

impl Found<'_> {
    fn result(&self, players: &Players) -> BoardResult {
        let count = usize::from(self.board.definition().results);
        let entries = self.ranks.iter_from(0).take(count);
        let order = self.ranks.order();
        BoardResult {
            hunt: self.hunt,
            board: self.board.key.name,
            start: self.start,
            end: self.end,
            players: self.ranks.len() as u64,
            entries: entries
                .map(|ranked| (players.id(ranked.player).clone(), ranked.key.score(order)))
                .collect(),
        }
    }
}
