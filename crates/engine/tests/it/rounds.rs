//! What the controller announces and publishes, and when.

use huntcore_model::{Hash32, RoundNumber};

use crate::configs::config_of;
use crate::control_sim::facts;
use crate::desk::{HUNT, at};
use crate::stream::{Stream, new_hunt};

const NONE: [u64; 0] = [];

#[test]
fn rounds_are_announced_in_order_a_second_ahead() {
    let mut stream = Stream::new();
    let mut announced = Vec::new();
    for step in 0..80 {
        let now_ms = -1_500 + step * 100;
        for round in stream.announce(now_ms) {
            let opens_ms = i64::try_from(round).expect("few") * 1_000 - 1_000;
            let ahead_ms = opens_ms - now_ms;
            assert!(ahead_ms <= 1_000 && ahead_ms > 900, "round {round}");
            announced.push(round);
        }
        let next = stream
            .controller
            .next_announcement()
            .expect("it has no end");
        let opened = u64::try_from(announced.len()).expect("few");
        assert_eq!(next.millis() + 1_000, at(0).millis() + opened * 1_000);
    }
    assert_eq!(announced, (1..=8).collect::<Vec<_>>());
}

#[test]
fn rounds_that_passed_while_nothing_ran_are_skipped() {
    let mut stream = Stream::new();
    assert_eq!(stream.announce(0), [1, 2]);
    stream.restart();
    // Round 98 was open from 97,000 to 100,000 ms.
    assert_eq!(stream.announce(100_000), [99, 100, 101, 102]);
    assert_eq!(stream.announce(100_000), NONE);
}

#[test]
fn there_is_a_limit_to_what_is_announced_in_one_go() {
    let mut new = new_hunt("park", Some(0), None);
    new.config = config_of(100, 60_000, 4);
    let mut stream = Stream::with(&new);
    let (mut announced, mut goes) = (Vec::new(), 0);
    stream.controller.begin(at(90_000));
    while stream
        .controller
        .next_announcement()
        .is_some_and(|next| next <= at(90_000))
    {
        announced.extend(stream.announce(90_000));
        goes += 1;
    }
    // Round 301 closed at 90,000 ms; round 911 opens at 91,000.
    assert_eq!(announced, (302..=911).collect::<Vec<_>>());
    assert_eq!(goes, 610_usize.div_ceil(16));
}

#[test]
fn a_hunt_that_ended_while_nothing_ran_has_nothing_to_announce() {
    let mut stream = Stream::with(&new_hunt("park", Some(0), Some(10_000)));
    stream.announce(0);
    stream.restart();
    assert_eq!(stream.announce(60_000), NONE);
    assert_eq!(stream.controller.next_announcement(), None);
}

#[test]
fn a_round_of_a_paused_hunt_is_announced_and_of_a_closed_one_is_not() {
    let mut stream = Stream::new();
    stream
        .at(0, |controller| controller.pause(HUNT))
        .expect("known");
    assert_eq!(stream.announce(0), [1, 2]);
    stream
        .at(0, |controller| controller.close(HUNT))
        .expect("known");
    assert_eq!(stream.announce(5_000), NONE);
    assert_eq!(stream.controller.next_announcement(), None);
}

#[test]
fn a_change_holds_from_the_first_round_that_is_not_announced() {
    let mut stream = Stream::new();
    stream.announce(1_200);
    stream
        .change(1_300, config_of(500, 500, 2))
        .expect("an open hunt");
    let hunt = stream
        .controller
        .catalog()
        .by_number(HUNT)
        .expect("created")
        .clone();
    let opens = |round| {
        hunt.schedule(RoundNumber::new(round))
            .expect("no end")
            .opens_at
    };
    assert_eq!(
        [opens(3), opens(4), opens(5)],
        [at(2_000), at(3_000), at(3_500)]
    );
    let version = |round| {
        hunt.version_for(RoundNumber::new(round))
            .expect("it is")
            .version
    };
    assert_eq!([version(3), version(4)], [1, 2]);
    // Another change before that round replaces this one.
    stream
        .change(1_400, config_of(250, 250, 2))
        .expect("an open hunt");
    let hunt = stream
        .controller
        .catalog()
        .by_number(HUNT)
        .expect("created");
    let versions: Vec<_> = hunt
        .versions
        .iter()
        .map(|version| version.version)
        .collect();
    assert_eq!(versions, [1, 3]);
    assert_eq!(stream.announce(2_200), [4]);
    assert_eq!(stream.announce(2_250), [5]);
}

