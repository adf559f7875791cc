//! Who the numbers in records stand for.

use hashbrown::{HashMap, HashSet};
use huntcore_model::{HuntNumber, PlayerNumber, ShardId};
use tokio_postgres::Client;

use crate::error::SinkError;
use crate::target::SchemaName;

/// Of the players, at least this many and at most twice as many are remembered beyond those of the
/// transaction under way; ids have at most 64 bytes.
const PLAYERS_REMEMBERED: usize = 1 << 19;

/// Who was named in what the log no longer holds; asked for when empty tables begin with a log
/// that was trimmed.
pub trait Known: Send + Sync {
    /// All hunts.
    fn hunts(&self) -> Vec<(HuntNumber, String)>;

    /// Each number that a shard's stream has given out, and whose it is; an erased player has no
    /// id.
    fn players(&self, shard: ShardId) -> NumberedPlayers<'_>;
}

/// Players by their numbers.
pub type NumberedPlayers<'a> = Box<dyn Iterator<Item = (PlayerNumber, Option<String>)> + 'a>;

/// Hunts and players, as far as they are remembered.
#[derive(Debug, Default)]
pub(crate) struct Names {
    schema: String,
    hunts: HashMap<u32, Box<str>>,
    young: HashMap<u64, Option<Box<str>>>,
    old: HashMap<u64, Option<Box<str>>>,
}

/// A stream's player.
pub(crate) const fn key(shard: ShardId, number: PlayerNumber) -> u64 {
    (shard.get() as u64) << 32 | number.get() as u64
}

impl Names {
    /// With all hunts that the tables know.
    pub(crate) async fn load(client: &Client, schema: &SchemaName) -> Result<Self, SinkError> {
        let mut names = Self {
            schema: schema.to_string(),
            ..Self::default()
        };
        for row in client.query("SELECT number, hunt FROM hunts", &[]).await? {
            let number: i64 = row.get(0);
            names.meet_hunt(u32::try_from(number).unwrap_or(u32::MAX), row.get(1));
        }
        Ok(names)
    }

    pub(crate) fn meet_hunt(&mut self, number: u32, id: &str) {
        self.hunts.entry(number).or_insert_with(|| id.into());
    }

    /// A hunt's id; every stream names a hunt before anything happens in it.
    pub(crate) fn hunt(&self, number: HuntNumber) -> Result<&str, SinkError> {
        let id = self.hunts.get(&number.get());
        id.map(|id| &**id).ok_or_else(|| SinkError::Changed {
            schema: self.schema.clone(),
            what: format!("table hunts lacks the row of number {number}"),
        })
    }

    pub(crate) fn meet(&mut self, player: u64, id: Option<&str>) {
        self.young.insert(player, id.map(Box::from));
    }

    /// Whether a player is known, who then stays so until [`Self::forget`].
    pub(crate) fn recall(&mut self, player: u64) -> bool {
        if self.young.contains_key(&player) {
            return true;
        }
        let Some(id) = self.old.remove(&player) else {
            return false;
        };
        self.young.insert(player, id);
        true
    }

    /// Who a player is; `None` if erased. Only those that were met or recalled may be asked for.
    pub(crate) fn player(&self, shard: ShardId, number: PlayerNumber) -> Option<&str> {
        let id = self.young.get(&key(shard, number));
        id.expect("recalled before").as_deref()
    }

    /// Lets go of those who were not seen for long, if there are many.
    pub(crate) fn forget(&mut self) {
        if self.young.len() >= PLAYERS_REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
    }

    /// Looks up who is not remembered.
    pub(crate) async fn look_up(
        &mut self,
        client: &Client,
        wanted: HashSet<u64>,
    ) -> Result<(), SinkError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let shards: Vec<i32> = wanted.iter().map(|key| shard(*key)).collect();
        let numbers: Vec<i64> = wanted.iter().map(|key| number(*key)).collect();
        let find = "SELECT shard, players.number, player_id FROM players \
                    JOIN unnest($1::integer[], $2::bigint[]) AS wanted (stream, number) \
                    ON shard = stream AND players.number = wanted.number";
        for row in client.query(find, &[&shards, &numbers]).await? {
            let (shard, number): (i32, i64) = (row.get(0), row.get(1));
            let shard = crate::stand::shard_of(shard);
            let number = PlayerNumber::new(u32::try_from(number).unwrap_or(u32::MAX));
            self.meet(key(shard, number), row.get(2));
        }
        let missing = wanted
            .iter()
            .find(|player| !self.young.contains_key(*player));
        match missing {
            None => Ok(()),
            Some(player) => Err(SinkError::Changed {
                schema: self.schema.clone(),
                what: format!(
                    "table players lacks the row of shard {} and number {}",
                    shard(*player),
                    number(*player)
                ),
            }),
        }
    }
}

fn shard(key: u64) -> i32 {
    i32::try_from(key >> 32).expect("a shard's number has 16 bits")
}

fn number(key: u64) -> i64 {
    i64::from(u32::try_from(key & u64::from(u32::MAX)).expect("32 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_seen_stays_and_whoever_is_not_is_forgotten() {
        let mut names = Names::default();
        names.meet(7, Some("ada"));
        names.meet(8, None);
        for turn in 1..=2_u64 {
            assert!(names.recall(7));
            for other in 0..PLAYERS_REMEMBERED as u64 {
                names.meet(turn << 32 | other, Some("x"));
            }
            names.forget();
        }
        assert!(names.recall(7));
        assert_eq!(
            names.player(ShardId::new(0), PlayerNumber::new(7)),
            Some("ada")
        );
        assert!(!names.recall(8));
        assert!(names.young.len() + names.old.len() <= 2 * PLAYERS_REMEMBERED + 2);
    }
}
