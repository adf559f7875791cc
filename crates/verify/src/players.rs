//! Who is who: numbers of each stream, and one index for each player across all.

use std::collections::HashMap;

use huntcore_model::{PlayerId, PlayerNumber, PlayerRecord};

use crate::fault::{Fault, Place};
use crate::report::Report;

/// All players, erased ones without their id.
#[derive(Debug)]
pub(crate) struct Players {
    ids: Vec<PlayerId>,
    indexes: HashMap<PlayerId, PlayerIndex>,
    shards: Vec<Shard>,
}

/// A player's place among all that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PlayerIndex(u32);

/// What a number stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known {
    Player(PlayerIndex),
    Erased,
    Nobody,
}

#[derive(Clone, Debug, Default)]
struct Shard {
    numbers: Vec<Option<PlayerIndex>>,
    known: HashMap<PlayerIndex, PlayerNumber>,
}

impl Players {
    pub(crate) fn new(shards: u16) -> Self {
        Self {
            ids: Vec::new(),
            indexes: HashMap::new(),
            shards: vec![Shard::default(); usize::from(shards)],
        }
    }

    /// Takes note of a `player` record.
    pub(crate) fn meet(&mut self, at: Place, record: &PlayerRecord<'_>, report: &mut Report) {
        let index = record.id.and_then(|id| self.intern(id));
        let shard = &mut self.shards[usize::from(at.stream.get())];
        let due = u32::try_from(shard.numbers.len()).unwrap_or(u32::MAX);
        let number = record.number;
        if number.get() != due {
            report.fault(Fault::PlayerOutOfTurn {
                at,
                expected: PlayerNumber::new(due),
                found: number,
            });
        }
        if let Some(index) = index
            && let Some(&first) = shard.known.get(&index)
        {
            report.fault(Fault::PlayerTwice { at, first, number });
        }
        // After a gap numbers go on where the log does, if it does not leap too far.
        if number.get() >= due && number.get() - due < 1 << 20 {
            shard.numbers.resize(number.get() as usize, None);
            shard.numbers.push(index);
            if let Some(index) = index {
                shard.known.entry(index).or_insert(number);
            }
        }
    }

    /// What a number of a stream stands for.
    pub(crate) fn of(&self, at: Place, number: PlayerNumber) -> Known {
        let shard = &self.shards[usize::from(at.stream.get())];
        match shard.numbers.get(number.get() as usize) {
            Some(Some(index)) => Known::Player(*index),
            Some(None) => Known::Erased,
            None => Known::Nobody,
        }
    }

    pub(crate) fn id(&self, index: PlayerIndex) -> &PlayerId {
        &self.ids[index.0 as usize]
    }

    pub(crate) fn count(&self) -> usize {
        self.ids.len()
    }

    fn intern(&mut self, id: &str) -> Option<PlayerIndex> {
        // Batches are read with ids within their limits only.
        let id = PlayerId::new(id).ok()?;
        if let Some(&known) = self.indexes.get(&id) {
            return Some(known);
        }
        let index = PlayerIndex(u32::try_from(self.ids.len()).ok()?);
        self.ids.push(id.clone());
        self.indexes.insert(id, index);
        Some(index)
    }
}
