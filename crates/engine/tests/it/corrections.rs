//! Corrections and windows' results: written once, remembered for as long as they matter, and
//! nobody's answer is another one for it.

use huntcore_engine::{ApplyError, CloseVerdict, CorrectionVerdict, EngineLimits};
use huntcore_model::{
    Batch, BatchBuilder, BoardClosedRecord, BoardName, ControlRecord, Correction, Epoch, Outcome,
    OutcomeKind, PlayerNumber, Record, Sequence, TimeMicros,
};

use crate::desk::{Desk, HUNT, at};

/// All corrections that the log holds, with their places.
fn corrections(desk: &Desk) -> Vec<(Sequence, Correction)> {
    let records = desk.log.iter().flat_map(Batch::records);
    let found = records.filter_map(|item| match item.expect("own records") {
        (at, Record::Correction(record)) => {
            assert_eq!(record.reason, "seen cheating");
            Some((at, record.what))
        }
        _ => None,
    });
    found.collect()
}

fn results(desk: &Desk) -> Vec<BoardClosedRecord> {
    let records = desk.log.iter().flat_map(Batch::records);
    let found = records.filter_map(|item| match item.expect("own records").1 {
        Record::BoardClosed(record) => Some(*record),
        _ => None,
    });
    found.collect()
}

#[test]
fn a_voided_claim_leaves_every_answer_as_it_was() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.open(-500, 1);
    let won = desk.attempt(10, 1, 2, "ada");
    let taken = desk.attempt(20, 1, 2, "bo");
    let Outcome::Won { sequence, .. } = won else {
        panic!("{won:?}")
    };
    let CorrectionVerdict::Corrected(voided) = desk.void(30, 1, 2) else {
        panic!("a claim that counts is voided")
    };
    for now_ms in [40, 2_990, 3_500] {
        assert_eq!(desk.attempt(now_ms, 1, 2, "ada"), won);
        assert_eq!(desk.attempt(now_ms, 1, 2, "bo"), taken);
        // Again, also after the round has closed and by another owner: so it was already.
        assert_eq!(
            desk.void(now_ms, 1, 2),
            CorrectionVerdict::AlreadySo(voided)
        );
        desk.restart();
    }
    let [(at, what)] = corrections(&desk)[..] else {
        panic!("one correction is written")
    };
    assert_eq!(at, voided);
    let Correction::ClaimVoided {
        claimed, points, ..
    } = what
    else {
        panic!("{what:?}")
    };
    assert_eq!((claimed, points), (sequence, 10));
}

#[test]
fn what_nobody_claimed_or_nobody_remembers_is_not_voided() {
    let limits = EngineLimits {
        answer_ttl_ms: 5_000,
        ..EngineLimits::default()
    };
    let mut desk = Desk::new(limits);
    desk.open(-500, 1);
    desk.attempt(10, 1, 2, "ada");
    for (round, tile) in [
        (1, 0),
        (1, 31),
        (1, u32::MAX),
        (2, 0),
        (0, 0),
        (u64::MAX, 0),
    ] {
        let verdict = desk.void(20, round, tile);
        assert_eq!(verdict, CorrectionVerdict::UnknownClaim, "{round} {tile}");
    }
    // The round closes at 3,000 ms, its answers are kept for 5,000 more.
    assert_eq!(desk.void(8_000, 1, 0), CorrectionVerdict::UnknownClaim);
    let voided = desk.void(8_000, 1, 2);
    assert!(
        matches!(voided, CorrectionVerdict::Corrected(_)),
        "{voided:?}"
    );
    desk.score(8_001, "ada", "1", 5);
    for now_ms in [8_002, 60_000] {
        assert_eq!(desk.void(now_ms, 1, 2), CorrectionVerdict::ClaimForgotten);
        desk.restart();
    }
    assert_eq!(corrections(&desk).len(), 1);
}

