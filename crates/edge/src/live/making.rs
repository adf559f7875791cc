//! What takes too long for a reactor's own thread: large snapshots and large merged deltas are
//! made here, one after the other, and every reactor is told when one is there.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_channel::{Receiver, Sender};
use huntcore_broadcast::FeedVersion;

use super::classes::{SharedClass, Wish};
use super::wakeup::Handle;

/// Jobs that wait; whoever finds no room asks again with the next change.
const JOBS_MAX: usize = 256;

/// The way to the thread that makes things. It ends when this is dropped.
pub(super) struct Making {
    jobs: Sender<Job>,
    done: Arc<Done>,
}

pub(super) struct Job {
    pub(super) class: Arc<SharedClass>,
    pub(super) feed: Arc<FeedVersion>,
    pub(super) wish: Wish,
}

/// What reactors look at to learn that something is there which was not.
#[derive(Default)]
pub(super) struct Done {
    count: AtomicU64,
    reactors: OnceLock<Vec<Arc<Handle>>>,
}

impl Making {
    pub(super) fn start() -> io::Result<Self> {
        let (jobs, waiting) = crossbeam_channel::bounded(JOBS_MAX);
        let done = Arc::new(Done::default());
        let tells = Arc::clone(&done);
        std::thread::Builder::new()
            .name("live-making".to_owned())
            .spawn(move || make(&waiting, &tells))?;
        Ok(Self { jobs, done })
    }

    /// `false` if there are too many jobs already.
    pub(super) fn ask(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }

    /// Moves whenever something is there that was not, layouts included.
    pub(super) fn count(&self) -> u64 {
        self.done.count.load(Ordering::Acquire)
    }

    pub(super) const fn done(&self) -> &Arc<Done> {
        &self.done
    }
}

impl Done {
    /// Says who is to be woken. Once.
    pub(super) fn wakes(&self, reactors: Vec<Arc<Handle>>) {
        let is_first = self.reactors.set(reactors).is_ok();
        debug_assert!(is_first, "reactors are started once");
    }

    pub(super) fn tell(&self) {
        self.count.fetch_add(1, Ordering::Release);
        for reactor in self.reactors.get().into_iter().flatten() {
            reactor.wake();
        }
    }
}

fn make(waiting: &Receiver<Job>, done: &Done) {
    for job in waiting {
        if job.class.make(&job.feed, job.wish) {
            done.tell();
        }
    }
}
