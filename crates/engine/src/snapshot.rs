//! An arbiter's state as it was at one tail, to be written down while the arbiter goes on.
//!
//! Taking one copies pointers: claims of open rounds, player ids and score events lie in
//! chunks that are shared, and the next write to the last chunk of each copies that chunk
//! alone. What has closed never changes and is written once, as an increment; the snapshot
//! itself holds what is open. Neither holds an index, nor what tiles are worth.
//!
//! Both carry checksums of their own (see [`SnapshotWriter`]). Nothing here waits until what
//! it shows is durable: whoever writes it down does, up to [`ArbiterSnapshot::tail`].

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use huntcore_model::{
    Catalog, HuntNumber, RoundNumber, Sequence, ShardId, SnapshotWriter, Tail, TimeMicros,
};

use crate::answers::ClosedRound;
use crate::arbiter::Arbiter;
use crate::claims::Claim;
use crate::closings::Closings;
use crate::corrections::Corrections;
use crate::events::{EventSpan, SealedEvents, ShownBucket};
use crate::exchange::ClosedOrdinal;
use crate::identity::EventFact;
use crate::open_rounds::{OpenRound, ShownRound};
use crate::players::ShownPlayers;

/// What a snapshot of an arbiter starts with.
pub(crate) const ARBITER_MAGIC: [u8; 4] = *b"HCAR";
/// What an increment of closed rounds and events starts with.
pub(crate) const ANSWERS_MAGIC: [u8; 4] = *b"HCAN";
/// The format of both.
pub(crate) const ARBITER_VERSION: u16 = 3;
/// The first format: each id, and each claim's numbers, one after another. Still read.
pub(crate) const ARBITER_VERSION_MIN: u16 = 1;

/// An arbiter's state, for another thread to write.
#[derive(Debug)]
pub struct ArbiterSnapshot {
    shard: ShardId,
    tail: Tail,
    catalog: Catalog,
    kept_expired: Vec<(HuntNumber, RoundNumber, RoundNumber)>,
    corrections: Corrections,
    closings: Closings,
    players: ShownPlayers,
    open: Vec<ShownRound>,
    bucket: Option<ShownBucket>,
    // Where that begins, and which events stand elsewhere.
    sealed_to: Sequence,
    elsewhere: Vec<EventSpan>,
    closed: Range<ClosedOrdinal>,
    rounds_kept: Kept,
    buckets_kept: Kept,
    rounds: Vec<Arc<ClosedRound>>,
    buckets: Vec<Arc<SealedEvents>>,
}

/// Which closed things of a kind an arbiter remembers: the oldest, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) oldest: Option<ClosedOrdinal>,
    pub(crate) count: usize,
}

impl Kept {
    fn of((oldest, count): (Option<ClosedOrdinal>, usize)) -> Self {
        Self { oldest, count }
    }
}

impl Arbiter {
    /// The state at [`Arbiter::tail`], with what has closed at `closed_since` or later as an
    /// increment: where the increment before it ended, or [`ClosedOrdinal::ZERO`] for all.
    ///
    /// # Panics
    /// Within a decision: finish it first.
    #[must_use]
    pub fn snapshot(&mut self, closed_since: ClosedOrdinal) -> ArbiterSnapshot {
        assert!(
            self.batch.is_empty(),
            "a snapshot is of what the log will hold"
        );
        ArbiterSnapshot {
            shard: self.shard,
            tail: self.tail,
            catalog: self.catalog.clone(),
            kept_expired: self.kept_expired.runs().collect(),
            corrections: self.corrections.clone(),
            closings: self.closings.clone(),
            players: self.players.show(),
            open: self.open.iter_mut().map(OpenRound::show).collect(),
            bucket: self.events.show(),
            sealed_to: self.events.sealed_to(),
            elsewhere: self.events.elsewhere().collect(),
            closed: closed_since.min(self.closed_next)..self.closed_next,
            rounds_kept: Kept::of(self.answers.extent()),
            buckets_kept: Kept::of(self.events.extent()),
            rounds: self.answers.since(closed_since).cloned().collect(),
            buckets: self.events.since(closed_since).cloned().collect(),
        }
    }

    /// Where the next increment begins if all before it is written.
    #[must_use]
    pub const fn closed_next(&self) -> ClosedOrdinal {
        self.closed_next
    }
}

impl ArbiterSnapshot {
    /// Whose state it is.
    #[must_use]
    pub const fn shard(&self) -> ShardId {
        self.shard
    }

    /// Where the stream ends for this state. It may not be durable yet.
    #[must_use]
    pub const fn tail(&self) -> Tail {
        self.tail
    }

    /// What the increment covers: from where it was asked for to where the next one begins.
    #[must_use]
    pub fn closed(&self) -> Range<ClosedOrdinal> {
        self.closed.clone()
    }

    /// Increments that end here or before it hold nothing that this state remembers.
    #[must_use]
    pub fn closed_kept_from(&self) -> ClosedOrdinal {
        let oldest = [self.rounds_kept.oldest, self.buckets_kept.oldest];
        oldest
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(self.closed.end)
    }

    /// Whether the increment is empty, so that it need not be written.
    #[must_use]
    pub fn has_no_answers(&self) -> bool {
        self.rounds.is_empty() && self.buckets.is_empty()
    }

