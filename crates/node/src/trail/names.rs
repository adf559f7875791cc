//! Names for a reader that begins in the middle of the log: the boards' roster, and whatever
//! the log has introduced since it was taken.

use std::collections::HashMap;
use std::sync::Arc;

use huntcore_audit::Names;
use huntcore_board::{Numbered, Roster};
use huntcore_model::{HuntEntry, HuntId, HuntNumber, PlayerId, PlayerNumber, Record, ShardId};

/// Names newer than the roster that are kept; then another roster is due.
const NEWER_MAX: usize = 16_384;

/// See the module. No player is kept twice: the roster is the boards' own.
pub(super) struct RosterNames {
    hunt: Arc<HuntEntry>,
    roster: Roster,
    /// What the log said of players that the roster lacks, or says otherwise; `None` of those
    /// who were erased.
    newer: HashMap<(ShardId, PlayerNumber), Option<PlayerId>>,
}

impl RosterNames {
    pub(super) fn new(hunt: Arc<HuntEntry>, roster: Roster) -> Self {
        Self {
            hunt,
            roster,
            newer: HashMap::new(),
        }
    }

    /// Whether a newer roster would spare memory.
    pub(super) fn is_full(&self) -> bool {
        self.newer.len() >= NEWER_MAX
    }

    /// Takes over a newer roster. Whom it leaves out, too, loses the name (I8).
    pub(super) fn renew(&mut self, roster: Roster) {
        self.roster = roster;
        let roster = &self.roster;
        self.newer
            .retain(|&(shard, number), id| match roster.get(shard, number) {
                Numbered::Unknown => true,
                Numbered::Player(_) => id.is_none(),
                Numbered::Erased => false,
            });
        if self.is_full() {
            tracing::warn!(
                players = self.newer.len(),
                "the boards know too few players: events of some show a number for a name"
            );
            self.newer.clear();
        }
    }
}

impl Names for RosterNames {
    fn learn(&mut self, shard: ShardId, record: &Record<'_>) {
        let Record::Player(player) = record else {
            return;
        };
        let id = player.id.and_then(|id| PlayerId::new(id).ok());
        let is_known = match self.roster.get(shard, player.number) {
            Numbered::Player(_) => id.is_some(),
            Numbered::Erased => true,
            Numbered::Unknown => false,
        };
        if !is_known {
            self.newer.insert((shard, player.number), id);
        }
    }

    fn player(&self, shard: ShardId, number: PlayerNumber) -> Option<&PlayerId> {
        if let Some(newer) = self.newer.get(&(shard, number)) {
            return newer.as_ref();
        }
        match self.roster.get(shard, number) {
            Numbered::Player(id) => Some(id),
            Numbered::Erased | Numbered::Unknown => None,
        }
    }

    fn hunt(&self, hunt: HuntNumber) -> Option<&HuntId> {
        // Of a hunt's events no other is named.
        (hunt == self.hunt.number).then_some(&self.hunt.id)
    }
}
