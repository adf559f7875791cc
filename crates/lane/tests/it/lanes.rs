//! What askers and shards may count on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use huntcore_lane::{
    ATTEMPTS_MAX, Entrance, EntranceLimits, Lane, LaneOptions, Listen, ShardPort, Submission,
    exchange,
};
use huntcore_model::{
    AttemptRef, HuntNumber, Outcome, RoundNumber, Sequence, ShardId, ShardMap, TileIndex,
};

fn shards(count: u16) -> ShardMap {
    ShardMap::new(count).expect("in range")
}

fn attempt(tile: u32) -> AttemptRef<'static> {
    AttemptRef {
        hunt: HuntNumber::new(0),
        round: RoundNumber::FIRST,
        tile: TileIndex::new(tile),
        player: "ada",
    }
}

/// An outcome that tells which attempt it belongs to, and which shard gave it.
fn outcome(shard: ShardId, tile: TileIndex) -> Outcome {
    Outcome::Taken {
        shard,
        sequence: Sequence::new(u64::from(tile.get())),
    }
}

fn answer_all(port: &ShardPort) -> usize {
    let mut count = 0;
    while let Some(mut block) = port.pop() {
        let (attempts, outcomes) = block.parts_mut();
        outcomes.extend(attempts.iter().map(|a| outcome(port.shard(), a.tile)));
        count += attempts.len();
        block.answer();
    }
    count
}

fn submission(lane: &mut Lane, tiles: impl IntoIterator<Item = u32>) -> Submission {
    let mut submission = lane.start().expect("room");
    for tile in tiles {
        submission.push(attempt(tile));
    }
    submission
}

fn told(submission: &Submission) -> Vec<u64> {
    submission
        .outcomes()
        .map(|outcome| match outcome {
            Outcome::Taken { sequence, .. } => sequence.get(),
            other => panic!("not what the shard said: {other:?}"),
        })
        .collect()
}

struct Unparks(thread::Thread, AtomicBool);

impl Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.1.store(true, Ordering::SeqCst);
        self.0.unpark();
    }
}

/// Waits for the next answered submission on this thread.
fn wait(lane: &mut Lane) -> Submission {
    let unparks = Arc::new(Unparks(thread::current(), AtomicBool::new(false)));
    let waker = Waker::from(unparks.clone());
    loop {
        match lane.poll_answered(&mut Context::from_waker(&waker)) {
            Poll::Ready(answered) => return answered.expect("one is out"),
            Poll::Pending => {
                while !unparks.1.swap(false, Ordering::SeqCst) {
                    thread::park();
                }
            }
        }
    }
}

#[test]
fn outcomes_come_back_in_the_order_of_the_attempts_whatever_their_shards() {
    for count in [1, 3, 7] {
        let (entrance, ports) = exchange(shards(count), EntranceLimits::default());
        let mut lane = entrance.lane(LaneOptions::default());
        for _ in 0..3 {
            let mut sent = submission(&mut lane, 0..500);
            sent.tag = 42;
            lane.submit(sent);
            let answered: usize = ports.iter().rev().map(answer_all).sum();
            assert_eq!(answered, 500);
            let back = lane.try_answered().expect("all shards answered");
            assert_eq!(told(&back), (0..500).collect::<Vec<_>>());
            assert_eq!(back.tag, 42);
            lane.recycle(back);
        }
    }
}

