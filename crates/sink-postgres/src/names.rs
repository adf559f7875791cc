//! Who the numbers in records stand for.

use std::borrow::Cow;

use hashbrown::{HashMap, HashSet};
use huntcore_model::{BoardDefinition, BoardName, HuntNumber, PlayerNumber, Sequence, ShardId};
use tokio_postgres::Client;

use crate::error::SinkError;
use crate::stand::{sequence_of, to_bigint};
use crate::target::SchemaName;

/// Of the players, at least this many and at most twice as many are remembered beyond those of the
/// transaction under way; ids have at most 64 bytes.
const PLAYERS_REMEMBERED: usize = 1 << 19;

/// Who was named in what the log no longer holds; asked for when empty tables begin with a log
/// that was trimmed.
pub trait Known: Send + Sync {
    /// All hunts.
    fn hunts(&self) -> Vec<KnownHunt>;

    /// Each number that a shard's stream has given out, and whose it is; an erased player has no
    /// id.
    fn players(&self, shard: ShardId) -> NumberedPlayers<'_>;

    /// Who is on none of a hunt's boards, at any position that the log still holds or its end:
    /// what it holds from before that is followed once more and leads to the same.
    fn disqualified(&self) -> Vec<(HuntNumber, String)>;
}

/// A hunt that is known.
#[derive(Clone, Debug)]
pub struct KnownHunt {
    /// Its number in records.
    pub number: HuntNumber,
    /// Its id.
    pub id: String,
    /// Its boards, besides the built-in ones.
    pub boards: Vec<BoardDefinition>,
    /// The first entry of the control stream that may have changed them since.
    pub boards_next: Sequence,
}

/// Players by their numbers.
pub type NumberedPlayers<'a> = Box<dyn Iterator<Item = (PlayerNumber, Option<String>)> + 'a>;

/// Hunts and players, as far as they are remembered.
#[derive(Debug, Default)]
pub(crate) struct Names {
    schema: String,
    hunts: HashMap<u32, Hunt>,
    young: HashMap<u64, Option<Box<str>>>,
    old: HashMap<u64, Option<Box<str>>>,
}

#[derive(Debug)]
struct Hunt {
    id: Box<str>,
    /// Of tables that were filled before boards were kept in them it is not known.
    boards: Option<HuntBoards>,
}

/// The boards that a hunt was given, by the newest entry that any stream has brought.
///
/// Streams come to their copies of an entry at places of their own. What a stream still counts
/// for a board that the newest list lacks is shown to nobody, so one list for all will do.
#[derive(Debug)]
pub(crate) struct HuntBoards {
    pub(crate) defined: Vec<BoardDefinition>,
    /// The first entry of the control stream that is not in it.
    pub(crate) next: Sequence,
}

/// The boards that a hunt had before it was given others.
#[derive(Debug)]
pub(crate) enum BoardsBefore {
    Unknown,
    Named(Vec<BoardName>),
}

/// A stream's player.
pub(crate) const fn key(shard: ShardId, number: PlayerNumber) -> u64 {
    (shard.get() as u64) << 32 | number.get() as u64
}

/// A text as PostgreSQL can hold it: with the picture of a zero byte instead of one.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    match text.as_bytes().contains(&0) {
        true => Cow::Owned(text.replace('\0', "\u{2400}")),
        false => Cow::Borrowed(text),
    }
}

