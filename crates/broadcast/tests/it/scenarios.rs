//! Single promises, one by one.

use std::sync::Arc;

use huntcore_broadcast::{
    ApplyError, Broadcast, BroadcastLimits, Class, FeedVersion, Layouts, Next,
};
use huntcore_model::{ControlRecord, Position, RoundNumber, Sequence, ShardId, TimeMicros};
use huntcore_wire::{
    CellText, DeltaMessage, HuntStateName, Interest, LiveForm, ServerMessage, SnapshotMessage,
};

use crate::world::{HUNT, ReadAll as _, Wish, World, layout};

const SHARD: ShardId = ShardId::new(0);

fn broadcast(world: &World, limits: BroadcastLimits) -> Broadcast {
    let mut broadcast = Broadcast::new(world.shards, limits);
    fold_all(&mut broadcast, world);
    broadcast
}

fn fold_all(broadcast: &mut Broadcast, world: &World) {
    for batch in world.streams.values().flatten() {
        broadcast.apply(batch).expect("in order");
    }
}

fn feed(broadcast: &Broadcast) -> Arc<FeedVersion> {
    Arc::clone(&broadcast.publish()[&HUNT])
}

fn read(messages: &[bytes::Bytes]) -> Vec<ServerMessage> {
    messages
        .iter()
        .map(|message| std::str::from_utf8(message).expect("JSON is UTF-8"))
        .map(|text| ServerMessage::from_json(text).expect("a message"))
        .collect()
}

fn claim(world: &mut World, tile: u32) {
    let wish = Wish {
        rounds_back: 0,
        tile,
        player: 0,
    };
    world.shard_batch(SHARD, 9, &[wish]);
}

fn only_delta(messages: &[ServerMessage]) -> &DeltaMessage {
    let mut deltas = messages.iter().filter_map(|message| match message {
        ServerMessage::Delta(delta) => Some(delta),
        _ => None,
    });
    let delta = deltas.next().expect("a delta");
    assert_eq!(deltas.next(), None, "one delta only");
    delta
}

fn only_snapshot(messages: &[ServerMessage]) -> &SnapshotMessage {
    match messages {
        [ServerMessage::Snapshot(snapshot)] => snapshot,
        other => panic!("expected a snapshot, found {other:?}"),
    }
}

/// A running hunt with one open round of 1,000 tiles, and a client that has seen it all.
fn running(limits: BroadcastLimits) -> (World, Broadcast, huntcore_broadcast::Cursor) {
    let mut world = World::new(1);
    world.open_round(1_000);
    world.clock_ms = 1_000;
    world.shard_batch(SHARD, 9, &[]);
    let mut broadcast = broadcast(&world, limits);
    broadcast.cut_tick(world.now());
    let cursor = feed(&broadcast).start(None).cursor;
    (world, broadcast, cursor)
}

#[test]
fn a_round_is_announced_when_every_shard_has_reached_its_opening() {
    let mut world = World::new(3);
    world.open_round(4);
    let mut broadcast = broadcast(&world, BroadcastLimits::default());
    broadcast.cut_tick(world.now());
    let mut cursor = feed(&broadcast).start(None).cursor;
    world.clock_ms = 1_000;
    for shard in [0, 2] {
        world.shard_batch(ShardId::new(shard), 9, &[]);
    }
    // A tile won on a shard that is ahead is told with the round, not before.
    claim(&mut world, 3);
    fold_all(&mut broadcast, &world);
    broadcast.cut_tick(world.now());
    assert_eq!(feed(&broadcast).next(&cursor, 4), Next::Wait);

    world.shard_batch(ShardId::new(1), 0, &[]);
    fold_all(&mut broadcast, &world);
    broadcast.cut_tick(world.now());
    let Next::Messages {
        messages,
        cursor: next,
    } = feed(&broadcast).next(&cursor, 4)
    else {
        panic!("expected messages");
    };
    cursor = next;
    let messages = read(&messages);
    assert!(matches!(&messages[0], ServerMessage::Round(round) if round.round.get() == 1));
    let delta = only_delta(&messages);
    assert_eq!(delta.claims.len(), 1);
    assert_eq!(delta.state, Some(HuntStateName::Running));
    assert_eq!(feed(&broadcast).next(&cursor, 4), Next::Wait);
}

