//! Making versions: which boards are brought up to date, and how.

use std::collections::BTreeSet;
use std::sync::Arc;

use huntcore_model::{BoardName, HuntNumber, Position, RefreshMode, TimeMicros};

use crate::boards::Boards;
use crate::closings::Closings;
use crate::hunt::Hunt;
use crate::radix::Radix;
use crate::ranking::Ranks;
use crate::shown::{BoardVersion, HuntVersion, OpenRanks, ShownBoard};
use crate::version::BoardsVersion;

/// Who says how boards are brought up to date, and hears of it.
///
/// Asked for each board that has changed since it was last shown, whenever a version is made.
pub trait Refresher {
    /// What to do with a board now.
    fn refresh(&mut self, hunt: HuntNumber, board: BoardName) -> Refresh;

    /// A board was made in this mode: what was done since the last of these calls, or since
    /// the version was begun, was for that.
    fn refreshed(&mut self, hunt: HuntNumber, board: BoardName, mode: RefreshMode);

    /// Both modes' results were compared: on so many ranks they differ.
    fn compared(&mut self, hunt: HuntNumber, board: BoardName, differences: u64);
}

/// What to do with a board that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// How it is brought up to date; `None`: not now. It stays as it is shown, and is asked
    /// for again.
    pub mode: Option<RefreshMode>,
    /// Whether it is made the other way too, and compared.
    pub shadow: bool,
}

/// Moves what has changed, and compares nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Incremental;

impl Refresher for Incremental {
    fn refresh(&mut self, _: HuntNumber, _: BoardName) -> Refresh {
        Refresh {
            mode: Some(RefreshMode::Incremental),
            shadow: false,
        }
    }

    fn refreshed(&mut self, _: HuntNumber, _: BoardName, _: RefreshMode) {}

    fn compared(&mut self, _: HuntNumber, _: BoardName, _: u64) {}
}

/// What was published last.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    versions: Radix<Arc<HuntVersion>>,
    newest: Option<Arc<BoardsVersion>>,
    /// Something was applied since.
    pub(crate) is_stale: bool,
    /// Hunts with boards that are shown as they were before.
    behind: BTreeSet<HuntNumber>,
}

impl Default for Published {
    fn default() -> Self {
        Self {
            versions: Radix::new(),
            newest: None,
            is_stale: true,
            behind: BTreeSet::new(),
        }
    }
}

impl Boards {
    /// The boards as they are, as a version that never changes.
    ///
    /// Costs as much as the players who scored and the boards that changed since the last
    /// one, whatever they hold. The same version again if nothing was applied since.
    pub fn publish(&mut self) -> Arc<BoardsVersion> {
        self.publish_by(&mut Incremental)
    }

    /// The same, each board as `refresher` says.
    ///
    /// A board that is ranked anew costs as much as sorting all who are on it, besides what
    /// bringing it up to date costs: that goes on, so that one may go back to it at once. One
    /// that is not brought up to date now is shown as it was, with the position that it had
    /// then; a board that was never shown is always brought up to date.
    pub fn publish_by(&mut self, refresher: &mut impl Refresher) -> Arc<BoardsVersion> {
        let published = &self.published;
        if let Some(newest) = &published.newest
            && !published.is_stale
            && published.behind.is_empty()
        {
            return Arc::clone(newest);
        }
        let before = self.published.newest.take();
        let shown_at = before.as_ref().map(|newest| Arc::clone(&newest.position));
        let mut is_new = self.published.is_stale;
        let mut numbers = std::mem::take(&mut self.published.behind);
        numbers.extend(self.changed.drain(..));
        let position = Arc::new(self.position());
        for number in numbers {
            let hunt = self.hunts.get_mut(&number).expect("a changed hunt exists");
            let known = self.published.versions.get(number.get()).map(Arc::clone);
            let mut making = Making {
                agenda: &mut self.agenda,
                refresher,
                known: known.as_deref(),
                shown_at: shown_at.as_ref(),
                position: &position,
                is_behind: false,
                is_new: known.is_none() || hunt.is_changed,
            };
            let boards = making.boards(hunt);
            is_new |= making.is_new;
            if making.is_behind {
                self.published.behind.insert(number);
            }
            hunt.is_changed = false;
            let version = HuntVersion {
                boards,
                is_over: hunt.is_over(),
            };
            let versions = &mut self.published.versions;
            versions.insert(number.get(), Arc::new(version));
        }
        self.pending = 0;
        self.published.is_stale = false;
        let newest = match before {
            Some(newest) if !is_new => newest,
            _ => Arc::new(BoardsVersion {
                position,
                time: self.time,
                players: self.players.clone(),
                hunts: self.published.versions.clone(),
                counters: self.counters,
            }),
        };
        self.published.newest = Some(Arc::clone(&newest));
        newest
    }
}

/// One hunt's boards in the making.
struct Making<'a, R> {
    agenda: &'a mut crate::agenda::Agenda,
    refresher: &'a mut R,
    known: Option<&'a HuntVersion>,
    shown_at: Option<&'a Arc<Position>>,
    position: &'a Arc<Position>,
    is_behind: bool,
    is_new: bool,
}