#[test]
fn a_player_is_disqualified_and_reinstated_once_each_time() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.score(10, "ada", "1", 5);
    assert!(desk.arbiter.knows_player("ada") && !desk.arbiter.knows_player("bo"));
    for player in ["ada", "bo"] {
        for turn in 0..2 {
            let CorrectionVerdict::Corrected(first) = desk.disqualify(20 + turn, player) else {
                panic!("{player} is not disqualified")
            };
            desk.restart();
            let again = desk.disqualify(30 + turn, player);
            assert_eq!(again, CorrectionVerdict::AlreadySo(first));
            assert!(desk.arbiter.knows_player(player));
            // What they score is taken, and kept aside by whoever counts.
            let event = format!("{player} {turn}");
            desk.score(40 + turn, player, &event, 5);
            let reinstated = desk.reinstate(50 + turn, player);
            assert!(matches!(reinstated, CorrectionVerdict::Corrected(at) if at > first));
            desk.restart();
            let again = desk.reinstate(60 + turn, player);
            assert!(matches!(again, CorrectionVerdict::AlreadySo(at) if at < desk.records()));
        }
    }
    let written: Vec<_> = corrections(&desk).iter().map(|(_, what)| *what).collect();
    let each = [Correction::Disqualified, Correction::Reinstated];
    assert_eq!(written, [each; 4].concat());
}

#[test]
fn corrections_wait_for_space_but_what_is_so_is_told() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.open(-500, 1);
    desk.attempt(10, 1, 2, "ada");
    desk.attempt(10, 1, 3, "bo");
    desk.void(20, 1, 2);
    desk.disqualify(20, "ada");
    desk.arbiter.set_storage_full(true);
    let full = CorrectionVerdict::StorageFull;
    assert_eq!(
        [desk.void(30, 1, 3), desk.disqualify(30, "bo")],
        [full, full]
    );
    assert_eq!(desk.reinstate(30, "ada"), full);
    assert!(matches!(
        desk.void(30, 1, 2),
        CorrectionVerdict::AlreadySo(_)
    ));
    assert!(matches!(
        desk.disqualify(30, "ada"),
        CorrectionVerdict::AlreadySo(_)
    ));
}

#[test]
fn a_hunt_that_is_over_writes_the_results_of_a_window_that_goes_on() {
    let (hunt, ends_at) = (HUNT, Some(at(5_000)));
    // Of an end that comes the longest claim window has to pass, too.
    for (record, over_ms) in [
        (
            ControlRecord::HuntClosed {
                hunt,
                closed_at: at(4_000),
            },
            4_000,
        ),
        (ControlRecord::HuntEndMoved { hunt, ends_at }, 8_000),
    ] {
        let mut desk = Desk::new(EngineLimits::default());
        desk.give_boards(1_000, &["daily"]);
        desk.score(1_500, "bo", "1", 5);
        let day_ms = 86_400_000;
        let verdict = desk.close_board(3_999, "daily", day_ms, &[("bo", 5)]);
        assert_eq!(verdict, CloseVerdict::NotYet);
        desk.copy(4_000, &record);
        desk.restart();
        if over_ms > 4_000 {
            let verdict = desk.close_board(over_ms - 1, "daily", day_ms, &[("bo", 5)]);
            assert_eq!(verdict, CloseVerdict::NotYet);
        }
        let verdict = desk.close_board(over_ms, "daily", day_ms, &[("bo", 5)]);
        assert!(matches!(verdict, CloseVerdict::Closed(_)), "{verdict:?}");
    }
}