#[test]
fn a_tick_without_a_change_sends_nothing() {
    let (mut world, mut broadcast, cursor) = running(BroadcastLimits::default());
    let before = feed(&broadcast);
    world.clock_ms += 50;
    world.shard_batch(SHARD, 0, &[]);
    fold_all(&mut broadcast, &world);
    broadcast.cut_tick(world.now());
    assert!(Arc::ptr_eq(&before, &feed(&broadcast)));
    assert_eq!(feed(&broadcast).next(&cursor, 4), Next::Wait);
}

#[test]
fn missed_ticks_are_merged_into_one_delta() {
    let (mut world, mut broadcast, cursor) = running(BroadcastLimits::default());
    for tile in 0..3 {
        claim(&mut world, tile);
        fold_all(&mut broadcast, &world);
        broadcast.cut_tick(world.now());
    }
    let feed = feed(&broadcast);
    let Next::Messages { messages, .. } = feed.next(&cursor, 3) else {
        panic!("expected messages");
    };
    assert_eq!(messages.len(), 3, "frame by frame up to the limit");
    let Next::Messages { messages, cursor } = feed.next(&cursor, 2) else {
        panic!("expected messages");
    };
    let messages = read(&messages);
    let delta = only_delta(&messages);
    assert_eq!(delta.claims.len(), 3);
    assert_eq!((delta.from_tick, delta.tick), (Some(2), 4));
    assert_eq!(feed.next(&cursor, 2), Next::Wait);
}

#[test]
fn frames_are_shared_not_copied() {
    let (mut world, mut broadcast, cursor) = running(BroadcastLimits::default());
    claim(&mut world, 0);
    fold_all(&mut broadcast, &world);
    broadcast.cut_tick(world.now());
    let feed = feed(&broadcast);
    let (
        Next::Messages { messages: one, .. },
        Next::Messages {
            messages: other, ..
        },
    ) = (feed.next(&cursor, 1), feed.next(&cursor, 1))
    else {
        panic!("expected messages");
    };
    assert_eq!(one[0].as_ptr(), other[0].as_ptr());
    let frame = feed
        .frames(&cursor)
        .expect("in the ring")
        .next()
        .expect("one frame");
    assert_eq!(frame.payloads(LiveForm::Json)[0].as_ptr(), one[0].as_ptr());
    assert_eq!(frame.bytes(LiveForm::Json), one[0].len());
    let snapshot = || feed.snapshot(LiveForm::Json).as_ptr();
    assert_eq!(snapshot(), snapshot());
}

#[test]
fn who_has_missed_more_than_the_ring_holds_gets_a_snapshot() {
    let limits = BroadcastLimits {
        frames: 2,
        ..BroadcastLimits::default()
    };
    let (mut world, mut broadcast, cursor) = running(limits);
    for tile in 0..3 {
        claim(&mut world, tile);
        fold_all(&mut broadcast, &world);
        broadcast.cut_tick(world.now());
    }
    let Next::Snapshot { messages, cursor } = feed(&broadcast).next(&cursor, 9) else {
        panic!("expected a snapshot");
    };
    let messages = read(&messages);
    let snapshot = only_snapshot(&messages);
    assert_eq!(snapshot.rounds[0].claims.len(), 3);
    assert_eq!(feed(&broadcast).next(&cursor, 9), Next::Wait);
}

#[test]
fn a_flood_between_two_ticks_becomes_a_snapshot() {
    let limits = BroadcastLimits {
        changes: 5,
        ..BroadcastLimits::default()
    };
    let (mut world, mut broadcast, cursor) = running(limits);
    for tile in 0..9 {
        claim(&mut world, tile);
    }
    fold_all(&mut broadcast, &world);
    broadcast.cut_tick(world.now());
    let Next::Snapshot { messages, cursor } = feed(&broadcast).next(&cursor, 9) else {
        panic!("expected a snapshot");
    };
    assert_eq!(only_snapshot(&read(&messages)).rounds[0].claims.len(), 9);
    claim(&mut world, 9);
    fold_all(&mut broadcast, &world);
    broadcast.cut_tick(world.now());
    let Next::Messages { messages, .. } = feed(&broadcast).next(&cursor, 9) else {
        panic!("expected messages");
    };
    assert_eq!(only_delta(&read(&messages)).claims.len(), 1);
}

