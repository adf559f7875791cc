//! Whose CPU time it was.
//!
//! Threads are told apart by their names. A thread that does the work of two parts is divided
//! between them by the wall clock's time that each took, as measured by the thread itself; the
//! CPU time comes from the kernel, so nothing is counted twice and nothing is left out.

use std::collections::HashMap;

use crate::Part;

/// What the kernel says of one thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadTime {
    /// Its id; the kernel uses one again after its thread has ended.
    pub id: u32,
    /// When it was started, in any unit: with the id it names a thread for good.
    pub started: u64,
    /// Its name, of which the kernel keeps 15 bytes.
    pub name: String,
    /// CPU time that it has taken.
    pub cpu_nanos: u64,
}

/// How long, by the wall clock, threads were at work for each of the parts that share them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharedTime {
    /// On the live sockets' threads, other than for the fan-out.
    pub sockets_nanos: u64,
    /// On the live sockets' threads, for the fan-out.
    pub fan_out_nanos: u64,
    /// On the projections' thread, for boards.
    pub ranking_nanos: u64,
    /// On the projections' thread, for frames.
    pub framing_nanos: u64,
}

/// The CPU time of every part so far. It only grows.
///
/// To be brought up to date whenever somebody asks. What a thread did between the last time
/// and its end is not known by its name any more, and counts as [`Part::Other`].
#[derive(Debug, Default)]
pub struct CpuAccount {
    nanos: [u64; Part::ALL.len()],
    threads: HashMap<u32, Seen>,
    shared: SharedTime,
    process_nanos: u64,
}

#[derive(Debug)]
struct Seen {
    started: u64,
    cpu_nanos: u64,
}

/// What a thread does, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    One(Part),
    LiveSockets,
    Projections,
}

impl Owner {
    fn of(name: &str) -> Self {
        // Longer beginnings first: the log's threads are named after the streams' threads.
        const NAMES: [(&str, Owner); 13] = [
            // Snapshots that take too long for a loop that serves sockets.
            ("live-making", Owner::One(Part::Framing)),
            ("live-", Owner::LiveSockets),
            ("projector", Owner::Projections),
            ("log-", Owner::One(Part::Writing)),
            ("checkpoints", Owner::One(Part::Keeping)),
            ("space", Owner::One(Part::Keeping)),
            ("shard-", Owner::One(Part::Deciding)),
            ("control", Owner::One(Part::Control)),
            ("sink-", Owner::One(Part::Sinking)),
            ("tokio-", Owner::One(Part::Http)),
            ("accept", Owner::One(Part::Http)),
            ("forward", Owner::One(Part::Http)),
            ("upstream", Owner::One(Part::Http)),
        ];
        let known = NAMES.iter().find(|(start, _)| name.starts_with(start));
        known.map_or(Self::One(Part::Other), |&(_, owner)| owner)
    }
}

impl CpuAccount {
    /// Takes in what the kernel says of all threads that live, of the whole process with those
    /// that have ended, and what the shared threads say of themselves.
    pub fn update(&mut self, threads: &[ThreadTime], process_nanos: u64, shared: SharedTime) {
        let mut live_nanos = 0;
        let mut projections_nanos = 0;
        let mut now_alive = HashMap::with_capacity(threads.len());
        for thread in threads {
            let before = self.threads.get(&thread.id);
            let before = before.filter(|seen| seen.started == thread.started);
            let counted = before.map_or(0, |seen| seen.cpu_nanos);
            let taken = thread.cpu_nanos.saturating_sub(counted);
            match Owner::of(&thread.name) {
                Owner::One(part) => self.add(part, taken),
                Owner::LiveSockets => live_nanos += taken,
                Owner::Projections => projections_nanos += taken,
            }
            let seen = Seen {
                started: thread.started,
                cpu_nanos: thread.cpu_nanos.max(counted),
            };
            now_alive.insert(thread.id, seen);
        }
        self.threads = now_alive;
        let since = |now: u64, before: u64| now.saturating_sub(before);
        let fan_out = since(shared.fan_out_nanos, self.shared.fan_out_nanos);
        let sockets = since(shared.sockets_nanos, self.shared.sockets_nanos);
        let ranking = since(shared.ranking_nanos, self.shared.ranking_nanos);
        let framing = since(shared.framing_nanos, self.shared.framing_nanos);
        self.divide(
            live_nanos,
            (Part::FanOut, fan_out),
            (Part::Sockets, sockets),
        );
        self.divide(
            projections_nanos,
            (Part::Ranking, ranking),
            (Part::Framing, framing),
        );
        self.shared = shared;
        // Threads that ended since the last time, or lived only in between.
        self.process_nanos = self.process_nanos.max(process_nanos);
        let told: u64 = self.nanos.iter().sum();
        self.add(Part::Other, self.process_nanos.saturating_sub(told));
    }

