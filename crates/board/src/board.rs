//! One board: a definition, its open windows that grow, and final ones that are kept.
//!
//! A board of a whole hunt is one window that never ends; nothing else sets it apart.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use huntcore_model::{
    BoardClock, BoardDefinition, BoardSource, DefinedBoard, Position, Sequence, ShardId, TimeMicros,
};

use crate::agenda::{Agenda, BoardKey, Deed, Due};
use crate::closings::Closings;
use crate::key::Place;
use crate::late::{Late, LateRecord};
use crate::limits::{BoardCounters, BoardLimits};
use crate::ranking::{Frozen, Ranks};
use crate::recall::RecentClaim;
use crate::rule::{DefinitionError, Rule, Span};
use crate::slate::{Counting, Slate, Undo, settle};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    pub(crate) key: BoardKey,
    pub(crate) defined: Arc<DefinedBoard>,
    pub(crate) rule: Arc<Rule>,
    pub(crate) counting: Counting,
    /// By stream: the records that go here.
    pub(crate) spans: Vec<Range<Sequence>>,
    pub(crate) open: BTreeMap<TimeMicros, OpenWindow>,
    pub(crate) kept: Arc<VecDeque<FinalWindow>>,
    /// Where the newest dropped window ended.
    pub(crate) dropped_before: TimeMicros,
    pub(crate) late: Arc<Late>,
    /// Just after each stream's last correction of this board alone.
    pub(crate) corrected: Arc<Position>,
    /// Every stream has dropped it; it goes at this time.
    pub(crate) leaves_at: Option<TimeMicros>,
    /// When its hunt is over; the end of time while some stream goes on.
    pub(crate) over_at: TimeMicros,
    pub(crate) is_changed: bool,
    cached: Span,
}

/// A window that still grows.
#[derive(Clone, Debug)]
pub(crate) struct OpenWindow {
    pub(crate) end: TimeMicros,
    pub(crate) slate: Slate,
    // What it counts for at the limit of open windows.
    counted: usize,
}

/// A window that nothing but a correction changes any more.
#[derive(Clone, Debug)]
pub(crate) struct FinalWindow {
    pub(crate) span: Span,
    pub(crate) ranking: Arc<Frozen>,
    pub(crate) undo: Arc<Undo>,
    /// What it counts for at the limits: as many players as were there when it was final.
    pub(crate) weight: usize,
    /// The time of the batch with its results, if they are written.
    pub(crate) recorded_at: Option<TimeMicros>,
}

/// A score event on its way to boards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scored<'a> {
    pub(crate) player: u32,
    pub(crate) score: i64,
    pub(crate) place: Place,
    pub(crate) batch_time: TimeMicros,
    pub(crate) sent_at: Option<TimeMicros>,
    pub(crate) event_type: &'a str,
    pub(crate) event_id: &'a str,
}

impl OpenWindow {
    pub(crate) const fn new(end: TimeMicros, slate: Slate) -> Self {
        Self {
            end,
            slate,
            counted: 0,
        }
    }

    /// Brings what it counts for at the limit up to date. A board of a whole hunt, which
    /// waiting for slow streams would not make any smaller, counts for nothing.
    pub(crate) fn account(&mut self, agenda: &mut Agenda) {
        if self.end < TimeMicros::MAX {
            let tally = &self.slate.tally;
            let entries = tally.len_max() + tally.beside().aside.len();
            agenda.open_entries = agenda.open_entries + entries - self.counted;
            self.counted = entries;
        }
    }
}

impl Board {
    /// An empty board that no stream has defined yet.
    pub(crate) fn new(
        key: BoardKey,
        defined: Arc<DefinedBoard>,
        shards: usize,
    ) -> Result<Self, DefinitionError> {
        let rule = Rule::of(&defined.definition)?;
        Ok(Self {
            key,
            rule: Arc::new(rule),
            counting: Counting::new(&defined.definition),
            defined,
            spans: vec![Sequence::new(u64::MAX)..Sequence::new(u64::MAX); shards],
            open: BTreeMap::new(),
            kept: Arc::default(),
            dropped_before: TimeMicros::ZERO,
            late: Arc::default(),
            corrected: Arc::default(),
            leaves_at: None,
            over_at: TimeMicros::MAX,
            is_changed: false,
            cached: Span::NONE,
        })
    }

    pub(crate) fn definition(&self) -> &BoardDefinition {
        &self.defined.definition
    }

    pub(crate) fn takes_claims(&self) -> bool {
        self.definition().from != BoardSource::Events
    }

    pub(crate) fn takes_events(&self) -> bool {
        self.definition().from != BoardSource::Claims
    }

