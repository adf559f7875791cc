//! Results of windows: what the boards held is found right, whatever was corrected and however
//! late it was written; anything else is named.

use std::collections::BTreeSet;

use huntcore_board::{BoardLimits, Boards};
use huntcore_engine::CorrectionAsk;
use huntcore_model::{
    BoardClock, BoardClosedRecord, BoardDefinition, BoardOperator, BoardSource, PlayerNumber,
    Record, TimeMicros, WindowRule,
};
use huntcore_verify::End;

use crate::deployment::{Deployment, key, records};
use crate::logs::{Log, verify_in_order};

/// A sum of claims and a highest score by the event's own time, in windows of a second, and a
/// count over the whole hunt.
fn boards() -> Vec<BoardDefinition> {
    let [total, best, _] = BoardDefinition::built_in();
    let windows = WindowRule::Tumbling { length_ms: 1_000 };
    vec![
        BoardDefinition {
            name: "claimed".parse().expect("a name"),
            window: windows.clone(),
            keep_ms: 0,
            results: 3,
            ..total.clone()
        },
        BoardDefinition {
            name: "quiz".parse().expect("a name"),
            window: windows,
            clock: BoardClock::Event { lateness_ms: 1_500 },
            keep_ms: 10_000,
            results: 100,
            ..best
        },
        BoardDefinition {
            name: "busy".parse().expect("a name"),
            from: BoardSource::Both,
            operator: BoardOperator::Count,
            results: 100,
            ..total
        },
    ]
}

/// A hunt whose windows are closed from versions that are `lag` turns old, while operators
/// correct what they like.
fn history(shards: u16, lag: usize) -> Log {
    let mut deployment = Deployment::with_boards(shards, boards());
    let mut boards = Boards::new(deployment.shards, BoardLimits::default());
    deployment.pass(2_000);
    let (mut versions, mut written) = (Vec::new(), 0);
    for turn in 0..40_u32 {
        deployment.play(turn);
        let before = TimeMicros::new(deployment.now.get() - u64::from(turn * 173_000 % 2_900_000));
        let player = format!("player {}", turn % 7);
        deployment.event(
            &player,
            &format!("old {turn}"),
            i64::from(turn % 11),
            Some(before),
        );
        let player = format!("player {}", turn / 8);
        match turn % 8 {
            3 => deployment.correct(CorrectionAsk::Disqualify { player: &player }),
            5 => void_newest(&mut deployment),
            7 if turn < 30 => deployment.correct(CorrectionAsk::Reinstate { player: &player }),
            _ => {}
        }
        versions.push(deployment.follow(&mut boards));
        if let Some(at) = versions.len().checked_sub(lag + 1) {
            written += deployment.close_due(&versions[at].clone());
        }
    }
    deployment.control(|controller| {
        controller.close(crate::deployment::HUNT).expect("closed");
    });
    deployment.pass(4_000);
    let version = deployment.follow(&mut boards);
    written += deployment.close_due(&version);
    deployment.pass(1_000);
    assert!(written > 12, "{written}");
    deployment.log()
}

fn void_newest(deployment: &mut Deployment) {
    let log = deployment.log();
    let batches = log.streams.iter().flatten();
    let claims = batches.flat_map(|batch| {
        let time = batch.header().time;
        let records = records(batch).into_iter();
        records.filter_map(move |(_, record)| match record {
            Record::Claim(claim) => Some((time, claim)),
            _ => None,
        })
    });
    let (_, claim) = claims.max_by_key(|(time, _)| *time).expect("some claim");
    deployment.correct(CorrectionAsk::Void {
        round: claim.round,
        tile: claim.tile,
    });
}

/// The log with other results in the first record that `edit` changes.
fn falsified(log: &Log, edit: impl Fn(&mut BoardClosedRecord) -> bool) -> Log {
    log.replace_first(|_, record| match record {
        Record::BoardClosed(results) => {
            let mut results = results.clone();
            edit(&mut results).then(|| vec![Record::BoardClosed(results)])
        }
        _ => None,
    })
}

#[test]
fn results_that_boards_held_have_no_fault_however_late_they_were_written() {
    for shards in [1, 3] {
        for lag in [0, 1, 6] {
            let report = history(shards, lag).verify(Some(key()), End::OfLog);
            assert_eq!(report.faults, [], "{shards} shards, {lag} turns late");
            assert_eq!(report.results_compared, report.results, "{report:?}");
            assert!(report.results > 12 && report.corrections > 10, "{report:?}");
        }
    }
}

