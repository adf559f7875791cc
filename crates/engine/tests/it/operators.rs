//! Boards and flags as the controller takes them.

use huntcore_engine::{CommandError, NewFlag, NewHunt};
use huntcore_model::{
    BOARDS_MAX, BoardDefinition, BoardName, CalendarUnit, Flag, FlagSource, FlagValue, HuntNumber,
    RefreshMode, TimeMicros, WindowRule, Zone, ZoneOffset,
};

use crate::desk::{HUNT, board};
use crate::stream::{Stream, new_hunt};

/// A board of days in a zone that was looked up when its offset was this.
fn daily(seconds: i32) -> BoardDefinition {
    let zone = Zone {
        name: "Europe/Berlin".to_owned(),
        offsets: vec![ZoneOffset {
            from: TimeMicros::ZERO,
            seconds,
        }],
    };
    BoardDefinition {
        window: WindowRule::Calendar {
            unit: CalendarUnit::Day,
            zone,
        },
        ..board("daily")
    }
}

fn set(stream: &mut Stream, boards: &[BoardDefinition]) -> Result<(), CommandError> {
    stream.at(1_000, |controller| {
        let checked = controller.check_boards(HUNT, boards);
        let set = controller.set_boards(HUNT, boards.to_vec());
        assert_eq!(checked, set);
        set
    })
}

fn generations(stream: &Stream) -> Vec<(String, u64)> {
    let hunt = stream.controller.catalog().by_number(HUNT);
    let boards = hunt.expect("created").boards.iter();
    boards
        .map(|board| (board.definition.name.to_string(), board.defined_at.get()))
        .collect()
}

#[test]
fn a_hunt_is_created_with_its_boards_in_one_batch_and_again_as_the_same() {
    let new = NewHunt {
        boards: vec![daily(3_600), board("hourly")],
        ..new_hunt("park", Some(0), None)
    };
    let mut stream = Stream::with(&new);
    assert_eq!(stream.entries(), 2);
    let again = |boards| NewHunt {
        boards,
        ..new.clone()
    };
    // A year later the zone's offsets are looked up again, and are others.
    for same in [
        again(vec![daily(3_600), board("hourly")]),
        again(vec![board("hourly"), daily(7_200)]),
    ] {
        stream.restart();
        let created = stream.at(5_000, |controller| controller.create(&same));
        assert_eq!(created, Ok(HUNT));
    }
    for other in [
        vec![],
        vec![daily(3_600)],
        vec![daily(3_600), board("weekly")],
    ] {
        let created = stream.at(5_000, |controller| controller.create(&again(other)));
        assert!(matches!(created, Err(CommandError::HuntExists { .. })));
    }
    assert_eq!(stream.entries(), 2, "nothing new is written");
}

#[test]
fn a_board_that_is_defined_as_before_goes_on_and_others_begin_anew() {
    let mut stream = Stream::new();
    set(&mut stream, &[daily(3_600), board("hourly")]).expect("good boards");
    let before = generations(&stream);
    set(&mut stream, &[daily(7_200), board("hourly")]).expect("the same boards");
    assert_eq!(
        (stream.entries(), generations(&stream)),
        (2, before.clone())
    );
    let longer = BoardDefinition {
        keep_ms: 1,
        ..board("hourly")
    };
    set(&mut stream, &[daily(7_200), longer]).expect("one of them changed");
    stream.restart();
    let after = generations(&stream);
    assert_eq!(after[0], before[0]);
    assert!(after[1].1 > before[1].1);
    set(&mut stream, &[]).expect("none");
    assert_eq!((stream.entries(), generations(&stream)), (4, vec![]));
}

