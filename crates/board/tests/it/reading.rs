//! Pages, ranks and neighbours on published versions.

use std::sync::Arc;

use huntcore_board::{BoardLimits, BoardPlace, BoardsVersion, Cursor, CursorError, Entry};
use huntcore_model::{BoardName, HuntNumber, Sequence, TimeMicros};
use proptest::prelude::*;

use crate::batches::{Bench, HUNT, claim, player, score};
use crate::naive::listed;

fn total(version: &BoardsVersion) -> huntcore_board::BoardView<'_> {
    version.board(HUNT, BoardName::TOTAL).expect("always there")
}

fn scored(points: &[u32]) -> Bench {
    let mut bench = Bench::new(1, BoardLimits::default());
    for (number, &points) in (10_u8..).zip(points) {
        bench.apply(0, 1_000, &[claim(number, points)]);
    }
    bench
}

proptest! {
    #[test]
    fn pages_put_together_are_the_board(
        points in proptest::collection::vec(0_u32..5, 0..60),
        limit in 1_usize..20,
    ) {
        let version = scored(&points).boards.publish();
        let board = total(&version);
        let mut entries: Vec<Entry<'_>> = Vec::new();
        let mut cursor: Option<Cursor> = None;
        loop {
            let page = board.page(cursor.as_ref(), limit).expect("own cursor");
            prop_assert!(page.entries.len() <= limit);
            entries.extend(page.entries);
            cursor = match page.next {
                Some(next) => Some(next.to_string().parse().expect("own text")),
                None => break,
            };
        }
        prop_assert_eq!(entries, board.entries(0).collect::<Vec<_>>());
    }

    #[test]
    fn neighbours_are_a_stretch_of_the_board(
        points in proptest::collection::vec(0_u32..5, 1..40),
        chosen in any::<proptest::sample::Index>(),
        count in prop_oneof![0_usize..50, Just(usize::MAX)],
    ) {
        let version = scored(&points).boards.publish();
        let board = total(&version);
        let all: Vec<_> = board.entries(0).collect();
        let at = chosen.index(all.len());
        let around = board.around(all[at].player, count).expect("is there");
        let end = at.saturating_add(count).saturating_add(1).min(all.len());
        prop_assert_eq!(around, &all[at.saturating_sub(count)..end]);
    }
}

#[test]
fn a_page_goes_on_where_it_was_though_scores_move() {
    let mut bench = scored(&[50, 40, 30, 20, 10]);
    let version = bench.boards.publish();
    let first = total(&version).page(None, 2).expect("first page");
    let next = first.next.expect("there are more");
    // The last of all becomes the first, and the one in the middle goes up a little.
    bench.apply(0, 2_000, &[claim(14, 100), claim(12, 1)]);
    let later = bench.boards.publish();
    let second = total(&later).page(Some(&next), 2).expect("same board");
    let shown: Vec<_> = second
        .entries
        .iter()
        .map(|entry| (entry.rank, entry.player.clone(), entry.score))
        .collect();
    assert_eq!(shown, [(4, player(12), 31), (5, player(13), 20)]);
    assert_eq!(second.next, None);
    // The older version still goes on as it was.
    let second = total(&version).page(Some(&next), 9).expect("same board");
    let shown: Vec<_> = second.entries.iter().map(|entry| entry.score).collect();
    assert_eq!(shown, [30, 20, 10]);
}

#[test]
fn a_cursor_is_refused_elsewhere() {
    let mut bench = Bench::new(1, BoardLimits::default());
    bench.apply(0, 1_000, &[score(1, 1), score(2, 2), score(3, 3)]);
    bench.apply(0, 2_000, &[score(1, 1), score(2, 2)]);
    bench.apply(0, 9_000, &[]);
    let version = bench.boards.publish();
    let window = |millis| {
        let start = TimeMicros::from_millis(millis);
        version
            .window(HUNT, BoardName::SECOND, start)
            .expect("kept")
    };
    let cursor = window(1_000).page(None, 1).expect("page").next;
    let cursor = cursor.expect("there are more");
    let place = |board, window: Option<u64>| BoardPlace {
        hunt: HUNT,
        board,
        generation: Sequence::ZERO,
        window: window.map(TimeMicros::from_millis),
    };
    assert_eq!(cursor.place(), place(BoardName::SECOND, Some(1_000)));
    assert_eq!(
        window(1_000)
            .page(Some(&cursor), 9)
            .expect("own")
            .entries
            .len(),
        2
    );
    let elsewhere = window(2_000);
    assert_eq!(
        elsewhere.page(Some(&cursor), 1),
        Err(CursorError::OtherWindow {
            found: Box::new(cursor.place()),
            expected: Box::new(elsewhere.place()),
        })
    );
    for elsewhere in [
        version.board(HUNT, BoardName::BEST).expect("there"),
        version
            .board(HuntNumber::new(2), BoardName::BEST)
            .expect("there"),
    ] {
        assert_eq!(
            elsewhere.page(Some(&cursor), 1),
            Err(CursorError::OtherBoard {
                found: Box::new(cursor.place()),
                expected: Box::new(elsewhere.place()),
            })
        );
    }
    assert!(matches!(
        "total:3".parse::<Cursor>(),
        Err(CursorError::Malformed { .. })
    ));
}

#[test]
fn ties_go_to_whoever_was_there_first() {
    let mut bench = Bench::new(3, BoardLimits::default());
    // Shards are applied in the wrong order; batch time decides, then the shard.
    bench.apply(2, 1_000, &[score(1, 5), score(2, 5)]);
    bench.apply(1, 1_000, &[score(3, 5)]);
    bench.apply(0, 1_001, &[score(4, 5), score(1, 4)]);
    bench.apply(0, 1_002, &[score(5, 5), score(3, 5), score(6, 6)]);
    let version = bench.boards.publish();
    let best = version.board(HUNT, BoardName::BEST).expect("there");
    let order: Vec<_> = listed(&best)
        .into_iter()
        .map(|(player, _)| player)
        .collect();
    let expected = [6, 3, 1, 2, 4, 5].map(|number| format!("player {number}"));
    assert_eq!(order, expected);
    assert_eq!(best.top(1)[0].player, &player(6));
}

#[test]
fn a_version_is_published_once_and_boards_of_unknown_hunts_are_empty() {
    let mut bench = Bench::new(1, BoardLimits::default());
    let version = bench.boards.publish();
    assert!(Arc::ptr_eq(&version, &bench.boards.publish()));
    assert!(total(&version).is_empty());
    assert_eq!(total(&version).page(None, 10).expect("empty").next, None);
    assert_eq!(total(&version).around(&player(1), 3), None);
    assert!(version.board(HUNT, BoardName::SECOND).is_none());
    bench.apply(0, 1_000, &[claim(1, 1)]);
    assert!(total(&version).is_empty());
    let next = bench.boards.publish();
    assert!(!Arc::ptr_eq(&version, &next));
    assert_eq!(total(&next).len(), 1);
}
