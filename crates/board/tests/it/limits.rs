//! At each limit: what happens, and where it shows (I8).

use huntcore_board::{ApplyError, BoardCounters, BoardLimits, Boards, WindowError};
use huntcore_model::{BoardName, TimeMicros};
use proptest::prelude::*;

use crate::batches::{Bench, HUNT, claim, player, score, shard};
use crate::checkpoints::{restored, written};
use crate::history::{ERASED, any_choices, any_history};
use crate::naive::listed;

fn starts(boards: &mut Boards) -> Vec<u64> {
    let version = boards.publish();
    let windows = version.windows(HUNT, BoardName::SECOND);
    windows
        .map(|view| view.window().start.expect("a window").millis())
        .collect()
}

#[test]
fn old_windows_make_room_but_only_final_ones() {
    let limits = BoardLimits {
        windows_max: 2,
        ..BoardLimits::default()
    };
    let mut bench = Bench::new(2, limits);
    for second in 1..=5 {
        bench.apply(0, second * 1_000, &[score(1, 1)]);
    }
    // The other shard has not moved, so nothing is final.
    assert_eq!(
        starts(&mut bench.boards),
        [1_000, 2_000, 3_000, 4_000, 5_000]
    );
    bench.apply(1, 5_000, &[]);
    assert_eq!(starts(&mut bench.boards), [3_000, 4_000, 5_000]);
    let version = bench.boards.publish();
    assert_eq!(version.counters().windows_dropped, 2);
    let latest = version
        .latest_final(HUNT, BoardName::SECOND)
        .expect("two are kept");
    assert_eq!(latest.window().end, Some(TimeMicros::from_millis(5_000)));
    let window = |millis| version.window(HUNT, BoardName::SECOND, TimeMicros::from_millis(millis));
    assert_eq!(
        window(2_000).expect_err("dropped"),
        WindowError::Dropped {
            start: TimeMicros::from_millis(2_000),
            dropped_before: TimeMicros::from_millis(3_000),
        }
    );
    assert!(matches!(window(3_500), Err(WindowError::NoStart { .. })));
    assert_eq!(window(3_000).expect("kept").len(), 1);
    assert!(!window(5_000).expect("open").window().is_final);
    assert!(window(4_000).expect("final").window().is_final);
    assert_eq!(
        window(60_000).expect_err("it has not begun"),
        WindowError::NotYet {
            start: TimeMicros::from_millis(60_000),
            time: TimeMicros::from_millis(5_000),
        }
    );
}

#[test]
fn entries_of_all_hunts_windows_are_limited_together() {
    let limits = BoardLimits {
        window_entries_max: 4,
        ..BoardLimits::default()
    };
    let mut bench = Bench::new(1, limits);
    bench.apply(0, 1_000, &[score(1, 1), score(2, 1), score(3, 1)]);
    bench.apply(0, 2_000, &[score(1, 1)]);
    bench.apply(0, 3_000, &[score(1, 1)]);
    assert_eq!(starts(&mut bench.boards), [1_000, 2_000, 3_000]);
    bench.apply(
        0,
        4_000,
        &[
            score(1, 1),
            score(2, 1),
            score(3, 1),
            score(4, 1),
            score(5, 1),
        ],
    );
    assert_eq!(starts(&mut bench.boards), [2_000, 3_000, 4_000]);
    bench.apply(0, 9_000, &[]);
    // Over the limit by itself, but never without its newest window.
    assert_eq!(starts(&mut bench.boards), [4_000]);
}

#[test]
fn a_stream_far_ahead_waits_while_open_windows_are_full() {
    let limits = BoardLimits {
        open_window_entries_max: 2,
        ..BoardLimits::default()
    };
    let mut bench = Bench::new(2, limits);
    bench.apply(0, 1_000, &[score(1, 1), score(2, 1)]);
    let (ahead, _) = bench.writers[0].batch(TimeMicros::from_millis(2_001), &[score(1, 2)]);
    let before = bench.boards.publish();
    let refused = bench.boards.apply(&ahead);
    assert_eq!(
        refused,
        Err(ApplyError::Ahead {
            shard: shard(0),
            time: TimeMicros::from_millis(2_001),
            slowest: shard(1),
            slowest_time: TimeMicros::ZERO,
        })
    );
    assert_eq!(bench.boards.publish(), before);
    bench.apply(1, 2_000, &[]);
    bench.boards.apply(&ahead).expect("the other has caught up");
}