    /// CPU time of a part so far.
    #[must_use]
    pub fn nanos(&self, part: Part) -> u64 {
        self.nanos[part as usize]
    }

    /// Divides what a thread took between two parts, by the time each was at work. One that
    /// was at work for neither did what the second does when there is nothing to do.
    fn divide(&mut self, nanos: u64, first: (Part, u64), second: (Part, u64)) {
        let both = u128::from(first.1) + u128::from(second.1);
        let of_first = (u128::from(nanos) * u128::from(first.1))
            .checked_div(both)
            .and_then(|part| u64::try_from(part).ok())
            .unwrap_or(0);
        self.add(first.0, of_first);
        self.add(second.0, nanos - of_first);
    }

    fn add(&mut self, part: Part, nanos: u64) {
        self.nanos[part as usize] += nanos;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(id: u32, name: &str, cpu_nanos: u64) -> ThreadTime {
        ThreadTime {
            id,
            started: u64::from(id),
            name: name.to_owned(),
            cpu_nanos,
        }
    }

    #[test]
    fn every_thread_that_the_program_starts_is_known_by_its_name() {
        let cases = [
            ("live-0", Owner::LiveSockets),
            ("live-making", Owner::One(Part::Framing)),
            ("accept", Owner::One(Part::Http)),
            ("forward", Owner::One(Part::Http)),
            ("projector", Owner::Projections),
            ("log-shard-00000", Owner::One(Part::Writing)),
            ("log-control", Owner::One(Part::Writing)),
            ("log-spares", Owner::One(Part::Writing)),
            ("shard-00017", Owner::One(Part::Deciding)),
            ("control", Owner::One(Part::Control)),
            ("checkpoints", Owner::One(Part::Keeping)),
            ("space", Owner::One(Part::Keeping)),
            ("tokio-rt-worker", Owner::One(Part::Http)),
            ("huntcore", Owner::One(Part::Other)),
            ("players", Owner::One(Part::Other)),
        ];
        for (name, owner) in cases {
            assert_eq!(Owner::of(name), owner, "{name}");
        }
    }

    #[test]
    fn shared_threads_are_divided_by_the_time_each_part_was_at_work() {
        let mut account = CpuAccount::default();
        let threads = [
            thread(1, "live-0", 600),
            thread(2, "live-1", 200),
            thread(3, "projector", 90),
        ];
        let shared = SharedTime {
            sockets_nanos: 100,
            fan_out_nanos: 300,
            ranking_nanos: 2_000,
            framing_nanos: 1_000,
        };
        account.update(&threads, 900, shared);
        assert_eq!(
            [
                Part::FanOut,
                Part::Sockets,
                Part::Ranking,
                Part::Framing,
                Part::Other
            ]
            .map(|part| account.nanos(part)),
            [600, 200, 60, 30, 10]
        );
        // Nothing more was fanned out: what was counted before stays as it is.
        let shared = SharedTime {
            sockets_nanos: 900,
            ..shared
        };
        let threads = [
            thread(1, "live-0", 650),
            thread(2, "live-1", 200),
            thread(3, "projector", 90),
        ];
        account.update(&threads, 950, shared);
        assert_eq!(
            [Part::FanOut, Part::Sockets].map(|part| account.nanos(part)),
            [600, 250]
        );
    }

    #[test]
    fn what_ended_threads_took_stays_counted_and_an_id_used_again_is_another_thread() {
        let mut account = CpuAccount::default();
        let none = SharedTime::default();
        account.update(&[thread(7, "shard-00000", 500)], 500, none);
        // It went on for 100 before it ended, and another one has its id now.
        let successor = ThreadTime {
            started: 99,
            ..thread(7, "tokio-rt-worker", 30)
        };
        account.update(&[successor], 630, none);
        assert_eq!(
            [Part::Deciding, Part::Http, Part::Other].map(|part| account.nanos(part)),
            [500, 30, 100]
        );
        // Clocks of threads and of the process are not read at the same moment.
        account.update(&[], 620, none);
        let all: u64 = Part::ALL.iter().map(|&part| account.nanos(part)).sum();
        assert_eq!(all, 630);
    }
}
