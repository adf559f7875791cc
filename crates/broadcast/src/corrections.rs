//! What operators have corrected in a hunt, as broadcast tells it.
//!
//! Each correction is told once, with the tick that it falls into. The last ones stand in
//! snapshots, too: whoever missed the tick still sees why somebody has vanished.

use std::collections::BTreeMap;
use std::sync::Arc;

use huntcore_model::{Correction, PlayerNumber, PositionAfter, Sequence, ShardId, TimeMicros};
use huntcore_wire::{CORRECTIONS_SHOWN, LiveCorrection, PositionText};

use crate::names::Roster;
use crate::text::{CORRECTION_BYTES_MAX, json_bytes_max};

/// A correction and where it stands in the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PlacedCorrection {
    pub(crate) shard: ShardId,
    pub(crate) sequence: Sequence,
    /// In whole milliseconds, as clients are told it.
    pub(crate) time: TimeMicros,
    pub(crate) player: PlayerNumber,
    pub(crate) what: Correction,
    pub(crate) reason: String,
}

/// The last corrections of a hunt, in the order in which clients put them: which ones these
/// are depends on no order in which streams were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastCorrections {
    by_order: Arc<BTreeMap<(TimeMicros, String), Arc<PlacedCorrection>>>,
}

impl PlacedCorrection {
    /// As clients are told it.
    pub(crate) fn message(&self, roster: &Roster) -> LiveCorrection {
        let (round, tile, points) = match self.what {
            Correction::ClaimVoided {
                round,
                tile,
                points,
                ..
            } => (Some(round), Some(tile), Some(points)),
            Correction::Disqualified | Correction::Reinstated => (None, None, None),
        };
        LiveCorrection {
            kind: (&self.what).into(),
            round,
            tile,
            points,
            player: roster.player(self.shard, self.player),
            reason: self.reason.clone(),
            corrected_at: self.time.into(),
            position: PositionText::new(self.place()),
        }
    }

    pub(crate) fn bytes_max(&self, roster: &Roster) -> usize {
        let player = roster.json_bytes_max(self.shard, self.player);
        CORRECTION_BYTES_MAX + player + json_bytes_max(&self.reason)
    }

    fn place(&self) -> String {
        let place = PositionAfter::new(self.shard, self.sequence);
        place.with_text(|text| String::from_utf8_lossy(text).into_owned())
    }
}

impl LastCorrections {
    pub(crate) fn insert(&mut self, correction: Arc<PlacedCorrection>) {
        let order = (correction.time, correction.place());
        let kept = Arc::make_mut(&mut self.by_order);
        kept.insert(order, correction);
        if kept.len() > CORRECTIONS_SHOWN {
            kept.pop_first();
        }
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<PlacedCorrection>> {
        self.by_order.values()
    }
}
