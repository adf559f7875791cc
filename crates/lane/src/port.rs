//! The shards' side: queues of blocks, and their limits (I8).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;
use huntcore_model::{AttemptList, Outcome, ShardId, ShardMap};

use crate::bell::{Bell, BellWaiter, Listen};
use crate::block::Block;
use crate::lane::{Lane, LaneOptions};

/// How much may wait for one shard's decision, or for its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntranceLimits {
    /// Attempts taken and not yet answered. More are refused.
    pub attempts_max: usize,
    /// Blocks taken and not yet decided. More are refused.
    pub blocks_max: usize,
}

impl Default for EntranceLimits {
    /// 65,536 attempts in at most 16,384 blocks.
    fn default() -> Self {
        Self {
            attempts_max: 65_536,
            blocks_max: 16_384,
        }
    }
}

/// The askers' end of all shards' queues: makes lanes.
#[derive(Clone, Debug)]
pub struct Entrance {
    map: ShardMap,
    queues: Arc<[Queue]>,
}

/// One shard's end of its queue. When it is dropped, whatever is still in there comes back as
/// `outcome-unknown`, and so does everything later.
#[derive(Debug)]
pub struct ShardPort {
    shard: ShardId,
    shared: Arc<Shared>,
    waiter: BellWaiter,
}

#[derive(Debug)]
pub(crate) struct Queue {
    shared: Arc<Shared>,
    bell: Bell,
}

#[derive(Debug)]
struct Shared {
    blocks: ArrayQueue<Box<Block>>,
    // Touched by both sides for each block, so it has a cache line of its own.
    attempts: CachePadded<AtomicUsize>,
    attempts_max: usize,
    closed: AtomicBool,
}

/// A block that waits for its outcomes. Dropped unanswered, it goes back as
/// `outcome-unknown`: nobody ever waits in vain.
#[derive(Debug)]
pub struct PendingBlock {
    // `None` only once it has gone home.
    block: Option<Box<Block>>,
    shared: Arc<Shared>,
}

/// Sets up queues to `shards`: one end for askers, and one for each shard, in order.
#[must_use]
pub fn exchange(shards: ShardMap, limits: EntranceLimits) -> (Entrance, Vec<ShardPort>) {
    let mut queues = Vec::new();
    let mut ports = Vec::new();
    for shard in shards.shards() {
        let shared = Arc::new(Shared {
            blocks: ArrayQueue::new(limits.blocks_max.max(1)),
            attempts: CachePadded::new(AtomicUsize::new(0)),
            attempts_max: limits.attempts_max,
            closed: AtomicBool::new(false),
        });
        let waiter = BellWaiter::new();
        queues.push(Queue {
            shared: shared.clone(),
            bell: waiter.bell(),
        });
        ports.push(ShardPort {
            shard,
            shared,
            waiter,
        });
    }
    let entrance = Entrance {
        map: shards,
        queues: queues.into(),
    };
    (entrance, ports)
}

impl Entrance {
    /// A new lane to all shards.
    #[must_use]
    pub fn lane(&self, options: LaneOptions) -> Lane {
        Lane::new(self.map, self.queues.clone(), options)
    }

    /// Attempts of one shard that are taken and not yet answered.
    #[must_use]
    pub fn waiting(&self, shard: ShardId) -> usize {
        let queue = self.queues.get(usize::from(shard.get()));
        queue.map_or(0, |queue| queue.shared.attempts.load(Ordering::Relaxed))
    }
}

impl Queue {
    /// Hands a block to the shard; one that finds no room comes back with its refusal.
    pub(crate) fn push(&self, mut block: Box<Block>) -> Result<(), Box<Block>> {
        let shared = &self.shared;
        let count = block.attempts.len();
        let before = shared.attempts.fetch_add(count, Ordering::Relaxed);
        let pushed = if before + count > shared.attempts_max {
            Err(block)
        } else {
            block.arrived = Instant::now();
            shared.blocks.push(block)
        };
        if let Err(mut block) = pushed {
            shared.attempts.fetch_sub(count, Ordering::Relaxed);
            block.answer_rest(Outcome::Overloaded);
            return Err(block);
        }
        self.bell.ring();
        // The shard may have gone between looking for the last time and this push.
        if shared.closed.load(Ordering::SeqCst) {
            drain(shared);
        }
        Ok(())
    }
}

impl ShardPort {
    /// The shard.
    #[must_use]
    pub const fn shard(&self) -> ShardId {
        self.shard
    }

    /// The next block, if one waits.
    #[must_use]
    pub fn pop(&self) -> Option<PendingBlock> {
        Some(PendingBlock {
            block: Some(self.shared.blocks.pop()?),
            shared: self.shared.clone(),
        })
    }

    /// Whether no block waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.blocks.is_empty()
    }

    /// An urgent bell, for whatever else the shard's thread waits for.
    #[must_use]
    pub fn bell(&self) -> Bell {
        self.waiter.urgent_bell()
    }

    /// Sleeps until something that it listens to happens or `timeout` has passed, unless
    /// `has_work` finds something to do: whoever listens to all looks at [`Self::is_empty`]
    /// too. May return early. Blocks that come in are not urgent.
    pub fn wait(&self, timeout: Duration, listen: Listen, has_work: impl FnOnce() -> bool) {
        self.waiter.wait(timeout, listen, has_work);
    }
}

impl Drop for ShardPort {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        drain(&self.shared);
    }
}

/// Sends back what nobody will decide.
fn drain(shared: &Arc<Shared>) {
    while let Some(block) = shared.blocks.pop() {
        drop(PendingBlock {
            block: Some(block),
            shared: shared.clone(),
        });
    }
}

impl PendingBlock {
    /// What is asked.
    #[must_use]
    pub fn attempts(&self) -> &AttemptList {
        &self.block().attempts
    }

    /// When it came in.
    #[must_use]
    pub fn arrived(&self) -> Instant {
        self.block().arrived
    }

    /// What is asked, and where the outcomes belong: one for each attempt, in order.
    pub fn parts_mut(&mut self) -> (&AttemptList, &mut Vec<Outcome>) {
        let block = self.block.as_mut().expect("still here");
        (&block.attempts, &mut block.outcomes)
    }

    /// Sends it back with its outcomes, one for each attempt.
    ///
    /// # Panics
    /// If there are not as many as attempts: whoever decides broke its word.
    pub fn answer(mut self) {
        let block = self.block.take().expect("still here");
        assert_eq!(
            block.outcomes.len(),
            block.attempts.len(),
            "one outcome for each attempt"
        );
        self.send_home(block);
    }

    fn block(&self) -> &Block {
        self.block.as_ref().expect("still here")
    }

    fn send_home(&self, block: Box<Block>) {
        let count = block.attempts.len();
        self.shared.attempts.fetch_sub(count, Ordering::Relaxed);
        block.go_home();
    }
}

impl Drop for PendingBlock {
    fn drop(&mut self) {
        if let Some(mut block) = self.block.take() {
            // What was decided may not be durable (I2).
            block.outcomes.clear();
            block.answer_rest(Outcome::OutcomeUnknown);
            self.send_home(block);
        }
    }
}