impl Names {
    /// With all hunts that the tables know. Where they do not know a hunt's boards, who is running
    /// is asked.
    pub(crate) async fn load(
        client: &Client,
        schema: &SchemaName,
        known: Option<&dyn Known>,
    ) -> Result<Self, SinkError> {
        let mut names = Self {
            schema: schema.to_string(),
            ..Self::default()
        };
        let hunts = "SELECT number, hunt, boards::text, boards_next FROM hunts";
        for row in client.query(hunts, &[]).await? {
            let (number, id): (i64, &str) = (row.get(0), row.get(1));
            let boards: (Option<&str>, Option<i64>) = (row.get(2), row.get(3));
            let boards = match boards {
                (Some(boards), Some(next)) => Some(HuntBoards {
                    defined: serde_json::from_str(boards).map_err(|error| SinkError::Changed {
                        schema: schema.to_string(),
                        what: format!("boards of hunt {id} in table hunts: {error}"),
                    })?,
                    next: sequence_of(next),
                }),
                _ => None,
            };
            let id = id.into();
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            names.hunts.insert(number, Hunt { id, boards });
        }
        if let Some(known) = known
            && names.hunts.values().any(|hunt| hunt.boards.is_none())
        {
            for hunt in known.hunts() {
                names.learn_boards(client, hunt).await?;
            }
        }
        Ok(names)
    }

    async fn learn_boards(&mut self, client: &Client, known: KnownHunt) -> Result<(), SinkError> {
        let number = known.number.get();
        let hunt = self.hunts.get_mut(&number);
        let Some(hunt) = hunt.filter(|hunt| hunt.boards.is_none()) else {
            return Ok(());
        };
        hunt.boards = Some(HuntBoards {
            defined: known.boards,
            next: known.boards_next,
        });
        self.keep_boards(client, known.number).await
    }

    /// Writes down which boards a hunt has.
    pub(crate) async fn keep_boards(
        &self,
        client: &Client,
        number: HuntNumber,
    ) -> Result<(), SinkError> {
        let Some(boards) = self.boards(number) else {
            return Ok(());
        };
        let keep = "UPDATE hunts SET boards = $2::text::json, boards_next = $3 WHERE number = $1";
        let (number, next) = (i64::from(number.get()), to_bigint(boards.next.get()));
        let boards = serde_json::to_string(&boards.defined).expect("definitions are plain data");
        client.execute(keep, &[&number, &boards, &next]).await?;
        Ok(())
    }

    /// Takes note of a hunt that an entry of the control stream created.
    pub(crate) fn meet_hunt(&mut self, number: HuntNumber, id: &str, at: Sequence) {
        self.hunts.entry(number.get()).or_insert_with(|| Hunt {
            id: id.into(),
            boards: Some(HuntBoards {
                defined: Vec::new(),
                next: at.advanced(1),
            }),
        });
    }

    /// Takes note of the boards that a hunt has from an entry of the control stream on; says which
    /// it had before. `None`: that is not new.
    pub(crate) fn define(
        &mut self,
        number: HuntNumber,
        at: Sequence,
        boards: Vec<BoardDefinition>,
    ) -> Option<BoardsBefore> {
        let hunt = self.hunts.get_mut(&number.get())?;
        if hunt.boards.as_ref().is_some_and(|boards| at < boards.next) {
            return None;
        }
        let newest = HuntBoards {
            defined: boards,
            next: at.advanced(1),
        };
        Some(match hunt.boards.replace(newest) {
            None => BoardsBefore::Unknown,
            Some(before) => {
                let names = before.defined.iter().map(|board| board.name);
                BoardsBefore::Named(names.collect())
            }
        })
    }

    /// A hunt's boards besides the built-in ones; `None`: not known.
    pub(crate) fn boards(&self, number: HuntNumber) -> Option<&HuntBoards> {
        self.hunts.get(&number.get())?.boards.as_ref()
    }

    /// A hunt's id; every stream names a hunt before anything happens in it.
    pub(crate) fn hunt(&self, number: HuntNumber) -> Result<&str, SinkError> {
        let hunt = self.hunts.get(&number.get());
        hunt.map(|hunt| &*hunt.id)
            .ok_or_else(|| SinkError::Changed {
                schema: self.schema.clone(),
                what: format!("table hunts lacks the row of number {number}"),
            })
    }

    pub(crate) fn meet(&mut self, player: u64, id: Option<&str>) {
        self.young
            .insert(player, id.map(|id| Box::from(&*shown(id))));
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
