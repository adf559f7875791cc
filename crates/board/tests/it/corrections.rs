//! Corrections: what they move, what tells them from a blink, and what comes too late.

use huntcore_board::{BoardLimits, Boards, BoardsVersion};
use huntcore_model::{
    BoardDefinition, BoardName, BoardOperator, Position, Sequence, ShardId, TimeMicros, WindowRule,
};

use crate::batches::HUNT;
use crate::checkpoints::{restored, written};
use crate::deployment::{Act, Deployment, Step, board_name};
use crate::naive::listed;

/// A step of the only stream, a second after the one before.
fn step(acts: &[Act]) -> Step {
    Step {
        stream: 0,
        micros: 1_000_000,
        acts: acts.to_vec(),
    }
}

fn claim(player: u8, points: u32) -> Act {
    Act::Claim { player, points }
}

fn definition(place: usize, operator: BoardOperator, window: WindowRule) -> BoardDefinition {
    let [total, ..] = BoardDefinition::built_in();
    BoardDefinition {
        name: board_name(place),
        operator,
        window,
        keep_ms: 60_000,
        ..total
    }
}

fn folded(limits: BoardLimits, lists: Vec<Vec<BoardDefinition>>, steps: &[Step]) -> Boards {
    let deployment = Deployment::new(1, lists, steps);
    let mut boards = Boards::new(deployment.shards, limits);
    for batch in deployment.interleaved(&[0]) {
        boards.apply(batch).expect("in order");
    }
    boards
}

fn entries(version: &BoardsVersion, name: BoardName) -> Vec<(String, i64)> {
    let window = version.latest_final(HUNT, name);
    let view = window.or_else(|| version.board(HUNT, name));
    listed(&view.expect("there"))
}

fn expected(entries: &[(u8, i64)]) -> Vec<(String, i64)> {
    let entries = entries.iter();
    entries
        .map(|&(player, score)| (format!("player {player}"), score))
        .collect()
}

#[test]
fn a_voided_claim_leaves_every_board_that_took_it() {
    let highest = definition(0, BoardOperator::Max, WindowRule::Whole);
    let second = WindowRule::Tumbling { length_ms: 1_000 };
    let windows = definition(1, BoardOperator::Sum, second);
    let before = [
        step(&[Act::Redefine]),
        step(&[claim(1, 5), claim(2, 7), claim(1, 9)]),
        step(&[claim(3, 1)]),
    ];
    let lists = vec![vec![highest.clone(), windows.clone()]];
    let mut boards = folded(BoardLimits::default(), lists.clone(), &before);
    let version = boards.publish();
    assert_eq!(
        entries(&version, highest.name),
        expected(&[(1, 9), (2, 7), (3, 1)])
    );
    assert_eq!(
        entries(&version, windows.name),
        expected(&[(1, 14), (2, 7)])
    );
    let newest = version
        .board(HUNT, windows.name)
        .expect("somebody is in it");
    assert!(!newest.window().is_final);
    assert_eq!(listed(&newest), expected(&[(3, 1)]));
    let of_total = version.board(HUNT, BoardName::TOTAL).expect("there");
    assert_eq!(*of_total.corrected(), Position::start());

    let after: Vec<_> = before
        .into_iter()
        .chain([step(&[Act::Void { claim: 2 }])])
        .collect();
    let mut boards = folded(BoardLimits::default(), lists, &after);
    let version = boards.publish();
    assert_eq!(
        entries(&version, BoardName::TOTAL),
        expected(&[(2, 7), (1, 5), (3, 1)])
    );
    assert_eq!(
        entries(&version, highest.name),
        expected(&[(2, 7), (1, 5), (3, 1)])
    );
    // The window was final, and is: nothing but the correction has changed it.
    let window = TimeMicros::from_millis(12_000);
    let window = version.window(HUNT, windows.name, window).expect("kept");
    assert!(window.window().is_final);
    assert_eq!(listed(&window), expected(&[(2, 7), (1, 5)]));
    for name in [BoardName::TOTAL, highest.name, windows.name] {
        let view = version.board(HUNT, name).expect("there");
        assert!(
            view.corrected().next(ShardId::new(0)) > Sequence::ZERO,
            "{name}"
        );
    }
    let best = version.board(HUNT, BoardName::BEST).expect("there");
    assert_eq!(
        *best.corrected(),
        Position::start(),
        "claims don't count there"
    );
    assert_eq!(version.counters().corrections_missed, 0);
}

#[test]
fn a_claim_too_old_to_be_found_stays_where_it_cannot_be_subtracted_and_is_counted() {
    let limits = BoardLimits {
        undo_ms: 1_500,
        ..BoardLimits::default()
    };
    let highest = definition(0, BoardOperator::Max, WindowRule::Whole);
    let steps = [
        step(&[Act::Redefine, claim(1, 9)]),
        step(&[claim(1, 5)]),
        step(&[claim(1, 4)]),
        step(&[Act::Void { claim: 0 }, Act::Void { claim: 2 }]),
    ];
    let mut boards = folded(limits, vec![vec![highest.clone()]], &steps);
    let version = boards.publish();
    assert_eq!(entries(&version, BoardName::TOTAL), expected(&[(1, 5)]));
    assert_eq!(entries(&version, highest.name), expected(&[(1, 9)]));
    assert_eq!(version.counters().corrections, 2);
    assert_eq!(version.counters().corrections_missed, 1);
}

#[test]
fn a_disqualified_player_is_set_aside_and_comes_back_with_all_scores() {
    let score = |player, score| Act::Score {
        player,
        score,
        sent_before: None,
        kind: true,
    };
    let before = [
        step(&[score(1, 5), score(2, 4), claim(1, 3)]),
        step(&[score(1, 8)]),
        step(&[Act::Disqualify { player: 1 }, score(1, 9), claim(1, 2)]),
        step(&[score(2, 1)]),
    ];
    let mut boards = folded(BoardLimits::default(), Vec::new(), &before);
    let version = boards.publish();
    assert_eq!(entries(&version, BoardName::BEST), expected(&[(2, 4)]));
    assert_eq!(entries(&version, BoardName::TOTAL), expected(&[]));
    let first = TimeMicros::from_millis(11_000);
    let window = version
        .window(HUNT, BoardName::SECOND, first)
        .expect("kept");
    assert_eq!(listed(&window), expected(&[(2, 4)]), "final windows, too");
    // Also through a checkpoint.
    let shards = huntcore_model::ShardMap::new(1).expect("one");
    let again = restored(shards, BoardLimits::default(), &written(&boards)).expect("own");
    assert_eq!(written(&again), written(&boards));

    let after: Vec<_> = before
        .into_iter()
        .chain([step(&[Act::Reinstate { player: 1 }])])
        .collect();
    let mut boards = folded(BoardLimits::default(), Vec::new(), &after);
    let version = boards.publish();
    assert_eq!(
        entries(&version, BoardName::BEST),
        expected(&[(1, 9), (2, 4)])
    );
    assert_eq!(entries(&version, BoardName::TOTAL), expected(&[(1, 5)]));
    let window = version
        .window(HUNT, BoardName::SECOND, first)
        .expect("kept");
    assert_eq!(listed(&window), expected(&[(1, 5), (2, 4)]));
    assert_eq!(version.counters().corrections, 2);
}
