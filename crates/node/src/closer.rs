//! Has the results of boards' windows written down once the windows are final.
//!
//! Follows the published views like any reader. What is due is handed to the shard that the
//! board belongs to, whose arbiter writes each window once and in order; so this thread may
//! hand in the same again, after a crash or because the views are late, and keeps nothing. It
//! never waits for more than what it has handed in, and is behind nobody's answer.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use huntcore_engine::CloseVerdict;
use huntcore_model::{Position, ShardId};
use huntcore_projection::View;

use crate::door::Doors;
use crate::projector::Views;

/// Between two looks at what is due.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// After a shard could not write.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Windows handed in together, of all boards.
const AT_ONCE: usize = 64;

/// What the thread is given.
pub(crate) struct Closer {
    pub(crate) views: Arc<Views>,
    pub(crate) doors: Doors,
    pub(crate) stop: Receiver<()>,
}

impl Closer {
    /// Runs until told to stop, or until a shard has stopped.
    pub(crate) fn run(self) {
        // What was written, and may not be shown yet.
        let mut written = Position::start();
        let mut nothing_due_in: Option<Arc<View>> = None;
        let mut pause = LOOK_EVERY;
        while self.stop.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let view = self.views.newest();
            pause = LOOK_EVERY;
            if !view.position.covers(&written) {
                continue;
            }
            if nothing_due_in
                .as_ref()
                .is_some_and(|seen| Arc::ptr_eq(seen, &view))
            {
                continue;
            }
            let due = view.boards.due_results(&view.catalog, AT_ONCE);
            if due.is_empty() {
                nothing_due_in = Some(view);
                continue;
            }
            // Each board's in the order of time, which is the order in which its shard gets them.
            let handed_in: Vec<_> = due.into_iter().map(|due| self.doors.close(due)).collect();
            for (shard, verdict) in handed_in {
                // Shards stop before this thread does, and drop what they have not written.
                let Ok(verdict) = verdict.blocking_recv() else {
                    return;
                };
                if !note(verdict, shard, &mut written) {
                    pause = TRY_AGAIN_AFTER;
                }
            }
        }
    }
}

/// Takes note of where results stand; `false` if they could not be written now.
fn note(verdict: CloseVerdict, shard: ShardId, written: &mut Position) -> bool {
    match verdict {
        CloseVerdict::Closed(sequence) | CloseVerdict::AlreadyClosed(sequence) => {
            written.advance(shard, sequence.advanced(1));
            true
        }
        // The hunt was given other boards meanwhile, or its shard has not heard of all yet:
        // a later view says what is due then.
        CloseVerdict::UnknownHunt | CloseVerdict::UnknownBoard | CloseVerdict::NotYet => true,
        CloseVerdict::Overloaded | CloseVerdict::StorageFull => false,
    }
}
