//! The verifier on threads: one reads, one judges by the rules, one holds the boards against
//! what was counted.
//!
//! Batches go through them in one order, over bounded queues (I8). What takes longest sets the
//! pace.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use huntcore_model::Batch;
use huntcore_verify::{BoardCheck, RuleCheck, Verifier};

use crate::progress::Progress;

/// Batches are handed on when there are so many, or so many bytes of them.
const CHUNK_BATCHES: usize = 64;
const CHUNK_BYTES: usize = 1 << 20;
/// So many wait for each stage.
const CHUNKS_MAX: usize = 8;

/// Feeds all batches to the verifier's halves, each on its own thread.
pub(super) fn fold(
    batches: impl Iterator<Item = Batch>,
    verifier: Verifier,
    progress: &Progress,
) -> (RuleCheck, BoardCheck) {
    let (mut rules, mut boards) = verifier.into_parts();
    thread::scope(|scope| {
        let (to_rules, for_rules) = sync_channel::<Vec<Batch>>(CHUNKS_MAX);
        let (to_boards, for_boards) = sync_channel(CHUNKS_MAX);
        let judge = scope.spawn(move || {
            for chunk in for_rules {
                let mut judged = Vec::with_capacity(chunk.len());
                for batch in chunk {
                    progress.advance(u64::from(batch.header().count));
                    let of_batch = rules.feed(&batch);
                    judged.push((batch, of_batch));
                }
                // Gone only if it panicked, which is told when it is joined.
                drop(to_boards.send(judged));
            }
            rules
        });
        let compare = scope.spawn(move || {
            for (batch, judged) in for_boards.into_iter().flatten() {
                boards.feed(&batch, judged);
            }
            boards
        });
        hand_on(batches, &to_rules);
        drop(to_rules);
        let rules = judge.join();
        let boards = compare.join();
        (
            rules.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            boards.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        )
    })
}

fn hand_on(batches: impl Iterator<Item = Batch>, rules: &SyncSender<Vec<Batch>>) {
    let mut chunk = Vec::with_capacity(CHUNK_BATCHES);
    let mut bytes = 0;
    for batch in batches {
        bytes += batch.bytes().len();
        chunk.push(batch);
        if chunk.len() == CHUNK_BATCHES || bytes >= CHUNK_BYTES {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_BATCHES));
            drop(rules.send(full));
            bytes = 0;
        }
    }
    drop(rules.send(chunk));
}
