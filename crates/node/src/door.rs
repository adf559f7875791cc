//! The way of score events and notices to the shard that takes them, and its limits (I8).
//! Attempts come by lanes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::Sender;
use huntcore_engine::EventVerdict;
use huntcore_lane::Bell;
use huntcore_log::CompletionSink;
use huntcore_model::{ScoreEvent, ShardId, ShardMap, Slot};
use tokio::sync::oneshot;

use crate::looker::{Ask, Found};
use crate::shard::ShardEvent;

/// Score events that may wait for one shard's decision.
const QUEUED_MAX: usize = 65_536;
/// What one shard decides together at most; larger submissions are cut.
const PART_MAX: usize = 4_096;

/// Score events of one submission that go to one shard, answered together.
pub(crate) struct EventsPart {
    pub(crate) items: Vec<ScoreEvent>,
    /// What they are, and what was found of them, once they have been looked up.
    pub(crate) found: Found,
    /// Dropped unanswered if the decision's fate is unknown.
    pub(crate) reply: oneshot::Sender<Answered>,
    #[expect(dead_code, reason = "held until the part is answered")]
    pub(crate) permit: Permit,
}

/// What came of a part.
pub(crate) struct Answered {
    pub(crate) verdicts: Vec<EventVerdict>,
    /// Given back, so that they are freed where they were made and not by the shard's thread.
    #[expect(dead_code, reason = "freed with the answer")]
    pub(crate) items: Vec<ScoreEvent>,
}

/// Room in a shard's queue; given back when dropped.
pub(crate) struct Permit {
    queued: Arc<AtomicUsize>,
    count: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.queued.fetch_sub(self.count, Ordering::Relaxed);
    }
}

/// One shard's way in.
#[derive(Clone)]
pub(crate) struct ShardDoor {
    events: Sender<ShardEvent>,
    look_ups: Sender<Ask>,
    bell: Bell,
    queued: Arc<AtomicUsize>,
}

impl ShardDoor {
    pub(crate) fn new(events: Sender<ShardEvent>, look_ups: Sender<Ask>, bell: Bell) -> Self {
        Self {
            events,
            look_ups,
            bell,
            queued: Arc::default(),
        }
    }

    /// Where the log tells the shard what became of its batches.
    pub(crate) fn completions(&self) -> CompletionSink {
        let door = self.clone();
        Box::new(move |completion| door.tell(ShardEvent::Completed(completion)))
    }

    /// Tells the shard something that takes no room: there is little of it.
    pub(crate) fn tell(&self, event: ShardEvent) {
        // A shard that has gone needs to be told nothing.
        drop(self.events.send(event));
        self.bell.ring();
    }

    /// Has events looked up, which then go on to the shard.
    pub(crate) fn look_up(&self, part: EventsPart) {
        // Without a looker nobody decides either: the part goes unanswered.
        drop(self.look_ups.send(Ask::LookUp(part)));
    }

    /// Tells the shard to stop once it has got all events that are on their way to it.
    pub(crate) fn stop(&self) {
        drop(self.look_ups.send(Ask::Stop));
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    fn permit(&self, count: usize) -> Option<Permit> {
        let take = |queued: usize| (queued + count <= QUEUED_MAX).then_some(queued + count);
        self.queued
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .ok()
            .map(|_| Permit {
                queued: self.queued.clone(),
                count,
            })
    }
}

/// All shards' ways in.
#[derive(Clone)]
pub(crate) struct Doors {
    map: ShardMap,
    shards: Vec<ShardDoor>,
}

/// Why a part got no answer from its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The queue is full; nothing was decided.
    Overloaded,
    /// Decided or not: the shard stopped before it was durable.
    Unknown,
}

impl Doors {
    pub(crate) fn new(map: ShardMap, shards: Vec<ShardDoor>) -> Self {
        assert_eq!(
            shards.len(),
            usize::from(map.count()),
            "one door for each shard"
        );
        Self { map, shards }
    }

    pub(crate) fn shards(&self) -> &[ShardDoor] {
        &self.shards
    }

    /// The shard that owns a slot.
    pub(crate) fn of_slot(&self, slot: Slot) -> (ShardId, &ShardDoor) {
        let shard = self.map.shard_of(slot);
        (shard, &self.shards[usize::from(shard.get())])
    }

    fn shard_of_event(&self, event: &ScoreEvent) -> ShardId {
        self.map
            .shard_of(Slot::of_player(event.hunt, &event.player))
    }

    /// Sends score events to their shards; the answers come in the order of the events, each
    /// with its shard.
    pub(crate) fn events(
        &self,
        events: Vec<ScoreEvent>,
    ) -> impl Future<Output = Vec<(ShardId, Result<EventVerdict, NoAnswer>)>> + Send + use<> {
        let mut answers = Vec::with_capacity(events.len());
        let mut by_shard: Vec<(Vec<usize>, Vec<ScoreEvent>)> = self
            .shards
            .iter()
            .map(|_| (Vec::new(), Vec::new()))
            .collect();
        for (index, event) in events.into_iter().enumerate() {
            let shard = self.shard_of_event(&event);
            answers.push((shard, Err(NoAnswer::Overloaded)));
            let (indices, part) = &mut by_shard[usize::from(shard.get())];
            indices.push(index);
            part.push(event);
        }
        let mut waiting = Vec::new();
        for (door, (indices, mut items)) in self.shards.iter().zip(by_shard) {
            let mut indices = indices.as_slice();
            while !items.is_empty() {
                let rest = items.split_off(items.len().min(PART_MAX));
                let (now, later) = indices.split_at(items.len());
                indices = later;
                let part = std::mem::replace(&mut items, rest);
                let Some(permit) = door.permit(part.len()) else {
                    continue;
                };
                let (reply, answered) = oneshot::channel();
                door.look_up(EventsPart {
                    items: part,
                    found: Found::default(),
                    reply,
                    permit,
                });
                waiting.push((now.to_vec(), answered));
            }
        }
        async move {
            for (indices, answered) in waiting {
                match answered.await {
                    Ok(part) => {
                        for (index, answer) in indices.into_iter().zip(part.verdicts) {
                            answers[index].1 = Ok(answer);
                        }
                    }
                    Err(_) => {
                        for index in indices {
                            answers[index].1 = Err(NoAnswer::Unknown);
                        }
                    }
                }
            }
            answers
        }
    }
}
