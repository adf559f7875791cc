//! What the controller accepts from operators.

use huntcore_engine::{CommandError, HUNTS_MAX, NewHunt, VERSIONS_MAX};
use huntcore_model::{HuntId, HuntNumber};

use crate::configs::config_of;
use crate::desk::{HUNT, at};
use crate::stream::{Command, Stream, new_hunt};

#[test]
fn the_same_creation_again_is_the_same_hunt() {
    for starts_ms in [None, Some(-60_000), Some(-5_000), Some(0), Some(9_000)] {
        let new = new_hunt("park", starts_ms, Some(20_000));
        let mut stream = Stream::with(&new);
        for now_ms in [-5_000, 1_000, 90_000] {
            stream.restart();
            let again = stream.at(now_ms, |controller| controller.create(&new));
            assert_eq!(again, Ok(HUNT), "start {starts_ms:?}, again at {now_ms}");
        }
        assert_eq!(stream.entries(), 1, "nothing new is written");
        let hunt = stream
            .controller
            .catalog()
            .by_number(HUNT)
            .expect("created");
        assert!(hunt.starts_at > at(-5_000), "it starts after its creation");
    }
}

#[test]
fn another_creation_of_the_same_id_is_refused() {
    let new = new_hunt("park", Some(0), Some(20_000));
    let mut others = vec![new.clone(); 3];
    others[0].starts_at = Some(at(1));
    others[1].ends_at = None;
    others[2].config.tiles = 5;
    for other in &others {
        let mut stream = Stream::with(&new);
        let result = stream.at(-4_000, |controller| controller.create(other));
        assert!(
            matches!(result, Err(CommandError::HuntExists { .. })),
            "{other:?}"
        );
        stream
            .at(-4_000, |controller| controller.close(HUNT))
            .expect("known");
        let result = stream.at(-3_000, |controller| controller.create(&new));
        assert!(
            matches!(result, Err(CommandError::HuntExists { .. })),
            "it is closed"
        );
    }
}

#[test]
fn an_end_may_move_but_not_before_what_is_announced() {
    let mut stream = Stream::new();
    stream.announce(2_500);
    let move_end = |stream: &mut Stream, ends_ms: Option<i64>| {
        stream.at(2_600, |controller| {
            let ends_at = ends_ms.map(at);
            let checked = controller.check_end(HUNT, ends_at);
            let moved = controller.move_end(HUNT, ends_at);
            assert_eq!(checked, moved);
            moved
        })
    };
    // Round 4 opens at 3,000 ms.
    for refused in [-1_000, 0, 2_600, 3_000] {
        let result = move_end(&mut stream, Some(refused));
        assert!(
            matches!(result, Err(CommandError::Schedule { .. })),
            "{refused}"
        );
    }
    for accepted in [Some(3_001), Some(9_000), None, Some(4_500)] {
        assert_eq!(move_end(&mut stream, accepted), Ok(()), "{accepted:?}");
    }
    assert_eq!(stream.announce(4_000), [5]);
    assert_eq!(stream.controller.next_announcement(), None);
    let removed = stream.at(4_499, |controller| controller.move_end(HUNT, None));
    assert_eq!(removed, Ok(()));
    assert_eq!(stream.announce(4_499), [6]);
}

#[test]
fn an_end_that_has_passed_is_not_moved() {
    let mut stream = Stream::new();
    let mut move_end = |now_ms, ends_ms: Option<i64>| {
        let ends_at = ends_ms.map(at);
        stream.at(now_ms, |controller| {
            let checked = controller.check_end(HUNT, ends_at);
            assert_eq!(checked, controller.move_end(HUNT, ends_at));
            checked
        })
    };
    assert_eq!(move_end(0, Some(4_500)), Ok(()));
    assert_eq!(move_end(4_499, Some(5_000)), Ok(()));
    let ended = CommandError::HuntEnded {
        hunt: HuntId::new("park").expect("a slug"),
    };
    for other in [Some(4_999), Some(9_000), None] {
        assert_eq!(move_end(5_000, other), Err(ended.clone()), "{other:?}");
    }
    assert_eq!(move_end(6_000, Some(5_000)), Ok(()), "it is so already");
    assert_eq!(stream.entries(), 3);
}

