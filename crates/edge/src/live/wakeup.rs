//! How other threads speak to a reactor: what it is to do, and that it should wake up for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering, fence};
use std::task::{Wake, Waker};

use mio::{Registry, Token};

/// Stands for the reactor itself among its sockets.
pub(super) const WAKE_TOKEN: Token = Token(usize::MAX);

/// What a reactor is to do; only ever moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Phase {
    /// Serve.
    Serving,
    /// Finish what has been accepted, and say goodbye.
    Stopping,
    /// End at once.
    Ended,
}

/// One reactor, as other threads see it.
#[derive(Debug)]
pub(super) struct Handle {
    phase: AtomicU8,
    /// Set while it sleeps, or is about to: only then does waking it cost a system call.
    sleeping: AtomicBool,
    /// Sockets that it has or is about to get.
    pub(super) sockets: AtomicUsize,
    waker: mio::Waker,
}

impl Handle {
    pub(super) fn new(registry: &Registry) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            phase: AtomicU8::new(Phase::Serving as u8),
            sleeping: AtomicBool::new(false),
            sockets: AtomicUsize::new(0),
            waker: mio::Waker::new(registry, WAKE_TOKEN)?,
        }))
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Serving,
            1 => Phase::Stopping,
            _ => Phase::Ended,
        }
    }

    pub(super) fn enter_phase(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
        self.wake();
    }

    /// To be called after whatever the reactor should see was done.
    pub(super) fn wake(&self) {
        // Pairs with the fence in `sleep`: either the reactor sees what was done before, or
        // this sees that it is about to sleep.
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed)
            && self.sleeping.swap(false, Ordering::Relaxed)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "cannot wake a reactor");
        }
    }

    /// Whoever wakes it from here on does so by a system call. The reactor looks for work
    /// once more after this, and then sleeps.
    pub(super) fn about_to_sleep(&self) {
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    pub(super) fn awake(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
    }
}

/// For futures' machinery, such as a lane's.
pub(super) fn waker(handle: &Arc<Handle>) -> Waker {
    struct Waking(Arc<Handle>);

    impl Wake for Waking {
        fn wake(self: Arc<Self>) {
            self.0.wake();
        }

        fn wake_by_ref(self: &Arc<Self>) {
            self.0.wake();
        }
    }

    Waker::from(Arc::new(Waking(Arc::clone(handle))))
}
