//! Boards of every kind: against a walk through all that happened, over all interleavings,
//! through checkpoints and in every refresh mode.

use std::sync::Arc;

use huntcore_board::{BoardLimits, Boards, BoardsVersion, Refresh, Refresher};
use huntcore_model::{BoardName, HuntNumber, RefreshMode};
use proptest::prelude::*;

use crate::checkpoints::{restored, written};
use crate::counted;
use crate::deployment::any_deployment;
use crate::history::any_choices;

fn narrow_limits() -> impl Strategy<Value = BoardLimits> {
    (0_usize..4, 0_usize..12, 0_usize..9, 0_u64..4_000).prop_map(
        |(windows_max, window_entries_max, undo_claims_max, undo_ms)| BoardLimits {
            windows_max,
            window_entries_max,
            undo_claims_max,
            undo_ms,
            ..BoardLimits::default()
        },
    )
}

/// Does as it is told, board by board, and checks what it hears.
#[derive(Default)]
struct Told {
    modes: Vec<Option<RefreshMode>>,
    shadow: bool,
    next: usize,
    compared: usize,
}

impl Refresher for Told {
    fn refresh(&mut self, _: HuntNumber, _: BoardName) -> Refresh {
        self.next += 1;
        Refresh {
            mode: self.modes[self.next % self.modes.len()],
            shadow: self.shadow,
        }
    }

    fn refreshed(&mut self, _: HuntNumber, _: BoardName, mode: RefreshMode) {
        assert_ne!(mode, RefreshMode::Frozen, "nothing is made to freeze");
    }

    fn compared(&mut self, _: HuntNumber, _: BoardName, differences: u64) {
        assert_eq!(differences, 0, "both modes come to the same");
        self.compared += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_version_is_what_a_walk_through_all_records_gives(
        deployment in any_deployment(),
        choices in any_choices(),
    ) {
        let mut boards = Boards::new(deployment.shards, BoardLimits::default());
        let mut versions = Vec::new();
        for (step, batch) in deployment.interleaved(&choices).into_iter().enumerate() {
            boards.apply(batch).expect("in order");
            if choices[step % choices.len()] < 6 {
                versions.push(boards.publish());
            }
        }
        versions.push(boards.publish());
        for version in versions {
            let expected = counted::boards(&deployment, version.position());
            prop_assert_eq!(counted::shown(&version), expected);
        }
    }

    #[test]
    fn every_interleaving_gives_the_same_version_and_bytes(
        deployment in any_deployment(),
        one in any_choices(),
        other in any_choices(),
        limits in prop_oneof![Just(BoardLimits::default()), narrow_limits()],
    ) {
        let [one, other] = [one, other].map(|choices| {
            let mut boards = Boards::new(deployment.shards, limits);
            for (step, batch) in deployment.interleaved(&choices).into_iter().enumerate() {
                boards.apply(batch).expect("in order");
                if choices[step % choices.len()] > 8 {
                    boards.publish();
                }
            }
            (boards.publish(), written(&boards))
        });
        prop_assert_eq!(one.0, other.0);
        prop_assert_eq!(one.1, other.1);
    }

    #[test]
    fn boards_restored_anywhere_go_on_alike(
        deployment in any_deployment(),
        choices in any_choices(),
        limits in prop_oneof![Just(BoardLimits::default()), narrow_limits()],
        cut in any::<proptest::sample::Index>(),
    ) {
        let batches = deployment.interleaved(&choices);
        let cut = cut.index(batches.len() + 1);
        let mut boards = Boards::new(deployment.shards, limits);
        for batch in &batches[..cut] {
            boards.apply(batch).expect("in order");
        }
        let checkpoint = written(&boards);
        let mut restored = restored(deployment.shards, limits, &checkpoint).expect("own");
        prop_assert_eq!(restored.publish(), boards.publish());
        prop_assert_eq!(written(&restored), checkpoint);
        for batch in &batches[cut..] {
            boards.apply(batch).expect("in order");
            restored.apply(batch).expect("in order");
            prop_assert_eq!(restored.publish(), boards.publish());
        }
        prop_assert_eq!(written(&restored), written(&boards));
    }

    #[test]
    fn modes_change_how_a_board_is_made_and_never_move_it_back(
        deployment in any_deployment(),
        choices in any_choices(),
        modes in proptest::collection::vec(
            prop_oneof![
                Just(Some(RefreshMode::Incremental)),
                Just(Some(RefreshMode::Rebuild)),
                Just(Some(RefreshMode::Frozen)),
                Just(None)
            ],
            1..9
        ),
        shadow: bool,
    ) {
        let mut boards = Boards::new(deployment.shards, BoardLimits::default());
        let mut told = Told { modes, shadow, ..Told::default() };
        let mut last: Option<Arc<BoardsVersion>> = None;
        for batch in deployment.interleaved(&choices) {
            boards.apply(batch).expect("in order");
            let version = boards.publish_by(&mut told);
            for hunt in version.hunts() {
                for defined in version.boards(hunt) {
                    let name = defined.definition.name;
                    let Some(view) = version.board(hunt, name) else { continue };
                    prop_assert!(version.position().covers(view.position()));
                    let before = last.as_ref().and_then(|last| last.board(hunt, name));
                    let before = before.filter(|before| before.generation() == view.generation());
                    let Some(before) = before else { continue };
                    prop_assert!(view.position().covers(before.position()), "it went back");
                    if view.position() == before.position() {
                        prop_assert_eq!(view, before, "it stays as it was");
                    }
                }
            }
            last = Some(version);
        }
        // Whatever came before: at once as if nothing else had ever been.
        let mut plain = Boards::new(deployment.shards, BoardLimits::default());
        for batch in deployment.interleaved(&choices) {
            plain.apply(batch).expect("in order");
        }
        for mode in [RefreshMode::Rebuild, RefreshMode::Incremental] {
            told.modes = vec![Some(mode)];
            prop_assert_eq!(boards.publish_by(&mut told), plain.publish());
        }
    }
}
