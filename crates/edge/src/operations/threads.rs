//! What the kernel says of this process's threads. Where it says nothing, there are none.

use std::fs;
use std::time::Duration;

use huntcore_capacity::ThreadTime;
use rustix::time::{ClockId, clock_gettime};

/// What Linux counts user and system time in, for whoever reads it from files.
const TICK: Duration = Duration::from_millis(10);

/// Every thread that lives.
pub(super) fn all() -> Vec<ThreadTime> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    let ids = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
    // One that has ended meanwhile has no files any more.
    ids.filter_map(one).collect()
}

/// CPU time of the whole process, threads that have ended included.
pub(super) fn process_nanos() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds * 1_000_000_000 + nanos
}

fn one(id: u32) -> Option<ThreadTime> {
    let stat = fs::read_to_string(format!("/proc/self/task/{id}/stat")).ok()?;
    let mut thread = parse(id, &stat)?;
    // To the nanosecond, where the kernel keeps it.
    let exact = fs::read_to_string(format!("/proc/self/task/{id}/schedstat")).ok();
    if let Some(nanos) = exact.and_then(|text| text.split(' ').next()?.parse().ok()) {
        thread.cpu_nanos = nanos;
    }
    Some(thread)
}

/// A line of `stat`. The name stands in parentheses and may hold some itself.
fn parse(id: u32, stat: &str) -> Option<ThreadTime> {
    let (name, rest) = (stat.split_once('(')?.1).rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    // Counted from the state, which is the line's third field.
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let started = fields.nth(6)?.parse().ok()?;
    let tick = u64::try_from(TICK.as_nanos()).ok()?;
    Some(ThreadTime {
        id,
        started,
        name: name.to_owned(),
        cpu_nanos: (user + system) * tick,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threads_name_times_and_start_are_read() {
        let stat = "7 (a) (b c) S 1 7 7 0 -1 4194368 1 0 0 0 31 12 0 0 20 0 9 0 8642 1 2 3";
        assert_eq!(
            parse(7, stat),
            Some(ThreadTime {
                id: 7,
                started: 8_642,
                name: "a) (b c".to_owned(),
                cpu_nanos: 430_000_000,
            })
        );
        for cut in ["", "7 a S 1", "7 (a) S 1 7"] {
            assert_eq!(parse(7, cut), None, "{cut:?}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_thread_is_found_by_its_name_with_the_time_that_it_took() {
        let (told, asked) = std::sync::mpsc::channel();
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let busy = move || {
            let begun = clock_gettime(ClockId::ThreadCPUTime);
            let mut now = begun;
            while (now.tv_sec, now.tv_nsec / 20_000_000)
                == (begun.tv_sec, begun.tv_nsec / 20_000_000)
            {
                now = clock_gettime(ClockId::ThreadCPUTime);
            }
            told.send(now).expect("somebody listens");
            let _ = wait.recv();
        };
        let thread = std::thread::Builder::new().name("busy-for-a-test".to_owned());
        let thread = thread.spawn(busy).expect("a thread");
        let took = asked.recv().expect("it tells");
        let threads = all();
        let found = threads.iter().find(|one| one.name == "busy-for-a-test");
        let found = found.expect("it lives");
        let took_nanos = u64::try_from(took.tv_nsec).expect("above none");
        // By ticks, it may be a whole one less.
        assert!(
            found.cpu_nanos + 10_000_000 >= took_nanos,
            "{found:?} {took_nanos}"
        );
        assert!(process_nanos() >= took_nanos);
        drop(done);
        thread.join().expect("it ends");
    }
}
