//! Through bytes and back: what a restored broadcast still promises.

use huntcore_broadcast::{Broadcast, BroadcastLimits, Next, RestoreError};
use huntcore_model::{ShardId, ShardMap, SnapshotError, SnapshotReader, SnapshotWriter};
use huntcore_wire::{LiveForm, LiveState, ServerMessage};
use proptest::prelude::*;

use crate::world::{Expected, HUNT, ReadAll as _, Wish, World, Wrong};

const MAGIC: [u8; 4] = *b"HCLC";
const LIMITS: BroadcastLimits = BroadcastLimits {
    hunts: 4,
    frames: 5,
    frame_bytes: 6_000,
    changes: 40,
    rounds_shown: 5,
    closed_shown: 2,
    closed_tiles_shown: 60,
    tiles_shown: 60,
    board_entries: 3,
    board_interval_ms: 250,
};

/// Three shards, a round of each kind, claims on all of them.
fn sample() -> (World, Broadcast) {
    let mut world = World::new(3);
    for step in 0..8 {
        world.open_round(12);
        world.clock_ms += 90;
        for shard in 0..3 {
            let tiles = (0..4_u32).map(|tile| Wish {
                rounds_back: tile as usize % 2,
                tile: tile * 3 + u32::from(shard) + step,
                player: (tile + step) as usize,
            });
            world.shard_batch(ShardId::new(shard), 9, &tiles.collect::<Vec<_>>());
        }
    }
    world.publish_seed();
    world.define_boards(0b0101);
    for (shard, wrong) in [(0, Wrong::Claim), (1, Wrong::Player), (2, Wrong::Nobody)] {
        world.correct(ShardId::new(shard), wrong, 3);
    }
    let mut broadcast = Broadcast::new(world.shards, LIMITS);
    fold(&mut broadcast, &world);
    (world, broadcast)
}

fn fold(broadcast: &mut Broadcast, world: &World) {
    for batch in world.streams.values().flatten() {
        broadcast.apply(batch).expect("in order");
    }
}

fn written(broadcast: &Broadcast) -> Vec<u8> {
    let mut bytes = Vec::new();
    broadcast.checkpoint(&mut bytes).expect("memory");
    bytes
}

fn restored(shards: ShardMap, bytes: &[u8]) -> Result<Broadcast, RestoreError> {
    Broadcast::restore(shards, LIMITS, &mut &*bytes)
}

/// What stands in the checked blocks.
fn fields(checkpoint: &[u8]) -> Vec<u8> {
    let mut reader = SnapshotReader::new(checkpoint, MAGIC, 3).expect("own");
    std::iter::from_fn(|| reader.array::<1>().ok())
        .flatten()
        .collect()
}

/// Fields in blocks whose checksums fit.
fn sealed(fields: &[u8]) -> Vec<u8> {
    let mut writer = SnapshotWriter::new(Vec::new(), MAGIC, 3).expect("memory");
    writer.raw(fields).expect("memory");
    writer.finish().expect("memory")
}

fn take(state: &mut LiveState, messages: &[bytes::Bytes]) {
    for message in messages {
        let text = std::str::from_utf8(message).expect("JSON is UTF-8");
        state.apply(&ServerMessage::from_json(text).expect("a message"));
    }
}

#[test]
fn who_was_connected_resumes_after_a_restart_from_a_checkpoint() {
    let (mut world, mut before) = sample();
    before.cut_tick(world.now());
    let checkpoint = written(&before);
    // Two clients: one stops at the checkpoint, the other sees some of what follows.
    let feed = before.publish()[&HUNT].clone();
    let mut clients = [LiveState::new(), LiveState::new()];
    let cursor = feed.start(None).cursor;
    for client in &mut clients {
        take(client, &feed.start(None).messages);
    }
    let claim = |world: &mut World, tile| {
        let wish = Wish {
            rounds_back: 0,
            tile,
            player: 1,
        };
        world.shard_batch(ShardId::new(1), 9, &[wish]);
    };
    claim(&mut world, 4);
    fold(&mut before, &world);
    before.cut_tick(world.now());
    let Next::Messages { messages, .. } = before.publish()[&HUNT].next(&cursor, 9) else {
        panic!("expected what came after the checkpoint");
    };
    take(&mut clients[1], &messages);
    claim(&mut world, 7);

    let mut after = restored(world.shards, &checkpoint).expect("own");
    for batches in world.streams.values() {
        for batch in batches {
            after.apply(batch).expect("in order");
            after.cut_tick(after.time());
        }
    }
    for client in &mut clients {
        let seen = client.resume.as_ref().expect("it has a snapshot");
        let seen = seen.parse().expect("a position");
        let feed = after.publish()[&HUNT].clone();
        let start = feed.start(Some(&seen));
        assert!(start.resumed);
        take(client, &start.messages);
        if let Next::Messages { messages, .. } = feed.next(&start.cursor, 1) {
            take(client, &messages);
        }
        assert_eq!(Expected::from(&*client), world.expected(&LIMITS));
    }
}

