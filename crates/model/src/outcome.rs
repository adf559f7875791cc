//! What can come of an attempt, and score events.

use serde::{Deserialize, Serialize};

use crate::{EventDigest, EventId, EventType, HuntNumber, PlayerId, Sequence, ShardId, TimeMicros};

/// What came of an attempt.
///
/// `Won`, `Taken` and `Expired` are final (I3); the others may turn out otherwise when the
/// same attempt is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The player holds the tile.
    Won {
        /// The stream that holds the claim.
        shard: ShardId,
        /// The claim's place in it.
        sequence: Sequence,
        /// What the tile is worth.
        points: u32,
    },
    /// Another player holds the tile.
    Taken {
        /// The stream that holds the winner's claim.
        shard: ShardId,
        /// The winner's claim's place in it.
        sequence: Sequence,
    },
    /// Nobody may win this tile any more.
    Expired,
    /// The round opens later.
    NotYetOpen {
        /// When it does.
        opens_at: TimeMicros,
    },
    /// The round has no such tile, or the hunt no such round.
    UnknownTile,
    /// No such hunt.
    UnknownHunt,
    /// The hunt takes no attempts for now.
    HuntPaused,
    /// A limit is reached; nothing was decided.
    Overloaded,
    /// The log takes no more for lack of space; nothing was decided.
    StorageFull,
    /// The log did not say whether it stored the decision: ask again with the same attempt.
    OutcomeUnknown,
}

impl Outcome {
    /// The outcome's public name and count.
    #[must_use]
    pub const fn kind(&self) -> OutcomeKind {
        match self {
            Self::Won { .. } => OutcomeKind::Won,
            Self::Taken { .. } => OutcomeKind::Taken,
            Self::Expired => OutcomeKind::Expired,
            Self::NotYetOpen { .. } => OutcomeKind::NotYetOpen,
            Self::UnknownTile => OutcomeKind::UnknownTile,
            Self::UnknownHunt => OutcomeKind::UnknownHunt,
            Self::HuntPaused => OutcomeKind::HuntPaused,
            Self::Overloaded => OutcomeKind::Overloaded,
            Self::StorageFull => OutcomeKind::StorageFull,
            Self::OutcomeUnknown => OutcomeKind::OutcomeUnknown,
        }
    }
}

/// Every name an attempt's outcome can have, in the API, the metrics and the docs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeKind {
    /// The player holds the tile.
    Won,
    /// Another player holds the tile.
    Taken,
    /// Nobody may win this tile any more.
    Expired,
    /// The round opens later.
    NotYetOpen,
    /// The round has no such tile, or the hunt no such round.
    UnknownTile,
    /// No such hunt.
    UnknownHunt,
    /// The hunt takes no attempts for now.
    HuntPaused,
    /// The player asks too often.
    RateLimited,
    /// A limit is reached; nothing was decided.
    Overloaded,
    /// The log takes no more for lack of space; nothing was decided.
    StorageFull,
    /// It is not known whether the decision was stored: ask again with the same attempt.
    OutcomeUnknown,
    /// The attempt was malformed.
    Invalid,
}

impl OutcomeKind {
    /// Every kind, in the order in which they are reported.
    pub const ALL: [Self; 12] = [
        Self::Won,
        Self::Taken,
        Self::Expired,
        Self::NotYetOpen,
        Self::UnknownTile,
        Self::UnknownHunt,
        Self::HuntPaused,
        Self::RateLimited,
        Self::Overloaded,
        Self::StorageFull,
        Self::OutcomeUnknown,
        Self::Invalid,
    ];

    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Won => "won",
            Self::Taken => "taken",
            Self::Expired => "expired",
            Self::NotYetOpen => "not-yet-open",
            Self::UnknownTile => "unknown-tile",
            Self::UnknownHunt => "unknown-hunt",
            Self::HuntPaused => "hunt-paused",
            Self::RateLimited => "rate-limited",
            Self::Overloaded => "overloaded",
            Self::StorageFull => "storage-full",
            Self::OutcomeUnknown => "outcome-unknown",
            Self::Invalid => "invalid",
        }
    }

    /// Whether the same attempt gets the same outcome for as long as answers are kept (I3).
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Won | Self::Taken | Self::Expired)
    }

    /// Whether the same attempt, made again a little later, may fare better.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::NotYetOpen
                | Self::HuntPaused
                | Self::RateLimited
                | Self::Overloaded
                | Self::StorageFull
                | Self::OutcomeUnknown
        )
    }
}

/// Scores lie within ±(2^53-1), which JSON carries exactly everywhere.
pub const SCORE_MAGNITUDE_MAX: i64 = (1 << 53) - 1;

/// Points reported by a game server, outside the race for tiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreEvent {
    /// Which hunt.
    pub hunt: HuntNumber,
    /// With the player, the event's identity.
    pub event_id: EventId,
    /// Who scored.
    pub player: PlayerId,
    /// What kind of thing scored.
    pub event_type: EventType,
    /// Within ±[`SCORE_MAGNITUDE_MAX`].
    pub score: i64,
    /// The sender's own time, kept but never decided by.
    pub sent_at: Option<TimeMicros>,
    /// The sender's own JSON; empty if none was sent.
    pub payload: String,
}

impl ScoreEvent {
    /// Tells an honest repetition (same digest) from a conflict (same identity, another one).
    #[must_use]
    pub fn digest(&self) -> EventDigest {
        EventDigest::of(&self.event_type, self.score, self.sent_at, &self.payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_name_of_a_kind_is_its_name() {
        for kind in OutcomeKind::ALL {
            let json = serde_json::to_string(&kind).expect("plain data");
            assert_eq!(json, format!("\"{}\"", kind.name()));
        }
    }
}