#[test]
fn a_change_after_a_sleep_holds_from_the_first_round_that_is_not_open() {
    let mut stream = Stream::new();
    stream.announce(0);
    stream
        .change(60_500, config_of(500, 500, 2))
        .expect("an open hunt");
    let hunt = stream
        .controller
        .catalog()
        .by_number(HUNT)
        .expect("created");
    assert_eq!(hunt.latest_version().from_round, RoundNumber::new(62));
    assert_eq!(stream.announce(60_500), [59, 60, 61, 62, 63]);
}

#[test]
fn what_was_due_before_a_change_is_not_announced_after_it() {
    let mut stream = Stream::new();
    let due = stream.at(-500, |controller| controller.rounds_due());
    stream
        .change(-400, config_of(500, 500, 2))
        .expect("an open hunt");
    let before = stream.entries();
    stream.at(-300, |controller| {
        controller.open_round(&due[0], &facts(HUNT, due[0].round));
    });
    assert_eq!(stream.entries(), before, "it has another schedule now");
    let due = stream.at(-200, |controller| controller.rounds_due());
    for _ in 0..2 {
        stream.at(-100, |controller| {
            controller.open_round(&due[0], &facts(HUNT, due[0].round));
        });
    }
    assert_eq!(stream.entries(), before + 1, "it is announced once");
}

#[test]
fn a_seed_waits_for_all_windows_that_it_gives_away() {
    let mut new = new_hunt("park", Some(0), None);
    new.config = config_of(1_000, 9_000, 4);
    let mut stream = Stream::with(&new);
    stream.announce(0);
    stream
        .change(100, config_of(1_000, 1_000, 4))
        .expect("an open hunt");
    for second in 1..=12 {
        stream.announce(second * 1_000);
    }
    // Rounds 1 and 2 are open until 9,000 and 10,000 ms; 3 and later for a second each.
    for (shards_ms, published) in [
        (8_999, vec![]),
        (9_000, vec![1]),
        (9_999, vec![]),
        (10_000, vec![2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (11_500, vec![11]),
    ] {
        assert_eq!(stream.publish(shards_ms), published, "at {shards_ms}");
        stream.restart();
        assert_eq!(stream.publish(shards_ms), NONE, "once only");
    }
}

#[test]
fn the_next_chain_is_anchored_ahead_of_its_first_round() {
    let mut stream = Stream::new();
    let due = |stream: &mut Stream, now_ms| {
        stream.at(now_ms, |controller| {
            let due = controller.anchors_due(10, 3);
            for &(hunt, chain) in &due {
                controller.publish_anchor(hunt, chain, Hash32::ZERO);
                controller.publish_anchor(hunt, chain, Hash32::ZERO);
            }
            due.iter().map(|(_, chain)| *chain).collect::<Vec<_>>()
        })
    };
    assert_eq!(due(&mut stream, -1), NONE);
    assert_eq!(
        due(&mut stream, 6_999),
        NONE,
        "round 7 is four before round 11"
    );
    assert_eq!(due(&mut stream, 7_000), [1]);
    assert_eq!(due(&mut stream, 7_001), NONE);
    // After a sleep one after another, until there are enough.
    for chain in 2..=4 {
        assert_eq!(due(&mut stream, 40_000), [chain]);
    }
    assert_eq!(due(&mut stream, 40_000), NONE);
    let hunt = stream
        .controller
        .catalog()
        .by_number(HUNT)
        .expect("created");
    assert_eq!(hunt.anchors.len(), 5, "each once");
}
