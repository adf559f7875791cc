//! The way to a stream's thread.
//!
//! Submissions are bounded by what each writer may have in flight, the others by their
//! callers, who wait.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use huntcore_log::{AcquireError, CompletionSink, InFlight, Ticket, TrimError};
use huntcore_model::{Batch, Epoch, Nonce, Sequence, Tail};

/// What a stream's thread is asked to do.
pub(crate) enum Command {
    /// Store a batch.
    Submit(Submission),
    /// Begin a term; answers with the writer's number and the tail.
    Acquire {
        epoch: Epoch,
        nonce: Nonce,
        completions: CompletionSink,
        in_flight: Arc<InFlight>,
        answer: SyncSender<Result<(u64, Tail), AcquireError>>,
    },
    /// Drop segments.
    Trim {
        before: Sequence,
        answer: SyncSender<Result<(), TrimError>>,
    },
    /// A writer is gone and will submit no more.
    Release { writer: u64 },
}

/// A batch on its way.
pub(crate) struct Submission {
    pub(crate) writer: u64,
    pub(crate) ticket: Ticket,
    pub(crate) expected: Tail,
    pub(crate) batch: Batch,
}

/// The thread takes no more commands.
#[derive(Debug)]
pub(crate) struct Closed;

#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    ready: Condvar,
}

#[derive(Default)]
struct QueueState {
    commands: VecDeque<Command>,
    closed: bool,
}

impl Queue {
    /// Queues a command, unless the queue is closed; then drops it.
    pub(crate) fn push(&self, command: Command) -> Result<(), Closed> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            // What a command holds may have a lot to do when it is dropped.
            drop(state);
            return Err(Closed);
        }
        state.commands.push_back(command);
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// Waits for commands and takes all of them; `None` once closed and empty.
    pub(crate) fn take(&self) -> Option<VecDeque<Command>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if !state.commands.is_empty() {
                return Some(std::mem::take(&mut state.commands));
            }
            if state.closed {
                return None;
            }
            state = self
                .ready
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes no more commands; those that are queued are still to be done.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        drop(state);
        self.ready.notify_one();
    }
}

/// Closes the queue when its thread ends, however it ends, and drops what is left, so that
/// nobody waits for an answer that will not come.
pub(crate) struct CloseOnDrop<'q>(pub(crate) &'q Queue);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close();
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let left = std::mem::take(&mut state.commands);
        drop(state);
        drop(left);
    }
}