    /// Whether a claim's points alone don't tell how to void it.
    pub(crate) fn needs_recall(&self) -> bool {
        self.takes_claims() && (self.counting.keeps_bases || !self.rule.is_whole())
    }

    /// Whether a record of a stream went here.
    pub(crate) fn took(&self, shard: ShardId, sequence: Sequence) -> bool {
        self.spans[usize::from(shard.get())].contains(&sequence)
    }

    /// When a window becomes final. One that never ends never is.
    pub(crate) fn final_at(&self, end: TimeMicros) -> TimeMicros {
        if end == TimeMicros::MAX {
            return end;
        }
        let final_at = end.plus_millis(self.definition().lateness_ms());
        // A window of a second ends while shards still tell of time: the clock alone says when.
        if self.key.name.is_built_in() {
            return final_at;
        }
        final_at.min(self.over_at)
    }

    /// The hunt is over then: no window waits any longer.
    pub(crate) fn end(&mut self, agenda: &mut Agenda, over_at: TimeMicros) {
        let due = |board: &Self, start, end| Due {
            at: board.final_at(end),
            deed: Deed::Finish,
            board: board.key,
            start,
        };
        let open = self.open.iter();
        let open: Vec<_> = open.map(|(&start, window)| (start, window.end)).collect();
        for &(start, end) in &open {
            agenda.remove(&due(self, start, end));
        }
        self.over_at = over_at;
        for &(start, end) in &open {
            agenda.add(due(self, start, end));
        }
    }

    /// Takes claims of one batch, each a player, points and place.
    pub(crate) fn put_claims(
        &mut self,
        agenda: &mut Agenda,
        disqualified: &BTreeSet<u32>,
        time: TimeMicros,
        claims: &[(u32, u32, Place)],
    ) {
        let span = self.span(time);
        self.window(agenda, span, |slate| slate.put_claims(disqualified, claims));
    }

    /// Takes a score event, if its type counts here.
    pub(crate) fn put_event(
        &mut self,
        agenda: &mut Agenda,
        disqualified: &BTreeSet<u32>,
        counters: &mut BoardCounters,
        event: &Scored<'_>,
    ) {
        let definition = self.definition();
        let types = &definition.event_types;
        if !types.is_empty() && !types.iter().any(|counts| counts == event.event_type) {
            return;
        }
        let time = match definition.clock {
            BoardClock::Server => event.batch_time,
            BoardClock::Event { .. } => {
                let sent_at = event.sent_at.unwrap_or(event.batch_time);
                sent_at.min(event.batch_time)
            }
        };
        let span = self.span(time);
        // What is late depends on the event's own batch alone, and a window that is final
        // has no others.
        if event.batch_time >= self.final_at(span.end) {
            counters.late_events += 1;
            let record = LateRecord {
                player: event.player,
                score: event.score,
                event_time: time,
                batch_time: event.batch_time,
                event_id: event.event_id.into(),
            };
            Arc::make_mut(&mut self.late).note(event.place, record);
            self.is_changed = true;
            return;
        }
        self.window(agenda, span, |slate| {
            slate.put(disqualified, (event.player, event.score, event.place));
        });
    }

    /// The window that `time` falls into, mostly the one of the record before.
    #[inline]
    fn span(&mut self, time: TimeMicros) -> Span {
        if !self.cached.contains(time) {
            let open = self.open.range(..=time).next_back();
            let open = open.map(|(&start, window)| Span {
                start,
                end: window.end,
            });
            let open = open.filter(|span| span.contains(time));
            self.cached = open.unwrap_or_else(|| self.rule.span(time));
        }
        self.cached
    }

    /// Does something in an open window, which begins if nobody was in it.
    #[inline]
    fn window(&mut self, agenda: &mut Agenda, span: Span, put: impl FnOnce(&mut Slate)) {
        self.is_changed = true;
        let counting = self.counting;
        if !self.open.contains_key(&span.start) {
            let slate = Slate::new(counting);
            self.begin(agenda, span, slate);
        }
        let window = self.open.get_mut(&span.start).expect("it has begun");
        put(&mut window.slate);
        window.account(agenda);
    }

    /// Takes a window up as one that grows.
    pub(crate) fn begin(&mut self, agenda: &mut Agenda, span: Span, slate: Slate) {
        agenda.add(Due {
            at: self.final_at(span.end),
            deed: Deed::Finish,
            board: self.key,
            start: span.start,
        });
        let mut window = OpenWindow::new(span.end, slate);
        window.account(agenda);
        self.open.insert(span.start, window);
    }

    /// Brings all rankings up to date.
    pub(crate) fn flush(&mut self, agenda: &mut Agenda) {
        for window in self.open.values_mut() {
            if window.slate.tally.pending() > 0 {
                window.slate.tally.flush();
                window.account(agenda);
            }
        }
    }

