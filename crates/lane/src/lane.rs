//! A lane: one asker's way in and out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use crossbeam_queue::ArrayQueue;
use futures_util::task::AtomicWaker;
use huntcore_model::ShardMap;

use crate::block::{Block, Home};
use crate::port::Queue;
use crate::submission::Submission;

/// What a lane may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneOptions {
    /// Submissions that may be out at one time; at least 1.
    pub submissions_max: usize,
}

impl Default for LaneOptions {
    /// 16 submissions.
    fn default() -> Self {
        Self {
            submissions_max: 16,
        }
    }
}

/// See the module. It can be dropped at any time: what was handed in is then still decided
/// and stored, and nobody is told.
#[derive(Debug)]
pub struct Lane {
    map: ShardMap,
    queues: Arc<[Queue]>,
    home: Arc<Home>,
    submissions_max: usize,
    free: Vec<Submission>,
    /// In the order of submission.
    out: VecDeque<Submission>,
    /// Started and not yet submitted or recycled, besides those that are out or free.
    held: usize,
    next_serial: u64,
}

impl Lane {
    pub(crate) fn new(map: ShardMap, queues: Arc<[Queue]>, options: LaneOptions) -> Self {
        let submissions_max = options.submissions_max.max(1);
        let blocks_max = submissions_max * usize::from(map.count());
        Self {
            map,
            queues,
            home: Arc::new(Home {
                answered: ArrayQueue::new(blocks_max),
                waker: AtomicWaker::new(),
            }),
            submissions_max,
            free: Vec::new(),
            out: VecDeque::new(),
            held: 0,
            next_serial: 0,
        }
    }

    /// An empty submission, recycled if there is one; `None` while as many as the lane may
    /// have are held or out.
    pub fn start(&mut self) -> Option<Submission> {
        if self.held + self.out.len() >= self.submissions_max {
            return None;
        }
        self.held += 1;
        let submission = self.free.pop().unwrap_or_else(|| {
            let parts = self.map.shards().map(|shard| Some(Block::new(shard.get())));
            Submission::new(self.map, parts.collect())
        });
        Some(submission)
    }

    /// Hands a submission in. Parts that find no room at their shard are answered
    /// `overloaded` on the spot.
    pub fn submit(&mut self, mut submission: Submission) {
        let serial = self.next_serial;
        self.next_serial += 1;
        self.held -= 1;
        submission.serial = serial;
        for (queue, part) in self.queues.iter().zip(&mut submission.parts) {
            let Some(mut block) = part.take_if(|part| !part.attempts.is_empty()) else {
                continue;
            };
            block.serial = serial;
            block.leave(&self.home);
            match queue.push(block) {
                Ok(()) => submission.out += 1,
                Err(refused) => *part = Some(refused),
            }
        }
        self.out.push_back(submission);
    }

    /// The next submission in the order they were handed in, once each of its items has its
    /// outcome; `Ready(None)` if none is out. The waker is called when it may be ready.
    pub fn poll_answered(&mut self, context: &mut Context<'_>) -> Poll<Option<Submission>> {
        if let Some(answered) = self.try_answered() {
            return Poll::Ready(Some(answered));
        }
        if self.out.is_empty() {
            return Poll::Ready(None);
        }
        self.home.waker.register(context.waker());
        match self.try_answered() {
            Some(answered) => Poll::Ready(Some(answered)),
            None => Poll::Pending,
        }
    }

    /// Like [`Self::poll_answered`], for whoever looks again by itself.
    pub fn try_answered(&mut self) -> Option<Submission> {
        while let Some(block) = self.home.answered.pop() {
            self.come_home(block);
        }
        let answered = self.out.pop_front_if(|first| first.out == 0)?;
        self.held += 1;
        Some(answered)
    }

    /// Waits for [`Self::poll_answered`]; may be dropped and called again.
    pub async fn answered(&mut self) -> Option<Submission> {
        std::future::poll_fn(|context| self.poll_answered(context)).await
    }

    /// Takes back a submission that is no longer needed.
    pub fn recycle(&mut self, mut submission: Submission) {
        submission.clear();
        self.held -= 1;
        self.free.push(submission);
    }

    /// How many submissions are out.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.out.len()
    }

    fn come_home(&mut self, block: Box<Block>) {
        let first = self.out.front().map_or(0, |first| first.serial);
        let index = block.serial.checked_sub(first);
        let submission = index
            .and_then(|index| self.out.get_mut(usize::try_from(index).ok()?))
            .expect("a block comes home before its submission is given back");
        debug_assert!(block.outcomes.len() == block.attempts.len());
        let part = usize::from(block.shard);
        submission.parts[part] = Some(block);
        submission.out -= 1;
    }
}
