//! Results of windows against the boards that they are of.
//!
//! Results are made from some published version in which the window was final, and written a
//! little later. Which version that was the log does not say, but it says enough:
//!
//! - By the minimum-time rule that version held all that every stream has from before the
//!   window was final, so but for corrections the window is the same in every later version.
//! - It held nothing from behind the record's own time: all streams are written by one clock.
//!
//! So a record is held against the first version in which its window is final and that comes
//! with it or after it, once every stream has passed the record's time. Corrections from
//! between the two times may have been in the results or not: whom they are about is left out
//! of both sides, and all others have to stand there as on the board, in its order. A board
//! that was defined anew between the two times is not compared, and neither is a window that
//! has made room for newer ones.
//!
//! On a board of a whole hunt nothing is counted once the hunt is over, so any later version
//! will do, unless the hunt's end was moved since.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use huntcore_board::{BoardView, Boards, BoardsVersion, WindowError};
use huntcore_model::{
    BoardClosedRecord, BoardName, HuntNumber, PlayerId, Sequence, TimeMicros, WindowRule,
};

use crate::fault::{Fault, Place, text};
use crate::report::BoardsReport;

/// What a batch says that results depend on.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) time: TimeMicros,
    pub(crate) results: Vec<Recorded>,
    /// Whom corrections are about.
    pub(crate) corrected: Vec<(HuntNumber, PlayerId)>,
    /// Hunts that were given other boards.
    pub(crate) redefined: Vec<HuntNumber>,
    /// Hunts that end at another time.
    pub(crate) end_moved: Vec<HuntNumber>,
}

/// A window's results, as they stand in the log.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) at: Place,
    /// The time of the batch.
    pub(crate) time: TimeMicros,
    pub(crate) name: String,
    pub(crate) hunt: HuntNumber,
    pub(crate) board: BoardName,
    pub(crate) start: TimeMicros,
    pub(crate) end: TimeMicros,
    pub(crate) players: u64,
    /// `None` for whoever is erased.
    pub(crate) entries: Vec<(Option<PlayerId>, i64)>,
}

/// Results that wait for their window, or for every stream to pass them.
#[derive(Debug, Default)]
pub(crate) struct Closings {
    waiting: Vec<Waiting>,
    corrected: BTreeMap<HuntNumber, Vec<(TimeMicros, PlayerId)>>,
    /// Each board's generation, and the time of the first batch with it.
    generations: BTreeMap<(HuntNumber, BoardName), (Sequence, TimeMicros)>,
    end_moved: BTreeMap<HuntNumber, TimeMicros>,
}

#[derive(Debug)]
struct Waiting {
    recorded: Recorded,
    /// The first one in which the window is final.
    version: Option<Arc<BoardsVersion>>,
}

/// What a version says of a window.
enum Looked<'a> {
    Final(BoardView<'a>),
    Open,
    /// The board has no window that starts there.
    NoStart,
    /// It is not there any more.
    Gone,
}

/// What is wrong with results.
struct Difference {
    what: String,
    expected: String,
    found: String,
}

impl Recorded {
    pub(crate) fn new(
        (at, time): (Place, TimeMicros),
        name: String,
        record: &BoardClosedRecord,
        entries: Vec<(Option<PlayerId>, i64)>,
    ) -> Self {
        Self {
            at,
            time,
            name,
            hunt: record.hunt,
            board: record.board,
            start: record.start,
            end: record.end,
            players: record.players,
            entries,
        }
    }

    fn look<'a>(&self, version: &'a BoardsVersion) -> Looked<'a> {
        let Some(defined) = version.defined(self.hunt, self.board) else {
            return Looked::Gone;
        };
        if defined.definition.window == WindowRule::Whole {
            return match version.board(self.hunt, self.board) {
                Some(view) if version.time() > self.time => Looked::Final(view),
                _ => Looked::Open,
            };
        }
        match version.window(self.hunt, self.board, self.start) {
            Ok(view) if view.window().is_final => Looked::Final(view),
            Ok(_) | Err(WindowError::NotYet { .. }) => Looked::Open,
            Err(WindowError::NoStart { .. }) => Looked::NoStart,
            Err(_) => Looked::Gone,
        }
    }

    fn fault(&self, difference: Difference) -> Fault {
        Fault::ResultsDiffer {
            at: self.at,
            hunt: self.name.clone(),
            board: self.board.to_string(),
            start: self.start,
            end: self.end,
            what: difference.what,
            expected: difference.expected,
            found: difference.found,
        }
    }
}

impl Closings {
    /// Takes what a batch says that the boards have just applied.
    pub(crate) fn take(&mut self, said: Said, boards: &mut Boards, report: &mut BoardsReport) {
        for (hunt, player) in said.corrected {
            let of_hunt = self.corrected.entry(hunt).or_default();
            of_hunt.push((said.time, player));
        }
        for hunt in said.end_moved {
            self.end_moved.insert(hunt, said.time);
        }
        for hunt in said.redefined {
            for defined in boards.publish().boards(hunt) {
                let key = (hunt, defined.definition.name);
                let known = self.generations.get(&key);
                if known.is_none_or(|(generation, _)| *generation != defined.defined_at) {
                    self.generations
                        .insert(key, (defined.defined_at, said.time));
                }
            }
        }
        let results = said.results.into_iter();
        self.waiting.extend(results.map(|recorded| Waiting {
            recorded,
            version: None,
        }));
        if !self.waiting.is_empty() {
            self.settle(boards, report);
        }
    }