#[test]
fn a_position_of_another_process_resumes_at_the_frame_before_it() {
    let (mut world, mut broadcast, _) = running(BroadcastLimits::default());
    let mut other = self::broadcast(&world, BroadcastLimits::default());
    other.cut_tick(world.now());
    for tile in 0..4 {
        claim(&mut world, tile);
        fold_all(&mut broadcast, &world);
        broadcast.cut_tick(world.now());
        if tile == 2 {
            // The other process cuts its ticks elsewhere.
            fold_all(&mut other, &world);
            other.cut_tick(world.now());
        }
    }
    let seen = feed(&other).position().clone();
    let start = feed(&broadcast).start(Some(&seen));
    assert!(start.resumed);
    assert_eq!(start.resume.parse(), Ok(seen));
    let Next::Messages { messages, .. } = feed(&broadcast).next(&start.cursor, 9) else {
        panic!("expected messages");
    };
    assert_eq!(only_delta(&read(&messages)).claims[0].tile.get(), 3);
}

#[test]
fn a_pause_taken_back_within_one_tick_is_told_to_who_saw_it_elsewhere() {
    let (mut world, mut behind, _) = running(BroadcastLimits::default());
    let mut ahead = broadcast(&world, BroadcastLimits::default());
    world.say(ControlRecord::HuntPaused { hunt: HUNT });
    fold_all(&mut ahead, &world);
    ahead.cut_tick(world.now());
    assert_eq!(feed(&ahead).state(), HuntStateName::Paused);
    let start = feed(&behind).start(Some(feed(&ahead).position()));
    assert!(start.resumed);

    world.say(ControlRecord::HuntResumed { hunt: HUNT });
    fold_all(&mut behind, &world);
    behind.cut_tick(world.now());
    let Next::Messages { messages, .. } = feed(&behind).next(&start.cursor, 9) else {
        panic!("expected messages");
    };
    assert_eq!(
        only_delta(&read(&messages)).state,
        Some(HuntStateName::Running)
    );
}

#[test]
fn an_unknown_past_begins_with_a_snapshot() {
    let (mut world, mut broadcast, _) = running(BroadcastLimits::default());
    claim(&mut world, 0);
    fold_all(&mut broadcast, &world);
    broadcast.cut_tick(world.now());
    let start = feed(&broadcast).start(Some(&Position::after(SHARD, Sequence::ZERO)));
    assert!(!start.resumed);
    let messages = read(&start.messages);
    let snapshot = only_snapshot(&messages);
    assert_eq!(snapshot.resume, start.resume);
    assert_eq!(snapshot.rounds.len(), 1);
}

#[test]
fn a_process_that_cuts_ticks_while_it_rebuilds_lets_clients_resume() {
    let (mut world, mut broadcast, _) = running(BroadcastLimits::default());
    for tile in 0..3 {
        claim(&mut world, tile);
    }
    fold_all(&mut broadcast, &world);
    broadcast.cut_tick(world.now());
    let seen = feed(&broadcast).position().clone();
    claim(&mut world, 3);

    let mut rebuilt = Broadcast::new(world.shards, BroadcastLimits::default());
    for batch in world.streams.values().rev().flatten() {
        rebuilt.apply(batch).expect("in order");
        rebuilt.cut_tick(batch.header().time);
    }
    let start = feed(&rebuilt).start(Some(&seen));
    assert!(start.resumed);
    let Next::Messages { messages, .. } = feed(&rebuilt).next(&start.cursor, 9) else {
        panic!("expected messages");
    };
    assert_eq!(only_delta(&read(&messages)).claims.len(), 1);
}

#[test]
fn large_maps_leave_room_for_fewer_rounds() {
    let limits = BroadcastLimits {
        tiles_shown: 2_500,
        ..BroadcastLimits::default()
    };
    let (mut world, mut broadcast, cursor) = running(limits);
    for _ in 0..2 {
        world.open_round(1_000);
    }
    world.clock_ms += 200;
    world.shard_batch(SHARD, 9, &[]);
    fold_all(&mut broadcast, &world);
    broadcast.cut_tick(world.now());
    let Next::Messages { messages, .. } = feed(&broadcast).next(&cursor, 9) else {
        panic!("expected messages");
    };
    assert_eq!(only_delta(&read(&messages)).oldest, RoundNumber::new(2));
}

