//! What stands behind a hunt's events: the log, read apart from the real-time path.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use huntcore_model::{HuntEntry, Position};
use huntcore_wire::{EventsQuery, PositionText, Problem, ProblemKind};

use crate::backend::LogBytes;

/// The events of hunts, for whoever audits or copies them.
///
/// Reading them slows nobody down who plays: it waits for nothing that others wait for, and
/// whoever reads slowly is waited for by nobody.
pub trait TrailSource: Send + Sync {
    /// A hunt's events as JSON lines, each a CloudEvent with its position.
    ///
    /// They come in each stream's order. It ends where the log ended when it was asked for, or
    /// after the query's limit; with `follow` only with an error. After an error whoever reads
    /// asks again from the last position.
    fn events(
        &self,
        hunt: Arc<HuntEntry>,
        query: EventsQuery,
    ) -> BoxFuture<'static, Result<LogBytes, TrailFault>>;
}

/// Why there are no events to be had.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrailFault {
    /// `from` is no position.
    #[error("from: {reason}")]
    Malformed {
        /// Why not.
        reason: String,
    },
    /// What follows the position is not in the log any more.
    #[error("the log no longer goes back so far: {reason}; {}", begin_at(oldest))]
    Trimmed {
        /// Which stream, and where it begins.
        reason: String,
        /// Where the log begins now.
        oldest: Position,
    },
    /// The log does not go so far: the position is of another one, or this one lost its end.
    #[error("the log does not go so far: {reason}")]
    Ahead {
        /// Which stream, and where it ends.
        reason: String,
    },
    /// As many read events as may.
    #[error("as many read events here as may: {places_max}")]
    Busy {
        /// How many.
        places_max: usize,
    },
    /// The log cannot be read, or the process is stopping.
    #[error("{reason}")]
    Unavailable {
        /// What happened.
        reason: String,
    },
    /// Whoever has the log refuses.
    #[error("{}", if .0.detail.is_empty() { &.0.title } else { &.0.detail })]
    Refused(Box<Problem>),
}

fn begin_at(oldest: &Position) -> String {
    format!("what is left begins at from={oldest}")
}

impl TrailFault {
    /// What whoever asked is told.
    pub(crate) fn problem(self) -> Problem {
        let detail = self.to_string();
        let kind = match self {
            Self::Malformed { .. } => ProblemKind::Malformed,
            Self::Trimmed { oldest, .. } => {
                let mut problem = Problem::new(ProblemKind::LogTrimmed, detail);
                problem.oldest_position = Some(PositionText::from(&oldest));
                return problem;
            }
            Self::Ahead { .. } => ProblemKind::LogAhead,
            Self::Busy { .. } | Self::Unavailable { .. } => {
                let problem = Problem::new(ProblemKind::Unavailable, detail);
                return problem.retry_after_ms(1_000);
            }
            Self::Refused(problem) => return *problem,
        };
        Problem::new(kind, detail)
    }
}