#[test]
fn a_window_s_results_are_written_once_and_in_the_order_of_time() {
    let mut desk = Desk::new(EngineLimits::default());
    assert_eq!(
        desk.close_board(1_000, "hourly", 1_000, &[]),
        CloseVerdict::UnknownBoard
    );
    desk.give_boards(1_000, &["hourly", "weekly"]);
    desk.score(1_500, "bo", "1", 5);
    assert_eq!(
        desk.close_board(1_999, "hourly", 2_000, &[]),
        CloseVerdict::NotYet
    );
    let entries = [("bo", 9), ("ada", 7)];
    let CloseVerdict::Closed(first) = desk.close_board(2_000, "hourly", 2_000, &entries) else {
        panic!("it ends and is written")
    };
    desk.restart();
    for end_ms in [2_000, 1_000, 0] {
        assert_eq!(
            desk.close_board(2_100, "hourly", end_ms, &entries),
            CloseVerdict::AlreadyClosed(first)
        );
    }
    // Another board's windows are its own, a later one follows whatever was left out.
    for (board, end_ms) in [("weekly", 1_000), ("hourly", 9_000)] {
        let verdict = desk.close_board(9_000, board, end_ms, &[]);
        assert!(matches!(verdict, CloseVerdict::Closed(_)), "{verdict:?}");
    }
    // Taken from the hunt and given again, it does not begin to write what it wrote.
    desk.give_boards(9_100, &["weekly"]);
    assert_eq!(
        desk.close_board(9_200, "hourly", 9_100, &[]),
        CloseVerdict::UnknownBoard
    );
    desk.give_boards(9_300, &["hourly"]);
    let again = desk.close_board(9_400, "hourly", 9_000, &[]);
    assert!(matches!(again, CloseVerdict::AlreadyClosed(_)), "{again:?}");
    let written = results(&desk);
    let told: Vec<_> = written
        .iter()
        .map(|record| (record.board.to_string(), record.end))
        .collect();
    let expected = [("hourly", 2_000), ("weekly", 1_000), ("hourly", 9_000)];
    assert_eq!(
        told,
        expected.map(|(board, end_ms)| (board.to_owned(), at(end_ms)))
    );
    // bo had number 0 here; ada, whom only another shard knew, got the next one.
    let numbers = written[0].entries.iter();
    let numbers: Vec<_> = numbers
        .map(|(player, score)| (player.get(), *score))
        .collect();
    assert_eq!(numbers, [(0, 9), (1, 7)]);
    assert!(desk.arbiter.knows_player("ada"));
}

#[test]
fn results_are_written_though_no_more_players_are_taken_in() {
    let limits = EngineLimits {
        players_max: 1,
        ..EngineLimits::default()
    };
    let mut desk = Desk::new(limits);
    desk.open(-500, 1);
    desk.give_boards(0, &["hourly"]);
    desk.attempt(10, 1, 0, "ada");
    assert_eq!(desk.attempt(20, 1, 1, "bo").kind(), OutcomeKind::Overloaded);
    let closed = desk.close_board(1_000, "hourly", 1_000, &[("elsewhere", 3)]);
    assert!(matches!(closed, CloseVerdict::Closed(_)), "{closed:?}");
    assert!(matches!(
        desk.disqualify(1_100, "there too"),
        CorrectionVerdict::Corrected(_)
    ));
    desk.restart();
    desk.provide();
    assert!(desk.arbiter.knows_player("there too"));
    assert_eq!(
        desk.attempt(1_200, 1, 1, "bo").kind(),
        OutcomeKind::Overloaded
    );
}

#[test]
fn a_log_that_closes_a_window_twice_is_refused() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.give_boards(0, &["hourly"]);
    desk.close_board(2_000, "hourly", 2_000, &[]);
    let tail = desk.arbiter.tail();
    for (end_ms, player, is_good) in [
        (2_000, None, false),
        (1_000, None, false),
        (3_000, Some(9), false),
    ] {
        let mut builder = BatchBuilder::new();
        let entries = player.map(|number| (PlayerNumber::new(number), 1));
        builder.push(&Record::BoardClosed(Box::new(BoardClosedRecord {
            hunt: HUNT,
            board: BoardName::new("hourly").expect("a name"),
            start: TimeMicros::ZERO,
            end: at(end_ms),
            players: 0,
            entries: entries.into_iter().collect(),
        })));
        let shard = desk.arbiter.shard();
        let batch = builder.finish(shard, Epoch::new(9), &tail, tail.time, tail.sequence);
        desk.restart();
        let folded = desk.arbiter.apply(&batch);
        assert_eq!(folded.is_ok(), is_good, "{end_ms}");
        if player.is_none() {
            assert!(
                matches!(folded, Err(ApplyError::ClosedTwice { .. })),
                "{folded:?}"
            );
        }
    }
}
