//! What clients of a hunt read: an immutable version of its frames and its snapshot.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use huntcore_model::{HuntId, HuntNumber, Position, RoundNumber, TimeMicros};
use huntcore_wire::{BoardName, HuntStateName, PositionText, ServerMessage, SnapshotMessage};

use crate::Frame;
use crate::board::BoardText;
use crate::frame::{Ring, merged, text};
use crate::names::Roster;
use crate::round::RoundShown;

/// Every hunt's feed.
pub type Feeds = HashMap<HuntNumber, Arc<FeedVersion>>;

/// A hunt's feed as of one tick; shared by all its readers, never changed.
#[derive(Debug)]
pub struct FeedVersion {
    hunt: HuntId,
    tick: u64,
    time: TimeMicros,
    position: Arc<Position>,
    roster: Roster,
    ring: Ring,
    shown: Shown,
    snapshot: OnceLock<Bytes>,
}

/// How far a client has been sent a feed. Means nothing to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    next: u64,
}

/// How a client begins.
#[derive(Clone, Debug)]
pub struct Start {
    /// Whether the changes since the client's position follow; otherwise a snapshot is among
    /// the messages.
    pub resumed: bool,
    /// What stands in `subscribed`: where the stream goes on from.
    pub resume: PositionText,
    /// To be sent right after `subscribed`.
    pub messages: Vec<Bytes>,
    /// Where [`FeedVersion::next`] goes on.
    pub cursor: Cursor,
}

/// What a client is to be sent next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing yet.
    Wait,
    /// What it has missed.
    Messages {
        /// In order.
        messages: Vec<Bytes>,
        /// Where to go on.
        cursor: Cursor,
    },
    /// It has missed too much: everything, in place of the changes.
    Snapshot {
        /// In order.
        messages: Vec<Bytes>,
        /// Where to go on.
        cursor: Cursor,
    },
}

/// What a snapshot shows.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) state: HuntStateName,
    pub(crate) oldest: RoundNumber,
    pub(crate) rounds: Vec<(RoundNumber, Arc<RoundShown>)>,
    pub(crate) boards: Vec<Arc<BoardText>>,
}

/// The place of a version in its process's time.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    pub(crate) tick: u64,
    pub(crate) time: TimeMicros,
    pub(crate) position: Arc<Position>,
    pub(crate) roster: Roster,
}

impl FeedVersion {
    pub(crate) fn new(hunt: HuntId, cut: Cut, ring: Ring, shown: Shown) -> Self {
        Self {
            hunt,
            tick: cut.tick,
            time: cut.time,
            position: cut.position,
            roster: cut.roster,
            ring,
            shown,
            snapshot: OnceLock::new(),
        }
    }

    pub(crate) const fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The hunt's public name.
    #[must_use]
    pub const fn hunt(&self) -> &HuntId {
        &self.hunt
    }

    /// The tick of the last change, in the process's own count.
    #[must_use]
    pub const fn tick(&self) -> u64 {
        self.tick
    }

    /// How far the log is folded in.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// What the hunt is doing.
    #[must_use]
    pub const fn state(&self) -> HuntStateName {
        self.shown.state
    }

    /// Where a client begins that has seen `resume`, on whichever process, or nothing.
    ///
    /// A process that is behind the one the client comes from should wait, for a bounded
    /// time, until its log is folded up to `resume`: only then can no board go back (I6).
    /// What the client has made of all messages in the end is right either way.
    #[must_use]
    pub fn start(&self, resume: Option<&Position>) -> Start {
        let resumed = resume.and_then(|seen| Some((seen, self.ring.resume(seen)?)));
        match resumed {
            Some((seen, next)) => Start {
                resumed: true,
                resume: seen.into(),
                // Another process may have sent others: send all again.
                messages: self.board_messages(true).collect(),
                cursor: Cursor { next },
            },
            None => Start {
                resumed: false,
                resume: (&*self.position).into(),
                messages: self.snapshot_messages(),
                cursor: self.end(),
            },
        }
    }

    /// What the client at `cursor` is to be sent: frame by frame if it has missed at most
    /// `merge_over`, else merged into one delta, or a snapshot if that is no longer.
    #[must_use]
    pub fn next(&self, cursor: &Cursor, merge_over: usize) -> Next {
        let Some(frames) = self.ring.from(cursor.next) else {
            return Next::Snapshot {
                messages: self.snapshot_messages(),
                cursor: self.end(),
            };
        };
        if frames.len() == 0 {
            return Next::Wait;
        }
        let frames: Vec<&Arc<Frame>> = frames.collect();
        let cursor = self.end();
        if frames.len() <= merge_over.max(1) {
            let payloads = frames.iter().flat_map(|frame| frame.payloads());
            return Next::Messages {
                messages: payloads.cloned().collect(),
                cursor,
            };
        }
        let missed: usize = frames.iter().map(|frame| frame.claims()).sum();
        let rounds = self.shown.rounds.iter();
        let all: usize = rounds.map(|(_, round)| round.claims()).sum();
        if missed > all {
            return Next::Snapshot {
                messages: self.snapshot_messages(),
                cursor,
            };
        }
        Next::Messages {
            messages: merged(&frames),
            cursor,
        }
    }

    /// The frames that the client at `cursor` has missed, for transports with their own way
    /// of writing; `None` if some are gone and it needs a snapshot.
    pub fn frames(&self, cursor: &Cursor) -> Option<impl ExactSizeIterator<Item = &Arc<Frame>>> {
        self.ring.from(cursor.next)
    }

    /// Where a client is that has been sent everything.
    #[must_use]
    pub const fn end(&self) -> Cursor {
        Cursor {
            next: self.ring.next_number(),
        }
    }

    /// The snapshot's text; written when it is first asked for, then shared.
    #[must_use]
    pub fn snapshot(&self) -> &Bytes {
        self.snapshot.get_or_init(|| {
            let rounds = self.shown.rounds.iter();
            let mut boards = self.shown.boards.iter();
            let total = boards.find(|board| board.name() == BoardName::Total);
            text(&ServerMessage::Snapshot(SnapshotMessage {
                server_time: self.time.into(),
                tick: self.tick,
                resume: (&*self.position).into(),
                hunt: self.hunt.clone(),
                state: self.shown.state,
                oldest: self.shown.oldest,
                rounds: rounds
                    .map(|(number, round)| round.message(*number, &self.roster))
                    .collect(),
                board: total.map(|board| board.message().clone()),
            }))
        })
    }

    fn snapshot_messages(&self) -> Vec<Bytes> {
        let mut messages = vec![self.snapshot().clone()];
        messages.extend(self.board_messages(false));
        messages
    }

    fn board_messages(&self, with_total: bool) -> impl Iterator<Item = Bytes> {
        self.shown
            .boards
            .iter()
            .filter(move |board| with_total || board.name() != BoardName::Total)
            .map(|board| board.text().clone())
    }
}
