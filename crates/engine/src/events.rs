//! Which score events have been taken, so that each is taken once.
//!
//! Events go into the newest bucket. By time or by count it is sealed, between two batches, so
//! that it holds all events of a stretch of the stream. Sealed buckets are shared with whoever
//! writes them down; once told that one stands outside, the arbiter drops it and relies on
//! events being looked up there before they are decided. One that nobody takes is kept until
//! the horizon has passed it, and dropped whole.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashTable;
use huntcore_model::{Hash32, Sequence, Tail, TimeMicros};

use crate::chunks::{Chunks, ShownChunks};
use crate::exchange::ClosedOrdinal;
use crate::identity::{Coverage, EventFact, EventKey, EventSeen, LookAgain, Looked};
use crate::limits::EngineLimits;

/// The horizon is forgotten in this many steps.
const BUCKETS: u64 = 24;
/// Tables by the key's last byte: each grows by itself, a little at a time.
const TABLES: usize = 256;

/// All events that a stretch of a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventSpan {
    /// Where it begins; the events before stand in another.
    pub first: Sequence,
    /// Where it ends.
    pub end: Sequence,
    /// None of its events was taken later.
    pub newest: TimeMicros,
}

/// A stretch whose events are all known, and never change any more.
#[derive(Debug)]
pub struct SealedEvents {
    pub(crate) ordinal: ClosedOrdinal,
    pub(crate) span: EventSpan,
    // The stream's chain at its end; zero if that is not known.
    pub(crate) chain: Hash32,
    pub(crate) bucket: Bucket,
}

/// The events of the horizon.
#[derive(Debug)]
pub(crate) struct Events {
    horizon_ms: u64,
    bucket_ms: u64,
    sealed_at: usize,
    open: Option<Bucket>,
    // Oldest first, which is the order of their ordinals.
    sealed: VecDeque<Arc<SealedEvents>>,
    // Those in memory.
    count: usize,
    // What stands outside and is within the horizon, in order.
    elsewhere: VecDeque<EventSpan>,
    coverage: Coverage,
    // Where the next bucket begins.
    sealed_to: Sequence,
    // What the last bucket came to hold: one like it need not grow.
    expected: usize,
}

/// The events of a stretch of time.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) starts_at: TimeMicros,
    // Its own, because the horizon may be set otherwise later.
    pub(crate) ends_at: TimeMicros,
    facts: Chunks<EventFact>,
    // The places of facts.
    tables: Box<[HashTable<u32>]>,
}

/// The newest bucket as it was when it was shown.
#[derive(Debug)]
pub(crate) struct ShownBucket {
    pub(crate) starts_at: TimeMicros,
    pub(crate) ends_at: TimeMicros,
    pub(crate) facts: ShownChunks<EventFact>,
}

impl SealedEvents {
    /// Its place in the order in which the arbiter sealed things.
    #[must_use]
    pub const fn ordinal(&self) -> ClosedOrdinal {
        self.ordinal
    }

    /// The stretch of the stream.
    #[must_use]
    pub const fn span(&self) -> EventSpan {
        self.span
    }

    /// The stream's chain where the stretch ends; zero if an earlier version sealed it.
    #[must_use]
    pub const fn chain(&self) -> Hash32 {
        self.chain
    }

    /// Its events, in the order of their sequences.
    pub fn facts(&self) -> impl Iterator<Item = &EventFact> {
        self.bucket.facts()
    }

    /// How many there are; never 0.
    #[expect(clippy::len_without_is_empty, reason = "an empty one is never sealed")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.bucket.len()
    }
}

impl Events {
    pub(crate) fn new(limits: &EngineLimits) -> Self {
        Self {
            horizon_ms: limits.event_horizon_ms,
            bucket_ms: (limits.event_horizon_ms / BUCKETS).max(1),
            // Memory must not be full of events that cannot leave it.
            sealed_at: limits.events_sealed_at.min(limits.events_max / 4).max(1),
            open: None,
            sealed: VecDeque::new(),
            count: 0,
            elsewhere: VecDeque::new(),
            coverage: Coverage::START,
            sealed_to: Sequence::ZERO,
            expected: 0,
        }
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn is_covered_by(&self, covers: Coverage) -> bool {
        covers >= self.coverage
    }

    /// A step in which the horizon is forgotten.
    pub(crate) const fn step_ms(&self) -> u64 {
        self.bucket_ms
    }

    /// What is known of an event, here or where it was looked up.
    pub(crate) fn get(
        &self,
        key: &EventKey,
        looked: &Looked,
    ) -> Result<Option<EventSeen>, LookAgain> {
        if !self.is_covered_by(looked.covers) {
            return Err(LookAgain);
        }
        Ok(looked.known.or_else(|| self.in_memory(key)))
    }

    fn in_memory(&self, key: &EventKey) -> Option<EventSeen> {
        // Repetitions mostly follow soon: newest bucket first.
        let sealed = self.sealed.iter().rev().map(|sealed| &sealed.bucket);
        self.open
            .iter()
            .chain(sealed)
            .find_map(|bucket| bucket.get(key))
    }

    /// Notes an event that is not known, of the batch at `now` that follows `before`.
    /// `closed_next` is the ordinal for the bucket before, if it is sealed by that, and is moved
    /// on then.
    pub(crate) fn insert(
        &mut self,
        now: TimeMicros,
        before: &Tail,
        fact: EventFact,
        closed_next: &mut ClosedOrdinal,
    ) {
        if self.open.as_ref().is_some_and(|open| {
            // The bucket of a time that has passed holds nothing of this batch.
            open.ends_at <= now
        }) {
            self.seal(before, closed_next);
        }
        let (bucket_ms, expected) = (self.bucket_ms, self.expected);
        let open = self.open.get_or_insert_with(|| {
            // Aligned, so that when an event is forgotten depends on its own time alone.
            let starts_at = TimeMicros::from_millis(now.millis() / bucket_ms * bucket_ms);
            Bucket::expecting(starts_at, starts_at.plus_millis(bucket_ms), expected)
        });
        open.push(fact);
        self.count += 1;
    }

    /// Seals the newest bucket if it is full, its stream ending at `tail` now.
    pub(crate) fn seal_full(&mut self, tail: &Tail, closed_next: &mut ClosedOrdinal) {
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.len() >= self.sealed_at)
        {
            self.seal(tail, closed_next);
        }
    }