    /// Makes a window final.
    pub(crate) fn finish(
        &mut self,
        agenda: &mut Agenda,
        closings: Option<&Closings>,
        start: TimeMicros,
    ) {
        let Some(window) = self.open.remove(&start) else {
            return;
        };
        self.is_changed = true;
        agenda.open_entries -= window.counted;
        let (end, mut slate) = (window.end, window.slate);
        slate.tally.flush();
        let weight = slate.weight();
        // Whatever was written before the window was final is as good as written then: when
        // exactly is not remembered for ever.
        let written_at = closings.and_then(|closings| closings.written_at(end));
        let final_at = self.final_at(end);
        let recorded_at = written_at.map(|written_at| match written_at < final_at {
            true => TimeMicros::ZERO,
            false => written_at,
        });
        let (ranking, undo) = slate.freeze();
        let window = FinalWindow {
            span: Span { start, end },
            ranking: Arc::new(ranking),
            undo: Arc::new(undo),
            weight,
            recorded_at,
        };
        self.keep(agenda, window);
    }

    /// Keeps a final window that is newer than the others.
    pub(crate) fn keep(&mut self, agenda: &mut Agenda, window: FinalWindow) {
        debug_assert!(window.span.end < TimeMicros::MAX);
        let before = self
            .kept
            .back()
            .map(|last| (last.span.end, last.span.start));
        agenda.keep(self.key, window.weight, before);
        self.expire_later(agenda, &window);
        Arc::make_mut(&mut self.kept).push_back(window);
    }

    fn expire_later(&self, agenda: &mut Agenda, window: &FinalWindow) {
        if let Some(at) = self.expires_at(window) {
            agenda.add(Due {
                at,
                deed: Deed::Expire,
                board: self.key,
                start: window.span.start,
            });
        }
    }

    /// When a final window was kept for long enough; `None` until its results are written.
    fn expires_at(&self, window: &FinalWindow) -> Option<TimeMicros> {
        let definition = self.definition();
        let kept_until = self
            .final_at(window.span.end)
            .plus_millis(definition.keep_ms);
        match (definition.results, window.recorded_at) {
            (0, _) => Some(kept_until),
            // Later than any batch at the record's time, which may be the next one.
            (_, Some(written_at)) => {
                Some(kept_until.max(TimeMicros::new(written_at.get().saturating_add(1))))
            }
            (_, None) => None,
        }
    }

    /// Drops windows that were kept for long enough by `time`, but never the newest.
    pub(crate) fn expire(&mut self, agenda: &mut Agenda, time: TimeMicros) -> u64 {
        let mut expired = 0;
        while self.kept.len() > 1 && self.expires_at(&self.kept[0]).is_some_and(|at| at <= time) {
            self.drop_oldest(agenda);
            expired += 1;
        }
        expired
    }

    /// Whether it has more final windows than its share.
    pub(crate) fn is_over(&self, limits: &BoardLimits) -> bool {
        self.kept.len() > limits.windows_max.max(1)
    }

    /// Drops the oldest final window.
    pub(crate) fn drop_oldest(&mut self, agenda: &mut Agenda) -> Option<FinalWindow> {
        let oldest = Arc::make_mut(&mut self.kept).pop_front()?;
        self.is_changed = true;
        self.dropped_before = oldest.span.end;
        let place = (oldest.span.end, oldest.span.start);
        agenda.forget(self.key, oldest.weight, place);
        Some(oldest)
    }

    /// Results up to this end are written, in a batch of that time.
    pub(crate) fn record(&mut self, agenda: &mut Agenda, end: TimeMicros, written_at: TimeMicros) {
        let through = self.kept.partition_point(|window| window.span.end <= end);
        let first = self.kept.range(..through);
        let first = first
            .rev()
            .take_while(|window| window.recorded_at.is_none());
        let first = through - first.count();
        for at in first..through {
            Arc::make_mut(&mut self.kept)[at].recorded_at = Some(written_at);
            self.expire_later(agenda, &self.kept[at].clone());
        }
        self.is_changed = true;
    }

    /// Takes a board off that every stream has dropped at this time; tells how many windows
    /// went whose results were to be written and are not.
    pub(crate) fn leave(&mut self, agenda: &mut Agenda, now: TimeMicros) -> u64 {
        let mut lost = 0;
        while let Some(dropped) = self.drop_oldest(agenda) {
            lost += u64::from(self.is_lost(&dropped, now));
        }
        for window in self.open.values() {
            agenda.open_entries -= window.counted;
        }
        self.open.clear();
        lost
    }

