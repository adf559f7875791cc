//! What every component of this process has cost and done, and how many of it are needed.
//!
//! CPU time is read from the kernel when somebody asks, and never on the way of a request.
//! Messages and bytes are counted where they pass, once for each batch or turn.

mod memory;
mod page;
mod scaling;
mod threads;

use std::sync::Arc;
use std::time::{Duration, Instant};

use huntcore_capacity::{Component, CpuAccount, Part, Recommendation, SharedTime, Work, WorkMeter};
use huntcore_wire::ComponentStats;
use parking_lot::Mutex;

pub use self::memory::process_memory_bytes;
use self::scaling::Scaling;
use crate::backend::Backend;
use crate::counts::{Counts, Delays};
use crate::state::Lifetime;

/// Between two looks at how far everything is behind.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Default)]
pub(crate) struct Operations {
    http: WorkMeter,
    account: Mutex<CpuAccount>,
    scaling: Mutex<Scaling>,
    seen: Mutex<Seen>,
}

/// What the last look found at the edge.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    delays: Delays,
    /// How late a task came to its turn.
    tasks_delay: Duration,
    /// Tasks that waited for theirs.
    tasks_waiting: u64,
}

impl Operations {
    /// Takes note of an answered request.
    pub(crate) fn answered(&self, body_bytes: u64) {
        self.http.add(Work {
            messages: 1,
            bytes: body_bytes,
            busy_nanos: 0,
        });
    }

    /// Every part that this process has: what the backend tells of its own, CPU time added, and
    /// the edge's.
    pub(crate) fn parts(&self, told: &[ComponentStats], counts: &Counts) -> Vec<ComponentStats> {
        let of = |part: Part| {
            let is_it = |one: &&ComponentStats| one.part == part.name();
            told.iter().find(is_it)
        };
        let nanos = |part| of(part).map_or(0, |one| from_seconds(one.busy_s));
        // Before anything is read: what was read first must be taken in first.
        let mut account = self.account.lock();
        let (sockets, fan_out) = (counts.sockets_work().total(), counts.fan_out_work().total());
        let shared = SharedTime {
            sockets_nanos: sockets.busy_nanos,
            fan_out_nanos: fan_out.busy_nanos,
            ranking_nanos: nanos(Part::Ranking),
            framing_nanos: nanos(Part::Framing),
        };
        account.update(&threads::all(), threads::process_nanos(), shared);
        let seen = *self.seen.lock();
        let parts = Part::ALL.into_iter().filter_map(|part| {
            let cpu_s = Duration::from_nanos(account.nanos(part)).as_secs_f64();
            let own = match part {
                Part::Http => Some(ComponentStats {
                    lag_messages: seen.tasks_waiting,
                    lag_s: seen.tasks_delay.as_secs_f64(),
                    ..of_work(self.http.total())
                }),
                Part::Sockets => Some(ComponentStats {
                    lag_s: seen.delays.sockets.as_secs_f64(),
                    ..of_work(sockets)
                }),
                Part::FanOut => Some(ComponentStats {
                    lag_s: seen.delays.fan_out.as_secs_f64(),
                    ..of_work(fan_out)
                }),
                _ => of(part).cloned(),
            };
            if own.is_none() && cpu_s == 0.0 {
                return None;
            }
            Some(ComponentStats {
                component: part.component().map_or("", Component::name).to_owned(),
                part: part.name().to_owned(),
                cpu_s,
                ..own.unwrap_or_default()
            })
        });
        parts.collect()
    }

    /// Appends the metrics of every part in Prometheus' text format.
    pub(crate) fn render(&self, told: &[ComponentStats], counts: &Counts, out: &mut String) {
        page::render(&self.parts(told, counts), out);
    }

    /// How many of a component are needed, and which part of it says so; `None` if this process
    /// has nothing of it.
    pub(crate) fn recommend(
        &self,
        component: Component,
        lead_s: f64,
    ) -> Option<(Part, Recommendation)> {
        self.scaling.lock().recommend(component, lead_s)
    }

    /// Looks at how far everything is behind.
    fn look(&self, at: Duration, backend: &dyn Backend, counts: &Counts, seen: Seen) {
        *self.seen.lock() = seen;
        let parts = self.parts(&backend.stats().components, counts);
        self.scaling.lock().observe(at, &parts);
    }
}

/// Looks every few seconds, until the edge ends.
pub(crate) async fn watch(
    operations: Arc<Operations>,
    backend: Arc<dyn Backend>,
    counts: Counts,
    lifetime: Lifetime,
) {
    let began = Instant::now();
    operations.look(Duration::ZERO, backend.as_ref(), &counts, Seen::default());
    loop {
        let due = tokio::time::Instant::now() + LOOK_EVERY;
        tokio::select! {
            () = lifetime.kill.cancelled() => return,
            () = lifetime.stop.cancelled() => return,
            () = tokio::time::sleep_until(due) => {}
        }
        let seen = Seen {
            delays: counts.take_delays(),
            tasks_delay: due.elapsed(),
            tasks_waiting: tokio::runtime::Handle::current()
                .metrics()
                .global_queue_depth() as u64,
        };
        operations.look(began.elapsed(), backend.as_ref(), &counts, seen);
    }
}

fn of_work(work: Work) -> ComponentStats {
    ComponentStats {
        count: 1,
        busy_s: Duration::from_nanos(work.busy_nanos).as_secs_f64(),
        messages_total: work.messages,
        bytes_total: work.bytes,
        ..ComponentStats::default()
    }
}

fn from_seconds(seconds: f64) -> u64 {
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
