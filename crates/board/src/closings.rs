//! Which windows' results stand in the log.
//!
//! Results of one board are written in the order of time, so the end of the newest record says
//! it of all before it. How long an unrecorded window is kept depends on when its record was
//! written; that must not depend on which stream is read first, so records that are ahead of
//! the slowest stream are remembered each for itself until it has caught up.

use std::collections::BTreeMap;

use huntcore_model::TimeMicros;

/// What is recorded of one board, whatever its definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Closings {
    /// The newest end of those records that every stream has passed.
    pub(crate) passed: TimeMicros,
    /// The others: each window's end, and the time of the batch that holds the record.
    pub(crate) ahead: BTreeMap<TimeMicros, TimeMicros>,
}

impl Closings {
    /// The end of the newest window whose results stand in the log.
    pub(crate) fn newest(&self) -> TimeMicros {
        let ahead = self.ahead.last_key_value();
        ahead.map_or(self.passed, |(&end, _)| end.max(self.passed))
    }

    /// Takes note of a record.
    pub(crate) fn note(&mut self, end: TimeMicros, written_at: TimeMicros) {
        self.ahead.entry(end).or_insert(written_at);
    }

    /// When the results of the window with this end were written, if they were; zero if every
    /// stream has passed that.
    pub(crate) fn written_at(&self, end: TimeMicros) -> Option<TimeMicros> {
        if end <= self.passed {
            return Some(TimeMicros::ZERO);
        }
        let records = self.ahead.range(end..);
        records.map(|(_, &written_at)| written_at).min()
    }

    /// Every stream has reached `time`.
    pub(crate) fn pass(&mut self, time: TimeMicros) {
        while let Some(entry) = self.ahead.first_entry()
            && *entry.get() < time
        {
            self.passed = self.passed.max(entry.remove_entry().0);
        }
    }
}
