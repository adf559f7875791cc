//! Which events of a hunt somebody wants to hear of.

use huntcore_model::{HuntNumber, PlayerId, Record, ShardId, TimeMicros};
use huntcore_wire::CloudEventType;

use crate::Names;
use crate::translate::type_of;

/// A choice among the records of a log; looked at ahead of making an event of one.
///
/// What concerns no hunt in particular (batches, time, players' numbers) is no event of a hunt,
/// and of what is copied into every stream only the original is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The hunt.
    pub hunt: HuntNumber,
    /// Of these types only.
    pub types: Option<Vec<CloudEventType>>,
    /// About this player only.
    pub player: Option<PlayerId>,
    /// Written at this time or later.
    pub since: TimeMicros,
}

impl Filter {
    /// All events of a hunt.
    #[must_use]
    pub const fn all(hunt: HuntNumber) -> Self {
        Self {
            hunt,
            types: None,
            player: None,
            since: TimeMicros::ZERO,
        }
    }

    /// Whether a record of that stream, written at that time, is wanted.
    #[must_use]
    pub fn wants(
        &self,
        shard: ShardId,
        time: TimeMicros,
        record: &Record<'_>,
        names: &impl Names,
    ) -> bool {
        let (hunt, player) = match record {
            Record::Time | Record::Player(_) => return false,
            Record::Claim(claim) => (claim.hunt, Some(claim.player)),
            Record::Score(score) => (score.hunt, Some(score.player)),
            Record::BoardClosed(closed) => (closed.hunt, None),
            Record::Correction(correction) => (correction.hunt, Some(correction.player)),
            // What is laid down for all hunts is laid down for this one.
            Record::Control { record, .. } if shard.is_control() => {
                (record.hunt().unwrap_or(self.hunt), None)
            }
            Record::Control { .. } => return false,
        };
        let is_of_type = |types: &Vec<_>| types.contains(&type_of(record));
        let is_about = |wanted: &PlayerId| {
            player.is_some_and(|number| names.player(shard, number) == Some(wanted))
        };
        hunt == self.hunt
            && time >= self.since
            && self.types.as_ref().is_none_or(is_of_type)
            && self.player.as_ref().is_none_or(is_about)
    }
}