    /// Seals the newest bucket, which ends with the batch before `tail`.
    fn seal(&mut self, tail: &Tail, closed_next: &mut ClosedOrdinal) {
        let Some(bucket) = self.open.take() else {
            return;
        };
        let span = EventSpan {
            first: self.sealed_to,
            end: tail.sequence,
            newest: tail.time,
        };
        self.sealed_to = span.end;
        self.expected = bucket.len();
        self.sealed.push_back(Arc::new(SealedEvents {
            ordinal: *closed_next,
            span,
            chain: tail.chain,
            bucket,
        }));
        *closed_next = closed_next.next();
    }

    /// Forgets what lies wholly before the horizon.
    pub(crate) fn forget(&mut self, now: TimeMicros) {
        let horizon_ms = self.horizon_ms;
        let is_past = |ends_at: TimeMicros| ends_at.plus_millis(horizon_ms) <= now;
        while let Some(oldest) = self
            .sealed
            .pop_front_if(|oldest| is_past(oldest.bucket.ends_at))
        {
            self.count -= oldest.len();
        }
        if let Some(open) = self.open.take_if(|open| is_past(open.ends_at)) {
            self.count -= open.len();
            self.sealed_to = self.sealed_to.max(open.end());
        }
        while self
            .elsewhere
            .pop_front_if(|span| is_past(span.newest))
            .is_some()
        {}
    }

    /// Drops the sealed buckets up to `last`: they stand outside, and look-ups that cover
    /// `covers` see them.
    pub(crate) fn drop_sealed(&mut self, last: ClosedOrdinal, covers: Coverage) {
        while let Some(oldest) = self.sealed.pop_front_if(|oldest| oldest.ordinal <= last) {
            self.count -= oldest.len();
            // In order: later ones stand already where a gap among them is folded anew.
            let span = oldest.span;
            let place = self
                .elsewhere
                .partition_point(|other| other.first <= span.first);
            self.elsewhere.insert(place, span);
        }
        self.coverage = self.coverage.max(covers);
    }

    /// What stands outside and is still within the horizon.
    pub(crate) fn elsewhere(&self) -> impl ExactSizeIterator<Item = EventSpan> {
        self.elsewhere.iter().copied()
    }

    /// Takes over what stands outside when a fold begins or goes on: no event in it is held in
    /// memory any more, nor will be.
    pub(crate) fn stand(&mut self, mut spans: Vec<EventSpan>) {
        spans.sort_unstable_by_key(|span| span.first);
        let stands = |at: Sequence| stands_in(&spans, at);
        let is_held =
            |sealed: &Arc<SealedEvents>| sealed.facts().any(|fact| !stands(fact.seen.sequence));
        self.sealed.retain(is_held);
        if let Some(open) = self.open.take() {
            let mut rest = Bucket::new(open.starts_at, open.ends_at);
            let held = open.facts().filter(|fact| !stands(fact.seen.sequence));
            held.for_each(|fact| rest.push(*fact));
            self.open = (rest.len() > 0).then_some(rest);
        }
        let sealed = self.sealed.iter().map(|sealed| sealed.len());
        self.count = sealed.sum::<usize>() + self.open.as_ref().map_or(0, Bucket::len);
        for span in &spans {
            if span.first <= self.sealed_to {
                self.sealed_to = self.sealed_to.max(span.end);
            }
        }
        self.elsewhere = spans.into();
    }