#[test]
fn gaps_strange_streams_and_repetitions_are_told_apart() {
    let mut world = World::new(1);
    for _ in 0..3 {
        world.shard_batch(SHARD, 0, &[]);
    }
    let batches = &world.streams[&SHARD];
    let mut broadcast = Broadcast::new(world.shards, BroadcastLimits::default());
    assert!(broadcast.apply(&batches[0]).expect("in order"));
    assert!(!broadcast.apply(&batches[0]).expect("seen before"));
    let gap = broadcast.apply(&batches[2]).expect_err("one is missing");
    assert_eq!(gap.to_string(), "stream 0 goes on at 2, expected 1");
    assert!(broadcast.apply(&batches[1]).expect("in order"));

    let mut stranger = World::new(3);
    stranger.shard_batch(ShardId::new(2), 0, &[]);
    let strange = &stranger.streams[&ShardId::new(2)][0];
    assert!(matches!(
        broadcast.apply(strange),
        Err(ApplyError::UnknownStream { shards: 1, .. })
    ));
}

#[test]
fn a_hunt_over_the_limit_has_no_feed() {
    let limits = BroadcastLimits {
        hunts: 0,
        ..BroadcastLimits::default()
    };
    let world = World::new(1);
    let mut broadcast = broadcast(&world, limits);
    broadcast.cut_tick(TimeMicros::ZERO);
    assert!(broadcast.publish().is_empty());
    assert_eq!(broadcast.records_left_out(), 1);
}

#[test]
fn a_class_hears_nothing_of_a_tick_without_anything_in_its_sight() {
    let (mut world, mut broadcast, _) = running(BroadcastLimits::default());
    let opened = world.opened().remove(0);
    let cells = layout(&opened);
    let seen = CellText::new(cells[0]);
    let interest = Interest::cells([seen]).expect("one cell");
    let unseen = cells.iter().position(|&cell| cell != seen.get());
    let unseen = u32::try_from(unseen.expect("many cells")).expect("few tiles");
    let class = Class::new(LiveForm::Proto, interest);
    let mut layouts = Layouts::default();
    layouts.insert(opened.round, cells);
    let start = feed(&broadcast).of(&class, &layouts).start(None);
    let start = start.expect("the layout is known");
    for (tile, heard) in [(unseen, 0), (0, 1)] {
        claim(&mut world, tile);
        fold_all(&mut broadcast, &world);
        broadcast.cut_tick(world.now());
        let feed = feed(&broadcast);
        let cursor = feed.end();
        let next = feed.of(&class, &layouts).next(&start.cursor, 1);
        let Next::Messages {
            messages,
            cursor: end,
        } = next
        else {
            panic!("expected messages");
        };
        assert_eq!((messages.len(), end), (heard, cursor), "tile {tile}");
    }
}

#[test]
fn claims_of_a_round_whose_layout_is_missing_are_not_told_before_it_is_there() {
    let (mut world, mut broadcast, _) = running(BroadcastLimits::default());
    let opened = world.opened().remove(0);
    let cells = layout(&opened);
    let interest = Interest::cells([CellText::new(cells[0])]).expect("one cell");
    let class = Class::new(LiveForm::Json, interest);
    let mut layouts = Layouts::default();
    let before = feed(&broadcast).of(&class, &layouts).start(None);
    let cursor = before.expect("no claim to tell apart").cursor;
    claim(&mut world, 0);
    fold_all(&mut broadcast, &world);
    broadcast.cut_tick(world.now());
    let feed = feed(&broadcast);
    assert_eq!(feed.of(&class, &layouts).next(&cursor, 1), Next::NoLayout);
    assert!(feed.of(&class, &layouts).start(None).is_none());
    layouts.insert(opened.round, cells);
    let Next::Messages { messages, .. } = feed.of(&class, &layouts).next(&cursor, 1) else {
        panic!("expected messages");
    };
    assert_eq!(only_delta(&read(&messages)).claims.len(), 1);
}
