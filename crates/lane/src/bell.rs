//! A bell wakes one thread, and costs next to nothing while that thread is awake.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering, fence};
use std::time::Duration;

use crossbeam_utils::sync::{Parker, Unparker};

const AWAKE: u8 = 0;
const HEARS_URGENT: u8 = 1;
const HEARS_ALL: u8 = 2;

/// Wakes the thread that waits at the other end, if it listens to this kind of bell.
#[derive(Clone, Debug)]
pub struct Bell {
    state: Arc<AtomicU8>,
    thread: Unparker,
    wakes: u8,
}

/// The end at which one thread waits.
#[derive(Debug)]
pub(crate) struct BellWaiter {
    state: Arc<AtomicU8>,
    parker: Parker,
}

/// What a waiting thread is woken by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Everything.
    All,
    /// Only urgent bells; new blocks wait.
    Urgent,
}

impl BellWaiter {
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::new(AtomicU8::new(AWAKE)),
            parker: Parker::new(),
        }
    }

    /// A bell that is heard only by who listens to all.
    pub(crate) fn bell(&self) -> Bell {
        self.bell_for(HEARS_ALL)
    }

    /// A bell that is always heard.
    pub(crate) fn urgent_bell(&self) -> Bell {
        self.bell_for(HEARS_URGENT)
    }

    fn bell_for(&self, wakes: u8) -> Bell {
        Bell {
            state: self.state.clone(),
            thread: self.parker.unparker().clone(),
            wakes,
        }
    }

    /// Sleeps until a bell rings or `timeout` has passed, unless `has_work` finds something
    /// to do. May return early.
    pub(crate) fn wait(&self, timeout: Duration, listen: Listen, has_work: impl FnOnce() -> bool) {
        let state = match listen {
            Listen::All => HEARS_ALL,
            Listen::Urgent => HEARS_URGENT,
        };
        self.state.store(state, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !has_work() {
            self.parker.park_timeout(timeout);
        }
        self.state.store(AWAKE, Ordering::Relaxed);
    }
}

impl Bell {
    /// Wakes the thread if it sleeps. To be called after whatever it should see was done.
    pub fn ring(&self) {
        // Pairs with the fence in `wait`: either the thread sees what was done before, or
        // this sees that it is about to sleep.
        fence(Ordering::SeqCst);
        let state = self.state.load(Ordering::Relaxed);
        // If it changes here, the thread has been awake since and has looked for itself.
        let wakes = state >= self.wakes
            && self
                .state
                .compare_exchange(state, AWAKE, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if wakes {
            self.thread.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::thread;

    use super::*;

    /// A missed ring would hang here: nobody else ends the wait in time.
    const FOR_EVER: Duration = Duration::from_secs(3_600);

    fn every_ring_is_heard(waiter: &BellWaiter, bell: Bell, listen: Listen) {
        let done = Arc::new(AtomicU64::new(0));
        let rings = 50_000;
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
            waiter.wait(FOR_EVER, listen, || done.load(Ordering::Relaxed) != seen);
            seen = done.load(Ordering::Relaxed);
        }
        ringer.join().expect("the ringer ends");
    }

    #[test]
    fn no_ring_is_missed() {
        let waiter = BellWaiter::new();
        every_ring_is_heard(&waiter, waiter.bell(), Listen::All);
        every_ring_is_heard(&waiter, waiter.urgent_bell(), Listen::All);
        every_ring_is_heard(&waiter, waiter.urgent_bell(), Listen::Urgent);
    }

    #[test]
    fn who_listens_to_urgent_bells_is_not_woken_by_others() {
        let waiter = BellWaiter::new();
        waiter.state.store(HEARS_URGENT, Ordering::Relaxed);
        waiter.bell().ring();
        assert_eq!(waiter.state.load(Ordering::Relaxed), HEARS_URGENT);
        waiter.urgent_bell().ring();
        assert_eq!(waiter.state.load(Ordering::Relaxed), AWAKE);
    }
}