#[test]
fn items_known_beforehand_keep_their_places() {
    for count in [1, 3] {
        let (entrance, ports) = exchange(shards(count), EntranceLimits::default());
        let mut lane = entrance.lane(LaneOptions::default());
        let mut sent = lane.start().expect("room");
        for tile in 0..20 {
            if tile % 3 == 1 {
                sent.push_answered(Outcome::UnknownHunt);
            } else {
                sent.push(attempt(tile));
            }
        }
        assert_eq!(sent.len(), 20);
        lane.submit(sent);
        for port in &ports {
            answer_all(port);
        }
        let back = lane.try_answered().expect("answered");
        let outcomes: Vec<_> = back.outcomes().collect();
        assert_eq!(outcomes.len(), 20);
        for (tile, outcome) in (0..20_u64).zip(outcomes) {
            match outcome {
                Outcome::UnknownHunt => assert_eq!(tile % 3, 1),
                Outcome::Taken { sequence, .. } => assert_eq!(sequence.get(), tile),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn submissions_come_back_in_the_order_they_were_handed_in() {
    let (entrance, ports) = exchange(shards(3), EntranceLimits::default());
    let mut lane = entrance.lane(LaneOptions::default());
    let first = submission(&mut lane, 0..300);
    lane.submit(first);
    let second = submission(&mut lane, 300..301);
    lane.submit(second);
    let slow = ports
        .iter()
        .position(|port| port.shard() != ShardId::new(0))
        .expect("three shards");
    for (index, port) in ports.iter().enumerate() {
        if index != slow {
            answer_all(port);
        }
    }
    assert!(lane.try_answered().is_none());
    answer_all(&ports[slow]);
    assert_eq!(lane.try_answered().expect("first").len(), 300);
    assert_eq!(lane.try_answered().expect("second").len(), 1);
}

#[test]
fn a_lane_has_no_more_than_its_submissions() {
    let (entrance, ports) = exchange(shards(1), EntranceLimits::default());
    let mut lane = entrance.lane(LaneOptions { submissions_max: 2 });
    let first = submission(&mut lane, [1]);
    lane.submit(first);
    let held = lane.start().expect("the second");
    assert!(lane.start().is_none());
    answer_all(&ports[0]);
    let back = lane.try_answered().expect("answered");
    assert!(lane.start().is_none(), "given back is not yet recycled");
    lane.recycle(back);
    lane.recycle(held);
    assert!(lane.start().is_some());
}

#[test]
fn what_finds_no_room_is_overloaded_at_once_and_nothing_taken_is_lost() {
    let limits = EntranceLimits {
        attempts_max: 10,
        blocks_max: 2,
    };
    let (entrance, ports) = exchange(shards(1), limits);
    let mut lane = entrance.lane(LaneOptions::default());
    for tiles in [0..8, 8..12, 12..13, 13..14] {
        let sent = submission(&mut lane, tiles);
        lane.submit(sent);
    }
    assert_eq!(entrance.waiting(ShardId::new(0)), 9);
    assert_eq!(answer_all(&ports[0]), 9);
    assert_eq!(entrance.waiting(ShardId::new(0)), 0);
    let mut kinds = Vec::new();
    while let Some(back) = lane.try_answered() {
        let refused = back.outcomes().all(|o| o == Outcome::Overloaded);
        kinds.push((back.len(), refused));
    }
    // The second had too many attempts, the fourth was a block too many.
    assert_eq!(kinds, [(8, false), (4, true), (1, false), (1, true)]);
}

#[test]
fn what_found_no_room_can_be_asked_again() {
    let limits = EntranceLimits {
        blocks_max: 1,
        ..EntranceLimits::default()
    };
    for count in [1, 3] {
        let (entrance, ports) = exchange(shards(count), limits);
        let mut lane = entrance.lane(LaneOptions::default());
        // Every shard has room for a block of either, and not for both.
        for tiles in [0..10, 10..20] {
            let sent = submission(&mut lane, tiles);
            lane.submit(sent);
        }
        let _: usize = ports.iter().map(answer_all).sum();
        let first = lane.try_answered().expect("answered");
        lane.recycle(first);
        let mut refused = lane.try_answered().expect("answered");
        let overloaded = refused.outcomes().filter(|o| *o == Outcome::Overloaded);
        assert!(overloaded.count() > 0, "some found no room");
        refused.ask_again();
        lane.submit(refused);
        let _: usize = ports.iter().map(answer_all).sum();
        let answered = lane.try_answered().expect("answered");
        assert_eq!(told(&answered), (10..20).collect::<Vec<_>>());
    }
}

#[test]
fn a_shard_that_goes_answers_that_nobody_knows() {
    let (entrance, mut ports) = exchange(shards(1), EntranceLimits::default());
    let port = ports.remove(0);
    let mut lane = entrance.lane(LaneOptions::default());
    let first = submission(&mut lane, [1]);
    lane.submit(first);
    let second = submission(&mut lane, [2]);
    lane.submit(second);
    let mut decided = port.pop().expect("the first");
    decided.parts_mut().1.push(Outcome::UnknownTile);
    drop(decided);
    drop(port);
    let third = submission(&mut lane, [3]);
    lane.submit(third);
    for _ in 0..3 {
        let back = lane.try_answered().expect("nobody waits in vain");
        assert_eq!(
            back.outcomes().collect::<Vec<_>>(),
            [Outcome::OutcomeUnknown]
        );
    }
}

#[test]
fn a_lane_may_go_before_its_outcomes_come() {
    let (entrance, ports) = exchange(shards(1), EntranceLimits::default());
    let mut lane = entrance.lane(LaneOptions::default());
    let sent = submission(&mut lane, 0..9);
    lane.submit(sent);
    drop(lane);
    assert_eq!(answer_all(&ports[0]), 9);
    assert_eq!(entrance.waiting(ShardId::new(0)), 0);
}

#[test]
fn a_full_submission_says_so() {
    let (entrance, _ports) = exchange(shards(1), EntranceLimits::default());
    let mut lane = entrance.lane(LaneOptions::default());
    let all = u32::try_from(ATTEMPTS_MAX).expect("small");
    let full = submission(&mut lane, 0..all);
    assert!(full.is_full());
    assert!(!submission(&mut lane, 1..all).is_full());
}

/// Shards' threads that answer until they are told to stop.
fn serve(ports: Vec<ShardPort>, stop: &Arc<AtomicBool>) -> Vec<thread::JoinHandle<usize>> {
    let serve = |port: ShardPort| {
        let stop = stop.clone();
        thread::spawn(move || {
            let mut count = 0;
            while !stop.load(Ordering::SeqCst) {
                count += answer_all(&port);
                port.wait(Duration::from_secs(3_600), Listen::All, || {
                    !port.is_empty() || stop.load(Ordering::SeqCst)
                });
            }
            count
        })
    };
    ports.into_iter().map(serve).collect()
}

#[test]
fn askers_on_many_threads_each_get_their_own_outcomes() {
    let (entrance, ports) = exchange(shards(3), EntranceLimits::default());
    let bells: Vec<_> = ports.iter().map(ShardPort::bell).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let serving = serve(ports, &stop);
    let (askers, rounds, size) = (4_u32, 200_u32, 64_u32);
    let ask = |asker: u32, entrance: Entrance| {
        let mut lane = entrance.lane(LaneOptions { submissions_max: 8 });
        let mut expected = 0;
        let mut check = |back: &Submission| {
            let first = u64::from(asker * 1_000_000 + expected * size);
            let tiles: Vec<u64> = (first..first + u64::from(size)).collect();
            assert_eq!(told(back), tiles);
            expected += 1;
        };
        for round in 0..rounds {
            let mut sent = loop {
                if let Some(sent) = lane.start() {
                    break sent;
                }
                let back = wait(&mut lane);
                check(&back);
                lane.recycle(back);
            };
            let first = asker * 1_000_000 + round * size;
            (first..first + size).for_each(|tile| sent.push(attempt(tile)));
            lane.submit(sent);
        }
        while lane.in_flight() > 0 {
            let back = wait(&mut lane);
            check(&back);
            lane.recycle(back);
        }
        assert_eq!(expected, rounds);
    };
    thread::scope(|scope| {
        for asker in 0..askers {
            let entrance = entrance.clone();
            scope.spawn(move || ask(asker, entrance));
        }
    });
    stop.store(true, Ordering::SeqCst);
    bells.iter().for_each(huntcore_lane::Bell::ring);
    let answered: usize = serving
        .into_iter()
        .map(|thread| thread.join().expect("served"))
        .sum();
    assert_eq!(answered, (askers * rounds * size) as usize);
}
