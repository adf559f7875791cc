//! A bell wakes one thread, and costs next to nothing while that thread is awake.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Duration;

use crossbeam_utils::sync::{Parker, Unparker};

/// Wakes the thread that waits at the other end.
#[derive(Clone, Debug)]
pub struct Bell {
    sleeping: Arc<AtomicBool>,
    thread: Unparker,
}

/// The end at which one thread waits.
#[derive(Debug)]
pub struct BellWaiter {
    sleeping: Arc<AtomicBool>,
    parker: Parker,
}

impl Bell {
    /// A bell and the place to wait for it.
    #[must_use]
    pub fn new() -> (Self, BellWaiter) {
        let sleeping = Arc::new(AtomicBool::new(false));
        let parker = Parker::new();
        let bell = Self {
            sleeping: sleeping.clone(),
            thread: parker.unparker().clone(),
        };
        (bell, BellWaiter { sleeping, parker })
    }

    /// Wakes the thread if it sleeps. To be called after whatever it should see was done.
    pub fn ring(&self) {
        // Pairs with the fence in `wait`: either the thread sees what was done before, or
        // this sees that it is about to sleep.
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::Relaxed) {
            self.thread.unpark();
        }
    }
}

impl BellWaiter {
    /// Sleeps until the bell rings or `timeout` has passed, unless `has_work` finds something
    /// to do. May return early.
    pub fn wait(&self, timeout: Duration, has_work: impl FnOnce() -> bool) {
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !has_work() {
            self.parker.park_timeout(timeout);
        }
        self.sleeping.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::thread;

    use super::*;

    #[test]
    fn no_ring_is_missed() {
        let (bell, waiter) = Bell::new();
        let done = Arc::new(AtomicU64::new(0));
        let rings = 100_000;
        let ringer = {
            let done = done.clone();
            thread::spawn(move || {
                for _ in 0..rings {
                    done.fetch_add(1, Ordering::Relaxed);
                    bell.ring();
                }
            })
        };
        let mut seen = 0;
        while seen < rings {
            let now = done.load(Ordering::Relaxed);
            if now == seen {
                // A missed ring would hang here: nobody else ends the wait in time.
                waiter.wait(Duration::from_secs(3_600), || {
                    done.load(Ordering::Relaxed) != seen
                });
            }
            seen = done.load(Ordering::Relaxed);
        }
        ringer.join().expect("the ringer ends");
    }
}
