//! Who the numbers in all streams stand for, as of one position.

use huntcore_model::{HuntNumber, PlayerId, PlayerNumber, Position, ShardId, ShardMap};

use crate::Boards;
use crate::numbers::{ERASED, LEFT_OUT, Numbers};
use crate::players::Players;

/// The players of all streams as [`Boards`] knew them at one position; never changes.
///
/// It shares what the boards hold, so it costs little and no player is kept twice.
#[derive(Clone, Debug)]
pub struct Roster {
    position: Position,
    players: Players,
    streams: Vec<Numbers>,
}

/// Who a number in a stream stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbered<'a> {
    /// This player.
    Player(&'a PlayerId),
    /// One whose id the log does not have any more.
    Erased,
    /// Nobody up to the roster's position, or one whom no board took up.
    Unknown,
}

impl Boards {
    /// The players of all streams.
    #[must_use]
    pub fn roster(&self) -> Roster {
        Roster {
            position: self.position(),
            players: self.players.clone(),
            streams: self
                .streams
                .iter()
                .map(|stream| stream.numbers.clone())
                .collect(),
        }
    }

    /// Who is on none of a hunt's boards, by hunt.
    pub fn disqualified(&self) -> impl Iterator<Item = (HuntNumber, &PlayerId)> {
        self.hunts.iter().flat_map(|(number, hunt)| {
            let aside = hunt.disqualified.iter();
            aside.map(|player| (*number, self.players.id(*player)))
        })
    }
}

impl Roster {
    /// One that knows nobody.
    #[must_use]
    pub fn empty(shards: ShardMap) -> Self {
        Self {
            position: Position::start(),
            players: Players::new(),
            streams: vec![Numbers::default(); usize::from(shards.count())],
        }
    }

    /// Up to where it knows everybody.
    #[must_use]
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// Who that is.
    #[must_use]
    pub fn get(&self, shard: ShardId, number: PlayerNumber) -> Numbered<'_> {
        let stream = self.streams.get(usize::from(shard.get()));
        match stream.map_or(LEFT_OUT, |numbers| numbers.get(number.get())) {
            LEFT_OUT => Numbered::Unknown,
            ERASED => Numbered::Erased,
            player => Numbered::Player(self.players.id(player)),
        }
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{
        BatchBuilder, ClaimRecord, Correction, CorrectionRecord, Epoch, Record, RoundNumber, Salt,
        Sequence, Tail, TileIndex, TimeMicros,
    };

    use super::*;
    use crate::BoardLimits;

    #[test]
    fn a_roster_knows_whom_the_boards_knew_when_it_was_taken() {
        let shards = ShardMap::new(2).expect("few");
        let mut boards = Boards::new(shards, BoardLimits::default());
        let shard = ShardId::new(1);
        let mut tail = Tail::default();
        let mut introduce = |boards: &mut Boards, number: u32, id: &str| {
            let mut builder = BatchBuilder::new();
            builder.push_player(PlayerNumber::new(number), id, Salt([3; 16]));
            builder.push(&Record::Claim(ClaimRecord {
                hunt: HuntNumber::new(0),
                round: RoundNumber::FIRST,
                tile: TileIndex::new(number),
                player: PlayerNumber::new(number),
                points: 1,
            }));
            let time = TimeMicros::from_millis(u64::from(number) + 1);
            let batch = builder.finish(shard, Epoch::new(1), &tail, time, Sequence::ZERO);
            tail = batch.tail();
            boards.apply(&batch).expect("in order");
        };
        introduce(&mut boards, 0, "ada");
        let roster = boards.roster();
        introduce(&mut boards, 1, "bob");
        let ada = PlayerId::new("ada").expect("valid");
        let of = |roster: &Roster, shard, number| matches!(roster.get(ShardId::new(shard), PlayerNumber::new(number)), Numbered::Player(id) if *id == ada);
        assert!(of(&roster, 1, 0));
        assert_eq!(roster.position().next(shard), Sequence::new(2));
        for (shard, number) in [(1, 1), (0, 0), (7, 0)] {
            let found = roster.get(ShardId::new(shard), PlayerNumber::new(number));
            assert_eq!(found, Numbered::Unknown);
        }
        let later = boards.roster();
        assert_ne!(
            later.get(shard, PlayerNumber::new(1)),
            Numbered::Unknown,
            "taken later"
        );
        let empty = Roster::empty(shards);
        let nobody = empty.get(shard, PlayerNumber::new(0));
        assert_eq!(nobody, Numbered::Unknown);
    }

    #[test]
    fn whoever_is_disqualified_is_told_until_reinstated() {
        let mut boards = Boards::new(ShardMap::new(1).expect("few"), BoardLimits::default());
        let mut tail = Tail::default();
        let mut correct = |boards: &mut Boards, number: u32, what: Correction| {
            let mut builder = BatchBuilder::new();
            if what == Correction::Disqualified {
                let id = format!("player-{number}");
                builder.push_player(PlayerNumber::new(number), &id, Salt([3; 16]));
            }
            builder.push(&Record::Correction(Box::new(CorrectionRecord {
                hunt: HuntNumber::new(5),
                player: PlayerNumber::new(number),
                what,
                reason: String::new(),
            })));
            let time = TimeMicros::from_millis(1);
            let shard = ShardId::new(0);
            let batch = builder.finish(shard, Epoch::new(1), &tail, time, Sequence::ZERO);
            tail = batch.tail();
            boards.apply(&batch).expect("in order");
            let told = boards.disqualified();
            told.map(|(hunt, player)| (hunt.get(), player.to_string()))
                .collect::<Vec<_>>()
        };
        let [first, second] = ["player-0", "player-1"].map(|id| (5, id.to_owned()));
        let told = correct(&mut boards, 0, Correction::Disqualified);
        assert_eq!(told, std::slice::from_ref(&first));
        let told = correct(&mut boards, 1, Correction::Disqualified);
        assert_eq!(told, [first, second.clone()]);
        let told = correct(&mut boards, 0, Correction::Reinstated);
        assert_eq!(told, [second]);
    }
}
