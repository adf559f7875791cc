//! How far one socket has been sent its hunt's feed.

use bytes::Bytes;
use huntcore_broadcast::{Cursor, FeedVersion, Next, Start};
use huntcore_model::{HuntId, HuntNumber, PlayerId, Position, TimeMicros};
use huntcore_wire::{ServerMessage, SubscribedMessage};
use tokio::time::Instant;

use crate::backend::View;

/// See the module.
pub(super) struct Follower {
    hunt: HuntNumber,
    hunt_id: HuntId,
    player: Option<PlayerId>,
    merge_over: usize,
    tick_ms: u64,
    place: Place,
}

enum Place {
    /// The socket has not asked for the feed.
    Outside,
    /// It has, and nothing has been sent.
    AtTheDoor { resume: Option<Resume> },
    /// It has been sent everything up to here.
    At(Cursor),
}

/// Where a client was before. The process that it was connected to may have been ahead of
/// this one: going on at once would take its boards back (I6).
struct Resume {
    seen: Position,
    wait_until: Instant,
}

impl Follower {
    pub(super) const fn new(
        hunt: HuntNumber,
        hunt_id: HuntId,
        player: Option<PlayerId>,
        merge_over: usize,
        tick_ms: u64,
    ) -> Self {
        Self {
            hunt,
            hunt_id,
            player,
            merge_over,
            tick_ms,
            place: Place::Outside,
        }
    }

    /// Begins after `resume`, once a view covers it, or with a snapshot; `false` if it has
    /// begun before.
    pub(super) fn subscribe(&mut self, resume: Option<Position>, wait_until: Instant) -> bool {
        let first = !self.is_subscribed();
        if first {
            let resume = resume.map(|seen| Resume { seen, wait_until });
            self.place = Place::AtTheDoor { resume };
        }
        first
    }

    /// Until when it waits for a view that covers what the client has seen.
    pub(super) const fn waits_until(&self) -> Option<Instant> {
        match &self.place {
            Place::AtTheDoor {
                resume: Some(resume),
            } => Some(resume.wait_until),
            _ => None,
        }
    }

    /// Begins with a snapshot after all: what the client has seen is of another log, or too
    /// far ahead, and what it made of that must not stay.
    pub(super) fn wait_no_longer(&mut self) {
        if let Place::AtTheDoor { resume } = &mut self.place {
            *resume = None;
        }
    }

    pub(super) const fn is_subscribed(&self) -> bool {
        !matches!(self.place, Place::Outside)
    }

    /// What is to be sent now; the caller sends all of it.
    pub(super) fn follow(&mut self, view: &View, now: TimeMicros) -> Vec<Bytes> {
        // A hunt that has just been created has no feed yet; the next view may have one.
        let Some(feed) = view.feeds.get(&self.hunt) else {
            return Vec::new();
        };
        match &self.place {
            Place::Outside => Vec::new(),
            Place::AtTheDoor {
                resume: Some(resume),
            } if !view.position.covers(&resume.seen) => Vec::new(),
            Place::AtTheDoor { resume } => {
                let start = feed.start(resume.as_ref().map(|resume| &resume.seen));
                self.begin(feed, start, now)
            }
            Place::At(cursor) => match feed.next(cursor, self.merge_over) {
                Next::Wait => Vec::new(),
                Next::Messages { messages, cursor } | Next::Snapshot { messages, cursor } => {
                    self.place = Place::At(cursor);
                    messages
                }
            },
        }
    }

    fn begin(&mut self, feed: &FeedVersion, start: Start, now: TimeMicros) -> Vec<Bytes> {
        let subscribed = ServerMessage::Subscribed(SubscribedMessage {
            server_time: now.into(),
            hunt: self.hunt_id.clone(),
            player: self.player.clone(),
            resumed: start.resumed,
            tick: feed.tick(),
            resume: start.resume,
            tick_ms: self.tick_ms,
        });
        self.place = Place::At(start.cursor);
        let mut messages = vec![Bytes::from(subscribed.to_json())];
        messages.extend(start.messages);
        messages
    }
}
