//! What stands on disk of a shard's events when a node starts, held against the log.
//!
//! Runs hold nothing that the log did not hold first. One that does not fit the log, or is
//! damaged or gone, is told, and its events are written anew from the log; only if the log no
//! longer holds them is the start refused.

use huntcore_engine::{Arbiter, ClosedOrdinal, EventFact, EventSpan};
use huntcore_event_keys::{EventKeys, KeysError};
use huntcore_log::{BatchReader, Log, ReadError};
use huntcore_model::{Hash32, Sequence, ShardId, Tail};

use crate::text::with_causes;

/// A run that is written anew holds at most so many events.
const EVENTS_AT_ONCE: usize = 1_000_000;

/// Why a shard's events cannot be found again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShelvesError {
    /// This checkpoint needs events that neither a run nor the log holds.
    #[error("{0}")]
    Unfit(String),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// They are in the log, and there is no place for them.
    #[error(
        "events {first} to {end} of shard {shard} cannot be written anew: {source}; nothing is \
         lost: make room where events are kept, and start again"
    )]
    Write {
        shard: ShardId,
        first: Sequence,
        end: Sequence,
        source: KeysError,
    },
}

/// A shard's runs while its log is folded.
pub(crate) struct Shelving<'s> {
    pub(crate) log: &'s dyn Log,
    pub(crate) keys: &'s mut EventKeys,
    /// Where the shard's log ends.
    pub(crate) end: Tail,
    /// The first bucket that has not been handed over.
    next: ClosedOrdinal,
    is_failing: bool,
}

impl<'s> Shelving<'s> {
    pub(crate) fn new(log: &'s dyn Log, keys: &'s mut EventKeys, end: Tail) -> Self {
        Self {
            log,
            keys,
            end,
            next: ClosedOrdinal::ZERO,
            is_failing: false,
        }
    }

    /// Lets the arbiter, restored or new, take note of what stands; writes anew what should and
    /// does not.
    pub(crate) fn begin(&mut self, arbiter: &mut Arbiter) -> Result<(), ShelvesError> {
        self.check_runs()?;
        let now = self.end.time;
        let is_wanted = |span: &EventSpan| arbiter.events_kept_until(span.newest) > now;
        let needed: Vec<EventSpan> = arbiter.events_elsewhere().filter(is_wanted).collect();
        for gap in self.keys.gaps(needed) {
            self.write_anew(arbiter, gap)?;
        }
        let runs = self.keys.runs();
        arbiter.events_stand(runs.all().iter().map(|run| run.span()).collect());
        self.next = ClosedOrdinal::ZERO;
        Ok(())
    }

    /// Hands over what a fold has sealed, so that a long log does not fill the memory.
    pub(crate) fn after_batch(&mut self, arbiter: &mut Arbiter) {
        while !self.is_failing {
            let next = arbiter.sealed_events(self.next).next().cloned();
            let Some(sealed) = next else { return };
            // What the horizon has passed by the log's end is needed by nobody.
            let is_past = arbiter.events_kept_until(sealed.span().newest) <= self.end.time;
            let covers = match is_past {
                true => Ok(self.keys.runs().covers()),
                false => self.keys.write(&sealed),
            };
            match covers {
                Ok(_) => {
                    // Look-ups begin when all is folded, with all that stands by then.
                    let covers = huntcore_engine::Coverage::START;
                    arbiter.drop_sealed_events(sealed.ordinal(), covers);
                    self.next = sealed.ordinal().next();
                }
                Err(error) => {
                    let error = with_causes(&error);
                    tracing::warn!("events stay in memory for now: {error}");
                    self.is_failing = true;
                }
            }
        }
    }

    /// All that was folded stands, or is in memory.
    pub(crate) fn end(self) {
        for passed in self.keys.passed_over() {
            tracing::warn!("run of events was passed over: {}", passed.reason);
        }
        self.keys.remove_passed_over();
        self.keys.expire(self.end.time);
    }

