//! The whole: every batch goes to all who judge it.

use std::collections::BTreeMap;

use huntcore_map::FairnessKey;
use huntcore_model::{Batch, Catalog, Sequence, ShardId, ShardMap};

use crate::boards::BoardCheck;
use crate::report::Report;
use crate::rules::RuleCheck;

/// What the log does not say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many shards there are.
    pub shards: ShardMap,
    /// Of the deployment; without it, values are checked only of rounds whose seed is
    /// published.
    pub fairness_key: Option<FairnessKey>,
    /// How long score events are remembered, in milliseconds; longer than the arbiters'
    /// own horizon makes faults of events that were rightly taken again.
    pub event_horizon_ms: u64,
    /// Where streams begin whose beginning was trimmed; the others begin at 0.
    pub begins: BTreeMap<ShardId, Sequence>,
    /// What the control stream had said before some place, from a checkpoint; entries after
    /// that place are judged by it if the stream's beginning was trimmed.
    pub catalog: Option<Catalog>,
}

impl Settings {
    /// For a log that begins at its beginning, without a key.
    #[must_use]
    pub const fn new(shards: ShardMap, event_horizon_ms: u64) -> Self {
        Self {
            shards,
            fairness_key: None,
            event_horizon_ms,
            begins: BTreeMap::new(),
            catalog: None,
        }
    }

    /// Whether every stream begins at its beginning.
    pub(crate) fn is_whole(&self) -> bool {
        let mut begins = self.begins.values();
        begins.all(|&begin| begin == Sequence::ZERO)
    }
}

/// What the end of the batches is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The log's: nothing writes to it, and all of it was read.
    OfLog,
    /// A moment of a log that goes on, or was read in part: one stream may have been read
    /// further than another, and that is no fault.
    OfReading,
}

/// Takes all batches of a log and says what is wrong with them.
///
/// Whoever has two threads for it takes the [parts](Self::into_parts).
#[derive(Debug)]
pub struct Verifier {
    rules: RuleCheck,
    boards: BoardCheck,
}

impl Verifier {
    /// Nothing read so far.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            boards: BoardCheck::new(&settings),
            rules: RuleCheck::new(settings),
        }
    }

    /// Takes the next batch of its stream.
    pub fn feed(&mut self, batch: &Batch) {
        let judged = self.rules.feed(batch);
        self.boards.feed(batch, judged);
    }

    /// The rest of a stream cannot be read.
    pub fn unreadable(&mut self, stream: ShardId, reason: String) {
        self.rules.unreadable(stream, reason);
    }

    /// What was found, now that all batches were fed.
    #[must_use]
    pub fn finish(self, end: End) -> Report {
        let (report, expected) = self.rules.finish(end);
        report.and_boards(self.boards.finish(&expected))
    }

    /// The two halves of the work. Each batch goes through the first, then with what that says
    /// through the second; they share nothing else, and the second may lag behind.
    #[must_use]
    pub fn into_parts(self) -> (RuleCheck, BoardCheck) {
        (self.rules, self.boards)
    }
}
