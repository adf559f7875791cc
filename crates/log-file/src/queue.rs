//! The way to a stream's thread.
//!
//! Submissions are bounded by what each writer may have in flight, the others by their
//! callers, who wait.

use std::collections::VecDeque;
use std::path::PathBuf;
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
    /// Give up segments; answers with their files, which nobody needs any more.
    Trim {
        before: Sequence,
        answer: SyncSender<Result<Vec<PathBuf>, TrimError>>,
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

    /// Waits for commands and moves all of them into `commands`, which is empty and lends
    /// its room to those that come; false once closed and empty.
    pub(crate) fn take(&self, commands: &mut VecDeque<Command>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if !state.commands.is_empty() {
                std::mem::swap(&mut state.commands, commands);
                return true;
            }
            if state.closed {
                return false;
            }
            state = self
                .ready
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes no more commands, and gives those that are still to be done.
    pub(crate) fn end(&self) -> VecDeque<Command> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        std::mem::take(&mut state.commands)
    }

    /// Takes no more commands; those that are queued are still to be done.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        drop(state);
        self.ready.notify_one();
    }
}