    /// Writes the state without what has closed. The same state gives the same bytes.
    pub fn write<W: Write>(&self, out: &mut W) -> io::Result<()> {
        let mut out = SnapshotWriter::new(out, ARBITER_MAGIC, ARBITER_VERSION)?;
        out.number(u64::from(self.shard.get()))?;
        write_tail(&self.tail, &mut out)?;
        self.catalog.write(&mut out)?;
        out.number(self.kept_expired.len() as u64)?;
        for &(hunt, first, last) in &self.kept_expired {
            out.number(u64::from(hunt.get()))?;
            out.number(first.get())?;
            out.number(last.get())?;
        }
        write_players(&self.players, &mut out)?;
        let mut open: Vec<_> = self.open.iter().collect();
        open.sort_unstable_by_key(|round| round.key);
        out.number(open.len() as u64)?;
        for round in open {
            out.number(u64::from(round.key.0.get()))?;
            out.number(round.key.1.get())?;
            out.number(round.opens_at.get())?;
            out.number(round.closes_at.get())?;
            out.number(u64::from(round.tiles))?;
            out.number(u64::from(round.kept_expired))?;
            let claims = &round.claims;
            write_claims(claims.first(), claims.len(), claims.chunks(), &mut out)?;
        }
        out.number(self.closed.end.get())?;
        for kept in [self.rounds_kept, self.buckets_kept] {
            out.optional(kept.oldest.map(ClosedOrdinal::get))?;
            out.number(kept.count as u64)?;
        }
        out.number(u64::from(self.bucket.is_some()))?;
        if let Some(bucket) = &self.bucket {
            let times = [bucket.starts_at, bucket.ends_at];
            write_events(times, bucket.facts.len(), bucket.facts.iter(), &mut out)?;
        }
        out.number(self.sealed_to.get())?;
        out.number(self.elsewhere.len() as u64)?;
        for span in &self.elsewhere {
            write_span(span, &mut out)?;
        }
        self.corrections.write(&mut out)?;
        self.closings.write(&mut out)?;
        out.finish().map(|_| ())
    }

    /// Writes the increment: what has closed within [`Self::closed`].
    pub fn write_answers<W: Write>(&self, out: &mut W) -> io::Result<()> {
        let mut out = SnapshotWriter::new(out, ANSWERS_MAGIC, ARBITER_VERSION)?;
        out.number(u64::from(self.shard.get()))?;
        out.number(self.rounds.len() as u64)?;
        for closed in &self.rounds {
            out.number(closed.ordinal.get())?;
            out.number(u64::from(closed.key.0.get()))?;
            out.number(closed.key.1.get())?;
            out.number(closed.closed_at.get())?;
            out.number(u64::from(closed.tiles))?;
            let claims = &closed.claims;
            write_claims(claims.first(), claims.len(), claims.chunks(), &mut out)?;
        }
        out.number(self.buckets.len() as u64)?;
        for sealed in &self.buckets {
            out.number(sealed.ordinal.get())?;
            let times = [sealed.bucket.starts_at, sealed.bucket.ends_at];
            write_events(times, sealed.bucket.len(), sealed.bucket.facts(), &mut out)?;
            write_span(&sealed.span, &mut out)?;
            out.raw(sealed.chain.bytes())?;
        }
        out.finish().map(|_| ())
    }
}

/// Writes where a stream ends.
pub(crate) fn write_tail<W: Write>(tail: &Tail, out: &mut SnapshotWriter<W>) -> io::Result<()> {
    out.number(tail.sequence.get())?;
    out.raw(tail.chain.bytes())?;
    out.number(tail.time.get())
}

/// Writes a stretch of the stream.
fn write_span<W: Write>(span: &EventSpan, out: &mut SnapshotWriter<W>) -> io::Result<()> {
    out.number(span.first.get())?;
    out.number(span.end.get())?;
    out.number(span.newest.get())
}

/// Writes ids in chunks: their lengths, then their bytes.
fn write_players<W: Write>(players: &ShownPlayers, out: &mut SnapshotWriter<W>) -> io::Result<()> {
    out.number(players.count() as u64)?;
    let mut lengths = Vec::new();
    for chunk in players.chunks() {
        lengths.clear();
        lengths.extend(chunk.lengths());
        out.raw(&lengths)?;
        out.raw(chunk.bytes())?;
    }
    Ok(())
}

/// Writes how many claims there are, the first one's sequence, and all of them as rows in the
/// order of sequences.
fn write_claims<'a, W: Write>(
    first: Sequence,
    count: usize,
    chunks: impl Iterator<Item = &'a [Claim]>,
    out: &mut SnapshotWriter<W>,
) -> io::Result<()> {
    out.number(count as u64)?;
    out.number(first.get())?;
    let mut rows: Vec<u8> = Vec::new();
    for chunk in chunks {
        rows.clear();
        for claim in chunk {
            rows.extend_from_slice(&claim.row());
        }
        out.raw(&rows)?;
    }
    Ok(())
}

/// Writes score events in the order of sequences, each relative to the one before.
fn write_events<'a, W: Write>(
    times: [TimeMicros; 2],
    count: usize,
    facts: impl Iterator<Item = &'a EventFact>,
    out: &mut SnapshotWriter<W>,
) -> io::Result<()> {
    for time in times {
        out.number(time.get())?;
    }
    out.number(count as u64)?;
    let mut before = 0;
    for fact in facts {
        out.number(fact.seen.sequence.get() - before)?;
        out.raw(&fact.key.0)?;
        out.raw(&fact.seen.digest.0)?;
        before = fact.seen.sequence.get();
    }
    Ok(())
}
