//! From the upstream's answers back to what a backend says.

use huntcore_client::ClientError;
use huntcore_model::{Outcome, OutcomeKind, Position, Sequence, ShardId, TimeMicros};
use huntcore_wire::{ClaimItem, PositionText};

/// The last record before a position of one stream.
pub(crate) fn last_before(position: &Position) -> Option<(ShardId, Sequence)> {
    let (shard, next) = position.streams().next()?;
    let sequence = next.get().checked_sub(1)?;
    Some((shard, Sequence::new(sequence)))
}

/// What came of an attempt that the upstream was asked for. An answer that lacks what belongs
/// to it is no answer: nobody is told more than the upstream said.
pub(crate) fn outcome(item: &ClaimItem, now: TimeMicros) -> Outcome {
    let place = |position: Option<&PositionText>| last_before(&position?.parse().ok()?);
    let known = match item.outcome {
        OutcomeKind::Won => {
            let receipt = item.receipt.as_ref().map(|receipt| &receipt.position);
            place(receipt).and_then(|(shard, sequence)| {
                Some(Outcome::Won {
                    shard,
                    sequence,
                    points: item.points?,
                })
            })
        }
        OutcomeKind::Taken => place(item.winner_position.as_ref())
            .map(|(shard, sequence)| Outcome::Taken { shard, sequence }),
        OutcomeKind::Expired => Some(Outcome::Expired),
        OutcomeKind::NotYetOpen => {
            let wait = item.retry_after_ms.unwrap_or_default();
            Some(Outcome::NotYetOpen {
                opens_at: now.plus_millis(wait),
            })
        }
        OutcomeKind::UnknownTile => Some(Outcome::UnknownTile),
        OutcomeKind::UnknownHunt => Some(Outcome::UnknownHunt),
        OutcomeKind::HuntPaused => Some(Outcome::HuntPaused),
        OutcomeKind::Overloaded | OutcomeKind::RateLimited => Some(Outcome::Overloaded),
        OutcomeKind::StorageFull => Some(Outcome::StorageFull),
        OutcomeKind::OutcomeUnknown | OutcomeKind::Invalid => None,
    };
    known.unwrap_or(Outcome::OutcomeUnknown)
}

/// An error with all that caused it, in one line.
pub(crate) fn in_words(error: &ClientError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_comes_back_as_it_was_sent() {
        let now = TimeMicros::from_millis(1_000_000);
        let at = (ShardId::new(2), Sequence::new(299));
        let outcomes = [
            Outcome::Won {
                shard: at.0,
                sequence: at.1,
                points: 25,
            },
            Outcome::Taken {
                shard: ShardId::new(0),
                sequence: Sequence::ZERO,
            },
            Outcome::Expired,
            Outcome::NotYetOpen {
                opens_at: now.plus_millis(700),
            },
            Outcome::UnknownTile,
            Outcome::UnknownHunt,
            Outcome::HuntPaused,
            Outcome::Overloaded,
            Outcome::StorageFull,
            Outcome::OutcomeUnknown,
        ];
        for sent in outcomes {
            let item = ClaimItem::of_outcome(&sent, now);
            assert_eq!(outcome(&item, now), sent);
        }
    }

    #[test]
    fn a_win_without_its_receipt_is_not_passed_on() {
        let at = Outcome::Won {
            shard: ShardId::new(0),
            sequence: Sequence::new(1),
            points: 5,
        };
        let mut item = ClaimItem::of_outcome(&at, TimeMicros::ZERO);
        item.receipt = None;
        assert_eq!(outcome(&item, TimeMicros::ZERO), Outcome::OutcomeUnknown);
    }
}