#[test]
fn who_has_seen_less_than_the_checkpoint_gets_a_snapshot() {
    let (world, _) = sample();
    let mut broadcast = Broadcast::new(world.shards, LIMITS);
    for batches in world.streams.values() {
        let (_, but_last) = batches.split_last().expect("some");
        for batch in but_last {
            broadcast.apply(batch).expect("in order");
        }
    }
    broadcast.cut_tick(world.now());
    let seen = broadcast.publish()[&HUNT].position().clone();
    fold(&mut broadcast, &world);
    let after = restored(world.shards, &written(&broadcast)).expect("own");
    let start = after.publish()[&HUNT].start(Some(&seen));
    assert!(!start.resumed);
    let mut client = LiveState::new();
    take(&mut client, &start.messages);
    assert_eq!(Expected::from(&client), world.expected(&LIMITS));
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let (world, broadcast) = sample();
    let checkpoint = written(&broadcast);
    restored(world.shards, &checkpoint).expect("own");
    for bit in 0..checkpoint.len() * 8 {
        let mut bytes = checkpoint.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(restored(world.shards, &bytes).is_err(), "bit {bit}");
    }
    for length in 0..checkpoint.len() {
        let cut = restored(world.shards, &checkpoint[..length]);
        let is_cut_short = matches!(
            cut,
            Err(RestoreError::Snapshot(SnapshotError::CutShort { .. }))
        );
        assert!(is_cut_short, "length {length}");
    }
}

#[test]
fn a_checkpoint_of_another_number_of_shards_is_refused() {
    let (_, broadcast) = sample();
    let five = ShardMap::new(5).expect("five");
    assert!(matches!(
        restored(five, &written(&broadcast)),
        Err(RestoreError::Shards {
            found: 3,
            expected: 5
        })
    ));
}

#[test]
fn what_follows_a_checkpoint_is_left_to_others() {
    let (world, broadcast) = sample();
    let mut bytes = written(&broadcast);
    bytes.extend_from_slice(b"more");
    let mut input = bytes.as_slice();
    Broadcast::restore(world.shards, LIMITS, &mut input).expect("own");
    assert_eq!(input, b"more");
    let mut more = fields(&written(&broadcast));
    more.push(0);
    assert!(restored(world.shards, &sealed(&more)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn impossible_content_is_refused_or_harmless(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (mut world, broadcast) = sample();
        let mut fields = fields(&written(&broadcast));
        for (at, value) in changes {
            let at = at.index(fields.len());
            fields[at] = value;
        }
        if let Ok(mut restored) = restored(world.shards, &sealed(&fields)) {
            world.clock_ms += 500;
            for shard in 0..3 {
                world.open_round(12);
                world.shard_batch(ShardId::new(shard), 9, &[]);
            }
            for batch in world.streams.values().flatten() {
                // Refused or not: the checkpoint may tell of another place in the streams.
                let _: Result<bool, _> = restored.apply(batch);
            }
            restored.cut_tick(world.now());
            for feed in restored.publish().values() {
                let text = std::str::from_utf8(feed.snapshot(LiveForm::Json)).expect("JSON is UTF-8");
                prop_assert!(ServerMessage::from_json(text).is_ok());
            }
            prop_assert!(!written(&restored).is_empty());
        }
    }

    #[test]
    fn garbage_is_refused(garbage: Vec<u8>, in_blocks: bool) {
        let bytes = if in_blocks { sealed(&garbage) } else { garbage };
        let shards = ShardMap::new(1).expect("one");
        prop_assert!(restored(shards, &bytes).is_err());
    }
}
