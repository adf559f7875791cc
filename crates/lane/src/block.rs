//! A block: one shard's part of a submission, which travels there and back.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_queue::ArrayQueue;
use futures_util::task::AtomicWaker;
use huntcore_model::{AttemptList, Outcome};

/// Attempts of one submission that one shard decides, and what came of them.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) attempts: AttemptList,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) arrived: Instant,
    /// Which submission of its lane, and which shard's part of it.
    pub(crate) serial: u64,
    pub(crate) shard: u16,
    /// Known while it is out; at home it would keep its own home alive.
    home: Option<Arc<Home>>,
}

/// Where a lane's blocks come back to.
#[derive(Debug)]
pub(crate) struct Home {
    /// Has room for every block that the lane can have out.
    pub(crate) answered: ArrayQueue<Box<Block>>,
    pub(crate) waker: AtomicWaker,
}

impl Block {
    pub(crate) fn new(shard: u16) -> Box<Self> {
        Box::new(Self {
            attempts: AttemptList::new(),
            outcomes: Vec::new(),
            arrived: Instant::now(),
            serial: 0,
            shard,
            home: None,
        })
    }

    /// Gives every attempt that has no outcome yet this one.
    pub(crate) fn answer_rest(&mut self, outcome: Outcome) {
        self.outcomes.resize(self.attempts.len(), outcome);
    }

    pub(crate) fn leave(&mut self, home: &Arc<Home>) {
        self.home = Some(home.clone());
    }

    /// Goes home and wakes whoever waits there. If the lane has gone, the block goes too.
    pub(crate) fn go_home(mut self: Box<Self>) {
        if let Some(home) = self.home.take() {
            let returned = home.answered.push(self);
            debug_assert!(
                returned.is_ok(),
                "there is room for every block of the lane"
            );
            home.waker.wake();
        }
    }
}
