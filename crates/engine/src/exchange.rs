//! What an arbiter is asked, and how it answers.

use huntcore_model::{Epoch, EventDigest, HuntNumber, Sequence, Tail, TimeMicros};

use crate::identity::EventKey;

/// A term of ownership: what the log said when the shard was acquired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// The term's number, which goes into every batch.
    pub epoch: Epoch,
    /// Where the stream ends; must be where the arbiter's fold has got to.
    pub tail: Tail,
}

/// The place of a closed round, or of an hour of score events, in the order in which an arbiter
/// has closed such things. They never change any more, so each needs to be stored only once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClosedOrdinal(u64);

impl ClosedOrdinal {
    /// Before anything was closed.
    pub const ZERO: Self = Self(0);

    /// Wraps the bare number.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The bare number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A score event, its texts borrowed and within the limits of their kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRef<'a> {
    /// Which hunt.
    pub hunt: HuntNumber,
    /// Who scored.
    pub player: &'a str,
    /// With hunt and player, the event's identity.
    pub event_id: &'a str,
    /// What kind of thing scored.
    pub event_type: &'a str,
    /// How much.
    pub score: i64,
    /// The sender's own time.
    pub sent_at: Option<TimeMicros>,
    /// The sender's own JSON.
    pub payload: &'a str,
    /// Of all but the identity.
    pub digest: EventDigest,
    /// Of the identity.
    pub key: EventKey,
    /// The time that the event id bears, if it bears one.
    pub id_time: Option<TimeMicros>,
}

/// What became of a score event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventVerdict {
    /// Taken now, as the record at this sequence.
    Accepted(Sequence),
    /// Taken before, as the record at this sequence; nothing changed.
    Duplicate(Sequence),
    /// The same identity was taken with another content, as the record at this sequence.
    Conflict(Sequence),
    /// The hunt does not exist.
    UnknownHunt,
    /// The hunt has ended or was closed.
    HuntClosed,
    /// The hunt has not started.
    HuntNotBegun,
    /// The id's own time lies before what is remembered: it may have been taken before.
    TooOld,
    /// The id's own time, or the sender's, lies too far ahead of the log's.
    TooNew,
    /// A limit is reached; nothing changed.
    Overloaded,
    /// The log takes no more for lack of space; nothing changed.
    StorageFull,
}

/// An answer and what must be durable before anybody hears it (I2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided<T> {
    /// The answer.
    pub answer: T,
    /// It may be told when every sequence below this is durable.
    pub needs: Sequence,
}
