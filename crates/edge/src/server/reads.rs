//! How a connection is read just now: the door that reads it says so, the stream obeys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a connection's stream is asked to do.
#[derive(Debug, Default)]
pub(crate) struct ReadMode {
    wide: AtomicBool,
    hides_end: AtomicBool,
    ended: AtomicBool,
    broken: AtomicBool,
    unread: AtomicBool,
}

/// Keeps the connection's reads wide while it lives.
#[derive(Debug)]
pub(crate) struct WideReads(Arc<ReadMode>);

impl ReadMode {
    /// Lets as much be read at once as hyper has room for, which is much: only for peers that
    /// have shown the service key. hyper's buffer grows with what it reads.
    pub(super) fn widen(self: &Arc<Self>) -> WideReads {
        self.wide.store(true, Ordering::Relaxed);
        WideReads(Arc::clone(self))
    }

    pub(super) fn is_wide(&self) -> bool {
        self.wide.load(Ordering::Relaxed)
    }

    /// Takes note that the peer sends no more; whether hyper is not to know.
    pub(super) fn end_is_hidden(&self) -> bool {
        let hidden = self.hides_end.load(Ordering::Relaxed);
        self.ended.store(hidden, Ordering::Relaxed);
        hidden
    }

    /// Takes note that the connection is no more.
    pub(super) fn broke(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }
}

impl WideReads {
    /// From here on a peer that closes its side has still to get its answer. hyper would drop
    /// that, so it is not told; [`Self::has_ended`] is.
    pub(crate) fn hide_end(&self) {
        self.0.hides_end.store(true, Ordering::Relaxed);
    }

    /// Whether the peer has closed its side, and all that it sent before has been read.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.ended.load(Ordering::Relaxed)
    }

    /// Whether the connection is no more: nobody will get the answer.
    pub(crate) fn is_broken(&self) -> bool {
        self.0.broken.load(Ordering::Relaxed)
    }

    /// The answer ends before the request has: what is still on its way is to be read and
    /// forgotten, for closing with unread bytes could lose the answer.
    pub(crate) fn leave_unread(&self) {
        self.0.unread.store(true, Ordering::Relaxed);
    }

    /// The answer is finished.
    pub(crate) fn end(&self) {
        self.0.wide.store(false, Ordering::Relaxed);
        self.0.hides_end.store(false, Ordering::Relaxed);
    }
}

impl Drop for WideReads {
    fn drop(&mut self) {
        self.end();
    }
}