#[test]
fn results_have_no_fault_in_whatever_order_streams_are_read() {
    let log = history(3, 2);
    let forwards = log.streams.iter().flatten();
    let backwards = log.streams.iter().rev().flatten();
    let orders: [Vec<_>; 2] = [forwards.collect(), backwards.collect()];
    for batches in orders {
        let report = verify_in_order(log.shards, batches, Some(key()), End::OfLog);
        assert_eq!(report.faults, []);
        assert!(report.results_compared > 4, "{report:?}");
    }
}

#[test]
fn results_at_the_end_of_a_part_of_a_log_have_no_fault() {
    let whole = history(3, 0);
    for stream in 0..whole.streams.len() {
        for batches in (0..whole.streams[stream].len()).step_by(37) {
            let mut log = whole.clone();
            log.streams[stream].truncate(batches);
            let report = log.verify(None, End::OfReading);
            assert!(report.is_ok(), "{stream} {batches}: {:?}", report.faults);
        }
    }
}

#[test]
fn results_that_no_board_held_are_named_with_what_it_held() {
    type Edit = fn(&mut BoardClosedRecord) -> bool;
    let edits: [(&str, Edit); 5] = [
        ("rank 1 is", |results| {
            results.entries[0].1 += 1;
            true
        }),
        ("the number of players is", |results| {
            results.players += 1;
            results.entries.len() == 3
        }),
        ("the number of players is", |results| {
            results.players -= 1;
            results.entries.pop();
            results.board == boards()[1].name
        }),
        ("rank 1 is", |results| {
            let standing: BTreeSet<_> = results.entries.iter().map(|(player, _)| *player).collect();
            let mut others = (0..9).map(PlayerNumber::new);
            let other = others.find(|number| !standing.contains(number));
            if let Some(other) = other {
                results.entries[0].0 = other;
            }
            other.is_some() && standing.len() > 1
        }),
        ("the window is to", |results| {
            results.end = TimeMicros::new(results.end.get() - 1);
            results.board == boards()[0].name
        }),
    ];
    // Nothing is corrected before the first windows are closed.
    let log = history(1, 0);
    for (what, edit) in edits {
        let report = falsified(&log, edit).verify(Some(key()), End::OfLog);
        let found: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
        assert!(
            found.len() == 1 && found[0].contains(what) && found[0].contains("expected"),
            "{what}: {found:?}"
        );
    }
}

#[test]
fn a_whole_hunts_results_are_held_against_its_board() {
    let log = history(3, 0);
    falsified(&log, |results| {
        results.entries[0].1 += 1;
        results.board == boards()[2].name
    })
    .must_only_have("results-differ");
}

#[test]
fn corrections_excuse_whom_they_are_about_and_nobody_else() {
    // Written six turns late: the players of some windows were corrected meanwhile.
    let log = history(3, 6);
    let all_of_them = |edit: fn(&mut BoardClosedRecord)| {
        log.rewrite(|_, (time, mut records)| {
            for record in &mut records {
                if let Record::BoardClosed(results) = record {
                    edit(results);
                }
            }
            Some((time, records))
        })
    };
    // A player is moved to the top of every window. Each but the corrected one's is noticed.
    let moved = all_of_them(|results| {
        let top = results.entries[0].1;
        if let Some(last) = results.entries.last_mut() {
            last.1 = top + 1;
        }
        results.entries.rotate_right(1);
    });
    let report = moved.verify(Some(key()), End::OfLog);
    assert!(report.faults_total > report.results / 2, "{report:?}");
    moved.must_have("results-differ");
}

#[test]
fn results_of_a_window_that_some_stream_never_got_to_the_end_of_are_named() {
    let mut log = history(3, 0);
    let (shard, closed_at) = log
        .streams
        .iter()
        .flatten()
        .filter(|batch| {
            let records = records(batch);
            records
                .iter()
                .any(|(_, record)| matches!(record, Record::BoardClosed(_)))
        })
        .map(|batch| (batch.header().shard, batch.header().time))
        .max_by_key(|(_, time)| *time)
        .expect("results");
    for stream in &mut log.streams {
        stream.retain(|batch| {
            let header = batch.header();
            let upto = match header.shard == shard || header.shard.is_control() {
                true => closed_at,
                false => TimeMicros::new(closed_at.get() - 6_000_000),
            };
            header.time <= upto
        });
    }
    log.must_have("results-differ");
}
