//! What the projections' thread does, measured for each projection.

use std::time::Instant;

use huntcore_capacity::{Work, WorkMeter};

/// What the projections' thread has done since it runs, for each of them.
#[derive(Debug, Default)]
pub struct ProjectionWork {
    /// Folding and publishing boards.
    pub boards: WorkMeter,
    /// Folding and framing for live sockets.
    pub broadcast: WorkMeter,
}

/// Work of one turn, by projection.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) boards: Work,
    pub(crate) broadcast: Work,
}

/// Tells how long each step took, one after the other.
pub(crate) struct Laps(Instant);

impl Laps {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn nanos(&mut self) -> u64 {
        let now = Instant::now();
        let lap = now.duration_since(std::mem::replace(&mut self.0, now));
        u64::try_from(lap.as_nanos()).unwrap_or(u64::MAX)
    }
}
