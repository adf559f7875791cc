//! The one-second windows of all hunts: open ones that grow, final ones that are kept
//! until newer ones need their room.
//!
//! Windows become final, and are dropped, one by one in the order of (start, hunt). Doing
//! it one by one makes what is kept a function of what became final, and not of how far
//! time moved in each step; so it does not depend on how streams interleave.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use huntcore_model::{BoardOperator, BoardOrder, HuntNumber, TimeMicros};

use crate::limits::BoardLimits;
use crate::ranking::Frozen;
use crate::tally::Tally;

/// How long a window is.
pub(crate) const WINDOW_MICROS: u64 = 1_000_000;

/// One hunt's windows.
#[derive(Clone, Debug, Default)]
pub(crate) struct HuntWindows {
    pub(crate) open: BTreeMap<TimeMicros, Tally>,
    pub(crate) kept: Arc<VecDeque<FinalWindow>>,
    /// Where the newest dropped window ended.
    pub(crate) dropped_before: TimeMicros,
}

/// A window that will not change any more.
#[derive(Clone, Debug)]
pub(crate) struct FinalWindow {
    pub(crate) start: TimeMicros,
    pub(crate) ranking: Arc<Frozen>,
}

/// What all hunts' windows take together, and which comes next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agenda {
    open: BTreeSet<(TimeMicros, HuntNumber)>,
    // Final windows that a newer one of their hunt has followed.
    droppable: BTreeSet<(TimeMicros, HuntNumber)>,
    final_entries: usize,
}

/// The start of the window that `time` falls into.
pub(crate) const fn window_start(time: TimeMicros) -> TimeMicros {
    TimeMicros::new(time.get() - time.get() % WINDOW_MICROS)
}

/// The end, exclusive, of the window that starts at `start`.
pub(crate) const fn window_end(start: TimeMicros) -> TimeMicros {
    TimeMicros::new(start.get().saturating_add(WINDOW_MICROS))
}

impl HuntWindows {
    fn drop_oldest(&mut self) -> FinalWindow {
        let kept = Arc::make_mut(&mut self.kept);
        let oldest = kept.pop_front().expect("a droppable window is kept");
        self.dropped_before = window_end(oldest.start);
        oldest
    }
}

impl Agenda {
    /// The window that `time` falls into, opened if it is not there.
    pub(crate) fn window<'a>(
        &mut self,
        hunt: HuntNumber,
        windows: &'a mut HuntWindows,
        time: TimeMicros,
    ) -> &'a mut Tally {
        let start = window_start(time);
        windows.open.entry(start).or_insert_with(|| {
            self.open.insert((start, hunt));
            Tally::new(BoardOperator::Max, BoardOrder::Descending)
        })
    }

    /// The oldest open window, if it ends at `time` or earlier.
    pub(crate) fn next_final(&self, time: TimeMicros) -> Option<(TimeMicros, HuntNumber)> {
        let &next = self.open.first()?;
        (window_end(next.0) <= time).then_some(next)
    }

    /// Makes what [`Self::next_final`] told final and keeps it.
    pub(crate) fn finish(
        &mut self,
        hunt: HuntNumber,
        windows: &mut HuntWindows,
        start: TimeMicros,
    ) {
        self.open.remove(&(start, hunt));
        let tally = windows.open.remove(&start).expect("open windows exist");
        self.keep(hunt, windows, start, tally.freeze());
    }

    /// Keeps a final window that is newer than its hunt's others.
    pub(crate) fn keep(
        &mut self,
        hunt: HuntNumber,
        windows: &mut HuntWindows,
        start: TimeMicros,
        ranking: Frozen,
    ) {
        self.final_entries += ranking.len();
        if let Some(newest) = windows.kept.back() {
            self.droppable.insert((newest.start, hunt));
        }
        let ranking = Arc::new(ranking);
        Arc::make_mut(&mut windows.kept).push_back(FinalWindow { start, ranking });
    }

    /// Takes up a window that a checkpoint holds as open.
    pub(crate) fn reopen(
        &mut self,
        hunt: HuntNumber,
        windows: &mut HuntWindows,
        start: TimeMicros,
        tally: Tally,
    ) {
        self.open.insert((start, hunt));
        windows.open.insert(start, tally);
    }

    /// Drops the hunt's oldest final window if it has more than its share.
    pub(crate) fn drop_of_hunt(
        &mut self,
        limits: &BoardLimits,
        hunt: HuntNumber,
        windows: &mut HuntWindows,
    ) -> bool {
        if windows.kept.len() <= limits.windows_max.max(1) {
            return false;
        }
        self.drop_oldest(hunt, windows);
        true
    }

    /// The hunt whose oldest final window has to make room, if there are too many entries.
    pub(crate) fn over_limit(&self, limits: &BoardLimits) -> Option<HuntNumber> {
        if self.final_entries <= limits.window_entries_max {
            return None;
        }
        self.droppable.first().map(|&(_, hunt)| hunt)
    }

    /// Drops the oldest final window of a hunt that has a newer one.
    pub(crate) fn drop_oldest(&mut self, hunt: HuntNumber, windows: &mut HuntWindows) {
        let oldest = windows.drop_oldest();
        self.droppable.remove(&(oldest.start, hunt));
        self.final_entries -= oldest.ranking.len();
    }
}
