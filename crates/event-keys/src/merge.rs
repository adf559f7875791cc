//! Merging runs that lie beside each other into one, a little at a time.

use std::sync::Arc;

use huntcore_engine::EventSpan;
use huntcore_model::TimeMicros;

use crate::error::KeysError;
use crate::run::{Cursor, Run};
use crate::store::KeysOptions;
use crate::writer::RunWriter;

/// Runs of about the same size that are merged before their time is over.
const FAN_IN: usize = 4;

/// A merge that is under way.
pub(crate) struct Merge {
    inputs: Vec<(Arc<Run>, Cursor)>,
}

impl Merge {
    pub(crate) fn new(inputs: Vec<Arc<Run>>) -> Self {
        let inputs = inputs.into_iter().map(|run| (run, Cursor::new()));
        Self {
            inputs: inputs.collect(),
        }
    }

    /// Whether it makes of these runs what one that was dropped left undone.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &Arc<Run>> {
        self.inputs.iter().map(|(run, _)| run)
    }

    /// Moves at most `events` on; says whether there are more.
    pub(crate) fn step(
        &mut self,
        writer: &mut RunWriter<'_>,
        events: usize,
    ) -> Result<bool, KeysError> {
        for _ in 0..events {
            let mut least = None;
            for (index, (run, cursor)) in self.inputs.iter_mut().enumerate() {
                if let Some(fact) = cursor.peek(run)?
                    && least.is_none_or(|(_, before): (usize, huntcore_engine::EventFact)| {
                        fact.key < before.key
                    })
                {
                    least = Some((index, fact));
                }
            }
            let Some((_, fact)) = least else {
                return Ok(false);
            };
            writer.push(fact)?;
            // The same event stands in two runs only if these overlap; once is enough.
            for (run, cursor) in &mut self.inputs {
                if cursor.peek(run)?.is_some_and(|next| next.key == fact.key) {
                    cursor.take();
                }
            }
        }
        Ok(true)
    }
}

/// The stretch that these runs hold together.
pub(crate) fn union(runs: &[Arc<Run>]) -> EventSpan {
    let spans = runs.iter().map(|run| run.span());
    let union = spans.reduce(|all, span| EventSpan {
        first: all.first.min(span.first),
        end: all.end.max(span.end),
        newest: all.newest.max(span.newest),
    });
    union.expect("a merge has runs")
}

/// Which runs are to be merged next, if any: a range of them.
///
/// Runs of the same part of the horizon are merged into one when that part is over, and before
/// that whenever there are several of about the same size. Never across a gap: the run that is
/// missing there is going to be written anew, and a merged one would pass for it.
pub(crate) fn due(runs: &[Arc<Run>], options: &KeysOptions) -> Option<std::ops::Range<usize>> {
    let part_ms = (options.horizon_ms / KeysOptions::PARTS).max(1);
    let part = |time: TimeMicros| time.millis() / part_ms;
    let mut begin = 0;
    while begin < runs.len() {
        let this = part(runs[begin].span().newest);
        let mut reached = runs[begin].span().first;
        let same = runs[begin..].iter().take_while(|run| {
            let span = run.span();
            let goes_on = span.first <= reached && part(span.newest) == this;
            reached = reached.max(span.end);
            goes_on
        });
        let end = begin + same.count();
        let is_over = end < runs.len();
        let of_part = &runs[begin..end];
        if is_over {
            if of_part.len() > 1 && fits(of_part, options) {
                return Some(begin..end);
            }
        } else if let Some(tier) = tier(of_part, options) {
            return Some(begin + tier.start..begin + tier.end);
        }
        begin = end;
    }
    None
}

fn fits(runs: &[Arc<Run>], options: &KeysOptions) -> bool {
    let events: u64 = runs.iter().map(|run| run.events()).sum();
    events <= options.merged_events_max
}

/// The newest runs of which none is larger than the others together, if they are several.
fn tier(runs: &[Arc<Run>], options: &KeysOptions) -> Option<std::ops::Range<usize>> {
    let starts = 0..runs.len().saturating_sub(FAN_IN - 1);
    let is_tier = |start: &usize| {
        let tier = &runs[*start..];
        let all: u64 = tier.iter().map(|run| run.events()).sum();
        let largest = tier.iter().map(|run| run.events()).max();
        largest.is_some_and(|largest| largest * 2 <= all) && fits(tier, options)
    };
    starts
        .into_iter()
        .find(is_tier)
        .map(|start| start..runs.len())
}