    /// Whether an event of the log, of a batch at `now`, need not be noted: it stands outside.
    pub(crate) fn skip(
        &mut self,
        at: Sequence,
        now: TimeMicros,
        closed_next: &mut ClosedOrdinal,
    ) -> bool {
        // Nothing stands beyond the last, which is all that there is but when a log is folded.
        let last = self.elsewhere.back();
        if last.is_none_or(|last| last.end <= at)
            || !stands_in(self.elsewhere.make_contiguous(), at)
        {
            return false;
        }
        // What is held must not be taken for all of a stretch that reaches beyond this.
        if let Some(end) = self.open.as_ref().map(Bucket::end) {
            let tail = Tail {
                sequence: end,
                chain: Hash32::ZERO,
                time: now,
            };
            self.seal(&tail, closed_next);
        }
        self.sealed_to = self.sealed_to.max(at.advanced(1));
        true
    }

    /// The newest bucket, for as long as somebody wants it.
    pub(crate) fn show(&mut self) -> Option<ShownBucket> {
        self.open.as_mut().map(|open| ShownBucket {
            starts_at: open.starts_at,
            ends_at: open.ends_at,
            facts: open.facts.show(),
        })
    }

    /// Where the newest bucket begins, or the next one will.
    pub(crate) const fn sealed_to(&self) -> Sequence {
        self.sealed_to
    }

    /// The buckets that were sealed at `since` or later.
    pub(crate) fn since(&self, since: ClosedOrdinal) -> impl Iterator<Item = &Arc<SealedEvents>> {
        let first = self.sealed.partition_point(|bucket| bucket.ordinal < since);
        self.sealed.range(first..)
    }

    /// The newest sealed bucket's ordinal, if there is one.
    pub(crate) fn newest_sealed(&self) -> Option<ClosedOrdinal> {
        self.sealed.back().map(|newest| newest.ordinal)
    }

    /// The oldest sealed bucket's ordinal, if there is one, and how many there are.
    pub(crate) fn extent(&self) -> (Option<ClosedOrdinal>, usize) {
        (
            self.sealed.front().map(|oldest| oldest.ordinal),
            self.sealed.len(),
        )
    }

    /// Takes over a sealed bucket, the oldest ones first.
    pub(crate) fn keep(&mut self, sealed: SealedEvents) {
        self.count += sealed.len();
        self.sealed.push_back(Arc::new(sealed));
    }

    /// Takes over the newest bucket, which begins at `sealed_to`, and what stands outside.
    pub(crate) fn keep_open(
        &mut self,
        bucket: Option<Bucket>,
        sealed_to: Sequence,
        elsewhere: VecDeque<EventSpan>,
    ) {
        self.count += bucket.as_ref().map_or(0, Bucket::len);
        self.open = bucket;
        self.sealed_to = sealed_to;
        self.elsewhere = elsewhere;
    }
}

/// Whether one of these spans, which are in order, holds `at`.
fn stands_in(spans: &[EventSpan], at: Sequence) -> bool {
    let behind = spans.partition_point(|span| span.first <= at);
    // Spans seldom overlap, but may.
    spans[..behind].iter().rev().any(|span| at < span.end)
}

impl Bucket {
    pub(crate) fn new(starts_at: TimeMicros, ends_at: TimeMicros) -> Self {
        Self::expecting(starts_at, ends_at, 0)
    }

    /// One with room for about so many events. A table that grows looks at each of its facts,
    /// which are scattered.
    fn expecting(starts_at: TimeMicros, ends_at: TimeMicros, events: usize) -> Self {
        let each = events / TABLES;
        Self {
            starts_at,
            ends_at,
            facts: Chunks::default(),
            tables: (0..TABLES)
                .map(|_| HashTable::with_capacity(each))
                .collect(),
        }
    }

    pub(crate) fn facts(&self) -> impl Iterator<Item = &EventFact> {
        self.facts.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.facts.len()
    }

    /// Where its first event is.
    pub(crate) fn first(&self) -> Sequence {
        let first = self.facts.get(0);
        first.map_or(Sequence::ZERO, |first| first.seen.sequence)
    }

    /// Behind its last event.
    pub(crate) fn end(&self) -> Sequence {
        let last = self
            .len()
            .checked_sub(1)
            .and_then(|last| self.facts.get(last));
        last.map_or(Sequence::ZERO, |last| last.seen.sequence.advanced(1))
    }

    pub(crate) fn get(&self, key: &EventKey) -> Option<EventSeen> {
        let found = self.tables[table(key)].find(hash(key), |&place| {
            self.fact(place).is_some_and(|fact| fact.key == *key)
        });
        found
            .and_then(|&place| self.fact(place))
            .map(|fact| fact.seen)
    }

    pub(crate) fn push(&mut self, fact: EventFact) {
        let place = u32::try_from(self.facts.len()).expect("limited to fewer than 2^32 events");
        self.facts.push(fact);
        let facts = &self.facts;
        let hash_of = |&place: &u32| facts.get(place as usize).map_or(0, |fact| hash(&fact.key));
        self.tables[table(&fact.key)].insert_unique(hash(&fact.key), place, hash_of);
    }

    fn fact(&self, place: u32) -> Option<&EventFact> {
        self.facts.get(place as usize)
    }
}

fn table(key: &EventKey) -> usize {
    usize::from(key.0[15])
}

fn hash(key: &EventKey) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = key.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests;
