//! Results that are to be written, windows that wait for it, and cursors across resets.

use huntcore_board::{BoardLimits, Boards, BoardsVersion, CursorError, WindowError};
use huntcore_model::{
    BoardClock, BoardDefinition, BoardName, BoardOperator, Catalog, ControlRecord, Hash32,
    HuntConfig, HuntCreated, HuntId, PlayerId, Sequence, ShardMap, TimeMicros, WindowRule,
};

use crate::batches::HUNT;
use crate::deployment::{Act, Deployment, Step, board_name};

fn step(micros: u64, acts: &[Act]) -> Step {
    Step {
        stream: 0,
        micros,
        acts: acts.to_vec(),
    }
}

fn claim(player: u8, points: u32) -> Act {
    Act::Claim { player, points }
}

fn with_results(window: WindowRule) -> BoardDefinition {
    let [total, ..] = BoardDefinition::built_in();
    BoardDefinition {
        name: board_name(0),
        operator: BoardOperator::Sum,
        window,
        keep_ms: 500,
        results: 2,
        ..total
    }
}

fn folded(
    lists: Vec<Vec<BoardDefinition>>,
    steps: &[Step],
) -> (Boards, std::sync::Arc<BoardsVersion>) {
    let deployment = Deployment::new(1, lists, steps);
    let mut boards = Boards::new(ShardMap::new(1).expect("one"), BoardLimits::default());
    for batch in deployment.interleaved(&[0]) {
        boards.apply(batch).expect("in order");
    }
    let version = boards.publish();
    (boards, version)
}

/// A catalog whose hunt with the test's number ends at a time.
fn catalog(ends_at: TimeMicros) -> Catalog {
    let mut catalog = Catalog::new();
    for number in 0..=HUNT.get() {
        let config = HuntConfig {
            area: "{}".to_owned(),
            resolution: 12,
            round_ms: 1_000,
            claim_window_ms: 2_000,
            tiles: 1,
            values: Vec::new(),
            values_hidden: false,
            cells: 1,
            cells_hash: Hash32::ZERO,
            config_hash: Hash32::ZERO,
        };
        let created = HuntCreated {
            hunt: huntcore_model::HuntNumber::new(number),
            id: HuntId::new(&format!("park-{number}")).expect("a slug"),
            created_at: TimeMicros::ZERO,
            starts_at: TimeMicros::from_millis(1_000),
            ends_at: Some(ends_at),
            config,
            anchor: Hash32::ZERO,
        };
        let at = Sequence::new(u64::from(number));
        let record = ControlRecord::HuntCreated(created);
        catalog.apply(at, &record).expect("in turn");
    }
    catalog
}

#[test]
fn a_final_window_is_due_until_its_results_are_written_and_kept_until_then() {
    let second = WindowRule::Tumbling { length_ms: 1_000 };
    let lists = vec![vec![with_results(second)]];
    let steps = vec![
        step(
            1_000_000,
            &[Act::Redefine, claim(1, 5), claim(2, 7), claim(3, 1)],
        ),
        step(1_000_000, &[claim(1, 1)]),
        step(9_000_000, &[claim(1, 1)]),
    ];
    let nobody = catalog(TimeMicros::MAX);
    let (_, version) = folded(lists.clone(), &steps);
    let due = version.due_results(&nobody, 9);
    let player = |number: u8| PlayerId::new(&format!("player {number}")).expect("valid");
    let ends: Vec<_> = due
        .iter()
        .map(|due| (due.start.millis(), due.end.millis()))
        .collect();
    assert_eq!(
        ends,
        [(11_000, 12_000), (12_000, 13_000)],
        "the oldest first"
    );
    assert_eq!((due[0].board, due[0].players), (board_name(0), 3));
    assert_eq!(
        due[0].entries,
        [(player(2), 7), (player(1), 5)],
        "as many as asked for"
    );
    assert_eq!(version.due_results(&nobody, 1).len(), 1);

    // Written up to the first window's end: that one goes, as it was kept long enough.
    let closed = |before| Act::Close { board: 0, before };
    let written: Vec<_> = steps
        .iter()
        .cloned()
        .chain([step(1_000_000, &[closed(10_000_000)]), step(1_000_000, &[])])
        .collect();
    let (_, version) = folded(lists, &written);
    let due: Vec<_> = version.due_results(&nobody, 9);
    assert_eq!(
        due.iter().map(|due| due.end.millis()).collect::<Vec<_>>(),
        [13_000, 22_000]
    );
    let window = |millis| version.window(HUNT, board_name(0), TimeMicros::from_millis(millis));
    assert!(matches!(window(11_000), Err(WindowError::Dropped { .. })));
    let kept = window(12_000).expect("not written yet").window();
    assert!(kept.is_final && !kept.is_recorded);
    assert_eq!(version.counters().windows_expired, 1);
    assert_eq!(version.counters().results_lost, 0);
}

