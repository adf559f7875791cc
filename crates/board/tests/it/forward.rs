//! No blink (I6): whoever follows the published versions never sees one go back.

use std::collections::BTreeMap;
use std::sync::Arc;

use huntcore_board::{Boards, BoardsVersion};
use huntcore_model::BoardName;
use proptest::prelude::*;

use crate::checkpoints::{restored, written};
use crate::history::{any_choices, any_history};
use crate::naive::listed;
use crate::streams::any_limits;

/// Follows successive versions and fails on any that goes back.
struct Follower {
    last: Arc<BoardsVersion>,
}

impl Follower {
    fn follow(&mut self, next: Arc<BoardsVersion>) {
        let last = std::mem::replace(&mut self.last, next);
        let next = &self.last;
        assert!(
            next.position().covers(last.position()),
            "position went back"
        );
        assert!(next.time() >= last.time(), "time went back");
        for hunt in last.hunts() {
            for name in [BoardName::TOTAL, BoardName::BEST] {
                let before = last.board(hunt, name).expect("always there");
                let after = next.board(hunt, name).expect("always there");
                for entry in before.entries(0) {
                    let standing = after.standing(entry.player).expect("nobody vanishes");
                    assert!(standing.score >= entry.score, "{name} fell");
                }
            }
            let after: BTreeMap<_, _> = next
                .windows(hunt, BoardName::SECOND)
                .map(|view| (view.window().start, view))
                .collect();
            let newest_before = last
                .latest_final(hunt, BoardName::SECOND)
                .map(|view| view.window().start);
            let newest_after = next
                .latest_final(hunt, BoardName::SECOND)
                .map(|view| view.window().start);
            assert!(newest_after >= newest_before, "latest window went back");
            for before in last.windows(hunt, BoardName::SECOND) {
                let window = before.window();
                let Some(after) = after.get(&window.start) else {
                    assert!(window.end <= Some(next.time()), "an open window vanished");
                    continue;
                };
                assert!(after.window().is_final >= window.is_final);
                if window.is_final {
                    assert_eq!(listed(after), listed(&before), "a final window changed");
                }
                for entry in before.entries(0) {
                    let standing = after.standing(entry.player).expect("nobody vanishes");
                    assert!(standing.score >= entry.score, "a best of a second fell");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn versions_only_move_forward(
        history in any_history(),
        choices in any_choices(),
        limits in any_limits(),
    ) {
        let mut boards = Boards::new(history.shards, limits);
        let mut follower = Follower { last: boards.publish() };
        for (step, batch) in history.interleaved(&choices).into_iter().enumerate() {
            boards.apply(batch).expect("in order");
            match choices[step % choices.len()] {
                // A restart: from a checkpoint, and through batches known already.
                0 => {
                    let checkpoint = written(&boards);
                    boards = restored(history.shards, limits, &checkpoint).expect("own");
                    boards.apply(batch).expect("skipped");
                    follower.follow(boards.publish());
                }
                1..8 => follower.follow(boards.publish()),
                _ => {}
            }
        }
        follower.follow(boards.publish());
    }
}