    /// Whether results of a window that is dropped now were to be written and are not. Told by
    /// the time, so that it does not depend on which stream came first.
    pub(crate) fn is_lost(&self, dropped: &FinalWindow, now: TimeMicros) -> bool {
        let written_at = dropped.recorded_at;
        self.definition().results > 0 && written_at.is_none_or(|written_at| written_at >= now)
    }

    /// Takes note that it was corrected.
    pub(crate) fn mark_corrected(&mut self, shard: ShardId, at: Sequence) {
        Arc::make_mut(&mut self.corrected).advance(shard, at.advanced(1));
        self.is_changed = true;
    }

    /// Sets a player aside, in windows that are kept, too.
    pub(crate) fn set_aside(&mut self, player: u32) {
        for window in self.open.values_mut() {
            window.slate.set_aside(player);
        }
        self.amend_all(
            |ranking| Ranks::Frozen(ranking).find(player).is_some(),
            |slate| slate.tally.set_aside(player),
        );
    }

    /// Ranks a player again who was set aside.
    pub(crate) fn bring_back(&mut self, player: u32) {
        for window in self.open.values_mut() {
            window.slate.tally.flush();
            window.slate.tally.bring_back(player);
        }
        self.amend_all(
            |ranking| ranking.beside().aside.contains_key(&player),
            |slate| slate.tally.bring_back(player),
        );
    }

    /// Voids a claim that is found by its points alone.
    pub(crate) fn subtract(&mut self, player: u32, points: u32) {
        for window in self.open.values_mut() {
            window.slate.subtract(player, points);
        }
    }

    /// Voids a claim in the window that it is in, if that is still there. `left` are claims
    /// that may still be voided and came here, this one not among them.
    pub(crate) fn void<'a>(
        &mut self,
        claim: &RecentClaim,
        left: impl Iterator<Item = &'a RecentClaim>,
    ) {
        let span = self.rule.span(claim.time);
        let is_left =
            |other: &&RecentClaim| other.player == claim.player && span.contains(other.time);
        let keeps_bases = self.counting.keeps_bases;
        self.amend(span.start, |slate| {
            if keeps_bases {
                let left = left.filter(is_left);
                slate.recount(claim.player, left.map(|claim| (claim.points, claim.place)));
            } else {
                slate.subtract(claim.player, claim.points);
            }
        });
    }

    /// A claim that came here can't be voided any more.
    pub(crate) fn settle(&mut self, claim: &RecentClaim) {
        if !self.counting.keeps_bases {
            return;
        }
        let start = self.rule.span(claim.time).start;
        if let Some(window) = self.open.get_mut(&start) {
            window.slate.settle(claim.player, claim.points, claim.place);
        } else if let Some(at) = self.kept_at(start) {
            let window = &mut Arc::make_mut(&mut self.kept)[at];
            let undo = Arc::make_mut(&mut window.undo);
            settle(undo, self.counting, claim.player, claim.points, claim.place);
        }
    }

    /// The place of the kept window with this start.
    pub(crate) fn kept_at(&self, start: TimeMicros) -> Option<usize> {
        self.kept
            .binary_search_by_key(&start, |window| window.span.start)
            .ok()
    }

    /// Changes one window, final or not.
    fn amend(&mut self, start: TimeMicros, change: impl FnOnce(&mut Slate)) {
        if let Some(window) = self.open.get_mut(&start) {
            change(&mut window.slate);
        } else if let Some(at) = self.kept_at(start) {
            self.amend_kept(at, change);
        }
    }

    fn amend_all(&mut self, concerns: impl Fn(&Frozen) -> bool, change: impl Fn(&mut Slate)) {
        for at in 0..self.kept.len() {
            if concerns(&self.kept[at].ranking) {
                self.amend_kept(at, &change);
            }
        }
    }

    fn amend_kept(&mut self, at: usize, change: impl FnOnce(&mut Slate)) {
        let counting = self.counting;
        let window = &mut Arc::make_mut(&mut self.kept)[at];
        let tally = window.ranking.thaw(counting.operator);
        let undo = Undo::clone(&window.undo);
        let mut slate = Slate::restored(counting, tally, undo);
        change(&mut slate);
        let (ranking, undo) = slate.freeze();
        window.ranking = Arc::new(ranking);
        window.undo = Arc::new(undo);
        self.is_changed = true;
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let open = self.open.values();
        let open =
            open.map(|window| window.slate.tally.heap_bytes() + window.slate.undo.heap_bytes());
        let kept = self.kept.iter();
        let kept = kept.map(|window| window.ranking.heap_bytes() + window.undo.heap_bytes());
        let spans = self.spans.capacity() * size_of::<Range<Sequence>>();
        open.chain(kept).sum::<usize>() + self.late.heap_bytes() + spans
    }
}
