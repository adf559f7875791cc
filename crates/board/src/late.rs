//! Score events that came after their window was final: counted, and the newest kept.

use std::collections::BTreeMap;

use huntcore_model::{PlayerId, TimeMicros};

use crate::key::Place;
use crate::players::Players;

/// So many of a board's late events are kept, the newest.
pub const LATE_EVENTS_MAX: usize = 1_000;

/// What came too late for one board.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Late {
    pub(crate) count: u64,
    // By place, so that which ones are the newest does not depend on interleaving.
    pub(crate) newest: BTreeMap<Place, LateRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LateRecord {
    pub(crate) player: u32,
    pub(crate) score: i64,
    pub(crate) event_time: TimeMicros,
    pub(crate) batch_time: TimeMicros,
    pub(crate) event_id: Box<str>,
}

/// A score event that came after its window was final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateEvent<'a> {
    /// Who scored.
    pub player: &'a PlayerId,
    /// How much.
    pub score: i64,
    /// When, as the sender says.
    pub event_time: TimeMicros,
    /// The time of the batch that holds it.
    pub batch_time: TimeMicros,
    /// With the player, the event's identity.
    pub event_id: &'a str,
}

/// What came too late for a board.
#[derive(Clone, Copy, Debug)]
pub struct LateEvents<'a> {
    pub(crate) late: &'a Late,
    pub(crate) players: &'a Players,
}

impl Late {
    pub(crate) fn note(&mut self, place: Place, record: LateRecord) {
        self.count += 1;
        self.newest.insert(place, record);
        if self.newest.len() > LATE_EVENTS_MAX {
            self.newest.pop_first();
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let ids = self.newest.values().map(|record| record.event_id.len());
        self.newest.len() * size_of::<(Place, LateRecord)>() + ids.sum::<usize>()
    }
}

impl<'a> LateEvents<'a> {
    /// How many there were.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.late.count
    }

    /// The newest of them, newest first; at most [`LATE_EVENTS_MAX`].
    pub fn newest(&self) -> impl Iterator<Item = LateEvent<'a>> + use<'a> {
        let players = self.players;
        let records = self.late.newest.values().rev();
        records.map(|record| LateEvent {
            player: players.id(record.player),
            score: record.score,
            event_time: record.event_time,
            batch_time: record.batch_time,
            event_id: &record.event_id,
        })
    }
}
