//! One stream's table of players, folded from its `player` records.

use crate::{PlayerId, PlayerNumber, PlayerRecord};

/// Player numbers of one stream and whom they stand for.
///
/// Records other than `player` name players by number only, so every projection that shows
/// players folds one of these per stream.
#[derive(Clone, Debug, Default)]
pub struct PlayerTable {
    players: Vec<Option<PlayerId>>,
}

impl PlayerTable {
    /// Takes note of a `player` record; the same record again changes nothing.
    pub fn apply(&mut self, record: &PlayerRecord<'_>) {
        let index = record.number.get() as usize;
        let player = record.id.and_then(|id| PlayerId::new(id).ok());
        // No arbiter gives numbers out of turn; a forged one must not cost memory.
        if index == self.players.len() {
            self.players.push(player);
        } else if let Some(known) = self.players.get_mut(index) {
            *known = player;
        }
    }

    /// Who `number` is; `None` if it was never given out, or the player was erased.
    #[must_use]
    pub fn get(&self, number: PlayerNumber) -> Option<&PlayerId> {
        self.players.get(number.get() as usize)?.as_ref()
    }

    /// How many numbers have been given out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.players.len()
    }

    /// Whether no number has been given out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.players.is_empty()
    }
}