    /// Judges what every stream has passed.
    fn settle(&mut self, boards: &mut Boards, report: &mut BoardsReport) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain_mut(|waiting| {
            if waiting.version.is_none() {
                let version = boards.publish();
                match waiting.recorded.look(&version) {
                    Looked::Open => return true,
                    Looked::Gone => return false,
                    Looked::Final(_) | Looked::NoStart => waiting.version = Some(version),
                }
            }
            let is_passed = boards.time() > waiting.recorded.time;
            if let Some(version) = waiting.version.as_ref().filter(|_| is_passed) {
                self.judge(&waiting.recorded, version, report);
            }
            !is_passed
        });
        self.waiting = waiting;
    }

    /// The end of all batches, of which none is missing: no correction comes any more.
    pub(crate) fn finish(mut self, boards: &mut Boards, report: &mut BoardsReport) {
        let last = boards.publish();
        for waiting in std::mem::take(&mut self.waiting) {
            let recorded = &waiting.recorded;
            if let Some(version) = &waiting.version {
                self.judge(recorded, version, report);
                continue;
            }
            let definition = last.defined(recorded.hunt, recorded.board);
            if definition.is_some_and(|it| it.definition.window == WindowRule::Whole) {
                self.judge(recorded, &last, report);
            } else if matches!(recorded.look(&last), Looked::Open) {
                report.fault(recorded.fault(Difference {
                    what: "the window".to_owned(),
                    expected: format!("not final, as some stream ends at {}", text(last.time())),
                    found: "closed".to_owned(),
                }));
            }
        }
    }

    fn judge(&self, recorded: &Recorded, version: &BoardsVersion, report: &mut BoardsReport) {
        let Some(defined) = version.defined(recorded.hunt, recorded.board) else {
            return;
        };
        let definition = &defined.definition;
        let is_whole = definition.window == WindowRule::Whole;
        // All from before it was counted in.
        let from = recorded.end.plus_millis(definition.lateness_ms());
        let generation = self.generations.get(&(recorded.hunt, recorded.board));
        let end_moved = self.end_moved.get(&recorded.hunt);
        if generation.is_some_and(|&(_, since)| since >= from)
            || (is_whole && end_moved.is_some_and(|&moved| moved >= from))
        {
            return;
        }
        let difference = match recorded.look(version) {
            Looked::Gone => return,
            Looked::NoStart => Some(Difference {
                what: "the window".to_owned(),
                expected: "none that starts there".to_owned(),
                found: format!("one from {}", text(recorded.start)),
            }),
            Looked::Final(view) => self.compare(recorded, &view, version, from),
            Looked::Open => {
                let view = version.board(recorded.hunt, recorded.board);
                view.and_then(|view| self.compare(recorded, &view, version, from))
            }
        };
        report.results_compared += 1;
        if let Some(difference) = difference {
            report.fault(recorded.fault(difference));
        }
    }

    fn compare(
        &self,
        recorded: &Recorded,
        view: &BoardView<'_>,
        version: &BoardsVersion,
        from: TimeMicros,
    ) -> Option<Difference> {
        if let Some(end) = view.window().end
            && end != recorded.end
        {
            return Some(Difference {
                what: "the window".to_owned(),
                expected: format!("to {}", text(end)),
                found: format!("to {}", text(recorded.end)),
            });
        }
        let corrected = self.corrected.get(&recorded.hunt).into_iter().flatten();
        let corrected = corrected.filter(|(time, _)| *time >= from);
        let unsure: HashSet<&PlayerId> = corrected.map(|(_, player)| player).collect();
        // Boards leave out whoever was erased since.
        let has_erased = version.counters().records_erased > 0;
        let (shown, margin) = (view.len() as u64, unsure.len() as u64);
        let most = match has_erased {
            true => u64::MAX,
            false => shown.saturating_add(margin),
        };
        if !(shown.saturating_sub(margin)..=most).contains(&recorded.players) {
            return Some(Difference {
                what: "the number of players".to_owned(),
                expected: shown.to_string(),
                found: recorded.players.to_string(),
            });
        }
        let holds_all = recorded.entries.len() as u64 == recorded.players;
        let mut expected = view
            .entries(0)
            .map(|entry| (entry.player, entry.score))
            .filter(|(player, _)| !unsure.contains(player));
        for (rank, (player, score)) in (1..).zip(&recorded.entries) {
            let Some(player) = player.as_ref().filter(|player| !unsure.contains(player)) else {
                continue;
            };
            let expected = expected.next();
            if expected != Some((player, *score)) {
                return Some(differs(rank, expected, Some((player, *score))));
            }
        }
        let left_out = expected.next().filter(|_| holds_all)?;
        Some(differs(recorded.entries.len() + 1, Some(left_out), None))
    }
}

fn differs(
    rank: usize,
    expected: Option<(&PlayerId, i64)>,
    found: Option<(&PlayerId, i64)>,
) -> Difference {
    let line = |line: Option<(&PlayerId, i64)>| match line {
        Some((player, score)) => format!("{:?} with {score}", player.as_str()),
        None => "nobody".to_owned(),
    };
    Difference {
        what: format!("rank {rank}"),
        expected: line(expected),
        found: line(found),
    }
}
