//! What many claims take (I8).

use huntcore_broadcast::{Broadcast, BroadcastLimits};
use huntcore_model::{
    BatchBuilder, ClaimRecord, PlayerNumber, Record, RoundNumber, Salt, ShardId, TileIndex,
};
use huntcore_wire::LiveForm;

use crate::world::{HUNT, World};

const TILES: u32 = 100_000;
const ROUNDS: u64 = 4;
const PLAYERS: u32 = 10_000;
const BATCH_CLAIMS: u32 = 4_000;

/// All tiles of several rounds are won, and a tick is cut after each batch.
#[test]
fn a_claim_takes_sixteen_bytes_while_it_is_shown_and_none_later() {
    let shard = ShardId::new(0);
    let limits = BroadcastLimits {
        tiles_shown: 2 * u64::from(TILES),
        changes: 1_000,
        ..BroadcastLimits::default()
    };
    let mut world = World::new(1);
    for _ in 0..ROUNDS {
        world.open_round(TILES);
    }
    world.clock_ms += 100;
    world.shard_batch(shard, 9, &[]);
    let mut builder = BatchBuilder::new();
    for number in 0..PLAYERS {
        let id = format!("player-{number:012}");
        builder.push_player(PlayerNumber::new(number), &id, Salt([7; 16]));
    }
    world.commit(shard, &mut builder);
    for round in 1..=ROUNDS {
        for tile in 0..TILES {
            builder.push(&Record::Claim(ClaimRecord {
                hunt: HUNT,
                round: RoundNumber::new(round),
                tile: TileIndex::new(tile),
                player: PlayerNumber::new(tile % PLAYERS),
                points: 1,
            }));
            if builder.count() == BATCH_CLAIMS {
                world.commit(shard, &mut builder);
            }
        }
        world.clock_ms += 100;
    }
    let mut broadcast = Broadcast::new(world.shards, limits);
    for batch in world.streams.values().rev().flatten() {
        broadcast.apply(batch).expect("in order");
        broadcast.cut_tick(batch.header().time);
    }
    let feed = broadcast.publish()[&HUNT].clone();
    let start = feed.snapshot(LiveForm::Json).len();
    assert!(
        start > 2 * TILES as usize * 40,
        "two rounds are shown whole"
    );
    let names = PLAYERS as usize * (2 + "player-000000000000".len() + 2);
    let claims = 2 * TILES as usize * 16;
    // Lists of chunks, the claims being unpacked, and the frames of ticks below the limit.
    let rest = 400_000;
    let bytes = broadcast.heap_bytes();
    assert!(bytes >= claims, "{bytes} bytes");
    assert!(bytes <= names + claims + rest, "{bytes} bytes");
}