#[test]
fn players_over_the_limit_are_left_out_and_counted() {
    let limits = BoardLimits {
        players_max: 2,
        ..BoardLimits::default()
    };
    let mut bench = Bench::new(1, limits);
    bench.apply(
        0,
        1_000,
        &[claim(1, 1), claim(2, 2), claim(3, 3), score(3, 3)],
    );
    bench.apply(0, 1_000, &[claim(4, 9), claim(1, 5)]);
    let version = bench.boards.publish();
    let total = version.board(HUNT, BoardName::TOTAL).expect("there");
    assert_eq!(
        listed(&total),
        [("player 1".to_owned(), 6), ("player 2".to_owned(), 2)]
    );
    assert_eq!(
        *version.counters(),
        BoardCounters {
            players_refused: 2,
            records_refused: 3,
            ..BoardCounters::default()
        }
    );
    assert_eq!(version.players(), 2);
}

#[test]
fn a_raised_limit_lets_new_players_in() {
    let limits = BoardLimits {
        players_max: 1,
        ..BoardLimits::default()
    };
    let mut bench = Bench::new(1, limits);
    bench.apply(0, 1_000, &[claim(1, 1), claim(2, 1)]);
    let shards = huntcore_model::ShardMap::new(1).expect("one");
    let checkpoint = written(&bench.boards);
    bench.boards = restored(shards, BoardLimits::default(), &checkpoint).expect("own");
    bench.apply(0, 1_000, &[claim(2, 1), claim(3, 1)]);
    let checkpoint = written(&bench.boards);
    bench.boards = restored(shards, BoardLimits::default(), &checkpoint).expect("own");
    bench.apply(0, 1_000, &[claim(2, 1), claim(3, 1)]);
    let version = bench.boards.publish();
    let total = version.board(HUNT, BoardName::TOTAL).expect("there");
    assert_eq!(
        listed(&total),
        [("player 3".to_owned(), 2), ("player 1".to_owned(), 1)]
    );
}

#[test]
fn an_erased_player_is_on_no_board() {
    let mut bench = Bench::new(1, BoardLimits::default());
    bench.apply(0, 1_000, &[claim(ERASED, 9), claim(1, 1), score(ERASED, 9)]);
    let version = bench.boards.publish();
    let total = version.board(HUNT, BoardName::TOTAL).expect("there");
    assert_eq!(total.standing(&player(1)).expect("there").rank, 1);
    assert_eq!(total.standing(&player(ERASED)), None);
    assert_eq!(
        version.board(HUNT, BoardName::BEST).expect("there").len(),
        0
    );
    assert_eq!(version.counters().records_erased, 2);
}

proptest! {
    /// However tight the limit: some stream can always go on, and in the end all are through.
    #[test]
    fn waiting_for_the_slowest_loses_nothing(
        history in any_history(),
        choices in any_choices(),
        open_window_entries_max in 0_usize..4,
    ) {
        let narrow = BoardLimits { open_window_entries_max, ..BoardLimits::default() };
        let mut waiting = Boards::new(history.shards, narrow);
        let mut free = Boards::new(history.shards, BoardLimits::default());
        let mut left: Vec<_> = history
            .streams
            .iter()
            .map(|stream| stream.iter().peekable())
            .collect();
        let mut choices = choices.iter().cycle();
        let mut chosen = None;
        loop {
            // Where a stream's history ends before the others', the story ends too: in
            // life its shard would commit time.
            let stream = chosen.take().unwrap_or(choices.next().expect("cycles") % left.len());
            let Some(&batch) = left[stream].peek() else { break };
            match waiting.apply(batch) {
                Ok(()) => {
                    free.apply(batch).expect("no limit");
                    left[stream].next();
                }
                Err(ApplyError::Ahead { slowest, .. }) => {
                    let slowest = usize::from(slowest.get());
                    prop_assert_ne!(slowest, stream, "the slowest is never refused");
                    chosen = Some(slowest);
                }
                Err(error) => panic!("{error}"),
            }
        }
        prop_assert_eq!(waiting.publish(), free.publish());
    }
}