#[test]
fn commands_change_only_what_is_not_so_already() {
    let mut stream = Stream::new();
    let commands: [Command; 5] = [
        |controller| controller.pause(HUNT),
        |controller| controller.resume(HUNT),
        |controller| controller.move_end(HUNT, Some(at(9_000))),
        |controller| controller.change(HUNT, config_of(2_000, 3_000, 4)),
        |controller| controller.close(HUNT),
    ];
    for (entries, command) in (2..).zip(commands) {
        for _ in 0..2 {
            assert_eq!(stream.at(0, command), Ok(()), "entry {entries}");
            assert_eq!(stream.entries(), entries);
        }
    }
    let closed = CommandError::HuntClosed {
        hunt: HuntId::new("park").expect("a slug"),
    };
    for command in &commands[..4] {
        assert_eq!(stream.at(0, command), Err(closed.clone()));
    }
    let unknown: [Command; 2] = [
        |controller| controller.pause(HuntNumber::new(1)),
        |controller| controller.close(HuntNumber::new(1)),
    ];
    for command in unknown {
        assert_eq!(stream.at(0, command), Err(CommandError::UnknownHunt));
    }
    assert_eq!(stream.entries(), 6);
}

#[test]
fn a_schedule_that_cannot_be_is_refused() {
    let config = |round_ms, window_ms, tiles| NewHunt {
        config: config_of(round_ms, window_ms, tiles),
        ..new_hunt("park", Some(0), None)
    };
    let rows = [
        new_hunt("park", Some(0), Some(0)),
        new_hunt("park", None, Some(-9_000)),
        config(0, 1_000, 4),
        config(1_000, 0, 4),
        config(1_000, 1_000, 0),
        config(100, 3_600_000, 1 << 20),
    ];
    for new in rows {
        let mut stream = Stream::empty();
        let result = stream.at(-5_000, |controller| controller.create(&new));
        assert!(
            matches!(result, Err(CommandError::Schedule { .. })),
            "{new:?}"
        );
        assert_eq!(stream.entries(), 0);
    }
}

#[test]
fn hunts_together_have_a_limit_of_open_tiles() {
    let mut stream = Stream::empty();
    let create = |stream: &mut Stream, index: u32| {
        let new = NewHunt {
            config: config_of(1_000, 30_000, 1 << 20),
            ..new_hunt(&format!("park-{index}"), Some(0), None)
        };
        stream.at(-5_000, |controller| controller.create(&new))
    };
    assert_eq!(create(&mut stream, 0), Ok(HuntNumber::new(0)));
    assert_eq!(create(&mut stream, 1), Ok(HuntNumber::new(1)));
    // 31 open rounds of a million tiles each are two more than 64 allow.
    assert!(matches!(
        create(&mut stream, 2),
        Err(CommandError::Schedule { .. })
    ));
    stream
        .change(-4_000, config_of(1_000, 32_000, 1 << 20))
        .expect("two rounds more");
    let result = stream.change(-4_000, config_of(1_000, 33_000, 1 << 20));
    assert!(
        matches!(result, Err(CommandError::Schedule { .. })),
        "{result:?}"
    );
    stream
        .at(-3_000, |controller| controller.close(HUNT))
        .expect("known");
    assert_eq!(create(&mut stream, 2), Ok(HuntNumber::new(2)));
}

#[test]
fn hunts_and_versions_have_limits() {
    let mut stream = Stream::empty();
    for index in 0..HUNTS_MAX {
        let new = new_hunt(&format!("park-{index}"), Some(0), None);
        stream
            .at(-5_000, |controller| controller.create(&new))
            .expect("below the limit");
    }
    let one_more = new_hunt("one-more", Some(0), None);
    let result = stream.at(-5_000, |controller| controller.create(&one_more));
    assert!(
        matches!(result, Err(CommandError::TooMany { max: HUNTS_MAX, .. })),
        "{result:?}"
    );
    let mut now_ms = 0;
    let result = loop {
        now_ms += 1_000;
        let tiles = u32::try_from(now_ms / 1_000 % 2 + 1).expect("1 or 2");
        let result = stream.change(now_ms, config_of(1_000, 3_000, tiles));
        if result.is_err() {
            break result;
        }
    };
    assert!(
        matches!(
            result,
            Err(CommandError::TooMany {
                max: VERSIONS_MAX,
                ..
            })
        ),
        "{result:?}"
    );
    assert_eq!(now_ms, i64::try_from(VERSIONS_MAX).expect("few") * 1_000);
}

#[test]
fn a_clock_that_goes_back_holds_the_control_stream_s_time() {
    let mut stream = Stream::new();
    stream
        .at(5_000, |controller| controller.pause(HUNT))
        .expect("known");
    stream.restart();
    stream
        .at(-90_000, |controller| controller.close(HUNT))
        .expect("known");
    let hunt = stream
        .controller
        .catalog()
        .by_number(HUNT)
        .expect("created");
    assert_eq!(hunt.closed_at, Some(at(5_000)));
    assert_eq!(stream.controller.tail().time, at(5_000));
}
