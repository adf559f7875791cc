//! Whom the numbers in records stand for.

use std::collections::HashMap;

use huntcore_model::{
    ControlRecord, HuntId, HuntNumber, PlayerId, PlayerNumber, PlayerRecord, Record, ShardId,
};

/// Where a translator has names from.
///
/// Whoever reads the log from its beginning needs nothing else than what it introduces:
/// [`Introduced`]. Whoever begins in the middle has the names from a projection that has folded
/// what lies before, and keeps only what is newer.
pub trait Names {
    /// Takes note of what a record introduces, or no longer says: a player's record without an
    /// id is of one who was erased, and [`Self::player`] must not name them from then on.
    fn learn(&mut self, shard: ShardId, record: &Record<'_>);

    /// A player, by the number in that stream; `None` for one who was erased, or whom nobody
    /// knows.
    fn player(&self, shard: ShardId, number: PlayerNumber) -> Option<&PlayerId>;

    /// A hunt; `None` for one that nobody knows.
    fn hunt(&self, hunt: HuntNumber) -> Option<&HuntId>;
}

/// Names as the log introduces them.
///
/// Of a log whose beginning was trimmed, what was introduced before stays a number.
#[derive(Clone, Debug, Default)]
pub struct Introduced {
    players: HashMap<ShardId, Numbered>,
    hunts: HashMap<HuntNumber, HuntId>,
}

/// A stream's players from the first that was introduced where reading began.
#[derive(Clone, Debug)]
struct Numbered {
    first: u32,
    ids: Vec<Option<PlayerId>>,
}

impl Introduced {
    /// Whether that player's name was introduced, be it erased since.
    pub(crate) fn has_met(&self, shard: ShardId, number: PlayerNumber) -> bool {
        let names = self.players.get(&shard);
        names.is_some_and(|names| {
            let index = number.get().checked_sub(names.first);
            index.is_some_and(|index| (index as usize) < names.ids.len())
        })
    }

    fn introduce(&mut self, shard: ShardId, player: &PlayerRecord<'_>) {
        let number = player.number.get();
        let names = self.players.entry(shard).or_insert_with(|| Numbered {
            first: number,
            ids: Vec::new(),
        });
        let id = player.id.and_then(|id| PlayerId::new(id).ok());
        let index = number.checked_sub(names.first).map(|index| index as usize);
        // Numbers are given out one after another; a forged one must not cost memory.
        match index {
            Some(index) if index == names.ids.len() => names.ids.push(id),
            Some(index) if index < names.ids.len() => names.ids[index] = id,
            _ => {}
        }
    }
}

impl Names for Introduced {
    fn learn(&mut self, shard: ShardId, record: &Record<'_>) {
        match record {
            Record::Player(player) => self.introduce(shard, player),
            Record::Control { record, .. } => {
                if let ControlRecord::HuntCreated(created) = &**record {
                    self.hunts.insert(created.hunt, created.id.clone());
                }
            }
            Record::Time
            | Record::Claim(_)
            | Record::Score(_)
            | Record::BoardClosed(_)
            | Record::Correction(_) => {}
        }
    }

    fn player(&self, shard: ShardId, number: PlayerNumber) -> Option<&PlayerId> {
        let names = self.players.get(&shard)?;
        let index = number.get().checked_sub(names.first)?;
        names.ids.get(index as usize)?.as_ref()
    }

    fn hunt(&self, hunt: HuntNumber) -> Option<&HuntId> {
        self.hunts.get(&hunt)
    }
}
