//! What the projections' thread does, measured for each projection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use huntcore_capacity::{Component, Part, Work, WorkMeter};
use huntcore_wire::ComponentStats;

use crate::refresh::RefreshMeters;

/// What the projections' thread has done since it runs, for each of them.
#[derive(Debug, Default)]
pub struct ProjectionWork {
    /// Folding and publishing boards.
    pub boards: WorkMeter,
    /// Folding and framing for live sockets.
    pub broadcast: WorkMeter,
    /// Bringing boards up to date, by mode.
    pub refreshes: Arc<RefreshMeters>,
}

impl ProjectionWork {
    /// What `/v1/stats` says of boards and framing, which are as far behind as each other.
    #[must_use]
    pub fn components(&self, lag_records: u64, lag: Duration) -> [ComponentStats; 2] {
        let parts = [
            (Part::Ranking, &self.boards),
            (Part::Framing, &self.broadcast),
        ];
        parts.map(|(part, meter)| {
            let work = meter.total();
            ComponentStats {
                component: part.component().map_or("", Component::name).to_owned(),
                part: part.name().to_owned(),
                count: 1,
                busy_s: Duration::from_nanos(work.busy_nanos).as_secs_f64(),
                messages_total: work.messages,
                bytes_total: work.bytes,
                lag_messages: lag_records,
                lag_s: lag.as_secs_f64(),
                ..ComponentStats::default()
            }
        })
    }
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
