//! What the generator takes of the machine that it measures.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// CPU time of this thread and of its process since some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadCpu {
    thread: Duration,
    process: Duration,
}

/// What a thread took of its process' CPU time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuShare {
    pub(crate) thread: Duration,
    pub(crate) process: Duration,
}

impl ThreadCpu {
    /// From now on.
    pub(crate) fn start() -> Self {
        Self {
            thread: read(ClockId::ThreadCPUTime),
            process: read(ClockId::ProcessCPUTime),
        }
    }

    /// What was taken since the start. To be called on the same thread.
    pub(crate) fn taken(self) -> CpuShare {
        CpuShare {
            thread: read(ClockId::ThreadCPUTime).saturating_sub(self.thread),
            process: read(ClockId::ProcessCPUTime).saturating_sub(self.process),
        }
    }
}

impl CpuShare {
    /// In percent.
    pub(crate) fn percent(self) -> f64 {
        100.0 * self.thread.as_secs_f64() / self.process.as_secs_f64().max(f64::EPSILON)
    }
}

fn read(clock: ClockId) -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
    let seconds = u64::try_from(tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(tv_nsec).unwrap_or_default())
}