#[test]
fn boards_that_cannot_be_are_refused_together() {
    let mut stream = Stream::new();
    let mut total = board("total");
    total.name = BoardName::TOTAL;
    let mut endless = board("endless");
    endless.window = WindowRule::Tumbling { length_ms: 1 };
    let names: Vec<_> = (0..=BOARDS_MAX).map(|index| format!("b{index}")).collect();
    let many: Vec<_> = names.iter().map(|name| board(name)).collect();
    for (boards, field) in [
        (vec![board("hourly"), total], "name"),
        (vec![board("hourly"), board("hourly")], "name"),
        (vec![board("hourly"), endless], "window"),
    ] {
        let refused = set(&mut stream, &boards).expect_err(field);
        assert!(
            matches!(refused, CommandError::Board { field: found, .. } if found == field),
            "{refused}"
        );
    }
    let refused = set(&mut stream, &many).expect_err("one too many");
    assert!(
        matches!(refused, CommandError::TooManyBoards { .. }),
        "{refused}"
    );
    assert_eq!(stream.entries(), 1, "a refused command changes nothing");
    set(&mut stream, &many[1..]).expect("as many as may be");
    stream
        .at(2_000, |controller| controller.close(HUNT))
        .expect("known");
    let refused = set(&mut stream, &[]).expect_err("closed");
    assert!(matches!(refused, CommandError::HuntClosed { .. }));
}

fn turn(stream: &mut Stream, by: FlagSource, mode: Option<RefreshMode>) {
    let new = NewFlag {
        flag: Flag::BoardsRefresh,
        hunt: Some(HUNT),
        board: Some(BoardName::TOTAL),
        value: mode.map(FlagValue::Refresh),
        by,
        reason: "to see".to_owned(),
    };
    stream
        .at(1_000, |controller| controller.set_flag(new))
        .expect("a good flag");
    stream.restart();
}

#[test]
fn an_operator_s_change_holds_until_the_file_says_something_else() {
    let mut stream = Stream::new();
    let refresh = |stream: &Stream| {
        let flags = stream.controller.catalog().flags();
        flags.refresh(HUNT, BoardName::TOTAL)
    };
    use FlagSource::{Api, File};
    use RefreshMode::{Frozen, Incremental, Rebuild};
    let steps = [
        (File, Some(Rebuild), Rebuild, 2),
        (File, Some(Rebuild), Rebuild, 2),
        (Api, Some(Frozen), Frozen, 3),
        (Api, Some(Frozen), Frozen, 3),
        // The file says what it said: a restart does not undo what an operator did.
        (File, Some(Rebuild), Frozen, 3),
        (Api, None, Incremental, 4),
        (File, Some(Rebuild), Incremental, 4),
        (File, Some(Frozen), Frozen, 5),
        (File, None, Incremental, 6),
        (File, None, Incremental, 6),
    ];
    for (step, (by, mode, expected, entries)) in steps.into_iter().enumerate() {
        turn(&mut stream, by, mode);
        assert_eq!(
            (refresh(&stream), stream.entries()),
            (expected, entries),
            "step {step}"
        );
    }
    assert_eq!(stream.controller.catalog().flags().settings().len(), 0);
}

#[test]
fn a_flag_is_set_only_to_what_it_takes_and_where_there_is_something() {
    let mut stream = Stream::new();
    let good = NewFlag {
        flag: Flag::BoardsShadow,
        hunt: Some(HUNT),
        board: Some(BoardName::BEST),
        value: Some(FlagValue::On(true)),
        by: FlagSource::Api,
        reason: String::new(),
    };
    let mut refused = |change: fn(&mut NewFlag)| {
        let mut new = good.clone();
        change(&mut new);
        let refused = stream.at(1_000, |controller| controller.set_flag(new));
        refused.expect_err("it cannot be")
    };
    let error = refused(|new| new.flag = Flag::BoardsRefresh);
    assert!(matches!(error, CommandError::Flag { .. }), "{error}");
    let error = refused(|new| new.reason = "x".repeat(257));
    assert!(matches!(error, CommandError::Flag { .. }), "{error}");
    let error = refused(|new| new.hunt = Some(HuntNumber::new(7)));
    assert_eq!(error, CommandError::UnknownHunt);
    let error = refused(|new| new.board = Some(BoardName::new("nobody-s").expect("a name")));
    assert!(
        matches!(error, CommandError::UnknownBoard { .. }),
        "{error}"
    );
    assert_eq!(stream.entries(), 1);
    stream
        .at(1_000, |controller| controller.set_flag(good))
        .expect("a good flag");
}