#[test]
fn a_whole_hunts_board_is_due_once_its_last_rounds_have_closed() {
    let lists = vec![vec![with_results(WindowRule::Whole)]];
    let steps = [
        step(1_000_000, &[Act::Redefine, claim(1, 5)]),
        step(1_500_000, &[]),
    ];
    let (_, version) = folded(lists, &steps);
    assert_eq!(version.time(), TimeMicros::from_millis(12_500));
    // A round that opened just before the end may be claimed for two seconds more.
    assert!(
        version
            .due_results(&catalog(TimeMicros::from_millis(11_000)), 9)
            .is_empty()
    );
    let due = version.due_results(&catalog(TimeMicros::from_millis(10_500)), 9);
    assert_eq!(due.len(), 1);
    assert_eq!(
        (due[0].start.millis(), due[0].end.millis()),
        (1_000, 10_500)
    );
    assert!(
        version.due_results(&catalog(TimeMicros::MAX), 9).is_empty(),
        "it goes on"
    );
}

#[test]
fn a_board_that_is_defined_anew_begins_anew_and_refuses_older_cursors() {
    let whole = with_results(WindowRule::Whole);
    let other = BoardDefinition {
        operator: BoardOperator::Count,
        ..whole.clone()
    };
    let first = [step(1_000_000, &[Act::Redefine, claim(1, 5), claim(2, 7)])];
    let (_, version) = folded(vec![vec![whole.clone()], vec![other.clone()]], &first);
    let board = version.board(HUNT, whole.name).expect("there");
    let cursor = board
        .page(None, 1)
        .expect("page")
        .next
        .expect("there is more");
    assert_eq!(board.generation(), Sequence::new(1));
    let both = [
        first[0].clone(),
        step(1_000_000, &[Act::Redefine, claim(1, 5)]),
    ];
    let (_, version) = folded(vec![vec![whole.clone()], vec![other.clone()]], &both);
    let board = version.board(HUNT, whole.name).expect("there");
    assert_eq!((board.generation(), board.len()), (Sequence::new(2), 1));
    assert!(matches!(
        board.page(Some(&cursor), 1),
        Err(CursorError::BeforeReset { .. })
    ));
    // Defined as before it goes on, and one that is left out is gone.
    let again = vec![vec![whole.clone()], vec![whole.clone()], Vec::new()];
    let (_, version) = folded(again.clone(), &both);
    let board = version.board(HUNT, whole.name).expect("there");
    assert_eq!((board.generation(), board.len()), (Sequence::new(1), 2));
    let all = [
        both[0].clone(),
        both[1].clone(),
        step(1_000_000, &[Act::Redefine]),
    ];
    let (_, version) = folded(again, &all);
    assert!(version.defined(HUNT, whole.name).is_none());
    assert_eq!(
        version.window(HUNT, whole.name, TimeMicros::ZERO).err(),
        Some(WindowError::UnknownBoard { board: whole.name })
    );
    let names: Vec<_> = version
        .boards(HUNT)
        .map(|defined| defined.definition.name)
        .collect();
    assert_eq!(
        names,
        [BoardName::BEST, BoardName::SECOND, BoardName::TOTAL]
    );
}

#[test]
fn a_disqualified_player_takes_nothing_in_windows_without_one_s_scores() {
    let definition = BoardDefinition {
        clock: BoardClock::Event {
            lateness_ms: 600_000,
        },
        ..with_results(WindowRule::Tumbling { length_ms: 1_000 })
    };
    let bytes = |corrections: &[Act]| {
        let everybody = (0..200).map(|player| claim(player, 1));
        let mut steps = vec![
            step(1_000_000, &[Act::Redefine]),
            step(1_000_000, &everybody.collect::<Vec<_>>()),
            step(1_000_000, corrections),
        ];
        // Then 500 windows are open with one player in each.
        steps.extend((0..500).map(|_| step(1_000_000, &[claim(200, 1)])));
        let (boards, version) = folded(vec![vec![definition.clone()]], &steps);
        assert_eq!(version.windows(HUNT, definition.name).count(), 501);
        boards.heap_bytes()
    };
    let disqualified: Vec<_> = (0..200).map(|player| Act::Disqualify { player }).collect();
    // In each window they would take 100,000 places, of 24 bytes or more.
    let (with, without) = (bytes(&disqualified), bytes(&[]));
    assert!(with < without + 200_000, "{with} and {without}");
}

#[test]
fn a_score_has_a_rank_whoever_may_have_it() {
    let steps = [step(
        1_000_000,
        &[claim(1, 5), claim(2, 7), claim(3, 5), claim(4, 1)],
    )];
    let (_, version) = folded(Vec::new(), &steps);
    let board = version.board(HUNT, BoardName::TOTAL).expect("there");
    for (score, better, equal) in [(9, 0, 0), (7, 0, 1), (6, 1, 0), (5, 1, 2), (0, 4, 0)] {
        let rank = board.rank_at(score);
        assert_eq!((rank.better, rank.equal), (better, equal), "{score}");
    }
    assert_eq!(board.rank_at(i64::MIN).better, 4);
    let memory: Vec<_> = version.memory().collect();
    assert!(
        memory.iter().any(|memory| memory.board == BoardName::TOTAL
            && memory.entries == 4
            && memory.bytes > 0)
    );
}
