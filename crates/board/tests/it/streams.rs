//! The result depends on what was applied, and on nothing else (I5).

use huntcore_board::{BoardLimits, Boards};
use proptest::prelude::*;

use crate::checkpoints::written;
use crate::history::{any_choices, any_history};
use crate::naive;

pub(crate) fn any_limits() -> impl Strategy<Value = BoardLimits> {
    let narrow = (0_usize..4, 0_usize..12, 2_u32..9).prop_map(
        |(windows_max, window_entries_max, players_max)| BoardLimits {
            windows_max,
            window_entries_max,
            players_max,
            ..BoardLimits::default()
        },
    );
    prop_oneof![Just(BoardLimits::default()), narrow]
}

proptest! {
    #[test]
    fn every_version_is_what_sorting_everything_gives(
        history in any_history(),
        choices in any_choices(),
        limits in any_limits(),
    ) {
        let mut boards = Boards::new(history.shards, limits);
        let mut versions = Vec::new();
        for (step, batch) in history.interleaved(&choices).into_iter().enumerate() {
            boards.apply(batch).expect("in order");
            // Records of several batches of all streams gather before some versions.
            if choices[step % choices.len()] < 6 {
                let version = boards.publish();
                prop_assert_eq!(version.position(), &boards.position());
                versions.push(version);
            }
        }
        versions.push(boards.publish());
        for version in versions {
            // Looked at only now: a version does not change once it is published.
            let expected = naive::boards(&history, version.position(), &limits);
            prop_assert_eq!(naive::shown(&version), expected);
        }
    }

    #[test]
    fn every_interleaving_gives_the_same_version(
        history in any_history(),
        one in any_choices(),
        other in any_choices(),
        limits in any_limits(),
    ) {
        let [one, other] = [one, other].map(|choices| {
            let mut boards = Boards::new(history.shards, limits);
            for (step, batch) in history.interleaved(&choices).into_iter().enumerate() {
                boards.apply(batch).expect("in order");
                if choices[step % choices.len()] > 8 {
                    boards.publish();
                }
            }
            (boards.publish(), written(&boards))
        });
        prop_assert_eq!(one, other);
    }
}