impl<R: Refresher> Making<'_, R> {
    fn boards(&mut self, hunt: &mut Hunt) -> Vec<ShownBoard> {
        let shown: Vec<_> = hunt.shown().map(|board| board.key).collect();
        let mut boards = Vec::with_capacity(shown.len());
        for board in &mut hunt.boards {
            let was_changed = std::mem::take(&mut board.is_changed);
            if was_changed {
                board.flush(self.agenda);
            }
            if !shown.contains(&board.key) {
                continue;
            }
            let known = self.known.map_or(&[][..], |known| &known.boards);
            let known = known.iter().find(|known| known.counted.key == board.key);
            let known = known.cloned();
            let counted = match &known {
                Some(known) if !was_changed => Arc::clone(&known.counted),
                _ => {
                    let closings = hunt.closings.get(&board.key.name);
                    let recorded_until = closings.map_or(TimeMicros::ZERO, Closings::newest);
                    let changed = Arc::clone(self.position);
                    let corrected = &hunt.corrected;
                    Arc::new(BoardVersion::of(board, corrected, recorded_until, changed))
                }
            };
            boards.push(self.board(known, counted, was_changed));
        }
        boards
    }

    /// A board as it is shown next.
    fn board(
        &mut self,
        known: Option<ShownBoard>,
        counted: Arc<BoardVersion>,
        was_changed: bool,
    ) -> ShownBoard {
        let is_current = |known: &ShownBoard| !was_changed && known.as_of.is_none();
        let (hunt, name) = (counted.key.hunt, counted.key.name);
        match known {
            Some(known) if is_current(&known) => known,
            Some(known) => {
                let refresh = self.refresher.refresh(hunt, name);
                match refresh.mode {
                    Some(RefreshMode::Incremental) | Some(RefreshMode::Rebuild) => {
                        self.is_new = true;
                        self.made(counted, refresh)
                    }
                    mode => {
                        if mode.is_some() && refresh.shadow {
                            self.shadow(&counted);
                        }
                        self.is_behind = true;
                        let as_of = known.as_of.or_else(|| self.shown_at.cloned());
                        ShownBoard {
                            shown: known.shown,
                            as_of,
                            counted,
                        }
                    }
                }
            }
            // Never shown: it has to begin with something.
            None => {
                self.is_new = true;
                let refresh = self.refresher.refresh(hunt, name);
                self.made(counted, refresh)
            }
        }
    }

    fn made(&mut self, counted: Arc<BoardVersion>, refresh: Refresh) -> ShownBoard {
        let (hunt, name) = (counted.key.hunt, counted.key.name);
        self.refresher
            .refreshed(hunt, name, RefreshMode::Incremental);
        let is_rebuilt = refresh.mode == Some(RefreshMode::Rebuild);
        if !is_rebuilt && !refresh.shadow {
            return ShownBoard::of(counted);
        }
        let anew = counted.anew();
        self.refresher.refreshed(hunt, name, RefreshMode::Rebuild);
        if refresh.shadow {
            let differences = differences(&counted, &anew);
            self.refresher.compared(hunt, name, differences);
        }
        match is_rebuilt {
            true => ShownBoard {
                shown: Arc::new(anew),
                as_of: None,
                counted,
            },
            false => ShownBoard::of(counted),
        }
    }

    /// Compares both modes, neither of which is shown.
    fn shadow(&mut self, counted: &BoardVersion) {
        let (hunt, name) = (counted.key.hunt, counted.key.name);
        let anew = counted.anew();
        self.refresher.refreshed(hunt, name, RefreshMode::Rebuild);
        let differences = differences(counted, &anew);
        self.refresher.compared(hunt, name, differences);
    }
}

impl BoardVersion {
    /// The same board, all who are in windows that go on ranked anew from their scores.
    fn anew(&self) -> Self {
        let open = self.open.iter().map(|(span, ranks)| {
            let anew = match ranks {
                OpenRanks::Growing(ranking) => Arc::new(ranking.ranked_anew()),
                OpenRanks::Anew(frozen) => Arc::clone(frozen),
            };
            (*span, OpenRanks::Anew(anew))
        });
        Self {
            key: self.key,
            defined: Arc::clone(&self.defined),
            rule: Arc::clone(&self.rule),
            open: open.collect(),
            kept: Arc::clone(&self.kept),
            dropped_before: self.dropped_before,
            late: Arc::clone(&self.late),
            corrected: Arc::clone(&self.corrected),
            changed: Arc::clone(&self.changed),
            recorded_until: self.recorded_until,
        }
    }
}

/// On how many ranks two results differ.
fn differences(one: &BoardVersion, other: &BoardVersion) -> u64 {
    let windows = one.open.iter().zip(&other.open);
    let differences =
        windows.map(|((_, one), (_, other))| ranks_differing(one.ranks(), other.ranks()));
    differences.sum()
}

fn ranks_differing(one: Ranks<'_>, other: Ranks<'_>) -> u64 {
    let pairs = one.iter_from(0).zip(other.iter_from(0));
    let differing = pairs.filter(|(one, other)| one != other).count();
    differing as u64 + one.len().abs_diff(other.len()) as u64
}