    /// Passes over runs that are not of this log.
    fn check_runs(&mut self) -> Result<(), ReadError> {
        let end = self.end;
        self.keys.pass_over(|run| {
            let stands = run.span().end;
            (stands > end.sequence).then(|| {
                format!(
                    "it ends at {stands}, but the log at {}: the log has lost its end, or was \
                     replaced by an older copy",
                    end.sequence
                )
            })
        });
        // If the newest is of this log, so are those before it.
        let runs = self.keys.runs();
        let Some(newest) = runs.all().last() else {
            return Ok(());
        };
        if self.is_of_log(newest.span().end, newest.chain())? {
            return Ok(());
        }
        let mut others = Vec::new();
        for run in runs.all() {
            if !self.is_of_log(run.span().end, run.chain())? {
                others.push(run.span());
            }
        }
        self.keys.pass_over(|run| {
            let is_other = others.contains(&run.span());
            is_other.then(|| "this log has other records there".to_owned())
        });
        Ok(())
    }

    /// Whether the log has this chain at `end`, as far as it still tells.
    fn is_of_log(&self, end: Sequence, chain: Hash32) -> Result<bool, ReadError> {
        if chain == Hash32::ZERO {
            return Ok(true);
        }
        if end == self.end.sequence {
            return Ok(chain == self.end.chain);
        }
        let mut rest = match self.log.read(self.keys.shard(), end) {
            Ok(rest) => rest,
            Err(ReadError::Trimmed { .. }) => return Ok(true),
            Err(error) => return Err(error),
        };
        match rest.next() {
            Some(Ok(batch)) => {
                let header = batch.header();
                Ok(header.first_sequence == end && header.previous_chain == chain)
            }
            Some(Err(error)) => Err(error),
            None => Ok(false),
        }
    }

    /// Writes the events of a stretch anew, from the log.
    fn write_anew(&mut self, arbiter: &Arbiter, gap: EventSpan) -> Result<(), ShelvesError> {
        let reasons = self.keys.passed_over().iter();
        let reasons: Vec<&str> = reasons.map(|passed| passed.reason.as_str()).collect();
        let why = match &reasons[..] {
            [] => "their run is gone".to_owned(),
            reasons => reasons.join("; "),
        };
        let shard = self.keys.shard();
        let (first, end) = (gap.first, gap.end);
        tracing::warn!("events {first} to {end} of shard {shard} are written anew: {why}");
        let batches: BatchReader = match self.log.read(shard, first) {
            Ok(batches) => batches,
            Err(error @ ReadError::Trimmed { .. }) => {
                return Err(ShelvesError::Unfit(format!(
                    "events {first} to {end} of shard {shard} stand nowhere ({why}): {}; bring \
                     back the runs from a backup, or set `event_horizon` so that they are not \
                     needed",
                    with_causes(&error)
                )));
            }
            Err(error) => return Err(error.into()),
        };
        let unwritten = |source| ShelvesError::Write {
            shard,
            first,
            end,
            source,
        };
        let mut facts: Vec<EventFact> = Vec::new();
        let mut span = EventSpan { end: first, ..gap };
        for batch in batches {
            let batch = batch?;
            if batch.header().first_sequence >= end {
                break;
            }
            if arbiter.events_kept_until(batch.header().time) > self.end.time {
                let is_in_gap = |fact: &EventFact| (first..end).contains(&fact.seen.sequence);
                let take = |fact| facts.extend(Some(fact).filter(is_in_gap));
                let taken = arbiter.events_of(&batch, take);
                taken.map_err(|error| ShelvesError::Unfit(with_causes(&error)))?;
            }
            span.end = batch.tail().sequence.min(end);
            if facts.len() >= EVENTS_AT_ONCE {
                self.write(span, std::mem::take(&mut facts))
                    .map_err(unwritten)?;
                span.first = span.end;
            }
        }
        span.end = end;
        if span.first < end && !facts.is_empty() {
            self.write(span, facts).map_err(unwritten)?;
        }
        Ok(())
    }

    fn write(&mut self, span: EventSpan, facts: Vec<EventFact>) -> Result<(), KeysError> {
        self.keys.write_facts(span, Hash32::ZERO, facts).map(|_| ())
    }
}
