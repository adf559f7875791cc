//! Many players: ranks against a sorted list, and what they cost.

use huntcore_board::{BoardLimits, Boards};
use huntcore_model::{
    BatchBuilder, BoardName, ClaimRecord, Epoch, PlayerId, PlayerNumber, Record, RoundNumber, Salt,
    Sequence, ShardMap, Tail, TileIndex, TimeMicros,
};

use crate::batches::{HUNT, shard};
use crate::checkpoints::{restored, written};

const PLAYERS: u32 = 100_000;

/// Points that look random; sums collide now and then.
fn points(player: u32, turn: u32) -> u32 {
    let mixed = (player + PLAYERS * turn).wrapping_mul(2_654_435_761) ^ 0x5bd1_e995;
    1 + (mixed >> 8) % 20_000
}

fn id(player: u32) -> String {
    format!("player {player}")
}

/// Each player wins two tiles.
fn boards() -> Boards {
    let mut boards = Boards::new(ShardMap::new(1).expect("one"), BoardLimits::default());
    let mut builder = BatchBuilder::new();
    let mut tail = Tail::default();
    for turn in 0..2 {
        for first in (0..PLAYERS).step_by(1_000) {
            for player in first..first + 1_000 {
                let number = PlayerNumber::new(player);
                if turn == 0 {
                    builder.push_player(number, &id(player), Salt([1; 16]));
                }
                builder.push(&Record::Claim(ClaimRecord {
                    hunt: HUNT,
                    round: RoundNumber::FIRST,
                    tile: TileIndex::new(player),
                    player: number,
                    points: points(player, turn),
                }));
            }
            let time = TimeMicros::new(u64::from(turn * PLAYERS + first));
            let batch = builder.finish(shard(0), Epoch::new(1), &tail, time, Sequence::ZERO);
            boards.apply(&batch).expect("in order");
            boards.publish();
            tail = batch.tail();
        }
    }
    boards
}

#[test]
fn everybody_has_a_rank_and_takes_at_most_64_bytes() {
    let mut boards = boards();
    let mut expected: Vec<_> = (0..PLAYERS)
        .map(|player| (-i64::from(points(player, 0) + points(player, 1)), player))
        .collect();
    expected.sort_unstable();
    let version = boards.publish();
    let total = version.board(HUNT, BoardName::TOTAL).expect("there");
    assert_eq!(total.len(), PLAYERS as usize);
    for (rank, (entry, &(score, player))) in (1..).zip(total.entries(0).zip(&expected)) {
        assert_eq!((entry.rank, entry.score), (rank, -score));
        assert_eq!(entry.player.as_str(), id(player));
        let standing = total.standing(entry.player).expect("on the board");
        assert_eq!((standing.rank, standing.score), (rank, -score));
    }
    let nobody = PlayerId::new("nobody").expect("valid");
    assert_eq!(total.standing(&nobody), None);

    let shards = ShardMap::new(1).expect("one");
    let restored = restored(shards, BoardLimits::default(), &written(&boards));
    let mut restored = restored.expect("own");
    assert_eq!(restored.publish(), version);
    for (boards, how) in [(&boards, "grown"), (&restored, "restored")] {
        let bytes = boards.heap_bytes();
        assert!(bytes <= 64 * PLAYERS as usize, "{how}: {bytes} bytes");
    }
}
