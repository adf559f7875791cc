//! What the generator takes of the machine that it measures.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// CPU time of this thread and of its process since some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadCpu {
    thread: Duration,
    process: Duration,
}

/// What a generator took of the CPU time that the whole run took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuShare {
    pub(crate) generator: Duration,
    pub(crate) all: Duration,
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
            generator: read(ClockId::ThreadCPUTime).saturating_sub(self.thread),
            all: read(ClockId::ProcessCPUTime).saturating_sub(self.process),
        }
    }
}

impl CpuShare {
    /// In percent.
    pub(crate) fn percent(self) -> f64 {
        100.0 * self.generator.as_secs_f64() / self.all.as_secs_f64().max(f64::EPSILON)
    }
}

/// CPU time that another process has taken, to a hundredth of a second.
pub(crate) fn process_cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field, the name, may hold anything up to the last parenthesis.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = |field: &str| field.parse::<u64>().unwrap_or_default();
    let in_user_and_kernel = fields.split_whitespace().skip(11).take(2).map(ticks);
    Duration::from_millis(in_user_and_kernel.sum::<u64>() * 10)
}

/// CPU time that another process's living threads have taken, to the nanosecond: those whose
/// name begins with `prefix`, and all of them.
pub(crate) fn threads_cpu(pid: u32, prefix: &str) -> (Duration, Duration) {
    let (mut named, mut all) = (Duration::ZERO, Duration::ZERO);
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return (named, all);
    };
    for thread in threads.flatten() {
        let read = |file: &str| std::fs::read_to_string(thread.path().join(file));
        let schedstat = read("schedstat").unwrap_or_default();
        let nanos = schedstat.split_whitespace().next();
        let taken = Duration::from_nanos(nanos.and_then(|n| n.parse().ok()).unwrap_or_default());
        all += taken;
        if read("comm").is_ok_and(|name| name.starts_with(prefix)) {
            named += taken;
        }
    }
    (named, all)
}

fn read(clock: ClockId) -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
    let seconds = u64::try_from(tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(tv_nsec).unwrap_or_default())
}
