//! The verifier on threads: one reads, one judges by the rules, one counts the boards.
//!
//! Each stage is handed batches in one order, through a bounded queue (I8). What takes longest
//! sets the pace; on two cores all of it takes half of what it costs.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use huntcore_model::Batch;
use huntcore_verify::{BoardCheck, RuleCheck, Verifier};

use crate::progress::Progress;

/// Batches are handed on when there are so many, or so many bytes of them.
const CHUNK_BATCHES: usize = 64;
const CHUNK_BYTES: usize = 1 << 20;
/// So many wait for each stage.
const CHUNKS_MAX: usize = 8;

type Chunk = Arc<Vec<Batch>>;

/// Feeds all batches to the verifier's halves, each on its own thread.
pub(super) fn fold(
    batches: impl Iterator<Item = Batch>,
    verifier: Verifier,
    progress: &Progress,
) -> (RuleCheck, BoardCheck) {
    let (mut rules, mut boards) = verifier.into_parts();
    thread::scope(|scope| {
        let (to_rules, for_rules) = sync_channel::<Chunk>(CHUNKS_MAX);
        let (to_boards, for_boards) = sync_channel::<Chunk>(CHUNKS_MAX);
        let judge = scope.spawn(move || {
            each(&for_rules, |batch| {
                rules.feed(batch);
                progress.advance(u64::from(batch.header().count));
            });
            rules
        });
        let count = scope.spawn(move || {
            each(&for_boards, |batch| boards.feed(batch));
            boards
        });
        hand_on(batches, &[to_rules, to_boards]);
        let rules = judge
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let boards = count
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (rules, boards)
    })
}

fn each(chunks: &Receiver<Chunk>, mut take: impl FnMut(&Batch)) {
    for chunk in chunks {
        chunk.iter().for_each(&mut take);
    }
}

fn hand_on(batches: impl Iterator<Item = Batch>, stages: &[SyncSender<Chunk>]) {
    let mut chunk = Vec::with_capacity(CHUNK_BATCHES);
    let mut bytes = 0;
    for batch in batches {
        bytes += batch.bytes().len();
        chunk.push(batch);
        if chunk.len() == CHUNK_BATCHES || bytes >= CHUNK_BYTES {
            send(std::mem::take(&mut chunk), stages);
            bytes = 0;
        }
    }
    send(chunk, stages);
}

fn send(chunk: Vec<Batch>, stages: &[SyncSender<Chunk>]) {
    let chunk = Arc::new(chunk);
    for stage in stages {
        // Gone only if it panicked, which is told when it is joined.
        drop(stage.send(Arc::clone(&chunk)));
    }
}
